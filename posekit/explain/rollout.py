r"""Attention rollout: what a token has gathered through all layers, not the last one alone.

A layer's output is what was there plus what attention brought, so following a token down means
leaving part of its share where it is and sending the rest along the attention row. With
``A_l`` the attention of layer l, averaged over heads, and residual share a,

    r_L = e,    r_(l-1) = a r_l + (1 - a) r_l A_l,

which is row e of the product of ``a I + (1 - a) A_l`` over the layers: Abnar and Zuidema,
"Quantifying Attention Flow in Transformers", ACL 2020, section 3.2, equation 1, where a is one
half. Carried through as a vector it costs one pass over the attention of each layer, a chunk of
rows at a time; neither a product of matrices nor a whole matrix is ever formed.

The model also applies values, layer norms and perceptrons, which rollout leaves out: it follows
the attention, not the evidence. The maximum-flow variant of the same paper is not offered; the
method ``flow`` here shows the rollout at every depth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.asked import start_weights
from posekit.explain.attention import Explanation, attentions_of, query_token
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import method
from posekit.explain.query import AnyQuery, Query, check_person, resolve
from posekit.explain.targets import KeypointCoordinate, Target
from posekit.geometry import TokenGrid

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.trace import Attention

Head = int | str
"""A head's index, or ``"mean"`` or ``"max"`` over heads."""

CHUNK = 64
"""Rows of attention in memory at a time: few enough to stay in the processor's cache."""


@method(
    "rollout",
    needs="attention",
    description="What the keypoint's token has gathered through all layers, residual included.",
)
def rollout(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    start: str | int = 0,
    head: Head = "mean",
    residual: float = 0.5,
) -> HeatMap:
    """Attention rollout from a keypoint, point or target down to the tokens the CNN made.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`; a target read at several places starts from
            all of them with equal shares.
        person: index of the person.
        start: first layer to include, by name or position; the rollout goes from the last layer
            down to this one.
        head: ``"mean"`` over heads, ``"max"`` over heads (each row scaled back to sum 1), or the
            index of one head.
        residual: share a that stays where it is in each layer, 0 to 1.

    Returns:
        A map that sums to 1 on the token grid.

    Raises:
        TraceError: nothing was recorded, no such layer, head or person, a share outside 0 to 1, or
            layers whose tokens do not follow on from one another.
    """
    began = time.perf_counter()
    layers = layers_from(prediction, start)
    place, index = place_of(prediction, target, person)
    row = rollout_rows(prediction, place, index, layers, head, residual)[0]
    grid = _grid(layers[0])
    return HeatMap(
        method="rollout",
        values=row.numpy().reshape(grid.size),
        grid=grid,
        crop=prediction.people[index].crop,
        options={"start": layers[0].name, "head": head, "residual": residual},
        seconds=time.perf_counter() - began,
        target=place.label(prediction.skeleton),
        person=index,
        prediction=prediction,
    )


@method(
    "flow",
    needs="attention",
    description="The rollout at every depth: how the attention flows layer by layer to the photo.",
)
def flow(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    start: str | int = 0,
    head: Head = "mean",
    residual: float = 0.5,
) -> Explanation:
    """The rollout stopped at the input of each layer: one map a layer, in forward order.

    The last layer's map is its own attention row mixed with the residual; the first one's is the
    whole :func:`rollout`. Arguments and errors as :func:`rollout`; the target is one place.
    """
    layers = layers_from(prediction, start)
    query, index = place_of(prediction, target, person)
    if isinstance(query, Target):
        raise TraceError("The flow starts from one place: ask about a keypoint or a point.")
    rows = rollout_rows(prediction, query, index, layers, head, residual)
    token = query_token(prediction, query, layers[-1], "row")
    maps = tuple(
        _layer_map(prediction, query, layer, row, token, head)
        for layer, row in zip(layers, rows, strict=True)
    )
    return Explanation(query, "row", maps, prediction, through=True)


