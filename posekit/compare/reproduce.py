"""How to get the same comparison again: as Python, and on the command line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from posekit.people import ON_MASK
from posekit.report.reproduce import (
    PHOTO,
    box_options,
    boxes_of,
    boxes_words,
    load_call,
    photo_call,
    weights_of,
)

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison
    from posekit.geometry import Box

__all__ = ["command_line", "needed", "python_call"]


def python_call(comparison: Comparison) -> str:
    """Python that asks the same of the same photo, which it calls ``photo.jpg``."""
    loads = [f"    {load_call(one.model)}," for one in comparison.predictions]
    boxes = _boxes(comparison)
    given = f", {boxes_words(boxes)}" if boxes else ""
    words = "".join(f", {name}={value!r}" for name, value in _options(comparison).items())
    return "\n".join(
        [
            "import posekit",
            "from posekit.compare import predict_alike",
            "",
            "models = [",
            *loads,
            "]",
            f"photo = {photo_call(comparison.predictions[0])}",
            f"predictions = predict_alike(models, photo{given})",
            f"answer = posekit.compare(predictions, {_asked(comparison)!r}{words})",
        ]
    )


def command_line(comparison: Comparison, out: str = "report.html") -> str:
    """The command that asks the same and writes ``out``.

    Empty where each panel shows a layer of its own: the command line has one layer for all.
    """
    options = _options(comparison)
    if isinstance(options.get("layer"), list):
        return ""
    models = ",".join(f"{one.model.name}={weights_of(one.model)}" for one in comparison.predictions)
    words = ["posekit", "compare", PHOTO, "--models", models, *box_options(_boxes(comparison))]
    asked = _asked(comparison)
    if isinstance(asked, str):
        words += ["--keypoint", asked]
    else:
        words += ["--point", ",".join(f"{value:.6g}" for value in asked)]
    if options.pop("anchor", None):
        words.append("--same-place")
    if options.pop("faithfulness", None):
        words.append("--faithfulness")
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    return shlex.join([*words, "--out", out])


def needed(comparison: Comparison) -> str:
    """What is needed beside the photo, in a sentence; nothing is empty."""
    if any(row.where == ON_MASK for row in comparison.table):
        return "The share on the person was measured on a mask, which is not in this file."
    return ""


def _options(comparison: Comparison) -> dict[str, Any]:
    """What was asked beside the keypoint or point, as far as it is no default."""
    layer, points = comparison.layer, {panel.point for panel in comparison.panels}
    rows = comparison.table
    found = {
        "person": comparison.person,
        "method": comparison.method,
        "direction": comparison.direction,
        "head": comparison.head,
        "layer": layer if layer is None or isinstance(layer, str) else list(layer),
        # Asked in one place although they need not be: the first model's.
        "anchor": "point" if comparison.keypoint and len(points) == 1 else None,
        "faithfulness": any(row.deletion is not None for row in rows),
    }
    default = {"person": 0, "method": "attention", "direction": "row", "faithfulness": False}
    return {name: value for name, value in found.items() if value != default.get(name)}


def _asked(comparison: Comparison) -> str | tuple[float, ...]:
    if comparison.keypoint is not None:
        return comparison.keypoint
    point = next((panel.point for panel in comparison.panels if panel.point is not None), None)
    return comparison.label if point is None else tuple(round(value, 3) for value in point)


def _boxes(comparison: Comparison) -> list[Box]:
    """The boxes that a model was given; none where the photo was taken whole."""
    for one in comparison.predictions:
        if boxes := boxes_of(one):
            return boxes
    return []
