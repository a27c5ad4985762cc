"""Maps of different methods brought to the same cells, so that they can be compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.maps import AttentionMap
from posekit.geometry import Box, TokenGrid

__all__ = [
    "Map",
    "cell_masses",
    "cell_means",
    "cell_of_pixels",
    "in_box",
    "on_pixels",
    "same_cells",
    "same_grid",
    "shares",
    "values",
]

Map = HeatMap | AttentionMap
"""What the metrics take: a method's map, or one layer's attention."""

Floats = npt.NDArray[np.float64]


def values(map_: Map) -> Floats:
    """The cells of a map, (rows, cols) float64."""
    return np.asarray(map_.cells, dtype=np.float64)


def shares(map_: Map) -> Floats:
    """The positive cells of a map as shares that sum to 1; all 0 when none is positive."""
    return map_.mass


def cell_of_pixels(grid: TokenGrid, size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Index of the cell under each pixel of a crop, (H, W); -1 where no cell lies."""
    return np.asarray(grid.token_at(pixel_grid(size).centres()).reshape(size))


def cell_means(picture: npt.ArrayLike, grid: TokenGrid) -> Floats:
    """The mean of a crop-sized picture (H, W) over each cell; 0 in a cell without a pixel."""
    pixels = np.asarray(picture, dtype=np.float64)
    cell = cell_of_pixels(grid, (pixels.shape[0], pixels.shape[1]))
    inside = cell >= 0
    count = np.bincount(cell[inside], minlength=grid.tokens)
    total = np.bincount(cell[inside], weights=pixels[inside], minlength=grid.tokens)
    return np.asarray((total / np.maximum(count, 1)).reshape(grid.size))


def cell_masses(map_: Map, grid: TokenGrid) -> Floats:
    """A map's values divided among the cells of another grid, (rows, cols).

    A finer map is summed up; a coarser one is spread over its cells as it is drawn, which keeps
    the sum but for what lies beyond the crop.
    """
    if same_grid(map_.grid, grid):
        return values(map_)
    size = map_.crop.size
    if same_grid(map_.grid, pixel_grid(size)):
        density = values(map_)
    else:
        dx, dy = map_.grid.cell
        density = map_.on_crop().astype(np.float64) / (dx * dy)
    cell = cell_of_pixels(grid, size)
    inside = cell >= 0
    found = np.bincount(cell[inside], weights=density[inside], minlength=grid.tokens)
    return np.asarray(found.reshape(grid.size))


def same_cells(first: Map, second: Map) -> tuple[Floats, Floats]:
    """The values of two maps of one crop on common cells, flat: their own, else crop pixels."""
    if same_grid(first.grid, second.grid):
        return values(first).ravel(), values(second).ravel()
    return on_pixels(first), on_pixels(second)


def same_grid(first: TokenGrid, second: TokenGrid) -> bool:
    """Whether two grids have the same cells in the same places."""
    return first.size == second.size and np.allclose(
        first.to_input.matrix, second.to_input.matrix, atol=1e-6
    )


def on_pixels(map_: Map) -> Floats:
    """The values of a map drawn on its crop's pixels, flat."""
    return np.asarray(map_.on_crop(), dtype=np.float64).ravel()


def in_box(map_: Map, box: Box) -> npt.NDArray[np.bool_]:
    """Which cells have their centre in a box of the photo, (rows, cols)."""
    return np.asarray(box.contains(map_.cell_centres).reshape(map_.grid.size))
