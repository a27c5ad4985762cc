"""A few numbers that say where a map's attention lies and how concentrated it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.errors import TraceError
from posekit.explain.around import Around, most_around
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap, GridMap
from posekit.explain.query import Query
from posekit.people import IN_BOX, box_words
from posekit.percents import percent

if TYPE_CHECKING:
    from posekit.estimator import Prediction


@dataclass(frozen=True)
class MapNumbers:
    """Measured on the token grid, so that no picture is needed.

    Attributes:
        mass_in_box: share of the mass on tokens whose centre lies in the person's box, 0 to 1.
        mass_in_other_boxes: share on tokens in another person's box and outside this one's.
        mass_in_both: share of the mass on tokens in this person's box and in another's as well,
            part of ``mass_in_box``: whose body it lies on, boxes cannot tell.
        entropy_nats: entropy of the map scaled to sum 1; ``log(tokens)`` when it is uniform.
        entropy_share: entropy divided by ``log(tokens)``: 0 is one token, 1 is uniform.
        peak_distance_px: distance in photo pixels from the query to the heaviest token's centre.
        peak_point: that centre, (x, y) in photo pixels.
        where: what ``mass_in_box`` is measured on, in words, see
            :func:`posekit.people.box_words`.
        around: the three of the person's keypoints around which the mass is strongest, the most
            first, see :mod:`posekit.explain.around`. The keypoint asked about is left out of
            attention, whose cells look at themselves; evidence may well lie there.
    """

    mass_in_box: float
    mass_in_other_boxes: float
    entropy_nats: float
    entropy_share: float
    peak_distance_px: float
    peak_point: tuple[float, float]
    where: str = IN_BOX
    around: tuple[Around, ...] = ()
    mass_in_both: float = 0.0

    @property
    def mass_outside(self) -> float:
        """Share of the mass in nobody's box, 0 to 1."""
        return max(0.0, 1.0 - self.mass_in_box - self.mass_in_other_boxes)

    @property
    def around_elsewhere(self) -> float:
        """Share of the mass around none of the keypoints of ``around``, 0 to 1."""
        return max(0.0, 1.0 - sum(one.share for one in self.around))


def numbers(attention: AttentionMap, prediction: Prediction) -> MapNumbers:
    """The numbers of one map; a column is scaled to sum 1 first.

    Raises:
        TraceError: the map holds no attention at all.
    """
    empty = "This map holds no attention: keep a larger share of the mass."
    but = None if attention.meaning else attention.query.keypoint
    return _measured(attention, attention.query, prediction, empty, but=but)


def heat_numbers(
    heat: HeatMap, prediction: Prediction, point: Sequence[float] | np.ndarray
) -> MapNumbers:
    """The numbers of a method's map: of its evidence for the target, negative values counting 0.

    Args:
        heat: the map.
        prediction: what it explains.
        point: where the question stands, (x, y) in photo pixels; distances are from there.

    Raises:
        TraceError: no value of the map is positive.
    """
    empty = f"The map of {heat.method} holds no evidence for {heat.target}: nothing is positive."
    query = Query(heat.person, (float(point[0]), float(point[1])))
    return _measured(heat, query, prediction, empty)


def around_words(measured: MapNumbers) -> str:
    """``right wrist 11%, right elbow 8% (81% elsewhere)``; empty where no keypoint is drawn."""
    named = ", ".join(f"{one.keypoint} {percent(one.share)}" for one in measured.around)
    return f"{named} ({percent(measured.around_elsewhere)} elsewhere)" if named else ""


def _measured(
    one: GridMap, query: Query, prediction: Prediction, empty: str, *, but: int | None = None
) -> MapNumbers:
    share, centres = one.mass.ravel(), one.cell_centres
    if not share.sum() > 0.0:
        raise TraceError(empty)
    mine = query.person
    in_box = np.asarray(prediction.people[mine].box.contains(centres))
    in_others = np.zeros_like(in_box)
    for index, person in enumerate(prediction.people):
        if index != mine:
            in_others |= np.asarray(person.box.contains(centres))
    positive = share[share > 0.0]
    entropy = max(0.0, float(-(positive * np.log(positive)).sum()))
    peak = centres[int(np.argmax(share))]
    return MapNumbers(
        mass_in_box=min(1.0, float(share[in_box].sum())),
        mass_in_other_boxes=min(1.0, float(share[in_others & ~in_box].sum())),
        entropy_nats=entropy,
        entropy_share=min(1.0, entropy / math.log(share.size)) if share.size > 1 else 0.0,
        peak_distance_px=float(np.hypot(*(peak - np.asarray(query.point)))),
        peak_point=(float(peak[0]), float(peak[1])),
        where=box_words(prediction.people[mine].box, prediction.photo),
        around=most_around(prediction, mine, share, centres, one.grid_to_photo.scale, but=but),
        mass_in_both=min(1.0, float(share[in_others & in_box].sum())),
    )
