"""The one colour scale of a study's two maps of a layer, for its pictures and for a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from posekit.explain.maps import AttentionMap

__all__ = ["StudyScale"]


@dataclass(frozen=True)
class StudyScale:
    """From nothing to the densest cell of either side.

    Attributes:
        limit: weight per square photo pixel at the strongest colour: the two sides' cells may
            differ in size. 0 where neither side has any weight.
    """

    limit: float

    @classmethod
    def of(cls, maps: Iterable[AttentionMap | None]) -> StudyScale:
        """The scale of the maps there are."""
        return cls(
            max(
                (float(one.weights.max()) / _area(one) for one in maps if one is not None),
                default=0.0,
            )
        )

    def top(self, one: AttentionMap) -> float:
        """The weight of one cell of this map that has the strongest colour."""
        return self.limit * _area(one)


def _area(one: AttentionMap) -> float:
    """A cell's area in square photo pixels."""
    return max(1e-12, abs(float(np.linalg.det(one.grid_to_photo.matrix[:, :2]))))
