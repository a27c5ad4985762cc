"""Residual blocks of ResNet (He et al., "Deep Residual Learning", CVPR 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without bias, padded to keep the size at stride 1."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (figure 5, left). Output has ``width`` channels."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, width, H / stride, W / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + residual)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (figure 5, right); ``4 * width`` channels out.

    The stride sits on the 3x3 convolution, as in torchvision, not on the first 1x1.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 4 * width, H / stride, W / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + residual)


def shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    """The projection shortcut where shapes change, None where the identity fits."""
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )


def residual_layer(
    block: type[BasicBlock] | type[Bottleneck],
    channels: int,
    width: int,
    blocks: int,
    stride: int = 1,
) -> nn.Sequential:
    """``blocks`` residual blocks; the first one changes channels and takes the stride."""
    first = block(channels, width, stride)
    rest = [block(width * block.expansion, width) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class ResNet(nn.Module):
    """ResNet without its classifier: the maps of its four stages, for a pyramid (table 1).

    Args:
        block: :class:`BasicBlock` (ResNet-18, 34) or :class:`Bottleneck` (ResNet-50 and deeper).
        width: channels of the stem, and of the first stage's 3x3 convolutions; each later stage
            doubles them.
        blocks: residual blocks in each stage.

    Parameter names are torchvision's, so that weights learned on ImageNet fit.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        width: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.channels = tuple(width * 2**i * block.expansion for i in range(len(blocks)))
        before = (width, *self.channels)
        for i, count in enumerate(blocks):
            layer = residual_layer(block, before[i], width * 2**i, count, stride=2 if i else 1)
            self.add_module(f"layer{i + 1}", layer)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps (B, channels[i], H / s, W / s) for s = 4, 8, 16, 32."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = []
        for i in range(len(self.channels)):
            x = self.get_submodule(f"layer{i + 1}")(x)
            maps.append(x)
        return maps

    def freeze_early(self, stages: int = 1) -> None:
        """Hold the stem and the first ``stages`` stages at their weights in training."""
        early = [self.conv1, self.bn1]
        early += [self.get_submodule(f"layer{i + 1}") for i in range(stages)]
        for module in early:
            module.requires_grad_(False)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation that stays what it is: statistics and affine map learn nothing.

    For networks fine-tuned on few images at a time.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            self.register_buffer(name, torch.full((channels,), float(value)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same shape."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


def freeze_norms(module: nn.Module) -> None:
    """Replace every batch normalisation inside ``module``, in place, by a frozen one."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features))
        else:
            freeze_norms(child)
