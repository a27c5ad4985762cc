"""How alike the maps of one layer are, whatever was asked: whether a click says much in it.

Attention need not depend on the query: a few keys that every query finds give every map the same
bright places. That part of a map is about the photo, not about the keypoint that was asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.errors import TraceError
from posekit.explain.maps import AttentionMap

__all__ = ["likeness"]


def likeness(maps: Sequence[AttentionMap]) -> float:
    """The share of their attention that two of the maps have in the same places, on average.

    Of two maps that sum to 1 it is the sum over cells of the smaller weight (their histogram
    intersection: Swain and Ballard, "Color Indexing", IJCV 1991), and 1 minus their total variation
    distance.

    Args:
        maps: at least two of one layer and one crop, such as
            :func:`posekit.explain.keypoint_rows.keypoint_maps` has them of one person.

    Returns:
        0 when no two maps share a place, 1 when all are the same.

    Raises:
        TraceError: fewer than two maps, other grids, or a map that holds nothing.
    """
    sizes = {one.grid.size for one in maps}
    if len(maps) < 2 or len(sizes) > 1:
        raise TraceError("How alike maps are needs two or more of one layer.")
    rows = np.stack([one.weights.ravel() for one in maps]).astype(np.float64)
    totals = rows.sum(axis=1, keepdims=True)
    if not (totals > 0).all():
        raise TraceError("A map that holds nothing is like no other.")
    rows /= totals
    first, second = np.triu_indices(len(rows), 1)
    return float(np.minimum(rows[first], rows[second]).sum(axis=1).mean())
