"""Trunks of the OpenPose line: features at stride 8.

VGG-19 up to its conv4_2 and two convolutions more [code], or a small ResNet for CPUs [ours]; tags
as in :mod:`posekit.models.ssa`.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from posekit.models.layers.resnet import Bottleneck, residual_layer

_VGG = ((1, 2), (2, 2), (4, 4), (8, 2))
"""Groups of VGG-19 up to conv4_2: width over the first group's, and convolutions."""


def vgg19_trunk(width: int, features: int) -> nn.Sequential:
    """Ten 3x3 convolutions with three poolings between their groups, then two to ``features``.

    Receptive field 116 pixels [code]. The first part is called ``features`` and numbered as
    torchvision numbers it, so that ImageNet weights fit by name.
    """
    layers: list[nn.Module] = []
    channels = 3
    for group, (factor, count) in enumerate(_VGG):
        if group:
            layers.append(nn.MaxPool2d(2))
        for _ in range(count):
            layers += [nn.Conv2d(channels, factor * width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = factor * width
    adapt: list[nn.Module] = []
    for out in (4 * width, features):
        adapt += [nn.Conv2d(channels, out, 3, padding=1), nn.PReLU(out, init=0.0)]
        channels = out
    for layer in adapt:
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(OrderedDict(features=nn.Sequential(*layers), adapt=nn.Sequential(*adapt)))


def resnet_trunk(width: int, features: int) -> nn.Sequential:
    """ResNet's stem and first two layers, then a 1x1 convolution to ``features``."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(width),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
            layer1=residual_layer(Bottleneck, width, width, blocks=3),
            layer2=residual_layer(Bottleneck, 4 * width, 2 * width, blocks=4, stride=2),
            reduce=nn.Conv2d(8 * width, features, 1, bias=False),
            bn2=nn.BatchNorm2d(features),
            relu2=nn.ReLU(inplace=True),
        )
    )
