"""Pre-training a backbone with DINO, and how it is known that it learns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from posekit.data.canvas import Canvases
from posekit.data.multi_crop import CropKind, random_crops
from posekit.errors import DataError
from posekit.models.dino import Dino, cosine, dino_loss, teacher_figures, trunk_channels
from posekit.skeleton import skeleton
from posekit.training.probe import keypoint_probe
from posekit.training.recipe import Stage
from posekit.training.task import Score, Step
from posekit.zoo import ModelEntry

LARGE_CROPS = 2
BATCH = 64
"""Photographs measured at once."""


@dataclass(frozen=True)
class DinoOptions:
    """What the paper's section 3 and appendix D leave to choose; defaults are the paper's.

    Attributes:
        prototypes: classes of the head.
        hidden: width of the head's perceptron.
        bottleneck: width before the prototypes.
        head_norm: batch norm in the head's perceptron.
        small_crops: local crops of a photo.
        small_size: (height, width) of a local crop; large ones have the stage's input size.
        large_area: smallest and largest share of the photo in a global crop.
        small_area: the same of a local crop.
        temperature: of the student.
        teacher_temperature: first and last, between them a line.
        warm_temperature: share of the run over which it rises.
        momentum: of the teacher at first; it rises to 1 along a cosine.
        centre_momentum: of the centre.
        freeze: share of the run in which the prototypes stay as they are.
        labels: skeleton of the labels that the probe reads.
        probe: labelled people of the training part that the keypoint probe learns from.
    """

    prototypes: int = 65536
    hidden: int = 2048
    bottleneck: int = 256
    head_norm: bool = False
    small_crops: int = 8
    small_size: tuple[int, int] = (96, 96)
    large_area: tuple[float, float] = (0.4, 1.0)
    small_area: tuple[float, float] = (0.05, 0.4)
    temperature: float = 0.1
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    warm_temperature: float = 0.3
    momentum: float = 0.996
    centre_momentum: float = 0.9
    freeze: float = 0.01
    labels: str = "lsp14"
    probe: int = 1000


@dataclass(frozen=True, eq=False)
class DinoTask:
    """Learn a backbone from photographs without looking at their labels.

    Labels serve the measurement alone: a linear probe of the teacher's features.

    Attributes:
        entry: a model of the zoo whose network has a ``trunk``.
        train: photographs to learn from.
        validation: people to measure the probe on.
        options: see :class:`DinoOptions`.
    """

    entry: ModelEntry
    train: Canvases
    validation: Canvases
    options: DinoOptions

    def build(self) -> nn.Module:
        """Student and teacher, alike at first."""
        backbone = self.entry.build()
        if not hasattr(backbone, "trunk"):
            raise DataError(f"{self.entry.title} has no trunk that DINO could pre-train.")
        how = self.options
        channels = trunk_channels(backbone, self.entry.input_size)
        return Dino(backbone, channels, how.prototypes, how.hidden, how.bottleneck, how.head_norm)

    def to(self, device: torch.device) -> DinoTask:
        """The same task with its photographs on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def __len__(self) -> int:
        return len(self.train)

    def loss(self, model: nn.Module, step: Step) -> Tensor:
        """The loss of this process's share of the step; moves the centre on the way."""
        how = self.options
        large = CropKind(step.stage.input_size, how.large_area, blur=0.5, solarise=0.1)
        small = CropKind(how.small_size, how.small_area)
        crops = [
            self.entry.normalised(
                random_crops(self.train, step.people, kind, step.generator, step.share)
            )
            for kind in [large] * LARGE_CROPS + [small] * how.small_crops
        ]
        said, taught = model(torch.stack(crops[:LARGE_CROPS]), crops[LARGE_CROPS:])
        dino = inner(model)
        loss = dino_loss(
            said, taught, dino.centre, how.temperature, self.teacher_temperature(step.progress)
        )
        dino.recentre(taught, how.centre_momentum)
        return loss

    def before_update(self, model: nn.Module, step: Step) -> None:
        """Prototypes that move in the very beginning lead to collapse (appendix D)."""
        if step.progress < self.options.freeze:
            inner(model).student.head.prototypes.weight.grad = None

    def after_update(self, model: nn.Module, step: Step) -> None:
        """The teacher follows, ever more slowly."""
        inner(model).follow(cosine(self.options.momentum, 1.0, step.progress))

    def teacher_temperature(self, progress: float) -> float:
        """Its temperature at a share of the run."""
        first, last = self.options.teacher_temperature
        return first + (last - first) * min(1.0, progress / self.options.warm_temperature)

    def validate(self, model: nn.Module, stage: Stage) -> Score:
        """PCK@0.2 of the keypoint probe on the teacher's features, beside the teacher's state."""
        dino = inner(model)
        score = keypoint_probe(
            dino.teacher.backbone,
            self.entry,
            skeleton(self.options.labels),
            self.train,
            self.validation,
            stage.input_size,
            learn_from=self.options.probe,
        )
        figures = teacher_figures(
            self.answers(dino, stage), dino.centre, self.options.teacher_temperature[1]
        )
        return Score("probe PCK@0.2", score, figures, collapse(figures))

    def answers(self, dino: Dino, stage: Stage) -> Tensor:
        """What the teacher says of one large crop of every validation photograph: (N, P)."""
        device = self.validation.images.device
        generator = torch.Generator(device).manual_seed(0)
        kind = CropKind(stage.input_size, (1.0, 1.0), blur=0.0)
        answers = []
        for people in torch.arange(len(self.validation), device=device).split(BATCH):
            crops = random_crops(self.validation, people, kind, generator)
            answers.append(dino.teacher(self.entry.normalised(crops)).float())
        return torch.cat(answers)

    def product(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is exported of a run: the teacher's backbone."""
        prefix = "teacher.backbone."
        return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}


def collapse(figures: dict[str, float]) -> str:
    """A sentence when the teacher's answers say that it collapsed, else nothing."""
    if figures["teacher entropy"] > 0.98:
        return "The teacher says the same of every photo, namely nothing: it has collapsed."
    if figures["answers used"] < 0.1:
        return "Very few prototypes answer every photo: the teacher has collapsed."
    return ""


def inner(model: nn.Module) -> Dino:
    """The network itself, also when an engine has wrapped it."""
    module = getattr(model, "module", model)
    assert isinstance(module, Dino)
    return module
