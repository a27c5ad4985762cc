"""What every call of the page needs: errors as sentences, and sense made of what was sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from app.payload import Json
from app.session import SessionError
from posekit.errors import BoxError, PoseKitError, TraceError
from posekit.estimator import Prediction
from posekit.explain import Direction, Query, snap
from posekit.explain.query import resolve
from posekit.geometry import Box

log = logging.getLogger("posekit.app")

SURPRISE = "Something went wrong on the server; what is on the page stays, so please try again."


def spoken(fn: Callable[..., Json]) -> Callable[..., Json]:
    """Turn what goes wrong into a sentence; the log gets the traceback, not the visitor's data."""

    @wraps(fn)
    def call(*arguments: Any) -> Json:
        try:
            return fn(*arguments)
        except SessionError as error:
            return {"error": str(error), "expired": True}
        except PoseKitError as error:
            return {"error": str(error)}
        except Exception:
            log.exception("a call of the page failed: %s", fn.__name__)
            return {"error": SURPRISE}

    return call


def plain(method: Callable[..., Json]) -> Callable[..., Json]:
    """A bound method as a function: Gradio marks what it serves, and a method cannot be marked."""

    @wraps(method)
    def call(sent: Any) -> Json:
        return method(sent)

    del call.__wrapped__
    return call


def boxes_of(edges: Any) -> list[Box] | None:
    """Boxes from outer edges ``[[left, top, right, bottom], ...]``; None when there are none."""
    if not edges:
        return None
    try:
        # A box starts at the centre of its first pixel, half a pixel inside its edge.
        return [
            Box(left + 0.5, top + 0.5, right - left, bottom - top)
            for left, top, right, bottom in (map(float, one) for one in edges)
        ]
    except (TypeError, ValueError):
        raise BoxError("A box needs four numbers; please draw it again.") from None


def question(prediction: Prediction, sent: Json) -> tuple[Query, Direction]:
    """Which spot is asked about, and in which direction."""
    direction: Direction
    match sent.get("direction"):
        case "row" | "column" as direction:
            pass
        case _:
            raise TraceError("Please choose a direction: looks at, or is looked at by.")
    person = None if sent.get("person") is None else int(sent["person"])
    if sent.get("keypoint") is not None:
        return resolve(prediction, int(sent["keypoint"]), person), direction
    x, y = (float(value) for value in sent["point"])
    if sent.get("free") and person is not None:
        return Query(person, (x, y), None), direction
    return snap(prediction, (x, y), person), direction
