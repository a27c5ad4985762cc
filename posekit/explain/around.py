"""Which cells of a grid lie around which keypoint, and how much of a map does.

A map says where; a keypoint's name says at what. A cell is a keypoint's own within :data:`REACH` of
it, and shared out evenly where it is several's, other people's among them. Keypoints are where the
model puts them: a wrong pose has wrong names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person

__all__ = ["REACH", "Around", "Surroundings", "most_around", "surroundings"]

Floats = npt.NDArray[np.float64]

REACH = 0.075
"""How far from a keypoint a cell's centre may lie and still be its own, in units of the longer side
of the person's box; on a person who fills a crop of TransPose, a cell and a half."""


@dataclass(frozen=True)
class Around:
    """How much of a map lies around one keypoint.

    Attributes:
        keypoint: its name.
        share: of the map's mass, 0 to 1.
        even: what a map that is the same everywhere would have there.
    """

    keypoint: str
    share: float
    even: float


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Whose each cell is.

    Attributes:
        drawn: (D,) indices of one person's keypoints that are drawn.
        own: (cells, D) part of each cell that is each keypoint's, 0 to 1.
        others: (cells,) part that other people's keypoints have.
        nobodys: (cells,) whether it lies around none.
    """

    drawn: npt.NDArray[np.int64]
    own: Floats
    others: Floats
    nobodys: npt.NDArray[np.bool_]


def surroundings(prediction: Prediction, person: int, centres: Floats, cell: float) -> Surroundings:
    """Share out the cells of a grid between keypoints.

    Args:
        prediction: who is in the photo.
        person: index into its people.
        centres: (cells, 2) photo pixels.
        cell: side of a cell in photo pixels.
    """
    someone = prediction.people[person]
    drawn = _drawn(someone)
    own = _near(someone, drawn, centres, cell)  # (cells, D)
    others = np.zeros(len(centres))
    for number, other in enumerate(prediction.people):
        if number != person and len(theirs := _drawn(other)):
            others = np.maximum(others, _near(other, theirs, centres, cell).max(1))
    count = own.sum(1) + others
    divisor = np.maximum(count, 1.0)
    return Surroundings(drawn, own / divisor[:, None], others / divisor, count == 0)


def most_around(
    prediction: Prediction,
    person: int,
    share: Floats,
    centres: Floats,
    cell: float,
    *,
    but: int | None = None,
    count: int = 3,
) -> tuple[Around, ...]:
    """The keypoints around which most of a map lies, the most first.

    Args:
        prediction: who is in the photo.
        person: index into its people.
        share: (cells,) the map, of sum 1.
        centres: (cells, 2) photo pixels.
        cell: side of a cell in photo pixels.
        but: a keypoint that is left out, the one asked about.
        count: how many at most.
    """
    around = surroundings(prediction, person, centres, cell)
    shares, even = share @ around.own, around.own.mean(0)
    names = prediction.skeleton.keypoints
    order = [n for n in np.argsort(-shares, kind="stable") if around.drawn[n] != but]
    return tuple(
        Around(names[around.drawn[n]], float(shares[n]), float(even[n])) for n in order[:count]
    )


def _drawn(person: Person) -> npt.NDArray[np.int64]:
    return np.flatnonzero(person.found & (np.asarray(person.scores) >= DRAWN))


def _near(person: Person, keypoints: npt.NDArray[np.int64], centres: Floats, cell: float) -> Floats:
    """(cells, keypoints), 1 where a centre lies within reach of a keypoint.

    Reach is at least half the diagonal of a cell, so that the cell that holds a keypoint is its.
    """
    reach = max(REACH * max(person.box.width, person.box.height), cell * np.sqrt(0.5))
    x, y = np.asarray(person.keypoints, dtype=np.float64)[keypoints].T
    squared = np.square(centres[:, :1] - x) + np.square(centres[:, 1:] - y)
    return np.asarray(squared <= reach * reach, dtype=np.float64)
