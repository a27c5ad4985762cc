"""QueryPose's box head: what every query says about one person's box and class.

It is the dynamic head of Sparse R-CNN (Sun et al., CVPR 2021, arXiv 2011.12450, section 3): queries
look at one another, then each makes its own two-layer filter for the pixels inside its box.

Shapes: B images, N queries, M = B * N instances (image by image), d channels, S cells of a box.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.models.layers.attention import MultiHeadAttention
from posekit.models.layers.precision import at_least_single

DELTA_WEIGHTS = (2.0, 2.0, 1.0, 1.0)
MAX_GROWTH = math.log(100000 / 16)  # of a box in one stage, as a logarithm


class DynamicInteraction(nn.Module):
    """A query filters its box: the weights of two linear layers are computed from the query.

    Args:
        d: channels of queries and cells.
        dynamic: channels between the two layers.
        cells: of a box.
    """

    def __init__(self, d: int, dynamic: int, cells: int) -> None:
        super().__init__()
        self.dynamic = dynamic
        self.dynamic_layer = nn.Linear(d, 2 * d * dynamic)
        self.norm1 = nn.LayerNorm(dynamic)
        self.norm2 = nn.LayerNorm(d)
        self.out_layer = nn.Linear(cells * d, d)
        self.norm3 = nn.LayerNorm(d)

    def forward(self, queries: Tensor, cells: Tensor) -> Tensor:
        """(M, d) queries and (M, S, d) cells of their boxes -> (M, d)."""
        narrow, wide = self.dynamic_layer(queries).chunk(2, dim=-1)
        narrow = narrow.unflatten(-1, (-1, self.dynamic))  # (M, d, dynamic)
        wide = wide.unflatten(-1, (self.dynamic, -1))  # (M, dynamic, d)
        x = F.relu(self.norm1(cells @ narrow))
        x = F.relu(self.norm2(x @ wide))  # (M, S, d)
        return F.relu(self.norm3(self.out_layer(x.flatten(1))))


class BoxHead(nn.Module):
    """One stage: queries and boxes in; better queries, better boxes and class scores out.

    Args:
        d: channels of a query.
        heads: of the self-attention between queries.
        feedforward: hidden width of the two-layer perceptron.
        dynamic: see :class:`DynamicInteraction`.
        cells: of a pooled box.
        classes: things to tell apart; people alone make one.
    """

    def __init__(
        self, d: int, heads: int, feedforward: int, dynamic: int, cells: int, classes: int = 1
    ) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(d, heads)
        self.inst_interact = DynamicInteraction(d, dynamic, cells)
        self.linear1 = nn.Linear(d, feedforward)
        self.linear2 = nn.Linear(feedforward, d)
        self.norm1 = nn.LayerNorm(d)
        self.norm2 = nn.LayerNorm(d)
        self.norm3 = nn.LayerNorm(d)
        self.cls_module = tower(d, 1)
        self.reg_module = tower(d, 3)
        self.class_logits = nn.Linear(d, classes)
        self.bboxes_delta = nn.Linear(d, 4)

    def forward(
        self, cells: Tensor, boxes: Tensor, queries: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One refinement.

        Args:
            cells: (M, S, d), what lies in each box.
            boxes: (B, N, 4) xyxy in input pixels.
            queries: (B, N, d).

        Returns:
            Logits (B, N, classes), boxes (B, N, 4), queries (B, N, d).
        """
        x = self.norm1(queries + self.self_attn(queries, queries, queries))
        x = x.flatten(0, 1)  # (M, d)
        x = self.norm2(x + self.inst_interact(x, cells))
        x = self.norm3(x + self.linear2(F.relu(self.linear1(x))))
        x = x.unflatten(0, queries.shape[:2])
        delta = self.bboxes_delta(self.reg_module(x))
        return self.class_logits(self.cls_module(x)), refine(boxes, delta), x


def tower(d: int, layers: int) -> nn.Sequential:
    """Linear layers, each with layer norm and ReLU."""
    steps = [(nn.Linear(d, d, bias=False), nn.LayerNorm(d), nn.ReLU(True)) for _ in range(layers)]
    return nn.Sequential(*(part for step in steps for part in step))


def refine(boxes: Tensor, delta: Tensor) -> Tensor:
    """Move and scale boxes (..., 4) xyxy by deltas (..., 4); in float32, not clipped.

    Centres move in units of the box's extent, extents grow by the exponential (Girshick et al.,
    "Rich feature hierarchies", CVPR 2014, appendix C), the centre's deltas divided by 2.
    """
    boxes, delta = at_least_single(boxes), at_least_single(delta)
    delta = delta / delta.new_tensor(DELTA_WEIGHTS)
    extent = boxes[..., 2:] - boxes[..., :2]
    centre = boxes[..., :2] + extent / 2 + delta[..., :2] * extent
    half = extent * delta[..., 2:].clamp(max=MAX_GROWTH).exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)
