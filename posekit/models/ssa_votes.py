"""The synthesised heatmap: what offsets and fields say about where keypoints are.

This project's reading of the abstract of arXiv 2110.10734 [ours throughout; tags as in
:mod:`posekit.models.ssa`]: heatmap, offsets and fields each say where a keypoint is. From offsets
and fields a second heatmap S is made; where it and the predicted heatmap H disagree, one of them is
wrong.

Shapes: B images, K keypoints, L limbs, (h, w) cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.data.paf_targets import PafTargets
from posekit.decode.paf_grid import PafGrid

__all__ = ["Synthesised", "contradiction", "limb_ends", "offset_votes", "synthesise"]

VOTER = 0.1
"""Heat above which a local maximum votes."""
FARTHEST = 0.75
"""Cells; an offset is cut to this before it votes."""
SMOOTHING = 1.25
"""Cells; sigma of the Gaussian that smooths a field before its divergence is taken."""
GAIN = {"projection": 7.2, "box": 8.4}
"""Makes the divergence 1 at true limb ends on average; measured on target fields."""
FLOOR = 0.25
ENDS_SHARE = 0.3
"""Weight of limb ends beside votes: they say who and whether, but where only to 5 pixels."""


class Synthesised(NamedTuple):
    """A heatmap that the heatmap branch had no part in, and what it was made of.

    Attributes:
        mixed: S, (B, K + 1, h, w), the last channel the background, one minus the maximum.
        votes: V from offsets, (B, K, h, w).
        ends: F from the fields' sources and sinks, (B, K, h, w).
    """

    mixed: Tensor
    votes: Tensor
    ends: Tensor


def synthesise(
    heat: Tensor,
    offset: Tensor,
    paf: Tensor,
    limbs: Sequence[tuple[int, int]],
    grid: PafGrid,
    truth: PafTargets | None = None,
    ends: Tensor | None = None,
) -> Synthesised:
    """Mix votes and limb ends: ``S = (1 - beta) V + beta F`` (specification 6.3).

    Gradients reach ``offset`` and ``paf``, never ``heat``.

    Args:
        heat: (B, K or K + 1, h, w) predicted.
        offset: (B, 2 K, h, w) in cells.
        paf: (B, 2 L, h, w).
        limbs: pairs of keypoints.
        grid: how cells lie on the input.
        truth: in training, so that keypoints the heatmap misses vote too, and limb ends do not
            count where no limb is labelled.
        ends: :func:`limb_ends` of ``paf``, if known already.
    """
    votes = offset_votes(heat, offset, grid, truth)
    if ends is None:
        ends = limb_ends(paf, limbs, votes.shape[1], grid)
    share = ENDS_SHARE if truth is None else ENDS_SHARE * (1 - truth.limbless)
    mixed = (1 - share) * votes + share * ends
    background = 1 - mixed.amax(1, keepdim=True)
    return Synthesised(torch.cat([mixed, background], dim=1), votes, ends)


def offset_votes(
    heat: Tensor, offset: Tensor, grid: PafGrid, truth: PafTargets | None = None
) -> Tensor:
    """V: a Gaussian wherever a local maximum of the heatmap says, by its offset, the keypoint is.

    A maximum's height is first freed of what the grid took off it, so that V equals the target on
    targets (specification 6.1). In training the blocks that truly hold a keypoint vote as well.

    Args:
        heat: (B, K or K + 1, h, w); receives no gradient.
        offset: (B, 2 K, h, w) in cells.
        grid: how cells lie on the input.
        truth: see above.

    Returns:
        (B, K, h, w).
    """
    shift = offset.float().unflatten(1, (-1, 2)).clamp(-FARTHEST, FARTHEST)  # (B, K, 2, h, w)
    count, (rows, cols) = shift.shape[1], shift.shape[-2:]
    height = heat.detach().float()[:, :count].clamp(0, 1)
    height = height * ((height > VOTER) & (height == F.max_pool2d(height, 3, 1, padding=1)))
    if truth is not None:
        height = torch.maximum(height, truth.own_block * truth.heat[:, :count])
    narrow = grid.stride**2 / (2 * grid.sigma**2)
    snapped = torch.exp(-narrow * shift.detach().square().sum(2))
    height = (height / snapped).clamp(max=1)

    # Few cells vote; each colours only the window around it.
    image, keypoint, row, col = height.nonzero(as_tuple=True)  # (n,) each
    x = col + shift[image, keypoint, 0, row, col]
    y = row + shift[image, keypoint, 1, row, col]
    reach = math.ceil(3 * grid.sigma / grid.stride)
    window = torch.arange(-reach, reach + 1, device=heat.device)
    at_row, at_col = row[:, None, None] + window[:, None], col[:, None, None] + window
    squared = (at_col - x[:, None, None]) ** 2 + (at_row - y[:, None, None]) ** 2
    value = height[image, keypoint, row, col][:, None, None] * torch.exp(-narrow * squared)
    inside = (at_row >= 0) & (at_row < rows) & (at_col >= 0) & (at_col < cols)
    plane = (image * count + keypoint)[:, None, None] * rows
    target = (plane + at_row.clamp(0, rows - 1)) * cols + at_col.clamp(0, cols - 1)
    votes = value.new_zeros(len(heat) * count * rows * cols)
    votes = votes.scatter_reduce(0, target.flatten(), (value * inside).flatten(), "amax")
    return votes.view(len(heat), count, rows, cols)


def limb_ends(
    paf: Tensor, limbs: Sequence[tuple[int, int]], keypoints: int, grid: PafGrid
) -> Tensor:
    """F: where fields begin and end.

    A limb's field starts at one keypoint and stops at the other, so its divergence is positive at
    the first and negative at the second (specification 6.2).

    Args:
        paf: (B, 2 L, h, w).
        limbs: pairs of keypoints; fields point from the first to the second.
        keypoints: K.
        grid: how cells lie on the input.

    Returns:
        (B, K, h, w), for each keypoint the strongest end of its limbs.
    """
    x, y = paf.float().unflatten(1, (-1, 2)).unbind(2)  # (B, L, h, w) each
    shorter = (x**2 + y**2).clamp_min(1).rsqrt()
    soft_y, slope_y = _smoothing(x.shape[-2], paf.device)
    soft_x, slope_x = _smoothing(x.shape[-1], paf.device)
    along_x = soft_y @ (shorter * x) @ slope_x.T
    along_y = slope_y @ (shorter * y) @ soft_x.T
    divergence = GAIN[grid.band_shape] * (along_x + along_y)  # (B, L, h, w)
    begins, stops = (
        ((d.clamp(0, 1) - FLOOR).clamp_min(0) / (1 - FLOOR)) for d in (divergence, -divergence)
    )
    found = []
    for keypoint in range(keypoints):
        ends = [begins[:, n] for n, (a, _) in enumerate(limbs) if a == keypoint]
        ends += [stops[:, n] for n, (_, b) in enumerate(limbs) if b == keypoint]
        none = torch.zeros_like(begins[:, 0])
        found.append(torch.stack(ends).amax(0) if ends else none)
    return torch.stack(found, dim=1)


def contradiction(heat: Tensor, mixed: Tensor, mask: Tensor | None = None) -> Tensor:
    """How much the heatmaps contradict offsets and fields (specification 6.5), (B, K).

    ``sum M |H - S| / (sum M (H + S) / 2)``: 0 where they agree, 2 where they have nothing in
    common.

    Args:
        heat: (B, K or K + 1, h, w) predicted; cut to 0..1.
        mixed: (B, K or K + 1, h, w) synthesised.
        mask: (B, 1, h, w) cells that count.
    """
    count = min(heat.shape[1], mixed.shape[1])
    h, s = heat[:, :count].float().clamp(0, 1), mixed[:, :count].float()
    weight = torch.ones_like(h[:, :1]) if mask is None else mask
    apart = (weight * (h - s).abs()).flatten(2).sum(2)
    return apart / ((weight * (h + s) / 2).flatten(2).sum(2) + 1e-6)


def _smoothing(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Smoothing along a side of ``count`` cells, and the slope of what is smoothed, as matrices.

    Beyond the border a field goes on as it is there: a limb cut off by it does not end there.
    """
    half = math.ceil(3 * SMOOTHING)
    place = torch.arange(-half, half + 1, device=device)
    taps = torch.exp(-(place**2) / (2 * SMOOTHING**2))
    cell = torch.arange(count, device=device)
    reads = (cell[:, None] + place).clamp(0, count - 1)  # (count, taps)
    smooth = torch.zeros(count, count, device=device)
    smooth.scatter_add_(1, reads, (taps / taps.sum()).expand(count, -1).contiguous())
    ahead, behind = smooth[(cell + 1).clamp(max=count - 1)], smooth[(cell - 1).clamp(min=0)]
    return smooth, (ahead - behind) / 2
