"""RoIAlign: a box of any size on a feature map, resampled to a fixed grid.

He et al., "Mask R-CNN", ICCV 2017, section 3, in the half-pixel-exact form (``aligned=True``) with
two by two samples a cell. Every cell is a weighted sum of sixteen pixels, so all boxes on all
levels are one *embedding bag*: indices into one table of pixels, and their weights. That needs no
compiled operator, writes no samples down, and its backward pass is the bag's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.models.layers.precision import at_least_single

SAMPLES = 2  # a cell and axis


def roi_align(
    features: Sequence[Tensor],
    strides: Sequence[int],
    boxes: Tensor,
    images: Tensor,
    size: int,
    levels: Tensor | None = None,
) -> Tensor:
    """Resample boxes to ``size`` x ``size`` cells.

    A sample further than one pixel outside its map counts as zero, one closer takes the nearest
    pixel; a box that is not finite gives zeros. Gradients reach the features, never the boxes.

    Args:
        features: maps (B, C, h, w), the finest first.
        strides: input pixels a pixel of each map covers along a side.
        boxes: (M, 4) xyxy in input pixels, of any extent.
        images: (M,) which of the B images each box lies in.
        size: cells along each side.
        levels: (M,) index of the map each box is read from; None for the first map.

    Returns:
        (M, size * size, C), row by row.
    """
    device = boxes.device
    if levels is None:
        levels = torch.zeros(len(boxes), dtype=torch.long, device=device)
    # (levels, 4): rows, columns, pixels in all images, input pixels a pixel
    facts = torch.tensor(
        [
            [f.shape[2], f.shape[3], f.shape[0] * f.shape[2] * f.shape[3], stride]
            for f, stride in zip(features, strides, strict=True)
        ],
        device=device,
    )
    rows, cols, _, stride = facts[levels].unbind(-1)  # (M,) each
    first = (facts[:, 2].cumsum(0) - facts[:, 2])[levels] + images * rows * cols
    x0, y0, x1, y1 = (at_least_single(boxes.detach()) / stride[:, None] - 0.5).unbind(-1)
    y_pixel, y_weight = taps(y0, y1 - y0, rows, size)  # (M, size, 4)
    x_pixel, x_weight = taps(x0, x1 - x0, cols, size)
    line = (first[:, None, None] + y_pixel * cols[:, None, None])[:, :, None, :, None]
    pixel = line + x_pixel[:, None, :, None, :]  # (M, size, size, 4, 4)
    weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    channels = features[0].shape[1]
    table = torch.cat([f.permute(0, 2, 3, 1).reshape(-1, channels) for f in features])
    cells = F.embedding_bag(
        pixel.flatten(0, 2).flatten(1),
        table,
        mode="sum",
        per_sample_weights=weight.flatten(0, 2).flatten(1).to(table.dtype),
    )
    return cells.unflatten(0, (len(boxes), size * size))


def taps(start: Tensor, extent: Tensor, count: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Along one axis: the pixels every cell reads, and how much of each.

    Args:
        start: (M,) where each box begins, in pixels of its map, pixel centres at the integers.
        extent: (M,) how long it is.
        count: (M,) pixels of its map along the axis.
        size: cells.

    Returns:
        Indices and weights, both (M, size, 2 * SAMPLES): the two neighbours of every sample.
    """
    step = (torch.arange(SAMPLES * size, device=start.device) + 0.5) / SAMPLES
    place = start[:, None] + step * (extent / size)[:, None]  # (M, size * SAMPLES)
    last = (count - 1)[:, None].to(place)
    inside = (place >= -1) & (place <= last + 1)  # false for what is not a number
    place = torch.where(inside, place, 0.0).clamp(min=0).minimum(last)
    low = place.floor()
    beyond = place - low
    pixels = torch.stack([low, torch.minimum(low + 1, last)], dim=-1)
    weights = torch.stack([1 - beyond, beyond], dim=-1) * inside[..., None] / SAMPLES
    shape = (size, 2 * SAMPLES)
    return pixels.long().flatten(1).unflatten(1, shape), weights.flatten(1).unflatten(1, shape)


def pyramid_level(boxes: Tensor, levels: int, canonical: float = 224.0, finest: int = 2) -> Tensor:
    """Which map of a pyramid a box is read from, by its size: (M, 4) xyxy -> (M,) index.

    A square of ``canonical`` pixels is read at stride 16 (Lin et al., "Feature Pyramid Networks",
    CVPR 2017, equation 1).

    Args:
        boxes: in input pixels; one without area is read from the finest map.
        levels: maps of the pyramid.
        canonical: 224 for photos 800 pixels high; less where inputs are smaller, lest all boxes
            end up on the finest map.
        finest: binary logarithm of the finest map's stride.
    """
    width, height = at_least_single(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).unbind(-1)
    level = torch.floor(4 + torch.log2((width * height).sqrt() / canonical + 1e-8)) - finest
    return level.nan_to_num(0).clamp(0, levels - 1).long()
