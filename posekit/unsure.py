"""Whether a model is sure of a pose, by its own confidence, in a sentence for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person

__all__ = ["UNSURE", "unsure_keypoints", "unsure_words"]

UNSURE = 0.4
"""Keypoints of a lower confidence are wrong more often than right.

Measured with ``transpose-r-small`` on 353 photographs of LSPET kept out of training: of the
keypoints below it 39 % were right (PCK@0.2), of the others 76 %.
"""


def unsure_keypoints(person: Person) -> int:
    """How many of a person's keypoints have a confidence below :data:`UNSURE`."""
    return int((np.asarray(person.scores) < UNSURE).sum())


def unsure_words(prediction: Prediction) -> str | None:
    """A sentence about the poses that a model of crops is not sure of; None when it is.

    A pose is unsure when at least half of its keypoints are: a few of them are often just hidden.
    Where it leaves most keypoints out and is sure of the rest, as in a portrait, the sentence says
    just that.
    None also for a model that finds people by itself, which leaves out what it did not find
    (:func:`posekit.found.found_words` says how much that is), for one that predicts no keypoints,
    and for random weights, whose confidence says nothing.
    """
    model, size = prediction.model, prediction.skeleton.size
    if model.entry.find is not None or not model.trained or not size:
        return None
    title, people = model.entry.title, prediction.people
    few = [n for n, person in enumerate(people) if _is_part(person, size)]
    unsure = [
        n
        for n, person in enumerate(people)
        if 2 * unsure_keypoints(person) >= size and n not in few
    ]
    said = []
    if unsure:
        said.append(_unsure(title, unsure, [unsure_keypoints(people[n]) for n in unsure], people))
    if few:
        said.append(_part(title, few, [_drawn(people[n]) for n in few], people))
    return " ".join(said) or None


def _drawn(person: Person) -> int:
    return int((np.asarray(person.scores) >= DRAWN).sum())


def _is_part(person: Person, size: int) -> bool:
    """Whether fewer than half of the keypoints are drawn, and most of those are sure."""
    drawn = _drawn(person)
    doubtful = unsure_keypoints(person) - (size - drawn)
    return drawn > 0 and 2 * drawn < size and 2 * doubtful < drawn


def _unsure(title: str, who: list[int], counts: list[int], people: Sequence[Person]) -> str:
    size = len(people[0].scores)
    below = f"{_span(counts)} of {size} keypoints have a confidence below {UNSURE}"
    wrong = "the skeleton may well be wrong"
    if len(people) == 1:
        whose = "this pose"
    elif len(who) == 1:
        whose = f"the pose of {_names(who)}"
    else:
        whose = f"the poses of {_names(who)}"
        below, wrong = f"of each {below}", "these skeletons may well be wrong"
    return f"{title} is not sure of {whose}: {below}, so {wrong}."


def _part(title: str, who: list[int], counts: list[int], people: Sequence[Person]) -> str:
    of = "" if len(people) == 1 else f" of {_names(who)}"
    found = f"{_span(counts)} of {len(people[0].scores)} keypoints"
    return f"{title} finds {found}{of}: the others may be hidden, or not in the photo."


def _span(counts: list[int]) -> str:
    few, most = min(counts), max(counts)
    return f"{few}" if few == most else f"{few} to {most}"


def _names(who: list[int]) -> str:
    """``person 2``, ``persons 1, 2 and 4``."""
    names = [str(n + 1) for n in who]
    if len(names) == 1:
        return f"person {names[0]}"
    return f"persons {', '.join(names[:-1])} and {names[-1]}"
