"""One model's answer to the common question: its map, and the figures of its row."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from torch import nn

from posekit.compare.anchors import Anchor
from posekit.compare.grid import CommonGrid, density_factor, token_affine
from posekit.compare.layers import head_or_none, layer_at
from posekit.compare.panel import Figures, Panel, legend_of, mass_map
from posekit.compare.stages import Stages
from posekit.errors import PoseKitError, TraceError
from posekit.explain.attention import Explanation
from posekit.explain.faithfulness.chance import LEVEL, POWER, STEPS
from posekit.explain.faithfulness.curves import deletion, insertion
from posekit.explain.faithfulness.grids import Map
from posekit.explain.faithfulness.localisation import mass_in_mask
from posekit.explain.methods import Method, explain
from posekit.explain.numbers import numbers
from posekit.explain.targets import Target
from posekit.people import ON_MASK

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Question", "panel_of", "with_distances"]

_COUNTED: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Question:
    """What is the same for every model; see :func:`posekit.compare.compare` for the fields."""

    method: Method
    options: Mapping[str, Any]
    layer: str | None
    head: int | None
    person: int
    mask: np.ndarray | None
    faithfulness: bool


def panel_of(
    prediction: Prediction, title: str, asked: Anchor, question: Question, stages: Stages
) -> Panel:
    """One panel; without a map, and with a sentence, when this model cannot answer."""
    scores = prediction.people[question.person].scores
    figures = Figures(
        title=title,
        trained=prediction.model.trained,
        layer="",
        confidence=None if asked.keypoint is None else float(scores[asked.keypoint]),
        predict_ms=1000.0 * prediction.seconds.get("total", 0.0),
        parameters=_parameters(prediction.model.module),
    )
    panel = Panel(
        prediction=prediction,
        title=title,
        map=None,
        point=None if asked.target is None else asked.query.point,
        keypoint=asked.keypoint,
        note=_joined(asked.note, _astray(asked, prediction)),
        legend="",
        figures=figures,
    )
    try:
        if asked.target is None:
            raise TraceError(asked.note)
        began = time.perf_counter()
        map_, note = _map_of(prediction, asked, question, stages)
        took = 1000.0 * (time.perf_counter() - began)
    except PoseKitError as error:
        if stages.stopped:
            raise
        return replace(panel, note=str(error))
    panel = replace(
        panel,
        map=map_,
        note=_joined(panel.note, note),
        legend=legend_of(map_, prediction.model),
        figures=replace(figures, layer=getattr(map_, "layer", ""), explain_ms=took),
    )
    panel = _measured(panel, asked, question)
    if question.faithfulness and panel.mass is not None:
        panel = _trusted(panel, map_, asked, question, stages)
    return panel


def with_distances(panels: Sequence[Panel], grid: CommonGrid, person: int) -> tuple[Panel, ...]:
    """The panels with what needs two of them: distance and overlap to the first one's.

    The first that has the keypoint for the distance, the first that has a map for the overlap.
    """
    reference = next((panel for panel in panels if panel.keypoint is not None), None)
    first = next((panel.mass for panel in panels if panel.mass is not None), None)
    ours = None if first is None else grid.masses(first.weights, token_affine(first))
    finished = []
    for panel in panels:
        row = panel.figures
        if reference is not None and panel.keypoint is not None:
            apart = _keypoint(panel, person) - _keypoint(reference, person)
            distance = float(np.hypot(*apart))
            torso = _torso(reference, person)
            row = replace(
                row,
                distance_px=distance,
                distance_torso=distance / torso if torso > 0 else None,
                distance_box=distance / max(grid.box.width, grid.box.height),
            )
        if ours is not None and panel.mass is not None:
            theirs = grid.masses(panel.mass.weights, token_affine(panel.mass))
            row = replace(row, overlap=min(1.0, float(np.minimum(ours, theirs).sum())))
        finished.append(replace(panel, figures=row))
    return tuple(finished)


def _map_of(
    prediction: Prediction, asked: Anchor, question: Question, stages: Stages
) -> tuple[Map, str]:
    """The map of the layer shown, and what is not as it was asked for."""
    method, person = question.method, question.person
    target = asked.target
    assert target is not None  # panel_of refuses before
    options: dict[str, Any] = dict(question.options)
    progress = stages.next()
    if "progress" in method.options:
        options["progress"] = progress
    if "layers" in method.options and not isinstance(target, Target):
        attention, note = layer_at(prediction, question.layer)
        head = head_or_none(attention, question.head)
        if head != question.head:
            held = "one head" if attention.heads == 1 else f"{attention.heads} heads"
            note = _joined(note, f"This layer has {held}: their mean is shown.")
        options |= {"layers": [attention.name], "head": head}
        return _one(explain(prediction, target, method=method.name, person=person, **options)), note
    chosen = {
        name: value
        for name, value in (("layer", question.layer), ("head", question.head))
        if value is not None
    }
    try:
        answer = explain(prediction, target, method=method.name, person=person, **options, **chosen)
        return _one(answer), ""
    except PoseKitError as error:
        if stages.stopped or not chosen:
            raise
        # Its own default may be there where the layer or head of another model is not.
        answer = explain(prediction, target, method=method.name, person=person, **options)
        return _one(answer), f"Shown with this model's own default: {error}"


def _one(answer: object) -> Map:
    """The last layer's map of a method that gives one a layer."""
    return answer.layer(-1) if isinstance(answer, Explanation) else answer  # type: ignore[return-value]


