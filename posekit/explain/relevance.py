r"""Gradient-weighted relevance: the attention that mattered to one number, through all layers.

Attention says where a layer looked; the gradient of a target with respect to the attention says
what of it would change the target. Chefer, Gur and Wolf, "Generic Attention-model Explainability
for Interpreting Bi-Modal and Encoder-Decoder Transformers", ICCV 2021, equations 5 and 6:

    C_l = mean over heads of (dT/dA_l * A_l)+,    R <- R + C_l R,    R = I at first,

over the layers from ``start`` on, the row of R at the clicked token being the answer. That row
needs no matrix R: from the last layer down it is ``r <- r + r C_l``, r the token's unit vector at
first. The initial 1 of the token itself, which says nothing of the image, is left out of the map
as the paper does before it compares tokens (equation 8).

Nor is the network changed, or run with its attention written out: with O = A V the output of a
head, ``dT/dA = (dT/dO) V^T`` exactly, so one backward pass to the outputs that
``record(model, gradients=True)`` keeps gives the gradients of all layers. The fused attention
stays, and matrices appear only as a chunk of rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.asked import Asked, ask, crop_input, heatmaps_from, start_weights
from posekit.explain.heat import HeatMap
from posekit.explain.methods import method
from posekit.explain.query import AnyQuery
from posekit.explain.rollout import CHUNK, layers_from
from posekit.explain.targets import Target
from posekit.geometry import TokenGrid
from posekit.trace import Attention, Trace, record

if TYPE_CHECKING:
    from posekit.estimator import Prediction


@method(
    "relevance",
    needs="gradient",
    description="Attention weighted by the target's gradient, followed through all layers.",
)
def relevance(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    start: str | int = 0,
) -> HeatMap:
    """Which tokens the target's value rests on, by gradient-weighted attention.

    Args:
        prediction: made with ``record=True``; the crop goes through the network once more.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        start: first layer to include, by name or position. Early layers spread the map ever wider;
            leaving them out sharpens it (the authors' own advice), and costs less.

    Returns:
        A map on the token grid, none of it negative, in units of the target; it sums to nothing in
        particular. ``options["value"]`` is the target's value.

    Raises:
        TraceError: nothing was recorded, no such layer or person, or layers whose tokens do not
            follow on from one another.
        ModelError: the model makes no heatmaps.
    """
    began = time.perf_counter()
    recorded = layers_from(prediction, start)
    asked = ask(prediction, target, person)
    layers, gradients, value = attention_gradients(prediction, asked, recorded)
    first = start_weights(prediction, asked.place, asked.person, recorded[-1])
    row = relevance_row(layers, gradients, first.to(layers[-1].q.device)).cpu()
    grid = recorded[0].key_grid
    assert isinstance(grid, TokenGrid)  # see layers_from
    return HeatMap(
        method="relevance",
        values=row.numpy().reshape(grid.size),
        grid=grid,
        crop=prediction.people[asked.person].crop,
        options={"start": recorded[0].name, "value": value},
        seconds=time.perf_counter() - began,
        target=asked.label,
        person=asked.person,
        prediction=prediction,
    )


def attention_gradients(
    prediction: Prediction, asked: Asked, recorded: Sequence[Attention]
) -> tuple[list[Attention], list[Tensor], float]:
    """Run one person's crop again and differentiate the target.

    Returns:
        The layers of ``recorded`` as the new pass left them, the gradient (1, heads, T, d) of the
        target with respect to each one's output, and the target's value.
    """
    with torch.inference_mode(False), torch.no_grad():
        trace, heatmaps = rerun(prediction, asked.person, recorded[0].name)
        with torch.enable_grad():
            value = asked.target(heatmaps).sum()
        layers = [trace.attentions[layer.name] for layer in recorded]
        outputs = [layer.output for layer in layers if layer.output is not None]
        gradients = torch.autograd.grad(value, outputs, allow_unused=True, materialize_grads=True)
    return layers, list(gradients), float(value.detach())


def rerun(prediction: Prediction, person: int, start: str) -> tuple[Trace, Tensor]:
    """One person's crop through the network, with a graph from the layer ``start`` on.

    Returns:
        The trace with gradients, and the heatmaps (1, K, h, w), part of the graph.
    """
    if prediction.trace is None:
        raise TraceError(
            "Nothing was recorded for this prediction: call predict(photo, record=True) first."
        )
    module = prediction.model.module
    first = list(prediction.trace.attentions).index(start)
    with torch.no_grad(), record(module, gradients=True, start=first) as trace:
        heatmaps = heatmaps_from(module, crop_input(prediction, person))
    return trace, heatmaps


@torch.no_grad()
def relevance_row(
    layers: Sequence[Attention],
    gradients: Sequence[Tensor],
    start: Tensor,
    chunk: int = CHUNK,
) -> Tensor:
    """The row of R at the start, without its initial value.

    Args:
        layers: recorded with gradients, in forward order, one crop.
        gradients: of the target with respect to each one's output, (1, heads, T, d).
        start: shares of the tokens asked about, (T,).
        chunk: rows of attention in memory at a time.

    Returns:
        (T,) float32, none negative.
    """
    gained = torch.zeros_like(start)  # kept apart from the start, beside which it is tiny
    for layer, gradient in zip(reversed(layers), reversed(gradients), strict=True):
        assert layer.v is not None  # recorded with gradients
        values = layer.v[0].float()  # (heads, T, d)
        row = start + gained
        told = gradient[0].float()
        # A row that the target does not depend on, or that nothing refers to, adds nothing.
        wanted = (row != 0) & (told != 0).any(-1).any(0)
        for part in wanted.nonzero()[:, 0].split(chunk):
            weights = layer.rows(part)  # (heads, n, T)
            by_weight = told[:, part] @ values.transpose(1, 2)  # dT/dA, (heads, n, T)
            relevant = (weights * by_weight).clamp_min_(0).mean(0)  # (n, T)
            gained = gained + row[part] @ relevant
    return gained
