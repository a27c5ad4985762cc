"""What can be trained, by name: a recipe says ``task = "heatmaps"``, a module here knows how.

A kind of task joins by a decorated function in a module ``posekit/training/<kind>_task.py``, which
reads the data, builds the :class:`~posekit.training.task.Task` and says what it read; the command
line finds it by itself.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import posekit.training
from posekit.data.problems import Problems
from posekit.errors import DataError
from posekit.training.recipe import Recipe
from posekit.training.task import Task
from posekit.zoo import ModelEntry

__all__ = ["Prepared", "Source", "options_of", "prepare", "register_task", "task_kinds"]

Options = TypeVar("Options")


@dataclass(frozen=True)
class Source:
    """Where the data lies.

    Attributes:
        data: a folder with ``joints.npz`` and ``images*.tar``, or a COCO-format file.
        images: photographs of a COCO-format file that do not lie beside it.
        validation: another COCO-format file, to choose the best weights by.
        validation_images: its photographs.
        start: weights to start from; what they are depends on the task.
        masks: a COCO-format file of people with masks and perhaps no keypoints, for tasks that can
            use it.
    """

    data: Path
    images: Path | None = None
    validation: Path | None = None
    validation_images: Path | None = None
    start: Path | None = None
    masks: Path | None = None

    @property
    def name(self) -> str:
        """The data set's name for a model card."""
        return self.data.stem if self.data.suffix else "LSPET"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A task with its data.

    Attributes:
        task: what the loop trains.
        photographs: how many photographs are learnt from, for the model card.
        words: what there is to learn from and to measure on, for whoever started the run.
        besides: what else is learnt from, for the model card: ``"1,500 rendered scenes"``.
        problems: what could not be used.
    """

    task: Task
    photographs: int
    words: str
    besides: str = ""
    problems: Problems = field(default_factory=Problems)


Prepare = Callable[[ModelEntry, Recipe, Source], Prepared]

_KINDS: dict[str, Prepare] = {}


def register_task(name: str) -> Callable[[Prepare], Prepare]:
    """Add a kind of task: decorates a function that reads the data and builds the task.

    Raises:
        DataError: the name is taken.
    """

    def add(prepare: Prepare) -> Prepare:
        if name in _KINDS:
            raise DataError(f"A task named {name!r} is registered already.")
        _KINDS[name] = prepare
        return prepare

    return add


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(posekit.training.__path__):
        if module.name.endswith("_task"):
            import_module(f"posekit.training.{module.name}")


def task_kinds() -> list[str]:
    """Names of the kinds of task there are."""
    _discover()
    return sorted(_KINDS)


def prepare(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """Read the data that a recipe's task needs and build the task.

    Raises:
        DataError: there is no task of that name, an option is not the task's, or the data is
            missing or malformed.
    """
    _discover()
    if recipe.task not in _KINDS:
        raise DataError(f"There is no task {recipe.task!r}; there are {', '.join(task_kinds())}.")
    return _KINDS[recipe.task](model, recipe, source)


def options_of(recipe: Recipe, kind: type[Options]) -> Options:
    """A recipe's options as a task's own dataclass.

    Raises:
        DataError: an option is not one of the task's.
    """
    known = [field.name for field in fields(kind) if field.init]  # type: ignore[arg-type]
    for name in recipe.options:
        if name not in known:
            raise DataError(
                f"The task {recipe.task!r} has no option {name!r}: it has {', '.join(known)}."
            )
    try:
        return kind(**recipe.options)
    except TypeError as error:
        raise DataError(f"These are no options of the task {recipe.task!r}: {error}.") from error
