"""Fixed noise fields and colours that scenes are textured with."""

from __future__ import annotations

import colorsys
from functools import lru_cache

import cv2
import numpy as np


@lru_cache(maxsize=4)
def noise_field(blur: float = 0.0, side: int = 512) -> np.ndarray:
    """A fixed (side, side) float32 field, mean 0, deviation 1, smooth over ``blur`` px."""
    white = np.random.default_rng(1234 + side).normal(size=(side, side))
    field = np.asarray(cv2.GaussianBlur(white, (0, 0), blur) if blur > 0 else white)
    field = ((field - field.mean()) / field.std()).astype(np.float32)
    field.flags.writeable = False
    return field


def piece(field: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random (h, w) piece of a field, repeated where the field is too small."""
    height, width = size
    if height > field.shape[0] or width > field.shape[1]:
        times = (-(-height // field.shape[0]), -(-width // field.shape[1]))
        field = np.tile(field, times)
    y = rng.integers(field.shape[0] - height + 1)
    x = rng.integers(field.shape[1] - width + 1)
    return field[y : y + height, x : x + width]


def rgb(h: float, s: float, v: float) -> np.ndarray:
    """Hue, saturation and value (0..1, hue wraps) as (3,) float32 RGB 0..255."""
    return np.array(colorsys.hsv_to_rgb(h % 1.0, s, v), np.float32) * 255
