"""The one place for boxes, affine crops, and the way from a token to the photo and back.

Coordinates are (x, y) in pixels with pixel centres at the integers, so a photo W pixels wide spans
x in [-0.5, W - 0.5]. Sizes are (height, width). Everything here is float64 numpy.

Three maps carry a click from the photo to a token, each an exact, invertible :class:`Affine`::

    photo --Crop.to_crop--> crop (network input) --input_to_heatmap--> heatmap
                              ^------------------TokenGrid.to_input-- token grid
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from posekit.affine import Affine
from posekit.errors import BoxError, TraceError

__all__ = [
    "Affine",
    "Box",
    "Crop",
    "TokenGrid",
    "box_to_centre_scale",
    "crop_affine",
    "input_to_heatmap",
    "token_cover",
]

Floats = npt.NDArray[np.float64]
Size = tuple[int, int]

_MOST_SAMPLES = 32  # along a side of a cell
_WARP_LIMIT = 32_000  # OpenCV addresses the pixels of a warp with signed 16-bit integers


@dataclass(frozen=True)
class Box:
    """A box in COCO form: the centre of its top-left pixel, and its extent, in photo pixels.

    A box of width w that starts at x covers the w pixels x .. x + w - 1, hence its centre
    x + (w - 1) / 2 (TransPose, section 5 of the specification) and its outer edges x - 0.5 and
    x + w - 0.5.

    Raises:
        BoxError: a value is not a finite number, or the box has no area.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        for field in ("x", "y", "width", "height"):
            try:
                value = float(getattr(self, field))
            except (TypeError, ValueError):
                value = math.nan
            if not math.isfinite(value):
                raise BoxError("A box needs four finite numbers: x, y, width and height.")
            object.__setattr__(self, field, value)  # numpy scalars and integers become floats
        if self.width <= 0 or self.height <= 0:
            raise BoxError(
                f"A box needs a positive width and height, but this one is "
                f"{self.width:g} x {self.height:g} pixels."
            )

    @classmethod
    def from_corners(cls, x0: float, y0: float, x1: float, y1: float) -> Self:
        """The box whose corner pixels are (x0, y0) and (x1, y1), in any order, both included."""
        return cls(min(x0, x1), min(y0, y1), abs(x1 - x0) + 1, abs(y1 - y0) + 1)

    @classmethod
    def from_edges(cls, left: float, top: float, right: float, bottom: float) -> Self:
        """The box with these outer edges."""
        return cls(left + 0.5, top + 0.5, right - left, bottom - top)

    @classmethod
    def whole(cls, photo_size: Size) -> Self:
        """The box that covers a photo of size (height, width)."""
        return cls(0, 0, photo_size[1], photo_size[0])

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Centres (x0, y0, x1, y1) of the top-left and bottom-right pixels; see from_corners."""
        return self.x, self.y, self.x + self.width - 1, self.y + self.height - 1

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Outer edges (left, top, right, bottom), half a pixel outside the corner pixels."""
        left, top = self.x - 0.5, self.y - 0.5
        return left, top, left + self.width, top + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y)."""
        return self.x + (self.width - 1) / 2, self.y + (self.height - 1) / 2

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    def clipped(self, photo_size: Size) -> Box:
        """The part of the box inside a photo of size (height, width).

        Raises:
            BoxError: no part of the box is inside the photo.
        """
        rows, cols = photo_size
        x, y = max(self.x, 0.0), max(self.y, 0.0)
        width = min(self.x + self.width, cols) - x
        height = min(self.y + self.height, rows) - y
        if width <= 0 or height <= 0:
            raise BoxError(
                f"The box at x = {self.x:g}, y = {self.y:g} lies outside the photo, "
                f"which is {cols} x {rows} pixels."
            )
        return Box(x, y, width, height)

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each of points (..., 2) lies within the outer edges -> (...,)."""
        xy = np.asarray(points, dtype=np.float64)
        left, top, right, bottom = self.edges
        x, y = xy[..., 0], xy[..., 1]
        return np.asarray((x >= left) & (x <= right) & (y >= top) & (y <= bottom))

    def overlap(self, other: Box) -> float:
        """Intersection over union with another box, 0 to 1."""
        (a0, b0, a1, b1), (c0, d0, c1, d1) = self.edges, other.edges
        across, down = min(a1, c1) - max(a0, c0), min(b1, d1) - max(b0, d0)
        both = max(0.0, across) * max(0.0, down)
        return both / (self.area + other.area - both)

    def padded(self, factor: float) -> Box:
        """The box grown (or shrunk) about its centre by a factor."""
        width, height = self.width * factor, self.height * factor
        centre_x, centre_y = self.centre
        return Box(centre_x - (width - 1) / 2, centre_y - (height - 1) / 2, width, height)


