"""A model put through a data set, from the photograph to the figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.decode.nms import oks_nms
from posekit.errors import DataError
from posekit.estimator import Estimator
from posekit.evaluation.oks import (
    OKS,
    PersonTruth,
    ScoredPose,
    instance_score,
    oks,
    shared_keypoints,
)
from posekit.evaluation.pck import PCK, pck, pckh
from posekit.evaluation.rows import photo_name
from posekit.geometry import Box
from posekit.people import MAX_BOXES, Person
from posekit.photo import Photo
from posekit.skeleton import Skeleton

__all__ = ["Boxes", "evaluate", "evaluate_oks"]

Boxes = Literal["given", "labels"]
"""Where a person's box comes from: the data set, or else the labels; or the labels always."""

DUPLICATE = 0.9
"""Of two poses more alike than this the better stays: section 6 of TransPose's specification."""


def evaluate(
    estimator: Estimator,
    people: Iterable[LabelledPerson],
    measure: Literal["pck", "pckh"] = "pck",
    boxes: Boxes = "given",
) -> PCK:
    """PCK@0.2 or PCKh@0.5 of a model, each person given by a box, through the whole chain.

    Args:
        estimator: the model; of its skeleton and the data set's, the shared keypoints count.
        people: one after the other; all of one skeleton. Whose photograph has no name counts, for
            intervals, as the only one in it.
        measure: the yardstick.
        boxes: where the boxes come from.

    Raises:
        DataError: no keypoint is shared, or nobody can be measured.
    """
    truth, labelled, predicted = [], [], []
    photos: list[str] = []
    skeleton: Skeleton | None = None
    ours: list[int] = []
    theirs: list[int] = []
    for person in people:
        if skeleton is None:
            skeleton = person.skeleton
            ours, theirs = shared_keypoints(skeleton, estimator.model.entry.skeleton)
        box = _box(person, boxes)
        found = estimator.predict(person.photo, [box], record=False).people[0]
        points = np.zeros_like(person.keypoints)
        points[ours] = found.keypoints[theirs]
        predicted.append(points)
        truth.append(person.keypoints)
        labelled.append(person.labelled)
        photos.append(photo_name(person.image_id, len(photos)))
    if skeleton is None:
        raise DataError("The data set holds no person with usable labels.")
    counted = np.isin(np.arange(skeleton.size), ours)
    chosen: Callable[..., PCK] = {"pck": pck, "pckh": pckh}[measure]
    return chosen(
        np.stack(predicted),
        np.stack(truth),
        np.stack(labelled),
        skeleton,
        counted=counted,
        photos=photos,
    )


def evaluate_oks(
    estimator: Estimator, photos: Iterable[LabelledPhoto], boxes: Boxes = "given"
) -> OKS:
    """OKS AP and AR, of everybody with a label.

    A model of whole photos is given none of the boxes: its people and their scores count as they
    are. A top-down model is given a box for everybody with a label, as the TransPose evaluation
    does it with given boxes: people without a labelled keypoint, crowds and people to ignore get no
    box; a pose scores the mean of its keypoints above 0.2, and poses more alike than OKS 0.9 are
    thinned out.

    Args:
        estimator: the model; of its skeleton and the data set's, the shared keypoints count.
        photos: one after the other; all of one skeleton.
        boxes: where the boxes come from.

    Raises:
        DataError: no keypoint is shared, or nobody can be measured.
        PackageError: pycocotools is not installed.
    """
    model = estimator.model.entry.skeleton
    truth: list[list[PersonTruth]] = []
    found: list[list[ScoredPose]] = []
    names: list[str] = []
    skeleton: Skeleton | None = None
    ours: list[int] = []
    for photo in photos:
        if skeleton is None:
            skeleton = photo.skeleton
            ours, _ = shared_keypoints(skeleton, model)
        truth.append([PersonTruth.of(person) for person in photo.people])
        names.append(photo_name(photo.image_id, len(names)))
        if estimator.model.entry.find is not None:
            seen = estimator.predict(photo.photo, record=False).people
            found.append([ScoredPose(one.keypoints, one.score or 0.0) for one in seen])
            continue
        asked = [p for p in photo.people if p.single and p.labelled[ours].any()]
        people = _predict(estimator, photo.photo, [_box(person, boxes) for person in asked])
        found.append(_thinned(people, model))
    if skeleton is None:
        raise DataError("The data set holds no photograph.")
    return oks(truth, found, skeleton, model, names)


def _box(person: LabelledPerson, boxes: Boxes) -> Box:
    return person.label_box if boxes == "labels" else person.box


def _predict(estimator: Estimator, photo: Photo, boxes: Sequence[Box]) -> list[Person]:
    """Everybody, however many: the estimator takes 32 at once."""
    people: list[Person] = []
    for start in range(0, len(boxes), MAX_BOXES):
        some = boxes[start : start + MAX_BOXES]
        people += estimator.predict(photo, some, record=False).people
    return people


def _thinned(people: Sequence[Person], skeleton: Skeleton) -> list[ScoredPose]:
    poses = [ScoredPose(person.keypoints, instance_score(person.scores)) for person in people]
    if not poses:
        return []
    keep = oks_nms(
        np.stack([pose.keypoints for pose in poses]),
        [pose.score for pose in poses],
        [_padded_area(person) for person in people],
        skeleton.sigmas,
        DUPLICATE,
    )
    return [poses[index] for index in keep]


def _padded_area(person: Person) -> float:
    """Area of the crop in square photo pixels: the specification's product of scales."""
    height, width = person.crop.size
    return height * width * person.crop.to_photo.scale**2