def _measured(panel: Panel, asked: Anchor, question: Question) -> Panel:
    """Add the map as shares and what is measured on it."""
    assert panel.map is not None
    mass = mass_map(panel.map, asked.query)
    try:
        found = numbers(mass, panel.prediction)
    except TraceError:
        nothing = "This map holds no evidence for what was asked: no value is above zero."
        return replace(panel, note=_joined(panel.note, nothing))
    inside, where = found.mass_in_box, found.where
    if question.mask is not None:
        inside, where = mass_in_mask(mass, question.mask), ON_MASK
    figures = replace(
        panel.figures,
        on_person=inside,
        where=where,
        on_others=found.mass_in_other_boxes,
        elsewhere=max(0.0, 1.0 - inside - found.mass_in_other_boxes),
        entropy_nats=found.entropy_nats,
        entropy_share=found.entropy_share,
        peak_distance_px=found.peak_distance_px,
    )
    box = panel.prediction.people[question.person].box
    factor = density_factor(token_affine(mass), box)
    return replace(panel, mass=mass, density_factor=factor, figures=figures)


def _trusted(panel: Panel, map_: Map, asked: Anchor, question: Question, stages: Stages) -> Panel:
    """Add the areas under the deletion and insertion curves."""
    assert asked.target is not None
    found: list[float | None] = []
    try:
        for curve in (deletion, insertion):
            (one,) = curve(
                panel.prediction,
                [asked.target],
                [map_],
                person=question.person,
                steps=STEPS,
                power=POWER,
                level=LEVEL,
                progress=stages.next(),
            )
            found.append(one.share)
    except PoseKitError as error:
        if stages.stopped:
            raise
        return replace(panel, note=_joined(panel.note, str(error)))
    if None in found:
        nothing = (
            "This keypoint's heatmap is as high there without the photo as with it, so nothing can "
            "be lost or regained: a figure of faithfulness is missing."
        )
        panel = replace(panel, note=_joined(panel.note, nothing))
    return replace(panel, figures=replace(panel.figures, deletion=found[0], insertion=found[1]))


def _keypoint(panel: Panel, person: int) -> np.ndarray:
    assert panel.keypoint is not None
    return np.asarray(panel.prediction.people[person].keypoints[panel.keypoint])


def _torso(panel: Panel, person: int) -> float:
    """Left shoulder to right hip in photo pixels, 0 for a skeleton without them."""
    ends = panel.prediction.skeleton.torso
    if ends is None:
        return 0.0
    shoulder, hip = panel.prediction.people[person].keypoints[list(ends)]
    return float(np.hypot(*(shoulder - hip)))


def _astray(asked: Anchor, prediction: Prediction) -> str:
    """A sentence when the place asked about lies beyond the photo's border."""
    (x, y), (height, width) = asked.query.point, prediction.photo.size
    if asked.target is None or (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        return ""
    return f"Asked outside the photo, at ({x:.0f}, {y:.0f})."


def _parameters(module: nn.Module) -> int:
    """Numbers in a network, counted once: walking a deep one takes longer than reading its map."""
    if module not in _COUNTED:
        _COUNTED[module] = sum(parameter.numel() for parameter in module.parameters())
    return _COUNTED[module]


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
