"""A rectangle and a brush stroke: of one colour, or of none, where only attention is blocked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Literal

import cv2
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

__all__ = ["FILLS", "MOST_POINTS", "Fill", "Rectangle", "Stroke", "mean_colour"]

Fill = Literal["mean", "grey", "knockout"] | tuple[int, int, int]
"""A colour: the photo's mean, middle grey, or RGB 0 to 255. ``"knockout"`` is none: the photo stays
as it is, and no token may look at what lies there (:mod:`posekit.knockout`)."""

FILLS = ("mean", "grey", "knockout")
MOST_POINTS = 4096
_GREY = 128


@dataclass(frozen=True)
class Rectangle(Occluder):
    """A filled box; covers the pixels whose centres lie within its outer edges."""

    kind: ClassVar[str] = "rectangle"
    area: Box
    colour: Fill = "mean"

    def __post_init__(self) -> None:
        check_near(self.area.x, self.area.y, self.area.width, self.area.height)
        object.__setattr__(self, "colour", _fill(self.colour))

    @property
    def box(self) -> Box:
        """The box itself."""
        return self.area

    @property
    def words(self) -> str:
        """What it is."""
        return f"{self.sort} of {self.area.width:.0f} x {self.area.height:.0f} px"

    def moved(self, dx: float, dy: float) -> Rectangle:
        """The same rectangle elsewhere."""
        area = self.area
        return replace(self, area=Box(area.x + dx, area.y + dy, area.width, area.height))

    def to_dict(self) -> dict[str, Any]:
        """It as plain values."""
        return {"kind": self.kind, "box": numbers_of(self.area), "colour": _plain(self.colour)}

    @property
    def knocks_out(self) -> bool:
        """Whether it leaves the photo as it is and blocks attention."""
        return self.colour == "knockout"

    @property
    def filled(self) -> str:
        """Its kind and its colour."""
        return _filled(self.sort, self.colour)

    def _draw(self, photo: Photo) -> tuple[Mask, Pixels]:
        return inside(self.area, photo.size), _colour(self.colour, photo)


@dataclass(frozen=True)
class Stroke(Occluder):
    """A line through points; covers the pixels whose centres lie within half its width of it.

    Attributes:
        points: (x, y), at least one; one alone is a disc.
        width: in pixels.
        colour: see :data:`Fill`.
        flat: cut it off straight at its two ends, where a brush would leave half a disc.
    """

    kind: ClassVar[str] = "stroke"
    points: tuple[Point, ...]
    width: float
    colour: Fill = "mean"
    flat: bool = False

    def __post_init__(self) -> None:
        points = tuple((float(x), float(y)) for x, y in self.points)
        if not 1 <= len(points) <= MOST_POINTS:
            raise OcclusionError(f"A stroke has 1 to {MOST_POINTS} points, not {len(points)}.")
        check_near(*(value for point in points for value in point), self.width)
        if not self.width > 0:
            raise OcclusionError(f"A stroke is wider than nothing, not {self.width:g} pixels.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "width", float(self.width))
        object.__setattr__(self, "colour", _fill(self.colour))

    @property
    def box(self) -> Box:
        """The box round the whole stroke."""
        low, high = np.min(self.points, axis=0), np.max(self.points, axis=0)
        half = self.width / 2
        return Box.from_edges(*(float(v) for v in (*(low - half), *(high + half))))

    @property
    def words(self) -> str:
        """What it is."""
        return f"{self.sort} of {self.width:.0f} px"

    def moved(self, dx: float, dy: float) -> Stroke:
        """The same stroke elsewhere."""
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))

    def to_dict(self) -> dict[str, Any]:
        """It as plain values."""
        return {
            "kind": self.kind,
            "points": [list(point) for point in self.points],
            "width": self.width,
            "colour": _plain(self.colour),
            "flat": self.flat,
        }

    @property
    def knocks_out(self) -> bool:
        """Whether it leaves the photo as it is and blocks attention."""
        return self.colour == "knockout"

    @property
    def filled(self) -> str:
        """Its kind and its colour."""
        return _filled(self.sort, self.colour)

    def _draw(self, photo: Photo) -> tuple[Mask, Pixels]:
        covered = np.zeros(photo.size, dtype=bool)
        ends = list(pairwise(self.points)) or [(self.points[0], self.points[0])]
        for n, (a, b) in enumerate(ends):
            first, last = self.flat and n == 0, self.flat and n == len(ends) - 1
            _draw_segment(covered, np.array(a), np.array(b), self.width / 2, first, last)
        return covered, _colour(self.colour, photo)


def _draw_segment(
    covered: Mask,
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    half: float,
    flat_start: bool,
    flat_end: bool,
) -> None:
    """Add the pixels within ``half`` of a segment to a mask, looking only at its surroundings."""
    height, width = covered.shape
    low, high = np.minimum(a, b) - half, np.maximum(a, b) + half
    x0, y0 = (max(0, int(np.ceil(v))) for v in low)
    x1, y1 = min(width, int(np.floor(high[0])) + 1), min(height, int(np.floor(high[1])) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    x, y = np.meshgrid(np.arange(x0, x1) - a[0], np.arange(y0, y1) - a[1])
    along = b - a
    squared = float(along @ along)
    share = (x * along[0] + y * along[1]) / squared if squared > 0 else np.zeros_like(x)
    nearest = np.clip(share, 0.0, 1.0)
    near = (x - nearest * along[0]) ** 2 + (y - nearest * along[1]) ** 2 <= half * half
    if flat_start:
        near &= share >= 0
    if flat_end:
        near &= share <= 1
    covered[y0:y1, x0:x1] |= near


def mean_colour(photo: Photo) -> Pixels:
    """(3,) uint8, the mean colour of a photo, which ``"mean"`` paints with."""
    return np.round(cv2.mean(photo.pixels)[:3]).astype(np.uint8)


def _colour(fill: Fill, photo: Photo) -> Pixels:
    """(3,) uint8, or the photo (H, W, 3) as it is."""
    if fill == "knockout":
        return photo.pixels
    if fill == "mean":
        return mean_colour(photo)
    return np.array([_GREY] * 3 if fill == "grey" else fill, dtype=np.uint8)


def _fill(colour: Any) -> Fill:
    """A colour as it is kept; OcclusionError when it is none."""
    if colour == "mean" or colour == "grey" or colour == "knockout":
        return colour
    values = colour if isinstance(colour, tuple | list) else ()
    if len(values) == 3 and all(type(v) is int and 0 <= v <= 255 for v in values):
        return int(values[0]), int(values[1]), int(values[2])
    raise OcclusionError(
        'The colour of an occluder is "mean", "grey", three whole numbers from 0 to 255, or '
        '"knockout", which leaves the photo as it is and blocks attention.'
    )


def _filled(sort: str, fill: Fill) -> str:
    """``grey rectangle``, ``stroke of the photo's mean colour``, ``stroke in RGB 200, 30, 90``."""
    if fill == "knockout":
        return sort
    if fill == "mean":
        return f"{sort} of the photo's mean colour"
    named = {"grey": "grey", (0, 0, 0): "black", (255, 255, 255): "white"}.get(fill)
    return f"{named} {sort}" if named else f"{sort} in RGB {', '.join(map(str, fill))}"


def _plain(fill: Fill) -> str | list[int]:
    return fill if isinstance(fill, str) else list(fill)
