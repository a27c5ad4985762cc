"""High-resolution modules of HRNet.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019,
section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import cast

from torch import Tensor, nn

from posekit.models.layers.resnet import BasicBlock, conv3x3, residual_layer


def conv_bn_relu(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        conv3x3(channels_in, channels_out, stride), nn.BatchNorm2d(channels_out), nn.ReLU(True)
    )


def transition(channels_in: Sequence[int], channels_out: Sequence[int]) -> nn.ModuleList:
    """From one stage's branches to the next stage's, which has one branch more.

    Branches whose width does not change pass through; the new branch is a stride-2
    convolution of the last (lowest-resolution) branch.
    """
    branches: list[nn.Module | None] = [
        None if old == new else conv_bn_relu(old, new)
        for old, new in zip(channels_in, channels_out, strict=False)
    ]
    branches.append(nn.Sequential(conv_bn_relu(channels_in[-1], channels_out[-1], stride=2)))
    return optional_modules(branches)


def apply_transition(layers: nn.ModuleList, branches: Sequence[Tensor]) -> list[Tensor]:
    """Run :func:`transition`: n branches (B, C_i, H / 2^i, W / 2^i) become n + 1."""
    sources = [*branches, branches[-1]]
    return [x if layer is None else layer(x) for layer, x in zip(layers, sources, strict=True)]


def optional_modules(modules: Iterable[nn.Module | None]) -> nn.ModuleList:
    """A module list in which None is the identity, so that indices stay the official ones."""
    layers = nn.ModuleList()
    for index, module in enumerate(modules):
        layers.add_module(str(index), module)
    return layers


def fuse(channels: Sequence[int], target: int, source: int) -> nn.Module | None:
    """How the ``source`` branch reaches the ``target`` branch; None where they are the same."""
    if source == target:
        return None
    if source > target:
        return nn.Sequential(
            nn.Conv2d(channels[source], channels[target], 1, bias=False),
            nn.BatchNorm2d(channels[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = [
        conv_bn_relu(channels[source], channels[source], stride=2)
        for _ in range(target - source - 1)
    ]
    last = nn.Sequential(
        conv3x3(channels[source], channels[target], stride=2),
        nn.BatchNorm2d(channels[target]),
    )
    return nn.Sequential(*steps, last)


class HRModule(nn.Module):
    """Parallel branches of four basic blocks, then every branch sums all branches.

    Args:
        channels: width of each branch, highest resolution first.
        outputs: how many of the branches are fused and returned (the last module of a
            network that reads only the high resolution needs one).
    """

    def __init__(self, channels: Sequence[int], outputs: int | None = None) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, c, c, 4) for c in channels)
        self.fuse_layers = nn.ModuleList(
            optional_modules(fuse(channels, target, source) for source in range(len(channels)))
            for target in range(outputs or len(channels))
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Branches (B, C_i, H / 2^i, W / 2^i) in, the fused ones out."""
        branches = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        return [self.relu(self._sum(fuse, branches)) for fuse in self.fuse_layers]

    @staticmethod
    def _sum(fuse: nn.Module, branches: Sequence[Tensor]) -> Tensor:
        layers = cast(nn.ModuleList, fuse)
        moved = [x if f is None else f(x) for f, x in zip(layers, branches, strict=True)]
        return reduce(add, moved)
