"""Keypoint dependencies as a picture: who looks down the side, who is looked at across the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posekit.draw.colours import colour_table
from posekit.draw.matrix import matrix_axes
from posekit.explain.dependencies import Dependencies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_dependencies"]

# What lies on none of the keypoints has no colour of the map: it would drown the others.
_GREY = "#e9e8e4"
_FROM = 0.005  # smaller shares go without a number


def draw_dependencies(
    found: Dependencies, title: str, *, words: str = "", colour_map: str = "magma"
) -> Figure:
    """A square of shares in per cent, with a column for what lies on none of the keypoints.

    Keypoints of which nothing is known are left out. The last row is what a row that looks
    everywhere alike would have: shares mean something beyond it.

    Args:
        found: of one person, or a mean over people.
        title: above the picture.
        words: a line below it.
        colour_map: see :data:`posekit.draw.colours.COLOUR_MAPS`; it ends at the largest share.
    """
    from matplotlib.colors import ListedColormap

    names, columns, values = found.table()
    rows, cols = values.shape
    figure, axes = matrix_axes(names, columns, title, words)
    top = float(np.nanmax(found.shares))
    table = ListedColormap(colour_table(colour_map) / 255).with_extremes(bad=_GREY)
    of_keypoints = len(names) - 1
    coloured = np.where(np.arange(cols) < of_keypoints, values, np.nan)
    axes.imshow(coloured, cmap=table, vmin=0.0, vmax=max(top, 1e-9))
    axes.axhline(rows - 1.5, color="white", linewidth=3)
    axes.axvline(len(names) - 1.5, color="white", linewidth=3)
    for row, col in zip(*np.nonzero(values >= _FROM), strict=True):
        share = values[row, col]
        ink = "black" if col >= of_keypoints or share > 0.6 * top else "white"
        axes.text(col, row, _figure(share), ha="center", va="center", fontsize=7, color=ink)
    return figure


def _figure(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"
