"""The task ``"ssa"``: whole photos with everybody in them, for the OpenPose line."""

from __future__ import annotations

from posekit.errors import DataError
from posekit.training.crowds import CrowdOptions, read_training_crowds
from posekit.training.recipe import Recipe
from posekit.training.ssa import SSAOptions, SSATask
from posekit.training.tasks import Prepared, Source, options_of, register_task
from posekit.zoo import ModelEntry


@register_task("ssa")
def ssa(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """Photographs, composites of them, and the recipe's rendered scenes."""
    options = options_of(recipe, SSAOptions)
    try:
        crowds = CrowdOptions(**options.crowds)
    except TypeError as error:
        raise DataError(f"These are no options of crowds: {error}.") from error
    data = read_training_crowds(source, model.skeleton, crowds, recipe.scenes)
    task = SSATask(model, data.train, data.validation, recipe.augmentation, options, source.start)
    words = (
        f"{len(data.train):,} photos to learn from, {data.photographs:,} of them as they were "
        f"taken and {data.composites:,} composites, {len(data.validation):,} to measure on"
    )
    parts = [f"{data.composites:,} composites of them"] if data.composites else []
    parts += [f"{recipe.scenes:,} rendered scenes"] if recipe.scenes else []
    return Prepared(task, data.photographs, words, " and ".join(parts), data.problems)
