"""What was asked: a point of the photo, the person it belongs to, the keypoint it snapped to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.errors import SkeletonError, TraceError

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person
    from posekit.skeleton import Skeleton

SNAP_RADIUS = 0.05
"""How far a click may lie from a keypoint and still mean it, in units of the box's longer side."""


@dataclass(frozen=True)
class Query:
    """One question to the trace.

    Attributes:
        person: index into ``prediction.people``.
        point: (x, y) in photo pixels.
        keypoint: index into the skeleton when the query is a keypoint, None for a free point.
    """

    person: int
    point: tuple[float, float]
    keypoint: int | None = None

    def label(self, skeleton: Skeleton) -> str:
        """``left wrist``, or ``point (120, 64)`` for a free query."""
        if self.keypoint is not None:
            return skeleton.keypoints[self.keypoint]
        return f"point ({self.point[0]:.0f}, {self.point[1]:.0f})"


AnyQuery = Query | str | int | Sequence[float] | np.ndarray
"""What ``explain`` takes: a Query, a keypoint's name or index, or an (x, y) point of the photo."""


def snap(
    prediction: Prediction,
    point: Sequence[float] | np.ndarray,
    person: int | None = None,
    radius: float = SNAP_RADIUS,
) -> Query:
    """Turn a click into a query: the nearest keypoint if one is near enough, else the point itself.

    Args:
        prediction: what was predicted for the photo.
        point: (x, y) in photo pixels.
        person: look only at this person; None chooses among all people, a keypoint within the
            radius first, then the smallest box that holds the point, then the crops.
        radius: snapping distance in units of the longer side of the person's box. Of a model that
            has maps about keypoints only, the nearest keypoint is meant however far it is.

    Raises:
        TraceError: the point is not finite, there is no such person, or nobody's crop holds it.
    """
    xy = as_point(point)
    trace = prediction.trace
    if trace is not None and not trace.spatial:
        radius = np.inf
    indices = (
        range(len(prediction.people)) if person is None else [check_person(prediction, person)]
    )
    best: tuple[float, int, int] | None = None
    for index in indices:
        someone = prediction.people[index]
        away = np.linalg.norm(np.asarray(someone.keypoints) - xy, axis=1)
        away = np.where(np.isfinite(away), away, np.inf) / max(
            someone.box.width, someone.box.height
        )
        if not away.size:  # a backbone predicts no keypoints
            continue
        nearest = int(np.argmin(away))
        if (
            np.isfinite(away[nearest])
            and away[nearest] <= radius
            and (best is None or away[nearest] < best[0])
        ):
            best = (float(away[nearest]), index, nearest)
    if best is not None:
        return keypoint_query(prediction, best[1], best[2])
    if person is None:
        person = person_at(prediction, xy)
    elif not _in_crop(prediction.people[person], xy):
        raise outside_crop(prediction, xy)
    return Query(person, (float(xy[0]), float(xy[1])), None)


def person_at(prediction: Prediction, point: Sequence[float] | np.ndarray) -> int:
    """Index of the person a point belongs to: the smallest box around it, else the nearest crop.

    Raises:
        TraceError: the point lies outside every person's crop.
    """
    xy = as_point(point)
    people = prediction.people
    if not people:
        check_person(prediction, 0)  # says that nobody is there
    boxed = [i for i, someone in enumerate(people) if bool(someone.box.contains(xy))]
    if boxed:
        return min(boxed, key=lambda i: people[i].box.area)
    cropped = [i for i, someone in enumerate(people) if _in_crop(someone, xy)]
    if cropped:
        return min(cropped, key=lambda i: _distance_to_box(people[i], xy))
    raise TraceError(
        f"The point ({xy[0]:.0f}, {xy[1]:.0f}) lies outside every person's crop: choose a point "
        "nearer to a person, or put a box around it."
    )


def resolve(prediction: Prediction, query: AnyQuery, person: int | None) -> Query:
    """Any accepted form of a query as a :class:`Query`; ``person`` is ignored for a Query.

    Raises:
        SkeletonError: no keypoint of that name or index.
        TraceError: no such person, or a point that is not two finite numbers.
    """
    if isinstance(query, Query):
        check_person(prediction, query.person)
        as_point(query.point)
        return query
    if isinstance(query, str):
        keypoint = prediction.skeleton.index(query)
        return keypoint_query(prediction, check_person(prediction, person or 0), keypoint)
    if isinstance(query, int | np.integer):
        return keypoint_query(prediction, check_person(prediction, person or 0), int(query))
    xy = as_point(query)
    index = person_at(prediction, xy) if person is None else check_person(prediction, person)
    return Query(index, (float(xy[0]), float(xy[1])), None)


def keypoint_query(prediction: Prediction, person: int, keypoint: int) -> Query:
    """The query standing at a predicted keypoint."""
    skeleton = prediction.skeleton
    if not skeleton.size:
        raise SkeletonError(
            f"{prediction.model.entry.title} predicts no keypoints: ask about a point instead."
        )
    if not 0 <= keypoint < skeleton.size:
        raise SkeletonError(
            f"There is no keypoint {keypoint} in {skeleton.title}: "
            f"give a number from 0 to {skeleton.size - 1} or a name."
        )
    x, y = prediction.people[person].keypoints[keypoint]
    if not np.isfinite([x, y]).all():
        raise TraceError(
            f"{prediction.model.entry.title} found no {skeleton.keypoints[keypoint]} of this "
            "person, so there is nothing to ask about."
        )
    return Query(person, (float(x), float(y)), keypoint)


def check_person(prediction: Prediction, person: int) -> int:
    """``person`` if the prediction holds such a person."""
    count = len(prediction.people)
    if count == 0:
        raise TraceError(
            f"{prediction.model.entry.title} found nobody in this photo, so there is nobody to ask "
            "about."
        )
    if not 0 <= person < count:
        held = "1 person" if count == 1 else f"{count} people"
        raise TraceError(f"There is no person {person}: this prediction holds {held}, from 0.")
    return person


def as_point(point: Sequence[float] | np.ndarray) -> np.ndarray:
    """(2,) float64, refused when it is not two finite numbers."""
    try:
        xy = np.asarray(point, dtype=np.float64)
    except (TypeError, ValueError):
        xy = np.empty(0)
    if xy.shape != (2,) or not np.isfinite(xy).all():
        raise TraceError(
            f"A query point is two finite numbers (x, y) in photo pixels, not {point!r}."
        )
    return xy


def outside_crop(prediction: Prediction, point: np.ndarray) -> TraceError:
    """The sentence for a point that the person's crop does not hold."""
    advice = (
        "choose a point nearer to the person, or predict again with a larger box"
        if len(prediction.people) == 1
        else "choose a point nearer to that person, or ask the person it belongs to"
    )
    return TraceError(
        f"The point ({point[0]:.0f}, {point[1]:.0f}) lies outside this person's crop, "
        f"which is all the model saw: {advice}."
    )


def _in_crop(person: Person, point: np.ndarray) -> bool:
    x, y = person.crop.to_crop.apply(point)
    height, width = person.crop.size
    return bool(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5)


def _distance_to_box(person: Person, point: np.ndarray) -> float:
    left, top, right, bottom = person.box.edges
    low, high = np.array([left, top]), np.array([right, bottom])
    away = np.maximum(0.0, np.maximum(low - point, point - high))
    return float(np.hypot(*away))
