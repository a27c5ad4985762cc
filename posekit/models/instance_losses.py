"""What "Attend to Who You Are" is trained with: heatmaps, offsets, and masks on attention rows.

The rows of a softmax sum to 1 and masks do not; so a row is first divided by its own maximum.
Whether gradients pass through that maximum is a switch: held constant, as the specification has it,
long training makes rows narrow, since the strongest token is pushed up whatever that does to the
others.
Only rows that were sampled are ever computed with gradients. All weights are our choice; the
paper's are not known.

Shapes: B photos, K keypoints, (h, w) heatmap cells, R sampled rows of T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from posekit.data.instance_targets import InstanceTargets, RowTargets
from posekit.models.instance import InstanceOutput, attention_rows

__all__ = ["InstanceLoss", "LossParts", "heat_loss", "offset_loss", "row_loss", "scaled_rows"]

AttentionKind = Literal["none", "mse", "bce-dice"]
HeatKind = Literal["l2", "focal"]

_FLOOR = 0.02
"""How near to 0 and 1 the cross entropy lets a share come: its slope stays below 1 / 0.02."""
_SMALLEST = 1e-6


class LossParts(NamedTuple):
    """The loss and what it is the weighted sum of, scalars."""

    total: Tensor
    heat: Tensor
    offset: Tensor
    attention: Tensor


@dataclass(frozen=True)
class InstanceLoss:
    """The whole loss.

    Attributes:
        attention: how rows are compared with masks; ``"none"`` leaves the attention alone, which is
            the ablation.
        heat: ``"l2"``, or ``"focal"``: squared errors weighted by how wrong they are.
        attention_weight: of the attention's part.
        offset_weight: of the offsets' part.
        hold_maximum: whether the maximum that a row is divided by is a constant to gradients.
    """

    attention: AttentionKind = "bce-dice"
    heat: HeatKind = "l2"
    attention_weight: float = 0.2
    offset_weight: float = 0.2
    hold_maximum: bool = True

    def __call__(self, output: InstanceOutput, targets: InstanceTargets) -> LossParts:
        """The loss of a batch."""
        heat = heat_loss(output.heatmaps, targets.heat, targets.weight, self.heat)
        offset, attention = heat.new_zeros(()), heat.new_zeros(())
        if output.offsets.shape[1]:
            offset = offset_loss(output.offsets, targets.offset, targets.offset_valid)
        if self.attention != "none":
            rows = attention_rows(output, targets.rows.tokens)
            attention = row_loss(rows, targets.rows, self.attention, self.hold_maximum)
        total = heat + self.offset_weight * offset + self.attention_weight * attention
        return LossParts(total, heat, offset, attention)


def heat_loss(heat: Tensor, target: Tensor, weight: Tensor, kind: HeatKind = "l2") -> Tensor:
    """Squared error in units of the target's own: 1 for a network that says nothing anywhere.

    So its size depends neither on how many people there are nor on how large the maps are.
    ``"focal"`` weighs each error by |1 - h| on keypoints and by |h| elsewhere, the focal L2 loss of
    Li et al., "Simple Pose", AAAI 2020.

    Args:
        heat: (B, K, h, w).
        target: (B, K, h, w).
        weight: (B, K, h, w), 0 where nothing is known.
        kind: see there.
    """
    error = weight * (heat.float() - target) ** 2
    if kind == "focal":
        sure = heat.detach().float()
        error = error * torch.where(target >= 0.01, (1 - sure).abs(), sure.abs())
    return error.sum() / (weight * target**2).sum().clamp(min=1.0)


def offset_loss(offsets: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean distance along x and y, over the cells with a keypoint close by.

    Args:
        offsets: (B, 2, h, w).
        target: (B, 2, h, w).
        valid: (B, 1, h, w), 1 where there is one.
    """
    away = (offsets.float() - target).abs().sum(1, keepdim=True)
    return (valid * away).sum() / valid.sum().clamp(min=1.0)


def scaled_rows(rows: Tensor, hold_maximum: bool = True) -> Tensor:
    """Rows (..., T) over their maxima, so that they can be compared with masks."""
    top = rows.amax(-1, keepdim=True)
    return rows / (top.detach() if hold_maximum else top).clamp(min=_SMALLEST)


def row_loss(
    rows: Tensor, targets: RowTargets, kind: AttentionKind, hold_maximum: bool = True
) -> Tensor:
    """How far rows are from the masks of whom they belong to, the mean over people's rows.

    Args:
        rows: (B, R, T), each summing to 1.
        targets: whose they are.
        kind: ``"mse"``, or ``"bce-dice"``: cross entropy and 1 - Dice. Both are means over tokens
            that count.
        hold_maximum: see :class:`InstanceLoss`.
    """
    said, mask = scaled_rows(rows, hold_maximum), targets.masks
    counted = targets.keys[:, None]
    tokens = counted.sum(-1).clamp(min=1.0)
    if kind == "mse":
        each = (counted * (said - mask) ** 2).sum(-1) / tokens
    else:
        share = _FLOOR + (1 - 2 * _FLOOR) * said
        entropy = -(mask * share.log() + (1 - mask) * (1 - share).log())
        both = (counted * said * mask).sum(-1)
        either = (counted * (said + mask)).sum(-1)
        each = (counted * entropy).sum(-1) / tokens + 1 - 2 * both / either.clamp(min=_SMALLEST)
    return (each * targets.counted).sum() / targets.counted.sum().clamp(min=1.0)
