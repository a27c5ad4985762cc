"""The task ``"heatmaps"``: people, one a crop, for top-down models."""

from __future__ import annotations

from dataclasses import dataclass

from posekit.training.heatmaps import HeatmapTask
from posekit.training.people import read_training_people
from posekit.training.recipe import Recipe
from posekit.training.tasks import Prepared, Source, options_of, register_task
from posekit.zoo import ModelEntry


@dataclass(frozen=True)
class HeatmapOptions:
    """What a recipe may say.

    absent: whether keypoints beyond the picture are to have empty heatmaps.
    """

    absent: bool = False


@register_task("heatmaps")
def heatmaps(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """Photographed people, and the recipe's rendered ones."""
    options = options_of(recipe, HeatmapOptions)
    people = read_training_people(
        source.data,
        model.skeleton,
        images=source.images,
        validation=source.validation,
        validation_images=source.validation_images,
        scenes=recipe.scenes,
    )
    task = HeatmapTask(
        model,
        people.train,
        people.validation,
        recipe.augmentation,
        absent=options.absent,
        initialisation=recipe.initialisation,
        start=source.start,
    )
    words = (
        f"{len(people.train):,} people to train on, {people.photographed:,} of them photographed, "
        f"{len(people.validation):,} to measure on"
    )
    besides = f"{recipe.scenes:,} rendered scenes" if recipe.scenes else ""
    return Prepared(task, people.photographed, words, besides, people.problems)
