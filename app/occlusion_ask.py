"""Making sense of what the Occlusion page sends; none of it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.payload import Json
from posekit.errors import OcclusionError
from posekit.estimator import Prediction
from posekit.explain import Query
from posekit.explain.query import as_point
from posekit.geometry import Box
from posekit.occlusion import Cutout, Occluder, Stroke, occluder_from_dict
from posekit.photo import Photo

MOST_WORK = 6e7
"""Pixels to look at for one stroke: about two seconds of drawing."""


@dataclass(frozen=True)
class Asked:
    """One question: which spot of whom, behind what, in which layer."""

    spot: int | Query
    person: int
    layer: str | None
    occluder: Occluder | None
    boxes: tuple[Box, ...] | None


def asked(prediction: Prediction, sent: Json) -> Asked:
    """The question as it was sent.

    Raises:
        OcclusionError: a value is not what it should be.
        TraceError: the spot is not two numbers.
    """
    person = whole_number(sent.get("person", 0), "The person")
    layer = sent.get("layer")
    return Asked(
        spot=_spot(sent, person),
        person=person,
        layer=None if layer is None else str(layer),
        occluder=occluder_of(sent.get("occluder"), prediction.photo),
        # People whom the model found by itself may come in another order after.
        boxes=None if sent.get("whole") is True else tuple(one.box for one in prediction.people),
    )


def _spot(sent: Json, person: int) -> int | Query:
    if sent.get("keypoint") is not None:
        return whole_number(sent["keypoint"], "The keypoint")
    if sent.get("point") is None:
        raise OcclusionError("Choose a keypoint or a spot on the photo first.")
    x, y = as_point(sent["point"])
    return Query(person, (float(x), float(y)))


def whole_number(value: Any, what: str) -> int:
    """``value`` if it is a whole number; OcclusionError if not."""
    if type(value) is not int:
        raise OcclusionError(f"{what} is named by a whole number; please choose it again.")
    return value


def text_of(value: Any, what: str) -> str:
    """``value`` if it is text, empty for None; OcclusionError if not."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OcclusionError(f"{what} is text.")
    return value


def occluder_of(data: Any, photo: Photo) -> Occluder | None:
    """The occluder that was sent, None for nothing.

    Raises:
        OcclusionError: it is none, or would take too long to draw.
    """
    if data is None:
        return None
    occluder = occluder_from_dict(data)
    if isinstance(occluder, Cutout):
        occluder.mask  # noqa: B018  # refused here when its run lengths do not add up
    if isinstance(occluder, Stroke) and _work(occluder, photo) > MOST_WORK:
        raise OcclusionError(
            "This stroke is too long and too wide: paint a shorter or thinner one."
        )
    return occluder


def _work(stroke: Stroke, photo: Photo) -> float:
    """About how many pixels are looked at to draw a stroke: each segment's surroundings."""
    points = np.asarray(stroke.points, dtype=np.float64)
    ends = points[:-1], points[1:]
    if len(points) == 1:
        ends = points, points
    size = np.abs(ends[1] - ends[0]) + stroke.width
    return float(np.minimum(size, (photo.width, photo.height)).prod(axis=-1).sum())


def name_of(value: Any, names: Sequence[str], what: str) -> str:
    """``value`` if it is one of the names; OcclusionError that lists them if not."""
    if not isinstance(value, str) or value not in names:
        raise OcclusionError(f"There is no such {what}: choose one of {', '.join(names)}.")
    return value
