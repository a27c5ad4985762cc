"""The task ``"instance"``: whole photos with everybody in them, and whose pixels they are."""

from __future__ import annotations

from posekit.data.masked import masked_crowds
from posekit.data.problems import Problems
from posekit.training.crowds import crowd_options, read_training_crowds
from posekit.training.instance import InstanceOptions, InstanceTask
from posekit.training.recipe import Recipe
from posekit.training.tasks import Prepared, Source, options_of, register_task
from posekit.zoo import ModelEntry


@register_task("instance")
def instance(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """Photographs, composites of them, rendered scenes, and photographs with masks alone."""
    options = options_of(recipe, InstanceOptions)
    crowds = crowd_options(options.crowds)
    problems = Problems()
    masked = []
    if source.masks is not None:
        masked = masked_crowds(source.masks, "train", model.skeleton, problems=problems)
    data = read_training_crowds(
        source,
        model.skeleton,
        crowds,
        recipe.scenes,
        owners=True,
        more=masked * options.mask_repeats,
    )
    problems.update(data.problems)
    task = InstanceTask(
        model, data.train, data.validation, recipe.augmentation, options, source.start
    )
    besides = data.besides(recipe.scenes, (len(masked), "photographs with masks of people alone"))
    return Prepared(task, data.photographs, data.words, besides, problems)
