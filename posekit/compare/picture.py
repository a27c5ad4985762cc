"""The maps and their differences laid over the photo, as pixels; no matplotlib figure needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.draw.overlay import dimmed, overlay
from posekit.draw.panels import Window, blended
from posekit.draw.people import draw_asked
from posekit.draw.skeleton import left_out_words

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison

__all__ = ["LESS", "MORE", "Pictures", "Pixels"]

Pixels = npt.NDArray[np.uint8]

MORE, LESS = (255, 166, 43), (179, 136, 255)
"""Orange where the first of two maps has more, violet where the second has: apart for every common
colour blindness, and both light enough for a darkened photo."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Draws a comparison at a width.

    Attributes:
        comparison: what to draw.
        width: of a picture, in pixels.
        photo: False leaves the photo out: maps and poses lie on plain grey.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        opacity: of the maps, 0 to 1.
        dim: how much light is taken from the photo under a map, 0 to 1.
    """

    comparison: Comparison
    width: int = 640
    photo: bool = True
    colour_map: str = "magma"
    opacity: float = 0.75
    dim: float = 0.4

    @cached_property
    def window(self) -> Window:
        """The part of the photo that any of the models saw."""
        return Window.of(self.comparison.photo.size, self.width, self.comparison.grid.edges)

    @cached_property
    def base(self) -> Pixels:
        """The photo in the window, or grey with the first trained pose on it: (rows, cols, 3)."""
        one = next((p for p in self.comparison.panels if p.trained), self.comparison.panels[0])
        asked = self.comparison.person
        return self.window.ground_of(one.prediction, photo=self.photo, asked=asked)

    @cached_property
    def limit(self) -> float:
        """The largest difference of density of any two panels: both ends of their colour bar."""
        shown = self.comparison.shown
        return max(
            (
                float(np.abs(self.comparison.difference(a, b)).max())
                for n, a in enumerate(shown)
                for b in shown[n + 1 :]
            ),
            default=0.0,
        )

    @property
    def colours(self) -> Pixels:
        """(256, 3): the shared scale as it looks over the mean of the darkened photo."""
        return blended(self.base, self.colour_map, self.opacity, self.dim)

    @property
    def signed_colours(self) -> Pixels:
        """(256, 3): the scale of the differences, from minus :attr:`limit` to plus."""
        values = np.linspace(-1.0, 1.0, 256, dtype=np.float32)
        ground = dimmed(self.base, self.dim).reshape(-1, 3).mean(axis=0)
        return _signed(values, np.broadcast_to(ground, (256, 3)))

    def map(self, panel: int) -> Pixels:
        """A panel's map over the photo on the shared scale; the bare photo without a map."""
        if self.comparison.panels[panel].mass is None:
            return self.base
        values = self.comparison.scale.unit_values(self._density(panel))
        return overlay(
            self.base, values, colour_map=self.colour_map, opacity=self.opacity, dim=self.dim
        )

    def difference(self, first: int, second: int) -> Pixels:
        """Where the first map has more (orange) and where the second has (violet)."""
        signed = (self._density(first) - self._density(second)) / (self.limit or 1.0)
        return _signed(np.clip(signed, -1.0, 1.0), dimmed(self.base, self.dim))

    def pose(self, panel: int) -> Pixels:
        """The people as a panel's model sees them, and who of them is asked about."""
        prediction, asked = self.comparison.panels[panel].prediction, self.comparison.person
        return draw_asked(self.base, prediction, asked, to_picture=self.window.to_drawn)

    def map_with_pose(self, panel: int) -> Pixels:
        """A panel's map with the pose of its own model in thin lines, which hide little of it."""
        comparison = self.comparison
        return draw_asked(
            self.map(panel),
            comparison.panels[panel].prediction,
            comparison.person,
            line_width=self.width / 400,
            to_picture=self.window.to_drawn,
        )

    def left_out(self, panel: int) -> str:
        """Which keypoints a panel's pose lacks, in words; empty when it has all."""
        prediction = self.comparison.panels[panel].prediction
        return left_out_words(prediction.people, prediction.skeleton, self.comparison.person)

    def place(self, panel: int) -> tuple[float, float] | None:
        """Where a panel was asked, as shares of the picture's width and height; None if outside."""
        point = self.comparison.panels[panel].point
        if point is None:
            return None
        x, y = self.window.place_of(point)
        return (x, y) if 0.0 <= x <= 1.0 and 0.0 <= y <= 1.0 else None

    def _density(self, panel: int) -> npt.NDArray[np.float32]:
        """Mass density at every pixel, smooth between the map's own cells."""
        one = self.comparison.panels[panel]
        assert one.mass is not None  # callers look first
        return self.window.values_of(one.mass) * np.float32(one.density_factor)


def _signed(values: npt.NDArray[np.float32], ground: npt.NDArray[np.float32]) -> Pixels:
    """Values (..., ) from -1 to 1 as colours over a ground (..., 3): the stronger the denser."""
    colour = np.where(values[..., None] > 0, *np.array([MORE, LESS], dtype=np.float32))
    return np.round(ground + (colour - ground) * np.abs(values)[..., None] * 0.92).astype(np.uint8)
