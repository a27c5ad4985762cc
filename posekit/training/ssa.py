"""Training of the OpenPose line on whole photos, with its switches.

The loss is :mod:`posekit.models.ssa_losses`, the targets :mod:`posekit.data.paf_targets`; what is
measured is who was found and where, and how much the heatmaps contradict offsets and fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from posekit.checkpoint import read_state_dict
from posekit.data.augment import NONE, Augmentation
from posekit.data.crowd_augment import People, augment_crowds
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.data.paf_targets import PafTargets, encode_people
from posekit.decode.paf_grid import PafGrid
from posekit.errors import DataError
from posekit.models.ssa import SSAConfig, SSANet, StageOutputs
from posekit.models.ssa_losses import Kind, SSALoss
from posekit.models.ssa_photo import decoder_for
from posekit.training.recipe import Stage
from posekit.training.ssa_score import Tally
from posekit.training.task import Score, Step, check_keypoints
from posekit.zoo import ModelEntry

__all__ = ["SSAOptions", "SSATask", "measured", "people_mask", "targets_of"]


@dataclass(frozen=True)
class SSAOptions:
    """What a recipe may say; the five switches are the rows of the ablation.

    Attributes:
        offsets: predict and learn block-inside offsets.
        spatial: weight cells by spatial attention.
        sequential: let stages see the errors of the stages before.
        self_supervision: make heatmaps agree with what offsets and fields say.
        attn_gate: a learned attention between stages.
        kind: of error, see :class:`posekit.models.ssa_losses.SSALoss`.
        wide_offsets: the blocks around a keypoint's own learn offsets to it as well.
        elsewhere: how much cells away from the labelled people count where not everybody is.
        crowds: which photos to learn from, see :class:`posekit.training.crowds.CrowdOptions`.
    """

    offsets: bool = True
    spatial: bool = True
    sequential: bool = True
    self_supervision: bool = True
    attn_gate: bool = False
    kind: Kind = "l2"
    wide_offsets: bool = False
    elsewhere: float = 0.3
    crowds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def loss(self) -> SSALoss:
        """The loss they switch on.

        Raises:
            DataError: they contradict one another.
        """
        return SSALoss(
            offsets=self.offsets,
            spatial=self.spatial,
            sequential=self.sequential,
            self_supervision=self.self_supervision,
            attn_gate=self.attn_gate,
            kind=self.kind,
        )


@dataclass(frozen=True, eq=False)
class SSATask:
    """Learn everybody's keypoints from whole photos.

    Attributes:
        entry: the model, whose network is an :class:`SSANet`.
        train: photos to learn from.
        validation: photos to measure on.
        augmentation: how photos are varied in training.
        options: the switches.
        start: weights to start from, of a trunk or of a network like this one.
    """

    entry: ModelEntry
    train: CrowdCanvases
    validation: CrowdCanvases
    augmentation: Augmentation
    options: SSAOptions = field(default_factory=SSAOptions)
    start: Path | None = None

    def __post_init__(self) -> None:
        check_keypoints(self.entry, self.train, self.validation)
        _ = self.options.loss  # refuses switches that contradict one another

    def build(self) -> nn.Module:
        """The network as training starts, with the outputs that the switches need."""
        with torch.device("meta"):
            given = self.entry.build()
        if not isinstance(given, SSANet):
            raise DataError(f"{self.entry.title} is not a network of the OpenPose line.")
        config = given.config
        model = SSANet(
            replace(
                config,
                offsets=self.options.offsets,
                attn_gate=self.options.attn_gate,
                grid=replace(config.grid, wide=self.options.wide_offsets),
            )
        )
        if self.start is not None:
            model.initialise(read_state_dict(self.start))
        return cast(nn.Module, model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]

    def to(self, device: torch.device) -> SSATask:
        """The same task with its data on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def __len__(self) -> int:
        return len(self.train)

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        """The loss on this process's share of the step; moves the stages' running averages."""
        network = inner(model)
        views = augment_crowds(
            self.train,
            step.people,
            self.entry.skeleton,
            step.stage.input_size,
            step.generator,
            self.augmentation,
            hidden=True,  # what annotators could infer is drawn [code]
            fill=self.entry.mean,
            share=step.share,
        )
        targets = targets_of(
            views.people, network.config, step.stage.input_size, self.options.elsewhere
        )
        outputs = model(laid_out(self.entry, views.images))
        parts = self.options.loss(
            outputs, targets, network.config, network.stage_loss, step.progress
        )
        network.stage_loss.copy_(_over_processes(parts.stage_loss))
        return parts.total

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        """What :func:`measured` says of the photos to measure on."""
        return measured(inner(model), self.entry, self.validation, stage.input_size)


