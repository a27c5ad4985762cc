"""What each head is worth as a picture: heads down the side, keypoints across the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posekit.explain.heads import HeadWorth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_heads"]

_CELL, _NAMES, _ROOM, _DPI = 0.42, 1.5, 0.9, 200  # inches, and pixels an inch
_FROM = 0.005  # smaller falls go without a number


def draw_heads(found: HeadWorth, title: str) -> Figure:
    """Falls in hundredths of the heatmap: green where a keypoint needs the head, else violet.

    Keypoints that were not found are left out; a line parts the layers.
    """
    from matplotlib.figure import Figure

    there = np.isfinite(found.values)
    falls = found.falls[:, there]
    rows, cols = falls.shape
    figure = Figure(
        figsize=(_NAMES + cols * _CELL + 0.5, _NAMES + rows * _CELL + _ROOM),
        dpi=_DPI,
        facecolor="white",
        layout="constrained",
    )
    axes = figure.add_subplot()
    top = max(float(np.abs(falls).max()), 1e-9)
    axes.imshow(falls, cmap="PRGn", vmin=-top, vmax=top)
    names = [name for name, one in zip(found.keypoints, there, strict=True) if one]
    sides = [
        f"{layer} head {head + 1}" for layer, head in zip(found.layers, found.heads, strict=True)
    ]
    axes.set_xticks(range(cols), names, rotation=50, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(rows), sides)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    for row in range(1, rows):
        if found.layers[row] != found.layers[row - 1]:
            axes.axhline(row - 0.5, color="white", linewidth=3)
    for row, col in zip(*np.nonzero(np.abs(falls) >= _FROM), strict=True):
        fall = falls[row, col]
        ink = "white" if abs(fall) > 0.6 * top else "black"
        axes.text(col, row, f"{100 * fall:.0f}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_title(title, fontsize=10, loc="left", pad=10)
    words = "hundredths by which the heatmap falls without the head; heads count from 1"
    axes.set_xlabel(words, fontsize=8, loc="left", color="#555555")
    return figure
