"""An explanation as plain values: the pose, the question, the numbers of every layer and head."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from posekit.doubts import doubts_of
from posekit.draw.legend import even_words
from posekit.draw.save import describe
from posekit.explain.maps import AttentionMap
from posekit.explain.plain import finite
from posekit.files import FileTarget, write_json
from posekit.report.findings import Findings

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain.heat import HeatMap
    from posekit.explain.numbers import MapNumbers

__all__ = ["keypoint_values", "number_values", "plain_values", "pose_values", "save_json"]


def plain_values(findings: Findings, *, maps: bool = False) -> dict[str, Any]:
    """Everything but pictures, ready for JSON; coordinates in photo pixels.

    Returns:
        What :func:`posekit.draw.describe` says, and

        * ``asked``: ``{person, keypoint, point, label, method}``;
        * ``pose``: every person's box and keypoints;
        * ``layers``, of an answer in layers: of each its name, grid, total (the sum of its
          weights), numbers (:func:`number_values`) and, where there are several, ``heads`` with
          the same of each; of a method's map ``numbers`` instead;
        * ``maps``, when asked for: of each map the values (rows, cols) and ``grid_to_photo``
          (2, 3), which takes (column, row, 1) to (x, y).
    """
    asked = findings.asked
    found = describe(
        findings.shown,
        prediction=findings.prediction,
        query=findings.query,
        faithfulness=findings.faithfulness,
    )
    found["asked"] = {
        "person": asked.person,
        "keypoint": asked.keypoint,
        "point": None if asked.point is None else list(asked.point),
        "label": asked.label,
        "method": findings.method.name,
    }
    found["pose"] = pose_values(findings)
    layered = [one for one in findings.maps if isinstance(one, AttentionMap)]
    if layered:
        found["layers"] = [_layer(findings, one) for one in layered]
    elif (measured := findings.numbers(findings.maps[0])) is not None:
        found["numbers"] = number_values(measured)
    if maps:
        found["maps"] = [_cells(one) for one in findings.maps]
    return found


def save_json(findings: Findings, target: FileTarget, *, maps: bool = False) -> None:
    """Write :func:`plain_values` as JSON (UTF-8)."""
    write_json(plain_values(findings, maps=maps), target, indent=1)


def pose_values(findings: Findings) -> list[dict[str, Any]]:
    """Of every person the box (x, y, width, height), and :func:`keypoint_values`."""
    people = findings.prediction.people
    return [
        {
            "box": [person.box.x, person.box.y, person.box.width, person.box.height],
            "keypoints": keypoints,
        }
        for person, keypoints in zip(people, keypoint_values(findings.prediction), strict=True)
    ]


def keypoint_values(prediction: Prediction, *, key: str = "name") -> list[list[dict[str, Any]]]:
    """Of every person each keypoint of the skeleton.

    Its place in photo pixels, None where it was not found, its score, and why it is doubtful
    (:func:`posekit.doubts.doubts_of`, people counted from 0), None where nothing
    is said against it.

    Args:
        prediction: whose people.
        key: what a name stands under.
    """
    names = prediction.skeleton.keypoints
    return [
        [
            {key: name, "x": finite(x), "y": finite(y), "score": float(score), "doubt": why.get(k)}
            for k, (name, (x, y), score) in enumerate(
                zip(names, person.keypoints, person.scores, strict=True)
            )
        ]
        for person, why in zip(prediction.people, doubts_of(prediction, first=0), strict=True)
    ]


def number_values(measured: MapNumbers) -> dict[str, Any]:
    """A map's numbers, with ``nearly_even``: what is said of a map whose colours show nothing.

    None of most maps, see :func:`posekit.draw.legend.even_words`.
    """
    return {
        **asdict(measured),
        "mass_outside": measured.mass_outside,
        "around_elsewhere": measured.around_elsewhere,
        "nearly_even": even_words(measured.entropy_share) or None,
    }


def _layer(findings: Findings, one: AttentionMap) -> dict[str, Any]:
    values = {
        "layer": one.layer,
        "grid": list(one.grid.size),
        "total": one.total,
        **_numbers(findings, one),
    }
    heads = findings.heads.get(one.layer, ())
    if heads:
        values["heads"] = [
            {"head": head.head, "total": head.total, **_numbers(findings, head)} for head in heads
        ]
    return values


def _numbers(findings: Findings, one: AttentionMap) -> dict[str, Any]:
    measured = findings.numbers(one)
    return {} if measured is None else number_values(measured)


def _cells(one: AttentionMap | HeatMap) -> dict[str, Any]:
    return {"values": one.cells.tolist(), "grid_to_photo": one.grid_to_photo.matrix.tolist()}
