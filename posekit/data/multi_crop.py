"""Many different crops of the same photographs, for pre-training without labels.

Multi-crop of SwAV and DINO (arXiv 2104.14294, section 3.1): a few large crops and several small
ones of random place, area and shape, each mirrored and recoloured on its own, made for the
whole batch at once on the device that holds the photographs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.data.augment import Draws, blurred, recoloured
from posekit.data.canvas import Canvases

Size = tuple[int, int]


@dataclass(frozen=True)
class CropKind:
    """One kind of crop.

    Attributes:
        size: (height, width) in pixels.
        area: smallest and largest share of the region around the person.
        blur: chance of a blur.
        solarise: chance of inverting everything brighter than half.
    """

    size: Size
    area: tuple[float, float]
    blur: float = 0.5
    solarise: float = 0.0


REGION = 1.6
"""Side of the square that crops are taken from, over the person's longer side."""
COLOUR = 0.4
"""Strength of the colour changes, see :class:`posekit.data.augment.Augmentation`."""
STRETCH = math.log(4 / 3)
"""Crops are up to a third wider or higher than their size says."""


def random_crops(
    data: Canvases,
    index: Tensor,
    kind: CropKind,
    generator: torch.Generator,
    share: slice = slice(None),
) -> Tensor:
    """A random crop of each chosen photograph.

    Args:
        data: the photographs, on any device; their labels are not looked at, the extent of the
            person only says which part of the canvas is no border.
        index: (B,) which of them.
        kind: how large, of how much, how changed.
        generator: random numbers, on the data's device.
        share: the part of the B to return; numbers are drawn for all of them.

    Returns:
        (B, 3, H, W) float32 in 0..1.
    """
    device = data.images.device
    geometry = torch.rand((len(index), 6), generator=generator, device=device)[share]
    drawn = Draws.of(len(index), generator).part(share)
    index = index[share]
    area, stretch, x, y, mirror, solarise = geometry.unbind(1)

    side = data.images.shape[-1]
    region = (data.extent[index].amax(1) * REGION).clamp(max=side)  # (B,) canvas pixels
    area = kind.area[0] + (kind.area[1] - kind.area[0]) * area
    ratio = (STRETCH * (2 * stretch - 1)).exp() * (kind.size[1] / kind.size[0])
    width = (region * (area * ratio).sqrt()).minimum(region)
    height = (region * (area / ratio).sqrt()).minimum(region)
    left = (side - region) / 2 + x * (region - width)
    top = (side - region) / 2 + y * (region - height)

    rows, cols = kind.size
    across = (torch.arange(cols, device=device) + 0.5) / cols  # (W,) 0..1 over the crop
    down = (torch.arange(rows, device=device) + 0.5) / rows
    across = torch.where(mirror[:, None] < 0.5, across, 1 - across)  # (B, W)
    xs = (left[:, None] + across * width[:, None])[:, None].expand(-1, rows, -1)
    ys = (top[:, None] + down * height[:, None])[:, :, None].expand(-1, -1, cols)
    where = torch.stack([xs, ys], dim=-1) * (2 / side) - 1
    photos = data.images[index].float()
    images = F.grid_sample(photos, where, mode="bilinear", align_corners=False)
    images = recoloured(blurred(images, drawn.blur < kind.blur), COLOUR, drawn)
    inverted = (solarise < kind.solarise)[:, None, None, None] & (images > 0.5)
    return torch.where(inverted, 1 - images, images)
