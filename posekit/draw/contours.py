"""Contours of a map as vectors: closed rings in photo pixels round its heaviest cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from posekit.affine import Affine
from posekit.draw.legend import FINE
from posekit.errors import TraceError
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap, mass_isoline

__all__ = ["SHARES", "Contour", "contours", "rings"]

SHARES = (0.8, 0.5, 0.25)
"""Shares of the mass that contours enclose by default, widest first."""

LEGIBLE = 1024
"""About how many cells a map too fine to be seen cell by cell is averaged to."""


@dataclass(frozen=True, eq=False)
class Contour:
    """The outline of the heaviest cells that hold a share of a map's mass.

    Attributes:
        share: of the mass in those cells, 0 to 1.
        level: the value whose contour it is: half-way between the lightest of those cells and the
            heaviest other one (:meth:`posekit.explain.maps.AttentionMap.isoline`), in the map's
            unit.
        rings: closed rings, each (N, 2) float64 in photo pixels (x, y) without the first point
            again at the end. A ring inside another one is a hole (the even-odd rule).
        negative: the region where a signed map is at or below minus ``level``: evidence against.
        averaged: over squares of so many cells a side the map was averaged before, usually 1.
    """

    share: float
    level: float
    rings: tuple[npt.NDArray[np.float64], ...]
    negative: bool = False
    averaged: int = 1


def contours(
    shown: AttentionMap | HeatMap, shares: Sequence[float] = SHARES
) -> tuple[Contour, ...]:
    """The contours of a map, widest first; those without any ring are left out.

    They run on the surface that :meth:`posekit.explain.maps.AttentionMap.on_photo` draws: linear
    between cell centres, level from the outermost centres to the outer edges of their cells, and
    closed along those edges. A map of more than :data:`posekit.draw.legend.FINE` cells is first
    averaged over squares of cells, as its rings would be too many and too small to be told apart.

    Args:
        shown: the map. A signed one has rings of either sign, at one magnitude.
        shares: of its mass (of its magnitude, when it is signed).

    Raises:
        TraceError: a share that does not lie between 0 and 1.
    """
    wrong = next((share for share in shares if not 0.0 < share < 1.0), None)
    if wrong is not None:
        raise TraceError(f"A contour encloses a share of the mass between 0 and 1, not {wrong!r}.")
    values, to_photo, n = _pooled(shown.cells.astype(np.float64), shown.grid_to_photo)
    magnitude = np.abs(values)
    if not magnitude.any():
        return ()
    found = []
    for share in sorted(shares, reverse=True):
        level = mass_isoline(magnitude, share)
        if level <= 0.0:  # every cell is needed, even the empty ones
            continue
        for negative in (False, True) if shown.signed else (False,):
            lines = rings(-values if negative else values, level, to_photo)
            if lines:
                found.append(Contour(share, level, lines, negative, n))
    return tuple(found)


def rings(
    values: npt.ArrayLike, level: float, to_photo: Affine
) -> tuple[npt.NDArray[np.float64], ...]:
    """The closed rings round the region where a grid of values reaches a level.

    Args:
        values: (rows, cols) at cell centres.
        level: in their unit.
        to_photo: cell coordinates (column, row), centres at integers, to photo pixels.

    Returns:
        Rings as in :class:`Contour`; none when the whole grid lies below the level.
    """
    from contourpy import FillType, contour_generator  # a fifth of a second: only who draws pays

    grid = np.pad(np.asarray(values, dtype=np.float64), 1, mode="edge")
    rows, cols = grid.shape[0] - 2, grid.shape[1] - 2
    x = np.concatenate([[-0.5], np.arange(cols), [cols - 0.5]])
    y = np.concatenate([[-0.5], np.arange(rows), [rows - 0.5]])
    if grid.max() < level:
        return ()
    generator = contour_generator(x, y, grid, fill_type=FillType.OuterOffset)
    above = float(max(grid.max(), level)) + 1.0
    below = float(np.nextafter(level, -np.inf))  # it leaves out what lies at its lower level
    filled: Any = generator.filled(below, above)  # per polygon: its points, where its rings start
    found = []
    for points, starts in zip(*filled, strict=True):
        for first, last in pairwise(starts):
            ring = points[first : last - 1]  # the last point is the first one again
            if len(ring) >= 3:
                found.append(np.asarray(to_photo.apply(ring), dtype=np.float64))
    return tuple(found)


def _pooled(values: np.ndarray, to_photo: Affine) -> tuple[np.ndarray, Affine, int]:
    """A fine map averaged over squares of n x n cells, its cells to the photo, and n."""
    rows, cols = values.shape
    if rows * cols <= FINE:
        return values, to_photo, 1
    n = math.ceil(math.sqrt(rows * cols / LEGIBLE))
    size = (max(1, round(cols / n)), max(1, round(rows / n)))
    fx, fy = cols / size[0], rows / size[1]
    pooled = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    widened = Affine.scaling((fx, fy), ((fx - 1) / 2, (fy - 1) / 2))
    return np.asarray(pooled), to_photo @ widened, n
