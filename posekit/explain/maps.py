"""Values on a grid of cells, where they lie on the photo, and how they are drawn there.

An attention map is one kind (:class:`AttentionMap`), a method's map another
(:class:`posekit.explain.heat.HeatMap`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from posekit.errors import TraceError
from posekit.explain.query import Query
from posekit.geometry import Affine, Crop, TokenGrid

Direction = Literal["row", "column"]
Size = tuple[int, int]

DIRECTION_WORDS: dict[str, str] = {"row": "looks at", "column": "is looked at by"}
"""Plain words for the two directions: dependency (row) and affect (column) in the paper."""

_MAX_SUPERSAMPLING = 16


class GridMap(ABC):
    """One value a cell of a grid on a crop of the photo.

    Attributes:
        grid: where the cells lie in the crop.
        crop: where the crop lies in the photo.
        signed: True when negative values mean evidence against what is explained; False when the
            values are a mass and none is negative.
    """

    grid: TokenGrid
    crop: Crop
    signed: bool = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What tells it from other maps of one answer: a layer's or a method's name."""

    @property
    @abstractmethod
    def cells(self) -> np.ndarray:
        """(rows, cols) float32, the value of each cell."""

    @cached_property
    def total(self) -> float:
        """Sum of the values: 1 for a full row of attention, anything for a column."""
        return float(self.cells.sum(dtype=np.float64))

    @property
    def mass(self) -> np.ndarray:
        """The values as shares of their sum: (rows, cols) float64, sum 1, none negative.

        Negative values, evidence against, count 0. A map without any positive value has no mass:
        all zeros.
        """
        positive = np.maximum(self.cells, 0.0).astype(np.float64)
        total = positive.sum()
        return np.asarray(positive / total if total > 0 else positive)

    def level(self, share: float) -> float:
        """The largest magnitude such that the cells at or above it hold ``share`` of all magnitude.

        It is what to threshold at, so that layers and models compare. Infinite when the share is 0.

        Raises:
            TraceError: share not within 0 to 1.
        """
        return mass_level(np.abs(self.cells), share)

    def isoline(self, share: float) -> float:
        """The magnitude whose contour runs between the cells at :meth:`level` and the rest.

        Half-way between the lightest of those cells and the heaviest other one; the level itself
        when there is no other.

        Raises:
            TraceError: share not within 0 to 1.
        """
        return mass_isoline(np.abs(self.cells), share)

    @property
    def grid_to_photo(self) -> Affine:
        """Cell coordinates (column, row), centres at integers, to photo pixels."""
        return self.crop.to_photo @ self.grid.to_input

    @property
    def cell_centres(self) -> np.ndarray:
        """(rows * cols, 2) cell centres in photo pixels, row-major."""
        return np.asarray(self.crop.to_photo.apply(self.grid.centres()))

    def on_photo(
        self, size: Size | None = None, window: tuple[float, float, float, float] | None = None
    ) -> np.ndarray:
        """The map in photo pixels: (height, width) float32.

        Bilinear between cell centres, level from the outermost centres to the outer edges of
        their cells, exactly 0 beyond. A value stays that of a cell; divided by the area of
        a cell in photo pixels the map keeps its mass.

        Args:
            size: (height, width) of the result; None is one pixel for each of the photo's.
            window: outer edges (left, top, right, bottom) of the part wanted, in photo pixels;
                None is the whole photo, (-0.5, -0.5, width - 0.5, height - 0.5).
        """
        height, width = self.crop.photo_size
        edges = window or (-0.5, -0.5, width - 0.5, height - 0.5)
        drawn = size or (round(edges[3] - edges[1]), round(edges[2] - edges[0]))
        return resample(self.cells, to_window(edges, drawn) @ self.grid_to_photo, drawn)

    def on_crop(self) -> np.ndarray:
        """The map in pixels of the crop, the picture the model saw: (height, width) float32."""
        return resample(self.cells, self.grid.to_input, self.crop.size)