def box_to_centre_scale(
    box: Box, aspect: float, padding: float = 1.25
) -> tuple[Floats, tuple[float, float]]:
    """Centre (2,) and padded extent (width, height) in pixels of the crop for a box.

    The short side grows until width / height equals ``aspect``, then both grow by ``padding``
    (specification of TransPose, section 5; its scale is this extent / 200).
    """
    width, height = box.width, box.height
    if width > aspect * height:
        height = width / aspect
    else:
        width = height * aspect
    return np.array(box.centre), (width * padding, height * padding)


def crop_affine(
    centre: npt.ArrayLike, scale_width_px: float, out_size: Size, rotation_degrees: float = 0.0
) -> Affine:
    """The map photo -> crop of size (H, W), as TransPose defines it (section 5).

    The centre goes to ((W - 1) / 2, (H - 1) / 2), and the point (scale_width_px - 1) / 2 above it,
    in a frame turned clockwise by the rotation, goes (W - 1) / 2 above that. The third point, a
    quarter turn away, makes it a similarity, so the closed form used here is the same map. Only
    widths set the scale; one is taken from both sides because lengths run between pixel centres.

    Raises:
        BoxError: the region to crop is not wider than one pixel.
    """
    rows, cols = out_size
    if not scale_width_px > 1:
        raise BoxError("The box is too small to crop: it must be larger than one pixel.")
    factor = (cols - 1) / (scale_width_px - 1)
    turn = math.radians(rotation_degrees)
    cos, sin = factor * math.cos(turn), factor * math.sin(turn)
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = np.array([(cols - 1) / 2, (rows - 1) / 2])
    shift = middle - linear @ np.asarray(centre, dtype=np.float64)
    return Affine(np.column_stack([linear, shift]))


def input_to_heatmap(input_size: Size, heatmap_size: Size) -> Affine:
    """The map network input (H, W) -> heatmap (h, w) that TransPose's two crops imply.

    Both are cut about the same centre and scaled by their widths alone, so centre goes to centre
    and lengths by (w - 1) / (W - 1) on both axes: 47/191 for 192 -> 48 pixels, not 1/4.
    """
    (rows, cols), (map_rows, map_cols) = input_size, heatmap_size
    factor = (map_cols - 1) / (cols - 1)
    offset = (
        (map_cols - 1) / 2 - factor * (cols - 1) / 2,
        (map_rows - 1) / 2 - factor * (rows - 1) / 2,
    )
    return Affine.scaling((factor, factor), offset)


