"""How good a model is on portraits: photos that end below somebody's shoulders or waist.

Two questions. Are the keypoints in the photo right, and does the model keep quiet about those that
are not in it? Ankles drawn into a face are what a visitor with a portrait sees first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posekit.bootstrap import Interval
from posekit.data.close_up import close_up
from posekit.data.labelled import LabelledPerson
from posekit.errors import DataError
from posekit.estimator import Estimator
from posekit.evaluation.oks import shared_keypoints
from posekit.evaluation.pck import PCK, pckh
from posekit.evaluation.rows import Rows, photo_name
from posekit.people import DRAWN, Person
from posekit.skeleton import Skeleton

__all__ = ["CloseUpScore", "evaluate_close_ups"]


@dataclass(frozen=True)
class CloseUpScore:
    """Keypoints of people in close-ups.

    Attributes:
        pckh: of the keypoints in the photos; the head is what every close-up shows.
        beyond_drawn: per cent of the keypoints beyond the photos that a skeleton would still have,
            at a confidence of 0.2; the fewer the better.
        beyond: how many keypoints lie beyond the photos.
        largest: the same of the quarter of the photos with the most pixels on their longer side:
            close-ups out of small photos are coarse, those that visitors have are not. None where
            no head is labelled in them.
        pixels: on the longer side, from which a photo is one of those.
        rows: of each person the keypoints in the close-up and those beyond it.
    """

    pckh: PCK
    beyond_drawn: float
    beyond: int
    largest: CloseUpScore | None = None
    pixels: int = 0
    rows: Rows | None = field(default=None, repr=False, compare=False)

    @property
    def people(self) -> int:
        """How many close-ups were measured."""
        return self.pckh.people

    @property
    def keypoints(self) -> int:
        """Labelled keypoints in them."""
        return self.pckh.keypoints

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows."""
        return self.pckh.figures | {"drawn beyond the photo": self.beyond_drawn}

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps."""
        details = self.pckh.details | {"keypoints beyond the photos": self.beyond}
        if self.largest is not None:
            of_them = {"people": self.largest.people, **self.largest.figures}
            details[f"photos of {self.pixels} pixels and more"] = of_them
        return details

    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals over photographs, by figure."""
        return {} if self.rows is None else self.rows.intervals()


def evaluate_close_ups(
    estimator: Estimator, people: Iterable[LabelledPerson], cut: str
) -> CloseUpScore:
    """PCKh@0.5 in close-ups, and how much a model draws of what is not in them.

    A model of crops takes the whole photo for the person, as when somebody uploads a portrait; of
    whom a model of whole photos finds, the surest counts.

    Args:
        estimator: the model; of its skeleton and the data set's, the shared keypoints count.
        people: one after the other; all of one skeleton.
        cut: ``"shoulders"`` or ``"waist"``, see :data:`posekit.data.close_up.CUTS`.

    Raises:
        DataError: no keypoint is shared, or no photo can be cut so.
    """
    answers: list[_Answer] = []
    names: list[str] = []
    skeleton: Skeleton | None = None
    ours: list[int] = []
    theirs: list[int] = []
    for person in people:
        cut_out = close_up(person, cut)
        if cut_out is None:
            continue
        if skeleton is None:
            skeleton = person.skeleton
            ours, theirs = shared_keypoints(skeleton, estimator.model.entry.skeleton)
        seen, beyond = cut_out
        points, scores = np.full(seen.keypoints.shape, np.nan), np.zeros(skeleton.size)
        found = _surest(estimator.predict(seen.photo, record=False).people)
        if found is not None:
            points[ours], scores[ours] = found.keypoints[theirs], found.scores[theirs]
        drawn = scores[ours][beyond[ours]] >= DRAWN
        pixels = max(seen.photo.pixels.shape[:2])
        names.append(photo_name(person.image_id, len(names)))
        answers.append(_Answer(pixels, seen.keypoints, seen.labelled, points, drawn))
    if skeleton is None:
        raise DataError(f"Of nobody here a photo cut below the {cut} would show enough.")
    counted = np.isin(np.arange(skeleton.size), ours)
    least = np.quantile([answer.pixels for answer in answers], 0.75, method="higher")
    largest = [answer for answer in answers if answer.pixels >= least]
    try:
        of_largest = _score(largest, skeleton, counted)
    except DataError:
        of_largest = None
    score = _score(answers, skeleton, counted, names)
    rows = _rows(score.pckh, answers, f"close-ups below the {cut}")
    return replace(score, largest=of_largest, pixels=int(least), rows=rows)


class _Answer(NamedTuple):
    """One close-up's longer side, (K, 2) truth and (K,) labelled, and what a model said of it.

    points: (K, 2). drawn: of the keypoints beyond the photo, which a skeleton would have.
    """

    pixels: int
    truth: npt.NDArray[np.float64]
    labelled: npt.NDArray[np.bool_]
    points: npt.NDArray[np.float64]
    drawn: npt.NDArray[np.bool_]


def _score(
    answers: Sequence[_Answer],
    skeleton: Skeleton,
    counted: npt.NDArray[np.bool_],
    photos: Sequence[str] | None = None,
) -> CloseUpScore:
    right = pckh(
        np.stack([answer.points for answer in answers]),
        np.stack([answer.truth for answer in answers]),
        np.stack([answer.labelled for answer in answers]),
        skeleton,
        counted=counted,
        photos=photos,
    )
    wrong = np.concatenate([answer.drawn for answer in answers])
    return CloseUpScore(
        right, round(100 * float(wrong.mean()), 2) if wrong.size else 0.0, wrong.size
    )


def _rows(measured: PCK, answers: Sequence[_Answer], metric: str) -> Rows | None:
    """The rows of PCKh, with the keypoints beyond each close-up."""
    if measured.rows is None:
        return None
    drawn = {
        "keypoints drawn beyond": np.array([answer.drawn.sum() for answer in answers], np.float64),
        "keypoints beyond": np.array([answer.drawn.size for answer in answers], np.float64),
    }
    return replace(measured.rows, metric=metric, columns={**measured.rows.columns, **drawn})


def _surest(people: Iterable[Person]) -> Person | None:
    return max(people, key=lambda one: one.score or 0.0, default=None)
