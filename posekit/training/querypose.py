"""Training of QueryPose: whole photos, everybody in them, every stage supervised."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from posekit.checkpoint import load_into, read_state_dict
from posekit.data.augment import NONE, Augmentation
from posekit.data.crowd_augment import People, augment_crowds
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.decode.querypose_output import QueryPoseOutput
from posekit.errors import DataError, WeightsError
from posekit.evaluation.sets import FoundSet, TrueSet, set_score
from posekit.models.querypose import QueryPose
from posekit.models.querypose_checkpoint import FLOW
from posekit.models.rle import RealNVP
from posekit.training.querypose_losses import (
    WEIGHTS,
    Losses,
    LossWeights,
    Matcher,
    querypose_losses,
)
from posekit.training.querypose_young import (
    HintHeatmaps,
    look_loss,
    spread_out,
    tie_pose_heads,
)
from posekit.training.recipe import Stage
from posekit.training.task import Score, Step, check_keypoints
from posekit.zoo import ModelEntry

__all__ = ["QueryPoseTask", "Supervised"]

MEASURED_QUERIES = 8
"""Whose poses are read while a run is measured, best class first: poses cost the most."""
SURE = 0.3
"""Least score of those who count as found there."""
_BATCH = 32
_TRUNK = "backbone.bottom_up."


class Supervised(nn.Module):
    """QueryPose with the flow of its loss, which checkpoints keep beside it.

    Its forward pass ends in losses, so that engines that watch what a network returns need not
    know what QueryPose returns.
    """

    def __init__(
        self,
        network: QueryPose,
        weights: LossWeights = WEIGHTS,
        hint: float = 0.0,
        look: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.flow = RealNVP()
        self.weights = weights
        self.hint = hint
        self.look = look
        if hint > 0:
            self.hint_heatmaps = HintHeatmaps(network.config.d, network.config.skeleton.size)

    def forward(
        self,
        images: Tensor,
        people: People,
        normaliser: Tensor,
        each: int = 1,
    ) -> dict[str, Tensor]:
        """The parts of the loss by name, see :class:`~posekit.training.querypose_losses.Losses`."""
        matcher = Matcher(people, self.weights, each)
        detection = self.network.detect(images, people.sizes)
        output, poses = self.network.read_poses(detection, matcher.select)
        with torch.autocast(images.device.type, enabled=False):
            losses = querypose_losses(
                output, matcher.assigned, people, self.flow, normaliser, self.weights, each
            )
        parts = {part.name: getattr(losses, part.name) for part in fields(Losses)}
        if self.hint > 0:
            parts["hint"] = self.hint * self.hint_heatmaps(detection.fine, people, normaliser)
        if self.look > 0:
            names = self.network.config.part_keypoints
            looks = look_loss(output, poses, matcher.assigned, people, names, normaliser)
            parts["look"] = self.look * looks
        return parts


@dataclass(frozen=True, eq=False)
class QueryPoseTask:
    """Learn to find people and their keypoints in whole photos.

    Attributes:
        entry: the model.
        train: photos to learn from.
        validation: photos to measure on.
        augmentation: how photos are varied in training.
        weights: of the losses.
        hidden: whether keypoints that somebody or something hides are learnt.
        start: weights of the network, or of its trunk alone, to start from; with them the flow,
            where they have one.
        young: share of the run in which each person is matched with several queries.
        each: how many.
        hint: weight of the heatmaps learnt beside, see :class:`HintHeatmaps`; 0 for none.
        look: weight of part maps that look at the part's keypoints, see :func:`look_loss`.
        tied: the stages' pose heads share their weights while they learn.
        spread: queries start from the places where people are, not from the whole image.
    """

    entry: ModelEntry
    train: CrowdCanvases
    validation: CrowdCanvases
    augmentation: Augmentation
    weights: LossWeights = WEIGHTS
    hidden: bool = False
    start: Path | None = None
    young: float = 0.0
    each: int = 1
    hint: float = 0.0
    look: float = 0.0
    tied: bool = False
    spread: bool = False

    def __post_init__(self) -> None:
        check_keypoints(self.entry, self.train, self.validation)

    def build(self) -> Supervised:
        """The network as training starts, with its flow."""
        network = self.entry.build()
        if not isinstance(network, QueryPose):
            raise DataError(f"{self.entry.title} is no QueryPose.")
        if self.spread:
            spread_out(network, self.train)
        weights = {} if self.start is None else read_state_dict(self.start)
        if self.start is not None:
            take_over(network, weights, self.start.name)
        if self.tied:
            tie_pose_heads(network)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        supervised = Supervised(network, self.weights, self.hint, self.look)
        flow = below(FLOW, weights)
        if flow:
            load_into(supervised.flow, flow, name="the flow of QueryPose's loss")
        return supervised

    def product(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The model's weights, without the flow's."""
        return below("network.", weights)

    def beside(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The flow's, by their official names: sigmas mean little to another flow than theirs."""
        return {FLOW + name: weight for name, weight in below("flow.", weights).items()}

    def to(self, device: torch.device) -> QueryPoseTask:
        """The same task with its data on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def __len__(self) -> int:
        return len(self.train)

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        """All losses of all stages on this process's share of the step."""
        views = augment_crowds(
            self.train,
            step.people,
            self.entry.skeleton,
            step.stage.input_size,
            step.generator,
            self.augmentation,
            hidden=self.hidden,
            fill=self.entry.mean,
            share=step.share,
        )
        people = views.people
        each = self.each if step.progress < self.young else 1
        parts = model(
            self.entry.normalised(views.images),
            people,
            people_per_process(people),
            each,
        )
        total = torch.stack(list(parts.values())).sum()
        if dist.is_available() and dist.is_initialized():
            # Where nobody is matched the pose heads do not run; all weights need a gradient, or
            # the processes wait for each other.
            total = total + 0.0 * torch.stack([w.sum() for w in model.parameters()]).sum()
        return total

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        """PCK@0.2 of everybody, those not found included, on the photos as they are.

        Boxes are measured beside it, at a score of at least 0.3.
        """
        network = cast(Supervised, getattr(model, "module", model)).network
        device = self.validation.images.device
        generator = torch.Generator(device).manual_seed(0)
        found, truth = [], []
        for photos in torch.arange(len(self.validation), device=device).split(_BATCH):
            views = augment_crowds(
                self.validation,
                photos,
                self.entry.skeleton,
                stage.input_size,
                generator,
                NONE,
                hidden=self.hidden,
                fill=self.entry.mean,
            )
            output = best_poses(network, self.entry.normalised(views.images), views.people.sizes)
            found += found_sets(output)
            truth += true_sets(views.people)
        score = set_score(found, truth, self.entry.skeleton)
        sure = set_score([_above(each, SURE) for each in found], truth, self.entry.skeleton)
        figures = {
            "box AP50": score.box_ap50,
            "person recall": sure.recall,
            "precision": sure.precision,
        }
        return Score("PCK@0.2", score.pck.mean if score.pck else score.box_ap50, figures)


def people_per_process(people: People) -> Tensor:
    """How many people are to be found, averaged over processes, at least one."""
    count = people.present.sum().float()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(count)
        count = count / dist.get_world_size()
    return count.clamp(min=1)


def best_poses(network: QueryPose, images: Tensor, sizes: Tensor) -> QueryPoseOutput:
    """Boxes of all queries, and the poses of the few that are surest of somebody."""
    detection = network.detect(images, sizes)
    classes = detection.stages[-1].logits.float().amax(-1)  # (B, N)
    best = classes.topk(min(MEASURED_QUERIES, classes.shape[1]), dim=1).indices
    chosen = torch.zeros_like(classes, dtype=torch.bool).scatter(1, best, True)
    return network.pose(detection, lambda *_: chosen)


def found_sets(output: QueryPoseOutput) -> list[FoundSet]:
    """What the last stage found in each image, of the queries whose pose was read."""
    last = output.last
    keys = last.reference.float(), last.keypoints.float(), last.scores.float()
    boxes, keypoints, scores = (tensor.cpu().double().numpy() for tensor in keys)
    return [
        FoundSet(boxes[image][posed], keypoints[image][posed], scores[image][posed])
        for image, posed in enumerate(last.posed.cpu().numpy())
    ]


def true_sets(people: People) -> list[TrueSet]:
    """Who is in each image."""
    boxes, keypoints = (t.cpu().double().numpy() for t in (people.boxes, people.keypoints))
    counted, ignored = people.counted.cpu().numpy(), people.ignored.cpu().numpy()
    return [
        TrueSet(boxes[i][there], keypoints[i][there], counted[i][there], boxes[i][ignored[i]])
        for i, there in enumerate(people.present.cpu().numpy())
    ]


def below(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights whose names start with a prefix, without it."""
    return {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}


def take_over(network: nn.Module, weights: dict[str, Tensor], name: str) -> int:
    """Start from the weights that fit, by name and shape, with or without the trunk's prefix.

    Returns:
        How many tensors fitted.

    Raises:
        WeightsError: none did.
    """
    own = network.state_dict()
    fitting = {}
    for key, value in own.items():
        for known in (key, key.removeprefix(_TRUNK)):
            if known in weights and weights[known].shape == value.shape:
                fitting[key] = weights[known].to(value.dtype)
                break
    if not fitting:
        raise WeightsError(f"No weight in {name} fits this model.")
    network.load_state_dict(fitting, strict=False)
    return len(fitting)


def _above(found: FoundSet, least: float) -> FoundSet:
    kept = found.scores >= least
    return FoundSet(found.boxes[kept], found.keypoints[kept], found.scores[kept])
