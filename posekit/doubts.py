"""Keypoints to be doubted, each with the reason: drawings have a ring there instead of a dot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from posekit.claims import claims_of
from posekit.unsure import doubted, measured_on

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["doubts_of"]


def doubts_of(prediction: Prediction, *, first: int = 1) -> tuple[Mapping[int, str], ...]:
    """Which keypoints are doubtful, and why.

    Two signs are known: a confidence below the limit under which a model's keypoints are wrong
    more often than right (``benchmarks/unsure.py`` measures it; see
    :func:`posekit.unsure.doubted`), and a place where another person
    has a keypoint of that kind with more confidence (:mod:`posekit.claims`,
    ``benchmarks/claims.py``).

    Args:
        prediction: what the model found.
        first: the number of the first person, see :func:`posekit.unsure.unsure_words`.

    Returns:
        For each person index into the skeleton -> one sentence; nothing of keypoints that were not
        found, and nothing at all for random weights, whose confidence says nothing.
    """
    people, model = prediction.people, prediction.model
    found: list[dict[int, str]] = [{} for _ in people]
    if not model.trained or not prediction.skeleton.size:
        return tuple(found)
    least, which = model.entry.least_sure, measured_on(model)
    low = f"Of keypoints with a confidence below {least:g} more are wrong than right{which}."
    for n, person in enumerate(people):
        below = doubted(person, least)
        found[n].update(dict.fromkeys(map(int, np.flatnonzero(below)), low))
    how = "" if first else " (counted from 0)"
    for one in claims_of(people, prediction.skeleton):
        found[one.person][one.keypoint] = (
            f"Person {one.other + first}{how} has one here, with more confidence: it may be theirs."
        )
    return tuple(found)
