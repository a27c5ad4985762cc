"""QueryPose: Sparse Multi-Person Pose Regression via Spatial-Aware Part-Level Query.

Xiao et al., NeurIPS 2022, arXiv 2212.07855.

A fixed set of learned queries goes through a few stages. At each, a query refines its box (from
the whole image to one person), then reads body parts off that box and regresses their keypoints.
Queries are matched one to one with people in training, so that no two of them should claim
the same person: there are no heatmaps, no grouping and no suppression of duplicates.

Parameter names are the official ones apart from the ResNet trunk's, see
:mod:`posekit.models.querypose_checkpoint`. Mended against the published code:

* Inference of a whole batch, where the published step takes instances for images and fails.
* A query keeps its own part memory from stage to stage, in training as in evaluation; the published
  training passes memories on by their place among the matched queries, and matches change.
* The full variant's instance vector never overwrites the query, in training as in evaluation.

Shapes: B images, N queries, d channels of a query, J parts, e channels of a part, K keypoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.decode.querypose_output import QueryPoseOutput, Select, StageOutput
from posekit.models.layers.fpn import FPN
from posekit.models.layers.hrfpn import HRFPN, HRFPNv1
from posekit.models.layers.hrnet import HRNet
from posekit.models.layers.precision import at_least_single
from posekit.models.layers.resnet import BasicBlock, Bottleneck, ResNet, freeze_norms
from posekit.models.layers.roi_align import pyramid_level, roi_align
from posekit.models.querypose_config import QueryPoseConfig
from posekit.models.querypose_head import BoxHead
from posekit.models.querypose_pose import PartPose, PoseHead
from posekit.models.querypose_trace import leave_trace
from posekit.trace import active_tape

STRIDES = (4, 8, 16, 32)
MULTIPLE = 32  # what the sides of the input are padded to
PRIOR = 0.01  # a query's class score before training


@dataclass(frozen=True, eq=False)
class BoxStage:
    """What a stage's box head said: logits (B, N, classes), boxes (B, N, 4), queries (B, N, d)."""

    logits: Tensor
    boxes: Tensor
    queries: Tensor


@dataclass(frozen=True, eq=False)
class Detection:
    """Who is where, before anybody's pose is read.

    Attributes:
        fine: (B, d, h, w), the pyramid's finest map, which poses are read from.
        start: (B, N, 4), the learned boxes that the first stage starts from, in input pixels.
        sizes: (B, 2), (height, width) of each image without its padding.
        stages: one a stage.
    """

    fine: Tensor
    start: Tensor
    sizes: Tensor
    stages: tuple[BoxStage, ...]


class Heads(nn.Module):
    """The stages' heads, each stage with weights of its own."""

    def __init__(self, config: QueryPoseConfig) -> None:
        super().__init__()
        c = config
        self.head_series = nn.ModuleList(
            BoxHead(c.d, c.heads, c.feedforward, c.dynamic, c.box_pool**2, c.classes)
            for _ in range(c.stages)
        )
        self.pose_head_series = nn.ModuleList(
            PoseHead(
                c.d,
                c.part_width,
                c.heads,
                c.feedforward,
                c.pose_convs,
                c.pose_width,
                c.part_keypoints,
                c.pose_pool**2,
                None if c.light else c.dynamic,
                c.pose_norm,
                c.from_maps,
            )
            for _ in range(c.stages)
        )
        for weight in self.parameters():
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
        for stage in range(c.stages):
            bias = self.of_stage(stage)[0].class_logits.bias
            nn.init.constant_(bias, -math.log((1 - PRIOR) / PRIOR))

    def of_stage(self, stage: int) -> tuple[BoxHead, PoseHead]:
        """The heads of a stage, from 0."""
        heads = self.head_series[stage], self.pose_head_series[stage]
        return cast(tuple[BoxHead, PoseHead], heads)


