"""Pyramids on HRNet's four branches.

:class:`HRFPN` is that of HRNetV2p (Sun et al., "High-Resolution Representations for Labeling
Pixels and Regions", 2019, arXiv 1904.04514, figure 4); :class:`HRFPNv1` is QueryPose's variation
for HRNet-W48, which adds every branch once more where the pyramid has its resolution.

The published checkpoints hold convolutions that no output depends on (``fpn_conv.4``, and
``lateral_conv.0`` of the variation); these modules do not have them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HRFPN(nn.Module):
    """All branches at the finest resolution, mixed, then averaged down to every resolution.

    Args:
        trunk: makes maps at strides 4, 8, 16 and 32, finest first.
        channels: widths of the trunk's maps.
        width: of the pyramid's maps.
    """

    bias = True

    def __init__(self, trunk: nn.Module, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.bottom_up = trunk
        self.reduction_conv = nn.Sequential(nn.Conv2d(sum(channels), width, 1))
        self.fpn_conv = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=self.bias) for _ in channels
        )

    @property
    def finest(self) -> nn.Module:
        """What puts out the map at stride 4."""
        return self.fpn_conv[0]

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, width, H / s, W / s) for s = 4, 8, 16, 32."""
        branches = self.bottom_up(images)
        size = branches[0].shape[-2:]
        fine = [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in branches[1:]]
        mixed = self.reduction_conv(torch.cat([branches[0], *fine], dim=1))  # (B, width, H/4, W/4)
        levels = self.levels(mixed, branches)
        return [conv(x) for conv, x in zip(self.fpn_conv, levels, strict=True)]

    def levels(self, mixed: Tensor, branches: Sequence[Tensor]) -> list[Tensor]:
        """The mixture at every resolution, finest first."""
        return [F.avg_pool2d(mixed, 2**i) if i else mixed for i in range(len(branches))]


class HRFPNv1(HRFPN):
    """As :class:`HRFPN`, but on its way down the mixture meets each branch again."""

    bias = False

    def __init__(self, trunk: nn.Module, channels: Sequence[int], width: int) -> None:
        super().__init__(trunk, channels, width)
        # Indices are the branches', as in the official code; the finest branch joins nowhere.
        self.lateral_conv = nn.ModuleDict(
            {str(i): nn.Conv2d(c, width, 1, bias=False) for i, c in enumerate(channels) if i}
        )

    def levels(self, mixed: Tensor, branches: Sequence[Tensor]) -> list[Tensor]:
        """The mixture at every resolution, finest first, the coarser branches added to it."""
        maps = [mixed]
        for i, branch in enumerate(branches[1:], start=1):
            maps.append(F.avg_pool2d(maps[-1], 2) + self.lateral_conv[str(i)](branch))
        return maps
