"""The task ``"querypose"``: whole photos with everybody in them, composites among them."""

from __future__ import annotations

from dataclasses import dataclass

from posekit.training.crowds import CrowdOptions, read_training_crowds
from posekit.training.matching import CostWeights
from posekit.training.querypose import QueryPoseTask
from posekit.training.querypose_losses import LossWeights
from posekit.training.recipe import Recipe
from posekit.training.tasks import Prepared, Source, options_of, register_task
from posekit.zoo import ModelEntry


@dataclass(frozen=True)
class QueryPoseOptions(CrowdOptions):
    """What to learn from, and what a QueryPose recipe may choose besides.

    Attributes:
        hidden: whether keypoints that somebody or something hides are learnt.
        keypoints: weight of the keypoints' loss.
        absent: weight of keypoints outside the view, whose scores are to be 0.
        matched_by_class: weight of the class where queries are matched with people. Queries that
            have much the same box differ in little else: where it weighs little, any of them may
            be the one, and none learns to be.
        elsewhere: weight of finding somebody where nobody is labelled, in photos where not
            everybody is.
        young: share of the run in which each person is matched with several queries, so that they
            learn faster; the rest teaches them that one is enough.
        each: how many.
        hint: weight of keypoint heatmaps learnt beside from the map that poses are read from.
        look: weight of part maps that look at their part's keypoints.
        tied: the stages' pose heads share their weights while they learn; the checkpoint has each.
        spread: queries start from the places where people are, not from the whole image.
    """

    hidden: bool = False
    keypoints: float = 1.0
    absent: float = 0.0
    matched_by_class: float = 2.0
    elsewhere: float = 0.5
    young: float = 0.0
    each: int = 4
    hint: float = 0.0
    look: float = 0.0
    tied: bool = False
    spread: bool = False


@register_task("querypose")
def querypose(model: ModelEntry, recipe: Recipe, source: Source) -> Prepared:
    """Photographs, composites of them, and the recipe's rendered scenes."""
    options = options_of(recipe, QueryPoseOptions)
    crowds = read_training_crowds(source, model.skeleton, options, recipe.scenes)
    task = QueryPoseTask(
        model,
        crowds.train,
        crowds.validation,
        recipe.augmentation,
        LossWeights(
            matching=CostWeights(focal=options.matched_by_class),
            keypoints=options.keypoints,
            absent=options.absent,
            elsewhere=options.elsewhere,
        ),
        options.hidden,
        source.start,
        options.young,
        options.each,
        options.hint,
        options.look,
        options.tied,
        options.spread,
    )
    besides = crowds.besides(recipe.scenes)
    words = (
        f"{len(crowds.train):,} photos to train on, {crowds.photographs:,} of them as they were "
        f"taken, {len(crowds.validation):,} to measure on"
    )
    return Prepared(task, crowds.photographs, words, besides, crowds.problems)
