"""What the loop needs to know of a model: how to build it, its loss, and how to measure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from posekit.data.canvas import Canvases
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.errors import DataError
from posekit.training.recipe import Stage
from posekit.zoo import ModelEntry


@dataclass(frozen=True)
class Step:
    """One process's share of one optimiser step.

    Attributes:
        people: (B,) the people of the whole step, over all processes.
        share: the part of them that this process computes.
        stage: the stage of the recipe.
        generator: the step's random numbers, the same in every process.
        progress: share of the recipe that is done, 0 to 1.
    """

    people: Tensor
    share: slice
    stage: Stage
    generator: torch.Generator
    progress: float = 0.0


@dataclass(frozen=True)
class Score:
    """A measurement on people who are never learnt from.

    Attributes:
        name: what was measured, ``"PCK@0.2"``.
        value: the higher, the better.
        figures: what else is worth a column of the log.
        warning: a sentence when something has gone wrong.
    """

    name: str
    value: float
    figures: Mapping[str, float] = field(default_factory=dict)
    warning: str = ""


class Task(Protocol):
    """A model to train on data that lives on one device."""

    def build(self) -> nn.Module:
        """The network with the weights that training starts from."""

    def to(self, device: torch.device) -> Task:
        """The same task with its data on a device."""

    def __len__(self) -> int:
        """People to learn from."""

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        """The mean loss over this process's share of the step, a scalar."""

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        """Measure a model in evaluation mode at a stage's input size."""


@runtime_checkable
class Paced(Protocol):
    """A task that has something to do around each update of the weights."""

    def before_update(self, model: nn.Module, step: Step) -> None:
        """Once the gradients are there."""

    def after_update(self, model: nn.Module, step: Step) -> None:
        """Once the weights have moved."""


@runtime_checkable
class Distilled(Protocol):
    """A task whose network is more than the model that comes out of it."""

    def product(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The model's weights, of those of the whole network."""


@runtime_checkable
class Accompanied(Protocol):
    """A task with weights that no photo needs and a run that goes on from the checkpoint does."""

    def beside(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Those weights, of those of the whole network, as the checkpoint is to name them."""


def check_keypoints(model: ModelEntry, *parts: Canvases | CrowdCanvases) -> None:
    """Refuse data of another skeleton than the model's.

    Raises:
        DataError: a part has another number of keypoints.
    """
    for part in parts:
        given = part.keypoints.shape[-2]
        if given != model.skeleton.size:
            raise DataError(
                f"{model.title} learns {model.skeleton.size} keypoints; the data has {given}."
            )
