"""Attend to Who You Are: keypoints, and who they belong to, from one supervised self-attention.

arXiv 2111.12892; "Detecting and Grouping Keypoints for Multi-person Pose Estimation using
Instance-aware Attention", Pattern Recognition 2023. Known from the abstracts: bottom-up; keypoints
and their association come from one transformer; instance masks supervise its self-attention, so
that a keypoint's attention stays on its own person; keypoints are grouped by pairwise attention,
and people's masks are read off it. No code was published: **everything else is our reading**.

A CNN makes a grid of tokens of the whole photo, encoder layers let every token gather from every
other, and a head reads heatmaps and sub-pixel offsets off the last. One layer, by default the last
but one, is the supervised one: see :mod:`posekit.models.instance_losses` for how.

Parameter names are TransPose-R's, so that its weights are a start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ModelError
from posekit.knockout import forbidden, unseen_keys
from posekit.models.instance_config import R50, SMALL, InstanceConfig
from posekit.models.layers.resnet import Bottleneck, residual_layer
from posekit.models.transpose import Encoder, EncoderLayer, sine_position_table
from posekit.trace import active_tape

__all__ = [
    "R50",
    "SMALL",
    "InstanceAttention",
    "InstanceConfig",
    "InstanceOutput",
    "attention_rows",
]

Size = tuple[int, int]


class InstanceOutput(NamedTuple):
    """What the network says of a batch of B photos.

    Attributes:
        heatmaps: (B, K, H / 4, W / 4).
        offsets: (B, 2, H / 4, W / 4), x and y from a cell's centre to the nearest keypoint, in
            cells; without channels when the network has none.
        queries: (B, heads, T, d) of the supervised layer.
        keys: (B, heads, T, d).
        attended: (B, T) bool, tokens that hold some of a photo; None when all do.
        unseen: (B or 1, T) bool, tokens that a knockout hides from the supervised layer; or None.
    """

    heatmaps: Tensor
    offsets: Tensor
    queries: Tensor
    keys: Tensor
    attended: Tensor | None
    unseen: Tensor | None = None

    def of(self, item: int) -> InstanceOutput:
        """What it says of one photo of the batch."""
        heatmaps, offsets, queries, keys = (t[item : item + 1] for t in self[:4])
        attended, unseen = (
            None if t is None else t.expand(len(self.heatmaps), -1)[item : item + 1]
            for t in (self.attended, self.unseen)
        )
        return InstanceOutput(heatmaps, offsets, queries, keys, attended, unseen)


class InstanceAttention(nn.Module):
    """The network that ``config`` describes, with random weights."""

    def __init__(self, config: InstanceConfig) -> None:
        super().__init__()
        self.config = config
        width, d = config.width, config.d_model
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = residual_layer(Bottleneck, width, width, blocks=3)
        self.layer2 = residual_layer(Bottleneck, 4 * width, 2 * width, blocks=4, stride=2)
        if config.stride == 16:
            self.layer3 = residual_layer(Bottleneck, 8 * width, 4 * width, blocks=6, stride=2)
        self.reduce = nn.Conv2d(config.stride * width, d, 1, bias=False)
        self.global_encoder = Encoder(config.encoder)
        doublings = range(int(math.log2(config.stride // 4)))
        self.deconv_layers = nn.Sequential(*(part for _ in doublings for part in _doubling(d)))
        self.final_layer = nn.Conv2d(d, config.skeleton.size, 1)
        self.offset_layer = nn.Conv2d(d, 2, 1) if config.offsets else None

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> InstanceOutput:
        """Heatmaps, offsets, and what the supervised layer's attention is made of.

        Args:
            images: (B, 3, H, W) RGB, normalised; H and W multiples of the stride.
            sizes: (B, 2) height and width of each photo, from the top left corner of its image;
                what lies beside is never attended to. None when photos fill their images.

        Raises:
            ModelError: the size is not a multiple of the stride.
        """
        rows, cols = self.grid_size((images.shape[-2], images.shape[-1]))
        x = self.reduce(self.trunk(images)).flatten(2).transpose(1, 2)  # (B, rows * cols, d)
        position, attended = self.places(rows, cols, sizes, x)
        q = k = x
        unseen = None
        for number, layer in enumerate(self.global_encoder, start=1):
            if number == self.config.supervised_layer:
                q, k = layer.self_attn.queries_and_keys(x + position, x + position)
                unseen = unseen_keys(forbidden(layer.self_attn))
            x = layer(x, position, attended)
        features = self.deconv_layers(x.transpose(1, 2).unflatten(-1, (rows, cols)))
        heatmaps = self.final_layer(features)
        offsets = heatmaps[:, :0] if self.offset_layer is None else self.offset_layer(features)
        output = InstanceOutput(heatmaps, offsets, q, k, attended, unseen)
        self.leave_trace((rows, cols), output)
        return output

    def trunk(self, images: Tensor) -> Tensor:
        """ResNet's stem and stages: (B, 3, H, W) -> (B, C, H / stride, W / stride)."""
        x = self.relu(self.bn1(self.conv1(images)))  # (B, width, H / 2, W / 2)
        x = self.layer2(self.layer1(self.maxpool(x)))  # (B, 8 width, H / 8, W / 8)
        return self.layer3(x) if self.config.stride == 16 else x

    def places(
        self, rows: int, cols: int, sizes: Tensor | None, like: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Where tokens are in their photo, and which of them are.

        Positions make one turn over the photo, whatever is beside it, so that a photo in a batch
        and the same photo alone get the same ones.

        Returns:
            (1 or B, T, d) positions and (B, T) bool, None when every token holds some photo.
        """
        d = self.config.d_model
        if sizes is None:
            return _table(rows, cols, d).to(like), None
        filled = [tuple(math.ceil(side / self.config.stride) for side in s) for s in sizes.tolist()]
        if all(size == (rows, cols) for size in filled):
            return _table(rows, cols, d).to(like), None
        tables, inside = [], torch.zeros(len(filled), rows, cols, dtype=torch.bool)
        for n, (height, width) in enumerate(filled):
            table = _table(height, width, d).unflatten(1, (height, width))
            tables.append(F.pad(table, (0, 0, 0, cols - width, 0, rows - height)))
            inside[n, :height, :width] = True
        return torch.cat(tables).flatten(1, 2).to(like), inside.flatten(1).to(like.device)

    def leave_trace(self, size: Size, output: InstanceOutput) -> None:
        """Name what the layers attended with, when this pass is being recorded."""
        if (tape := active_tape(self)) is None:
            return
        grid = self.config.tokens.tokens(size)
        for number, layer in enumerate(self.global_encoder, start=1):
            kind = "supervised" if number == self.config.supervised_layer else "encoder"
            tape.attention(f"encoder.{number}", kind, layer.self_attn, grid, grid)
        heatmaps = self.read_heatmaps(output)
        height, width = heatmaps.shape[-2:]
        tape.heatmaps(heatmaps, self.config.heat.tokens((height, width)))

    def read_heatmaps(self, output: InstanceOutput) -> Tensor:
        """The heatmaps alone, (B, K, h, w)."""
        return output.heatmaps

    def initialise(self, pretrained: Mapping[str, Tensor] | None = None) -> int:
        """Start from weights of another network, in place: whatever fits by name and shape.

        Encoder layers that the other network lacks start as no more than the norm of the layer
        before, so that the head goes on to see what it has learnt to read.

        Args:
            pretrained: state dict of a TransPose-R, of an ImageNet ResNet, or of a network like
                this one; without it nothing changes.

        Returns:
            How many tensors were copied.

        Raises:
            ModelError: nothing in ``pretrained`` fits.
        """
        if pretrained is None:
            return 0
        own = self.state_dict()
        fitting = {k: v for k, v in pretrained.items() if k in own and v.shape == own[k].shape}
        if not fitting:
            raise ModelError("No tensor of these weights fits the model.")
        self.load_state_dict(fitting, strict=False)
        before: EncoderLayer | None = None
        for number, layer in enumerate(self.global_encoder):
            if f"global_encoder.layers.{number}.linear1.weight" in fitting:
                before = layer
            elif before is not None:
                for linear in (layer.self_attn.out_proj, layer.linear2):
                    nn.init.zeros_(linear.weight)
                    nn.init.zeros_(linear.bias)
                layer.norm2.load_state_dict(before.norm2.state_dict())
        return len(fitting)

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


def attention_rows(output: InstanceOutput, tokens: Tensor) -> Tensor:
    """Rows of the supervised attention, averaged over heads, and of no other tokens.

    Args:
        output: of a batch of B photos.
        tokens: (B, R) query tokens.

    Returns:
        (B, R, T) float32, each row summing to 1; gradients flow to the chosen queries and all keys.
    """
    heads, _, d = output.queries.shape[1:]
    index = tokens[:, None, :, None].expand(-1, heads, -1, d)
    q = output.queries.gather(2, index).float()
    logits = q @ output.keys.float().transpose(2, 3) * d**-0.5  # (B, heads, R, T)
    if output.attended is not None:
        logits = logits.masked_fill(~output.attended[:, None, None], -torch.inf)
    if output.unseen is not None:
        logits = logits.masked_fill(output.unseen[:, None, None], -torch.inf)
    return logits.softmax(-1).mean(1)


def _doubling(d: int) -> list[nn.Module]:
    """Twice the resolution."""
    return [
        nn.ConvTranspose2d(d, d, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(d),
        nn.ReLU(inplace=True),
    ]


@lru_cache(maxsize=512)
def _table(rows: int, cols: int, d_model: int) -> Tensor:
    """Positions (1, rows * cols, d_model)."""
    return sine_position_table(rows, cols, d_model).transpose(0, 1).contiguous()