@dataclass(frozen=True, eq=False)
class Crop:
    """What the model sees: a (height, width) window on the photo, perhaps turned.

    Parts of the window outside the photo are black.
    """

    size: Size
    to_crop: Affine  # photo -> crop
    photo_size: Size

    @classmethod
    def of_box(
        cls, box: Box, size: Size, photo_size: Size, padding: float = 1.25, rotation: float = 0.0
    ) -> Self:
        """The crop of a box, with its aspect fixed to ``size`` and padded; rotation in degrees."""
        centre, (width, _) = box_to_centre_scale(box, size[1] / size[0], padding)
        return cls(size, crop_affine(centre, width, size, rotation), photo_size)

    @property
    def to_photo(self) -> Affine:
        """The map crop -> photo."""
        return self.to_crop.inverse()

    def warp(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Cut the crop out of the photo's pixels (H, W, 3) -> (h, w, 3): bilinear, black border.

        A photo more than twice as fine as the crop is first averaged down: bilinear sampling
        alone, which the official code uses throughout, would pick single pixels out of it.
        """
        rows, cols = pixels.shape[:2]
        to_crop = self.to_crop
        shrink = max(int(1 / to_crop.scale), -(-max(rows, cols) // _WARP_LIMIT))
        if shrink > 1:
            small = max(1, cols // shrink), max(1, rows // shrink)
            factors = cols / small[0], rows / small[1]
            pixels = np.asarray(
                cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), dtype=np.uint8
            )
            offset = (factors[0] - 1) / 2, (factors[1] - 1) / 2
            to_crop = to_crop @ Affine.scaling(factors, offset)
        warped = cv2.warpAffine(
            pixels, to_crop.matrix, (self.size[1], self.size[0]), flags=cv2.INTER_LINEAR
        )
        return np.asarray(warped, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class TokenGrid:
    """Where the tokens of a rows x cols grid lie on the network input.

    ``to_input`` maps token coordinates (column, row), with token centres at the integers, to input
    pixels. A token's cell is the unit square about its centre; its index is row * cols + column.
    """

    rows: int
    cols: int
    to_input: Affine

    @classmethod
    def from_heatmap(cls, rows: int, cols: int, heatmap_size: Size, input_size: Size) -> Self:
        """The grid whose tokens each cover r x r heatmap pixels: r = 2 for TransPose-R, 1 for H.

        Token t sits on heatmap pixel r t + (r - 1) / 2 (the half-pixel rule of a stride-r
        upsampling), which lies on the input where :func:`input_to_heatmap` says.
        """
        across, down = heatmap_size[1] / cols, heatmap_size[0] / rows
        to_heatmap = Affine.scaling((across, down), ((across - 1) / 2, (down - 1) / 2))
        return cls(rows, cols, input_to_heatmap(input_size, heatmap_size).inverse() @ to_heatmap)

    @property
    def size(self) -> Size:
        """(rows, cols)."""
        return self.rows, self.cols

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return self.rows * self.cols

    @property
    def cell(self) -> tuple[float, float]:
        """Extent (dx, dy) of a token's cell in input pixels."""
        dx, dy = np.linalg.norm(self.to_input.matrix[:, :2], axis=0)
        return float(dx), float(dy)

    def token_at(self, points_in_input: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Index of the token whose cell holds each point (..., 2) -> (...,); -1 outside all."""
        with np.errstate(invalid="ignore"):  # a point that is not finite is outside, quietly
            nearest = np.floor(self.to_input.inverse().apply(points_in_input) + 0.5)
        col, row = nearest[..., 0], nearest[..., 1]
        inside = (col >= 0) & (col < self.cols) & (row >= 0) & (row < self.rows)
        index = np.where(inside, row, 0) * self.cols + np.where(inside, col, 0)
        return np.where(inside, index, -1).astype(np.int64)

    def centres(self) -> Floats:
        """Centres of all cells in input pixels, (rows * cols, 2), in the order of the tokens."""
        row, col = np.divmod(np.arange(self.tokens), self.cols)
        return self.to_input.apply(np.stack([col, row], axis=-1))


def token_cover(mask: npt.ArrayLike, grid_to_photo: Affine, size: Size) -> Floats:
    """How much of each token's cell a mask covers.

    Args:
        mask: (H, W) in photo pixels, truthy inside.
        grid_to_photo: token coordinates (column, row) to photo pixels; crops are never turned, so
            a column of tokens is one of pixels.
        size: (rows, cols) of the grid.

    Returns:
        (rows, cols) in 0 .. 1: averages over samples at most a pixel apart; outside the photo
        nothing is covered.
    """
    inside = np.asarray(mask, dtype=bool)
    (rows, cols), (height, width) = size, inside.shape
    finer = int(np.clip(np.ceil(grid_to_photo.scale), 4, _MOST_SAMPLES))
    x = (np.arange(cols * finer) + 0.5) / finer - 0.5
    y = (np.arange(rows * finer) + 0.5) / finer - 0.5
    (across, turned, left), (sheared, down, top) = grid_to_photo.matrix
    if turned or sheared:
        raise TraceError("The cells of a grid that is turned are not those of pixel columns.")
    col = np.floor(across * x + left + 0.5).astype(np.int64)
    row = np.floor(down * y + top + 0.5).astype(np.int64)
    on_cols, on_rows = (col >= 0) & (col < width), (row >= 0) & (row < height)
    covered = np.zeros((rows * finer, cols * finer), dtype=np.uint8)
    covered[np.ix_(on_rows, on_cols)] = inside[np.ix_(row[on_rows], col[on_cols])]
    by_row = covered.reshape(rows, finer, -1).sum(axis=1, dtype=np.uint16)
    return by_row.reshape(rows, cols, finer).sum(axis=2) / finer**2
