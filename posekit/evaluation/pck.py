"""The share of keypoints near their labels, in units of the torso (PCK) or of the head (PCKh)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.bootstrap import Interval
from posekit.errors import DataError
from posekit.evaluation.rows import KEYPOINTS, Rows, numbered
from posekit.skeleton import LSP14, Skeleton

__all__ = ["HEAD_THRESHOLD", "PCK", "THRESHOLD", "head_segment", "pck", "pckh"]

THRESHOLD = 0.2
HEAD_THRESHOLD = 0.5


@dataclass(frozen=True)
class PCK:
    """Share of keypoints predicted within a part of the torso's or the head's length.

    The torso runs from left shoulder to right hip (Yang and Ramanan, "Articulated Human
    Detection with Flexible Mixtures of Parts", PAMI 2013, for the measure; LSP's usual
    normaliser), the head from the neck to its top (Andriluka et al., "2D Human Pose Estimation:
    New Benchmark and State of the Art Analysis", CVPR 2014, who measure it on a box around the
    head instead). People whose yardstick is not labelled are left out.

    Attributes:
        mean: per cent of all labelled keypoints.
        per_keypoint: the same for each, by name.
        people: how many were measured.
        keypoints: how many labelled keypoints they have.
        counts: how many of them each keypoint has, by name.
        left_out: people whose yardstick is not labelled.
        measure: what was measured, ``"PCK@0.2"`` or ``"PCKh@0.5"``.
        rows: each person's keypoints; whose yardstick is not labelled has none measured.
    """

    mean: float
    per_keypoint: dict[str, float]
    people: int
    keypoints: int
    measure: str = f"PCK@{THRESHOLD}"
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0
    rows: Rows | None = field(default=None, repr=False, compare=False)

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows."""
        return {self.measure: self.mean}

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps."""
        return {
            "people": self.people,
            "keypoints": self.keypoints,
            "per keypoint": self.per_keypoint,
            "labelled": dict(self.counts),
            "left out": self.left_out,
        }

    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals over photographs, by figure."""
        return {} if self.rows is None else self.rows.intervals()


def pck(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    labelled: npt.ArrayLike,
    skeleton: Skeleton = LSP14,
    threshold: float = THRESHOLD,
    counted: npt.ArrayLike | None = None,
    photos: Sequence[str] | None = None,
) -> PCK:
    """PCK of N people in any one coordinate system each.

    Args:
        predicted: (N, K, 2).
        truth: (N, K, 2).
        labelled: (N, K) bool; keypoints without a label count for nothing.
        skeleton: names the keypoints and the torso.
        threshold: share of the torso's length that still counts as right.
        counted: (K,) bool, which keypoints are predicted at all; None is every one. The torso
            measures people even where it is not predicted.
        photos: (N,) name of each one's photograph; None is one photograph each.

    Raises:
        DataError: the skeleton has no torso, or nobody has a labelled one.
    """
    if skeleton.torso is None:
        raise DataError(f"PCK needs a torso; the skeleton {skeleton.name} has none.")
    words = ("PCK", "torso")
    return _within(
        predicted, truth, labelled, skeleton, skeleton.torso, threshold, counted, words, photos
    )


def pckh(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    labelled: npt.ArrayLike,
    skeleton: Skeleton,
    threshold: float = HEAD_THRESHOLD,
    counted: npt.ArrayLike | None = None,
    photos: Sequence[str] | None = None,
) -> PCK:
    """PCKh of N people; arguments as in :func:`pck`, with the head's length as the yardstick.

    Raises:
        DataError: the skeleton has no head segment, or nobody has a labelled one.
    """
    ends = head_segment(skeleton)
    if ends is None:
        raise DataError(
            f"PCKh needs a neck and the top of the head; the skeleton {skeleton.name} lacks them."
        )
    words = ("PCKh", "head")
    return _within(predicted, truth, labelled, skeleton, ends, threshold, counted, words, photos)


def head_segment(skeleton: Skeleton) -> tuple[int, int] | None:
    """Indices of neck and head top, None where the skeleton lacks one."""
    names = skeleton.keypoints
    neck = next((name for name in ("neck", "upper neck") if name in names), None)
    if neck is None or "head top" not in names:
        return None
    return names.index(neck), names.index("head top")


def _within(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    labelled: npt.ArrayLike,
    skeleton: Skeleton,
    yardstick: tuple[int, int],
    threshold: float,
    counted: npt.ArrayLike | None,
    words: tuple[str, str],
    photos: Sequence[str] | None,
) -> PCK:
    truth, known = np.asarray(truth, dtype=np.float64), np.asarray(labelled, dtype=bool)
    first, last = yardstick
    length = np.linalg.norm(truth[:, first] - truth[:, last], axis=-1)
    usable = known[:, first] & known[:, last] & (length > 0)
    if counted is not None:
        known = known & np.asarray(counted, dtype=bool)
    known = known & usable[:, None]
    if not known.any():
        raise DataError(f"{words[0]} needs at least one person whose {words[1]} is labelled.")
    distance = np.linalg.norm(np.asarray(predicted) - truth, axis=-1)
    right = (distance <= threshold * length[:, None]) & known
    per_keypoint = {
        name: round(100 * float(right[:, i].sum() / known[:, i].sum()), 2)
        for i, name in enumerate(skeleton.keypoints)
        if known[:, i].any()
    }
    mean = round(100 * float(right.sum() / known.sum()), 2)
    measure = f"{words[0]}@{threshold:g}"
    counts = {name: int(known[:, skeleton.index(name)].sum()) for name in per_keypoint}
    names = [str(n) for n in range(len(known))] if photos is None else list(photos)
    sums = (right.sum(1).astype(np.float64), known.sum(1).astype(np.float64))
    return PCK(
        mean,
        per_keypoint,
        int(usable.sum()),
        int(known.sum()),
        measure,
        counts=counts,
        left_out=int((~usable).sum()),
        rows=Rows(measure, names, numbered(names), dict(zip(KEYPOINTS, sums, strict=True))),
    )
