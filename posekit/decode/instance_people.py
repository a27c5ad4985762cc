"""What grouping by attention found, and why: candidates, affinities and people, as plain data.

Everything a picture or a sentence about the grouping needs is here; nothing is computed again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from posekit.affine import Affine
from posekit.decode.paf_people import Peak, Vote, points_of

__all__ = ["Claim", "GroupedPerson", "Grouping", "View"]

Floats = npt.NDArray[np.float64]
View = Literal["body-first", "part-first"]


@dataclass(frozen=True)
class Claim:
    """Why a candidate was given to a person.

    Attributes:
        peak: index of the candidate.
        members: the candidates of the person it was compared with: all it had so far, or in the
            part-first view the other end of the limb. Empty for a seed.
        affinities: with each of them.
        threshold: what their mean had to exceed.
        limb: index in the skeleton's limbs, of the part-first view; None of the body-first.
        runner_up: the next best free candidate for the same keypoint, None when there was none.
        runner_up_affinity: its mean affinity with the same members.
    """

    peak: int
    members: tuple[int, ...] = ()
    affinities: tuple[float, ...] = ()
    threshold: float = 0.0
    limb: int | None = None
    runner_up: int | None = None
    runner_up_affinity: float = 0.0

    @property
    def affinity(self) -> float:
        """What decided: the mean affinity; 1 for a seed."""
        return float(np.mean(self.affinities)) if self.affinities else 1.0


@dataclass(frozen=True)
class GroupedPerson:
    """Candidates that were found to be one person's.

    Attributes:
        peaks: for every keypoint of the skeleton the index of its candidate, None for none.
        claims: why, in the order they were made.
        affinity: mean over all pairs of its candidates.
        score: mean score of its candidates times ``affinity``.
    """

    peaks: tuple[int | None, ...]
    claims: tuple[Claim, ...]
    affinity: float
    score: float

    @property
    def members(self) -> tuple[int, ...]:
        """Its candidates, keypoint by keypoint."""
        return tuple(peak for peak in self.peaks if peak is not None)


@dataclass(frozen=True, eq=False)
class Grouping:
    """One image, grouped.

    Attributes:
        peaks: all candidates (U), keypoint by keypoint, the strongest first.
        affinity: (U, U) in 0..1, symmetric: how much two candidates attend to each other.
        people: the best score first.
        view: how they were grouped.
        duplicates: people left out because a better one has the same pose.
        mask_confidence: of each person's mask, in 0..1, see
            :class:`~posekit.decode.instance_masks.AttentionMask`; empty before masks are made.
    """

    peaks: tuple[Peak, ...]
    affinity: Floats
    people: tuple[GroupedPerson, ...]
    view: View
    duplicates: tuple[GroupedPerson, ...] = ()
    mask_confidence: tuple[float, ...] = ()

    def keypoints(self, person: int) -> tuple[Floats, Floats]:
        """Points (K, 2), NaN where not found, and scores (K,), 0 where not found."""
        return points_of(self.peaks, self.people[person].peaks)

    def moved(self, affine: Affine) -> Grouping:
        """The same with all points mapped, for instance from the input to the photo."""

        def to(point: tuple[float, float]) -> tuple[float, float]:
            x, y = affine.apply(point)
            return float(x), float(y)

        def vote(one: Vote) -> Vote:
            return replace(one, centre=to(one.centre), point=to(one.point))

        peaks = tuple(
            replace(peak, point=to(peak.point), votes=tuple(vote(v) for v in peak.votes))
            for peak in self.peaks
        )
        return replace(self, peaks=peaks)
