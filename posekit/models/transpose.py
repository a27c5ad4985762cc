"""TransPose: Keypoint Localization via Transformer.

Yang, Quan, Nie, Yang, ICCV 2021, arXiv 2012.14214.

A CNN makes a grid of tokens, a transformer encoder lets every token gather from every
other, and a head reads one heatmap a keypoint off the tokens. The paper's claim is that
the last layer's attention, at the token of a heatmap's peak, shows where the keypoint
was inferred from: its *dependency area* (section 3.4).

Parameter names are the official ones, so that official checkpoints load unchanged.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ModelError
from posekit.geometry import TokenGrid
from posekit.models.layers.attention import MultiHeadAttention
from posekit.models.layers.hrnet import HRModule, apply_transition, transition
from posekit.models.layers.resnet import Bottleneck, conv3x3, residual_layer
from posekit.trace import active_tape

Size = tuple[int, int]


@dataclass(frozen=True)
class TransPoseConfig:
    """What distinguishes one TransPose from another.

    Attributes:
        trunk: ``"resnet"`` (TransPose-R) or ``"hrnet"`` (TransPose-H).
        width: channels of the trunk: the first bottleneck's (64 in ResNet-50) or the
            high-resolution branch's (32 in HRNet-W32).
        d_model: width of a token.
        feedforward: hidden width of an encoder layer's two-layer perceptron.
        layers: encoder layers.
        heads: attention heads in each.
        keypoints: heatmaps.
        input_size: (height, width) of the crop the published weights were trained at.
        dropout: in the encoder, in training.
    """

    trunk: str
    width: int
    d_model: int
    feedforward: int
    layers: int
    heads: int
    keypoints: int = 17
    input_size: Size = (256, 192)
    dropout: float = 0.1

    @property
    def stride(self) -> int:
        """Crop pixels a token covers along each side."""
        return 8 if self.trunk == "resnet" else 4


R_A3 = TransPoseConfig("resnet", 64, 256, 1024, layers=3, heads=8)
R_A4 = TransPoseConfig("resnet", 64, 256, 1024, layers=4, heads=8)
R_A3_LSP = TransPoseConfig("resnet", 64, 256, 1024, layers=3, heads=8, keypoints=14)
"""R-A3 with the keypoints of Leeds Sports Pose, for who has a GPU to train it on."""
H_S = TransPoseConfig("hrnet", 32, 64, 128, layers=4, heads=1)
H_A4 = TransPoseConfig("hrnet", 48, 96, 192, layers=4, heads=1)
H_A6 = TransPoseConfig("hrnet", 48, 96, 192, layers=6, heads=1)
R_SMALL = TransPoseConfig(
    "resnet", 32, 128, 384, layers=3, heads=4, keypoints=14, input_size=(192, 144), dropout=0.0
)
"""A TransPose-R a fifth of R-A3's size, for CPUs and for the checkpoint that is shipped."""


def sine_position_table(rows: int, cols: int, d_model: int) -> Tensor:
    """The fixed position of every token, (rows * cols, 1, d_model), rows outermost.

    The first half of the channels encodes the row, the second the column, each scaled
    to one turn over the grid: DETR's normalised sine embedding (paper, section 3.2).
    """
    half = d_model // 2
    channel = torch.arange(half)
    frequency = 10000.0 ** (2 * (channel // 2) / half)

    def encode(count: int) -> Tensor:  # (count, half)
        angle = 2 * math.pi * torch.arange(1, count + 1) / (count + 1e-6)
        phase = angle[:, None] / frequency
        return torch.where(channel % 2 == 0, phase.sin(), phase.cos())

    row = encode(rows)[:, None].expand(-1, cols, -1)
    col = encode(cols)[None].expand(rows, -1, -1)
    return torch.cat([row, col], dim=-1).reshape(rows * cols, 1, d_model)


class EncoderLayer(nn.Module):
    """One post-norm encoder layer; the position is added to queries and keys, never to values."""

    def __init__(self, d_model: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads, dropout)
        self.linear1 = nn.Linear(d_model, feedforward)
        self.linear2 = nn.Linear(feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        for linear in (self.self_attn.out_proj, self.linear1, self.linear2):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor, position: Tensor, attended: Tensor | None = None) -> Tensor:
        """(B, T, d) tokens and (1 or B, T, d) positions -> (B, T, d).

        ``attended`` (B, T) bool says which tokens may be attended to; None is all.
        """
        q = k = x + position
        some = () if attended is None else (attended,)
        x = self.norm1(x + self.dropout(self.self_attn(q, k, x, *some)))
        hidden = self.dropout(F.relu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden)))


