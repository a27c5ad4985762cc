"""What the loop needs to know of a model: how to build it, its loss, and how to measure it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from posekit.training.recipe import Stage


@dataclass(frozen=True)
class Step:
    """One process's share of one optimiser step.

    Attributes:
        people: (B,) the people of the whole step, over all processes.
        share: the part of them that this process computes.
        stage: the stage of the recipe.
        generator: the step's random numbers, the same in every process.
    """

    people: Tensor
    share: slice
    stage: Stage
    generator: torch.Generator


@dataclass(frozen=True)
class Score:
    """A measurement on people who are never learnt from.

    Attributes:
        name: what was measured, ``"PCK@0.2"``.
        value: the higher, the better.
    """

    name: str
    value: float


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
