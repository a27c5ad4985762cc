"""The sheet that a figure is drawn on: panels, bars and texts, in inches from its top left.

Without matplotlib's global state (no pyplot), so that several threads may draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.draw.panels import BAR, FAINT, TEXT, Window, fill_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Sheet", "blank"]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A figure, and where things stand on it.

    Attributes:
        figure: a matplotlib Figure.
        size: its (width, height) in inches.
    """

    figure: Figure
    size: tuple[float, float]

    def axes(self, x: float, top: float, width: float, height: float) -> Axes:
        """Empty axes without a frame."""
        across, down = self.size
        y = down - top - height
        axes = self.figure.add_axes((x / across, y / down, width / across, height / down))
        axes.set_axis_off()
        return axes

    def panel(self, x: float, top: float, width: float, window: Window) -> Axes:
        """The same, as high as a window on the photo needs, in the coordinates of the photo."""
        axes = self.axes(x, top, width, width * window.size[0] / window.size[1])
        axes.set_xlim(*window.extent[:2])
        axes.set_ylim(*window.extent[2:])
        return axes

    def bar(
        self,
        x: float,
        top: float,
        width: float,
        colours: np.ndarray,
        ticks: Sequence[tuple[float, str]],
    ) -> None:
        """A colour bar of (256, 3) uint8 colours, which may go on under several panels."""
        across, down = self.size
        y = down - top - BAR
        place = (x / across, y / down, width / across, BAR / down)
        fill_bar(self.figure.add_axes(place), colours, ticks)

    def text(self, x: float, top: float, words: str, **style: object) -> None:
        """One line of text; ``style`` as matplotlib takes it."""
        across, down = self.size
        self.figure.text(x / across, 1 - top / down, words, va="center", **style)  # type: ignore[arg-type]


def blank(
    size: tuple[float, float],
    dpi: int,
    title: str,
    about: str,
    *,
    margin: float,
    points: tuple[float, float] = (11.0, 7.5),
) -> Sheet:
    """A white sheet of (width, height) inches with its title, and a line about it below.

    Args:
        size: in inches.
        dpi: pixels an inch.
        title: in bold.
        about: in grey.
        margin: of both to the left, in inches.
        points: heights of both.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    sheet = Sheet(figure, size)
    sheet.text(margin, 0.17, title, size=points[0], weight="bold", color=TEXT)
    sheet.text(margin, 0.36, about, size=points[1], color=FAINT)
    return sheet
