"""One click, all layers: rows and columns of recorded attention as maps on the photo.

TransPose (ICCV 2021, section 3.4 and appendix) calls the row of a keypoint's token its
*dependency area* (the places the prediction takes from) and the column its *affect area*
(the places it gives to). Both are read from the trace: the network is not run again, and the
full tokens x tokens matrix is never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, get_args

import numpy as np
import torch

from posekit.errors import TraceError
from posekit.explain.evidence import Evidence, evidence_map, evidence_of
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap, Direction
from posekit.explain.numbers import MapNumbers, numbers
from posekit.explain.query import AnyQuery, Query, outside_crop, resolve, snap
from posekit.geometry import TokenGrid
from posekit.trace import Attention

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person
    from posekit.trace import Trace

Layer = TypeVar("Layer", bound="Attention | Evidence")

__all__ = [
    "DIRECTION_WORDS",
    "AnyQuery",
    "AttentionMap",
    "Direction",
    "Explanation",
    "MapNumbers",
    "Query",
    "explain",
    "head_grid",
    "numbers",
    "snap",
]


@dataclass(frozen=True, eq=False)
class Explanation:
    """The answer to one query: a map per layer, in forward order.

    Attributes:
        query: what was asked.
        direction: ``row`` or ``column``.
        maps: one :class:`AttentionMap` per layer.
        prediction: what it explains.
        through: each layer's map is what comes of it by all layers from there on, and not that
            layer's attention alone; see :func:`posekit.explain.rollout.flow`.
    """

    query: Query
    direction: Direction
    maps: tuple[AttentionMap, ...]
    prediction: Prediction
    through: bool = False

    def __repr__(self) -> str:
        model = self.prediction.model.name
        layers = ", ".join(self.layers) if len(self.maps) < 4 else f"{len(self.maps)} layers"
        return f"Explanation({self.title!r}, {layers}, person={self.query.person}, model={model!r})"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in forward order."""
        return tuple(one.layer for one in self.maps)

    @property
    def title(self) -> str:
        """``left wrist looks at``, ``point (120, 64) is looked at by``, ``evidence for nose``.

        Of a flow it is ``left wrist looks at, through this layer and all after it``.
        """
        if self.maps and self.maps[0].meaning:
            return f"evidence for {self.query.label(self.prediction.skeleton)}"
        words = f"{self.query.label(self.prediction.skeleton)} {DIRECTION_WORDS[self.direction]}"
        return f"{words}, through this layer and all after it" if self.through else words

    def layer(self, name: str | int) -> AttentionMap:
        """The map of one layer, by its name or its position (negative counts from the last).

        Raises:
            TraceError: no such layer.
        """
        if isinstance(name, int) and -len(self.maps) <= name < len(self.maps):
            return self.maps[name]
        for one in self.maps:
            if one.layer == name:
                return one
        raise TraceError(f"There is no layer {name!r}: choose one of {', '.join(self.layers)}.")

    def _repr_png_(self) -> bytes:
        from posekit.notebook import explanation_png

        return explanation_png(self, self.prediction)


