"""95 % intervals of a data set's figures: its photographs are drawn anew.

The photograph is what is drawn, with everybody in it: keypoints of one person, and people of one
photograph, are not independent of one another. Percentile interval: Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posekit.benchmark.report import DRAWS

__all__ = ["Interval", "Ranking", "interval", "photo_draws"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

Interval: TypeAlias = tuple[float, float]
"""Both ends, per cent."""

ENDS = (2.5, 97.5)
_RECALLS = np.linspace(0, 1, 101)  # where COCO reads precision
_AT_ONCE = 500_000  # numbers of draws held at a time: 4 MB


def photo_draws(photos: int, seed: int = 0) -> Iterator[Floats]:
    """How often each photograph is drawn, with replacement, as many times as there are photographs.

    Args:
        photos: how many there are, at least one.
        seed: of the draws; the same draws for the same number of photographs, so that two models
            measured on them are compared draw by draw.

    Yields:
        (draws, photos) counts, 2,000 draws in all.
    """
    rng = np.random.default_rng(seed)
    share = np.full(photos, 1.0 / photos)
    step = max(1, _AT_ONCE // photos)
    for start in range(0, DRAWS, step):
        size = min(step, DRAWS - start)
        yield rng.multinomial(photos, share, size=size).astype(np.float64)


def interval(values: Floats) -> Interval | None:
    """Where 95 % of a figure's draws lie.

    Args:
        values: (draws,) shares, NaN where a draw holds nothing to measure.

    Returns:
        Both ends in per cent to two places; None where no draw holds anything.
    """
    if not np.isfinite(values).any():
        return None
    low, high = np.nanpercentile(values, ENDS)
    return round(100 * float(low), 2), round(100 * float(high), 2)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Everybody found in a data set, the best score first, and how many were there to be found.

    Who is matched with whom is settled within each photograph, so that drawing photographs anew
    changes no match, only how often each counts.

    Attributes:
        photo: (D,) index of the photograph of each one found.
        right: (T, D) bool, whether it is somebody's, at each of T thresholds.
        wrong: (T, D) bool, whether it is a false alarm; what is neither is passed over.
        people: (P,) how many are to be found in each photograph.
        short: a recall by so little too low counts as reached; COCO's own has 0, and so misses
            some by rounding.
    """

    photo: Ints
    right: Bools
    wrong: Bools
    people: Ints
    short: float = 0.0

    def drawn(self) -> Floats:
        """(draws, T) average precision, as shares, with the photographs drawn anew."""
        draws = photo_draws(len(self.people))
        return np.concatenate([self.average_precision(counts) for counts in draws])

    def average_precision(self, counts: Floats) -> Floats:
        """As COCO has it: at each of 101 recalls the best precision at that or a higher one.

        Args:
            counts: (S, P) how often each photograph counts; all ones for the data set itself.

        Returns:
            (S, T) shares; NaN where nobody is to be found.
        """
        # Somebody who counts three times is one step of three: where COCO would look at a step in
        # between, the best precision from there on is never that step's own.
        total = counts @ self.people
        weight = counts[:, self.photo]
        result = np.full((len(counts), len(self.right)), np.nan)
        for threshold, (right, wrong) in enumerate(zip(self.right, self.wrong, strict=True)):
            hits = np.cumsum(weight * right, axis=1)
            looked_at = hits + np.cumsum(weight * wrong, axis=1)
            precision = np.divide(hits, looked_at, out=np.zeros_like(hits), where=looked_at > 0)
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            best = np.pad(best, ((0, 0), (0, 1)))  # a recall that is never reached: 0
            for draw in np.flatnonzero(total):
                place = np.searchsorted(hits[draw] / total[draw], _RECALLS - self.short)
                result[draw, threshold] = best[draw, place].mean()
        return result
