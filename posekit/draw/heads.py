"""What each head is worth as a picture: heads down the side, keypoints across the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posekit.draw.matrix import matrix_axes
from posekit.explain.heads import HeadWorth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_heads"]

_FROM = 0.005  # smaller falls go without a number


def draw_heads(found: HeadWorth, title: str) -> Figure:
    """Falls in hundredths of the heatmap: green where a keypoint needs the head, else violet.

    Keypoints that were not found are left out; a line parts the layers.
    """
    there = np.isfinite(found.values)
    falls = found.falls[:, there]
    names = [name for name, one in zip(found.keypoints, there, strict=True) if one]
    sides = [
        f"{layer} head {head + 1}" for layer, head in zip(found.layers, found.heads, strict=True)
    ]
    words = "hundredths by which the heatmap falls without the head; heads count from 1"
    figure, axes = matrix_axes(sides, names, title, words)
    top = max(float(np.abs(falls).max()), 1e-9)
    axes.imshow(falls, cmap="PRGn", vmin=-top, vmax=top)
    for row in range(1, len(sides)):
        if found.layers[row] != found.layers[row - 1]:
            axes.axhline(row - 0.5, color="white", linewidth=3)
    for row, col in zip(*np.nonzero(np.abs(falls) >= _FROM), strict=True):
        fall = falls[row, col]
        ink = "white" if abs(fall) > 0.6 * top else "black"
        axes.text(col, row, f"{100 * fall:.0f}", ha="center", va="center", fontsize=7, color=ink)
    return figure
