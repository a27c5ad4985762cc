"""Occluders made of the photo itself: a piece of it, or what lies under a mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from posekit.errors import OcclusionError
from posekit.geometry import Box
from posekit.occlusion.occluder import (
    Mask,
    Occluder,
    Pixels,
    Point,
    check_near,
    inside,
    numbers_of,
)
from posekit.photo import Photo
from posekit.run_lengths import decoded, runs_of

__all__ = ["Cutout", "Patch"]


@dataclass(frozen=True)
class Patch(Occluder):
    """A piece of the photo itself, laid somewhere else; positions count to whole pixels.

    Attributes:
        source: which piece; what of it lies outside the photo is left out.
        target: (x, y), where the source's top-left pixel comes to lie.
    """

    kind: ClassVar[str] = "patch"
    source: Box
    target: Point

    def __post_init__(self) -> None:
        x, y = self.target
        check_near(self.source.x, self.source.y, self.source.width, self.source.height, x, y)
        object.__setattr__(self, "target", (float(x), float(y)))

    @property
    def box(self) -> Box:
        """Where it comes to lie."""
        return Box(*self.target, self.source.width, self.source.height)

    @property
    def words(self) -> str:
        """What it is."""
        return f"piece of the photo of {self.source.width:.0f} x {self.source.height:.0f} px"

    def moved(self, dx: float, dy: float) -> Patch:
        """The same piece laid elsewhere."""
        return replace(self, target=(self.target[0] + dx, self.target[1] + dy))

    def to_dict(self) -> dict[str, Any]:
        """It as plain values."""
        return {
            "kind": self.kind,
            "source": numbers_of(self.source),
            "target": list(self.target),
        }

    def _draw(self, photo: Photo) -> tuple[Mask, Pixels]:
        by = round(self.target[0] - self.source.x), round(self.target[1] - self.source.y)
        return _laid(inside(self.source, photo.size), by, photo)


@dataclass(frozen=True)
class Cutout(Occluder):
    """What lies under a mask of the photo, laid somewhere else: another person, for instance.

    Attributes:
        size: (height, width) of the mask, which must be the photo's.
        counts: the mask's run lengths, see :mod:`posekit.run_lengths`.
        by: (dx, dy), how far it is moved; counts to whole pixels.
    """

    kind: ClassVar[str] = "cutout"
    size: tuple[int, int]
    counts: tuple[int, ...]
    by: Point = (0.0, 0.0)

    def __post_init__(self) -> None:
        check_near(*self.by)
        object.__setattr__(self, "by", (float(self.by[0]), float(self.by[1])))
        if not self.mask.any():
            raise OcclusionError("There is nothing to cut out: the mask is empty.")

    @classmethod
    def of_mask(cls, mask: npt.ArrayLike, by: Point = (0.0, 0.0)) -> Cutout:
        """Cut out with an (H, W) mask, truthy inside.

        Raises:
            OcclusionError: it has no two dimensions, or is empty.
        """
        array = np.asarray(mask, dtype=bool)
        if array.ndim != 2:
            raise OcclusionError(f"A mask has a height and a width, not the shape {array.shape}.")
        return cls((array.shape[0], array.shape[1]), runs_of(array), by)

    @cached_property
    def mask(self) -> Mask:
        """(H, W) bool, what is cut out, where it lies in the photo."""
        return decoded({"size": list(self.size), "counts": list(self.counts)})

    @cached_property
    def _cut(self) -> tuple[int, int, int, int]:
        """First and last column and row of the mask: x0, y0, x1, y1."""
        rows, cols = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(cols[0]), int(rows[0]), int(cols[-1]), int(rows[-1])

    @property
    def box(self) -> Box:
        """The box round what is cut out, where it comes to lie."""
        box = Box.from_corners(*self._cut)
        return Box(box.x + self.by[0], box.y + self.by[1], box.width, box.height)

    @property
    def words(self) -> str:
        """What it is."""
        return f"cut-out of {self.box.width:.0f} x {self.box.height:.0f} px"

    def moved(self, dx: float, dy: float) -> Cutout:
        """The same cut-out laid elsewhere."""
        return replace(self, by=(self.by[0] + dx, self.by[1] + dy))

    def to_dict(self) -> dict[str, Any]:
        """It as plain values."""
        return {
            "kind": self.kind,
            "mask": {"size": list(self.size), "counts": list(self.counts)},
            "by": list(self.by),
        }

    def _draw(self, photo: Photo) -> tuple[Mask, Pixels]:
        if self.size != photo.size:
            raise OcclusionError(
                f"The cut-out's mask is {self.size[1]} x {self.size[0]} pixels and the photo "
                f"{photo.width} x {photo.height}: cut it out of this photo again."
            )
        return _laid(self.mask, (round(self.by[0]), round(self.by[1])), photo)


def _laid(mask: Mask, by: tuple[int, int], photo: Photo) -> tuple[Mask, Pixels]:
    """A mask and the photo under it, moved by whole pixels; what leaves the photo is lost."""
    height, width = mask.shape
    dx, dy = (int(np.clip(v, -limit, limit)) for v, limit in zip(by, (width, height), strict=True))
    to_rows, from_rows = _slices(dy, height)
    to_cols, from_cols = _slices(dx, width)
    covered, seen = np.zeros_like(mask), np.zeros_like(photo.pixels)
    covered[to_rows, to_cols] = mask[from_rows, from_cols]
    seen[to_rows, to_cols] = photo.pixels[from_rows, from_cols]
    return covered, seen


def _slices(by: int, length: int) -> tuple[slice, slice]:
    return slice(max(by, 0), length + min(by, 0)), slice(max(-by, 0), length - max(by, 0))
