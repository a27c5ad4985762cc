"""What each head is worth, over many photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.benchmark.cases import Cases
from posekit.evaluation.survey import gather, intervals
from posekit.explain.attention import attentions_of
from posekit.explain.batches import Progress
from posekit.explain.heads import HeadWorth, heads

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["SurveyedHeads", "survey_heads"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SurveyedHeads:
    """The mean over a data set.

    Attributes:
        mean: values and falls are means over the people of whom a keypoint was found.
        low: (R, K) end of each fall's 95 % interval; NaN with fewer than two photographs.
        high: (R, K) the other end.
        data: name of the data set.
        photos: photographs looked at.
        people: people in the mean.
        left_out: how many people are not, by sentence.
        problems: one sentence on what was wrong with the data; empty when nothing was.
    """

    mean: HeadWorth
    low: Floats
    high: Floats
    data: str
    photos: int
    people: int
    left_out: Mapping[str, int]
    problems: str


def survey_heads(
    model: PoseModel,
    data: str | Path | Cases,
    layer: str | int | None = None,
    *,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
    progress: Progress | None = None,
) -> SurveyedHeads:
    """Average what heads are worth over everybody in a data set.

    Arguments and errors as :func:`posekit.evaluation.survey.gather`.

    Args:
        model: with attention between places of the photo, and heatmaps.
        data: which photographs.
        layer: name or position of a layer; None is all.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder.
        limit: only the first so many photographs.
        progress: called with (photographs done, photographs in all).
    """
    layers = None if layer is None else [layer]
    found = gather(
        model,
        data,
        lambda prediction, person: heads(prediction, person, layers=layers),
        lambda prediction: attentions_of(prediction, layers),
        images=images,
        part=part,
        limit=limit,
        progress=progress,
    )
    answers = found.answers
    first = answers[0]
    mean = HeadWorth(
        layers=first.layers,
        heads=first.heads,
        keypoints=first.keypoints,
        values=_mean([one.values for one in answers]),
        falls=_mean([one.falls for one in answers]),
        person=0,
        seconds=sum(one.seconds for one in answers),
    )
    low, high = intervals([[one.falls for one in photo] for photo in found.by_photo])
    return SurveyedHeads(
        mean=mean,
        low=low,
        high=high,
        data=found.data,
        photos=found.photos,
        people=len(answers),
        left_out=found.left_out,
        problems=found.problems,
    )


def _mean(tables: list[Floats]) -> Floats:
    """Over those who have a number; NaN where nobody has."""
    stacked = np.stack(tables)
    count = np.isfinite(stacked).sum(0)
    return np.divide(
        np.nansum(stacked, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
