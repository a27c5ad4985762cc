"""Why a keypoint was joined to its neighbours, of models that assemble people from limbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posekit.decode.paf_people import PafDecoding
from posekit.explain.query import check_person

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["JoinRow", "joins_of"]


@dataclass(frozen=True)
class JoinRow:
    """One limb that made the person.

    Attributes:
        limb: ``"left elbow > left wrist"``.
        score: alignment less the penalty for an overlong limb; the highest joins.
        alignment: mean of the field along the way, in the way's direction.
        agreeing: share of the samples on the way that point the right way.
        outcome: what joining it did.
        ends: its two ends (x, y) in photo pixels.
        rival: the best other pair for the limb that shares an end, as its two ends and its score;
            None when nothing else was good enough.
    """

    limb: str
    score: float
    alignment: float
    agreeing: float
    outcome: str
    ends: tuple[tuple[float, float], tuple[float, float]]
    rival: tuple[tuple[float, float], tuple[float, float], float] | None


def joins_of(
    prediction: Prediction, person: int, keypoint: int | None = None
) -> tuple[JoinRow, ...]:
    """The limbs that made a person, those of one keypoint only when it is named.

    None for a model that assembles nobody.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    decoding, skeleton = prediction.evidence, prediction.skeleton
    if not isinstance(decoding, PafDecoding) or someone.instance is None:
        return ()
    rows = []
    for index in decoding.people[someone.instance].joins:
        join = decoding.joins[index]
        a, b = skeleton.limbs[join.limb]
        if keypoint is not None and keypoint not in (a, b):
            continue
        start, end = (decoding.peaks[peak].point for peak in (join.start, join.end))
        rivals = decoding.rivals(index)
        rival = None
        if rivals:
            first, second, score = rivals[0]
            rival = (decoding.peaks[first].point, decoding.peaks[second].point, score)
        rows.append(
            JoinRow(
                f"{skeleton.keypoints[a]} > {skeleton.keypoints[b]}",
                join.score,
                join.alignment,
                join.agreeing,
                join.outcome,
                (start, end),
                rival,
            )
        )
    return tuple(rows)
