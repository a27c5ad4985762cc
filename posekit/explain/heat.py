"""The answer of a method that gives one map of the crop, where attention gives one a layer.

Values lie on any grid: the model's tokens, the windows of an occlusion, or one cell a pixel of the
crop (:func:`pixel_grid`). They are drawn by the code that draws attention, so that a method's map
and a layer's lie on the photo alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from posekit.affine import Affine
from posekit.errors import TraceError
from posekit.explain.maps import Size, mass_isoline, mass_level, resample, to_window
from posekit.geometry import Crop, TokenGrid


@dataclass(frozen=True, eq=False)
class HeatMap:
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

    @cached_property
    def total(self) -> float:
        """Sum of the values."""
        return float(self.values.sum(dtype=np.float64))

    @cached_property
    def limit(self) -> float:
        """The largest magnitude: a colour scale runs to it, from 0 or, when signed, from minus."""
        return float(np.abs(self.values).max())

    @property
    def mass(self) -> np.ndarray:
        """The evidence for the target as shares: (rows, cols) float64, sum 1, none negative.

        Negative values count 0. A map without any positive value has no mass: all zeros.
        """
        positive = np.maximum(self.values, 0.0).astype(np.float64)
        total = positive.sum()
        return np.asarray(positive / total if total > 0 else positive)

    def level(self, share: float) -> float:
        """The magnitude such that the cells at or above it hold ``share`` of all magnitude.

        Raises:
            TraceError: share not within 0 to 1.
        """
        return mass_level(np.abs(self.values), share)

    def isoline(self, share: float) -> float:
        """The magnitude whose contour runs between the cells at :meth:`level` and the rest."""
        return mass_isoline(np.abs(self.values), share)

    @property
    def grid_to_photo(self) -> Affine:
        """Cell coordinates (column, row), centres at integers, to photo pixels."""
        return self.crop.to_photo @ self.grid.to_input

    @property
    def cell_centres(self) -> np.ndarray:
        """(rows * cols, 2) cell centres in photo pixels, row-major."""
        return np.asarray(self.crop.to_photo.apply(self.grid.centres()))

    def on_photo(
        self, size: Size | None = None, window: tuple[float, float, float, float] | None = None
    ) -> np.ndarray:
        """The map in photo pixels, (height, width) float32.

        Arguments and drawing as :meth:`posekit.explain.maps.AttentionMap.on_photo`: bilinear
        between cell centres, 0 beyond the outer edges of the cells.
        """
        height, width = self.crop.photo_size
        edges = window or (-0.5, -0.5, width - 0.5, height - 0.5)
        drawn = size or (round(edges[3] - edges[1]), round(edges[2] - edges[0]))
        return resample(self.values, to_window(edges, drawn) @ self.grid_to_photo, drawn)

    def on_crop(self) -> np.ndarray:
        """The map in pixels of the crop, the picture the model saw: (height, width) float32."""
        return resample(self.values, self.grid.to_input, self.crop.size)


def pixel_grid(size: Size) -> TokenGrid:
    """The grid with one cell a pixel of a crop of ``size`` (height, width)."""
    return TokenGrid(size[0], size[1], Affine.identity())
