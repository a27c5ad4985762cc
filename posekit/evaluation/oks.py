"""Average precision and recall of poses by object keypoint similarity, as COCO measures them.

Model and data set need not share a skeleton: what both have is measured, with the constants
(sigmas) of those keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.bootstrap import Interval, interval
from posekit.data.labelled import LabelledPerson
from posekit.errors import DataError
from posekit.evaluation.average_precision import AveragePrecision, Record, average_precision
from posekit.evaluation.ranking import Ranking
from posekit.evaluation.rows import Rows, photo_name
from posekit.geometry import Box
from posekit.skeleton import Skeleton

__all__ = ["OKS", "PersonTruth", "ScoredPose", "instance_score", "oks", "shared_keypoints"]

MOST_POSES = 20
"""Poses a photograph that are looked at, best first: COCO's rule for keypoints."""
SEEN = 0.2
"""A keypoint's score counts for its person's above this; section 6 of TransPose's specification."""
_FAR = 1e9  # px: where a coordinate that is no number is put; NaN would match everybody


@dataclass(frozen=True)
class OKS:
    """COCO's keypoint figures.

    Attributes:
        AP: average precision over OKS thresholds 0.50 to 0.95, per cent.
        AP50: at 0.50.
        AP75: at 0.75.
        AR: average recall over the same thresholds, per cent.
        people: how many had to be found.
        keypoints: how many labelled keypoints they have, of those measured.
        photos: how many photographs.
        measured: names of the keypoints that model and data set share.
        rows: of each person the OKS of the pose most like it (0 to 1), and the recall, the share of
            the ten thresholds at which it was matched, whose mean AR is. A photograph without
            anybody to find has one row.
        ranking: the poses found, from which AP is drawn anew; no sum over rows gives it.
    """

    AP: float
    AP50: float
    AP75: float
    AR: float
    people: int
    keypoints: int
    photos: int
    measured: tuple[str, ...] = field(default=())
    rows: Rows | None = field(default=None, repr=False, compare=False)
    ranking: Ranking | None = field(default=None, repr=False, compare=False)

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows."""
        return {"OKS AP": self.AP, "AP50": self.AP50, "AP75": self.AP75, "AR": self.AR}

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps."""
        return {
            "photographs": self.photos,
            "people": self.people,
            "keypoints": self.keypoints,
            "keypoints measured": list(self.measured),
        }

    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals over photographs, by figure.

        Of AP the photographs are drawn anew and it is computed again, with the matches as they are.
        """
        if self.rows is None or self.ranking is None or self.photos < 2:
            return {}
        drawn = self.ranking.drawn()
        ends = {
            "OKS AP": interval(drawn.mean(1)),
            "AP50": interval(drawn[:, 0]),
            "AP75": interval(drawn[:, 5]),
            "AR": self.rows.intervals().get("AR"),
        }
        return {name: pair for name, pair in ends.items() if pair is not None}


@dataclass(frozen=True, eq=False)
class PersonTruth:
    """A labelled person without the photograph: what OKS needs, and no more memory.

    Attributes:
        keypoints: (K, 2) photo pixels.
        labelled: (K,) bool.
        box: whoever has no labelled keypoint is matched by twice this box, and then ignored.
        area: square pixels, by which similarity scales.
        crowd: a region of people; any number may match it, and none is missed.
        ignore: passed over, found or not.
    """

    keypoints: npt.NDArray[np.float64]
    labelled: npt.NDArray[np.bool_]
    box: Box
    area: float
    crowd: bool = False
    ignore: bool = False

    @classmethod
    def of(cls, person: LabelledPerson) -> PersonTruth:
        """The same person, letting go of the photograph."""
        return cls(
            person.keypoints,
            person.labelled,
            person.box,
            person.oks_area,
            person.crowd,
            person.ignore,
        )


@dataclass(frozen=True, eq=False)
class ScoredPose:
    """A person as a model found one: keypoints (K, 2) in photo pixels and a score to rank by."""

    keypoints: npt.NDArray[np.float64]
    score: float


def instance_score(scores: npt.ArrayLike, box_score: float = 1.0) -> float:
    """A person's score: the box's times the mean of the keypoint scores above 0.2, 0 if none is."""
    seen = np.asarray(scores, dtype=np.float64)
    seen = seen[seen > SEEN]
    return box_score * float(seen.mean()) if seen.size else 0.0


def shared_keypoints(data: Skeleton, model: Skeleton) -> tuple[list[int], list[int]]:
    """Indices of the keypoints both have, in the data set's skeleton and in the model's.

    Raises:
        DataError: they share none.
    """
    pairs = [(i, j) for i, j in enumerate(data.mapping_to(model)) if j is not None]
    if not pairs:
        raise DataError(f"{model.title} and {data.title} have no keypoint in common.")
    return [i for i, _ in pairs], [j for _, j in pairs]


def oks(
    truth: Sequence[Sequence[PersonTruth]],
    found: Sequence[Sequence[ScoredPose]],
    skeleton: Skeleton,
    model_skeleton: Skeleton | None = None,
    photos: Sequence[str] | None = None,
) -> OKS:
    """AP and AR of the people found in each photograph.

    It does not matter whether they were found from given boxes, detected ones or bottom-up.

    Args:
        truth: for each photograph its labelled people, crowds and people to ignore included.
        found: for each photograph the poses found, in any order.
        skeleton: of the labels.
        model_skeleton: of the poses; None is the same.
        photos: name of each photograph; None numbers them.

    Raises:
        DataError: no keypoint is shared, or nobody has one labelled.
        PackageError: pycocotools is not installed.
    """
    ours, theirs = shared_keypoints(skeleton, model_skeleton or skeleton)
    people = [[_truth(person, ours) for person in photo] for photo in truth]
    poses = [[_pose(pose, theirs) for pose in photo] for photo in found]
    sigmas = [skeleton.sigmas[index] for index in ours]
    result = average_precision(people, poses, "keypoints", MOST_POSES, sigmas)
    counted = [p for photo in people for p in photo if p["num_keypoints"] and not p["iscrowd"]]
    return OKS(
        result.ap,
        result.ap50,
        result.ap75,
        result.ar,
        people=len(counted),
        keypoints=sum(person["num_keypoints"] for person in counted),
        photos=len(truth),
        measured=tuple(skeleton.keypoints[index] for index in ours),
        rows=_rows(people, result, photos),
        ranking=result.ranking,
    )


def _rows(
    truth: Sequence[Sequence[Record]], result: AveragePrecision, photos: Sequence[str] | None
) -> Rows:
    """A row for everybody who had to be found, and for each photograph without anybody."""
    names: list[str] = []
    numbers: list[int | None] = []
    table: list[tuple[float, float, float]] = []
    start = 0
    for place, people in enumerate(truth):
        name = photo_name(None if photos is None else photos[place], place)
        counted = [n for n, p in enumerate(people) if p["num_keypoints"] and not p["iscrowd"]]
        for n in counted:
            best, recall = result.best[start + n], result.recall[start + n]
            numbers.append(n)
            table.append((1, round(float(best), 4), recall))
        if not counted:
            numbers.append(None)
            table.append((0, 0, 0))
        names += [name] * max(len(counted), 1)
        start += len(people)
    columns = np.array(table, np.float64).T
    return Rows(
        "OKS", names, numbers, dict(zip(("people", "best OKS", "recall"), columns, strict=True))
    )


def _truth(person: PersonTruth, chosen: list[int]) -> Record:
    labelled = person.labelled[chosen]
    points = np.where(labelled[:, None], person.keypoints[chosen], 0.0)
    return {
        "keypoints": np.column_stack([points, 2 * labelled]).ravel().tolist(),
        # COCOeval takes no note of "ignore" itself; people without keypoints it passes over.
        "num_keypoints": 0 if person.ignore else int(labelled.sum()),
        "bbox": [person.box.x, person.box.y, person.box.width, person.box.height],
        "area": person.area,
        "iscrowd": int(person.crowd),
    }


def _pose(pose: ScoredPose, chosen: list[int]) -> Record:
    points = np.asarray(pose.keypoints, dtype=np.float64)[chosen]
    points = np.nan_to_num(points, nan=_FAR, posinf=_FAR, neginf=-_FAR)
    return {
        "keypoints": np.column_stack([points, np.ones(len(points))]).ravel().tolist(),
        "score": pose.score if np.isfinite(pose.score) else -1.0,
        "area": 1.0,  # only for splitting by size, which is not done
        "iscrowd": 0,
    }
