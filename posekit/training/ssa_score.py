"""Measuring a network of the OpenPose line: who was found, where, and what contradicts what."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posekit.data.crowd_augment import People
from posekit.data.paf_targets import PafTargets
from posekit.decode.paf import PafDecoder
from posekit.decode.paf_people import PafDecoding
from posekit.evaluation.oks import PersonTruth, ScoredPose, oks
from posekit.evaluation.pck import pck
from posekit.models.ssa import SSAConfig, StageOutputs
from posekit.models.ssa_votes import contradiction, synthesise
from posekit.similarity import greedy_pairs
from posekit.training.crowd_truth import truth_of
from posekit.training.task import Score

__all__ = ["Tally", "matched"]

Floats = npt.NDArray[np.float64]


class Tally:
    """Adds up what was found in batch after batch."""

    def __init__(self, config: SSAConfig) -> None:
        self.config = config
        self.truth: list[list[PersonTruth]] = []
        self.found: list[list[ScoredPose]] = []
        self.pairs: list[tuple[Floats, Floats, npt.NDArray[np.bool_]]] = []
        self.contradictions: list[Tensor] = []
        self.apart: list[Tensor] = []

    def add(
        self, outputs: StageOutputs, targets: PafTargets, people: People, decoder: PafDecoder
    ) -> None:
        """Count a batch of whole photos."""
        config = self.config
        heat, paf = outputs.heat[-1].float(), outputs.paf[-1].float()
        # A network without offsets votes from its blocks' centres.
        offset = torch.zeros_like(targets.offset)
        if outputs.offset:
            offset = outputs.offset[-1].float()
        made = synthesise(heat, offset, paf, config.skeleton.limbs, config.grid)
        count = config.skeleton.size
        self.contradictions.append(contradiction(heat[:, :count], made.mixed, targets.mask))
        on_people = (targets.heat[:, :count] > 0.1) & (targets.mask > 0)
        self.apart.append((heat - made.mixed)[:, :count].abs()[on_people])
        maps = [t.cpu().numpy() for t in (heat, paf, offset)]
        for index in range(len(heat)):
            decoding = decoder(*(each[index] for each in maps))
            self.count(decoding, People(*(part[index].cpu() for part in people)))

    def count(self, decoding: PafDecoding, people: People) -> None:
        """Count one photo; ``people`` without the axis of the batch."""
        poses = [decoding.keypoints(n)[0] for n in range(len(decoding.people))]
        self.found.append(
            [
                ScoredPose(pose, person.ranking_score)
                for pose, person in zip(poses, decoding.people, strict=True)
            ]
        )
        self.truth.append(truth_of(people))
        present = people.present.numpy()
        keypoints = people.keypoints.double().numpy()[present] - 0.5
        self.pairs.append(matched(poses, keypoints, people.counted.numpy()[present]))

    def score(self) -> Score:
        """What came out."""
        predicted, true, known = (np.concatenate(part) for part in zip(*self.pairs, strict=True))
        ap = oks(self.truth, self.found, self.config.skeleton)
        right = pck(predicted, true, known, self.config.skeleton)
        figures = {
            "AP50": ap.AP50,
            "AR": ap.AR,
            "PCK@0.2": right.mean,
            "contradiction": float(torch.cat(self.contradictions).mean()),
            "apart": float(torch.cat(self.apart).mean()),
        }
        return Score("OKS AP", ap.AP, figures)


def matched(
    found: list[Floats], true: Floats, known: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Found people beside the true ones, each of whom gets one of them at most, the nearest first.

    Distances are means over the labelled keypoints, in extents of the person, those not found at
    one extent. What is not found lies infinitely far away.

    Args:
        found: (K, 2) each, NaN where a keypoint was not found.
        true: (P, K, 2).
        known: (P, K).

    Returns:
        Found, true (P, K, 2) and known (P, K), of the people with labels.
    """
    keep = known.any(1)
    true, known = true[keep], known[keep]
    taken = np.full(true.shape, np.inf)
    if not found or not len(true):
        return taken, true, known
    places = np.where(known[..., None], true, np.nan)
    extent = np.nanmax(np.nanmax(places, 1) - np.nanmin(places, 1), axis=-1).clip(1)  # (P,)
    away = np.linalg.norm(np.stack(found)[:, None] - true[None], axis=-1) / extent[:, None]
    away = np.where(np.isnan(away), 1.0, away.clip(0, 1))
    cost = (away * known).sum(-1) / known.sum(-1)  # (found, P)
    for who, whom in greedy_pairs(-cost, cost < 1):
        taken[whom] = np.where(np.isnan(found[who]), np.inf, found[who])
    return taken, true, known