class QueryPose(nn.Module):
    """Finds everybody in whole images, and their keypoints.

    ``model(images)`` is :meth:`detect` and :meth:`pose` in turn. Boxes never depend on poses, so
    who cares for a few queries only asks for the poses of those.
    """

    def __init__(self, config: QueryPoseConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = pyramid(config)
        self.init_proposal_features = nn.Embedding(config.queries, config.d)
        self.init_proposal_boxes = nn.Embedding(config.queries, 4)  # centre and extent, in 0..1
        self.part_query = nn.Embedding(len(config.parts), config.part_width)
        self.head = Heads(config)
        with torch.no_grad():
            self.init_proposal_boxes.weight.copy_(torch.tensor([0.5, 0.5, 1.0, 1.0]))

    def forward(
        self, images: Tensor, sizes: Tensor | None = None, select: Select | None = None
    ) -> QueryPoseOutput:
        """Boxes, scores and poses at every stage.

        Args:
            images: (B, 3, H, W) RGB, normalised; padded here to multiples of 32, right and below.
            sizes: (B, 2), (height, width) of each image where a batch is padded to one size; None
                where no image is.
            select: which queries to read a pose for, a stage at a time; None for all.
        """
        return self.pose(self.detect(images, sizes), select)

    def detect(self, images: Tensor, sizes: Tensor | None = None) -> Detection:
        """The stages of the box head; arguments are those of :meth:`forward`."""
        height, width = images.shape[-2:]
        if sizes is None:
            sizes = torch.tensor([[height, width]], device=images.device).expand(len(images), 2)
        padded = F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
        return self.detect_in(self.backbone(padded), sizes)

    def detect_in(self, maps: Sequence[Tensor], sizes: Tensor) -> Detection:
        """The stages of the box head on the pyramid of B images: (B, d, H / s, W / s) each."""
        boxes = start = self.start(sizes)
        queries = self.init_proposal_features.weight.expand(len(sizes), -1, -1)
        stages = []
        for head in self.head.head_series:
            cells = pool(maps, boxes, self.config.box_pool, self.config.canonical)
            logits, boxes, queries = head(cells, boxes, queries)
            stages.append(BoxStage(logits, boxes, queries))
            boxes = boxes.detach()  # each stage learns its own step
        return Detection(maps[0], start, sizes, tuple(stages))

    def start(self, sizes: Tensor) -> Tensor:
        """The learned boxes on images of (B, 2) sizes: (B, N, 4) xyxy in pixels, with gradient."""
        centre, extent = at_least_single(self.init_proposal_boxes.weight).chunk(2, dim=-1)
        corners = torch.cat([centre - extent / 2, centre + extent / 2], dim=-1)  # (N, 4)
        scale = sizes.flip(-1).repeat(1, 2).to(corners)  # width, height, width, height
        return corners * scale[:, None]

    def pose(self, detection: Detection, select: Select | None = None) -> QueryPoseOutput:
        """The stages of the pose head, for the queries that ``select`` names at each stage.

        Each query remembers its parts from the last stage it was posed at.
        """
        output, poses = self.read_poses(detection, select)
        if (tape := active_tape(self)) is not None:
            leave_trace(tape, self, output, poses)
        return output

    def read_poses(
        self, detection: Detection, select: Select | None = None
    ) -> tuple[QueryPoseOutput, list[PartPose | None]]:
        """:meth:`pose`, and what each stage's pose head said of the queries it ran for."""
        images, queries = detection.start.shape[:2]
        memory = self.part_query.weight.expand(images * queries, -1, -1)  # (B N, J, e)
        stages: list[StageOutput] = []
        poses: list[PartPose | None] = []
        for head, found in zip(self.head.pose_head_series, detection.stages, strict=True):
            posed = None if select is None else select(found.logits, found.boxes)
            # Every query, without asking for indices, costs no wait for the device.
            rows = None if posed is None else posed.flatten().nonzero().squeeze(1)
            pose, memory = self.pose_rows(head, detection.fine, found, memory, rows)
            stages.append(self.stage(found, pose, posed))
            poses.append(pose)
        return QueryPoseOutput(tuple(stages), detection.start, detection.sizes), poses

    def pose_rows(
        self,
        head: nn.Module,
        fine: Tensor,
        found: BoxStage,
        memory: Tensor,
        rows: Tensor | None,
    ) -> tuple[PartPose | None, Tensor]:
        """One stage of the pose head for ``rows`` of the B * N queries, and the memory after it."""
        boxes, queries = found.boxes.detach(), found.queries.flatten(0, 1)
        if rows is None:
            pose = head(pool([fine], boxes, self.config.pose_pool), queries, memory)
            return pose, pose.memory
        if not len(rows):
            return None, memory
        images = rows // boxes.shape[1]
        cells = roi_align(
            [fine], STRIDES[:1], boxes.flatten(0, 1)[rows], images, self.config.pose_pool
        )
        pose = head(cells, queries[rows], memory[rows])
        return pose, memory.index_copy(0, rows, pose.memory.to(memory.dtype))

    def stage(self, found: BoxStage, pose: PartPose | None, posed: Tensor | None) -> StageOutput:
        """A stage's answers as (B, N, ...)."""
        shape = found.boxes.shape[:2]
        if posed is None and pose is not None:
            posed = torch.ones(shape, dtype=torch.bool, device=found.boxes.device)
            offsets, sigmas = (x.unflatten(0, shape) for x in (pose.offsets, pose.sigmas))
        elif pose is None or posed is None:
            posed = torch.zeros(shape, dtype=torch.bool, device=found.boxes.device)
            offsets = sigmas = found.boxes.new_zeros(*shape, self.config.skeleton.size, 2)
        else:
            offsets, sigmas = (StageOutput.flat(x, posed) for x in (pose.offsets, pose.sigmas))
        logits = at_least_single(found.logits)
        return StageOutput(logits, found.boxes, offsets, sigmas, posed, self.config.weighed)


def pool(maps: Sequence[Tensor], boxes: Tensor, size: int, canonical: float = 224.0) -> Tensor:
    """RoIAlign of boxes (B, N, 4) on a pyramid, or on its finest map alone: (B N, size^2, d)."""
    flat = boxes.detach().flatten(0, 1)
    images = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
    levels = pyramid_level(flat, len(maps), canonical) if len(maps) > 1 else None
    return roi_align(maps, STRIDES[: len(maps)], flat, images, size, levels)


def pyramid(config: QueryPoseConfig) -> nn.Module:
    """Trunk and pyramid: (B, 3, H, W) -> four maps (B, d, H / s, W / s)."""
    if config.trunk == "hrnet":
        trunk = HRNet(config.width)
        return (HRFPNv1 if config.branches_twice else HRFPN)(trunk, trunk.channels, config.d)
    block = Bottleneck if config.trunk == "bottleneck" else BasicBlock
    resnet = ResNet(block, config.width, config.blocks)
    if config.frozen:
        freeze_norms(resnet)
        resnet.freeze_early()
    return FPN(resnet, resnet.channels, config.d)
