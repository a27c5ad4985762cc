"""One question about everybody in a data set: one photo is an anecdote.

The photograph is what is drawn anew for the intervals, with everybody in it: see
:mod:`posekit.bootstrap`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from posekit.benchmark.cases import Cases, open_cases
from posekit.bootstrap import ends, photo_draws
from posekit.errors import DataError, TraceError
from posekit.explain.batches import Progress
from posekit.many import looks

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = ["Gathered", "Surveyed", "gather", "intervals"]

Floats = npt.NDArray[np.float64]
Answer = TypeVar("Answer")
Mean = TypeVar("Mean")


@dataclass(frozen=True, eq=False)
class Gathered(Generic[Answer]):
    """The answers of a data set.

    Attributes:
        by_photo: of everybody in each photograph, at least one answer in all.
        data: name of the data set.
        photos: photographs looked at.
        left_out: how many people gave no answer, by sentence.
        problems: one sentence on what was wrong with the data; empty when nothing was.
    """

    by_photo: Sequence[Sequence[Answer]]
    data: str
    photos: int
    left_out: Mapping[str, int]
    problems: str

    @property
    def answers(self) -> list[Answer]:
        """Of everybody."""
        return [one for photo in self.by_photo for one in photo]

    def surveyed(
        self, mean: Callable[[list[Answer]], Mean], table: Callable[[Answer], Floats]
    ) -> Surveyed[Mean]:
        """The mean answer, with intervals of the table (rows, cols) that an answer holds."""
        low, high = intervals([[table(one) for one in photo] for photo in self.by_photo])
        answers = self.answers
        return Surveyed(
            mean=mean(answers),
            low=low,
            high=high,
            data=self.data,
            photos=self.photos,
            people=len(answers),
            left_out=self.left_out,
            problems=self.problems,
        )


@dataclass(frozen=True, eq=False)
class Surveyed(Generic[Mean]):
    """The mean over a data set.

    Attributes:
        mean: over the people of whom a number is known.
        low: (rows, cols) end of each number's 95 % interval; NaN with fewer than two photographs.
        high: (rows, cols) the other end.
        data: name of the data set.
        photos: photographs looked at.
        people: people whose answers are in the mean.
        left_out: how many people are not, by sentence.
        problems: one sentence on what was wrong with the data; empty when nothing was.
    """

    mean: Mean
    low: Floats
    high: Floats
    data: str
    photos: int
    people: int
    left_out: Mapping[str, int]
    problems: str


def gather(
    model: PoseModel,
    data: str | Path | Cases,
    ask: Callable[[Prediction, int], Answer],
    check: Callable[[Prediction], object],
    *,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Gathered[Answer]:
    """Ask about everybody in a data set.

    Args:
        model: what looks at the photographs.
        data: see :func:`posekit.benchmark.cases.open_cases`. Boxes are used where they are known,
            by models that take boxes; models of whole photos find everybody themselves.
        ask: of a prediction and the index of a person; a TraceError leaves the person out.
        check: refuses a question that no photograph can answer, before the first one is asked.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder.
        limit: only the first so many photographs.
        progress: called with (photographs done, photographs in all).

    Raises:
        DataError: there is no such data, or no photograph of it can be used.
        TraceError: what ``check`` refuses, or nobody gave an answer.
    """
    cases = data if not isinstance(data, str | Path) else None
    if cases is None:
        cases = open_cases(str(data), images=images, part=part, limit=limit)
    by_photo: list[list[Answer]] = []
    left_out: Counter[str] = Counter()
    photos = 0
    for _, prediction in looks(model, cases):
        photos += 1
        check(prediction)
        by_photo.append([])
        for person in range(len(prediction.people)):
            try:
                by_photo[-1].append(ask(prediction, person))
            except TraceError as error:
                left_out[str(error)] += 1
        if progress is not None:
            progress(photos, len(cases))
    if not photos:
        raise DataError(cases.problems.summary() or f"There is no photograph in {cases.name}.")
    if not any(by_photo) and left_out:
        raise TraceError(left_out.most_common(1)[0][0])
    return Gathered(by_photo, cases.name, photos, dict(left_out), cases.problems.summary())


def intervals(by_photo: Sequence[Sequence[Floats]], seed: int = 0) -> tuple[Floats, Floats]:
    """Where 95 % of the means lie when photographs are drawn anew.

    Args:
        by_photo: a table (rows, cols) for everybody in each photograph, NaN where nothing is known.
        seed: of the draws.

    Returns:
        Both ends, (rows, cols) each; NaN where a number is known from fewer than two photographs.
    """
    tables = [np.stack(photo) for photo in by_photo if len(photo)]
    if not tables:
        return np.empty((0, 0)), np.empty((0, 0))
    totals = np.stack([np.nansum(one, axis=0) for one in tables])  # (photos, rows, cols)
    counts = np.stack([np.isfinite(one).sum(0) for one in tables])
    photos, size = len(totals), totals.shape[1:]
    drawn = np.concatenate(list(photo_draws(photos, seed)))
    total, count = (drawn @ one.reshape(photos, -1) for one in (totals, counts))  # (draws, cells)
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    known = (counts > 0).sum(0).ravel() > 1
    found = np.full((2, known.size), np.nan)
    found[:, known] = ends(means[:, known])
    return found[0].reshape(size), found[1].reshape(size)
