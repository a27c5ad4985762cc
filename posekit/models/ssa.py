"""Multi-stage pose networks of the OpenPose line, with offsets and room for their explanations.

Liu, Luo, Du, Ikenaga, "Self-Supervision and Spatial-Sequential Attention Loss", 2021,
arXiv 2110.10734. Only its abstract is known here. Tags: [code] as in the public code of the first
author's earlier work, [fact] as an abstract or README states, [ours] this project's choice or
reading of the abstract.

A trunk makes features at stride 8; stages refine part affinity fields and then heatmaps with
offsets, each seeing the features and what the stage before said. Every stage's output is returned:
losses and explanations need them all.

Shapes: B images, K keypoints, L limbs, (h, w) cells of 8 x 8 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from posekit.decode.paf_grid import PafGrid
from posekit.errors import ModelError
from posekit.models.ssa_stages import Branch, ColumnStage
from posekit.models.ssa_trace import records, trace_maps
from posekit.models.ssa_trunk import resnet_trunk, vgg19_trunk
from posekit.skeleton import LSP14, OPENPOSE18, Skeleton
from posekit.trace import active_tape

Size = tuple[int, int]


@dataclass(frozen=True)
class SSAConfig:
    """What distinguishes one network of the line from another.

    Attributes:
        skeleton: its keypoints make the heatmaps, its limbs the fields.
        trunk: ``"vgg19"`` [code], or ``"resnet"`` for small networks [ours].
        trunk_width: channels of the trunk's first convolutions (64 in VGG-19).
        features: channels handed to the stages.
        layout: ``"column"`` refines fields first and heatmaps after ("new OpenPose") [code];
            ``"branches"`` refines both side by side (CVPR 2017) [code].
        paf_widths: of a column's stages for fields.
        heat_widths: of a column's stages for heatmaps and offsets.
        stages: how many, with branches.
        branch_width: channels of a branch's convolutions.
        paf_to_all: heatmap stages after the first see the fields as well [ours; in the code the
            last does not].
        offsets: predict block-inside offsets.
        batch_norm: after hidden convolutions, for short trainings from scratch [ours].
        attn_gate: a learned map over the features between stages, a second reading of the
            abstract's "attention to enhance feature extraction" [ours].
        grid: how cells lie on the input, and how wide targets are.
        input_size: (height, width) it is meant for; any multiple of the stride will do.
        least_parts: people with fewer keypoints are dropped [code: 3].
        least_score: people with a lower mean score are dropped [code: 0.2].
    """

    skeleton: Skeleton = OPENPOSE18
    trunk: Literal["vgg19", "resnet"] = "vgg19"
    trunk_width: int = 64
    features: int = 128
    layout: Literal["column", "branches"] = "column"
    paf_widths: tuple[int, ...] = (96, 128, 128, 128)
    heat_widths: tuple[int, ...] = (96, 128)
    stages: int = 6
    branch_width: int = 128
    paf_to_all: bool = True
    offsets: bool = True
    batch_norm: bool = False
    attn_gate: bool = False
    grid: PafGrid = field(default_factory=PafGrid)
    input_size: Size = (368, 368)
    least_parts: int = 3
    least_score: float = 0.2

    @property
    def paf_channels(self) -> int:
        """Two for each limb, x and y."""
        return 2 * len(self.skeleton.limbs)

    @property
    def heat_channels(self) -> int:
        """One for each keypoint, and the background."""
        return self.skeleton.size + 1

    @property
    def offset_channels(self) -> int:
        """Two for each keypoint, x and y; the code's pair for "no offset" is left out [ours]."""
        return 2 * self.skeleton.size if self.offsets else 0

    @property
    def paf_stages(self) -> int:
        """How many stages put out fields."""
        return len(self.paf_widths) if self.layout == "column" else self.stages

    @property
    def heat_stages(self) -> int:
        """How many stages put out heatmaps."""
        return len(self.heat_widths) if self.layout == "column" else self.stages


VARIANT_N = SSAConfig()
"""The six-stage column that the code uses with offsets [code]."""
VARIANT_O = SSAConfig(layout="branches")
"""OpenPose as of CVPR 2017: six stages of two branches, here with a third for offsets [code]."""
SMALL = SSAConfig(
    skeleton=LSP14,
    trunk="resnet",
    trunk_width=32,
    features=96,
    paf_widths=(32,),
    heat_widths=(32, 32),
    batch_norm=True,
    input_size=(192, 192),
    least_parts=4,
    least_score=0.4,
)
"""Three stages of width 32 on a small ResNet, for CPUs and the checkpoint that ships [ours]."""


