"""Keypoints that two people's poses claim: a sign that a model takes one person for another.

A model of crops sees each person alone. Where two stand close, it may put the wrist of one onto the
arm of the other, and the pose of that other then has a wrist in the same place. Poses of one photo
tell, without any label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.people import DRAWN
from posekit.similarity import greedy_pairs, keypoint_similarity

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person
    from posekit.skeleton import Skeleton

__all__ = ["ALIKE", "Claim", "claim_words", "claims_of"]

ALIKE = 0.5
"""OKS of one keypoint with another's place from which on they are in the same place."""


@dataclass(frozen=True)
class Claim:
    """One keypoint in the place of another person's.

    Attributes:
        person: who is less sure of it: whose keypoint it probably is not.
        keypoint: index into the skeleton.
        other: who has a keypoint there as well, with more confidence.
        theirs: which: the same one, or the same of the other side.
    """

    person: int
    keypoint: int
    other: int
    theirs: int


def claims_of(people: Sequence[Person], skeleton: Skeleton) -> tuple[Claim, ...]:
    """Every keypoint that lies where somebody else's keypoint of that kind lies.

    Keypoints of the other side count, since sides are mixed up as well; those that are not drawn
    do not. The scale is the area of the smaller of the two people's boxes.

    Args:
        people: of one prediction.
        skeleton: theirs.
    """
    mirror = np.arange(skeleton.size)
    for a, b in skeleton.flip_pairs:
        mirror[a], mirror[b] = b, a
    sigmas = np.asarray(skeleton.sigmas)
    kind = np.minimum(np.arange(skeleton.size), mirror)
    found = []
    for n, one in enumerate(people):
        for m in range(n + 1, len(people)):
            area = min(one.box.area, people[m].box.area)
            (i, here), (j, there) = _drawn(one), _drawn(people[m])
            if not len(i) or not len(j) or not area > 0:
                continue
            squared = ((here[:, None] - there[None]) ** 2).sum(-1)
            alike = np.stack(
                [keypoint_similarity(squared[r], area, sigmas[k]) for r, k in enumerate(i)]
            )
            allowed = (kind[i][:, None] == kind[j][None]) & (alike >= ALIKE)
            for r, c in greedy_pairs(alike, allowed):
                mine, theirs = int(i[r]), int(j[c])
                if one.scores[mine] <= people[m].scores[theirs]:
                    found.append(Claim(n, mine, m, theirs))
                else:
                    found.append(Claim(m, theirs, n, mine))
    return tuple(found)


def _drawn(person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Which keypoints are drawn, and where: (k,) and (k, 2)."""
    index = np.flatnonzero(person.found & (np.asarray(person.scores) >= DRAWN))
    return index, np.asarray(person.keypoints)[index]


def claim_words(prediction: Prediction, *, first: int = 1) -> str | None:
    """A sentence for each pair of people of whom one claims what the other has; None without any.

    Args:
        prediction: what the model found.
        first: the number of the first person, see :func:`posekit.unsure.unsure_words`.

    Returns:
        None also for random weights, whose poses say nothing.
    """
    if not prediction.model.trained or not prediction.skeleton.size:
        return None
    names, said = prediction.skeleton.keypoints, []
    claims = claims_of(prediction.people, prediction.skeleton)
    for pair in dict.fromkeys((one.person, one.other) for one in claims):
        which = sorted(one.keypoint for one in claims if (one.person, one.other) == pair)
        person, other = (f"person {n + first}" for n in pair)
        drawn = len(_drawn(prediction.people[pair[0]])[0])
        if len(which) > 2 and 2 * len(which) >= drawn:
            said.append(
                f"{person.capitalize()} may be {other} once more: {len(which)} of {drawn} "
                f"keypoints lie where {other} has some, with more confidence."
            )
            continue
        first_ones, last = ", ".join(names[k] for k in which[:-1]), names[which[-1]]
        listed = f"{first_ones} and {last}" if first_ones else last
        lie, one_, they = ("lies", "one", "it") if len(which) == 1 else ("lie", "some", "they")
        said.append(
            f"The {listed} of {person} {lie} where {other} has {one_}, with more confidence: "
            f"{they} may be {other}'s."
        )
    if said and first == 0:
        said[-1] = f"{said[-1][:-1]} (people are counted from 0)."
    return " ".join(said) or None
