"""What a stage of the OpenPose line is made of; tags as in :mod:`posekit.models.ssa`."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def conv(channels_in: int, channels_out: int, size: int, batch_norm: bool) -> nn.Sequential:
    """A convolution that keeps the grid, and its PReLU, which starts as a ReLU [code]."""
    layer = nn.Conv2d(channels_in, channels_out, size, padding=size // 2, bias=not batch_norm)
    nn.init.xavier_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    norm = [nn.BatchNorm2d(channels_out)] if batch_norm else []
    return nn.Sequential(layer, *norm, nn.PReLU(channels_out, init=0.0))


class DenseBlock(nn.Module):
    """Three 3x3 convolutions in a row, all three outputs side by side [code]."""

    def __init__(self, channels_in: int, width: int, batch_norm: bool) -> None:
        super().__init__()
        self.first = conv(channels_in, width, 3, batch_norm)
        self.second = conv(width, width, 3, batch_norm)
        self.third = conv(width, width, 3, batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) -> (B, 3 * width, h, w)."""
        first = self.first(x)
        second = self.second(first)
        return torch.cat([first, second, self.third(second)], dim=1)


class ColumnStage(nn.Sequential):
    """Five dense blocks and two 1x1 convolutions, the last without activation [code]."""

    def __init__(self, channels_in: int, width: int, channels_out: int, batch_norm: bool) -> None:
        inner = 512 if width >= 128 else 256 if width >= 96 else 4 * width
        blocks = [
            DenseBlock(channels_in if n == 0 else 3 * width, width, batch_norm) for n in range(5)
        ]
        last = nn.Conv2d(inner, channels_out, 1)
        if batch_norm:  # what it reads is of unit size: begin near 0, as most of the truth is
            nn.init.normal_(last.weight, std=0.005)
        else:
            nn.init.xavier_normal_(last.weight)
        nn.init.zeros_(cast(Tensor, last.bias))
        super().__init__(*blocks, conv(3 * width, inner, 1, batch_norm), last)


class Branch(nn.Sequential):
    """One branch of a stage of CVPR 2017 [code]: the first stage's is narrower in view."""

    def __init__(self, channels_in: int, width: int, channels_out: int, first: bool) -> None:
        sizes, inner = ([3] * 3, 4 * width) if first else ([7] * 5, width)
        layers: list[nn.Module] = []
        for size in sizes:
            layers += [nn.Conv2d(channels_in, width, size, padding=size // 2), nn.ReLU()]
            channels_in = width
        layers += [nn.Conv2d(width, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels_out, 1)]
        super().__init__(*layers)
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(cast(Tensor, layer.bias))