class Encoder(nn.Module):
    """A stack of :class:`EncoderLayer`, without a final norm."""

    def __init__(self, config: TransPoseConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(config.d_model, config.heads, config.feedforward, config.dropout)
            for _ in range(config.layers)
        )

    def __iter__(self) -> Iterator[EncoderLayer]:
        return (cast(EncoderLayer, layer) for layer in self.layers)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """(B, T, d) tokens and (1, T, d) positions -> (B, T, d)."""
        for layer in self:
            x = layer(x, position)
        return x


class TransPose(nn.Module, ABC):
    """What both families share: tokens, encoder, heatmaps, trace.

    Build one with :func:`transpose`. Subclasses bring the trunk that makes the tokens
    and the head that reads the heatmaps.
    """

    reduce: nn.Conv2d
    global_encoder: Encoder
    final_layer: nn.Conv2d

    def __init__(self, config: TransPoseConfig) -> None:
        super().__init__()
        self.config = config
        rows, cols = self.grid_size(config.input_size)
        table = sine_position_table(rows, cols, config.d_model)
        self.pos_embedding = nn.Parameter(table, requires_grad=False)

    @abstractmethod
    def trunk(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H / stride, W / stride)."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """(B, d_model, H / stride, W / stride) -> (B, keypoints, H / 4, W / 4)."""

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps of every keypoint.

        Args:
            images: (B, 3, H, W) RGB, normalised; H and W multiples of the stride.

        Returns:
            (B, keypoints, H / 4, W / 4); a keypoint lies at its map's maximum.

        Raises:
            ModelError: the size is not a multiple of the stride.
        """
        size = (images.shape[-2], images.shape[-1])
        heatmaps = self.read_tokens(self.make_tokens(images), size)
        self.leave_trace(size, heatmaps)
        return heatmaps

    def make_tokens(self, images: Tensor) -> Tensor:
        """What the CNN makes of the crops: (B, 3, H, W) -> tokens (B, rows * cols, d_model)."""
        self.grid_size((images.shape[-2], images.shape[-1]))  # refuses a size that does not fit
        return self.reduce(self.trunk(images)).flatten(2).transpose(1, 2)

    def read_tokens(self, tokens: Tensor, input_size: Size) -> Tensor:
        """Encoder and head: tokens (B, rows * cols, d_model) of crops of a size -> heatmaps."""
        rows, cols = self.grid_size(input_size)
        tokens = self.global_encoder(tokens, self.position(rows, cols))
        return self.head(tokens.transpose(1, 2).unflatten(-1, (rows, cols)))

    def initialise(self, pretrained: Mapping[str, Tensor] | None = None) -> int:
        """Start a training as the official code does, in place.

        Without ``pretrained``, convolutions are drawn from normal(0, 0.001), which is harmless
        under batch norm; encoder matrices are Xavier uniform from their construction. With
        ImageNet weights of ResNet-50 or HRNet, every trunk tensor found there is copied;
        TransPose-R then redraws its last layer only, TransPose-H all convolutions before copying.

        Args:
            pretrained: state dict of an ImageNet classifier.

        Returns:
            How many tensors were copied.

        Raises:
            ModelError: nothing in ``pretrained`` fits this trunk.
        """
        redraw_all = pretrained is None or self.config.trunk == "hrnet"
        for module in self.modules() if redraw_all else [self.final_layer]:
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if pretrained is None:
            return 0
        own = self.state_dict()
        fitting = {k: v for k, v in pretrained.items() if k in own and v.shape == own[k].shape}
        if not fitting:
            raise ModelError("No tensor of these weights fits the model's trunk.")
        self.load_state_dict(fitting, strict=False)
        return len(fitting)

    def leave_trace(self, input_size: Size, heatmaps: Tensor) -> None:
        """Name what the layers attended with, when this pass is being recorded."""
        if (tape := active_tape(self)) is None:
            return
        grid = self.token_grid(input_size)
        for n, layer in enumerate(self.global_encoder, start=1):
            tape.attention(f"encoder.{n}", "encoder", layer.self_attn, grid, grid)
        tape.heatmaps(heatmaps)

    def position(self, rows: int, cols: int) -> Tensor:
        """Positions (1, rows * cols, d_model): the checkpoint's, or computed for another grid."""
        if (rows, cols) == self.grid_size(self.config.input_size):
            return self.pos_embedding.transpose(0, 1)
        table = sine_position_table(rows, cols, self.config.d_model)
        return table.to(self.pos_embedding).transpose(0, 1)

    def grid_size(self, input_size: Size) -> Size:
        """(rows, cols) of the token grid.

        Raises:
            ModelError: the input size is not a multiple of the stride.
        """
        stride = self.config.stride
        if input_size[0] % stride or input_size[1] % stride or min(input_size) < stride:
            raise ModelError(
                f"This model needs an input whose sides are multiples of {stride}; "
                f"{input_size[0]} x {input_size[1]} is not."
            )
        return input_size[0] // stride, input_size[1] // stride

    def heatmap_size(self, input_size: Size) -> Size:
        """(h, w) of the heatmaps: a quarter of the input, in both families."""
        return input_size[0] // 4, input_size[1] // 4

    def token_grid(self, input_size: Size) -> TokenGrid:
        """Where the tokens lie on the crop, following the heatmaps they produce."""
        return TokenGrid.from_heatmap(
            *self.grid_size(input_size), self.heatmap_size(input_size), input_size
        )


