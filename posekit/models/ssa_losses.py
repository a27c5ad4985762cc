"""The losses of the OpenPose line: masked L2, and what may be switched on beside it.

With every switch off the loss is OpenPose's: half the squared error, summed over stages, channels
and cells and divided by the batch [code]. Tags as in :mod:`posekit.models.ssa`. Losses are
computed in float32 whatever the network ran in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.data.paf_targets import PafTargets
from posekit.errors import DataError
from posekit.models.ssa import SSAConfig, StageOutputs
from posekit.models.ssa_attention import spatial_weights, stage_weights
from posekit.models.ssa_votes import limb_ends, synthesise

__all__ = ["SSALoss", "SSALossParts", "gate_loss", "offset_loss", "ramp", "self_supervision_loss"]

Kind = Literal["l2", "quartic", "log1p"]
MEMORY = 0.99
"""Of the running averages of the stages' losses."""


class SSALossParts(NamedTuple):
    """A loss and what it is made of; all scalars.

    Attributes:
        total: what is minimised.
        base: fields and heatmaps.
        offset: offsets, weighted.
        self_supervision: agreement with the synthesised heatmap, ramped.
        gate: the learned attention, weighted.
        stage_loss: (stages,) the running averages after this step, fields first.
    """

    total: Tensor
    base: Tensor
    offset: Tensor
    self_supervision: Tensor
    gate: Tensor
    stage_loss: Tensor


@dataclass(frozen=True)
class SSALoss:
    """The loss of a network; the first five switches are the rows of an ablation.

    Attributes:
        offsets: learn block-inside offsets.
        spatial: weight cells by spatial attention.
        sequential: let stages see the errors of the stages before, by cell where ``spatial`` is
            on, and as a whole.
        self_supervision: make heatmaps agree with what offsets and fields say; needs offsets.
        attn_gate: train the network's gates to predict the spatial attention.
        kind: of error: ``"l2"``, or what the code calls focus: ``"quartic"`` (version 1) or
            ``"log1p"`` (version 2).
        offset_weight: weight of the offsets' loss.
        offset_ramp: share of the training over which it grows from 0 (specification 4: one epoch).
        truth: weight of S against the truth; teaches offsets and fields.
        prediction: weight of H against S; teaches heatmaps.
        consistency: weight of S against H; teaches offsets and fields.
        ramp_start: share of the training at which self-supervision begins to grow.
        ramp_end: share at which it counts in full.
        gate_weight: weight of the gates' loss.

    Raises:
        DataError: self-supervision without offsets, which vote.
    """

    offsets: bool = True
    spatial: bool = True
    sequential: bool = True
    self_supervision: bool = True
    attn_gate: bool = False
    kind: Kind = "l2"
    offset_weight: float = 10.0
    offset_ramp: float = 0.02
    truth: float = 0.5
    prediction: float = 0.25
    consistency: float = 0.0
    ramp_start: float = 0.05
    ramp_end: float = 0.15
    gate_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.self_supervision and not self.offsets:
            raise DataError("Self-supervision needs offsets, whose votes it is made of.")
        if self.kind not in ("l2", "quartic", "log1p"):
            raise DataError(f"There is no loss {self.kind!r}; there are l2, quartic and log1p.")

    def __call__(
        self,
        outputs: StageOutputs,
        targets: PafTargets,
        config: SSAConfig,
        stage_loss: Tensor,
        progress: float = 1.0,
    ) -> SSALossParts:
        """``sum_s v_s / 2B sum M W_s (prediction - target)^2`` and the rest (specification 7.4).

        Args:
            outputs: of the network.
            targets: the truth.
            config: of the network.
            stage_loss: (stages,) running averages so far, fields first; 0 before the first step.
            progress: share of the training that is done, for the ramps.
        """
        outputs = StageOutputs(*(tuple(t.float() for t in part) for part in outputs))
        mask, batch = targets.mask, len(targets.heat)
        stages = [*outputs.paf, *outputs.heat]
        truths = [targets.paf] * len(outputs.paf) + [targets.heat] * len(outputs.heat)
        weights: list[Tensor | None] = [None] * len(stages)
        if self.spatial or self.attn_gate:
            for_paf, for_heat = spatial_weights(
                outputs.paf,
                outputs.heat,
                targets,
                config.skeleton,
                fields_first=config.layout == "column",
                carry=0.5 if self.sequential else 0.0,
            )
            weights = [*for_paf, *for_heat]
        attention = weights if self.spatial else [None] * len(stages)

        plain, losses = [], []
        for predicted, truth, weight in zip(stages, truths, attention, strict=True):
            error = mask * self.pointwise(predicted - truth)
            plain.append(error.sum() / batch)
            losses.append(plain[-1] if weight is None else (weight * error).sum() / batch)
        seen = torch.stack([loss.detach() for loss in plain])
        average = torch.where(stage_loss > 0, torch.lerp(stage_loss, seen, 1 - MEMORY), seen)
        if self.sequential:
            cut = len(outputs.paf)
            v = torch.cat([stage_weights(average[:cut]), stage_weights(average[cut:])])
            losses = [a * b for a, b in zip(losses, v, strict=True)]
        base = torch.stack(losses).sum()

        nothing = base.new_zeros(())
        offset, agreement, gate = nothing, nothing, nothing
        if self.offsets:
            scale = self.offset_weight * ramp(progress, 0.0, self.offset_ramp)
            heights = outputs.heat[-1]
            for predicted in outputs.offset:
                offset = offset + scale * offset_loss(predicted, heights, targets)
        strength = ramp(progress, self.ramp_start, self.ramp_end)
        if self.self_supervision and strength > 0:
            # A column's fields are finished before its heatmaps; branches have both at each stage.
            fields = outputs.paf[-1:] if config.layout == "column" else outputs.paf
            limbs, count = config.skeleton.limbs, config.skeleton.size
            ends = [limb_ends(paf, limbs, count, config.grid) for paf in fields]
            for n, (heat, shift) in enumerate(zip(outputs.heat, outputs.offset, strict=True)):
                at = min(n, len(fields) - 1)
                made = synthesise(heat, shift, fields[at], limbs, config.grid, targets, ends[at])
                weight = attention[len(outputs.paf) + n]
                agreement = agreement + strength * self_supervision_loss(
                    heat, made.mixed, targets, weight, self.truth, self.prediction, self.consistency
                )
        if self.attn_gate:
            gate = self.gate_weight * gate_loss(outputs, weights, mask, config)
        total = base + offset + agreement + gate
        return SSALossParts(total, base, offset, agreement, gate, average)

    def pointwise(self, error: Tensor) -> Tensor:
        """What one cell's error costs, before it is divided by the batch [code]."""
        if self.kind == "quartic":
            return error**4
        if self.kind == "log1p":
            return error.abs().log1p() / 4
        return error**2 / 2


