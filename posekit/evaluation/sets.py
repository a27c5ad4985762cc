"""Whether a model that finds people by itself finds everybody, once, and at the right place.

People found are matched with people there as COCO does: the best score first, each with whom its
box overlaps most, if by half at least. What is left over is a false alarm, unless it lies on a
region to ignore. Poses are then measured like anybody's, and whoever was not found has every
keypoint wrong.

Boxes are outer edges (left, top, right, bottom), in the same pixels as the keypoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.data.crowd import of_photo
from posekit.data.labelled import LabelledPhoto
from posekit.errors import DataError
from posekit.evaluation.oks import OKS, PersonTruth, ScoredPose, oks, shared_keypoints
from posekit.evaluation.pck import PCK, pck
from posekit.people import Person
from posekit.photo import Photo
from posekit.skeleton import Skeleton

__all__ = ["FoundSet", "SetScore", "TrueSet", "evaluate_sets", "match_people", "set_score"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LEAST_IOU = 0.5
MOSTLY_IGNORED = 0.5
"""A box found with more than this share of it in a region to ignore is no false alarm."""
NOT_FOUND = -1
_RECALLS = np.linspace(0, 1, 101)  # where COCO reads precision


@dataclass(frozen=True, eq=False)
class FoundSet:
    """Everybody found in a photo: boxes (P, 4), keypoints (P, K, 2), scores (P,) to rank by."""

    boxes: Floats
    keypoints: Floats
    scores: Floats

    @classmethod
    def of(cls, people: Sequence[Person], keypoints: int) -> FoundSet:
        """Those of a prediction by a model of whole photos with so many keypoints."""
        return cls(
            np.array([person.box.edges for person in people], np.float64).reshape(-1, 4),
            np.array([person.keypoints for person in people], np.float64).reshape(
                len(people), keypoints, 2
            ),
            np.array([person.score or 0.0 for person in people], np.float64),
        )


@dataclass(frozen=True, eq=False)
class TrueSet:
    """Everybody in a photo.

    Attributes:
        boxes: (G, 4).
        keypoints: (G, K, 2).
        labelled: (G, K) bool, keypoints that count.
        ignored: (I, 4) boxes of regions to ignore.
    """

    boxes: Floats
    keypoints: Floats
    labelled: Bools
    ignored: Floats

    @classmethod
    def of(cls, photo: LabelledPhoto, skeleton: Skeleton) -> TrueSet:
        """The people of a photograph with a model's keypoints.

        Hidden ones that are labelled count, as everywhere in measuring.
        """
        crowd = of_photo(photo, skeleton).people
        people = [who for who in crowd if not who.ignore]
        return cls(
            _boxes([who.outline for who in people]),
            np.array([who.keypoints for who in people]).reshape(-1, skeleton.size, 2),
            np.array([who.visibility > 0 for who in people], bool).reshape(-1, skeleton.size),
            _boxes([who.outline for who in crowd if who.ignore]),
        )


@dataclass(frozen=True)
class SetScore:
    """How well sets of people were found.

    Attributes:
        recall: per cent of the people whose box was found at IoU 0.5.
        precision: per cent of the boxes found that are somebody's; says little where not everybody
            in the photos is labelled.
        box_ap50: area under precision against recall as the score to pass falls, per cent.
        pck: of all people, those not found included; None where nobody's torso is labelled.
        oks: average precision of the poses; None unless asked for.
        people: how many were to be found.
        photos: in how many photos.
    """

    recall: float
    precision: float
    box_ap50: float
    pck: PCK | None
    oks: OKS | None
    people: int
    photos: int

    @property
    def keypoints(self) -> int:
        """Labelled keypoints measured by PCK."""
        return self.pck.keypoints if self.pck else 0

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows."""
        figures = {"person recall": self.recall, "box AP50": self.box_ap50}
        figures |= self.pck.figures if self.pck else {}
        return figures | (self.oks.figures if self.oks else {})

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps."""
        own = {"people": self.people, "photographs": self.photos, "precision": self.precision}
        return own | ({"PCK": self.pck.details} if self.pck else {})


def match_people(found: FoundSet, truth: TrueSet, least: float = LEAST_IOU) -> tuple[Ints, Bools]:
    """Who was found, and what was found that is nobody.

    Returns:
        (G,) the place in ``found`` of each person, NOT_FOUND for the others; (P,) false alarms.
    """
    overlap = _iou(found.boxes, truth.boxes)  # (P, G)
    who = np.full(len(truth.boxes), NOT_FOUND, np.int64)
    false = np.zeros(len(found.boxes), bool)
    for place in np.argsort(-found.scores, kind="stable"):
        free = np.where(who == NOT_FOUND, overlap[place], -1.0)
        if free.size and free.max() >= least:
            who[free.argmax()] = place
        else:
            false[place] = True
    if len(truth.ignored) and len(found.boxes):
        excused = _share_inside(found.boxes, truth.ignored).max(1) > MOSTLY_IGNORED
        false &= ~excused
    return who, false


def set_score(
    found: Sequence[FoundSet],
    truth: Sequence[TrueSet],
    skeleton: Skeleton,
    *,
    counted: npt.ArrayLike | None = None,
    poses: OKS | None = None,
) -> SetScore:
    """Score the people found in each photo.

    Args:
        found: for each photo who was found, everybody who passed the threshold in use.
        truth: for each photo who is there.
        skeleton: of all keypoints.
        counted: (K,) bool, which keypoints PCK measures; None is every one.
        poses: average precision of the poses, to be reported with the rest.

    Raises:
        DataError: the photos do not pair up, or nobody is to be found.
    """
    if len(found) != len(truth):
        raise DataError(f"{len(found)} photos were analysed, but {len(truth)} are labelled.")
    matched, right, scores, predicted = 0, [], [], []
    for seen, there in zip(found, truth, strict=True):
        who, false = match_people(seen, there)
        hits = who[who != NOT_FOUND]
        matched += len(hits)
        right += [*np.ones(len(hits)), *np.zeros(int(false.sum()))]
        scores += [*seen.scores[hits], *seen.scores[false]]
        points = np.full(there.keypoints.shape, np.nan)
        points[who != NOT_FOUND] = seen.keypoints[hits]
        predicted.append(points)
    people = sum(len(there.boxes) for there in truth)
    if not people:
        raise DataError("Nobody in these photos is labelled so that finding them counts.")
    return SetScore(
        recall=round(100 * matched / people, 2),
        precision=round(100 * matched / max(len(right), 1), 2),
        box_ap50=_average_precision(np.array(right), np.array(scores), people),
        pck=_pck(predicted, truth, skeleton, counted),
        oks=poses,
        people=people,
        photos=len(truth),
    )


def evaluate_sets(
    find: Callable[[Photo], FoundSet],
    photos: Iterable[LabelledPhoto],
    skeleton: Skeleton,
    *,
    with_oks: bool = True,
) -> SetScore:
    """Recall, PCK and OKS AP of a model that finds people by itself, over a data set.

    Args:
        find: the model: a photo to everybody in it, in photo pixels.
        photos: one after the other; all of one skeleton.
        skeleton: of the model; of its keypoints those that the data set has are measured.
        with_oks: whether to measure OKS AP, which takes pycocotools.

    Raises:
        DataError: no keypoint is shared, or nobody is to be found.
        PackageError: pycocotools is not installed.
    """
    truth, found, people, poses = [], [], [], []
    data: Skeleton | None = None
    for photo in photos:
        data = photo.skeleton
        seen = find(photo.photo)
        truth.append(TrueSet.of(photo, skeleton))
        found.append(seen)
        people.append([PersonTruth.of(person) for person in photo.people])
        poses.append([ScoredPose(*pose) for pose in zip(seen.keypoints, seen.scores, strict=True)])
    if data is None:
        raise DataError("The data set holds no photograph.")
    ours, _ = shared_keypoints(skeleton, data)
    measured = oks(people, poses, data, skeleton) if with_oks else None
    counted = np.isin(np.arange(skeleton.size), ours)
    return set_score(found, truth, skeleton, counted=counted, poses=measured)


def _pck(
    predicted: Sequence[Floats],
    truth: Sequence[TrueSet],
    skeleton: Skeleton,
    counted: npt.ArrayLike | None,
) -> PCK | None:
    points = np.concatenate([there.keypoints for there in truth])
    labelled = np.concatenate([there.labelled for there in truth])
    if skeleton.torso is None:
        return None
    first, last = skeleton.torso
    yardstick = (points[:, first] != points[:, last]).any(-1)
    if not (yardstick & labelled[:, first] & labelled[:, last]).any():
        return None
    return pck(np.concatenate(predicted), points, labelled, skeleton, counted=counted)


def _average_precision(right: Floats, scores: Floats, people: int) -> float:
    """As COCO has it: at each recall the best precision at that or a higher one."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(hits / people, _RECALLS - 1e-12)
    return round(100 * float(np.append(best, 0.0)[np.minimum(place, len(best))].mean()), 2)


def _boxes(outlines: Sequence[Floats]) -> Floats:
    corners = [np.concatenate([outline.min(0), outline.max(0)]) for outline in outlines]
    return np.array(corners).reshape(-1, 4)


def _overlap(first: Floats, second: Floats) -> Floats:
    """Areas (A, B) in common."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(-1))


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(-1))


def _iou(first: Floats, second: Floats) -> Floats:
    both = _overlap(first, second)
    either = _area(first)[:, None] + _area(second) - both
    return np.asarray(both / np.maximum(either, 1e-9))


def _share_inside(boxes: Floats, regions: Floats) -> Floats:
    return np.asarray(_overlap(boxes, regions) / np.maximum(_area(boxes)[:, None], 1e-9))