def explain(
    prediction: Prediction,
    query: AnyQuery,
    *,
    person: int | None = None,
    direction: Direction = "row",
    head: int | None = None,
    layers: Sequence[str | int] | None = None,
    part: str | None = None,
) -> Explanation:
    """What the model looked at for a keypoint or a point, in every layer.

    Args:
        prediction: made with ``record=True``.
        query: a :class:`Query` (see :func:`snap`), a keypoint's name or index, or an (x, y) point
            in photo pixels.
        person: index of the person asked about. None is the first person for a keypoint, and the
            person whose box or crop holds it for a point.
        direction: ``row`` for what the query looks at, ``column`` for what looks at it.
        head: index of one head; None is the mean over heads.
        layers: names or positions of the layers wanted; None is all of them.
        part: show a part of the dot product as if it were all of it, such as ``position``, in the
            layers that have such a part (see :attr:`posekit.trace.Attention.parts`).

    Returns:
        An :class:`Explanation` whose maps are (rows, cols) on each layer's token grid.

    Raises:
        TraceError: nothing was recorded; no such layer, head, direction, part or person; or the
            point lies outside the person's crop.
        SkeletonError: no such keypoint.
    """
    asked = resolve(prediction, query, person)  # first: of nobody no layer may be recorded
    held = layers_of(prediction, layers)
    evidence = [one for one in held if isinstance(one, Evidence)]
    maps = [_evidence(prediction, asked, one, direction, head, part) for one in evidence]
    if maps:
        return Explanation(asked, direction, tuple(maps), prediction)
    chosen = [one for one in held if isinstance(one, Attention)]
    if part is not None:
        chosen = _only(chosen, part, named=layers is not None)
    for attention in chosen:
        token = query_token(prediction, asked, attention, direction)
        weights = _weights(attention, token, prediction.people[asked.person].item, direction)
        maps.append(_map(prediction, asked, attention, direction, token, weights, head, part))
    return Explanation(asked, direction, tuple(maps), prediction)


def head_grid(
    prediction: Prediction,
    query: AnyQuery,
    layer: str | int,
    *,
    person: int | None = None,
    direction: Direction = "row",
    part: str | None = None,
) -> tuple[AttentionMap, ...]:
    """One layer, every head: a map per head, in order. Arguments and errors as :func:`explain`."""
    asked = resolve(prediction, query, person)
    (attention,) = layers_of(prediction, [layer])
    if isinstance(attention, Evidence):
        return (_evidence(prediction, asked, attention, direction, None, part),)
    if part is not None:
        attention = attention.only(part)
    token = query_token(prediction, asked, attention, direction)
    weights = _weights(attention, token, prediction.people[asked.person].item, direction)
    return tuple(
        _map(prediction, asked, attention, direction, token, weights, head, part)
        for head in range(attention.heads)
    )


def _trace(prediction: Prediction) -> Trace:
    if prediction.trace is None:
        raise TraceError(
            "Nothing was recorded for this prediction: call predict(photo, record=True) first."
        )
    return prediction.trace


def layers_of(
    prediction: Prediction, layers: Sequence[str | int] | None = None
) -> list[Attention | Evidence]:
    """The layers that a question can be answered with, or those asked for, in forward order.

    They are the attentions between places of the photo; of a model that has none, its maps by
    keypoint (:mod:`posekit.explain.evidence`).

    Raises:
        TraceError: nothing was recorded, or no such layer.
    """
    trace = _trace(prediction)
    held: list[Attention | Evidence] = [*trace.spatial] or [*evidence_of(trace)]
    if not held:
        raise TraceError("This model recorded no attention between places of the photo.")
    return _named(held, layers)


def attentions_of(prediction: Prediction, layers: Sequence[str | int] | None) -> list[Attention]:
    """The attentions asked for, of those whose queries and keys are tokens of the image.

    Raises:
        TraceError: nothing was recorded, no such layer, or the model has no such attention.
    """
    held = [one for one in layers_of(prediction) if isinstance(one, Attention)]
    if not held:
        raise TraceError("This model recorded no attention between places of the photo.")
    return _named(held, layers)


def check_head(attention: Attention, head: int | None) -> None:
    """Refuse a head that a layer does not have; None is their mean.

    Raises:
        TraceError: there is no such head.
    """
    if head is not None and not 0 <= head < attention.heads:
        held = "1 head" if attention.heads == 1 else f"{attention.heads} heads"
        raise TraceError(f"There is no head {head}: layer {attention.name} has {held}, from 0.")


def _named(held: list[Layer], layers: Sequence[str | int] | None) -> list[Layer]:
    if layers is None:
        return held
    by_name = {one.name: one for one in held}
    chosen = []
    for layer in layers:
        if isinstance(layer, int) and -len(held) <= layer < len(held):
            chosen.append(held[layer])
        elif isinstance(layer, str) and layer in by_name:
            chosen.append(by_name[layer])
        else:
            raise TraceError(f"There is no layer {layer!r}: choose one of {', '.join(by_name)}.")
    return chosen


