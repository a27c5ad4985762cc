"""A training recipe: which model, at which sizes, for how long."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from posekit.data.augment import Augmentation
from posekit.errors import DataError


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one crop size.

    Small crops train several times faster; the sine position table fits any grid, so
    what was learnt on them carries over.

    Attributes:
        input_size: (height, width) of the crops.
        steps: optimiser steps.
        batch: people a step.
        sigma: of the target Gaussians, in heatmap pixels.
    """

    input_size: tuple[int, int]
    steps: int
    batch: int
    sigma: float = 2.0


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on, besides the data.

    Attributes:
        model: name in the zoo.
        stages: run one after the other.
        rate: highest learning rate of AdamW; reached after ``warm_up`` steps and then
            lowered along a cosine over all stages to ``floor`` of it.
        muon: learning rate of matrices (linear layers and convolutions but the first and the last
            ones) under Muon, in units of ``rate``; at 0 AdamW moves them as well.
        floor: share of the highest rate that is left at the end.
        decay: weight decay.
        last_decay: what it changes to along a cosine; None keeps it.
        clip: largest gradient norm; 0 for none.
        average: decay of the moving average of the weights, which is what is kept.
        bf16: mixed precision.
        initialisation: ``"pytorch"``, or ``"paper"`` for what the model's authors do.
        scenes: rendered people mixed into the photographs.
        seed: of the weights, the order of the people and the augmentation.
        task: what is learnt, a name in :mod:`posekit.training.tasks`.
        options: of the task, by name.
        keep: which averaged weights are the result: ``"best"`` by validation at the last stage's
            size, or ``"last"``, where what is measured is not what is wanted (a linear probe of a
            pre-training, say).
        rates: factors on the learning rate of some weights, by a pattern of their names, such as
            ``{"flow.*": 10.0}``; the first pattern that fits counts.
    """

    model: str
    stages: tuple[Stage, ...]
    rate: float = 1e-3
    muon: float = 0.0
    floor: float = 0.01
    warm_up: int = 300
    decay: float = 1e-4
    last_decay: float | None = None
    clip: float = 1.0
    average: float = 0.999
    bf16: bool = True
    initialisation: str = "pytorch"
    scenes: int = 0
    seed: int = 22
    augmentation: Augmentation = field(default_factory=Augmentation)
    task: str = "heatmaps"
    options: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    keep: Literal["best", "last"] = "best"

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage that optimiser step ``step`` (from 0) belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe from TOML.

    Raises:
        DataError: the file is missing, is not TOML, or names something a recipe does not have.
    """
    try:
        raw = tomllib.loads(Path(path).read_text())
        _check_names(raw, Recipe, f"{path}")
        for stage in raw["stages"]:
            _check_names(stage, Stage, f"a stage of {path}")
        _check_names(raw.get("augmentation", {}), Augmentation, f"the augmentation of {path}")
        stages = tuple(
            Stage(**{**stage, "input_size": tuple(stage["input_size"])})
            for stage in raw.pop("stages")
        )
        augmentation = Augmentation(**raw.pop("augmentation", {}))
        if raw.get("keep", "best") not in ("best", "last"):
            raise DataError(f"keep is 'best' or 'last', not {raw['keep']!r}, in {path}.")
        return Recipe(stages=stages, augmentation=augmentation, **raw)
    except OSError as error:
        raise DataError(f"There is no recipe at {path}.") from error
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a training recipe: {error}.") from error


def _check_names(given: Mapping[str, Any], kind: type[Any], where: str) -> None:
    """Refuse names that nothing takes, and the lack of those that are needed."""
    known = {one.name: one for one in fields(kind)}
    if unknown := [name for name in given if name not in known]:
        raise DataError(f"There is no {unknown[0]!r} in {where}: it may have {', '.join(known)}.")
    for name, one in known.items():
        if name not in given and one.default is MISSING and one.default_factory is MISSING:
            raise DataError(f"{name!r} is missing in {where}.")


def with_options(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe with some of its task's options changed.

    Args:
        recipe: what to change.
        changes: ``"NAME=VALUE"`` in TOML, such as ``"spatial=true"`` or ``"crowds.composites=0"``.

    Raises:
        DataError: a change is not of that form.
    """
    options = dict(recipe.options)
    for change in changes:
        try:
            changed = tomllib.loads(change)
        except tomllib.TOMLDecodeError as error:
            raise DataError(
                f"{change!r} is no option: write NAME=VALUE, such as spatial=true."
            ) from error
        for name, value in changed.items():
            old = options.get(name)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                value = {**old, **value}
            options[name] = value
    return replace(recipe, options=options)
