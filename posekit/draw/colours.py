"""Colours: the sides of the body, and perceptually even maps for attention."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from posekit.errors import PoseKitError
from posekit.skeleton import Skeleton

Colour = tuple[int, int, int]
"""RGB, 0 to 255."""

LEFT: Colour = (86, 180, 233)
RIGHT: Colour = (240, 158, 30)
MIDDLE: Colour = (240, 240, 235)
OUTLINE: Colour = (16, 18, 24)
SIDE_COLOURS: dict[str, Colour] = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
"""Blue and orange keep apart for every common colour blindness (Okabe and Ito's pair)."""

COLOUR_MAPS = ("viridis", "magma", "inferno", "cividis", "turbo")
"""All but turbo are perceptually even; turbo shows finer steps and is there on request."""

DIVERGING = "violet-green"
"""For signed maps: violet against the target, near black at zero, green for it.

Lightness grows with the magnitude on both sides, so that the strongest places glow on a dimmed
photo; the hues keep apart for colour-blind eyes and from the blue and orange of the sides.
"""

_ANCHORS = ("#f0c2ff", "#a04fd6", "#17121c", "#2f9e4f", "#d2ffa6")
"""Colours of -1, -1/2, 0, 1/2 and 1 of :data:`DIVERGING`."""


def keypoint_colour(skeleton: Skeleton, keypoint: int) -> Colour:
    """The colour of a keypoint's side."""
    return SIDE_COLOURS[skeleton.side(keypoint)]


def limb_colour(skeleton: Skeleton, limb: tuple[int, int]) -> Colour:
    """The colour of a limb: its side's, and the middle's where it joins the two sides."""
    sides = {skeleton.side(end) for end in limb} - {"middle"}
    return SIDE_COLOURS[sides.pop()] if len(sides) == 1 else MIDDLE


@lru_cache(maxsize=16)
def colour_table(name: str) -> np.ndarray:
    """(256, 3) uint8 RGB of a colour map, read-only.

    Raises:
        PoseKitError: not one of :data:`COLOUR_MAPS` and not :data:`DIVERGING`.
    """
    if name == DIVERGING:
        return _diverging()
    if name not in COLOUR_MAPS:
        raise PoseKitError(
            f"There is no colour map {name!r}: choose one of {', '.join(COLOUR_MAPS)}."
        )
    import matplotlib

    rgb = matplotlib.colormaps[name](np.linspace(0.0, 1.0, 256))[:, :3]
    table = np.round(rgb * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def _diverging() -> np.ndarray:
    anchors = np.array([[int(code[at : at + 2], 16) for at in (1, 3, 5)] for code in _ANCHORS])
    places = np.linspace(0.0, 1.0, len(anchors))
    rgb = [np.interp(np.linspace(0.0, 1.0, 256), places, channel) for channel in anchors.T]
    table = np.round(np.stack(rgb, axis=-1)).astype(np.uint8)
    table.setflags(write=False)
    return table