def _evidence(
    prediction: Prediction,
    query: Query,
    layer: Evidence,
    direction: str,
    head: int | None,
    part: str | None,
) -> AttentionMap:
    """A layer's map by keypoint, which has neither a direction nor heads nor parts."""
    if direction != "row" or head is not None or part is not None:
        raise TraceError(
            f"{layer.name} of {prediction.model.entry.title} is a map by keypoint and no attention:"
            " it has one direction ('row') and no heads."
        )
    return evidence_map(prediction, query, layer)


def _only(attentions: list[Attention], part: str, named: bool) -> list[Attention]:
    """Each layer's part alone; layers without it are left out unless they were named."""
    chosen = [one.only(part) for one in attentions if named or part in one.parts]
    if not chosen:
        known = sorted({name for one in attentions for name in one.parts})
        held = f"its parts are {' and '.join(known)}" if known else "its dot product is one piece"
        raise TraceError(f"No layer of this model has a part {part!r} to show alone: {held}.")
    return chosen


def _grids(attention: Attention, direction: str) -> tuple[TokenGrid, TokenGrid]:
    """(the grid the query stands on, the grid the map lies on)."""
    if direction not in get_args(Direction):
        raise TraceError(f"The direction is 'row' or 'column', not {direction!r}.")
    queries, keys = attention.query_grid, attention.key_grid
    assert isinstance(queries, TokenGrid) and isinstance(keys, TokenGrid)  # see attentions_of
    return (queries, keys) if direction == "row" else (keys, queries)


def query_token(prediction: Prediction, query: Query, attention: Attention, direction: str) -> int:
    """Index of the token whose cell holds the query."""
    grid, _ = _grids(attention, direction)
    person = prediction.people[query.person]
    point = np.asarray(query.point, dtype=np.float64)
    token = int(grid.token_at(person.crop.to_crop.apply(point)))
    if token >= 0:
        return token
    if query.keypoint is None:
        raise outside_crop(prediction, point)
    # Refinement may push a decoded keypoint a little over the border of the crop (its Newton step
    # is unbounded); the question is still about the token it came from.
    return _nearest_token(grid, person, point)


def _nearest_token(grid: TokenGrid, person: Person, point: np.ndarray) -> int:
    column, row = (person.crop.to_photo @ grid.to_input).inverse().apply(point)
    column = min(max(round(float(column)), 0), grid.cols - 1)
    row = min(max(round(float(row)), 0), grid.rows - 1)
    return row * grid.cols + column


@torch.inference_mode()
def _weights(attention: Attention, token: int, item: int, direction: str) -> np.ndarray:
    """(heads, tokens) float32: one row or one column of every head."""
    if direction == "row":
        row = attention.rows([token], item=item)  # (heads, 1, keys)
        return np.asarray(row[:, 0, :].cpu().numpy())
    column = attention.columns([token], item=item)  # (heads, queries, 1)
    return np.asarray(column[:, :, 0].cpu().numpy())


def _map(
    prediction: Prediction,
    query: Query,
    attention: Attention,
    direction: Direction,
    token: int,
    weights: np.ndarray,
    head: int | None,
    part: str | None = None,
) -> AttentionMap:
    _, grid = _grids(attention, direction)
    check_head(attention, head)
    values = weights.mean(axis=0) if head is None else weights[head]
    return AttentionMap(
        layer=attention.name,
        kind=attention.kind,
        direction=direction,
        head=head,
        weights=np.ascontiguousarray(values.reshape(grid.size), dtype=np.float32),
        grid=grid,
        crop=prediction.people[query.person].crop,
        query_token=token,
        query=query,
        heads=attention.heads,
        part=part,
    )
