"""Everybody found in a data set by their scores, from which average precision follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.bootstrap import photo_draws

__all__ = ["Ranking"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_RECALLS = np.linspace(0, 1, 101)  # where COCO reads precision


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