@dataclass(frozen=True, eq=False)
class AttentionMap(GridMap):
    """How one token attends (row) or is attended to (column), in one layer.

    Attributes:
        layer: name of the attention in the trace, such as ``encoder.3``.
        kind: kind of attention, such as ``encoder``.
        direction: ``row`` (what the query looks at; sums to 1) or ``column`` (what looks at it).
        head: index of the head, None for the mean over heads.
        weights: (rows, cols) float32, one attention weight per token.
        grid: where the tokens of ``weights`` lie in the crop.
        crop: where the crop lies in the photo.
        query_token: index of the token asked about; -1 where no token was, see
            :mod:`posekit.explain.evidence`.
        query: the question, in photo pixels.
        heads: how many heads the layer has.
        kept: share of the attention mass shown (1 unless cut by :meth:`keep_mass`).
        part: the part of the dot product shown alone, such as ``position``; None for all of it.
        meaning: one sentence, of a map that is not attention.
    """

    layer: str
    kind: str
    direction: Direction
    head: int | None
    weights: np.ndarray
    grid: TokenGrid
    crop: Crop
    query_token: int
    query: Query
    heads: int
    kept: float = 1.0
    part: str | None = None
    meaning: str = ""

    def __repr__(self) -> str:
        head = "mean over heads" if self.head is None else f"head={self.head}"
        x, y = self.query.point
        return (
            f"AttentionMap(layer={self.layer!r}, {head}, {self.direction} at ({x:.0f}, {y:.0f}), "
            f"{self.grid.rows} x {self.grid.cols} cells)"
        )

    @property
    def name(self) -> str:
        """The layer."""
        return self.layer

    @property
    def cells(self) -> np.ndarray:
        """The weights."""
        return self.weights

    @property
    def token_centres(self) -> np.ndarray:
        """(rows * cols, 2) token centres in photo pixels, row-major: :attr:`cell_centres`."""
        return self.cell_centres

    def keep_mass(self, share: float) -> AttentionMap:
        """The smallest set of cells with that share of the mass, other cells 0; ties are kept.

        Raises:
            TraceError: share not within 0 to 1.
        """
        level = self.level(share)
        weights = np.where(self.weights >= level, self.weights, np.float32(0.0))
        return replace(self, weights=weights.astype(np.float32), kept=self.kept * share)


def mass_level(weights: np.ndarray, share: float) -> float:
    """The largest of the weights such that those at or above it hold ``share`` of their sum.

    Raises:
        TraceError: share not within 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise TraceError(f"A share of attention mass lies between 0 and 1, not {share!r}.")
    if share == 0.0:
        return math.inf
    descending = np.sort(weights, axis=None)[::-1]
    mass = np.cumsum(descending, dtype=np.float64)
    last = int(np.searchsorted(mass, share * mass[-1], side="left"))
    return float(descending[min(last, descending.size - 1)])


def mass_isoline(weights: np.ndarray, share: float) -> float:
    """Half-way between the lightest weight at :func:`mass_level` and the heaviest below it."""
    level = mass_level(weights, share)
    below = weights[weights < level]
    return (level + float(below.max())) / 2 if below.size else level


def to_window(window: tuple[float, float, float, float], size: Size) -> Affine:
    """Photo pixels to pixels of a picture of ``size`` (height, width) that shows ``window``.

    Pixel centres are integers on both sides, so it is the outer edges that coincide.
    """
    left, top, right, bottom = window
    sx, sy = size[1] / (right - left), size[0] / (bottom - top)
    return Affine.scaling((sx, sy), (-sx * left - 0.5, -sy * top - 0.5))


def resample(weights: np.ndarray, to_target: Affine, size: Size) -> np.ndarray:
    """Draw a grid of values on a picture.

    Args:
        weights: (rows, cols) values at token centres.
        to_target: token coordinates (column, row) to pixels of the picture.
        size: (height, width) of the picture.

    Returns:
        (height, width) float32, bilinear, 0 outside the outer edges of the cells.
    """
    picture = np.zeros(size, dtype=np.float32)
    rows, cols = weights.shape
    edges = np.array(
        [[-0.5, -0.5], [cols - 0.5, -0.5], [-0.5, rows - 0.5], [cols - 0.5, rows - 0.5]]
    )
    corners = to_target.apply(edges)
    # Only the rectangle the grid touches is worth computing: a person is often a part of the photo.
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, (size[1], size[0]))
    if x0 >= x1 or y0 >= y1:
        return picture
    # Cells smaller than a pixel would be skipped by point sampling: sample finer, then average.
    # Four samples a cell also see the half cells along the border.
    coarse = to_target.scale < 1.0
    finer = min(_MAX_SUPERSAMPLING, math.ceil(4.0 / to_target.scale)) if coarse else 1
    offset = (finer - 1) / 2
    to_fine = Affine.scaling((finer, finer), (offset - finer * x0, offset - finer * y0))
    patch = _sample(weights, to_fine @ to_target, ((y1 - y0) * finer, (x1 - x0) * finer))
    if finer > 1:
        patch = cv2.resize(patch, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA)
    picture[y0:y1, x0:x1] = patch
    return picture


def _sample(weights: np.ndarray, to_patch: Affine, size: Size) -> np.ndarray:
    """Point samples of the replicate-padded grid at every pixel of a patch, 0 off the grid."""
    rows, cols = weights.shape
    height, width = (int(side) for side in size)
    padded = cv2.copyMakeBorder(
        np.ascontiguousarray(weights, dtype=np.float32), 1, 1, 1, 1, cv2.BORDER_REPLICATE
    )
    to_grid = to_patch.inverse().matrix
    to_padded = to_grid + np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    patch = cv2.warpAffine(
        padded,
        to_padded,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    column = to_grid[0, 0] * x + to_grid[0, 1] * y + to_grid[0, 2]
    row = to_grid[1, 0] * x + to_grid[1, 1] * y + to_grid[1, 2]
    inside = (column >= -0.5) & (column < cols - 0.5) & (row >= -0.5) & (row < rows - 0.5)
    return np.where(inside, patch, np.float32(0.0))
