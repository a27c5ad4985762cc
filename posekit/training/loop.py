"""The training loop of the heatmap models.

Every step draws its people and its augmentation from a generator seeded by the recipe's seed and
the step's number, so a run that was stopped and resumed does what an uninterrupted one does.
"""

from __future__ import annotations

import csv
import math
import os
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from posekit.data.augment import NONE, Augmentation, augment
from posekit.data.canvas import Canvases
from posekit.decode.heatmap import decode_heatmaps, encode_heatmaps
from posekit.errors import DataError
from posekit.evaluation import PCK, pck
from posekit.geometry import input_to_heatmap
from posekit.models.transpose import TransPose, heatmap_loss
from posekit.training.recipe import Recipe, Stage
from posekit.zoo import ModelEntry

CHECKPOINT = "last.pt"
LOG = "log.csv"


class Trainer:
    """Trains one model by one recipe; its state can be saved and taken up again.

    Args:
        entry: the model's entry in the zoo.
        recipe: how to train it.
        train: people to learn from.
        validation: people to measure on; never learnt from.
        folder: where checkpoints and the log go.
        device: where to train.
    """

    def __init__(
        self,
        entry: ModelEntry,
        recipe: Recipe,
        train: Canvases,
        validation: Canvases,
        folder: Path,
        device: torch.device,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.entry, self.recipe, self.folder, self.device = entry, recipe, folder, device
        self.train, self.validation = train.to(device), validation.to(device)
        self.mean = torch.tensor(entry.mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(entry.std, device=device).view(3, 1, 1)
        model = entry.build()
        if not isinstance(model, TransPose):
            raise DataError(f"This loop trains TransPose models; {entry.title} is not one.")
        self.model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = deepcopy(self.model).eval()
        weights = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=recipe.decay)
        self.step = 0
        self.order = torch.empty(0, dtype=torch.long)
        self.epoch = -1

    def run(self, *, validate_every: int = 500, seconds: float = math.inf) -> None:
        """Train to the end of the recipe, or until ``seconds`` have passed, saving on the way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resume()
        ends = time.monotonic() + seconds
        running = 0.0
        with tqdm(total=self.recipe.steps, initial=self.step, unit="step", mininterval=2) as bar:
            while self.step < self.recipe.steps and time.monotonic() < ends:
                stage = self.recipe.stage_at(self.step)
                loss = self.train_step(stage)
                running = loss if running == 0 else 0.98 * running + 0.02 * loss
                bar.set_postfix(loss=f"{1e3 * running:.3f}e-3", size=stage.input_size[0])
                bar.update()
                if self.step % validate_every == 0 or self.step == self.recipe.steps:
                    score = self.validate(stage)
                    bar.write(f"step {self.step}: loss {1e3 * running:.3f}e-3, PCK {score.mean}")
                    self.log(running, score, stage)
                    self.save()
        self.save()

    def train_step(self, stage: Stage) -> float:
        """One optimiser step; returns the loss."""
        generator = torch.Generator(self.device).manual_seed(
            self.recipe.seed * 1_000_003 + self.step
        )
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        index = self.people_of_step(stage.batch)
        images, target, weight = self.batch(
            self.train, index, stage, generator, self.recipe.augmentation
        )
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            heatmaps = self.model(images)
        loss = heatmap_loss(heatmaps, target, weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self.update_average()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DataError(f"The loss is no longer a number at step {self.step}: lower the rate.")
        return value

    def batch(
        self,
        data: Canvases,
        index: Tensor,
        stage: Stage,
        generator: torch.Generator,
        how: Augmentation,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised crops (B, 3, H, W), target heatmaps (B, K, h, w) and weights (B, K)."""
        images, keypoints, labelled = augment(
            data, index, self.entry.skeleton, stage.input_size, generator, how
        )
        size = self.model.heatmap_size(stage.input_size)
        to_heatmap = input_to_heatmap(stage.input_size, size)
        matrix = torch.tensor(to_heatmap.matrix, dtype=torch.float32, device=self.device)
        on_heatmap = keypoints @ matrix[:, :2].T + matrix[:, 2]
        target, weight = encode_heatmaps(on_heatmap, labelled, size, stage.sigma)
        images = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return images, target, weight

    def people_of_step(self, batch: int) -> Tensor:
        """Indices (B,) of this step's people: every person once an epoch, in a shuffled order."""
        first = self.step * batch
        epoch, start = divmod(first, len(self.train))
        index: list[int] = []
        while len(index) < batch:
            if self.epoch != epoch:
                seed = self.recipe.seed + 7_919 * epoch
                self.order = torch.randperm(
                    len(self.train), generator=torch.Generator().manual_seed(seed)
                )
                self.epoch = epoch
            take = self.order[start : start + batch - len(index)].tolist()
            index += take
            epoch, start = epoch + 1, 0
        return torch.tensor(index, device=self.device)

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine down to a hundredth of the highest rate."""
        recipe = self.recipe
        if self.step < recipe.warm_up:
            return recipe.rate * (self.step + 1) / recipe.warm_up
        done = (self.step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
        return recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights; early on they follow faster."""
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        ours = self.model.state_dict()
        for key, kept in self.average.state_dict().items():
            if kept.is_floating_point():
                kept.lerp_(ours[key], 1 - decay)
            else:
                kept.copy_(ours[key])

    @torch.inference_mode()
    def validate(self, stage: Stage) -> PCK:
        """PCK@0.2 of the averaged weights on the validation people, in crop coordinates."""
        predicted, truth, known = [], [], []
        generator = torch.Generator(self.device).manual_seed(0)
        size = self.average.heatmap_size(stage.input_size)
        to_input = input_to_heatmap(stage.input_size, size).inverse()
        for index in torch.arange(len(self.validation), device=self.device).split(64):
            images, keypoints, labelled = augment(
                self.validation, index, self.entry.skeleton, stage.input_size, generator, NONE
            )
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
                heatmaps = self.average((images - self.mean) / self.std)
            coords, _ = decode_heatmaps(heatmaps.float())
            predicted.append(torch.from_numpy(to_input.apply(coords.cpu().numpy())))
            truth.append(keypoints.cpu())
            known.append(labelled.cpu())
        return pck(
            torch.cat(predicted).numpy(),
            torch.cat(truth).numpy(),
            torch.cat(known).numpy(),
            self.entry.skeleton,
        )

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from here."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def save(self) -> None:
        """Write the state; a stop in the middle leaves the previous file whole."""
        path = self.folder / CHECKPOINT
        torch.save(self.state(), path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def resume(self) -> None:
        """Take up the state that lies in the folder, if there is one."""
        path = self.folder / CHECKPOINT
        if path.exists():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.step = state["step"]
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])

    def log(self, loss: float, score: PCK, stage: Stage) -> None:
        """Add a line to the log."""
        path = self.folder / LOG
        new = not path.exists()
        with path.open("a", newline="") as handle:
            writer = csv.writer(handle)
            if new:
                writer.writerow(["step", "input_height", "loss", "learning_rate", "pck"])
            writer.writerow(
                [
                    self.step,
                    stage.input_size[0],
                    f"{loss:.6f}",
                    f"{self.learning_rate():.3e}",
                    score.mean,
                ]
            )