class TransPoseR(TransPose):
    """TransPose-R: ResNet-50 up to its second layer, tokens at 1/8, one deconvolution."""

    def __init__(self, config: TransPoseConfig) -> None:
        super().__init__(config)
        width, d = config.width, config.d_model
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = residual_layer(Bottleneck, width, width, blocks=3)
        self.layer2 = residual_layer(Bottleneck, 4 * width, 2 * width, blocks=4, stride=2)
        self.reduce = nn.Conv2d(8 * width, d, 1, bias=False)
        self.global_encoder = Encoder(config)
        self.deconv_layers = nn.Sequential(
            nn.ConvTranspose2d(d, d, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(inplace=True),
        )
        self.final_layer = nn.Conv2d(d, config.keypoints, 1)

    def trunk(self, images: Tensor) -> Tensor:
        """ResNet's stem, layer1 and layer2."""
        x = self.relu(self.bn1(self.conv1(images)))  # (B, width, H / 2, W / 2)
        x = self.layer1(self.maxpool(x))  # (B, 4 width, H / 4, W / 4)
        return self.layer2(x)  # (B, 8 width, H / 8, W / 8)

    def head(self, features: Tensor) -> Tensor:
        """Twice the resolution, then one heatmap a keypoint."""
        return self.final_layer(self.deconv_layers(features))


class TransPoseH(TransPose):
    """TransPose-H: HRNet up to its third stage, tokens at 1/4 from the high-resolution branch."""

    def __init__(self, config: TransPoseConfig) -> None:
        super().__init__(config)
        c = config.width
        self.conv1 = conv3x3(3, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, 64, 64, blocks=4)
        self.transition1 = transition([256], [c, 2 * c])
        self.stage2 = nn.ModuleList([HRModule([c, 2 * c])])
        self.transition2 = transition([c, 2 * c], [c, 2 * c, 4 * c])
        self.stage3 = nn.ModuleList(
            HRModule([c, 2 * c, 4 * c], outputs=1 if last else 3)
            for last in (False, False, False, True)
        )
        self.reduce = nn.Conv2d(c, config.d_model, 1, bias=False)
        self.global_encoder = Encoder(config)
        self.final_layer = nn.Conv2d(config.d_model, config.keypoints, 1)

    def trunk(self, images: Tensor) -> Tensor:
        """HRNet's stem, layer1, stage2 and stage3; the high-resolution branch alone goes on."""
        x = self.relu(self.bn1(self.conv1(images)))  # (B, 64, H / 2, W / 2)
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))  # (B, 256, H / 4, W / 4)
        branches = apply_transition(self.transition1, [x])
        for module in self.stage2:
            branches = module(branches)
        branches = apply_transition(self.transition2, branches)
        for module in self.stage3:
            branches = module(branches)
        return branches[0]  # (B, C, H / 4, W / 4)

    def head(self, features: Tensor) -> Tensor:
        """One heatmap a keypoint."""
        return self.final_layer(features)


def transpose(config: TransPoseConfig) -> TransPose:
    """Build the TransPose that ``config`` describes, with random weights."""
    return TransPoseR(config) if config.trunk == "resnet" else TransPoseH(config)


def heatmap_loss(heatmaps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Half the mean squared error, over the keypoints that are labelled.

    Args:
        heatmaps: (B, K, h, w) predicted.
        target: (B, K, h, w) Gaussians.
        weight: (B, K), 0 where a keypoint has no label.

    Returns:
        A scalar: the mean over keypoints, batch and pixels, as the official code has it.
    """
    error = (heatmaps.float() - target) ** 2
    return 0.5 * (error.mean((-2, -1)) * weight**2).mean()