def ramp(progress: float, start: float, end: float) -> float:
    """0 up to ``start``, 1 from ``end`` on, a straight line between."""
    if progress >= end:
        return 1.0
    return max(0.0, (progress - start) / (end - start))


def offset_loss(predicted: Tensor, heat: Tensor, targets: PafTargets) -> Tensor:
    """Offsets against the truth at the blocks that hold keypoints [ours], a scalar.

    ``1 / 2B sum M v (0.25 + 0.75 H) SmoothL1(O - O*)`` with beta 0.1: as in the code the final
    heatmap H decides where offsets are learnt, but blocks without a keypoint are left alone.

    Args:
        predicted: (B, 2 K, h, w).
        heat: (B, K + 1, h, w) of the last stage; receives no gradient.
        targets: the truth.
    """
    count = targets.offset_valid.shape[1]
    height = heat[:, :count].detach().clamp(0, 1)
    weight = targets.mask * targets.offset_valid * (0.25 + 0.75 * height)
    error = F.smooth_l1_loss(predicted, targets.offset, beta=0.1, reduction="none")
    return (weight.repeat_interleave(2, dim=1) * error).sum() / (2 * len(predicted))


def self_supervision_loss(
    heat: Tensor,
    mixed: Tensor,
    targets: PafTargets | None,
    weight: Tensor | None = None,
    truth: float = 0.5,
    prediction: float = 0.25,
    consistency: float = 0.0,
) -> Tensor:
    """Agreement of predicted and synthesised heatmap (specification 6.4) [ours], a scalar.

    Whoever teaches carries no gradient: the truth teaches S, hence offsets and fields; S teaches
    the heatmap H, where it is no worse than H (the truth gate); and H may teach S.

    Args:
        heat: H, (B, K + 1, h, w).
        mixed: S, (B, K + 1, h, w).
        targets: the truth; None for unlabelled images, where S teaches H alone, at a tenth of
            ``prediction`` and only keypoints of which S is sure somewhere (over 0.3).
        weight: spatial attention (B, K + 1, h, w).
        truth: weight of S against the truth.
        prediction: weight of H against S.
        consistency: weight of S against H.
    """
    scale = 1 / (2 * len(heat))
    if targets is None:
        sure = mixed[:, :-1].amax((-2, -1), keepdim=True) > 0.3
        squared = (heat[:, :-1] - mixed[:, :-1].detach()) ** 2
        return 0.1 * prediction * scale * (sure * squared).sum()
    counts = targets.mask if weight is None else targets.mask * weight
    wrong, off = (mixed - targets.heat).abs(), (heat - targets.heat).abs()
    trusted = (wrong <= off + 0.1).detach()
    loss = truth * (counts * wrong**2).sum()
    loss = loss + prediction * (counts * trusted * (heat - mixed.detach()) ** 2).sum()
    if consistency:
        loss = loss + consistency * (counts * (heat.detach() - mixed) ** 2).sum()
    return scale * loss


def gate_loss(
    outputs: StageOutputs, weights: list[Tensor | None], mask: Tensor, config: SSAConfig
) -> Tensor:
    """The gates against the spatial attention they should predict [ours], a scalar.

    A gate multiplies features by ``2 sigmoid(g)``; with ``g = log W`` a cell of weight 1 keeps its
    features as they are. W is the mean over the stage's channels. Mean over the cells that count,
    of the batch's images and of the gates, times the number of cells: a sum like the base loss.
    """
    fields, gates = len(outputs.paf), outputs.gate
    loss = mask.new_zeros(())
    for n, gate in enumerate(gates):
        told = [weights[n]] if config.layout == "column" else [weights[n], weights[fields + n]]
        weight = torch.cat([w for w in told if w is not None], dim=1).mean(1, keepdim=True)
        error = (gate.sigmoid() - weight / (1 + weight)) ** 2
        loss = loss + (mask * error).sum() / (2 * len(gate))
    return loss