class StageOutputs(NamedTuple):
    """What every stage said, in order.

    Attributes:
        paf: part affinity fields, (B, 2 L, h, w) each.
        heat: heatmaps with the background last, (B, K + 1, h, w) each.
        offset: offsets in cells, (B, 2 K, h, w) each; empty for a network without.
        gate: (B, 1, h, w) logits of the maps over the features, one for each stage but the last;
            empty for a network without.
    """

    paf: tuple[Tensor, ...]
    heat: tuple[Tensor, ...]
    offset: tuple[Tensor, ...]
    gate: tuple[Tensor, ...]


class SSANet(nn.Module):
    """The network.

    ``stage_loss`` holds the running averages of the stages' losses that weight the stages in
    training (see :mod:`posekit.models.ssa_attention`), fields first; it rides along in checkpoints
    so that a resumed training goes on as if it had not stopped. ``wide`` is there where the blocks
    around a keypoint's own learnt offsets to it.
    """

    stage_loss: Tensor

    def __init__(self, config: SSAConfig) -> None:
        super().__init__()
        self.config = config
        make = vgg19_trunk if config.trunk == "vgg19" else resnet_trunk
        self.trunk = make(config.trunk_width, config.features)
        paf, heat = config.paf_channels, config.heat_channels + config.offset_channels
        seen = config.features
        if config.layout == "column":
            before = [0] + [paf] * (config.paf_stages - 1)
            self.paf_stages = nn.ModuleList(
                ColumnStage(seen + extra, width, paf, config.batch_norm)
                for extra, width in zip(before, config.paf_widths, strict=True)
            )
            after = heat + (paf if config.paf_to_all else 0)
            before = [paf] + [after] * (config.heat_stages - 1)
            self.heat_stages = nn.ModuleList(
                ColumnStage(seen + extra, width, heat, config.batch_norm)
                for extra, width in zip(before, config.heat_widths, strict=True)
            )
        else:
            groups = [paf, config.heat_channels, config.offset_channels]
            self.branches = nn.ModuleList(
                nn.ModuleList(
                    Branch(seen + (0 if n == 0 else sum(groups)), config.branch_width, out, n == 0)
                    for out in groups
                    if out
                )
                for n in range(config.stages)
            )
        if config.attn_gate:
            outs = [paf] * config.paf_stages + [heat] * config.heat_stages
            if config.layout == "branches":
                outs = [paf + heat] * config.stages
            self.gates = nn.ModuleList(nn.Conv2d(seen + out, 1, 1) for out in outs[:-1])
            for gate in self.gates:  # a gate of 2 * sigmoid(0) changes nothing at first
                nn.init.zeros_(cast(nn.Conv2d, gate).weight)
                nn.init.zeros_(cast(Tensor, cast(nn.Conv2d, gate).bias))
        if config.grid.wide:  # nothing else in the weights tells how the offsets were taught
            self.register_buffer("wide", torch.ones(()))
        self.register_buffer("stage_loss", torch.zeros(config.paf_stages + config.heat_stages))

    @classmethod
    def for_weights(cls, config: SSAConfig, weights: Mapping[str, Tensor]) -> SSANet:
        """The network of these weights: with or without offsets, gates, and wide targets."""
        if config.layout == "column":
            heat = weights.get("heat_stages.0.6.weight")
            offsets = heat is None or len(heat) > config.heat_channels
        else:
            offsets = any(name.startswith("branches.0.2.") for name in weights)
        return cls(
            replace(
                config,
                offsets=offsets,
                attn_gate=any(name.startswith("gates.") for name in weights),
                grid=replace(config.grid, wide="wide" in weights),
            )
        )

    def forward(self, images: Tensor) -> StageOutputs:
        """All stages' fields, heatmaps and offsets.

        Args:
            images: (B, 3, H, W) RGB, normalised; H and W multiples of the stride.

        Raises:
            ModelError: the size is not a multiple of the stride.
        """
        self.grid_size((images.shape[-2], images.shape[-1]))
        features = self.trunk(images)  # (B, features, h, w)
        run = self.column if self.config.layout == "column" else self.side_by_side
        outputs = run(features)
        self.leave_trace(outputs)
        return outputs

    def column(self, features: Tensor) -> StageOutputs:
        """Fields first, then heatmaps and offsets."""
        config = self.config
        paf: list[Tensor] = []
        heat: list[Tensor] = []
        offset: list[Tensor] = []
        gate: list[Tensor] = []
        seen, previous = features, [features]
        for stage in self.paf_stages:
            paf.append(stage(torch.cat(previous, dim=1)))
            seen = self.gated(features, paf[-1], gate)
            previous = [seen, paf[-1]]
        for stage in self.heat_stages:
            out = stage(torch.cat(previous, dim=1))
            heat.append(out[:, : config.heat_channels])
            if config.offsets:
                offset.append(out[:, config.heat_channels :])
            seen = self.gated(features, out, gate)
            previous = [seen, paf[-1], out] if config.paf_to_all else [seen, out]
        return StageOutputs(tuple(paf), tuple(heat), tuple(offset), tuple(gate))

    def side_by_side(self, features: Tensor) -> StageOutputs:
        """Each stage's branches see all that the stage before said."""
        said: list[list[Tensor]] = []
        gate: list[Tensor] = []
        seen, previous = features, [features]
        for stage in self.branches:
            x = torch.cat(previous, dim=1)
            said.append([branch(x) for branch in cast(nn.ModuleList, stage)])
            seen = self.gated(features, torch.cat(said[-1], dim=1), gate)
            previous = [seen, *said[-1]]
        paf, heat, *offset = (tuple(outs) for outs in zip(*said, strict=True))
        return StageOutputs(paf, heat, offset[0] if offset else (), tuple(gate))

    def gated(self, features: Tensor, out: Tensor, gates: list[Tensor]) -> Tensor:
        """The features as the next stage sees them; notes the gate's logits, if there is one."""
        if not self.config.attn_gate or len(gates) == len(self.gates):
            return features
        logits = self.gates[len(gates)](torch.cat([features, out], dim=1))
        gates.append(logits)
        return features * (2 * logits.sigmoid())

    def leave_trace(self, outputs: StageOutputs) -> None:
        """Name the maps that explain the outputs, when this pass is being recorded."""
        if (tape := active_tape(self)) is None:
            return
        size = (outputs.heat[-1].shape[-2], outputs.heat[-1].shape[-1])
        tokens = self.config.grid.tokens(size)
        paf, heat, offset = ([t.float() for t in part] for part in outputs[:3])
        maps = trace_maps(paf, heat, offset, self.config.skeleton, self.config.grid)
        for one in records(maps, self.config.skeleton, tokens):
            tape.spatial_map(one)
        tape.heatmaps(self.read_heatmaps(outputs), tokens)

    def read_heatmaps(self, outputs: StageOutputs) -> Tensor:
        """The prediction's heatmaps without the background, (B, K, h, w)."""
        return outputs.heat[-1][:, : self.config.skeleton.size].float()

    def initialise(self, pretrained: Mapping[str, Tensor] | None = None) -> int:
        """Start from weights of another network, in place: whatever fits by name.

        The code starts from the ten convolutions of an ImageNet VGG-19 [code]. The trunk's names
        count with and without their prefix, so that such a file fits, and so does a network whose
        trunk this is. From a network like this one without offsets the stages start as well: what
        it said is said unchanged, what it did not say starts as the constructor has it.

        Args:
            pretrained: state dict of a VGG-19 or ResNet in torchvision's names, of a TransPose-R,
                or of a network like this one, whose running averages of the stages' losses are
                left behind; without it nothing changes, since the constructor draws weights as
                the code does.

        Returns:
            How many tensors were copied.

        Raises:
            ModelError: nothing in ``pretrained`` fits.
        """
        if pretrained is None:
            return 0
        fitting = {}
        for key, own in self.state_dict().items():
            given = pretrained.get(key, pretrained.get(key.removeprefix("trunk.")))
            if given is None or key == "stage_loss":
                continue
            if given.shape == own.shape:
                fitting[key] = given
            elif key.startswith("heat_stages.") and leads(given, own):
                fitting[key] = grown(given, own)
        if not fitting:
            raise ModelError("No tensor of these weights fits the model's trunk.")
        self.load_state_dict(fitting, strict=False)
        return len(fitting)

    def grid_size(self, input_size: Size) -> Size:
        """(rows, cols) of the maps.

        Raises:
            ModelError: the input size is not a multiple of the stride.
        """
        stride = self.config.grid.stride
        if input_size[0] % stride or input_size[1] % stride or min(input_size) < stride:
            raise ModelError(
                f"This model needs an input whose sides are multiples of {stride}; "
                f"{input_size[0]} x {input_size[1]} is not."
            )
        return input_size[0] // stride, input_size[1] // stride


def leads(given: Tensor, own: Tensor) -> bool:
    """Whether a convolution's weights are those of one with fewer channels, in or out."""
    same = given.ndim == own.ndim and given.shape[2:] == own.shape[2:]
    return same and all(few <= many for few, many in zip(given.shape, own.shape, strict=True))


def grown(given: Tensor, own: Tensor) -> Tensor:
    """A convolution's weights with channels added: in, they count nothing; out, as in ``own``."""
    weights = own.clone()
    weights[: len(given)] = 0
    weights[tuple(slice(size) for size in given.shape)] = given.to(own.dtype)
    return weights
