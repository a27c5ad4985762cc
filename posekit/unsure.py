"""Whether a model is sure of a pose, by its own confidence, in a sentence for whoever looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person

__all__ = ["UNSURE", "unsure_keypoints", "unsure_words"]

UNSURE = 0.4
"""Keypoints of a lower confidence are wrong more often than right.

Measured with ``transpose-r-small`` on 353 photographs of LSPET kept out of training: of the
keypoints below it 36 % were right (PCK@0.2), of the others 72 %.
"""


def unsure_keypoints(person: Person) -> int:
    """How many of a person's keypoints have a confidence below :data:`UNSURE`."""
    return int((np.asarray(person.scores) < UNSURE).sum())


def unsure_words(prediction: Prediction) -> str | None:
    """A sentence about the poses that a model of crops is not sure of; None when it is.

    A pose is unsure when at least half of its keypoints are: a few of them are often just hidden.
    None also for a model that finds people by itself, which leaves out what it did not find
    (:func:`posekit.found.found_words` says how much that is), for one that predicts no keypoints,
    and for random weights, whose confidence says nothing.
    """
    model, size = prediction.model, prediction.skeleton.size
    if model.entry.find is not None or not model.trained or not size:
        return None
    counts = [unsure_keypoints(person) for person in prediction.people]
    unsure = [n for n, count in enumerate(counts) if 2 * count >= size]
    if not unsure:
        return None
    few, most = min(counts[n] for n in unsure), max(counts[n] for n in unsure)
    how_many = f"{few}" if few == most else f"{few} to {most}"
    below = f"{how_many} of {size} keypoints have a confidence below {UNSURE}"
    if len(counts) == 1:
        whose, wrong = "this pose", "the skeleton may well be wrong"
    else:
        names = [str(n + 1) for n in unsure]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        whose = f"the pose of person {listed}"
        wrong = "the skeleton may well be wrong"
        if len(names) > 1:
            whose = f"the poses of persons {listed}"
            below, wrong = f"of each {below}", "these skeletons may well be wrong"
    return f"{model.entry.title} is not sure of {whose}: {below}, so {wrong}."
