"""Masks of people from nothing but attention: the mean of their keypoints' rows.

Our reading of "Attend to Who You Are", arXiv 2111.12892.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from posekit.affine import Affine

__all__ = ["AttentionMask", "person_masks"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AttentionMask:
    """The pixels of a person.

    Attributes:
        array: (H, W) bool.
        confidence: mean over its pixels of how much the person's keypoints attend to them, in 0..1;
            0 for an empty mask.
    """

    array: npt.NDArray[np.bool_] = field(repr=False)
    confidence: float


def person_masks(
    values: npt.ArrayLike,
    keypoints: Sequence[npt.ArrayLike],
    to_grid: Affine,
    size: tuple[int, int],
    threshold: float = 0.5,
) -> tuple[AttentionMask, ...]:
    """One mask a person; no pixel belongs to two.

    Args:
        values: (P, rows, cols), of each person the mean of the keypoints' rows of attention, each
            over its maximum.
        keypoints: of each person (n, 2), those found, in the pixels of the masks.
        to_grid: pixels of the masks to tokens (column, row).
        size: (H, W) of the masks.
        threshold: least value inside.

    Returns:
        Contested pixels go to the person of the higher value. Parts without a keypoint are left
        out; where no part has one, the largest stays.
    """
    array = np.asarray(values, np.float32)
    if not len(array):
        return ()
    large = np.stack(
        [
            cv2.warpAffine(
                one,
                to_grid.matrix,
                size[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for one in array
        ]
    )
    owner = large.argmax(0)
    masks = []
    for n, (one, points) in enumerate(zip(large, keypoints, strict=True)):
        mask = _around(np.asarray((one >= threshold) & (owner == n)), np.asarray(points))
        confidence = float(one[mask].mean()) if mask.any() else 0.0
        masks.append(AttentionMask(mask, min(confidence, 1.0)))
    return tuple(masks)


def _around(mask: npt.NDArray[np.bool_], points: Floats) -> npt.NDArray[np.bool_]:
    """The parts of a mask that hold a keypoint, or the largest."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    place = np.rint(points[np.isfinite(points).all(-1)]).astype(np.int64)
    height, width = mask.shape
    inside = ((place >= 0) & (place < (width, height))).all(-1)
    held = np.unique(label[place[inside, 1], place[inside, 0]])
    held = held[held > 0]
    if not len(held):
        held = np.array([1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())])
    return np.asarray(np.isin(label, held))
