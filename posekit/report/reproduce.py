"""How to get the same answer again: as Python, and on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from posekit.explain.heat import HeatMap
from posekit.explain.options import settable
from posekit.geometry import Box
from posekit.people import whole_photo_box
from posekit.report.findings import Findings

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = [
    "PHOTO",
    "box_options",
    "boxes_of",
    "boxes_words",
    "command_line",
    "load_call",
    "photo_call",
    "python_call",
    "weights_of",
]

PHOTO = "photo.jpg"
"""Stands for the photo, whose own name is nobody's business."""


def python_call(findings: Findings) -> str:
    """Python that asks the same of the same photo, which it calls ``photo.jpg``."""
    asked, prediction = findings.asked, findings.prediction
    boxes = boxes_of(prediction)
    given = f", {boxes_words(boxes)}" if boxes else ""
    options = _options(findings)
    if findings.method.name != "attention":
        options = {"method": findings.method.name, **options}
    question = _python_question(findings)
    lines = ["import posekit", ""]
    if findings.target != "peak" and asked.keypoint is not None:
        kind, name = "KeypointConfidence", ""
        if findings.target in ("x", "y"):
            kind, name = "KeypointCoordinate", f', "{findings.target}"'
        lines = [f"from posekit.explain import {kind}", "", *lines]
        question = f"{kind}({asked.keypoint}{name})"
    words = "".join(f", {name}={value!r}" for name, value in options.items())
    return "\n".join(
        [
            *lines,
            f"model = {load_call(prediction.model)}",
            f"photo = {photo_call(prediction)}",
            f"prediction = posekit.Estimator(model).predict(photo{given})",
            f"answer = posekit.explain(prediction, {question}, person={asked.person}{words})",
        ]
    )


def command_line(findings: Findings, out: str = "report.html") -> str:
    """The command that asks the same of a photo called ``photo.jpg`` and writes ``out``."""
    asked, model = findings.asked, findings.prediction.model.name
    weights = weights_of(findings.prediction.model)
    words = ["posekit", "explain", PHOTO, "--model", model, "--weights", weights]
    words += box_options(boxes_of(findings.prediction))
    if asked.keypoint is not None:
        words += ["--keypoint", findings.prediction.skeleton.keypoints[asked.keypoint]]
    elif asked.point is not None:
        words += ["--point", ",".join(f"{value:.6g}" for value in asked.point)]
    words += ["--person", str(asked.person)]
    if findings.method.name != "attention":
        words += ["--method", findings.method.name]
    if findings.target != "peak":
        words += ["--target", findings.target]
    for name, value in _options(findings).items():
        if name in ("direction", "head", "part", "layer"):
            words += [f"--{name}", str(value)]
        elif name == "layers":
            words += [word for layer in value for word in ("--layer", layer)]
        else:
            words += ["--option", f"{name}={value}"]
    return shlex.join([*words, "--out", out])


def _options(findings: Findings) -> dict[str, Any]:
    """What the method was asked with, as far as a person may set it and did."""
    shown, known = findings.shown, settable(findings.method)
    found = dict(findings.options)
    if isinstance(shown, HeatMap):
        found |= shown.options
    elif shown.maps:
        found |= {"direction": shown.direction, "head": shown.maps[0].head}
        found["part"] = next((one.part for one in shown.maps if one.part is not None), None)
        everything = {one.name for one in _recorded(findings)}
        if set(shown.layers) < everything:
            found["layers"] = list(shown.layers)
    return {
        name: value
        for name, value in found.items()
        if name in known and value != known[name] and value is not None
    }


def _recorded(findings: Findings) -> list[Any]:
    from posekit.explain.attention import layers_of

    return list(layers_of(findings.prediction))


def load_call(model: PoseModel) -> str:
    """Python that loads a model with the weights it has."""
    return f"posekit.load({model.name!r}, weights={weights_of(model)!r})"


def photo_call(prediction: Prediction) -> str:
    """Python that reads the photo, with its size as a remark."""
    height, width = prediction.photo.size
    return f"posekit.read_photo({PHOTO!r})  # {width} x {height} px"


def boxes_of(prediction: Prediction) -> list[Box]:
    """The boxes to ask with; none where the photo was taken whole, or people were found in it."""
    boxes = [person.box for person in prediction.people]
    if prediction.model.entry.find is not None or boxes == [whole_photo_box(prediction.photo)]:
        return []
    return boxes


def _python_question(findings: Findings) -> str:
    asked = findings.asked
    if asked.keypoint is not None:
        return repr(findings.prediction.skeleton.keypoints[asked.keypoint])
    if asked.point is None:
        return repr(asked.label)
    return "({:.6g}, {:.6g})".format(*asked.point)


def weights_of(model: PoseModel) -> str:
    """The kind of its weights; of a file of somebody's own its name, without the folder."""
    kind, name = model.weights.kind, model.weights.file_name
    return name or "weights.safetensors" if kind == "file" else kind


def boxes_words(boxes: Sequence[Box]) -> str:
    """Boxes as a Python list."""
    calls = (f"posekit.Box({', '.join(f'{v:.6g}' for v in _edges(box))})" for box in boxes)
    return f"[{', '.join(calls)}]"


def box_options(boxes: Sequence[Box]) -> list[str]:
    """Boxes as words of a command."""
    words = [",".join(f"{value:.6g}" for value in _edges(box)) for box in boxes]
    return [word for one in words for word in ("--box", one)]


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height
