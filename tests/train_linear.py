"""A run of the loop small enough for several processes: ``train_linear.py OUT DEVICES STEPS``.

The network has no batch normalisation, whose statistics differ between a whole batch and its parts
on the CPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from posekit.training.engine import start_engine
from posekit.training.loop import Trainer
from posekit.training.recipe import Recipe, Stage
from posekit.training.task import Score, Step


class Linear:
    """Learn y = A x from noisy examples."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(40, 6, generator=generator)
        self.y = self.x @ torch.randn(6, 3, generator=generator)

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3))

    def to(self, device: torch.device) -> Linear:
        return self

    def __len__(self) -> int:
        return 40

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        noise = torch.randn(len(step.people), 6, generator=step.generator)
        x = (self.x[step.people] + 0.1 * noise)[step.share]
        return (model(x) - self.y[step.people][step.share]).square().mean()

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        return Score("minus error", -float((model(self.x) - self.y).square().mean().detach()))


if __name__ == "__main__":
    out, devices, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    recipe = Recipe("linear", (Stage((8, 8), 12, 8),), warm_up=2, bf16=False)
    trainer = Trainer(Linear(), recipe, out, start_engine("cpu", devices=devices))
    trainer.resume()
    while trainer.step < steps:
        trainer.train_step(recipe.stages[0])
    out.mkdir(exist_ok=True)
    trainer.save()
