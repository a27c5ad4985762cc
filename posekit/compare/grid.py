"""One grid of the photo on which maps of different models can be set against each other.

A cell of TransPose-R covers four times the photo of a cell of TransPose-H, so weights per cell do
not compare. What compares is *mass density*: the share of a map's mass that lies on 1 % of the
person's box. A map that is even over the box and nothing else has density 0.01 everywhere on it,
whatever its grid; the box is the same for all models, so adding a model changes no other's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from posekit.explain.faithfulness.grids import Map
from posekit.explain.maps import resample
from posekit.geometry import Affine, Box, TokenGrid

__all__ = ["CommonGrid", "density_factor", "token_affine"]

Floats = npt.NDArray[np.float64]

_FEWEST, _MOST = 64, 128  # cells along the longer side


def token_affine(map_: Map) -> Affine:
    """Cell coordinates (column, row) of a map, centres at integers, to photo pixels."""
    return map_.crop.to_photo @ map_.grid.to_input


def density_factor(to_photo: Affine, box: Box) -> float:
    """What turns the share of a cell into density: share of the mass per 1 % of the box."""
    return box.area / (100.0 * to_photo.scale**2)


@dataclass(frozen=True, eq=False)
class CommonGrid:
    """Equal cells over all that any of the compared models saw of a person.

    It may reach beyond the photo, as crops do (what lies there is black to the model, and yet gets
    attention), so that no map loses mass on it.

    Attributes:
        rows: cells down.
        cols: cells across.
        to_photo: cell coordinates (column, row), centres at integers, to photo pixels.
        box: the person's box, whose area the densities refer to.
    """

    rows: int
    cols: int
    to_photo: Affine
    box: Box

    @classmethod
    def over(cls, grids: Sequence[tuple[TokenGrid, Affine]], box: Box) -> Self:
        """The grid over several token grids, each with its map of cells to the photo.

        Its cells are half as wide as the smallest there are, but at least 64 and at most 128 cells
        make its longer side. Without any grid it covers the box.
        """
        corners = [_edges(grid.size, to_photo) for grid, to_photo in grids]
        if corners:
            left, top = np.concatenate(corners).min(axis=0)
            right, bottom = np.concatenate(corners).max(axis=0)
        else:
            left, top, right, bottom = box.edges
        width, height = float(right - left), float(bottom - top)
        longer = max(width, height)
        finest = min((to_photo.scale for _, to_photo in grids), default=longer)
        cells = min(max(math.ceil(2.0 * longer / finest), _FEWEST), _MOST)
        rows, cols = (max(1, round(cells * side / longer)) for side in (height, width))
        dx, dy = width / cols, height / rows
        to_photo = Affine.scaling((dx, dy), (left + dx / 2, top + dy / 2))
        return cls(rows, cols, to_photo, box)

    @property
    def size(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.rows, self.cols

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Outer edges (left, top, right, bottom) in photo pixels."""
        (left, top), (right, bottom) = self.to_photo.apply(
            [[-0.5, -0.5], [self.cols - 0.5, self.rows - 0.5]]
        )
        return float(left), float(top), float(right), float(bottom)

    @property
    def factor(self) -> float:
        """Density of a cell that holds the whole mass."""
        return density_factor(self.to_photo, self.box)

    def masses(self, values: npt.ArrayLike, to_photo: Affine) -> Floats:
        """Divide the cells of maps (..., r, c) among the cells of this grid: (..., rows, cols).

        Each cell's value is spread evenly over its area, so that the sum stays what it was, to
        rounding. For a turned crop, whose cells do not lie along the photo's axes, the map is
        sampled instead, and scaled to its sum.
        """
        held = np.asarray(values, dtype=np.float64)
        to_cells = self.to_photo.inverse() @ to_photo
        (across, turn), (other, down) = to_cells.matrix[:, :2]
        if abs(turn) + abs(other) > 1e-9 * (abs(across) + abs(down)):
            return self._sampled(held, to_cells)
        by_row = _shares(held.shape[-2], down, to_cells.matrix[1, 2], self.rows)
        by_col = _shares(held.shape[-1], across, to_cells.matrix[0, 2], self.cols)
        return np.asarray(by_row @ held @ by_col.T)

    def covered(self, grid: TokenGrid, to_photo: Affine) -> npt.NDArray[np.bool_]:
        """Which cells have their centre on a token grid, (rows, cols)."""
        rows, cols = np.indices(self.size)
        centres = self.to_photo.apply(np.stack([cols, rows], axis=-1))
        at = to_photo.inverse().apply(centres)
        inside = (at > -0.5) & (at < np.array([grid.cols, grid.rows]) - 0.5)
        return np.asarray(inside.all(axis=-1))

    def _sampled(self, values: Floats, to_cells: Affine) -> Floats:
        flat = values.reshape(-1, *values.shape[-2:])
        drawn = np.stack([resample(one.astype(np.float32), to_cells, self.size) for one in flat])
        found = drawn.astype(np.float64)
        total = found.sum(axis=(1, 2))
        scale = np.divide(flat.sum(axis=(1, 2)), total, out=np.zeros_like(total), where=total != 0)
        return (found * scale[:, None, None]).reshape(*values.shape[:-2], *self.size)


def _edges(size: tuple[int, int], to_photo: Affine) -> Floats:
    """The outer corners of a grid in photo pixels, (4, 2)."""
    rows, cols = size
    return to_photo.apply([(x, y) for x in (-0.5, cols - 0.5) for y in (-0.5, rows - 0.5)])


def _shares(cells: int, step: float, start: float, targets: int) -> Floats:
    """Which part of each of ``cells`` intervals lies in each target interval: (targets, cells).

    Interval j runs from ``start + (j - 0.5) step``, target i from ``i - 0.5``; targets are 1 long.
    """
    ends = start + (np.arange(cells + 1) - 0.5) * step
    low, high = np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])
    first = np.arange(targets)[:, None] - 0.5
    overlap = np.minimum(high, first + 1.0) - np.maximum(low, first)
    return np.asarray(np.maximum(overlap, 0.0) / abs(step))
