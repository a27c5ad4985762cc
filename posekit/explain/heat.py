"""The answer of a method that gives one map of the crop, where attention gives one a layer.

Values lie on any grid: the model's tokens, the windows of an occlusion, or one cell a pixel of the
crop (:func:`pixel_grid`). They are drawn by the code that draws attention, so that a method's map
and a layer's lie on the photo alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.affine import Affine
from posekit.errors import TraceError
from posekit.explain.maps import GridMap, Size
from posekit.geometry import Crop, TokenGrid

if TYPE_CHECKING:
    from posekit.estimator import Prediction


@dataclass(frozen=True, eq=False)
class HeatMap(GridMap):
    """How much each place of the crop matters to one target, by one method.

    Attributes:
        method: name of the method, as in :func:`posekit.explain.methods.list_methods`.
        values: (rows, cols) float32, one value a cell; copied and read-only.
        grid: where the cells lie in the crop.
        crop: where the crop lies in the photo.
        signed: True when negative values mean evidence against the target; False when the values
            are a mass and none is negative.
        options: what the method was asked with, and the terms that belong to the map (such as the
            part of a sum that lies on no cell), by name.
        seconds: wall-clock time it took.
        delta: by how much the method's own identity fails to hold (completeness, a sum, ...), in
            units of the target; None when it has none.
        target: what is explained, in words, such as ``left wrist``.
        person: index into ``prediction.people``.
        prediction: what it explains, as :func:`posekit.explain.explain` hands it on; None where
            the map was made of something else.

    Raises:
        TraceError: the values are not finite, do not fit the grid, or are negative in a map that
            is not signed.
    """

    method: str
    values: np.ndarray
    grid: TokenGrid
    crop: Crop
    signed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    delta: float | None = None
    target: str = ""
    person: int = 0
    prediction: Prediction | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float32, order="C")
        if values.shape != self.grid.size:
            raise TraceError(
                f"A map of {values.shape} values does not fit a grid of {self.grid.size} cells."
            )
        if not np.isfinite(values).all():
            raise TraceError(
                f"The map of {self.method} holds values that are not finite: the model's output "
                "overflowed for this crop."
            )
        if not self.signed and values.min() < 0:
            raise TraceError(f"The map of {self.method} is a mass and cannot hold negative values.")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def __repr__(self) -> str:
        return (
            f"HeatMap(method={self.method!r}, target={self.target!r}, "
            f"{self.grid.rows} x {self.grid.cols} cells, {self.seconds:.2f} s)"
        )

    @property
    def name(self) -> str:
        """The method."""
        return self.method

    @property
    def cells(self) -> np.ndarray:
        """The values."""
        return self.values

    @cached_property
    def limit(self) -> float:
        """The largest magnitude: a colour scale runs to it, from 0 or, when signed, from minus."""
        return float(np.abs(self.values).max())

    def _repr_png_(self) -> bytes | None:
        from posekit.notebook import explanation_png

        return None if self.prediction is None else explanation_png(self, self.prediction)


def pixel_grid(size: Size) -> TokenGrid:
    """The grid with one cell a pixel of a crop of ``size`` (height, width)."""
    return TokenGrid(size[0], size[1], Affine.identity())
