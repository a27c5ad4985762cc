"""Keypoint dependencies over many photographs: one photo is an anecdote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.benchmark.cases import Cases, open_cases
from posekit.errors import TraceError
from posekit.estimator import Estimator
from posekit.explain.attention import attentions_of, check_head
from posekit.explain.batches import Progress
from posekit.explain.dependencies import Dependencies, dependencies, mean_dependencies

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["Surveyed", "survey_dependencies"]


@dataclass(frozen=True, eq=False)
class Surveyed:
    """The mean over a data set.

    Attributes:
        mean: over people, see :func:`posekit.explain.dependencies.mean_dependencies`.
        data: name of the data set.
        photos: photographs looked at.
        people: people whose rows are in the mean.
        left_out: how many people are not, by sentence.
        problems: one sentence on what was wrong with the data; empty when nothing was.
    """

    mean: Dependencies
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
        DataError: there is no such data.
        TraceError: the model has no such layer or head, or nobody has two keypoints drawn.
    """
    cases = data if not isinstance(data, str | Path) else None
    if cases is None:
        cases = open_cases(str(data), images=images, part=part, limit=limit)
    estimator = Estimator(model)
    parts: list[Dependencies] = []
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
        for person in range(len(prediction.people)):
            try:
                parts.append(dependencies(prediction, layer, person, head=head))
            except TraceError as error:
                left_out[str(error)] += 1
        if progress is not None:
            progress(photos, len(cases))
    if not parts and left_out:
        raise TraceError(left_out.most_common(1)[0][0])
    return Surveyed(
        mean=mean_dependencies(parts),
        data=cases.name,
        photos=photos,
        people=len(parts),
        left_out=dict(left_out),
        problems=cases.problems.summary(),
    )
