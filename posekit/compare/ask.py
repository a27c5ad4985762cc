"""``compare``: the same question to several models, and what each figure of the table is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.compare.anchors import Asking, anchors
from posekit.compare.answer import Question, panel_of, with_distances
from posekit.compare.comparison import Comparison
from posekit.compare.grid import CommonGrid, token_affine
from posekit.compare.layers import Layers, layer_for, layer_title
from posekit.compare.panel import titles
from posekit.compare.stages import Stages
from posekit.errors import ModelError, TraceError
from posekit.explain.batches import Progress
from posekit.explain.maps import Direction
from posekit.explain.methods import Method, find_method
from posekit.explain.query import AnyQuery, Query
from posekit.explain.targets import Target

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["FEWEST", "MOST", "compare"]

FEWEST, MOST = 2, 5
"""How many models stand side by side."""


def compare(
    predictions: Sequence[Prediction],
    target: AnyQuery | Target,
    *,
    person: int = 0,
    layer: Layers = None,
    head: int | None = None,
    direction: Direction = "row",
    method: str = "attention",
    options: Mapping[str, Any] | None = None,
    anchor: Asking | None = None,
    mask: np.ndarray | None = None,
    faithfulness: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Ask several models the same about one photo.

    Args:
        predictions: 2 to 5, of the same photo and the same boxes, by different models or weights,
            or by one model several times, which then shows a layer of its own in each panel.
        target: a keypoint's name, an (x, y) point in photo pixels, a Query, a keypoint's index in
            the first model's skeleton, or a Target of the first model's heatmaps (which is carried
            over to the others by keypoint name and place on the photo).
        person: index of the person; a Query brings its own.
        layer: a layer's name; a model without it shows its last, and its panel says so. None is
            each model's last. A sequence gives each model its own.
        head: one head; a model without it shows the mean over its heads, and its panel says so.
        direction: ``row`` or ``column``, for attention.
        method: a name from :func:`posekit.explain.list_methods`.
        options: further options of the method.
        anchor: ``keypoint`` asks each model at its own prediction of a named keypoint, ``point`` at
            the place where the first model that has it predicts it. None is ``keypoint``. A free
            point is the same place for all in any case.
        mask: (H, W) of the photo, where the person is; ``on_person`` is then the mass on it.
        faithfulness: also run deletion and insertion curves (22 passes of each network).
        progress: called with (done, total) while networks run; what it raises ends the work.

    Returns:
        A :class:`Comparison`. A model that cannot answer has a panel without a map whose note says
        why.

    Raises:
        ModelError: fewer than two models or more than five.
        TraceError: different photos or boxes, no such person, method or option, or none of the
            models can answer.
        SkeletonError: none of the models has the keypoint.
    """
    held = tuple(predictions)
    check_alike(held)
    chosen = find_method(method)
    given = _options(chosen, options, layer, head, direction)
    layered = bool({"layer", "layers"} & set(chosen.options))
    names = titles(
        held,
        [layer_title(one, layer_for(layer, n)) for n, one in enumerate(held)] if layered else None,
    )
    if isinstance(target, Query):
        person = target.person
    label, asked = anchors(held, names, target, person, anchor)
    stages = Stages(progress, len(held) * (3 if faithfulness else 1))
    question = Question(chosen, given, None, head, person, mask, faithfulness)
    panels = [
        panel_of(one, name, anchored, replace(question, layer=layer_for(layer, n)), stages)
        for n, (one, name, anchored) in enumerate(zip(held, names, asked, strict=True))
    ]
    errors = [panel.note for panel in panels if panel.map is None]
    if len(errors) == len(panels):
        raise TraceError(errors[0])
    stages.end()
    grids = [(p.map.grid, token_affine(p.map)) for p in panels if p.map is not None]
    common = CommonGrid.over(grids, held[0].people[person].box)
    return Comparison(
        photo=held[0].photo,
        panels=with_distances(panels, common, person),
        label=label,
        keypoint=label if any(one.keypoint is not None for one in asked) else None,
        person=person,
        method=method,
        direction=direction,
        layer=layer if layer is None or isinstance(layer, str) else tuple(layer),
        head=head,
        grid=common,
    )


def check_count(models: int) -> None:
    """Refuse fewer than two models and more than five (ModelError)."""
    if not FEWEST <= models <= MOST:
        advice = "add another one" if models < FEWEST else "leave some out"
        held = "1 model was" if models == 1 else f"{models} models were"
        raise ModelError(
            f"A comparison takes {FEWEST} to {MOST} models, and {held} chosen: {advice}."
        )


def check_alike(predictions: Sequence[Prediction]) -> None:
    """Refuse what cannot be compared; errors as :func:`compare`."""
    check_count(len(predictions))
    first = predictions[0]
    for other in predictions[1:]:
        if other.photo is not first.photo and other.photo.digest != first.photo.digest:
            raise TraceError(
                "The models were run on different photos: run them all on the same one."
            )
        if len(other.people) != len(first.people) or any(
            not np.allclose(a.box.edges, b.box.edges)
            for a, b in zip(first.people, other.people, strict=True)
        ):
            raise TraceError(
                "The models were run with different boxes on this photo: run them all with the "
                "same ones."
            )


def _options(
    method: Method,
    options: Mapping[str, Any] | None,
    layer: Layers,
    head: int | None,
    direction: str,
) -> dict[str, Any]:
    """What every model's method is called with; layer and head are each model's own affair."""
    given = dict(options or {})
    for name in given:
        if name in ("person", "layers", "layer", "head", "direction", "progress"):
            raise TraceError(f"Say {name}= itself, not among the options of the method.")
        if name not in method.options:
            raise TraceError(
                f"The method {method.name!r} has no option {name!r}: "
                f"it takes {', '.join(method.options)}."
            )
    named = layer if layer is None or isinstance(layer, str) else any(layer)
    if named and not {"layer", "layers"} & set(method.options):
        raise TraceError(f"The method {method.name!r} has no layers to choose from.")
    if head is not None and "head" not in method.options:
        raise TraceError(f"The method {method.name!r} has no heads to choose from.")
    if "direction" in method.options:
        given["direction"] = direction
    elif direction != "row":
        raise TraceError(f"The method {method.name!r} has no direction: leave it at 'row'.")
    return given
