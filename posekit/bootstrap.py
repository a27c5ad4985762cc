"""95 % intervals: the photographs of a data set are drawn anew.

The photograph is what is drawn, with everybody in it: keypoints of one person, and people of one
photograph, are not independent of one another. Percentile interval: Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["DRAWS", "Interval", "ends", "interval", "photo_draws"]

Floats = npt.NDArray[np.float64]

Interval: TypeAlias = tuple[float, float]
"""Both ends, per cent."""

DRAWS = 2000
"""Times the photographs are drawn anew."""

_ENDS = (2.5, 97.5)
_AT_ONCE = 500_000  # numbers of draws held at a time: 4 MB


def photo_draws(photos: int, seed: int = 0) -> Iterator[Floats]:
    """How often each photograph is drawn, with replacement, as many times as there are photographs.

    Args:
        photos: how many there are, at least one.
        seed: of the draws; the same draws for the same number of photographs, so that two models
            measured on them are compared draw by draw.

    Yields:
        (draws, photos) counts, :data:`DRAWS` draws in all.
    """
    rng = np.random.default_rng(seed)
    share = np.full(photos, 1.0 / photos)
    step = max(1, _AT_ONCE // photos)
    for start in range(0, DRAWS, step):
        size = min(step, DRAWS - start)
        yield rng.multinomial(photos, share, size=size).astype(np.float64)


def ends(values: Floats) -> Floats:
    """Where 95 % of the draws of each figure lie.

    Args:
        values: (draws, ...) figures, NaN where a draw holds nothing to measure; of each figure at
            least one draw holds something.

    Returns:
        (2, ...) both ends, in the figures' own unit.
    """
    return np.asarray(np.nanpercentile(values, _ENDS, axis=0), dtype=np.float64)


def interval(values: Floats) -> Interval | None:
    """Where 95 % of the draws of a share lie.

    Args:
        values: (draws,) shares, NaN where a draw holds nothing to measure.

    Returns:
        Both ends in per cent to two places; None where no draw holds anything.
    """
    if not np.isfinite(values).any():
        return None
    low, high = ends(values)
    return round(100 * float(low), 2), round(100 * float(high), 2)
