"""Spatial-sequential attention: which cells, and which stages, the loss pays attention to.

This project's reading of the abstract of arXiv 2110.10734 [ours throughout; tags as in
:mod:`posekit.models.ssa`]. *Spatial*: cells on bodies, false alarms and hard cells weigh more.
*Sequential*: cells that the stage before got wrong weigh more in this one, and so does a whole
stage behind a poor one. Weights carry no gradient, and their means are 1, so that the learning
rate keeps its meaning.

Shapes: B images, C channels (keypoints or limbs), (h, w) cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from posekit.data.paf_targets import PafTargets
from posekit.models.ssa_trace import incident
from posekit.skeleton import Skeleton

__all__ = ["attended", "masked_mean", "spatial_weights", "stage_weights"]

RHO = 0.1
"""What an easy cell of the background weighs before the mean is made 1."""
LEAST, MOST = 0.2, 8.0


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the cells that count, (B, C, 1, 1); 0 where none does."""
    total = (values * mask).sum((-2, -1), keepdim=True)
    return total / mask.sum((-2, -1), keepdim=True).clamp_min(1)


def lengths(paf: Tensor) -> Tensor:
    """Lengths of the vectors of fields: (B, 2 L, h, w) -> (B, L, h, w)."""
    return torch.hypot(paf[:, 0::2], paf[:, 1::2])


def attended(
    truth: Tensor,
    predicted: Tensor,
    error: Tensor,
    before: Tensor | None,
    mask: Tensor,
    carry: float,
) -> Tensor:
    """The weights W of one stage (specification 7.1 and 7.2), (B, C, h, w).

    ``u = rho + max(truth, predicted) + error``, mixed with itself times the error of the stage
    before, over its mean; clamped to 0.2..8 and over its mean again. Where no cell counts, 1.

    Args:
        truth: heights in 0..1, (B, C, h, w).
        predicted: heights in 0..1.
        error: at least 0.
        before: the error of the stage before; None for the first.
        mask: (B, 1, h, w), cells that count.
        carry: mu, the share of ``u`` that the stage before changes.
    """
    weight = RHO + torch.maximum(truth, predicted) + error
    if before is not None and carry > 0:
        wrong = RHO + before
        wrong = wrong / masked_mean(wrong, mask).clamp_min(1e-6)
        weight = (1 - carry) * weight + carry * weight * wrong
    weight = (weight / masked_mean(weight, mask).clamp_min(1e-6)).clamp(LEAST, MOST)
    mean = masked_mean(weight, mask)
    return torch.where(mean > 0, weight / mean.clamp_min(1e-6), 1.0)


@torch.no_grad()
def spatial_weights(
    paf: Sequence[Tensor],
    heat: Sequence[Tensor],
    targets: PafTargets,
    skeleton: Skeleton,
    *,
    fields_first: bool,
    carry: float = 0.5,
) -> tuple[list[Tensor], list[Tensor]]:
    """The weights of every stage's fields (B, 2 L, h, w) and heatmaps (B, K + 1, h, w).

    A limb's x and y share one weight. The background, and channels that nobody in the image has,
    weigh 1 throughout.

    Args:
        paf: every stage's fields.
        heat: every stage's heatmaps.
        targets: the truth.
        skeleton: says which limbs a keypoint has.
        fields_first: the first heatmap stage follows the last field stage, whose error it is
            handed, for each keypoint the largest of its limbs'.
        carry: mu; 0 leaves the sequential part out.
    """
    mask, count = targets.mask, skeleton.size
    true_length = lengths(targets.paf)
    before: Tensor | None = None
    for_paf, for_heat = [], []
    for p in paf:
        error = lengths(p.float() - targets.paf)
        length = lengths(p.float()).clamp(max=1)
        weight = attended(true_length, length, error, before, mask, carry)
        weight = torch.where(targets.has_limb[..., None, None] > 0, weight, 1.0)
        for_paf.append(weight.repeat_interleave(2, dim=1))
        before = error
    before = incident(before, skeleton) if fields_first and before is not None else None
    truth = targets.heat[:, :count]
    for h in heat:
        predicted = h.float()[:, :count]
        error = (predicted - truth).abs()
        weight = attended(truth, predicted.clamp(0, 1), error, before, mask, carry)
        weight = torch.where(targets.has_keypoint[..., None, None] > 0, weight, 1.0)
        for_heat.append(torch.cat([weight, torch.ones_like(weight[:, :1])], dim=1))
        before = error
    return for_paf, for_heat


def stage_weights(average: Tensor) -> Tensor:
    """The weights v of stages of one kind (specification 7.3), (S,), their sum S.

    ``v = clamp(loss of the stage before / mean loss, 0.5, 2) ** 0.5``, 1 for the first, rescaled:
    a stage behind a poor one is trained harder, and when all are alike every weight is 1.

    Args:
        average: (S,) running averages of the stages' losses; all 1 while one is still 0.
    """
    if bool((average <= 0).any()):
        return torch.ones_like(average)
    behind = (average[:-1] / average.mean()).clamp(0.5, 2).sqrt()
    weights = torch.cat([torch.ones_like(average[:1]), behind])
    return weights * (len(weights) / weights.sum())
