"""Which of several overlapping poses to keep, judged by object keypoint similarity (OKS).

As the TransPose evaluation does it (section 6 of its specification): every keypoint counts, seen or
not, and two people are compared over the mean of their areas.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from posekit.similarity import keypoint_similarity

__all__ = ["oks_matrix", "oks_nms"]

Floats = npt.NDArray[np.float64]


def oks_matrix(keypoints: npt.ArrayLike, areas: npt.ArrayLike, sigmas: Sequence[float]) -> Floats:
    """OKS of every person with every other, (P, P) in 0 .. 1, ones on the diagonal.

    Args:
        keypoints: (P, K, 2 or more), x and y first, in photo pixels.
        areas: (P,) square pixels, for instance of the padded boxes.
        sigmas: (K,) COCO constants, such as ``skeleton.sigmas``.
    """
    xy = np.asarray(keypoints, dtype=np.float64)[..., :2]
    area = np.asarray(areas, dtype=np.float64)
    squared = ((xy[:, None] - xy[None]) ** 2).sum(axis=-1)  # (P, P, K)
    mean_area = (area[:, None] + area[None]) / 2 + np.spacing(1)
    return np.asarray(keypoint_similarity(squared, mean_area[..., None], sigmas).mean(axis=-1))


def oks_nms(
    keypoints: npt.ArrayLike,
    scores: npt.ArrayLike,
    areas: npt.ArrayLike,
    sigmas: Sequence[float],
    threshold: float = 0.9,
) -> list[int]:
    """Indices of the people to keep, best score first.

    Greedy: the best person left is kept, and whoever has an OKS above ``threshold`` with it goes.
    Arguments are those of :func:`oks_matrix`, and scores (P,).
    """
    left = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    if not left.size:
        return []
    similar = oks_matrix(keypoints, areas, sigmas)
    keep: list[int] = []
    while left.size:
        best = int(left[0])
        keep.append(best)
        left = left[1:][similar[best, left[1:]] <= threshold]
    return keep
