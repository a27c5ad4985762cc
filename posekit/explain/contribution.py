r"""What each token contributed to a heatmap value: attention times value, read out, adding up.

TransPose (ICCV 2021, section 3.4) argues that the last attention layer forms the heatmap's maximum:
the places attended to contribute to the activation of the keypoint, as in activation maximisation,
and the derivative of that activation with respect to a place's input goes with its attention
weight. This is that argument with nothing dropped. In the chosen layer, token i receives

    a_i = b_O + sum over heads h and tokens j of  A^h_ij W_O^h v^h_j                            (1)

and goes on as  x'_i = LN(x_i + a_i),  y_i = LN(x'_i + W_2 relu(W_1 x'_i + b_1) + b_2),  then to
the head: a 1 x 1 convolution (TransPose-H), or a deconvolution, batch norm and ReLU before it
(TransPose-R). Write LN(u) = D (u - mean u) + b with the scale D taken at this crop's deviation,
and each ReLU as the mask it takes at this crop. With these frozen the heatmap value T is affine in
the x_i and a_i, and the affine map has the same value as the network:

    T = sum_i <g_i, a_i> + sum_i <g_i, x_i> + c                                                 (2)

g_i is the read-out direction of the keypoint at token i: its 1 x 1 weights carried back through the
frozen map. For TransPose-H and a pixel it is zero except at the pixel's token; for TransPose-R it
reaches the (up to four) tokens under the deconvolution's kernel. c collects all biases. Put (1)
into (2) and order by the token that is looked at:

    T = sum_j C_j + sum_i R_i + c',     C_j = sum_i,h A^h_ij <W_O^hT g_i, v^h_j>,   R_i = <g_i, x_i>

C is the map. Every term is computed by itself (c' as the sum of each bias times the derivative with
respect to it), so that ``delta``, T minus the sum, is a check and not zero by definition.

Exact: the sum, for this crop, in the last layer. By convention: that the norms' deviations and
the ReLUs' switches are held at their values, so C_j is a share of T and not what T would lose if
token j were gone. For an earlier layer all later attention weights are held too. A token of the
grid is not one patch of the photo: the CNN and earlier layers have mixed the patches before, which
:func:`~posekit.explain.rollout.rollout` estimates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.asked import Asked, ask
from posekit.explain.attention import attentions_of
from posekit.explain.frozen import FrozenPass
from posekit.explain.heat import HeatMap
from posekit.explain.methods import method
from posekit.explain.query import AnyQuery
from posekit.explain.relevance import rerun
from posekit.explain.rollout import CHUNK
from posekit.explain.targets import Target
from posekit.geometry import TokenGrid
from posekit.trace import Attention

if TYPE_CHECKING:
    from posekit.estimator import Prediction

Part = Literal["attention", "residual", "both"]


@dataclass(frozen=True, eq=False)
class Contribution:
    """The terms of one heatmap value, adding up to it.

    Attributes:
        value: T, the target's value in the pass that was decomposed.
        attention: C, (heads, tokens) float32: what came from each token through each head.
        residual: R, (tokens,) float32: what each token carried past the attention.
        bias: c', what the biases add; the same in every crop but for which ReLUs are on.
    """

    value: float
    attention: Tensor
    residual: Tensor
    bias: float

    @property
    def delta(self) -> float:
        """T minus the sum of all terms."""
        terms = self.attention.double().sum() + self.residual.double().sum()
        return self.value - float(terms) - self.bias


@method(
    "contribution",
    needs="gradient",
    description="How much of the keypoint's heatmap value each token brought through attention.",
)
def contribution(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    layer: str | int = -1,
    head: int | None = None,
    part: Part = "attention",
) -> HeatMap:
    """Divide a heatmap value among the tokens that one attention layer gathered it from.

    Args:
        prediction: made with ``record=True``; the crop goes through the network once more.
        target: see :func:`posekit.explain.explain`; a coordinate cannot be divided up.
        person: index of the person.
        layer: name or position of the attention layer; the last one is the paper's.
        head: index of one head; None is the sum over heads.
        part: ``"attention"`` for C, ``"residual"`` for R, ``"both"`` for their sum.

    Returns:
        A signed map on the token grid in units of the heatmap. ``options`` holds ``value``, which
        is ``attention + residual + bias + delta``, each the sum over all tokens and heads.

    Raises:
        TraceError: nothing was recorded, no such layer, head or person, or a target that is no sum
            of heatmap values.
        ModelError: the model makes no heatmaps.
    """
    began = time.perf_counter()
    (attention,) = attentions_of(prediction, [layer])
    asked = ask(prediction, target, person)
    if part not in get_args(Part):
        raise TraceError(f"The part is 'attention', 'residual' or 'both', not {part!r}.")
    if head is not None and not 0 <= head < attention.heads:
        raise TraceError(f"There is no head {head} in {attention.name}: it has {attention.heads}.")
    if part != "attention" and attention.key_grid != attention.query_grid:
        raise TraceError(f"{attention.name} has no residual on the grid that it attends to.")
    terms = contributions(prediction, asked, attention.name)
    gathered = terms.attention.sum(0) if head is None else terms.attention[head]
    values = {
        "attention": gathered,
        "residual": terms.residual,
        "both": gathered + terms.residual if part == "both" else gathered,
    }[part]
    grid = attention.key_grid
    assert isinstance(grid, TokenGrid)  # see attentions_of
    return HeatMap(
        method="contribution",
        values=values.numpy().reshape(grid.size),
        grid=grid,
        crop=prediction.people[asked.person].crop,
        signed=True,
        options={
            "layer": attention.name,
            "head": head,
            "part": part,
            "value": terms.value,
            "attention": float(terms.attention.sum()),
            "residual": float(terms.residual.sum()),
            "bias": terms.bias,
        },
        seconds=time.perf_counter() - began,
        delta=terms.delta,
        target=asked.label,
        person=asked.person,
        prediction=prediction,
    )


def contributions(prediction: Prediction, asked: Asked, layer: str) -> Contribution:
    """All terms of a target's value at one attention layer.

    Raises:
        TraceError: the target is no sum of heatmap values.
    """
    if not asked.target.piecewise_linear:
        raise TraceError(
            f"The {asked.label} is no sum of heatmap values, so it cannot be divided among tokens: "
            "ask about the keypoint itself, or use a gradient or perturbation method."
        )
    with torch.inference_mode(False), torch.no_grad():
        with FrozenPass() as frozen:
            trace, heatmaps = rerun(prediction, asked.person, layer)
            with torch.enable_grad():
                value = asked.target(heatmaps).sum()
        attention = trace.attentions[layer]
        assert attention.output is not None  # recorded with gradients
        leaves = [attention.output, *frozen.entering, *frozen.biases]
        output, *others = torch.autograd.grad(
            value, leaves, allow_unused=True, materialize_grads=True
        )
        gathered = through_attention(attention, output)
        count = len(frozen.entering)
        residual, entering = _by_token(frozen.entering, others[:count], attention.q.shape[2])
        bias = _products(frozen.biases, others[count:])
        return Contribution(float(value.detach()), gathered.cpu(), residual, bias + entering)


@torch.no_grad()
def through_attention(attention: Attention, gradient: Tensor, chunk: int = CHUNK) -> Tensor:
    """C of each head: (heads, Tk), from the gradient (1, heads, Tq, d) of T by the layer's output.

    ``sum_i A_ij <g_i, v_j>`` is ``<sum_i A_ij g_i, v_j>``: a chunk of rows of A at a time, of the
    tokens that T reads.
    """
    assert attention.v is not None  # recorded with gradients
    gradient = gradient[0].float()  # (heads, Tq, d)
    gathered = torch.zeros_like(attention.v[0], dtype=torch.float32)  # (heads, Tk, d)
    read = (gradient != 0).any(-1).any(0).nonzero()[:, 0]
    for part in read.split(chunk):
        weights = attention.rows(part)  # (heads, n, Tk)
        gathered += weights.transpose(1, 2) @ gradient[:, part]
    return (gathered * attention.v[0].float()).sum(-1)


def _by_token(
    tensors: Sequence[Tensor], gradients: Sequence[Tensor], tokens: int
) -> tuple[Tensor, float]:
    """Terms that entered on the tokens, (tokens,), and the sum of those that entered elsewhere."""
    residual = torch.zeros(tokens)
    elsewhere = 0.0
    for tensor, gradient in zip(tensors, gradients, strict=True):
        term = (tensor.detach() * gradient).float().cpu()
        if term.ndim == 3 and term.shape[:2] == (1, tokens):
            residual += term[0].sum(-1)
        elif term.ndim == 4 and term[0, 0].numel() == tokens:  # the shortcut of an MHSA block
            residual += term[0].sum(0).flatten()
        else:
            elsewhere += float(term.double().sum())
    return residual, elsewhere


def _products(tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    return sum(
        float(np.vdot(t.detach().double().cpu().numpy(), g.double().cpu().numpy()))
        for t, g in zip(tensors, gradients, strict=True)
    )
