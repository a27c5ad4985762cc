"""The task ``"ssa"``: whole photos with everybody in them, for the OpenPose line."""

from __future__ import annotations

from posekit.training.crowds import crowd_options, read_training_crowds
from posekit.training.recipe import Recipe
from posekit.training.ssa import SSAOptions, SSATask
from posekit.training.tasks import Prepared, Source, options_of, register_task
from posekit.zoo import ModelEntry


@register_task("ssa")
def ssa(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """Photographs, composites of them, and the recipe's rendered scenes."""
    options = options_of(recipe, SSAOptions)
    crowds = crowd_options(options.crowds)
    data = read_training_crowds(source, model.skeleton, crowds, recipe.scenes)
    task = SSATask(model, data.train, data.validation, recipe.augmentation, options, source.start)
    besides = data.besides(recipe.scenes)
    return Prepared(task, data.photographs, data.words, besides, data.problems)
