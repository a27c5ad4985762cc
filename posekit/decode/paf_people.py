"""What the bottom-up decoder found, and why: peaks, the scores of limbs, and people, as plain data.

Everything a picture or a sentence about the assembly needs is here; nothing is computed again.
Points are (x, y) in the pixels of the network's input, or wherever :meth:`PafDecoding.moved` took
them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from posekit.affine import Affine

__all__ = ["FoundPerson", "Join", "LimbScores", "PafDecoding", "Peak", "Vote", "points_of"]

Floats = npt.NDArray[np.float64]
Point = tuple[float, float]
Outcome = Literal["starts", "extends", "merges", "confirms", "refused"]


@dataclass(frozen=True)
class Vote:
    """One block's opinion of where a keypoint lies.

    Attributes:
        column: of the block.
        row: of the block.
        centre: of the block.
        point: where its offset points to.
        weight: the heatmap's value at the block.
    """

    column: int
    row: int
    centre: Point
    point: Point
    weight: float


@dataclass(frozen=True)
class Peak:
    """A candidate for a keypoint: a maximum of its heatmap, and the votes that placed it.

    Attributes:
        keypoint: index in the skeleton.
        point: the mean of the votes by weight, or the block's centre when offsets are not used.
        score: the heatmap's value at the maximum.
        votes: the first is the maximum's own block.
    """

    keypoint: int
    point: Point
    score: float
    votes: tuple[Vote, ...]

    @property
    def shift(self) -> float:
        """How far the votes moved it off the centre of the maximum's block."""
        return math.dist(self.point, self.votes[0].centre)


def points_of(peaks: Sequence[Peak], chosen: Sequence[int | None]) -> tuple[Floats, Floats]:
    """Where somebody's keypoints are.

    Args:
        peaks: all candidates.
        chosen: for every keypoint the index of its candidate, None for none.

    Returns:
        Points (K, 2), NaN where not found, and scores (K,), 0 where not found.
    """
    points, scores = np.full((len(chosen), 2), np.nan), np.zeros(len(chosen))
    for index, peak in enumerate(chosen):
        if peak is not None:
            points[index], scores[index] = peaks[peak].point, peaks[peak].score
    return points, scores


@dataclass(frozen=True)
class Join:
    """Two keypoints that were found to be the ends of one limb.

    Attributes:
        limb: index in the skeleton's limbs.
        start: index of the peak the limb starts from.
        end: index of the peak it leads to.
        alignment: mean dot product of the field with the direction, over samples on the way.
        penalty: taken off for a length over half the input's height; at most 0.
        agreeing: share of the samples that point the right way.
        outcome: what it did: ``"starts"`` a person, ``"extends"`` one, ``"merges"`` two,
            ``"confirms"`` one whose keypoints were joined already, or was ``"refused"`` because
            it contradicts stronger or earlier joins.
    """

    limb: int
    start: int
    end: int
    alignment: float
    penalty: float
    agreeing: float
    outcome: Outcome

    @property
    def score(self) -> float:
        """What decides between rivals."""
        return self.alignment + self.penalty


@dataclass(frozen=True, eq=False)
class LimbScores:
    """All pairs that were weighed for one limb.

    Attributes:
        limb: index in the skeleton's limbs.
        starts: (m,) peaks the limb could start from.
        ends: (n,) peaks it could lead to.
        alignment: (m, n), as in :class:`Join`.
        penalty: (m, n).
        agreeing: (m, n).
        accepted: (m, n) bool, whether the pair was good enough to be matched.
    """

    limb: int
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    alignment: Floats
    penalty: Floats
    agreeing: Floats
    accepted: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FoundPerson:
    """Peaks that were joined into one person.

    Attributes:
        peaks: for every keypoint of the skeleton the index of its peak, None where there is none.
        joins: indices of the joins that made the person.
        total: sum of its peaks' and joins' scores.
    """

    peaks: tuple[int | None, ...]
    joins: tuple[int, ...]
    total: float

    @property
    def parts(self) -> int:
        """How many keypoints it has."""
        return sum(peak is not None for peak in self.peaks)

    @property
    def mean_score(self) -> float:
        """Total by keypoint: below 0.2 there is no person [code]."""
        return self.total / max(self.parts, 1)

    @property
    def ranking_score(self) -> float:
        """Total times keypoints, what the code submits for average precision [code]."""
        return self.total * self.parts


@dataclass(frozen=True, eq=False)
class PafDecoding:
    """One image, decoded.

    Attributes:
        peaks: all candidates, keypoint by keypoint, the strongest first.
        limbs: the pairs weighed, limb by limb in the skeleton's order.
        joins: the pairs chosen, in the order they were assembled.
        people: the best ``ranking_score`` first.
    """

    peaks: tuple[Peak, ...]
    limbs: tuple[LimbScores, ...]
    joins: tuple[Join, ...]
    people: tuple[FoundPerson, ...]

    def keypoints(self, person: int) -> tuple[Floats, Floats]:
        """Points (K, 2), NaN where not found, and scores (K,), 0 where not found."""
        return points_of(self.peaks, self.people[person].peaks)

    def rivals(self, join: int) -> tuple[tuple[int, int, float], ...]:
        """Other pairs for the limb that share a peak with a join: (start, end, score), best first.

        Only pairs that were good enough to be matched.
        """
        one = self.joins[join]
        table = next(table for table in self.limbs if table.limb == one.limb)
        rivals = [
            (int(table.starts[m]), int(table.ends[n]), float(score))
            for m, n in np.argwhere(table.accepted)
            for score in [table.alignment[m, n] + table.penalty[m, n]]
        ]
        chosen = (one.start, one.end)
        shared = [r for r in rivals if (r[0] == one.start or r[1] == one.end) and r[:2] != chosen]
        return tuple(sorted(shared, key=lambda rival: -rival[2]))

    def moved(self, affine: Affine) -> PafDecoding:
        """The same with all points mapped, for instance from the input to the photo."""

        def to(point: Point) -> Point:
            x, y = affine.apply(point)
            return float(x), float(y)

        peaks = tuple(
            replace(
                peak,
                point=to(peak.point),
                votes=tuple(
                    replace(vote, centre=to(vote.centre), point=to(vote.point))
                    for vote in peak.votes
                ),
            )
            for peak in self.peaks
        )
        return replace(self, peaks=peaks)
