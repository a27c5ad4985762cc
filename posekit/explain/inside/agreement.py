"""Whether the three things that say where a keypoint lies agree: heatmap, offset, limbs.

Specification of SSA, section 11 [ours]. Whether disagreement tells wrong keypoints from right ones
is a question for labelled photos, which :mod:`posekit.evaluation.doubt` puts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.decode.paf_people import PafDecoding, Peak
from posekit.explain.query import check_person
from posekit.named import SpatialMap

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["DOUBT", "Agreement", "Worth", "agreement_of", "worth_of"]

DOUBT = 0.3
"""|H - S| at its peak from which it contradicts a keypoint (specification 11: "doubtful")."""
TELLS = 60.0
"""Area under the curve, per cent, from which doubt is claimed to tell wrong keypoints from right
ones; less is too near to a coin's 50."""
REACH = 2
"""Cells around a keypoint in which a limb's end is looked for, and around its strongest cell over
which its middle is taken: a field ends over several cells. On the fields of the truth that middle
lies 4 pixels of the network's input from the keypoint on average, so less says nothing."""
LEAST_END = 0.1
"""An end below this is none."""


@dataclass(frozen=True)
class Agreement:
    """What heatmap, offset and limbs say about one keypoint that was found.

    Attributes:
        score: the heatmap H at its peak.
        shift: photo pixels from the middle of the peak's cell to the keypoint, what the offsets put
            right.
        contradiction: |H - S| at the peak, S being the heatmap made without H.
        limb: score of the best limb joined here, None where the keypoint ends no limb.
        apart: photo pixels from the keypoint to where its limbs' fields end, None where no field
            ends nearby.
        cell: side of a cell of the maps in photo pixels: limbs' ends are no finer than that.
    """

    score: float
    shift: float
    contradiction: float
    limb: float | None
    apart: float | None
    cell: float

    @property
    def contradicted(self) -> bool:
        """Whether heatmap and synthesised heatmap differ by more than :data:`DOUBT` at the peak."""
        return self.contradiction > DOUBT

    @property
    def words(self) -> str:
        """All of it in two or three sentences."""
        where = "no limb's field ends near it"
        if self.apart is not None:
            how = "agree within" if self.apart <= self.cell else "lie apart by"
            where = f"offset and limbs {how} {self.apart:.1f} px"
        limb = "" if self.limb is None else f" The best limb joined here scores {self.limb:.2f}."
        compared = "over" if self.contradicted else "not over"
        return (
            f"The peak is {self.score:.2f} high; its offset moved it by {self.shift:.1f} px, and "
            f"{where}.{limb} At the peak |H − S| is {self.contradiction:.2f}, {compared} "
            f"{DOUBT}, the mark of a contradiction."
        )


@dataclass(frozen=True)
class Worth:
    """What doubt is worth with some weights.

    Attributes:
        tells: whether on labelled photos it told wrong keypoints from right ones.
        words: what was measured, in a sentence or two.
    """

    tells: bool
    words: str


def agreement_of(prediction: Prediction, person: int, keypoint: int) -> Agreement | None:
    """How far they agree about one keypoint.

    None for a model that makes no such pair of heatmaps, and for a keypoint that was not found.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    decoding, trace = prediction.evidence, prediction.trace
    if not isinstance(decoding, PafDecoding) or someone.instance is None or trace is None:
        return None
    held = {one.group: one for one in trace.maps.values() if one.keypoint == keypoint}
    found = decoding.people[someone.instance]
    place = found.peaks[keypoint]
    if place is None or "contradiction" not in held or "ends" not in held:
        return None
    peak = decoding.peaks[place]
    own = peak.votes[0]
    signed = float(held["contradiction"].values[someone.item, own.row, own.column])
    joins = [decoding.joins[index] for index in found.joins]
    scores = [join.score for join in joins if place in (join.start, join.end)]
    end = _end(held["ends"], someone.item, peak)
    to_photo = someone.crop.to_photo @ held["ends"].grid.to_input
    apart = None if end is None else math.dist(to_photo.apply(end), peak.point)
    return Agreement(
        score=peak.score,
        shift=peak.shift,
        contradiction=abs(signed),
        limb=max(scores, default=None),
        apart=apart,
        cell=float(to_photo.scale),
    )


def worth_of(measured: Mapping[str, Mapping[str, float]]) -> Worth:
    """What a model card says of whether contradictions are at the wrong keypoints.

    Args:
        measured: figures by data set, those of :class:`posekit.evaluation.doubt.DoubtScore` among
            them or not; the last such set counts.
    """
    for data, figures in reversed(list(measured.items())):
        if (area := figures.get("doubt AUROC")) is None:
            continue
        height = figures.get("doubt AUROC of the peak's height")
        beside = "" if height is None else f"; by the lower peak it is known in {height:.0f} %"
        tells = area >= TELLS
        verdict = "" if tells else " So a contradiction is no sign of a wrong keypoint here."
        return Worth(
            tells,
            f"On {data}, of a wrong and a right keypoint the wrong one has the larger |H − S| in "
            f"{area:.0f} % of cases, where 50 % is a coin{beside}.{verdict}",
        )
    return Worth(
        False, "Whether such keypoints are wrong more often was not measured for these weights."
    )


def _end(ends: SpatialMap, item: int, peak: Peak) -> tuple[float, float] | None:
    """Where (column, row) limbs end near a peak: the middle, by strength, about the strongest."""
    values: npt.NDArray[np.float64] = ends.values[item].double().cpu().numpy()
    rows, cols = np.indices(values.shape)

    def away_from(row: int, col: int) -> npt.NDArray[np.int64]:
        return np.maximum(np.abs(rows - row), np.abs(cols - col))

    own = peak.votes[0]
    near = np.where(away_from(own.row, own.column) <= REACH, values, 0.0)
    top = int(near.argmax())
    if near.flat[top] < LEAST_END:
        return None
    share = values * (away_from(*divmod(top, values.shape[1])) <= REACH)
    share /= share.sum()
    return float((share * cols).sum()), float((share * rows).sum())
