"""Whether a model is sure of a pose, by its own confidence, in a sentence for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from posekit.claims import claim_words
from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person
    from posekit.zoo import PoseModel

__all__ = ["doubted", "measured_on", "unsure_keypoints", "unsure_people", "unsure_words"]


def unsure_keypoints(person: Person, least: float) -> int:
    """How many of the keypoints that were found have a confidence below ``least``, as shown.

    Args:
        person: somebody with (K,) scores.
        least: below it keypoints are wrong more often than right; the model's ``least_sure``.
    """
    return int(doubted(person, least).sum())


def doubted(person: Person, least: float) -> np.ndarray:
    """(K,) which keypoints were found with a confidence below ``least``.

    A confidence counts as it is read, with two decimals: what is shown as 0.40 is not below 0.4.

    Args:
        person: somebody with (K,) scores.
        least: see :func:`unsure_keypoints`.
    """
    shown = np.array([float(f"{score:.2f}") for score in person.scores])
    return np.asarray(person.found & (shown < least))


def unsure_people(prediction: Prediction) -> tuple[int, ...] | None:
    """Whose poses a model is not sure of, as :func:`unsure_words` says in a sentence.

    Returns:
        Their places among the people, from 0; None where nothing can be said: the model predicts
        no keypoints, or its weights are random.
    """
    model, size = prediction.model, prediction.skeleton.size
    if not model.trained or not size:
        return None
    least, finds = model.entry.least_sure, model.entry.find is not None
    return tuple(
        n
        for n, person in enumerate(prediction.people)
        if person.found.any()
        and 2 * unsure_keypoints(person, least) >= person.found.sum()
        and (finds or not _is_part(person, size, least))
    )


def unsure_words(prediction: Prediction, *, first: int = 1) -> str | None:
    """A sentence about the poses that a model is not sure of; None when it is.

    A pose is unsure when at least half of its keypoints are (:class:`posekit.zoo.ModelEntry` says
    below which confidence): a few of them are often just hidden. Where a model of crops leaves most
    keypoints out and is sure of the rest, as in a portrait, the sentence says just that. Of a model
    that finds people by itself the keypoints count that it found, and boxes that were given and
    hold nobody are named. So are keypoints that lie where somebody else's do, see
    :mod:`posekit.claims`. A limit that was not measured on these weights is said to be of others.

    Args:
        prediction: what the model found.
        first: the number of the first person: 1 for readers, who see numbered people; 0 beside
            indices, and the sentence then says how it counts.

    Returns:
        None also for a model that predicts no keypoints, and for random weights, whose confidence
        says nothing.
    """
    model, size = prediction.model, prediction.skeleton.size
    if not model.trained or not size:
        return None
    title, people, least = model.entry.title, prediction.people, model.entry.least_sure
    finds = model.entry.find is not None
    empty = [n for n, person in enumerate(people) if not person.found.any()]
    few = [n for n, person in enumerate(people) if not finds and _is_part(person, size, least)]
    unsure = list(unsure_people(prediction) or ())
    said = []
    if unsure:
        said.append(_unsure(model, unsure, people, first))
    if few:
        said.append(_part(title, few, [_drawn(people[n]) for n in few], people, first))
    if empty and finds:
        where = "the box" if len(people) == 1 else f"the box of {_names(empty, first)}"
        if len(empty) > 1:
            where = f"the boxes of {_names(empty, first)}"
        said.append(f"{title} found nobody in {where}.")
    if (claimed := claim_words(prediction, first=first)) is not None:
        said.append(claimed)
    return " ".join(said) or None


def _drawn(person: Person) -> int:
    return int((np.asarray(person.scores) >= DRAWN).sum())


def _is_part(person: Person, size: int, least: float) -> bool:
    """Whether fewer than half of the keypoints are drawn, and most of those are sure."""
    drawn = _drawn(person)
    doubtful = unsure_keypoints(person, least) - (size - drawn)
    return drawn > 0 and 2 * drawn < size and 2 * doubtful < drawn


def _unsure(model: PoseModel, who: list[int], people: Sequence[Person], first: int) -> str:
    title, least = model.entry.title, model.entry.least_sure
    counts = [unsure_keypoints(people[n], least) for n in who]
    sizes = [int(people[n].found.sum()) for n in who]
    below = f"{_span(counts)} of {_span(sizes)} keypoints have a confidence below {least:g}"
    below += measured_on(model)
    wrong = "the skeleton may well be wrong"
    if len(people) == 1:
        whose = "this pose"
    elif len(who) == 1:
        whose = f"the pose of {_names(who, first)}"
    else:
        whose = f"the poses of {_names(who, first)}"
        below, wrong = f"of each {below}", "these skeletons may well be wrong"
    return f"{title} is not sure of {whose}: {below}, so {wrong}."


def measured_on(model: PoseModel) -> str:
    """Of what a model's ``least_sure`` was measured, where it was not of these weights."""
    entry = model.entry
    if entry.unsure is None:
        return " (a limit measured on other models)"
    shipped = any(file.kind == "shipped" for file in entry.weights)
    if shipped and model.weights.kind != "shipped":
        return " (a limit measured on its shipped weights)"
    return ""


def _part(
    title: str, who: list[int], counts: list[int], people: Sequence[Person], first: int
) -> str:
    of = "" if len(people) == 1 else f" of {_names(who, first)}"
    found = f"{_span(counts)} of {len(people[0].scores)} keypoints"
    return f"{title} finds {found}{of}: the others may be hidden, or not in the photo."


def _span(counts: list[int]) -> str:
    few, most = min(counts), max(counts)
    return f"{few}" if few == most else f"{few} to {most}"


def _names(who: list[int], first: int) -> str:
    """``person 2``, ``persons 1, 2 and 4``, ``person 1 (counted from 0)``."""
    names = [str(n + first) for n in who]
    how = "" if first else " (counted from 0)"
    if len(names) == 1:
        return f"person {names[0]}{how}"
    return f"persons {', '.join(names[:-1])} and {names[-1]}{how}"
