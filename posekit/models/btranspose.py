"""BTranspose: Bottleneck Transformers for Human Pose Estimation with Self-Supervised Pre-Training.

Balakrishnan and Upadhyay, 2022, arXiv 2204.10209.

Between the CNN and the encoder of TransPose-R stands a stage of *bottleneck transformers*: residual
bottlenecks whose 3x3 convolution is replaced by self-attention with relative positions. A keypoint
then depends on the photo at two levels, mid (the MHSA of the bottlenecks) and high (the encoder),
and both can be asked.

Known from the abstract: the parts, their order, pre-training with DINO, the two levels of
dependency. No code was published; widths, grid and variants are **our reading**, put together
from BoTNet (arXiv 2101.11605) and TransPose (arXiv 2012.14214).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from posekit.models.layers.attention import RelativeAttention2d
from posekit.models.layers.resnet import shortcut
from posekit.models.transpose import Size, TransPoseConfig, TransPoseR
from posekit.trace import active_tape


@dataclass(frozen=True)
class BTransposeConfig(TransPoseConfig):
    """What distinguishes one BTranspose from another, besides what distinguishes TransPoses.

    Attributes:
        bot_blocks: bottleneck transformers in the stage.
        bot_heads: attention heads in each.
    """

    bot_blocks: int = 1
    bot_heads: int = 4


R50_1BOT_ENC4 = BTransposeConfig("resnet", 64, 256, 1024, layers=4, heads=8)
R50_3BOT_ENC4 = BTransposeConfig("resnet", 64, 256, 1024, layers=4, heads=8, bot_blocks=3)
R50_1BOT_ENC2 = BTransposeConfig("resnet", 64, 256, 1024, layers=2, heads=8)
SMALL = BTransposeConfig(
    "resnet", 32, 128, 384, layers=3, heads=4, keypoints=14, input_size=(192, 144), dropout=0.0
)
"""With TransPose-R-small's trunk, encoder and head: what the bottleneck adds can be compared."""


class BottleneckTransformer(nn.Module):
    """1x1 convolution, MHSA, 1x1 convolution and a shortcut; ``4 * width`` channels out.

    BoTNet, figure 1 (right), at stride 1: the tokens stay those of TransPose-R.
    """

    def __init__(self, channels: int, width: int, heads: int, grid: Size) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.mhsa = RelativeAttention2d(width, heads, grid)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(channels, 4 * width, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, rows, cols) -> (B, 4 * width, rows, cols)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.mhsa(out)))
        return self.relu(self.bn3(self.conv3(out)) + residual)


class BTranspose(TransPoseR):
    """ResNet-50 up to its second layer, bottleneck transformers, TransPose's encoder and head.

    ``layer3`` is the stage that ResNet calls C4. :meth:`trunk` is what DINO pre-trains.
    """

    def __init__(self, config: BTransposeConfig) -> None:
        super().__init__(config)
        width = 4 * config.width
        grid = self.grid_size(config.input_size)
        self.layer3 = nn.Sequential(
            BottleneckTransformer(2 * width, width, config.bot_heads, grid),
            *(
                BottleneckTransformer(4 * width, width, config.bot_heads, grid)
                for _ in range(config.bot_blocks - 1)
            ),
        )
        # In place of TransPose-R's own: the stage has twice its trunk's channels.
        self.reduce = nn.Conv2d(4 * width, config.d_model, 1, bias=False)

    @property
    def bottlenecks(self) -> Iterator[BottleneckTransformer]:
        """The bottleneck transformers, first to last."""
        return (cast(BottleneckTransformer, block) for block in self.layer3)

    def trunk(self, images: Tensor) -> Tensor:
        """Stem, layer1 and layer2 of the ResNet, then the bottleneck transformers."""
        return cast(Tensor, self.layer3(super().trunk(images)))  # (B, 16 width, H / 8, W / 8)

    def leave_trace(self, input_size: Size, heatmaps: Tensor) -> None:
        """Name the mid level first, then the encoder as TransPose does."""
        self.leave_bottlenecks(input_size)
        super().leave_trace(input_size, heatmaps)

    def leave_bottlenecks(self, input_size: Size) -> None:
        """Name what the MHSA blocks attended with; content and position can be told apart."""
        if (tape := active_tape(self)) is None:
            return
        grid = self.token_grid(input_size)
        for n, block in enumerate(self.bottlenecks, start=1):
            mhsa = block.mhsa
            parts = mhsa.parts(grid.size)
            tape.attention(f"mhsa.{n}", "mhsa", mhsa, grid, grid, parts=parts)
