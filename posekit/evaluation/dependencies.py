"""Keypoint dependencies over many photographs: one photo is an anecdote.

The photograph is what is drawn anew for the intervals, with everybody in it: Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993, percentile interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.benchmark.cases import Cases, open_cases
from posekit.benchmark.report import DRAWS
from posekit.errors import DataError, TraceError
from posekit.estimator import Estimator
from posekit.explain.attention import attentions_of, check_head
from posekit.explain.batches import Progress
from posekit.explain.dependencies import Dependencies, dependencies, mean_dependencies

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["Surveyed", "intervals", "survey_dependencies"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surveyed:
    """The mean over a data set.

    Attributes:
        mean: over people, see :func:`posekit.explain.dependencies.mean_dependencies`.
        low: (K, K) end of each share's 95 % interval; NaN with fewer than two photographs.
        high: (K, K) the other end.
        data: name of the data set.
        photos: photographs looked at.
        people: people whose rows are in the mean.
        left_out: how many people are not, by sentence.
        problems: one sentence on what was wrong with the data; empty when nothing was.
    """

    mean: Dependencies
    low: Floats
    high: Floats
    data: str
    photos: int
    people: int
    left_out: Mapping[str, int]
    problems: str


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
) -> Surveyed:
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
    cases = data if not isinstance(data, str | Path) else None
    if cases is None:
        cases = open_cases(str(data), images=images, part=part, limit=limit)
    estimator = Estimator(model)
    by_photo: list[list[Dependencies]] = []
    left_out: Counter[str] = Counter()
    photos = 0
    for case in cases:
        photos += 1
        boxes = [subject.box for subject in case.people if subject.boxed]
        finds = model.entry.find is not None
        prediction = estimator.predict(case.photo, None if finds or not boxes else boxes)
        # What is wrong with the question is said at once, not after a thousand photographs.
        (attention,) = attentions_of(prediction, [layer])
        check_head(attention, head)
        by_photo.append([])
        for person in range(len(prediction.people)):
            try:
                by_photo[-1].append(dependencies(prediction, layer, person, head=head))
            except TraceError as error:
                left_out[str(error)] += 1
        if progress is not None:
            progress(photos, len(cases))
    if not photos:
        raise DataError(cases.problems.summary() or f"There is no photograph in {cases.name}.")
    parts = [one for photo in by_photo for one in photo]
    if not parts and left_out:
        raise TraceError(left_out.most_common(1)[0][0])
    low, high = intervals([photo for photo in by_photo if photo])
    return Surveyed(
        mean=mean_dependencies(parts),
        low=low,
        high=high,
        data=cases.name,
        photos=photos,
        people=len(parts),
        left_out=dict(left_out),
        problems=cases.problems.summary(),
    )


def intervals(by_photo: Sequence[Sequence[Dependencies]], seed: int = 0) -> tuple[Floats, Floats]:
    """Where 95 % of the means lie when photographs are drawn anew.

    Args:
        by_photo: of everybody in each photograph.
        seed: of the draws.

    Returns:
        Both ends, (K, K) each; NaN where a share is known from fewer than two photographs.
    """
    if not by_photo:
        return np.empty((0, 0)), np.empty((0, 0))
    shares = [np.stack([one.shares for one in photo]) for photo in by_photo]
    totals = np.stack([np.nansum(one, axis=0) for one in shares])  # (photos, K, K)
    counts = np.stack([np.isfinite(one).sum(0) for one in shares])
    photos, size = len(totals), totals.shape[1:]
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(photos, np.full(photos, 1.0 / photos), size=DRAWS).astype(np.float64)
    total, count = (drawn @ one.reshape(photos, -1) for one in (totals, counts))  # (draws, K K)
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    known = (counts > 0).sum(0).ravel() > 1
    ends = np.full((2, known.size), np.nan)
    ends[:, known] = np.nanpercentile(means[:, known], (2.5, 97.5), axis=0)
    low, high = ends.reshape(2, *size)
    return low, high
