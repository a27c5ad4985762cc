"""How far two poses of one person are apart, and how much of a limb something covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from posekit.data.labelled import MASK_SHARE
from posekit.found import box_around
from posekit.similarity import keypoint_similarity
from posekit.skeleton import Skeleton

__all__ = ["covered_keypoints", "covered_limbs", "limbs_at", "pose_area", "similarity", "torso_of"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def similarity(before: Floats, after: Floats, skeleton: Skeleton, area: float) -> float | None:
    """OKS of one pose with another: the mean over keypoints of exp(-d^2 / (2 area (2 sigma)^2)).

    Args:
        before: (K, 2) photo pixels, taken for the truth: only keypoints found here count.
        after: (K, 2); a keypoint that is not found counts 0.
        skeleton: brings the sigmas.
        area: of the person, square pixels, see :func:`pose_area`.

    Returns:
        0 to 1; None when nothing was found before.
    """
    counted = np.isfinite(before).all(axis=-1)
    if not counted.any() or not area > 0:
        return None
    squared = ((after - before) ** 2).sum(axis=-1)[counted]
    alike = keypoint_similarity(squared, area, np.asarray(skeleton.sigmas)[counted])
    return float(np.where(np.isfinite(squared), alike, 0.0).mean())


def pose_area(keypoints: Floats, photo_size: tuple[int, int]) -> float:
    """The area OKS scales by when no mask says it: 0.53 of the box round the keypoints found.

    0 when none was. The share is CrowdPose's; boxes drawn by hand are not used, so that models with
    and without boxes are measured alike.
    """
    if not np.isfinite(keypoints).all(axis=-1).any():
        return 0.0
    return MASK_SHARE * box_around(keypoints, photo_size).area


def torso_of(keypoints: Floats, skeleton: Skeleton) -> float | None:
    """Distance from left shoulder to right hip in pixels; None when unknown or 0."""
    if skeleton.torso is None:
        return None
    a, b = skeleton.torso
    length = float(np.hypot(*(keypoints[a] - keypoints[b])))
    return length if np.isfinite(length) and length > 0 else None


def limbs_at(keypoint: int, skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """The limbs that end in a keypoint."""
    return tuple(limb for limb in skeleton.limbs if keypoint in limb)


def covered_keypoints(cover: Mask, keypoints: Floats) -> Mask:
    """(K,) bool, which keypoints lie on a covered pixel; one outside the photo does not."""
    return _on(cover, keypoints)


def covered_limbs(cover: Mask, keypoints: Floats, limbs: Sequence[tuple[int, int]]) -> float | None:
    """Share of the length of limbs that is covered, 0 to 1, as samples a quarter pixel apart say.

    None when no limb has both its ends found. What lies outside the photo is not covered.
    """
    covered = total = 0.0
    for a, b in limbs:
        ends = keypoints[[a, b]]
        if not np.isfinite(ends).all():
            continue
        length = float(np.hypot(*(ends[1] - ends[0])))
        count = int(min(max(4 * np.ceil(length), 1), 100_000))
        share = (np.arange(count) + 0.5) / count
        along = ends[0] + share[:, None] * (ends[1] - ends[0])
        covered += length * float(_on(cover, along).mean())
        total += length
    return covered / total if total > 0 else None


def _on(cover: Mask, points: Floats) -> Mask:
    height, width = cover.shape
    with np.errstate(invalid="ignore"):
        near = np.floor(points + 0.5)
        inside = np.asarray(((near >= 0) & (near < (width, height))).all(axis=-1))
    column, row = np.where(inside[..., None], near, 0).astype(np.int64).T
    return np.asarray(cover[row, column] & inside)
