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

from posekit.models.layers.resnet import BasicBlock, Bottleneck, conv3x3, residual_layer


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


class HRNet(nn.Module):
    """HRNet up to its fourth stage: four branches, each fused with all others.

    Args:
        width: channels of the high-resolution branch (32 in HRNet-W32); each coarser one doubles.

    Parameter names are those of the official pose network, without its last layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = tuple(width * 2**i for i in range(4))
        c = self.channels
        self.conv1 = conv3x3(3, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, 64, 64, blocks=4)
        self.transition1 = transition([256], c[:2])
        self.stage2 = nn.ModuleList(HRModule(c[:2]) for _ in range(1))
        self.transition2 = transition(c[:2], c[:3])
        self.stage3 = nn.ModuleList(HRModule(c[:3]) for _ in range(4))
        self.transition3 = transition(c[:3], c)
        self.stage4 = nn.ModuleList(HRModule(c) for _ in range(3))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> branches (B, width * 2^i, H / s, W / s) for s = 4, 8, 16, 32."""
        x = self.relu(self.bn1(self.conv1(images)))  # (B, 64, H / 2, W / 2)
        branches = [self.layer1(self.relu(self.bn2(self.conv2(x))))]  # (B, 256, H / 4, W / 4)
        for change, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            branches = apply_transition(change, branches)
            for module in stage:
                branches = module(branches)
        return branches
