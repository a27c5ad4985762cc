"""All occluders by name, to JSON and back; what comes from outside is trusted in nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from posekit.errors import BoxError, OcclusionError
from posekit.geometry import Box
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.painted import FILLS, MOST_POINTS, Fill, Rectangle, Stroke
from posekit.occlusion.pasted import Cutout, Patch
from posekit.run_lengths import decoded, runs_of

__all__ = [
    "FILLS",
    "KINDS",
    "MOST_POINTS",
    "Cutout",
    "Fill",
    "Occluder",
    "Patch",
    "Rectangle",
    "Stroke",
    "occluder_from_dict",
    "occluder_from_json",
]

KINDS = tuple(one.kind for one in (Rectangle, Stroke, Patch, Cutout))
_MOST_TEXT = 16 * 2**20  # characters of JSON; the run lengths of a large mask are far shorter


def occluder_from_json(text: str | bytes) -> Occluder:
    """An occluder from the JSON of :meth:`Occluder.to_dict`.

    Raises:
        OcclusionError: it is no JSON, or does not describe an occluder.
    """
    if len(text) > _MOST_TEXT:
        raise OcclusionError("The description of an occluder is longer than 16 million characters.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OcclusionError("The description of an occluder is not JSON.") from error
    return occluder_from_dict(data)


def occluder_from_dict(data: Any) -> Occluder:
    """An occluder from the plain values of :meth:`Occluder.to_dict`.

    Raises:
        OcclusionError: a value is missing or is not what it should be.
    """
    if not isinstance(data, Mapping) or data.get("kind") not in KINDS:
        raise OcclusionError(f'An occluder has a "kind": one of {", ".join(KINDS)}.')
    kind = data["kind"]
    try:
        if kind == Rectangle.kind:
            return Rectangle(_box(data, "box"), data.get("colour", "mean"))
        if kind == Stroke.kind:
            return _stroke(data)
        if kind == Patch.kind:
            return Patch(_box(data, "source"), _pair(data, "target"))
        mask = decoded(data.get("mask"))
        return Cutout((mask.shape[0], mask.shape[1]), runs_of(mask), _pair(data, "by"))
    except BoxError as error:
        raise OcclusionError(f"The box of a {kind} cannot be: {error}") from error


def _stroke(data: Mapping[str, Any]) -> Stroke:
    points = data.get("points")
    if not _listed(points) or not 1 <= len(points) <= MOST_POINTS:
        raise OcclusionError(f'A stroke has "points": a list of 1 to {MOST_POINTS} pairs [x, y].')
    width, flat = data.get("width"), data.get("flat", False)
    if not _number(width) or not isinstance(flat, bool):
        raise OcclusionError('A stroke has a "width" in pixels, and "flat" is true or false.')
    pairs = tuple(_pair({"points": point}, "points") for point in points)
    return Stroke(pairs, width, data.get("colour", "mean"), flat)


def _box(data: Mapping[str, Any], name: str) -> Box:
    values = data.get(name)
    if not _listed(values) or len(values) != 4 or not all(map(_number, values)):
        raise OcclusionError(f'"{name}" is four numbers [x, y, width, height] in photo pixels.')
    return Box(*values)


def _pair(data: Mapping[str, Any], name: str) -> tuple[float, float]:
    values = data.get(name)
    if not _listed(values) or len(values) != 2 or not all(map(_number, values)):
        raise OcclusionError(f'"{name}" is made of pairs of numbers [x, y] in photo pixels.')
    return float(values[0]), float(values[1])


def _listed(values: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(values, Sequence) and not isinstance(values, str | bytes)


def _number(value: Any) -> TypeGuard[float]:
    """Whether it is a number that fits in a float; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
