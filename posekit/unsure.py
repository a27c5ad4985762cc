"""Whether a model is sure of a pose, by its own confidence, in a sentence for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person

__all__ = ["unsure_keypoints", "unsure_words"]


def unsure_keypoints(person: Person, least: float) -> int:
    """How many of the keypoints that were found have a confidence below ``least``.

    Args:
        person: somebody with (K,) scores.
        least: below it keypoints are wrong more often than right; the model's ``unsure``.
    """
    return int((person.found & (np.asarray(person.scores) < least)).sum())


def unsure_words(prediction: Prediction) -> str | None:
    """A sentence about the poses that a model is not sure of; None when it is.

    A pose is unsure when at least half of its keypoints are (:class:`posekit.zoo.ModelEntry` says
    below which confidence): a few of them are often just hidden. Where a model of crops leaves most
    keypoints out and is sure of the rest, as in a portrait, the sentence says just that. Of a model
    that finds people by itself the keypoints count that it found, and boxes that were given and
    hold nobody are named.
    None for a model that predicts no keypoints, and for random weights, whose confidence says
    nothing.
    """
    model, size = prediction.model, prediction.skeleton.size
    if not model.trained or not size:
        return None
    title, people, least = model.entry.title, prediction.people, model.entry.unsure
    finds = model.entry.find is not None
    empty = [n for n, person in enumerate(people) if not person.found.any()]
    few = [n for n, person in enumerate(people) if not finds and _is_part(person, size, least)]
    unsure = [
        n
        for n, person in enumerate(people)
        if 2 * unsure_keypoints(person, least) >= person.found.sum() and n not in (*empty, *few)
    ]
    said = []
    if unsure:
        said.append(_unsure(title, unsure, people, least))
    if few:
        said.append(_part(title, few, [_drawn(people[n]) for n in few], people))
    if empty and finds:
        where = "the box" if len(people) == 1 else f"the box of {_names(empty)}"
        if len(empty) > 1:
            where = f"the boxes of {_names(empty)}"
        said.append(f"{title} found nobody in {where}.")
    return " ".join(said) or None


def _drawn(person: Person) -> int:
    return int((np.asarray(person.scores) >= DRAWN).sum())


def _is_part(person: Person, size: int, least: float) -> bool:
    """Whether fewer than half of the keypoints are drawn, and most of those are sure."""
    drawn = _drawn(person)
    doubtful = unsure_keypoints(person, least) - (size - drawn)
    return drawn > 0 and 2 * drawn < size and 2 * doubtful < drawn


def _unsure(title: str, who: list[int], people: Sequence[Person], least: float) -> str:
    counts = [unsure_keypoints(people[n], least) for n in who]
    sizes = [int(people[n].found.sum()) for n in who]
    below = f"{_span(counts)} of {_span(sizes)} keypoints have a confidence below {least:g}"
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
