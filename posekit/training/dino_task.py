"""The task ``"dino"``: photographs, whose labels serve the measurement alone."""

from __future__ import annotations

from posekit.skeleton import skeleton
from posekit.training.dino import DinoOptions, DinoTask
from posekit.training.people import read_training_people
from posekit.training.recipe import Recipe
from posekit.training.tasks import Prepared, Source, options_of, register_task
from posekit.zoo import ModelEntry


@register_task("dino")
def dino(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """The photographs of a labelled data set."""
    options = options_of(recipe, DinoOptions)
    people = read_training_people(
        source.data,
        skeleton(options.labels),
        images=source.images,
        validation=source.validation,
        validation_images=source.validation_images,
        scenes=recipe.scenes,
    )
    task = DinoTask(model, people.train, people.validation, options)
    words = (
        f"{len(people.train):,} photographs to learn from without their labels, "
        f"{len(people.validation):,} to measure on"
    )
    besides = f"{recipe.scenes:,} rendered scenes" if recipe.scenes else ""
    return Prepared(task, people.photographed, words, besides, people.problems)