def rollout_rows(
    prediction: Prediction,
    place: Query | Target,
    person: int,
    layers: Sequence[Attention],
    head: Head = "mean",
    residual: float = 0.5,
) -> list[Tensor]:
    """What the question has gathered at the input of each layer: (tokens,) each, forward order."""
    if not 0.0 <= residual <= 1.0:
        raise TraceError(f"The residual's share lies between 0 and 1, not {residual!r}.")
    row = start_weights(prediction, place, person, layers[-1]).to(layers[-1].q.device)
    item = prediction.people[person].item
    rows = []
    for layer in reversed(layers):
        row = residual * row + (1 - residual) * times_attention(row, layer, item, head)
        rows.append(row.cpu())
    return rows[::-1]


@torch.inference_mode()
def times_attention(
    row: Tensor, attention: Attention, item: int = 0, head: Head = "mean", chunk: int = CHUNK
) -> Tensor:
    """The vector-matrix product ``row @ A``: (Tq,) -> (Tk,), with ``chunk`` rows of A at a time.

    Raises:
        TraceError: no such head.
    """
    if isinstance(head, str) and head not in ("mean", "max"):
        raise TraceError(f"The head is 'mean', 'max' or a number, not {head!r}.")
    if not isinstance(head, str) and not 0 <= head < attention.heads:
        raise TraceError(f"There is no head {head} in {attention.name}: it has {attention.heads}.")
    out = row.new_zeros(attention.k.shape[2])
    for part in row.nonzero()[:, 0].split(chunk):  # the first of all is one row
        weights = attention.rows(part, item)  # (heads, n, Tk)
        share = row[part]
        if head == "mean":
            share = (share / attention.heads).repeat(attention.heads)
            out += share @ weights.flatten(0, 1)
        elif head == "max":
            greatest = weights.amax(0)  # (n, Tk)
            out += (share / greatest.sum(-1)) @ greatest
        else:
            out += share @ weights[int(head)]
    return out


def place_of(
    prediction: Prediction, target: AnyQuery | Target, person: int | None
) -> tuple[Query | Target, int]:
    """Where a question stands, and whose crop it stands in.

    Attention needs a place and no value: a keypoint that was not found may be asked about too.
    """
    if isinstance(target, KeypointCoordinate):
        raise TraceError(
            "Attention is followed from where a keypoint lies, whatever its x or y: ask for its "
            "peak, or take a method that runs the network."
        )
    if isinstance(target, Target):
        return target, check_person(prediction, person or 0)
    query = resolve(prediction, target, person)
    return query, query.person


def layers_from(prediction: Prediction, start: str | int = 0) -> list[Attention]:
    """The recorded layers from ``start`` on, forward, each attending over the next one's grid.

    Raises:
        TraceError: nothing was recorded, no such layer, or layers between different tokens.
    """
    layers = attentions_of(prediction, None)
    (first,) = attentions_of(prediction, [start])
    layers = layers[[layer.name for layer in layers].index(first.name) :]
    for lower, upper in pairwise(layers):
        if _grid(lower, "query").size != _grid(upper).size:
            raise TraceError(
                f"The tokens of {lower.name} are not those {upper.name} attends to, so that "
                "attention cannot be followed through the layers: look at one layer at a time."
            )
    if any(_grid(layer).size != _grid(layer, "query").size for layer in layers):
        raise TraceError(
            "This model's attention goes from one kind of token to another, so a share cannot stay "
            "where it is: look at one layer at a time."
        )
    return layers


def _grid(attention: Attention, role: str = "key") -> TokenGrid:
    grid = attention.key_grid if role == "key" else attention.query_grid
    assert isinstance(grid, TokenGrid)  # see attentions_of
    return grid


def _layer_map(
    prediction: Prediction, query: Query, layer: Attention, row: Tensor, token: int, head: Head
) -> AttentionMap:
    grid = _grid(layer)
    return AttentionMap(
        layer=layer.name,
        kind=layer.kind,
        direction="row",
        head=head if isinstance(head, int) else None,
        weights=np.ascontiguousarray(row.numpy().reshape(grid.size), dtype=np.float32),
        grid=grid,
        crop=prediction.people[query.person].crop,
        query_token=token,
        query=query,
        heads=layer.heads,
    )
