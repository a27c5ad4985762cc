"""How to get the same study again: as Python, and on the command line."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from posekit.report.reproduce import (
    PHOTO,
    box_options,
    boxes_words,
    load_call,
    photo_call,
    weights_of,
)

if TYPE_CHECKING:
    from posekit.occlusion.result import Study

__all__ = ["OCCLUDER", "command_line", "needed", "python_call"]

OCCLUDER = "occluder.json"
"""The file that a command reads the occluder from."""

_OWN = ("model", "limbs")  # masks that the model gives again


def python_call(study: Study) -> str:
    """Python that asks the same of the same photo, which it calls ``photo.jpg``."""
    before = study.before.prediction
    options = [f"keypoint={_asked(study)}"]
    if study.before.person is not None:
        options.append(f"person={study.before.person}")
    if study.boxes:
        options.append(f"boxes={boxes_words(study.boxes)}")
    if study.layer is not None:
        options.append(f"layer={study.layer!r}")
    if study.masks is not None:
        options.append('masks="best"' if study.masks.source in _OWN else "masks=masks")
    occluder = "None" if study.occluder is None else f"occluder_from_json({_described(study)!r})"
    return "\n".join(
        [
            "import posekit",
            "from posekit.occlusion import occluder_from_json",
            "",
            f"model = {load_call(before.model)}",
            f"photo = {photo_call(before)}",
            f"occluder = {occluder}",
            f"answer = posekit.occlude(model, photo, occluder, {', '.join(options)})",
        ]
    )


def command_line(study: Study, out: str = "report.html") -> str:
    """The command that asks the same and writes ``out``.

    It reads the occluder from :data:`OCCLUDER`, see :func:`needed`. Empty for what it cannot ask: a
    point, and nothing in front.
    """
    before = study.before.prediction
    if study.keypoint is None or study.occluder is None:
        return ""
    words = ["posekit", "occlude", PHOTO, "--model", before.model.name]
    words += ["--weights", weights_of(before.model), *box_options(study.boxes or ())]
    words += ["--keypoint", before.skeleton.keypoints[study.keypoint]]
    if study.before.person is not None:
        words += ["--person", str(study.before.person)]
    if study.layer is not None:
        words += ["--layer", study.layer]
    return shlex.join([*words, "--occluder", OCCLUDER, "--out", out])


def needed(study: Study) -> str:
    """What is needed beside the photo, in sentences; nothing is empty."""
    said = []
    if study.occluder is not None and study.keypoint is not None:
        said.append(
            f"The command reads the occluder from {OCCLUDER}: the JSON that stands in the Python."
        )
    if study.masks is not None and study.masks.source not in _OWN:
        said.append(f"Purity was measured on {study.masks.words}, which are not in this file.")
    return " ".join(said)


def _described(study: Study) -> str:
    assert study.occluder is not None  # callers look first
    return json.dumps(study.occluder.to_dict(), separators=(",", ":"))


def _asked(study: Study) -> str:
    if study.keypoint is not None:
        return repr(study.before.prediction.skeleton.keypoints[study.keypoint])
    query = study.before.query or study.after.query
    return "(x, y)" if query is None else "({:.6g}, {:.6g})".format(*query.point)
