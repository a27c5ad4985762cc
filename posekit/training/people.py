"""Reading the people of a data set, whatever its format, into a model's keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posekit.data.canvas import Canvases, make_canvases
from posekit.data.coco import CocoData
from posekit.data.labelled import LabelledPerson
from posekit.data.lsp import read_lsp
from posekit.data.problems import Problems
from posekit.data.rendered import rendered_people
from posekit.errors import DataError
from posekit.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class TrainingPeople:
    """What a run learns from and what it is measured on while it learns.

    Attributes:
        train: people to learn from, rendered ones included.
        validation: people to choose the best weights by; published figures are measured on others.
        photographed: how many of ``train`` are photographs.
        problems: what could not be used.
    """

    train: Canvases
    validation: Canvases
    photographed: int
    problems: Problems


def read_training_people(
    data: Path,
    skeleton: Skeleton,
    *,
    images: Path | None = None,
    validation: Path | None = None,
    validation_images: Path | None = None,
    scenes: int = 0,
) -> TrainingPeople:
    """Read a data set for training.

    Args:
        data: an LSP-style folder, split by itself, or a COCO-format file.
        skeleton: the model's keypoints; those the data set lacks count as not labelled.
        images: photographs of a COCO-format file that do not lie beside it.
        validation: another COCO-format file, needed where ``data`` is one.
        validation_images: its photographs.
        scenes: rendered people to add.

    Raises:
        DataError: a file is missing or malformed, or holds nobody with a keypoint of the model's.
    """
    problems = Problems()
    if data.suffix.lower() != ".json":
        learnt = make_canvases(in_skeleton(read_lsp(data, "train", problems=problems), skeleton))
        kept = make_canvases(in_skeleton(read_lsp(data, "validation", problems=problems), skeleton))
    elif validation is None:
        raise DataError(
            "A COCO-format file is not split by itself: name another with --validation."
        )
    else:
        people, others = CocoData(data, images), CocoData(validation, validation_images)
        learnt = make_canvases(in_skeleton(people.people(), skeleton))
        kept = make_canvases(in_skeleton(others.people(), skeleton))
        problems.update(people.problems)
        problems.update(others.problems)
    photographed = len(learnt)
    if scenes:
        learnt = Canvases.join([learnt, make_canvases(rendered_people(scenes, skeleton))])
    return TrainingPeople(learnt, kept, photographed, problems)


def in_skeleton(people: Iterable[LabelledPerson], skeleton: Skeleton) -> Iterator[LabelledPerson]:
    """The people with a model's keypoints; who has none of them labelled is passed over."""
    for person in people:
        if person.skeleton.keypoints == skeleton.keypoints:
            yield person
            continue
        source = skeleton.mapping_to(person.skeleton)
        known = np.array([index is not None for index in source])
        take = np.array([index or 0 for index in source])
        labelled = person.labelled[take] & known
        if labelled.any():
            yield replace(
                person,
                keypoints=np.where(labelled[:, None], person.keypoints[take], 0.0),
                labelled=labelled,
                visible=None if person.visible is None else person.visible[take] & known,
                given_box=person.box,  # around all its labels, before some were left out
                skeleton=skeleton,
            )
