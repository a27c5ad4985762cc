"""What a model of whole photos finds by itself, and which of it is whose box's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from posekit.geometry import Box, Crop
from posekit.people import Person
from posekit.similarity import greedy_pairs

if TYPE_CHECKING:
    from posekit.photo import Photo
    from posekit.trace import Trace
    from posekit.zoo import PoseModel

__all__ = ["Finder", "Found", "box_around", "found_words", "in_boxes"]

MARGIN = 0.1
"""What a box around keypoints adds on every side, in units of its longer side: keypoints lie inside
a body, not on its outline."""

SAME, WITHIN = 0.2, 0.8
"""A person found may be a box's when the two overlap by so much, or when so much of the person lies
in the box: people draw by hand, and the box may be the whole photo."""


@dataclass(frozen=True, eq=False)
class Found:
    """Everybody whom a model found in a photo.

    Attributes:
        people: surest first; nobody where nobody is.
        crop: the whole photo as the network saw it.
        trace: of the one pass; None when not recorded.
        masks: (H, W) bool in photo pixels, one a person, of a model that segments people.
        evidence: why these keypoints are these people, in the model's own words: a
            :class:`~posekit.decode.paf_people.PafDecoding`, for instance.
    """

    people: tuple[Person, ...]
    crop: Crop
    trace: Trace | None
    masks: tuple[npt.NDArray[np.bool_], ...] | None = None
    evidence: object | None = None


class Finder(Protocol):
    """How the zoo knows a model's way from a photo to people."""

    def __call__(self, model: PoseModel, photo: Photo, *, recorded: bool = False) -> Found:
        """Find everybody in a photo.

        Args:
            model: one with this finder.
            photo: of any size.
            recorded: keep the trace.
        """


def box_around(keypoints: npt.ArrayLike, photo_size: tuple[int, int]) -> Box:
    """The box of a person known by keypoints: around those found, with a margin, in the photo.

    Args:
        keypoints: (K, 2) in photo pixels, NaN where not found; at least one is.
        photo_size: (height, width).
    """
    points = np.asarray(keypoints, dtype=np.float64)
    points = points[np.isfinite(points).all(axis=-1)]
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(1.0, MARGIN * float((high - low).max()))
    # A keypoint may lie a little outside the photo; its box does not, however thin the photo is.
    edge = np.array(photo_size[::-1]) - 0.5
    low = np.clip(low - margin, -0.5, np.maximum(edge - 2.0, -0.5))
    high = np.clip(high + margin, np.minimum(low + 2.0, edge), edge)
    return Box.from_edges(*(float(value) for value in (*low, *high)))


def found_words(people: Sequence[Person], keypoints: int) -> str:
    """Whom a model found by itself: ``4 people, with 3 to 14 of 14 keypoints``.

    Few keypoints are a hint that somebody may not be there at all.

    Args:
        people: everybody found; those without a single keypoint do not count.
        keypoints: how many the model's skeleton has.
    """
    counts = [int(person.found.sum()) for person in people if person.found.any()]
    if not counts:
        return "nobody"
    who = "1 person" if len(counts) == 1 else f"{len(counts)} people"
    few, many = min(counts), max(counts)
    how_many = f"{few}" if few == many else f"{few} to {many}"
    return f"{who}, with {how_many} of {keypoints} keypoints"


def in_boxes(found: Found, boxes: Sequence[Box], keypoints: int) -> Found:
    """The people found, in the order of boxes that somebody asked about.

    A box takes the person whose box overlaps it most; each person goes to one box only. A box in
    which the model found nobody holds a person without keypoints, so that the n-th person is the
    n-th box's for every model.

    Args:
        found: what the model found by itself.
        boxes: in photo pixels.
        keypoints: how many the model's skeleton has.
    """
    nobody = np.full((keypoints, 2), np.nan), np.zeros(keypoints)
    chosen: list[int | None] = [None] * len(boxes)
    overlap = np.array([[_likeness(box, p.box) for p in found.people] for box in boxes])
    overlap = overlap.reshape(len(boxes), len(found.people))
    for place, person in greedy_pairs(overlap, overlap > 0):
        chosen[place] = person
    people = tuple(
        Person(box, *nobody, found.crop, score=0.0)
        if n is None
        else replace(found.people[n], box=box)
        for box, n in zip(boxes, chosen, strict=True)
    )
    masks = found.masks
    if masks is not None:
        empty = np.zeros(found.crop.photo_size, dtype=bool)
        masks = tuple(empty if n is None else masks[n] for n in chosen)
    return replace(found, people=people, masks=masks)


def _likeness(box: Box, person: Box) -> float:
    """How well a person found fits a box asked about; 0 for somebody else."""
    overlap = box.overlap(person)
    both = overlap * (box.area + person.area) / (1.0 + overlap)
    return overlap if overlap >= SAME or both >= WITHIN * person.area else 0.0
