"""What distinguishes one network of :mod:`posekit.models.instance` from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posekit.decode.paf_grid import PafGrid
from posekit.errors import ModelError
from posekit.models.transpose import TransPoseConfig
from posekit.skeleton import COCO17, LSP14, Skeleton

__all__ = ["R50", "SMALL", "InstanceConfig"]

Size = tuple[int, int]


@dataclass(frozen=True)
class InstanceConfig:
    """What distinguishes one network from another.

    Attributes:
        skeleton: its keypoints make the heatmaps.
        width: channels of the trunk's first bottleneck (64 in ResNet-50).
        stride: input pixels a token covers along each side: 8, ResNet up to its second stage, or
            16, up to its third (C4).
        d_model: width of a token.
        heads: attention heads in each layer.
        feedforward: hidden width of an encoder layer's perceptron.
        layers: encoder layers.
        supervised: which of them masks supervise, from 1; None is the last but one.
        offsets: predict where in its heatmap cell a keypoint lies.
        dropout: in the encoder, in training.
        input_size: (height, width) that photos are scaled to fit in; any other will do.
        least_peak: height of a heatmap's peak that may be a keypoint.
        least_affinity: mean affinity with a person's keypoints that makes one theirs.
        least_mask: height of a person's mean attention at which their mask ends.
        least_parts: keypoints of a person; of fewer there is none.

    Raises:
        ModelError: there is no such layer.
    """

    skeleton: Skeleton = COCO17
    width: int = 64
    stride: Literal[8, 16] = 16
    d_model: int = 256
    heads: int = 8
    feedforward: int = 1024
    layers: int = 6
    supervised: int | None = None
    offsets: bool = True
    dropout: float = 0.1
    input_size: Size = (640, 640)
    least_peak: float = 0.15
    least_affinity: float = 0.3
    least_mask: float = 0.5
    least_parts: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.supervised_layer <= self.layers:
            raise ModelError(
                f"There is no encoder layer {self.supervised_layer} to supervise; "
                f"there are {self.layers}."
            )

    @property
    def supervised_layer(self) -> int:
        """The number of the supervised layer, from 1."""
        return max(1, self.layers - 1) if self.supervised is None else self.supervised

    @property
    def encoder(self) -> TransPoseConfig:
        """The encoder's part, as TransPose says it."""
        return TransPoseConfig(
            "resnet", self.width, self.d_model, self.feedforward, self.layers, self.heads,
            keypoints=self.skeleton.size, dropout=self.dropout,
        )  # fmt: skip

    @property
    def tokens(self) -> PafGrid:
        """How tokens lie on the input."""
        return PafGrid(stride=self.stride)

    @property
    def heat(self) -> PafGrid:
        """How heatmap pixels lie on the input."""
        return PafGrid(stride=4)


R50 = InstanceConfig()
"""At the paper's size, as far as it is known: ResNet-50 and six layers of 256 [ours]."""
SMALL = InstanceConfig(
    LSP14, width=32, stride=8, d_model=128, heads=4, feedforward=384, layers=4, dropout=0.0,
    input_size=(192, 192), least_peak=0.2, least_affinity=0.2, least_mask=0.3, least_parts=6,
)  # fmt: skip
"""TransPose-R-small with a fourth layer: for CPUs, and for the checkpoint that ships [ours].

What is least was chosen for its weights on photographs and composites of LSPET's validation people
(``benchmarks/instance_thresholds.py``): lower peaks are nobody's, higher affinities break people
into pieces, higher masks cut them down to the surroundings of keypoints, and with five keypoints a
person there are a fifth more false alarms, and hardly anybody more is found.
"""
