"""Heatmaps to keypoints and back: DARK decoding and Gaussian targets, batched on any device.

Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation" (DARK), CVPR
2020, arXiv 1910.06278, as TransPose uses it (section 5 of its specification). Coordinates are
(x, y) in heatmap pixels, pixel centres at the integers; maps are (N, K, h, w).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["decode_heatmaps", "encode_heatmaps", "plain_peaks"]

BLUR_TAPS = 11
BLUR_SIGMA = 2.0  # what OpenCV derives from 11 taps: 0.3 * ((11 - 1) * 0.5 - 1) + 0.8
SMALLEST = 1e-10  # floor of the blurred map before its logarithm


def plain_peaks(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The greatest pixel of each map: coordinates (N, K, 2) and values (N, K), float32.

    A map with nothing above zero has its peak at (0, 0).
    """
    scores, index = heatmaps.float().flatten(2).max(dim=-1)
    width = heatmaps.shape[-1]
    coords = torch.stack([index % width, index // width], dim=-1).float()
    return coords * (scores > 0).unsqueeze(-1), scores


def decode_heatmaps(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Keypoints to sub-pixel accuracy: coordinates (N, K, 2) and scores (N, K), float32.

    DARK: the map is blurred, scaled back to its own peak, and its logarithm taken; one Newton step
    from the greatest pixel m then gives the mean of the Gaussian the map would be (equation 8 of
    the paper), m - H^-1 g. Peaks within two pixels of the border, and those where the determinant
    of H is 0, stay where they are. The score is the peak before the blur.
    """
    coords, scores = plain_peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    blurred = _blurred(heatmaps.float())
    peak = blurred.amax(dim=(-2, -1)).clamp_min(SMALLEST)
    smooth = blurred * (scores / peak)[..., None, None]
    log_map = smooth.clamp_min(SMALLEST).log().flatten(2)  # (N, K, h * w)

    x, y = coords.long().unbind(-1)
    refinable = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    # Where there is no room for the stencil any place inside will do: the step is dropped below.
    at = torch.where(refinable, y * width + x, 0)

    def near(dx: int, dy: int) -> Tensor:
        """The logarithm (N, K) at an offset from each peak."""
        index = (at + dy * width + dx).clamp(0, height * width - 1)
        return log_map.gather(-1, index.unsqueeze(-1)).squeeze(-1)

    gx = 0.5 * (near(1, 0) - near(-1, 0))
    gy = 0.5 * (near(0, 1) - near(0, -1))
    hxx = 0.25 * (near(2, 0) - 2 * near(0, 0) + near(-2, 0))
    hyy = 0.25 * (near(0, 2) - 2 * near(0, 0) + near(0, -2))
    hxy = 0.25 * (near(1, 1) - near(1, -1) - near(-1, 1) + near(-1, -1))
    determinant = hxx * hyy - hxy * hxy

    refinable &= determinant != 0
    divisor = torch.where(refinable, determinant, 1.0)
    step = torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], dim=-1) / divisor.unsqueeze(-1)
    return coords + torch.where(refinable.unsqueeze(-1), step, 0.0), scores


def encode_heatmaps(
    keypoints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Targets for training: a Gaussian of height 1 about each keypoint, over the whole map.

    Args:
        keypoints: (N, K, 2) heatmap pixels, sub-pixel and perhaps outside the map.
        visible: (N, K), 1 for a labelled keypoint and 0 for one that is not, whose coordinates may
            then be anything.
        size: (h, w) of the maps.
        sigma: of the Gaussian, in pixels.

    Returns:
        Targets (N, K, h, w) and weights (N, K), both float32. Map and weight are 0 where a keypoint
        is not labelled or its 3-sigma box lies wholly outside the map.
    """
    height, width = size
    weight = (visible > 0).to(torch.float32)
    mean = torch.where(visible.unsqueeze(-1) > 0, keypoints, 0.0).to(torch.float32)
    # The official code truncates the box to whole pixels, towards zero.
    low = (mean - 3 * sigma).trunc()
    high = (mean + 3 * sigma + 1).trunc()
    limit = mean.new_tensor([width, height])
    weight = weight * ((low < limit) & (high >= 0)).all(dim=-1)

    def profile(length: int, centre: Tensor) -> Tensor:
        away = torch.arange(length, device=mean.device, dtype=mean.dtype) - centre.unsqueeze(-1)
        return torch.exp(-(away**2) / (2 * sigma**2))  # (N, K, length)

    across, down = profile(width, mean[..., 0]), profile(height, mean[..., 1])
    target = (down * weight.unsqueeze(-1)).unsqueeze(-1) * across.unsqueeze(-2)
    return target, weight


def _blurred(heatmaps: Tensor) -> Tensor:
    """Gaussian blur of (N, K, h, w), as if the maps lay on zeros."""
    half = BLUR_TAPS // 2
    taps = [math.exp(-(i**2) / (2 * BLUR_SIGMA**2)) for i in range(-half, half + 1)]
    kernel = heatmaps.new_tensor(taps) / sum(taps)
    single = heatmaps.flatten(0, 1).unsqueeze(1)  # (N * K, 1, h, w)
    single = F.conv2d(single, kernel.view(1, 1, 1, -1), padding=(0, half))
    single = F.conv2d(single, kernel.view(1, 1, -1, 1), padding=(half, 0))
    return single.view_as(heatmaps)
