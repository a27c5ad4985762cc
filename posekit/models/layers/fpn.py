"""Feature pyramid network (Lin et al., "Feature Pyramid Networks", CVPR 2017, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FPN(nn.Module):
    """Every resolution of a trunk, given the meaning of the coarser ones; all of one width.

    Args:
        trunk: makes maps at strides 4, 8, 16 and 32, finest first.
        channels: widths of the trunk's maps.
        width: of the pyramid's maps.

    Modules bear detectron2's names: the trunk is ``bottom_up``, the level at stride 4 ends in 2.
    """

    def __init__(self, trunk: nn.Module, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.bottom_up = trunk
        self.levels = range(2, 2 + len(channels))
        for level, deep in zip(self.levels, channels, strict=True):
            self.add_module(f"fpn_lateral{level}", nn.Conv2d(deep, width, 1))
            self.add_module(f"fpn_output{level}", nn.Conv2d(width, width, 3, padding=1))

    @property
    def finest(self) -> nn.Module:
        """What puts out the map at stride 4."""
        return self.get_submodule("fpn_output2")

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, width, H / s, W / s) for s = 4, 8, 16, 32."""
        maps: list[Tensor] = []
        above: Tensor | None = None
        pairs = list(zip(self.levels, self.bottom_up(images), strict=True))
        for level, features in reversed(pairs):  # coarsest first
            here = self.get_submodule(f"fpn_lateral{level}")(features)
            if above is not None:
                here = here + F.interpolate(above, scale_factor=2.0, mode="nearest")
            maps.insert(0, self.get_submodule(f"fpn_output{level}")(here))
            above = here
        return maps
