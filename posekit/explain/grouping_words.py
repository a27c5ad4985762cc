"""Why a keypoint is a person's: the scores that decided, and the same in one or two sentences."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["NOBODY", "Compared", "Why", "sentence"]

NOBODY = -1
"""The owner of a candidate that was given to none of the prediction's people."""

Point = tuple[float, float]

_NAMED = 3  # members that are told by name; of more, the strongest


@dataclass(frozen=True)
class Compared:
    """A candidate that a decision looked at, or one that stood against it.

    Attributes:
        keypoint: its name.
        point: in photo pixels.
        score: of the heatmap.
        affinity: with the candidate in question; of a rival, with the members it was compared with.
        person: whose it is, or NOBODY.
    """

    keypoint: str
    point: Point
    score: float
    affinity: float
    person: int


@dataclass(frozen=True)
class Why:
    """Why a candidate is a person's keypoint, or why the person has none.

    Attributes:
        person: index into the prediction's people.
        keypoint: the name.
        found: whether the person has it.
        point: in photo pixels; None when not found.
        score: of the heatmap; 0 when not found.
        first: the person began with it: it was compared with nothing.
        affinity: what decided, the mean over ``members``; 1 for the first. When not found, that of
            the best candidate for it, None where there was none.
        threshold: what it had to exceed.
        members: the person's keypoints it was compared with.
        limb: the limb that joined it, of the part-first grouping.
        rival: the next best candidate for this keypoint of this person, while it was still free;
            when not found, the best one.
        others: other people and the mean affinity of the candidate with all their keypoints, the
            highest first: whose it would have been.
        text: one or two sentences, in which people count from 1.
    """

    person: int
    keypoint: str
    found: bool
    point: Point | None
    score: float
    first: bool
    affinity: float | None
    threshold: float
    members: tuple[Compared, ...]
    limb: str | None
    rival: Compared | None
    others: tuple[tuple[int, float], ...]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        others = [{"person": person, "affinity": value} for person, value in self.others]
        return asdict(self) | {"others": others}


def sentence(answer: Why, *, first: int = 1) -> str:
    """Why a keypoint is a person's, or why the person has none.

    Args:
        answer: its numbers.
        first: the number of the first person in the sentence.
    """
    if not answer.found:
        return _missing(answer, first)
    person = f"Person {answer.person + first}"
    what = f"the {answer.keypoint} at {_place(answer.point)}, found with score {answer.score:.2f}"
    if answer.first:
        decided = f"{person} began with {what}: nothing was there to compare it with."
    else:
        decided = f"{person} got {what}: {_decided(answer)}."
    against = " ".join(part for part in (_rival(answer.rival), _runner_up(answer, first)) if part)
    return f"{decided} {against}".strip()


def _decided(answer: Why) -> str:
    assert answer.affinity is not None  # found
    over = f"{answer.affinity:.2f}, above the {answer.threshold:.2f} it takes"
    if answer.limb is not None:
        member = answer.members[0]
        return f"it and the {member.keypoint} attend to each other with {over} ({answer.limb})"
    members = sorted(answer.members, key=lambda one: -one.affinity)
    named = ", ".join(f"{one.keypoint} {one.affinity:.2f}" for one in members[:_NAMED])
    count = f"the {len(members)} keypoints" if len(members) > 1 else "the one keypoint"
    return f"its mean affinity with {count} already there is {over} ({named})"


def _rival(rival: Compared | None) -> str:
    if rival is None:
        return ""
    return f"The next candidate, at {_place(rival.point)}, had {rival.affinity:.2f}."


def _runner_up(answer: Why, first: int) -> str:
    if not answer.others:
        return ""
    person, affinity = answer.others[0]
    return f"With person {person + first} its mean affinity is {affinity:.2f}."


def _missing(answer: Why, first: int) -> str:
    nothing = f"Person {answer.person + first} has no {answer.keypoint}"
    best = answer.rival
    if best is None or answer.affinity is None:
        return f"{nothing}: no candidate for one was found."
    where = f"the likeliest candidate, at {_place(best.point)}, "
    reached = f"its mean affinity is {answer.affinity:.2f}"
    if best.person >= 0:
        return f"{nothing}: {where}is person {best.person + first}'s; here {reached}."
    if answer.affinity <= answer.threshold:
        return f"{nothing}: {where}is nobody's; {reached}, not above {answer.threshold:.2f}."
    return f"{nothing}: {where}is nobody's, though {reached}; others were preferred on the way."


def _place(point: Point | None) -> str:
    assert point is not None  # whoever is told of has a place
    return f"({point[0]:.0f}, {point[1]:.0f})"
