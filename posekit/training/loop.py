"""The training loop, the same for every model, on Lightning Fabric.

Fabric brings the devices: one process, several GPUs or several nodes differ only in the flags
given to it, and so does mixed precision. Every step draws its people and its augmentation from the
recipe's seed and the step's number alone, the same in every process; therefore a run that was
stopped and resumed does what an uninterrupted one does, and two processes do what one does.
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm import tqdm

from posekit.errors import DataError
from posekit.training.optimisers import optimisers_of
from posekit.training.recipe import Recipe, Stage
from posekit.training.task import Distilled, Paced, Score, Step, Task

LAST = "last.pt"
BEST = "best.pt"
LOG = "log.csv"
LOOK_EVERY = 20
"""Steps between two looks at the loss; each look waits for the device."""


RECENT = 50
"""Steps whose mean loss is shown and logged."""


def running_loss(mean: Tensor, loss: Tensor, seen: int) -> Tensor:
    """The mean of the first :data:`RECENT` losses, then of about as many of the last.

    One bad batch at the start is soon one of many; in a plain running mean it would outweigh all
    others for a hundred steps, and look like a run gone wrong.

    Args:
        mean: before this loss.
        loss: of the newest step.
        seen: how many losses there were, with this one.
    """
    return mean.lerp(loss.to(mean.dtype), 1 / min(seen, RECENT))


def in_words(step: int, score: Score) -> str:
    """A measurement as a line for whoever watches the run."""
    figures = "".join(f", {name} {figure:.3f}" for name, figure in score.figures.items())
    return f"step {step}: {score.name} {score.value}{figures}. {score.warning}".strip()


class Trainer:
    """Trains one task by one recipe; its state can be saved and taken up again.

    Args:
        task: what to learn.
        recipe: how.
        folder: where checkpoints and the log go.
        fabric: a launched engine (``fabric.launch()``).

    Raises:
        DataError: a stage's batch cannot be shared out evenly between the processes.
    """

    def __init__(self, task: Task, recipe: Recipe, folder: Path, fabric: Fabric) -> None:
        for stage in recipe.stages:
            if stage.batch % fabric.world_size:
                raise DataError(
                    f"A batch of {stage.batch} cannot be shared out evenly "
                    f"to {fabric.world_size} processes."
                )
        self.recipe, self.folder, self.fabric = recipe, folder, fabric
        self.task = task.to(fabric.device)
        torch.manual_seed(recipe.seed)
        model = task.build().to(fabric.device)
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        optimisers = optimisers_of(model, recipe)
        self.average = deepcopy(model).eval().requires_grad_(False)
        self.model, *self.optimisers = fabric.setup(model, *optimisers)
        self.step = 0
        self.best = -math.inf
        self._order = torch.empty(0, dtype=torch.long)
        self._epoch = -1

    def run(self, *, validate_every: int = 500, seconds: float = math.inf) -> None:
        """Train to the end of the recipe, or until ``seconds`` have passed, saving on the way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        ends = time.monotonic() + seconds
        running, seen = torch.zeros((), device=self.fabric.device), 0
        with tqdm(
            total=self.recipe.steps,
            initial=self.step,
            unit="step",
            mininterval=2,
            disable=not self.fabric.is_global_zero,
        ) as bar:
            if self.step == 0 and isinstance(self.task, Distilled):
                # What training is to be compared with: the same network, untrained.
                stage = self.recipe.stage_at(0)
                self.log(math.nan, self.validate(stage), stage)
            while self.step < self.recipe.steps and not self._past(ends):
                stage = self.recipe.stage_at(self.step)
                loss = self.train_step(stage)
                seen += 1
                running = running_loss(running, loss, seen)
                bar.update()
                if self.step % LOOK_EVERY == 0:
                    bar.set_postfix(loss=f"{self._checked(running):.2e}", size=stage.input_size[0])
                if self.step % validate_every == 0 or self.step == self.recipe.steps:
                    score = self.validate(stage)
                    bar.write(in_words(self.step, score))
                    self.log(self._checked(running), score, stage)
                    self.keep(score, stage)
                    self.save()
        self.save()

    def train_step(self, stage: Stage) -> Tensor:
        """One optimiser step; returns the loss, a scalar on the device."""
        seed = self.recipe.seed * 1_000_003 + self.step
        # Dropout draws from the global generator, the step's people and crops from their own.
        torch.manual_seed(seed * 64 + self.fabric.global_rank)
        generator = torch.Generator(self.fabric.device).manual_seed(seed)
        for group in self.groups:
            group["lr"] = self.learning_rate() * group.get("factor", 1.0)
            group["weight_decay"] = self.decay()
        each = stage.batch // self.fabric.world_size
        share = slice(self.fabric.global_rank * each, (self.fabric.global_rank + 1) * each)
        people = self.people_of_step(stage.batch).to(self.fabric.device)
        self.model.train()
        step = Step(people, share, stage, generator, self.step / self.recipe.steps)
        loss = self.task.loss(self.model, step)
        self.model.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if isinstance(self.task, Paced):
            self.task.before_update(self.model, step)
        if self.recipe.clip > 0:
            # A gradient that is no number shows in the loss too, whose check says more.
            self.fabric.clip_gradients(
                self.model, self.optimisers[0], max_norm=self.recipe.clip, error_if_nonfinite=False
            )
        for optimiser in self.optimisers:
            optimiser.step()
        if isinstance(self.task, Paced):
            self.task.after_update(self.model, step)
        self.step += 1
        self.update_average()
        return loss.detach()

    @property
    def groups(self) -> Iterator[dict[str, Any]]:
        """The weights in groups of one learning rate, of all optimisers."""
        return chain.from_iterable(optimiser.param_groups for optimiser in self.optimisers)

    def people_of_step(self, batch: int) -> Tensor:
        """Indices (B,) of this step's people: every person once an epoch, in a shuffled order."""
        epoch, start = divmod(self.step * batch, len(self.task))
        chosen: list[int] = []
        while len(chosen) < batch:
            if self._epoch != epoch:
                generator = torch.Generator().manual_seed(self.recipe.seed + 7_919 * epoch)
                self._order = torch.randperm(len(self.task), generator=generator)
                self._epoch = epoch
            chosen += self._order[start : start + batch - len(chosen)].tolist()
            epoch, start = epoch + 1, 0
        return torch.tensor(chosen)

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine down to the recipe's floor."""
        recipe = self.recipe
        if self.step < recipe.warm_up:
            return recipe.rate * (self.step + 1) / recipe.warm_up
        done = (self.step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
        wave = 0.5 * (1 + math.cos(math.pi * done))
        return recipe.rate * (recipe.floor + (1 - recipe.floor) * wave)

    def decay(self) -> float:
        """The weight decay: constant, or along a cosine to the recipe's last."""
        recipe = self.recipe
        if recipe.last_decay is None:
            return recipe.decay
        wave = 0.5 * (1 + math.cos(math.pi * self.step / recipe.steps))
        return recipe.last_decay + (recipe.decay - recipe.last_decay) * wave

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights; early on they follow faster."""
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        ours, kept = self._weights(), self.average.state_dict()
        # Weights that several layers share have several names; they move once.
        own = {value.data_ptr(): key for key, value in kept.items() if value.numel()}
        moving = [key for key in own.values() if kept[key].is_floating_point()]
        old, new = [kept[key] for key in moving], [ours[key] for key in moving]
        torch._foreach_lerp_(old, new, 1 - decay)
        for key, value in kept.items():
            if not value.is_floating_point():
                value.copy_(ours[key])

    @torch.inference_mode()
    def validate(self, stage: Stage) -> Score:
        """Measure the averaged weights; every process does, so that none has to tell the others."""
        with self.fabric.autocast():
            return self.task.validate(self.average, stage)

    def keep(self, score: Score, stage: Stage) -> None:
        """Keep the averaged weights if they are the best so far at the last stage's size."""
        better = score.value > self.best or self.recipe.keep == "last"
        if stage.input_size != self.recipe.stages[-1].input_size or not better:
            return
        self.best = score.value
        self._write({"step": self.step, "average": self.average.state_dict()}, BEST)

    def save(self) -> None:
        """Write everything needed to go on from here."""
        state = {
            "step": self.step,
            "best": self.best,
            "model": self._weights(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }
        self._write(state, LAST)

    def resume(self) -> None:
        """Take up the state that lies in the folder, if there is one.

        Raises:
            DataError: its weights were moved by other optimisers.
        """
        path = self.folder / LAST
        if not path.exists():
            return
        state = torch.load(path, map_location=self.fabric.device, weights_only=True)
        self.step, self.best = state["step"], state.get("best", -math.inf)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        moved_by = state.get("optimisers", [])
        if len(moved_by) != len(self.optimisers):
            raise DataError(
                f"The run in {self.folder} has other optimisers than this recipe: "
                "begin in another folder, with --start."
            )
        for optimiser, saved in zip(self.optimisers, moved_by, strict=True):
            optimiser.load_state_dict(saved)

    def log(self, loss: float, score: Score, stage: Stage) -> None:
        """Add a line to the log."""
        if not self.fabric.is_global_zero:
            return
        path = self.folder / LOG
        new = not path.exists()
        with path.open("a", newline="") as handle:
            writer = csv.writer(handle)
            if new:
                columns = ["step", "input_height", "loss", "learning_rate", score.name]
                writer.writerow([*columns, *score.figures])
            writer.writerow(
                [
                    self.step,
                    stage.input_size[0],
                    "" if math.isnan(loss) else f"{loss:.6f}",
                    f"{self.learning_rate():.3e}",
                    score.value,
                    *(f"{figure:.4f}" for figure in score.figures.values()),
                ]
            )

    def _weights(self) -> dict[str, Tensor]:
        return dict(getattr(self.model, "module", self.model).state_dict())

    def _checked(self, loss: Tensor) -> float:
        value = float(loss)
        if not math.isfinite(value):
            raise DataError(f"The loss is no longer a number at step {self.step}: lower the rate.")
        return value

    def _past(self, ends: float) -> bool:
        """Whether time is up; the first process decides for all, or some would wait for ever."""
        if math.isinf(ends):
            return False
        return bool(self.fabric.broadcast(time.monotonic() >= ends))

    def _write(self, state: dict[str, Any], name: str) -> None:
        """A stop in the middle leaves the previous file whole."""
        if self.fabric.is_global_zero:
            partial = self.folder / f".{name}.part"
            torch.save(state, partial)
            os.replace(partial, self.folder / name)
        self.fabric.barrier()
