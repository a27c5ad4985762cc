"""Attention purity of a model over a data set with masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from posekit.data.labelled import LabelledPhoto
from posekit.errors import DataError, TraceError
from posekit.estimator import Estimator
from posekit.explain.attention import explain
from posekit.explain.purity import Covers, Purity, mean_purity

__all__ = ["PurityScore", "evaluate_purity"]


@dataclass(frozen=True)
class PurityScore:
    """Where the attention of labelled keypoints lies, mean over keypoints.

    Attributes:
        layers: the shares in each layer, by its name, 0 to 1.
        people: how many were asked about.
        keypoints: how many of their keypoints.
    """

    layers: dict[str, Purity]
    people: int
    keypoints: int

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows: the share on the own person, in per cent."""
        return {f"purity, {name}": round(100 * part.own, 2) for name, part in self.layers.items()}

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps."""
        others = {name: round(100 * part.others, 2) for name, part in self.layers.items()}
        return {"people": self.people, "keypoints": self.keypoints, "on others": others}


def evaluate_purity(estimator: Estimator, photos: Iterable[LabelledPhoto]) -> PurityScore:
    """Ask for the row of every labelled keypoint, of everybody with a mask, in every layer.

    The place asked about is the label's, so that a wrong pose does not blur what is measured;
    heads are averaged. Crowds count as other people.

    Args:
        estimator: the model; people are given by their boxes.
        photos: one after the other.

    Raises:
        DataError: nobody has a mask and a labelled keypoint.
        PackageError: pycocotools, which decodes the masks, is not installed.
    """
    found: dict[str, list[Purity]] = {}
    people = keypoints = 0
    for photo in photos:
        masked = [person for person in photo.people if person.mask is not None]
        masks = [person.mask.array for person in masked if person.mask is not None]
        for index, person in enumerate(masked):
            if not person.single or not person.labelled.any():
                continue
            prediction = estimator.predict(photo.photo, [person.box])
            covers = Covers(masks, index)
            asked = 0
            for keypoint in np.flatnonzero(person.labelled):
                try:
                    answer = explain(prediction, person.keypoints[keypoint], person=0)
                except TraceError:  # labelled outside the person's own crop
                    continue
                asked += 1
                for attention in answer.maps:
                    found.setdefault(attention.layer, []).append(covers.shares(attention))
            people, keypoints = people + bool(asked), keypoints + asked
    if not keypoints:
        raise DataError("Attention purity needs people with a mask and labelled keypoints.")
    layers = {name: mean_purity(parts) for name, parts in found.items()}
    return PurityScore(layers, people, keypoints)
