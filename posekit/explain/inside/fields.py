"""Maps with a sign: the fields of a keypoint's limbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.explain.query import check_person
from posekit.geometry import Affine

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Field", "LimbField", "fields_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Field:
    """A map with a sign.

    Attributes:
        name: in the trace.
        values: (rows, cols).
        to_photo: cells (column, row), centres at integers, to photo pixels.
        meaning: one sentence.
    """

    name: str
    values: Floats
    to_photo: Affine
    meaning: str


@dataclass(frozen=True, eq=False)
class LimbField:
    """The field of one limb as arrows.

    Attributes:
        limb: ``"left elbow > left wrist"``.
        starts: (n, 2) in photo pixels, centres of the cells with an arrow.
        arrows: (n, 2), direction times length of the field there; 1 is a limb the model is sure of.
        cell: side of a cell in photo pixels.
    """

    limb: str
    starts: Floats
    arrows: Floats
    cell: float


def fields_of(
    prediction: Prediction, person: int, keypoint: int, least: float = 0.15
) -> tuple[LimbField, ...]:
    """The fields of the limbs that start or end in a keypoint, where they are ``least`` long.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    trace, skeleton = prediction.trace, prediction.skeleton
    found = []
    for a, b in skeleton.limbs:
        name = f"{skeleton.keypoints[a]} > {skeleton.keypoints[b]}"
        if trace is None or keypoint not in (a, b) or f"paf.x.{name}" not in trace.maps:
            continue
        across, down = (trace.maps[f"paf.{axis}.{name}"] for axis in "xy")
        arrows = np.stack(
            [one.values[someone.item].double().cpu().numpy() for one in (across, down)], axis=-1
        )
        long = np.linalg.norm(arrows, axis=-1) >= least
        to_photo = someone.crop.to_photo @ across.grid.to_input
        row, column = np.nonzero(long)
        starts = to_photo.apply(np.stack([column, row], axis=-1).astype(np.float64))
        found.append(LimbField(name, starts.reshape(-1, 2), arrows[long], float(to_photo.scale)))
    return tuple(found)