def measured(
    network: SSANet, entry: ModelEntry, photos: CrowdCanvases, input_size: tuple[int, int]
) -> Score:
    """OKS AP on whole photos in which everybody is labelled, and what else an ablation asks.

    ``PCK@0.2`` is the share of all labelled keypoints that somebody found has right, in per cent;
    ``contradiction`` is specification 6.5 [ours], and ``apart`` the mean of |H - S| on people.

    Args:
        network: with or without offsets.
        entry: the model it is of.
        photos: to measure on; those with everybody labelled count, or all where none is so.
        input_size: (height, width) the photos are scaled to.
    """
    config = network.config
    chosen = photos.complete if bool(photos.complete.any()) else torch.ones_like(photos.complete)
    decoder = decoder_for(config)
    generator = torch.Generator(photos.images.device).manual_seed(0)
    tally = Tally(config)
    for some in chosen.nonzero()[:, 0].split(32):
        views = augment_crowds(
            photos,
            some,
            config.skeleton,
            input_size,
            generator,
            NONE,
            hidden=True,
            fill=entry.mean,
        )
        outputs = cast(StageOutputs, network(laid_out(entry, views.images)))
        tally.add(outputs, targets_of(views.people, config, input_size), views.people, decoder)
    return tally.score()


def targets_of(
    people: People, config: SSAConfig, input_size: tuple[int, int], elsewhere: float = 0.3
) -> PafTargets:
    """The truth about a batch of views, as maps; see :func:`people_mask` for ``elsewhere``."""
    grid = config.grid
    size = input_size[0] // grid.stride, input_size[1] // grid.stride
    keypoints = people.keypoints - 0.5  # to pixel centres at the integers
    mask = people_mask(people, size, grid, elsewhere)
    return encode_people(keypoints, people.counted, config.skeleton.limbs, size, grid, mask)


def laid_out(entry: ModelEntry, images: Tensor) -> Tensor:
    """Views in 0..1 as the network expects them, laid out for the device's kernels."""
    return entry.normalised(images).contiguous(memory_format=torch.channels_last)


def people_mask(people: People, size: tuple[int, int], grid: PafGrid, elsewhere: float) -> Tensor:
    """How much each cell counts, (B, 1, h, w).

    Nothing in regions to ignore; ``elsewhere`` outside the labelled people where not everybody is
    labelled; otherwise 1. Cells belong to a box when their centres lie in it.
    """
    x, y = (axis + 0.5 for axis in grid.centres(size, people.boxes))  # a view's left edge is 0
    boxes = people.boxes[..., None]  # (B, P, 4, 1)
    across = (x >= boxes[:, :, 0]) & (x <= boxes[:, :, 2])  # (B, P, w)
    down = (y >= boxes[:, :, 1]) & (y <= boxes[:, :, 3])
    inside = down[..., None] & across[:, :, None]  # (B, P, h, w)
    labelled = (inside & people.present[..., None, None]).any(1)
    ignored = (inside & people.ignored[..., None, None]).any(1)
    counts = torch.where(people.complete[:, None, None] | labelled, 1.0, elsewhere)
    return torch.where(ignored & ~labelled, 0.0, counts)[:, None]


def inner(model: nn.Module) -> SSANet:
    """The network itself, also when an engine has wrapped it."""
    return cast(SSANet, getattr(model, "module", model))


def _over_processes(values: Tensor) -> Tensor:
    """The mean over the processes of a run, so that all go on with the same numbers."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(values)
        values /= torch.distributed.get_world_size()
    return values
