"""Whether a model that finds people by itself finds everybody, once, and at the right place.

People found are matched with people there as COCO does: the best score first, each with whom its
box overlaps most, if by half at least. What is left over is a false alarm, unless it lies on a
region to ignore. Poses are then measured like anybody's, and whoever was not found has every
keypoint wrong.

Boxes are outer edges (left, top, right, bottom), in the same pixels as the keypoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.bootstrap import Interval, interval
from posekit.data.crowd import of_photo
from posekit.data.labelled import LabelledPhoto
from posekit.errors import DataError
from posekit.evaluation.oks import OKS, PersonTruth, ScoredPose, oks, shared_keypoints
from posekit.evaluation.pck import PCK, pck
from posekit.evaluation.ranking import Ranking
from posekit.evaluation.rows import KEYPOINTS, Rows, photo_name
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
        rows: of each photo its people labelled, matched and answered (boxes found, without those
            that are no false alarm only because of a region to ignore), and their keypoints.
        ranking: the boxes found, from which AP is drawn anew; no sum over rows gives it.
    """

    recall: float
    precision: float
    box_ap50: float
    pck: PCK | None
    oks: OKS | None
    people: int
    photos: int
    rows: Rows | None = field(default=None, repr=False, compare=False)
    ranking: Ranking | None = field(default=None, repr=False, compare=False)

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

    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals over photographs, by figure, and of precision.

        Of AP the photographs are drawn anew and it is computed again, with the matches as they are.
        """
        if self.rows is None or self.ranking is None or self.photos < 2:
            return {}
        ends = self.rows.intervals()
        boxes = interval(self.ranking.drawn()[:, 0])
        ends |= {} if boxes is None else {"box AP50": boxes}
        return ends | (self.oks.intervals() if self.oks else {})


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
    photos: Sequence[str] | None = None,
) -> SetScore:
    """Score the people found in each photo.

    Args:
        found: for each photo who was found, everybody who passed the threshold in use.
        truth: for each photo who is there.
        skeleton: of all keypoints.
        counted: (K,) bool, which keypoints PCK measures; None is every one.
        poses: average precision of the poses, to be reported with the rest.
        photos: name of each photo; None numbers them.

    Raises:
        DataError: the photos do not pair up, or nobody is to be found.
    """
    if len(found) != len(truth):
        raise DataError(f"{len(found)} photos were analysed, but {len(truth)} are labelled.")
    people = np.array([len(there.boxes) for there in truth], np.int64)
    if not people.sum():
        raise DataError("Nobody in these photos is labelled so that finding them counts.")
    matched, answered = np.zeros_like(people), np.zeros_like(people)
    right, scores, predicted = [], [], []
    for place, (seen, there) in enumerate(zip(found, truth, strict=True)):
        who, false = match_people(seen, there)
        hits = who[who != NOT_FOUND]
        matched[place], answered[place] = len(hits), len(hits) + false.sum()
        right += [*np.ones(len(hits), bool), *np.zeros(int(false.sum()), bool)]
        scores += [*seen.scores[hits], *seen.scores[false]]
        points = np.full(there.keypoints.shape, np.nan)
        points[who != NOT_FOUND] = seen.keypoints[hits]
        predicted.append(points)
    names = [photo_name(None if photos is None else photos[n], n) for n in range(len(truth))]
    score = _pck(predicted, truth, skeleton, counted, names)
    every = np.ones((1, len(truth)))
    ranking = _ranking(np.array(right, bool), np.array(scores), answered, people)
    return SetScore(
        recall=round(100 * int(matched.sum()) / int(people.sum()), 2),
        precision=round(100 * int(matched.sum()) / max(len(right), 1), 2),
        box_ap50=round(100 * float(ranking.average_precision(every)[0, 0]), 2),
        pck=score,
        oks=poses,
        people=int(people.sum()),
        photos=len(truth),
        rows=_rows(names, people, matched, answered, score),
        ranking=ranking,
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
    names: list[str] = []
    data: Skeleton | None = None
    for photo in photos:
        data = photo.skeleton
        names.append(photo_name(photo.image_id, len(names)))
        seen = find(photo.photo)
        truth.append(TrueSet.of(photo, skeleton))
        found.append(seen)
        people.append([PersonTruth.of(person) for person in photo.people])
        poses.append([ScoredPose(*pose) for pose in zip(seen.keypoints, seen.scores, strict=True)])
    if data is None:
        raise DataError("The data set holds no photograph.")
    ours, _ = shared_keypoints(skeleton, data)
    measured = oks(people, poses, data, skeleton, names) if with_oks else None
    counted = np.isin(np.arange(skeleton.size), ours)
    return set_score(found, truth, skeleton, counted=counted, poses=measured, photos=names)


def _pck(
    predicted: Sequence[Floats],
    truth: Sequence[TrueSet],
    skeleton: Skeleton,
    counted: npt.ArrayLike | None,
    names: Sequence[str],
) -> PCK | None:
    points = np.concatenate([there.keypoints for there in truth])
    labelled = np.concatenate([there.labelled for there in truth])
    if skeleton.torso is None:
        return None
    first, last = skeleton.torso
    yardstick = (points[:, first] != points[:, last]).any(-1)
    if not (yardstick & labelled[:, first] & labelled[:, last]).any():
        return None
    photos = [name for name, there in zip(names, truth, strict=True) for _ in there.boxes]
    return pck(
        np.concatenate(predicted), points, labelled, skeleton, counted=counted, photos=photos
    )


def _ranking(right: Bools, scores: Floats, answered: Ints, people: Ints) -> Ranking:
    """Whoever was found, (P,) ``answered`` in each photo, one after the other, by their scores."""
    photo = np.repeat(np.arange(len(answered)), answered)
    order = np.argsort(-scores, kind="stable")
    return Ranking(photo[order], right[None, order], ~right[None, order], people, short=1e-12)


def _rows(
    names: Sequence[str], people: Ints, matched: Ints, answered: Ints, score: PCK | None
) -> Rows:
    """A row for each photo. ``score`` counts everybody, photo after photo."""
    each = np.repeat(np.arange(len(people)), people)
    nothing = dict.fromkeys(KEYPOINTS, np.zeros(len(each)))
    keypoints = nothing if score is None or score.rows is None else score.rows.columns
    counts: dict[str, npt.NDArray[Any]] = {
        "people labelled": people,
        "people matched": matched,
        "people answered": answered,
    }
    for name in KEYPOINTS:
        counts[name] = np.bincount(each, keypoints[name], len(people))
    columns = {name: one.astype(np.float64) for name, one in counts.items()}
    return Rows("people", names, [None] * len(names), columns)


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
