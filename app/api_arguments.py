"""What comes with an API call, read with care: Gradio passes on whatever JSON was sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from inspect import signature
from typing import Any

from app.shelf import Shelf
from posekit.errors import BoxError, ModelError, TraceError
from posekit.explain import Method
from posekit.geometry import Box
from posekit.occlusion import Fill


def model_name(sent: Any, shelf: Shelf) -> str:
    """The name of a model that this server offers; ModelError lists them."""
    names = shelf.names()
    if sent not in names:
        raise ModelError(
            f"There is no model named {_short(sent)}: choose one of {', '.join(names)}."
        )
    return str(sent)


def question(keypoint: Any, point: Any) -> str | tuple[float, float]:
    """The keypoint's name or the point that is asked about; TraceError unless it is one of them."""
    if (keypoint is None) == (point is None):
        raise TraceError('Name either a keypoint, such as "left wrist", or a point [x, y].')
    if keypoint is not None:
        if not isinstance(keypoint, str):
            raise TraceError(
                f'A keypoint goes by its name, such as "left wrist", not {_short(keypoint)}.'
            )
        return keypoint
    found = _numbers(point, 2)
    if found is None:
        raise TraceError(f"A point is [x, y] in pixels of the photo, not {_short(point)}.")
    return found[0], found[1]


def boxes_of(sent: Any) -> list[Box] | None:
    """Boxes from ``[[x, y, width, height], ...]``; None when there are none."""
    if not sent:
        return None
    if not isinstance(sent, list):
        raise BoxError(_BOXES)
    boxes = []
    for one in sent:
        found = _numbers(one, 4)
        if found is None:
            raise BoxError(_BOXES)
        boxes.append(Box(*found))
    return boxes


_BOXES = "Boxes are a list of [x, y, width, height] in pixels of the photo, one a person."


def colour_of(sent: Any) -> Fill:
    """A colour by its name or as [red, green, blue]; what is none is refused where it is used."""
    return tuple(sent) if isinstance(sent, list) else sent


def whole(sent: Any, name: str) -> int | None:
    """A whole number, None when there is none; TraceError otherwise."""
    if sent is None:
        return None
    if isinstance(sent, bool) or not isinstance(sent, int | float) or sent != sent // 1:
        raise TraceError(f"{name} is a whole number counted from 0, not {_short(sent)}.")
    return int(sent)


def fraction(sent: Any, name: str) -> float:
    """A number from 0 to 1; TraceError otherwise."""
    if isinstance(sent, bool) or not isinstance(sent, int | float) or not 0 <= sent <= 1:
        raise TraceError(f"{name} is a number from 0 to 1, not {_short(sent)}.")
    return float(sent)


def text(sent: Any, name: str) -> str | None:
    """A word or two, None when there are none; TraceError otherwise."""
    if sent is not None and not isinstance(sent, str):
        raise TraceError(f"{name} is a name, not {_short(sent)}.")
    return sent


def options_of(
    method: Method, *, layer: str | None, head: int | None, direction: str | None, part: str | None
) -> dict[str, Any]:
    """The options of a method that were set.

    Raises:
        TraceError: one was set that the method does not have.
    """
    if direction not in (None, "row", "column"):
        raise TraceError(f"A direction is row or column, not {_short(direction)}.")
    given: dict[str, Any] = {"layer": layer, "head": head, "part": part}
    given["direction"] = direction if "direction" in method.options or direction != "row" else None
    options: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name == "layer" and "layers" in method.options:
            options["layers"] = [value]
        elif name in method.options:
            options[name] = value
        elif name == "layer" and _per_layer(method):
            continue  # it answers for all of them; one is picked afterwards
        else:
            raise TraceError(
                f"The method {method.name} has no {name} to choose: leave {name} out, or take"
                " another method."
            )
    return options


def _per_layer(method: Method) -> bool:
    """Whether a method answers with a map a layer."""
    return "HeatMap" not in str(signature(method.function).return_annotation)


def _numbers(sent: Any, count: int) -> list[float] | None:
    """So many finite numbers, None if it is anything else."""
    if not isinstance(sent, Sequence) or isinstance(sent, str) or len(sent) != count:
        return None
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in sent):
        return None
    values = [float(one) for one in sent]
    return values if all(map(math.isfinite, values)) else None


def _short(sent: Any) -> str:
    """What was sent, as far as a sentence has room for it."""
    words = repr(sent)
    return words if len(words) <= 60 else f"{words[:57]}..."
