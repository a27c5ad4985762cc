"""Detail of a batch of views: some as coarse as enlarged photos, some sharpened.

A close-up cut out of a small photo is coarse, a portrait that somebody uploads is sharp. Trained on
the former alone, a network takes coarseness for the mark of a portrait, and draws legs into sharp
ones. Views of all sharpness take that cue away.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["COARSEST", "OCTAVES", "STRONGEST", "change_detail", "draw_detail"]

OCTAVES = 3
"""Octaves of detail that may become stronger."""
COARSEST = 2
"""Octaves that may be missing, as in a view that was enlarged four times."""
STRONGEST = 3.0
"""Detail may become so many times stronger."""


def draw_detail(batch: int, generator: torch.Generator, chance: float) -> Tensor:
    """(B, 2) random numbers for :func:`change_detail`, on the generator's device.

    At a chance of 0 none are drawn, so that older recipes give the same views as ever.
    """
    if chance == 0:
        return torch.ones((batch, 2), device=generator.device)
    return torch.rand((batch, 2), generator=generator, device=generator.device)


def change_detail(images: Tensor, drawn: Tensor, chance: float) -> Tensor:
    """Some views with less detail, some with more.

    A Laplacian pyramid (Burt and Adelson 1983) whose bands are weighed anew: less takes one octave
    away after the other, the finest first; more makes all of them stronger, up to ``STRONGEST``.

    Args:
        images: (B, 3, H, W), 0..255.
        drawn: (B, 2) uniform in 0..1: whose detail changes, and how: below a half it gets less.
        chance: of a view whose detail changes.

    Returns:
        (B, 3, H, W), 0..255; the same tensor where nothing changes.
    """
    chosen = drawn[:, 0] < chance
    if not bool(chosen.any()):
        return images
    change = 2 * drawn[chosen, 1] - 1  # -1..1
    gone = (-change).clamp(min=0) * COARSEST
    more = 1 + change.clamp(min=0) * (STRONGEST - 1)
    picked = images[chosen]
    result, rest = torch.zeros_like(picked), picked
    for octave in range(OCTAVES):
        coarser = _coarse(picked, 2 ** (octave + 1))
        weight = more * (1 + octave - gone).clamp(0, 1)
        result += weight[:, None, None, None] * (rest - coarser)
        rest = coarser
    images[chosen] = (result + rest).clamp(0, 255)
    return images


def _coarse(images: Tensor, factor: int) -> Tensor:
    """Made smaller by a factor and enlarged again."""
    height, width = images.shape[-2:]
    small = F.interpolate(
        images, (-(-height // factor), -(-width // factor)), mode="bilinear", antialias=True
    )
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)
