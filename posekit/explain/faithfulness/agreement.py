"""Do two explanations of the same thing say the same? Rank correlation, and overlap of the top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.errors import TraceError
from posekit.explain.faithfulness.grids import Map, on_pixels, same_cells, same_grid, values
from posekit.explain.maps import mass_level

__all__ = ["agreement", "iou_of_mass", "spearman", "standing"]

Floats = npt.NDArray[np.float64]


def spearman(first: Map, second: Map) -> float:
    """Spearman's rank correlation of two maps of one crop, -1 to 1.

    On their own cells when both have the same, else on the pixels of the crop. Ties take their
    mean rank. 0 when one of the maps is the same everywhere and so has no order.

    Raises:
        TraceError: the maps are of different crops.
    """
    _same_crop(first, second)
    a, b = (standing(one) for one in same_cells(first, second))
    return float(a @ b)


def iou_of_mass(first: Map, second: Map, share: float = 0.1) -> float:
    """Intersection over union of the smallest sets of cells that hold a share of each map's mass.

    Negative values count 0. 0 when neither map has any mass.

    Raises:
        TraceError: the maps are of different crops, or the share is not above 0 and at most 1.
    """
    if not 0.0 < share <= 1.0:
        raise TraceError(f"A share of the mass lies above 0 and is at most 1, not {share!r}.")
    _same_crop(first, second)
    a, b = (_heaviest(one, share) for one in same_cells(first, second))
    return _overlap(a, b)


def agreement(maps: Sequence[Map], measure: Callable[[Map, Map], float] = spearman) -> Floats:
    """A measure of every pair of maps: (n, n), symmetric.

    :func:`spearman` and :func:`iou_of_mass` sort each map once, not once for each of its pairs.

    Raises:
        TraceError: the maps are not all of the same crop.
    """
    compare = measure
    if measure is spearman:
        compare = _sorted_once(standing, lambda a, b: float(a @ b))
    elif measure is iou_of_mass:
        compare = _sorted_once(lambda cells: _heaviest(cells, 0.1), _overlap)
    found = np.empty((len(maps), len(maps)))
    for i, one in enumerate(maps):
        for j, other in enumerate(maps[: i + 1]):
            found[i, j] = found[j, i] = compare(one, other)
    return found


def standing(cells: npt.ArrayLike) -> Floats:
    """Ranks about their mean, of length 1: the product of two is their correlation. 0 if flat."""
    from scipy.stats import rankdata  # slow to import

    centred = rankdata(cells)
    centred -= centred.mean()
    length = np.sqrt((centred**2).sum())
    return np.asarray(centred / length if length > 0 else centred)


def _sorted_once(
    prepare: Callable[[Floats], Any], compare: Callable[[Any, Any], float]
) -> Callable[[Map, Map], float]:
    """A measure that keeps what it made of a map's cells, and of its pixels, for the next pair."""
    kept: dict[tuple[Map, bool], Any] = {}

    def prepared(map_: Map, own: bool) -> Any:
        if (map_, own) not in kept:
            kept[map_, own] = prepare(values(map_).ravel() if own else on_pixels(map_))
        return kept[map_, own]

    def measure(first: Map, second: Map) -> float:
        _same_crop(first, second)
        own = same_grid(first.grid, second.grid)
        return compare(prepared(first, own), prepared(second, own))

    return measure


def _overlap(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def _heaviest(values: Floats, share: float) -> npt.NDArray[np.bool_]:
    """The cells at or above the level that holds the share; ties at the level are all in."""
    positive = np.maximum(values, 0.0)
    level = mass_level(positive, share * (1 - 1e-12))
    return np.asarray((positive >= level) & positive.any())


def _same_crop(first: Map, second: Map) -> None:
    a, b = first.crop, second.crop
    if a.size != b.size or not np.allclose(a.to_crop.matrix, b.to_crop.matrix):
        raise TraceError("Two maps can be compared only when they are of the same crop.")
