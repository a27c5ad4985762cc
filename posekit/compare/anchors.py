"""What each model is asked, when all are asked the same.

A click on the photo is the same image point for every model, and each takes its own token for it. A
keypoint by name is each model's own prediction of it, unless it is to be the same image point too.
Models with other keypoints are asked where another model sees the one they lack. Models whose maps
are about keypoints and not about places are asked about their own, whatever the others are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from posekit.compare.carry import carried, keypoint_of, places_on_photo
from posekit.errors import PoseKitError, SkeletonError, TraceError
from posekit.explain.evidence import evidence_of
from posekit.explain.query import AnyQuery, Query, as_point, check_person, keypoint_query, snap
from posekit.explain.targets import Target

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Anchor", "Asking", "about_keypoints", "anchors"]

ABOUT_KEYPOINTS = "The maps of this model are about keypoints, so it is asked about"

Asking = Literal["keypoint", "point"]
"""Where a named keypoint is asked: at each model's own prediction, or at one image point."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """The question to one model.

    Attributes:
        target: what its method is asked; None when the question cannot be put to it.
        query: the place in the photo, for drawing and for numbers.
        keypoint: index of the keypoint in its skeleton, None when there is none or the model did
            not find it.
        note: a sentence when the question is not quite the others', or cannot be put at all.
    """

    target: Query | Target | None
    query: Query
    keypoint: int | None
    note: str = ""


def anchors(
    predictions: Sequence[Prediction],
    names: Sequence[str],
    target: AnyQuery | Target,
    person: int,
    asking: Asking | None,
) -> tuple[str, list[Anchor]]:
    """The question in words, and as it goes to each model.

    A keypoint by index, or in a Query, is one of the first model that has it.

    Raises:
        SkeletonError: no model has a keypoint of that name or index.
        TraceError: no such person, a point that is not two finite numbers, or no such way to ask.
    """
    if asking not in (None, "keypoint", "point"):
        raise TraceError(f"A keypoint is asked as 'keypoint' or as 'point', not {asking!r}.")
    if isinstance(target, Target):
        check_person(predictions[0], person)
        return _of_target(predictions, target, person)
    if isinstance(target, Query):
        person = check_person(predictions[0], target.person)
        as_point(target.point)
    check_person(predictions[0], person)
    home, keypoint = _named(predictions, target)
    if keypoint is None:
        x, y = as_point(target.point if isinstance(target, Query) else target)  # type: ignore[arg-type]
        query = Query(person, (float(x), float(y)))
        return query.label(predictions[0].skeleton), [_at_point(one, query) for one in predictions]
    source = predictions[home]
    name = source.skeleton.keypoints[keypoint]
    at, by = _place(predictions, home, person, keypoint)
    if isinstance(target, Query) and asking == "point":
        at = target  # the very point that was clicked, not the prediction near it
    found = []
    for index, one in enumerate(predictions):
        own = source.skeleton.mapping_to(one.skeleton)[keypoint]
        knows_places = not about_keypoints(one)
        if own is not None and (asking != "point" or not knows_places):
            try:
                query = keypoint_query(one, person, own)
            except TraceError as error:  # a model of whole photos that did not find it
                found.append(Anchor(None, Query(person, at.point), None, str(error)))
                continue
            note = "" if asking != "point" or knows_places else f"{ABOUT_KEYPOINTS} its own {name}."
            found.append(Anchor(query, query, own, note))
            continue
        note = ""
        if own is None:
            note = (
                f"This model does not know the {name}: it is asked at the place where "
                f"{names[by]} puts it."
            )
        elif index != by and not isinstance(target, Query):
            note = f"Asked at the place where {names[by]} puts the {name}."
        if own is not None and not one.people[person].found[own]:
            note = f"This model found no {name} of this person. {note}".rstrip()
            own = None  # what it did not find has neither a confidence nor a place
        query = Query(person, at.point)
        found.append(Anchor(query, query, own, note))
    return name, found


def about_keypoints(prediction: Prediction) -> bool:
    """Whether all that a model left is about its keypoints; a place alone is no question then."""
    trace = prediction.trace
    return trace is not None and not trace.spatial and bool(evidence_of(trace))


def _at_point(prediction: Prediction, query: Query) -> Anchor:
    """A free point: itself, or the nearest keypoint of a model that knows nothing else."""
    if not about_keypoints(prediction):
        return Anchor(query, query, None)
    try:
        near = snap(prediction, query.point, query.person)
    except TraceError as error:
        return Anchor(None, query, None, str(error))
    if near.keypoint is None:  # it found nothing of this person
        return Anchor(query, query, None)
    name = prediction.skeleton.keypoints[near.keypoint]
    return Anchor(near, near, near.keypoint, f"{ABOUT_KEYPOINTS} its {name}, the nearest one.")


def _place(
    predictions: Sequence[Prediction], home: int, person: int, keypoint: int
) -> tuple[Query, int]:
    """Where the keypoint is, and by which model: its own, or else the first that found it."""
    source = predictions[home]
    for index in (home, *range(len(predictions))):
        one = predictions[index]
        own = source.skeleton.mapping_to(one.skeleton)[keypoint]
        if own is not None and one.people[person].found[own]:
            x, y = one.people[person].keypoints[own]
            return Query(person, (float(x), float(y)), keypoint), index
    return keypoint_query(source, person, keypoint), home  # refuses: nobody found it


def _named(predictions: Sequence[Prediction], target: AnyQuery | Query) -> tuple[int, int | None]:
    """(index of the model, index of the keypoint) of a question; (0, None) for a point."""
    if isinstance(target, str):
        for index, one in enumerate(predictions):
            try:
                return index, one.skeleton.index(target)
            except SkeletonError:
                continue
        held = list(dict.fromkeys(k for one in predictions for k in one.skeleton.keypoints))
        raise SkeletonError(
            f'None of these models has a keypoint "{target}"; they have {", ".join(held)}.'
        )
    keypoint = target.keypoint if isinstance(target, Query) else target
    if isinstance(keypoint, int | np.integer):
        index = int(keypoint)
        size = predictions[0].skeleton.size
        if not 0 <= index < size:
            raise SkeletonError(
                f"There is no keypoint {index} in {predictions[0].skeleton.title}: "
                f"give a number from 0 to {size - 1} or a name."
            )
        return 0, index
    return 0, None


def _of_target(
    predictions: Sequence[Prediction], target: Target, person: int
) -> tuple[str, list[Anchor]]:
    """A target, which speaks of the first model's heatmaps, for all of them."""
    found = []
    for one in predictions:
        try:
            own = carried(target, predictions[0], one, person)
        except PoseKitError as error:
            found.append(Anchor(None, Query(person, (0.0, 0.0)), None, str(error)))
            continue
        places = places_on_photo(own, one, person)
        x, y = places.mean(axis=0)
        query = Query(person, (float(x), float(y)))
        keypoint = keypoint_of(own)
        if keypoint is not None and not one.people[person].found[keypoint]:
            keypoint = None
        found.append(Anchor(own, query, keypoint))
    return target.label(predictions[0].skeleton), found
