"""What is shown of a prediction before anybody asked: about whom, and about which keypoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posekit.skeleton import Skeleton

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person

__all__ = ["first_person", "opening"]


def first_person(prediction: Prediction) -> int:
    """Who is asked about before anybody chose: the first of whom the model found anything."""
    found = (n for n, person in enumerate(prediction.people) if person.found.any())
    return next(found, 0)


def opening(person: Person, skeleton: Skeleton) -> int:
    """The keypoint of a person to show before anybody asked.

    The surest wrist, whose map tells most; but the surest keypoint where no wrist was found that is
    half as sure, since a map of a doubtful one is a poor first sight.
    """
    names = skeleton.keypoints
    if not names:
        return 0
    scores = person.scores
    wrists = [k for k, name in enumerate(names) if name.endswith("wrist") and person.found[k]]
    surest = max(range(len(names)), key=lambda index: float(scores[index]))
    wrist = max(wrists, key=lambda index: float(scores[index]), default=surest)
    return int(wrist if scores[wrist] >= scores[surest] / 2 else surest)
