"""Affine maps of the plane: apply, invert, compose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Affine"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """An affine map of the plane, p -> A p + t, held as the (2, 3) float64 matrix [A | t]."""

    matrix: Floats

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
            raise ValueError(f"An affine map needs a finite 2 x 3 matrix, not {matrix.tolist()}.")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls) -> Self:
        """The map that leaves every point where it is."""
        return cls(np.eye(2, 3))

    @classmethod
    def scaling(cls, factors: tuple[float, float], offset: tuple[float, float]) -> Self:
        """(x, y) -> (factors[0] x + offset[0], factors[1] y + offset[1])."""
        return cls(np.array([[factors[0], 0.0, offset[0]], [0.0, factors[1], offset[1]]]))

    def apply(self, points: npt.ArrayLike) -> Floats:
        """Map points (..., 2) -> (..., 2)."""
        xy = np.asarray(points, dtype=np.float64)
        return np.asarray(xy @ self.matrix[:, :2].T + self.matrix[:, 2])

    def inverse(self) -> Affine:
        """The map that undoes this one; ValueError when this one flattens the plane."""
        linear, shift = self.matrix[:, :2], self.matrix[:, 2]
        if np.linalg.det(linear) == 0:
            raise ValueError("An affine map that flattens the plane has no inverse.")
        undone = np.linalg.inv(linear)
        return Affine(np.column_stack([undone, -undone @ shift]))

    def __matmul__(self, other: Affine) -> Affine:
        """Composition: (a @ b).apply(p) equals a.apply(b.apply(p))."""
        linear, shift = self.matrix[:, :2], self.matrix[:, 2]
        return Affine(
            np.column_stack(
                [linear @ other.matrix[:, :2], linear @ other.matrix[:, 2] + shift],
            )
        )

    @property
    def scale(self) -> float:
        """Change of length, sqrt(|det A|): exact for similarities, else the geometric mean."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))
