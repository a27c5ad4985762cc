"""How good a model is, measured on labelled photographs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.data.lsp import LabelledPerson
from posekit.errors import DataError
from posekit.estimator import Estimator
from posekit.skeleton import LSP14, Skeleton

THRESHOLD = 0.2


@dataclass(frozen=True)
class PCK:
    """Share of keypoints predicted within 0.2 torso lengths of their label.

    The torso runs from left shoulder to right hip (Yang and Ramanan, "Articulated Human
    Detection with Flexible Mixtures of Parts", PAMI 2013, for the measure; LSP's usual
    normaliser). People whose torso is not labelled have no yardstick and are left out.

    Attributes:
        mean: per cent of all labelled keypoints.
        per_keypoint: the same for each, by name.
        people: how many were measured.
        keypoints: how many labelled keypoints they have.
    """

    mean: float
    per_keypoint: dict[str, float]
    people: int
    keypoints: int


def pck(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    labelled: npt.ArrayLike,
    skeleton: Skeleton = LSP14,
    threshold: float = THRESHOLD,
) -> PCK:
    """PCK of N people in any one coordinate system each.

    Args:
        predicted: (N, K, 2).
        truth: (N, K, 2).
        labelled: (N, K) bool; keypoints without a label count for nothing.
        skeleton: names the keypoints and the torso.
        threshold: share of the torso's length that still counts as right.

    Raises:
        DataError: the skeleton has no torso, or nobody has a labelled one.
    """
    truth, labelled = np.asarray(truth, dtype=np.float64), np.asarray(labelled, dtype=bool)
    if skeleton.torso is None:
        raise DataError(f"PCK needs a torso; the skeleton {skeleton.name} has none.")
    top, bottom = skeleton.torso
    torso = np.linalg.norm(truth[:, top] - truth[:, bottom], axis=-1)
    usable = labelled[:, top] & labelled[:, bottom] & (torso > 0)
    if not usable.any():
        raise DataError("PCK needs at least one person whose torso is labelled.")
    distance = np.linalg.norm(np.asarray(predicted) - truth, axis=-1)
    right = (distance <= threshold * torso[:, None]) & labelled & usable[:, None]
    counted = labelled & usable[:, None]
    per_keypoint = {
        name: round(100 * float(right[:, i].sum() / counted[:, i].sum()), 2)
        for i, name in enumerate(skeleton.keypoints)
        if counted[:, i].any()
    }
    mean = round(100 * float(right.sum() / counted.sum()), 2)
    return PCK(mean, per_keypoint, int(usable.sum()), int(counted.sum()))


def evaluate(estimator: Estimator, people: Iterable[LabelledPerson]) -> PCK:
    """PCK of a model, each person given by the box around the labels, through the whole chain.

    Raises:
        DataError: the model's keypoints are not the data set's, or nobody can be measured.
    """
    skeleton = estimator.model.entry.skeleton
    if skeleton.keypoints != LSP14.keypoints:
        raise DataError(
            f"{estimator.model.entry.title} predicts {skeleton.title}; "
            f"these photographs are labelled with {LSP14.title}."
        )
    predicted, truth, labelled = [], [], []
    for person in people:
        found = estimator.predict(person.photo, [person.box], record=False).people[0]
        predicted.append(found.keypoints)
        truth.append(person.keypoints)
        labelled.append(person.labelled)
    if not truth:
        raise DataError("The data set holds no person with usable labels.")
    return pck(np.stack(predicted), np.stack(truth), np.stack(labelled), skeleton)
