"""Training of "Attend to Who You Are" on whole photos: keypoints, offsets, and masks on attention.

The loss is :mod:`posekit.models.instance_losses`, the targets :mod:`posekit.data.instance_targets`;
what is measured is who was found and where, and on whom the supervised attention lies.
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
from posekit.data.crowd_augment import Views, augment_crowds
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.data.instance_targets import InstanceTargets, encode_instances
from posekit.errors import DataError
from posekit.models.instance import InstanceAttention, InstanceConfig, InstanceOutput
from posekit.models.instance_losses import AttentionKind, HeatKind, InstanceLoss
from posekit.training.instance_score import Tally
from posekit.training.recipe import Stage
from posekit.training.task import Score, Step, check_keypoints
from posekit.zoo import ModelEntry

__all__ = ["InstanceOptions", "InstanceTask"]


@dataclass(frozen=True)
class InstanceOptions:
    """What a recipe may say; ``attention`` is the ablation.

    Attributes:
        attention: how attention is supervised: ``"none"``, ``"mse"`` or ``"bce-dice"``.
        attention_weight: of that part of the loss.
        heat: error of the heatmaps, ``"l2"`` or ``"focal"``.
        offset_weight: of the offsets' part of the loss.
        hold_maximum: whether the maximum of a row is a constant to gradients.
        rows: of the attention that are looked at, of each photo.
        hidden: whether keypoints that somebody or something hides are learnt.
        elsewhere: how much cells away from the labelled people count where not everybody is.
        mask_repeats: how often each photograph counts whose people have masks alone.
        crowds: which photos to learn from, see :class:`posekit.training.crowds.CrowdOptions`.

    Raises:
        DataError: there is no such kind of loss.
    """

    attention: AttentionKind = "bce-dice"
    attention_weight: float = 0.2
    heat: HeatKind = "l2"
    offset_weight: float = 0.2
    hold_maximum: bool = True
    rows: int = 24
    hidden: bool = False
    elsewhere: float = 0.3
    mask_repeats: int = 10
    crowds: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.attention not in ("none", "mse", "bce-dice") or self.heat not in ("l2", "focal"):
            raise DataError(
                "The attention is supervised by none, mse or bce-dice, and heatmaps by l2 or focal."
            )

    @property
    def loss(self) -> InstanceLoss:
        """The loss they switch on."""
        return InstanceLoss(
            self.attention,
            self.heat,
            self.attention_weight,
            self.offset_weight,
            self.hold_maximum,
        )


@dataclass(frozen=True, eq=False)
class InstanceTask:
    """Learn everybody's keypoints from whole photos, and on whom attention should lie.

    Attributes:
        entry: the model, whose network is an :class:`InstanceAttention`.
        train: photos to learn from, with owners.
        validation: photos to measure on, with owners.
        augmentation: how photos are varied in training.
        options: the switches.
        start: weights to start from, of any network whose names and shapes fit.
    """

    entry: ModelEntry
    train: CrowdCanvases
    validation: CrowdCanvases
    augmentation: Augmentation
    options: InstanceOptions = field(default_factory=InstanceOptions)
    start: Path | None = None

    def __post_init__(self) -> None:
        check_keypoints(self.entry, self.train, self.validation)
        if not (self.train.owners.shape[-1] and self.validation.owners.shape[-1]):
            raise DataError("Attention is supervised by masks, which this data was read without.")

    def build(self) -> nn.Module:
        """The network as training starts."""
        model = self.entry.build()
        if not isinstance(model, InstanceAttention):
            raise DataError(f"{self.entry.title} is not a network of instance attention.")
        if self.start is not None:
            model.initialise(read_state_dict(self.start))
        return cast(nn.Module, model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]

    def to(self, device: torch.device) -> InstanceTask:
        """The same task with its data on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def __len__(self) -> int:
        return len(self.train)

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        """The loss on this process's share of the step."""
        config, size = inner(model).config, step.stage.input_size
        views = augment_crowds(
            self.train,
            step.people,
            self.entry.skeleton,
            size,
            step.generator,
            self.augmentation,
            hidden=self.options.hidden,
            fill=self.entry.mean,
            share=step.share,
            token=config.stride,
        )
        draws = torch.rand(
            (len(step.people), self.options.rows, 2),
            generator=step.generator,
            device=step.generator.device,
        )[step.share]
        targets = self.targets(views, size, config, draws, step.stage.sigma)
        return self.options.loss(self.output(model, views), targets).total

    def targets(
        self,
        views: Views,
        size: tuple[int, int],
        config: InstanceConfig,
        draws: Tensor,
        sigma: float,
    ) -> InstanceTargets:
        """The truth about a batch of views."""
        assert views.covers is not None  # asked for
        return encode_instances(
            views.people,
            views.covers,
            size,
            config.heat,
            config.tokens,
            draws,
            sigma=sigma,
            elsewhere=self.options.elsewhere,
        )

    def output(self, model: nn.Module, views: Views) -> InstanceOutput:
        """What the network says of views in 0..1."""
        images = self.entry.normalised(views.images).contiguous(memory_format=torch.channels_last)
        return cast(InstanceOutput, model(images, views.people.sizes))

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        """OKS AP on whole photos in which everybody is labelled, and where attention lies.

        Hidden keypoints count, as COCO has it. For the other figures see
        :class:`posekit.training.instance_score.Tally`.
        """
        config, data = inner(model).config, self.validation
        chosen = data.complete if bool(data.complete.any()) else torch.ones_like(data.complete)
        generator = torch.Generator(data.images.device).manual_seed(0)
        tally = Tally(config)
        for photos in chosen.nonzero()[:, 0].split(32):
            views = augment_crowds(
                data,
                photos,
                config.skeleton,
                stage.input_size,
                generator,
                NONE,
                hidden=True,
                fill=self.entry.mean,
                token=config.stride,
            )
            tally.add(self.output(model, views), views, data.visibility[photos] == 2)
        return tally.score()


def inner(model: nn.Module) -> InstanceAttention:
    """The network itself, also when an engine has wrapped it."""
    return cast(InstanceAttention, getattr(model, "module", model))
