"""The frame of a drawn matrix: who is meant down the side and across the top, a square a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["matrix_axes"]

_CELL, _NAMES, _ROOM = 0.42, 1.35, 1.0  # inches: a cell, the names at the side, title and words
_DPI = 200


def matrix_axes(
    rows: Sequence[str], columns: Sequence[str], title: str, words: str = ""
) -> tuple[Figure, Axes]:
    """Axes with a unit square for each pair, rows downwards, names at the side and on top.

    Args:
        rows: names down the side.
        columns: names across the top.
        title: above the picture.
        words: a line below it.
    """
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(_NAMES + len(columns) * _CELL + 0.3, _NAMES + len(rows) * _CELL + _ROOM),
        dpi=_DPI,
        facecolor="white",
        layout="constrained",
    )
    axes = figure.add_subplot()
    axes.set_xticks(range(len(columns)), columns, rotation=50, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left", pad=10)
    if words:
        axes.set_xlabel(words, fontsize=8, loc="left", color="#555555")
    return figure, axes
