"""Whose the pixels of views of whole photos are, at the resolution of a network's tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from posekit.data.crowd import UNKNOWN_OWNER
from posekit.data.crowd_canvas import OWNER_PIXELS, CrowdCanvases
from posekit.skeleton import Skeleton

__all__ = ["Covers", "covers_of"]

Size = tuple[int, int]

_FINER = 4
"""Places along a side of a token at which is looked whose they are."""


class Covers(NamedTuple):
    """Whose the pixels of a batch of views are, at the resolution of a network's tokens.

    Attributes:
        people: (B, P, h, w) float32 in 0..1, the share of each token that is somebody's; zeros
            for people whose mask is not known.
        unknown: (B, h, w) float32, the share of which nobody said whose it is.
        labelled: (B, P, K) bool, keypoints of which the data says something, seen or not.
    """

    people: Tensor
    unknown: Tensor
    labelled: Tensor


def covers_of(
    data: CrowdCanvases,
    index: Tensor,
    skeleton: Skeleton,
    size: Size,
    to_canvas: tuple[Tensor, Tensor],
    sizes: Tensor,
    mirrored: Tensor,
    token: int,
) -> Covers:
    """Averages over the nearest pixels' owners at several places of each token.

    Args:
        data: the photos, with owners.
        index: (B,) which photos.
        skeleton: names the keypoints, for mirror images.
        size: (H, W) that the views fit in.
        to_canvas: (B, 2, 2) and (B, 2) that take a view's pixels to the canvas.
        sizes: (B, 2) height and width of the views.
        mirrored: (B,) bool.
        token: pixels along a side of a token.
    """
    matrix, offset = to_canvas
    device, half = data.images.device, data.owners.shape[-1]
    rows, cols = (-(-length // token) * _FINER for length in size)
    y, x = (
        (torch.arange(count, device=device) + 0.5) * (token / _FINER) - 0.5
        for count in (rows, cols)
    )
    places = torch.stack([x.expand(rows, -1), y[:, None].expand(-1, cols)], -1)  # (rows, cols, 2)
    where = torch.einsum("bij,rcj->brci", matrix, places) + offset[:, None, None]
    inside = (where > -0.5) & (where < data.sizes[index].flip(-1)[:, None, None] - 0.5)
    inside &= places < sizes.flip(-1)[:, None, None] - 0.5
    cell = ((where + 0.5) / OWNER_PIXELS).floor().long().clamp(0, half - 1)
    owner = data.owners[index[:, None, None], cell[..., 1], cell[..., 0]]  # (B, rows, cols)
    owner = torch.where(inside.all(-1), owner, 0)

    def averaged(chosen: Tensor) -> Tensor:
        parts = chosen.unflatten(-1, (-1, _FINER)).unflatten(-3, (-1, _FINER))
        return parts.float().mean((-3, -1))

    number = torch.arange(1, data.most_people + 1, device=device, dtype=torch.uint8)
    labelled = data.visibility[index] > 0
    order = torch.tensor(skeleton.flip_order, device=device)
    labelled = torch.where(mirrored[:, None, None], labelled[:, :, order], labelled)
    return Covers(
        averaged(owner[:, None] == number[:, None, None]),
        averaged(owner == UNKNOWN_OWNER),
        labelled,
    )
