"""Where the parts of a comparison's figure stand, in inches.

As :mod:`posekit.draw.figure`, without matplotlib's global state, so that several threads may draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.compare.picture import Pictures
from posekit.draw.panels import BAR, FAINT, TEXT

__all__ = ["DPI", "GAP", "MARGIN", "PANEL", "TOP", "Sheet", "blank"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, GAP, MARGIN, TOP = 2.35, 0.16, 0.14, 0.52  # inches, as in posekit.draw.figure
DPI = 200


@dataclass(frozen=True, eq=False)
class Sheet:
    """Where things stand on the figure, in inches from its top left."""

    figure: Figure
    size: tuple[float, float]
    image: float  # height of a picture

    def axes(self, column: int, top: float, pictures: Pictures) -> Axes:
        """An empty panel, in the coordinates of the photo."""
        width, height = self.size
        x, y = _left(column), height - top - self.image
        axes = self.figure.add_axes((x / width, y / height, PANEL / width, self.image / height))
        axes.set_axis_off()
        axes.set_xlim(*pictures.window.extent[:2])
        axes.set_ylim(*pictures.window.extent[2:])
        return axes

    def bar(
        self, columns: range, top: float, colours: np.ndarray, ticks: list[tuple[float, str]]
    ) -> None:
        """One colour bar under several panels."""
        width, height = self.size
        x = _left(columns[0])
        across = len(columns) * PANEL + (len(columns) - 1) * GAP
        y = height - top - BAR
        bar = self.figure.add_axes((x / width, y / height, across / width, BAR / height))
        shown = np.clip(np.round(colours), 0, 255).astype(np.uint8)
        bar.imshow(shown[None], aspect="auto", extent=(0, 1, 0, 1))
        bar.set_yticks([])
        bar.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
        bar.tick_params(length=2, width=0.5, pad=1.5, labelsize=5.8, labelcolor=FAINT, color=FAINT)
        labels = bar.get_xticklabels()
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
        for spine in bar.spines.values():
            spine.set_visible(False)

    def text(self, x: float, top: float, words: str, **style: object) -> None:
        """One line of text; ``style`` as matplotlib takes it."""
        width, height = self.size
        self.figure.text(x / width, 1 - top / height, words, va="center", **style)  # type: ignore[arg-type]


def blank(size: tuple[float, float], image: float, title: str, *, points: float = 11.0) -> Sheet:
    """A white sheet of (width, height) inches with its title, for pictures of a height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    sheet = Sheet(figure, size, image)
    sheet.text(MARGIN, 0.17, title, size=points, weight="bold", color=TEXT)
    return sheet


def _left(column: int) -> float:
    return MARGIN + column * (PANEL + GAP)
