"""The truth about whole photos as "Attend to Who You Are" learns it: maps, and rows to compare.

Which rows of the attention are looked at is chosen here: as many for everybody in a photo whose
mask is known, however large they are, at keypoints that can be seen; at points inside the mask of
people whose keypoints nobody labelled. People without a mask, and crowds, have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from posekit.data.crowd_augment import People
from posekit.data.crowd_covers import Covers
from posekit.decode.heatmap import encode_heatmaps
from posekit.decode.paf_grid import PafGrid

__all__ = ["InstanceTargets", "RowTargets", "encode_instances", "sample_rows"]

_LEAST_COVER = 0.5
"""Whose mask covers less than this many tokens in all is too small to be asked about."""
_REACH = 1.0
"""Cells on x and y up to which an offset to a keypoint is learnt."""


class RowTargets(NamedTuple):
    """Rows to look at, and what they should look like.

    Attributes:
        tokens: (B, R) query tokens.
        masks: (B, R, T) float32 in 0..1, the share of each token that is the row's person.
        people: (B, R) which person each row belongs to.
        counted: (B, R) float32, 1 for rows that are somebody's.
        keys: (B, T) float32, how much each key counts: not beside the photo, nor in a crowd.
    """

    tokens: Tensor
    masks: Tensor
    people: Tensor
    counted: Tensor
    keys: Tensor


@dataclass(frozen=True, eq=False)
class InstanceTargets:
    """The truth about a batch.

    Attributes:
        heat: (B, K, h, w) Gaussians, people combined by the maximum.
        weight: (B, K, h, w), how much each cell counts.
        offset: (B, 2, h, w) to the nearest keypoint of any kind, in cells.
        offset_valid: (B, 1, h, w), 1 where one is near.
        rows: of the attention.
    """

    heat: Tensor
    weight: Tensor
    offset: Tensor
    offset_valid: Tensor
    rows: RowTargets


def encode_instances(
    people: People,
    covers: Covers,
    size: tuple[int, int],
    heat: PafGrid,
    tokens: PafGrid,
    draws: Tensor,
    *,
    sigma: float,
    elsewhere: float,
) -> InstanceTargets:
    """Encode everybody in a batch of views.

    Args:
        people: of the views.
        covers: whose the tokens are.
        size: (H, W) of the views.
        heat: how heatmap cells lie on them.
        tokens: how tokens do.
        draws: (B, R, 2) uniform in 0..1, which rows are chosen by.
        sigma: of the Gaussians, in cells.
        elsewhere: how much cells away from the labelled people count where not everybody is.
    """
    cells = size[0] // heat.stride, size[1] // heat.stride
    most = max(1, int((people.present | people.ignored).sum(1).max()))
    order = (
        (people.present | people.ignored)
        .int()
        .argsort(dim=1, descending=True, stable=True)[:, :most]
    )
    rows = torch.arange(len(order), device=order.device)[:, None]
    kept = people._replace(
        **{name: getattr(people, name)[rows, order]
           for name in ("boxes", "keypoints", "counted", "beyond", "present", "ignored")}
    )  # fmt: skip
    points = (kept.keypoints - 0.5 - heat.first) / heat.stride  # (B, P, K, 2) cells
    gaussians, _ = encode_heatmaps(points.flatten(0, 1), kept.counted.flatten(0, 1), cells, sigma)
    target = gaussians.unflatten(0, kept.counted.shape[:2]).amax(1)
    offset, valid = _offsets(points, kept.counted, cells)
    labelled = covers.labelled[rows, order]
    weight = _weight(kept, labelled, cells, heat, elsewhere)
    weight = torch.where(target > 0.01, 1.0, weight)
    return InstanceTargets(
        target, weight, offset, valid, sample_rows(people, covers, size, tokens, draws)
    )


def sample_rows(
    people: People, covers: Covers, size: tuple[int, int], grid: PafGrid, draws: Tensor
) -> RowTargets:
    """Choose R rows a photo; arguments are those of :func:`encode_instances`."""
    height, width = covers.unknown.shape[-2:]
    masks = covers.people.flatten(2)  # (B, P, T)
    eligible = people.present & (masks.sum(-1) >= _LEAST_COVER)
    count = eligible.sum(1, keepdim=True)  # (B, 1)
    # Rows go round the people; where the circle begins is drawn, so that nobody comes first.
    turn = torch.arange(draws.shape[1], device=draws.device) + (draws[:, :1, 0] * count).long()
    wanted = turn % count.clamp(min=1)
    rank = eligible.cumsum(1) * eligible  # 1 for the first eligible person
    who = (rank[:, None] == wanted[..., None] + 1).int().argmax(-1)  # (B, R)
    batch = torch.arange(len(who), device=who.device)[:, None]
    mask = masks[batch, who]  # (B, R, T)

    place = ((people.keypoints - 0.5 - grid.first) / grid.stride).round().long()
    col, row = place[..., 0].clamp(0, width - 1), place[..., 1].clamp(0, height - 1)
    at = row * width + col  # (B, P, K)
    seen = people.counted & (masks.gather(2, at) > 0)
    seen, at = seen[batch, who], at[batch, who]  # (B, R, K)
    nth = (draws[..., 1] * seen.sum(-1)).long()
    chosen = (seen.cumsum(-1) * seen == nth[..., None] + 1).int().argmax(-1, keepdim=True)
    total = mask.cumsum(-1)
    inside = torch.searchsorted(total, draws[..., 1:] * total[..., -1:], right=True)
    inside = inside.clamp(max=mask.shape[-1] - 1)[..., 0]
    tokens = torch.where(seen.any(-1), at.gather(-1, chosen)[..., 0], inside)

    x, y = grid.centres((height, width), draws)
    half = grid.stride / 2
    within = (x - half < people.whwh[:, :1] - 0.5)[:, None] & (
        y - half < people.whwh[:, 1:2] - 0.5
    )[..., None]
    keys = within * (1 - covers.unknown)
    return RowTargets(
        tokens, mask, who, (count > 0).float().expand(-1, draws.shape[1]), keys.flatten(1)
    )


def _offsets(points: Tensor, counted: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """To the nearest keypoint: (B, 2, h, w), and (B, 1, h, w) where it is near."""
    y, x = (torch.arange(n, device=points.device, dtype=torch.float32) for n in size)
    cells = torch.stack([x.expand(size), y[:, None].expand(size)], -1).flatten(0, 1)  # (h w, 2)
    known = counted.flatten(1)
    places = torch.where(known[..., None], points.flatten(1, 2), 1e4).float()
    nearest = torch.cdist(cells, places).argmin(-1)  # (B, h w)
    offset = places.gather(1, nearest[..., None].expand(-1, -1, 2)) - cells
    offset = offset.transpose(1, 2).unflatten(-1, size)
    valid = (offset.abs().amax(1, keepdim=True) <= _REACH).float()
    return offset * valid, valid


def _weight(
    people: People, labelled: Tensor, size: tuple[int, int], grid: PafGrid, elsewhere: float
) -> Tensor:
    """How much each cell counts where no keypoint is, (B, K, h, w).

    Nothing in regions to ignore, nor in the box of somebody of whom the keypoint is not labelled;
    ``elsewhere`` away from the labelled people where not everybody is labelled; otherwise 1.
    """
    x, y = (axis + 0.5 for axis in grid.centres(size, people.boxes))  # a view's left edge is 0
    boxes = people.boxes[..., None]  # (B, P, 4, 1)
    across = (x >= boxes[:, :, 0]) & (x <= boxes[:, :, 2])  # (B, P, w)
    down = (y >= boxes[:, :, 1]) & (y <= boxes[:, :, 3])
    inside = down[..., None] & across[:, :, None]  # (B, P, h, w)
    somebody = (inside & people.present[..., None, None]).any(1)
    ignored = (inside & people.ignored[..., None, None]).any(1)
    open_ = (people.present[..., None] & ~labelled).float()  # (B, P, K)
    unknown = torch.einsum("bphw,bpk->bkhw", inside.float(), open_) > 0
    counts = torch.where(people.complete[:, None, None] | somebody, 1.0, elsewhere)
    counts = torch.where(ignored & ~somebody, 0.0, counts)
    return torch.where(unknown, 0.0, counts[:, None])
