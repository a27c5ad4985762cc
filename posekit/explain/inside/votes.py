"""Which cells said where a keypoint lies, and how loud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posekit.decode.paf_people import PafDecoding
from posekit.explain.query import check_person

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["VoteLine", "votes_of"]


@dataclass(frozen=True)
class VoteLine:
    """One cell's vote.

    Attributes:
        cell: the cell's centre (x, y) in photo pixels.
        point: where its offset points to.
        weight: what it counted for, the heatmap's value at the cell.
    """

    cell: tuple[float, float]
    point: tuple[float, float]
    weight: float


def votes_of(prediction: Prediction, person: int, keypoint: int) -> tuple[VoteLine, ...]:
    """The votes whose mean is the keypoint; the first is the heatmap's peak itself.

    None for a model that does not vote, and for a keypoint that was not found.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    decoding = prediction.evidence
    if not isinstance(decoding, PafDecoding) or someone.instance is None:
        return ()
    peak = decoding.people[someone.instance].peaks[keypoint]
    if peak is None:
        return ()
    return tuple(VoteLine(v.centre, v.point, v.weight) for v in decoding.peaks[peak].votes)
