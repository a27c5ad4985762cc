"""Masks as run lengths: few numbers, exact, and safe to take from strangers.

The form is COCO's uncompressed one: ``{"size": [height, width], "counts": [...]}``, lengths of runs
down the columns, the first of them outside the mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from posekit.errors import OcclusionError
from posekit.photo import PhotoLimits

__all__ = ["decoded", "encoded", "runs_of"]

Mask = npt.NDArray[np.bool_]

_NOT_RUNS = (
    'A mask is written as {"size": [height, width], "counts": [run lengths that add up to '
    "height x width]}."
)


def runs_of(mask: npt.ArrayLike) -> tuple[int, ...]:
    """Lengths of the runs of an (H, W) mask, down the columns, the first outside it."""
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    ends = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    lengths = np.diff(np.concatenate([[0], ends, [flat.size]]))
    if flat.size and flat[0]:
        lengths = np.concatenate([[0], lengths])
    return tuple(int(length) for length in lengths)


def encoded(mask: npt.ArrayLike) -> dict[str, Any]:
    """An (H, W) mask as plain values."""
    height, width = np.asarray(mask).shape
    return {"size": [int(height), int(width)], "counts": list(runs_of(mask))}


def decoded(data: Any) -> Mask:
    """The mask of plain values, (H, W) bool, read-only.

    Raises:
        OcclusionError: they are no run lengths, do not add up, or ask for more pixels than a photo
            may have.
    """
    if not isinstance(data, Mapping):
        raise OcclusionError(_NOT_RUNS)
    size, counts = data.get("size"), data.get("counts")
    if not _whole(size) or not _whole(counts) or len(size) != 2 or min(size) < 1:
        raise OcclusionError(_NOT_RUNS)
    height, width = size
    if height * width > PhotoLimits().max_pixels:
        raise OcclusionError("A mask has more pixels than any photo that PoseKit reads.")
    if sum(counts) != height * width:
        raise OcclusionError(_NOT_RUNS)
    inside = np.arange(len(counts)) % 2 == 1
    mask = np.repeat(inside, np.asarray(counts, dtype=np.int64)).reshape((height, width), order="F")
    mask.setflags(write=False)
    return mask


def _whole(values: Any) -> TypeGuard[Sequence[int]]:
    """Whether it is a sequence of whole numbers from 0."""
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str | bytes)
        and all(type(value) is int and value >= 0 for value in values)
    )
