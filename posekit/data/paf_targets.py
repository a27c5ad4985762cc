"""What the OpenPose line learns from: heatmaps, part affinity fields and offsets, a batch at once.

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017, and
the block-inside offsets of Liu et al. (see :mod:`posekit.decode.paf_grid` for the tags). Points are
(x, y) in input pixels, with pixel centres at the integers; maps are float32 on the keypoints'
device.

Shapes: B images, P people at most, K keypoints, L limbs, (h, w) cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.decode.paf_grid import PafGrid

__all__ = ["PafTargets", "encode_people"]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PafTargets:
    """The truth about a batch, as maps.

    Attributes:
        heat: (B, K + 1, h, w), the last channel the background.
        paf: (B, 2 L, h, w), x and y of limb l in channels 2 l and 2 l + 1.
        offset: (B, 2 K, h, w), from a block's centre to the keypoint inside it, in cells, -0.5 to
            0.5 (-1.5 to 1.5 where the grid is wide); 0 where not ``offset_valid``.
        offset_valid: (B, K, h, w), 1 where ``offset`` is meant.
        own_block: (B, K, h, w), 1 at the blocks that hold a keypoint.
        limbless: (B, K, h, w), 1 near keypoints of whose limbs none is labelled.
        has_keypoint: (B, K), 1 where somebody in the image has the keypoint inside the grid.
        has_limb: (B, L), 1 where some cell carries the limb's field.
        mask: (B, 1, h, w), 0 where the labels are not to be trusted.
    """

    heat: Tensor
    paf: Tensor
    offset: Tensor
    offset_valid: Tensor
    own_block: Tensor
    limbless: Tensor
    has_keypoint: Tensor
    has_limb: Tensor
    mask: Tensor

    @property
    def size(self) -> Size:
        """(h, w) of the maps."""
        return self.heat.shape[-2], self.heat.shape[-1]

    def part(self, share: slice) -> PafTargets:
        """The truth about some of the batch."""
        return PafTargets(*(getattr(self, field.name)[share] for field in fields(self)))


def encode_people(
    keypoints: Tensor,
    labelled: Tensor,
    limbs: Sequence[tuple[int, int]],
    size: Size,
    grid: PafGrid | None = None,
    mask: Tensor | None = None,
) -> PafTargets:
    """Encode everybody in a batch of images.

    Heatmaps are ``exp(-|c - p|^2 / 2 sigma^2)``, people combined by the maximum, background one
    minus the maximum over keypoints [code]. A limb with both ends labelled and some length lends
    its unit vector to the cells of its band [code], and cells in several bands get the mean
    [ours; in the code the last person wins]. Offsets are ``(p - c) / stride`` at the block that
    holds the keypoint [ours; the code's value is 0.5 minus this]; of two people in one block the
    one nearer to its centre counts [ours].

    Args:
        keypoints: (B, P, K, 2); anything where not labelled.
        labelled: (B, P, K), 0 for people who only fill the batch up.
        limbs: pairs of keypoints; fields point from the first to the second.
        size: (h, w) of the maps.
        grid: how cells lie on the input.
        mask: (B, 1, h, w), how far each cell counts; everything does without one.
    """
    grid = grid or PafGrid()
    known = labelled.bool()
    points = torch.where(known[..., None], keypoints, 0.0).float()
    if points.shape[1] == 0:  # nobody anywhere: one person without keypoints says the same
        points, known = F.pad(points, (0, 0, 0, 0, 0, 1)), F.pad(known, (0, 0, 0, 1))
    across, down = grid.centres(size, points)
    dx = points[..., 0, None, None] - across  # (B, P, K, 1, w)
    dy = points[..., 1, None, None] - down[:, None]  # (B, P, K, h, 1)
    far = torch.inf
    squared = torch.where(known[..., None, None], dx**2 + dy**2, far)  # (B, P, K, h, w)
    heat = torch.exp(squared.amin(1) / (-2 * grid.sigma**2))
    heat = torch.cat([heat, 1 - heat.amax(1, keepdim=True)], dim=1)

    half = grid.stride / 2
    # The block [c - stride / 2, c + stride / 2) in x and y: a keypoint on an edge belongs to the
    # block right of or below it.
    own = (dx >= -half) & (dx < half) & (dy >= -half) & (dy < half) & known[..., None, None]
    near = own
    if grid.wide:
        reach = 3 * half
        near = (dx >= -reach) & (dx < reach) & (dy >= -reach) & (dy < reach)
    # A block's own keypoint comes before any from next door, however near to the centre that is.
    rank = torch.where(near, squared + 9 * grid.stride**2 * ~own, far)
    least, who = rank.min(1, keepdim=True)  # (B, 1, K, h, w)
    valid = torch.isfinite(least)
    shift = [d.expand_as(squared).gather(1, who) / grid.stride for d in (dx, dy)]
    offset = torch.cat(shift, dim=1).transpose(1, 2) * valid.transpose(1, 2)  # (B, K, 2, h, w)

    paf, has_limb, limb_known = _fields(points, known, limbs, dx, dy, grid)
    touched = torch.zeros_like(known)  # keypoints with a labelled limb
    for index, (a, b) in enumerate(limbs):
        touched[:, :, a] |= limb_known[:, :, index]
        touched[:, :, b] |= limb_known[:, :, index]
    alone = (known & ~touched)[..., None, None]
    limbless = torch.where(alone, squared, far).amin(1) <= (3 * grid.sigma) ** 2
    if mask is None:
        mask = torch.ones(len(points), 1, *size, device=points.device)
    return PafTargets(
        heat=heat,
        paf=paf,
        offset=offset.flatten(1, 2),
        offset_valid=valid.squeeze(1).float(),
        own_block=own.any(1).float(),
        limbless=limbless.float(),
        has_keypoint=own.flatten(3).any(3).any(1).float(),
        has_limb=has_limb,
        mask=mask.float(),
    )


def _fields(
    points: Tensor,
    known: Tensor,
    limbs: Sequence[tuple[int, int]],
    dx: Tensor,
    dy: Tensor,
    grid: PafGrid,
) -> tuple[Tensor, Tensor, Tensor]:
    """Part affinity fields (B, 2 L, h, w), (B, L) where there are any, (B, P, L) who has which."""
    start, end = (torch.tensor(ends, device=points.device) for ends in zip(*limbs, strict=True))
    a, b = points[:, :, start], points[:, :, end]  # (B, P, L, 2)
    length = (b - a).norm(dim=-1)
    limb_known = known[:, :, start] & known[:, :, end] & (length > 1e-3)
    unit = (b - a) / length.clamp_min(1e-3)[..., None]
    ux, uy = unit[..., 0, None, None], unit[..., 1, None, None]
    cx, cy = -dx[:, :, start], -dy[:, :, start]  # from the limb's start to each cell's centre
    inside = (cx * uy - cy * ux).abs() <= grid.band  # (B, P, L, h, w)
    if grid.band_shape == "projection":
        along = cx * ux + cy * uy
        inside &= along >= -grid.overshoot
        inside &= along <= (length + grid.overshoot)[..., None, None]
    else:
        reach = (b - a)[..., None, None]
        for c, far in ((cx, reach[..., 0, :, :]), (cy, reach[..., 1, :, :])):
            inside &= (c >= far.clamp(max=0) - grid.band) & (c <= far.clamp(min=0) + grid.band)
    inside &= limb_known[..., None, None]
    weight = inside.float()
    total = torch.einsum("bplhw,bplc->blchw", weight, unit)
    count = weight.sum(1)[:, :, None]  # (B, L, 1, h, w)
    paf = total / count.clamp_min(1)
    return paf.flatten(1, 2), (count.flatten(2).amax(2) > 0).float(), limb_known
