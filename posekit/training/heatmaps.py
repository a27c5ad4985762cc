"""Training of top-down heatmap models: TransPose and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from posekit.checkpoint import read_state_dict
from posekit.data.augment import NONE, Augmentation, augment
from posekit.data.canvas import Canvases
from posekit.decode.heatmap import decode_heatmaps, encode_heatmaps
from posekit.errors import DataError
from posekit.evaluation import pck
from posekit.geometry import input_to_heatmap
from posekit.models.transpose import heatmap_loss
from posekit.training.recipe import Stage
from posekit.training.task import Score, Step, check_keypoints
from posekit.zoo import ModelEntry

Size = tuple[int, int]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class HeatmapModel(Protocol):
    """A network that reads (B, 3, H, W) crops into (B, K, h, w) heatmaps."""

    def heatmap_size(self, input_size: Size) -> Size:
        """(h, w) for crops of (H, W)."""

    def initialise(self, pretrained: Mapping[str, Tensor] | None = None) -> int:
        """Start as the authors do; returns how many pretrained tensors were copied."""


@dataclass(frozen=True, eq=False)
class HeatmapTask:
    """Learn the keypoints of people from crops.

    Attributes:
        entry: the model in the zoo.
        train: people to learn from.
        validation: people to measure on.
        augmentation: how crops are varied in training.
        criterion: (heatmaps, targets, weights) -> scalar.
        absent: whether keypoints beyond the picture are to have empty heatmaps, so that the model
            is not sure of them; otherwise, as in the paper, nothing is learnt of them.
        initialisation: see :class:`posekit.training.recipe.Recipe`.
        start: ImageNet weights of the trunk, which the paper's initialisation copies.
    """

    entry: ModelEntry
    train: Canvases
    validation: Canvases
    augmentation: Augmentation
    criterion: Loss = heatmap_loss
    absent: bool = False
    initialisation: str = "pytorch"
    start: Path | None = None

    def __post_init__(self) -> None:
        check_keypoints(self.entry, self.train, self.validation)

    def build(self) -> nn.Module:
        """The network as training starts, its convolutions laid out for the device's kernels."""
        model = self.entry.build()
        if not hasattr(model, "heatmap_size"):
            raise DataError(f"{self.entry.title} makes no heatmaps to learn from.")
        if self.start is not None or self.initialisation == "paper":
            pretrained = None if self.start is None else read_state_dict(self.start)
            cast(HeatmapModel, model).initialise(pretrained)
        return cast(nn.Module, model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]

    def to(self, device: torch.device) -> HeatmapTask:
        """The same task with its data on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def __len__(self) -> int:
        return len(self.train)

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        """The criterion on this process's share of the step."""
        images, keypoints, labelled = augment(
            self.train,
            step.people,
            self.entry.skeleton,
            step.stage.input_size,
            step.generator,
            self.augmentation,
            share=step.share,
        )
        size = heatmap_size(model, step.stage.input_size)
        matrix = input_to_heatmap(step.stage.input_size, size).matrix
        to_heatmap = torch.tensor(matrix, dtype=torch.float32, device=keypoints.device)
        on_heatmap = keypoints @ to_heatmap[:, :2].T + to_heatmap[:, 2]
        target, weight = encode_heatmaps(on_heatmap, labelled, size, step.stage.sigma)
        if self.absent:
            weight = labelled.to(weight.dtype)
        return self.criterion(model(self.normalised(images)).float(), target, weight)

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        """PCK@0.2 in crop coordinates, on the plain crop of the box around the labels."""
        device = self.validation.images.device
        generator = torch.Generator(device).manual_seed(0)
        to_input = input_to_heatmap(
            stage.input_size, heatmap_size(model, stage.input_size)
        ).inverse()
        predicted, truth, known = [], [], []
        for people in torch.arange(len(self.validation), device=device).split(64):
            images, keypoints, labelled = augment(
                self.validation, people, self.entry.skeleton, stage.input_size, generator, NONE
            )
            coords, _ = decode_heatmaps(model(self.normalised(images)).float())
            predicted.append(torch.from_numpy(to_input.apply(coords.cpu().numpy())))
            truth.append(keypoints.cpu())
            known.append(labelled.cpu())
        score = pck(
            torch.cat(predicted).numpy(),
            torch.cat(truth).numpy(),
            torch.cat(known).numpy(),
            self.entry.skeleton,
        )
        return Score("PCK@0.2", score.mean)

    def normalised(self, images: Tensor) -> Tensor:
        """Crops in 0..1 as the network expects them, laid out for the device's kernels."""
        return self.entry.normalised(images).contiguous(memory_format=torch.channels_last)


def heatmap_size(model: nn.Module, input_size: Size) -> Size:
    """(h, w) of a model's heatmaps, also when an engine has wrapped the model."""
    inner = getattr(model, "module", model)
    return cast(HeatmapModel, inner).heatmap_size(input_size)
