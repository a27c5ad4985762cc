"""Keypoint dependencies over many photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.benchmark.cases import Cases
from posekit.evaluation.survey import Surveyed, gather
from posekit.explain.attention import attentions_of, check_head
from posekit.explain.batches import Progress
from posekit.explain.dependencies import Dependencies, dependencies, mean_dependencies

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["survey_dependencies"]

Floats = npt.NDArray[np.float64]


def survey_dependencies(
    model: PoseModel,
    data: str | Path | Cases,
    layer: str | int = -1,
    *,
    head: int | None = None,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Surveyed[Dependencies]:
    """Average what keypoints look at over everybody in a data set.

    Args:
        model: with attention between places of the photo.
        data: see :func:`posekit.benchmark.cases.open_cases`. Boxes are used where they are known,
            by models that take boxes; models of whole photos find everybody themselves.
        layer: name or position of the layer; the last by default.
        head: index of one head; None is the mean over heads.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder.
        limit: only the first so many photographs.
        progress: called with (photographs done, photographs in all).

    Raises:
        DataError: there is no such data, or no photograph of it can be used.
        TraceError: the model has no such layer or head, or nobody has two keypoints drawn.
    """
    found = gather(
        model,
        data,
        lambda prediction, person: dependencies(prediction, layer, person, head=head),
        lambda prediction: check_head(attentions_of(prediction, [layer])[0], head),
        images=images,
        part=part,
        limit=limit,
        progress=progress,
    )
    return found.surveyed(mean_dependencies, lambda one: one.shares)
