"""A map of values 0 to 1 laid over a photo, and contours round its heaviest part."""

from __future__ import annotations

import cv2
import numpy as np

from posekit.draw.colours import DIVERGING, OUTLINE, Colour, colour_table

RAMP = 0.5
"""Value from which the map covers the photo at its full opacity; below it fades to nothing."""


def overlay(
    pixels: np.ndarray,
    values: np.ndarray,
    *,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
    cover: np.ndarray | None = None,
) -> np.ndarray:
    """Lay a map over a photo.

    The photo loses half its colour and part of its light, so that the only bright colours are the
    map's. Small values let the photo through, large ones cover it.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        values: (H, W), 0 to 1; values outside are clipped.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        opacity: of the map where it is strong, 0 to 1.
        dim: how much of the photo's light is taken, 0 to 1.
        cover: (H, W), 0 to 1, further thins the map out, as where cells are left out.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        PoseKitError: an unknown colour map.
    """
    unit = np.clip(np.asarray(values, dtype=np.float32), 0.0, 1.0)
    if unit.shape != pixels.shape[:2]:
        raise ValueError(f"The map is {unit.shape} and the photo {pixels.shape[:2]} pixels.")
    base = dimmed(pixels, dim)
    colour = colour_table(colour_map)[np.round(unit * 255).astype(np.uint8)].astype(np.float32)
    alpha = opacity_of(unit, opacity)[..., None]
    if cover is not None:
        alpha = alpha * np.clip(cover, 0.0, 1.0)[..., None]
    return np.round(base + (colour - base) * alpha).astype(np.uint8)


def signed_overlay(
    pixels: np.ndarray,
    values: np.ndarray,
    *,
    opacity: float = 0.75,
    dim: float = 0.4,
    cover: np.ndarray | None = None,
) -> np.ndarray:
    """Lay a signed map over a photo, in the colours of :data:`~posekit.draw.colours.DIVERGING`.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        values: (H, W), -1 to 1; values outside are clipped. 0 lets the photo through, and either
            sign covers it alike.
        opacity: see :func:`overlay`.
        dim: see :func:`overlay`.
        cover: see :func:`overlay`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    signed = np.clip(np.asarray(values, dtype=np.float32), -1.0, 1.0)
    if signed.shape != pixels.shape[:2]:
        raise ValueError(f"The map is {signed.shape} and the photo {pixels.shape[:2]} pixels.")
    base = dimmed(pixels, dim)
    steps = np.round((signed + 1) * 127.5).astype(np.uint8)
    colour = colour_table(DIVERGING)[steps].astype(np.float32)
    alpha = opacity_of(np.abs(signed), opacity)[..., None]
    if cover is not None:
        alpha = alpha * np.clip(cover, 0.0, 1.0)[..., None]
    return np.round(base + (colour - base) * alpha).astype(np.uint8)


def opacity_of(values: np.ndarray, opacity: float) -> np.ndarray:
    """How much a value covers the photo: a smooth rise to ``opacity`` at :data:`RAMP`."""
    t = np.clip(values / np.float32(RAMP), 0.0, 1.0)
    return np.asarray(np.float32(opacity) * t * t * (3.0 - 2.0 * t), dtype=np.float32)


def dimmed(pixels: np.ndarray, dim: float) -> np.ndarray:
    """The photo with half its colour and ``dim`` of its light taken: (H, W, 3) float32."""
    photo = np.asarray(pixels, dtype=np.float32)
    grey = photo @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    mixed = 0.5 * photo + 0.5 * grey[..., None]
    return np.asarray(mixed * np.float32(1.0 - dim), dtype=np.float32)


def contour(
    pixels: np.ndarray,
    values: np.ndarray,
    level: float,
    *,
    colour: Colour = (255, 255, 255),
    line_width: int = 2,
) -> np.ndarray:
    """Outline the region where a map reaches a level, on a copy of a picture.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        values: (H, W), in the unit of ``level``; ``AttentionMap.isoline(share)`` gives the
            one round the cells that hold a share of the mass.
        level: the threshold.
        colour: RGB of the line, which gets a dark outline.
        line_width: in pixels.
    """
    canvas = np.array(pixels, dtype=np.uint8, order="C")
    region = (np.asarray(values) >= level).astype(np.uint8)
    outlines, _ = cv2.findContours(region, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, OUTLINE, line_width + 2, cv2.LINE_AA)
    cv2.drawContours(canvas, outlines, -1, colour, line_width, cv2.LINE_AA)
    return canvas
