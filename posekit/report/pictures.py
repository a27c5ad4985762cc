"""A report's pictures as pixels: the pose, and maps laid over the photo or what the model saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posekit.draw.colours import DIVERGING, colour_table
from posekit.draw.legend import amount, plain_number
from posekit.draw.overlay import overlay, signed_overlay
from posekit.draw.panels import Window, blended, choose_window
from posekit.draw.people import draw_asked
from posekit.draw.scale import colour_limit
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.report.findings import Findings

__all__ = ["Pictures"]

Pixels = npt.NDArray[np.uint8]

LARGE, MEDIUM, SMALL = 760, 420, 168
"""Widths in pixels of the photo, of a layer, and of a head."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Draws maps of one question, every one on its own scale.

    Attributes:
        findings: the question and its answer.
        photo: False leaves the photo out: maps and pose lie on plain grey.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        opacity: of the maps, 0 to 1.
        dim: how much light is taken from the photo under a map, 0 to 1.
    """

    findings: Findings
    photo: bool = True
    colour_map: str = "magma"
    opacity: float = 0.75
    dim: float = 0.4

    def __post_init__(self) -> None:
        colour_table(self.colour_map)  # refuse an unknown name before any work

    @cached_property
    def _large(self) -> Window:
        return Window.of(self.findings.prediction.photo.size, LARGE)

    def _base(self, window: Window) -> Pixels:
        findings = self.findings
        return window.ground_of(findings.prediction, photo=self.photo, asked=findings.asked.person)

    @cached_property
    def pose(self) -> Pixels:
        """Everybody's pose on the photo, and who of them is asked about: (rows, cols, 3)."""
        return draw_asked(
            self._base(self._large),
            self.findings.prediction,
            self.findings.asked.person,
            to_picture=self._large.to_drawn,
        )

    @cached_property
    def star(self) -> tuple[float, float] | None:
        """Where the question stands, as fractions of the photo's width and height."""
        point = self.findings.asked.point
        return None if point is None else self._large.place_of(point)

    def large(self, one: AttentionMap | HeatMap) -> Pixels:
        """A map over the whole photo."""
        return self._laid(one, self._large)

    def medium(self, one: AttentionMap | HeatMap) -> Pixels:
        """The same, smaller."""
        return self._laid(one, Window.of(self.findings.prediction.photo.size, MEDIUM))

    def small(self, one: AttentionMap | HeatMap) -> Pixels:
        """A map over the part of the photo that the model saw."""
        size = self.findings.prediction.photo.size
        return self._laid(one, choose_window(size, one, "person", SMALL))

    def _laid(self, one: AttentionMap | HeatMap, window: Window) -> Pixels:
        base, values = self._base(window), window.values_of(one) / self.limit(one)
        if one.signed:
            return signed_overlay(base, values, opacity=self.opacity, dim=self.dim)
        return overlay(base, values, colour_map=self.colour_map, opacity=self.opacity, dim=self.dim)

    @staticmethod
    def limit(one: AttentionMap | HeatMap) -> float:
        """The value at which a map's colours are full."""
        if isinstance(one, HeatMap):
            return colour_limit(one)
        return float(one.weights.max()) or 1.0  # an empty map stays 0

    def bar(self, one: AttentionMap | HeatMap) -> Pixels:
        """(256, 3), the colours of a map over the mean of the photo."""
        base, colours = self._base(self._large), DIVERGING if one.signed else self.colour_map
        return blended(base, colours, self.opacity, self.dim, signed=one.signed)

    def ticks(self, one: AttentionMap | HeatMap) -> list[str]:
        """What the bar's ends and middle stand for."""
        top = self.limit(one)
        if isinstance(one, HeatMap):
            low = -top if one.signed else 0.0
            return [plain_number(low + at * (top - low)) for at in (0.0, 0.5, 1.0)]
        return [amount(at * top, one) for at in (0.0, 0.5, 1.0)]
