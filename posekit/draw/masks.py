"""People laid over a picture as coloured masks, with outlines and numbers."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from posekit.draw.colours import OUTLINE, Colour
from posekit.draw.overlay import contour

__all__ = ["PERSON_COLOURS", "draw_masks", "draw_number", "person_colour"]

Pixels = npt.NDArray[np.uint8]

PERSON_COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Okabe and Ito's colours, apart for every common colour blindness; they repeat after seven."""


def person_colour(person: int) -> Colour:
    """The colour of the person at an index."""
    return PERSON_COLOURS[person % len(PERSON_COLOURS)]


def draw_masks(
    pixels: Pixels,
    masks: Sequence[npt.ArrayLike],
    *,
    own: int | None = None,
    opacity: float = 0.45,
    line_width: int = 0,
) -> Pixels:
    """Lay people over a picture as coloured masks.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        masks: (H, W) each, of the picture's size; later ones lie over earlier ones.
        own: this one gets a white outline.
        opacity: 0 to 1.
        line_width: of an outline in everybody's own colour, in pixels; 0 draws none.
    """
    canvas = pixels.astype(np.float32)
    for n, mask in enumerate(masks):
        inside = np.asarray(mask, dtype=bool)
        colour = np.array(person_colour(n), dtype=np.float32)
        canvas[inside] += (colour - canvas[inside]) * opacity
    drawn = np.round(canvas).astype(np.uint8)
    for n, mask in enumerate(masks if line_width else ()):
        values = np.asarray(mask, dtype=np.float32)
        drawn = contour(drawn, values, 0.5, colour=person_colour(n), line_width=line_width)
    if own is not None:
        drawn = contour(drawn, np.asarray(masks[own], dtype=np.float32), 0.5, line_width=1)
    return drawn


def draw_number(
    pixels: Pixels,
    person: int,
    above: tuple[float, float],
    radius: float,
    colour: Colour | None = None,
) -> None:
    """Write a person's number, counted from 1, on a disc into the picture.

    Args:
        pixels: (H, W, 3) uint8 RGB, changed in place.
        person: index, from 0.
        above: (x, y) of what the disc stands over; it stays inside the picture.
        radius: of the disc, in pixels.
        colour: of the disc; None is that of the person's mask.
    """
    height, width = pixels.shape[:2]
    edge = radius + 4  # its outline, smoothed
    x = int(np.clip(above[0], edge, max(edge, width - 1 - edge)))
    y = int(np.clip(above[1] - 1.6 * radius, edge, max(edge, height - 1 - edge)))
    cv2.circle(pixels, (x, y), round(radius) + 2, OUTLINE, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(
        pixels, (x, y), round(radius), colour or person_colour(person), cv2.FILLED, cv2.LINE_AA
    )
    text, face = str(person + 1), cv2.FONT_HERSHEY_SIMPLEX
    scale = radius / (14 if len(text) == 1 else 19)
    thickness = max(1, round(radius / 7))
    (wide, high), _ = cv2.getTextSize(text, face, scale, thickness)
    at = round(x - wide / 2), round(y + high / 2)
    cv2.putText(pixels, text, at, face, scale, OUTLINE, thickness, cv2.LINE_AA)
