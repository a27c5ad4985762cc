"""Measuring instance attention: who was found, where, and on whom the supervised attention lies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from posekit.data.crowd_augment import People, Views
from posekit.decode.instance_people import Grouping
from posekit.evaluation.oks import PersonTruth, ScoredPose, oks
from posekit.evaluation.pck import pck
from posekit.models.instance import InstanceConfig, InstanceOutput
from posekit.models.instance_photo import decode, decoder_for, rows_at
from posekit.training.crowd_truth import truth_of
from posekit.training.ssa_score import matched
from posekit.training.task import Score

__all__ = ["Tally"]

Floats = npt.NDArray[np.float64]


class Tally:
    """Adds up what was found in batch after batch.

    Beside OKS AP and PCK it measures, at the *true* places of keypoints that can be seen, with
    masks at the resolution of the tokens:

    * ``purity``: share of a row's mass on the keypoint's own person, per cent;
    * ``others``: share on somebody else;
    * ``IoU``: of the mask that a person's rows make (their mean, cut at a half) with the true one,
      before pixels are contested.
    """

    def __init__(self, config: InstanceConfig) -> None:
        self.config = config
        self.decoder = decoder_for(config)
        self.truth: list[list[PersonTruth]] = []
        self.found: list[list[ScoredPose]] = []
        self.pairs: list[tuple[Floats, Floats, npt.NDArray[np.bool_]]] = []
        self.shares: list[tuple[float, float]] = []
        self.ious: list[float] = []

    def add(self, output: InstanceOutput, views: Views, seen: Tensor) -> None:
        """Count a batch of whole photos; ``seen`` (B, P, K) says which keypoints nothing hides."""
        assert views.covers is not None  # asked for
        covers = views.covers.people.cpu().numpy()
        for index in range(len(output.heatmaps)):
            people = People(*(part[index].cpu() for part in views.people))
            grouping, _ = decode(output, index, self.decoder, self.config)
            self.count(grouping, people)
            self.look(output, index, people, covers[index], seen[index].cpu().numpy())

    def count(self, grouping: Grouping, people: People) -> None:
        """Count who was found in one photo; ``people`` without the axis of the batch."""
        poses = [grouping.keypoints(n)[0] for n in range(len(grouping.people))]
        self.found.append(
            [
                ScoredPose(pose, person.score)
                for pose, person in zip(poses, grouping.people, strict=True)
            ]
        )
        self.truth.append(truth_of(people))
        present = people.present.numpy()
        keypoints = people.keypoints.double().numpy()[present] - 0.5
        self.pairs.append(matched(poses, keypoints, people.counted.numpy()[present]))

    def look(
        self,
        output: InstanceOutput,
        index: int,
        people: People,
        covers: npt.NDArray[np.float32],
        seen: npt.NDArray[np.bool_],
    ) -> None:
        """See where the attention of one photo's visible keypoints lies."""
        flat = covers.reshape(len(covers), -1).astype(np.float64)
        everybody = flat.sum(0).clip(max=1.0)
        for n in np.flatnonzero(people.present.numpy() & (flat.sum(1) >= 1)):
            known = people.counted[n].numpy() & seen[n]
            if not known.any():
                continue
            points = people.keypoints[n].double().numpy()[known] - 0.5
            rows = rows_at(output, index, points, self.config)
            mass = rows / rows.sum(1, keepdims=True)
            own, all_ = (mass @ cover for cover in (flat[n], everybody))
            self.shares += list(zip(own, all_ - own, strict=True))
            mask, true = rows.mean(0) >= 0.5, flat[n] >= 0.5
            self.ious.append(float((mask & true).sum() / max((mask | true).sum(), 1)))

    def score(self) -> Score:
        """What came out."""
        predicted, true, known = (np.concatenate(part) for part in zip(*self.pairs, strict=True))
        ap = oks(self.truth, self.found, self.config.skeleton)
        right = pck(predicted, true, known, self.config.skeleton)
        own, others = np.mean(self.shares, axis=0) if self.shares else (0.0, 0.0)
        figures = {
            "AP50": ap.AP50,
            "AR": ap.AR,
            "PCK@0.2": right.mean,
            "purity": 100 * float(own),
            "others": 100 * float(others),
            "IoU": 100 * float(np.mean(self.ious)) if self.ious else 0.0,
        }
        return Score("OKS AP", ap.AP, figures)
