"""What each head is worth, over many photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.benchmark.cases import Cases
from posekit.evaluation.survey import Surveyed, gather
from posekit.explain.attention import attentions_of
from posekit.explain.batches import Progress
from posekit.explain.heads import HeadWorth, heads

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["survey_heads"]

Floats = npt.NDArray[np.float64]


def survey_heads(
    model: PoseModel,
    data: str | Path | Cases,
    layer: str | int | None = None,
    *,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Surveyed[HeadWorth]:
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
    return found.surveyed(_mean_worth, lambda one: one.falls)


def _mean_worth(answers: list[HeadWorth]) -> HeadWorth:
    """Values and falls are means over the people of whom a keypoint was found."""
    return replace(
        answers[0],
        values=_mean([one.values for one in answers]),
        falls=_mean([one.falls for one in answers]),
        person=0,
        seconds=sum(one.seconds for one in answers),
    )


def _mean(tables: list[Floats]) -> Floats:
    """Over those who have a number; NaN where nobody has."""
    stacked = np.stack(tables)
    count = np.isfinite(stacked).sum(0)
    return np.divide(
        np.nansum(stacked, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
