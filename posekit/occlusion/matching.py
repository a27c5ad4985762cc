"""Who is who before and after: a model of whole photos may find people in another order, or not."""

from __future__ import annotations

import numpy as np

from posekit.estimator import Prediction
from posekit.found import SAME
from posekit.occlusion.measure import pose_area, similarity
from posekit.similarity import greedy_pairs

__all__ = ["LEAST_OKS", "matched"]

LEAST_OKS = 0.1
"""Poses at least so alike are one person's, whatever their boxes."""


def matched(before: Prediction, after: Prediction) -> tuple[int | None, ...]:
    """For every person before, which one it is after; None for somebody who is not found any more.

    The pair most alike comes first, by OKS plus the overlap of the boxes; nobody is taken twice.
    """
    if not before.people or not after.people:
        return (None,) * len(before.people)
    size = before.photo.size
    alike = np.zeros((len(before.people), len(after.people)))
    for n, one in enumerate(before.people):
        area = pose_area(one.keypoints, size)
        for m, other in enumerate(after.people):
            oks = similarity(one.keypoints, other.keypoints, before.skeleton, area) or 0.0
            overlap = one.box.overlap(other.box)
            if oks >= LEAST_OKS or overlap >= SAME:
                alike[n, m] = oks + overlap
    pairs = dict(greedy_pairs(alike, alike > 0))
    return tuple(pairs.get(n) for n in range(len(before.people)))
