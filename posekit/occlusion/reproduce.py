"""How to get the same study again: as Python, and on the command line."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from posekit.occlusion.cases import SIZE, case_of, prepared_case
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

CASE_PHOTO = "photo.png"
"""Stands for the photo of a prepared case, which is written without loss."""

_OWN = ("model", "limbs")  # masks that the model gives again


def python_call(study: Study) -> str:
    """Python that asks the same: of a prepared case by its name, else of ``photo.jpg``.

    Masks that somebody gave are not in it: a remark says what to put there.
    """
    before, known = study.before.prediction, case_of(study.photo)
    case = None if known is None else prepared_case(*known)
    own_masks = case is not None and study.masks is not None and study.masks.source == "scene"
    options = [f"keypoint={_asked(study)}"]
    if study.before.person is not None:
        options.append(f"person={study.before.person}")
    if study.boxes and case is not None and study.boxes == case.boxes:
        options.append("boxes=case.boxes")
    elif study.boxes:
        options.append(f"boxes={boxes_words(study.boxes)}")
    if study.layer is not None:
        options.append(f"layer={study.layer!r}")
    given: list[str] = []
    if own_masks:
        options.append("masks=case.masks")
    elif study.masks is not None and study.masks.source in _OWN:
        options.append('masks="best"')
    elif study.masks is not None:
        options.append("masks=masks")
        given.append(
            f"masks = None  # put {study.masks.words} here: an array (height, width) a person, "
            "True on the person"
        )
    if case is not None and study.truth is not None:
        options.append(f"truth=case.truth(model.entry.skeleton, {study.before.person or 0})")
    occluder = "None" if study.occluder is None else f"occluder_from_json({_described(study)!r})"
    names, photo = ["occluder_from_json"], [f"photo = {photo_call(before)}"]
    if known is not None:
        names.append("prepared_case")
        photo = [f"case = prepared_case({known[0]!r}, {known[1]!r})", "photo = case.photo"]
    return "\n".join(
        [
            "import posekit",
            f"from posekit.occlusion import {', '.join(names)}",
            "",
            f"model = {load_call(before.model)}",
            *photo,
            *given,
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
    photo = PHOTO if _written(study) is None else CASE_PHOTO
    words = ["posekit", "occlude", photo, "--model", before.model.name]
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
    case, by_name = _written(study), False
    if case is not None:
        command = shlex.join(["posekit", "cases", "gallery", case, "--out", CASE_PHOTO])
        said.append(f"The photo is a prepared case, which {command!r} writes for the command.")
        by_name = study.masks is not None and study.masks.source == "scene"
    if study.masks is not None and study.masks.source not in _OWN and not by_name:
        said.append(f"Purity was measured on {study.masks.words}, which are not in this file.")
    return " ".join(said)


def _written(study: Study) -> str | None:
    """The prepared case that the photo is, in the size that the command line writes it in."""
    known = case_of(study.photo)
    return known[0] if known is not None and known[1] == SIZE else None


def _described(study: Study) -> str:
    assert study.occluder is not None  # callers look first
    return json.dumps(study.occluder.to_dict(), separators=(",", ":"))


def _asked(study: Study) -> str:
    if study.keypoint is not None:
        return repr(study.before.prediction.skeleton.keypoints[study.keypoint])
    query = study.before.query or study.after.query
    return "(x, y)" if query is None else "({:.6g}, {:.6g})".format(*query.point)
