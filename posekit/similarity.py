"""How alike two poses are, and who goes with whom: what decoding and evaluation share.

Measures that must agree with papers to the last digit are pycocotools' own
(:mod:`posekit.evaluation.average_precision`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["greedy_pairs", "keypoint_similarity"]

Floats = npt.NDArray[np.float64]


def keypoint_similarity(
    squared: npt.ArrayLike, area: npt.ArrayLike, sigmas: npt.ArrayLike
) -> Floats:
    """The terms of object keypoint similarity (OKS): ``exp(-d^2 / (2 area (2 sigma)^2))``.

    COCO's definition (cocodataset.org, keypoint evaluation); OKS is the mean over the keypoints
    that count.

    Args:
        squared: (..., K) squared distances, square pixels.
        area: of the person, square pixels, above 0; broadcast against ``squared``.
        sigmas: (K,) COCO constants, such as ``skeleton.sigmas``, or one keypoint's.

    Returns:
        (..., K) in 0 .. 1, NaN where the distance is.
    """
    spread = (2 * np.asarray(sigmas, dtype=np.float64)) ** 2
    return np.asarray(np.exp(-np.asarray(squared) / (2 * np.asarray(area) * spread)))


def greedy_pairs(likeness: npt.ArrayLike, allowed: npt.ArrayLike) -> list[tuple[int, int]]:
    """Pairs of a row and a column, the most alike first; each row and column is in one at most.

    Of equal pairs the one in the upper row, then in the left column, comes first.

    Args:
        likeness: (M, N), larger is better.
        allowed: (M, N) bool, which pairs may be at all.
    """
    rows, columns = np.nonzero(np.asarray(allowed))
    order = np.argsort(-np.asarray(likeness)[rows, columns], kind="stable")
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    return pairs
