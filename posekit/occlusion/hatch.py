"""Hatching: how a place that no token may look at is shown on a photo that stays as it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["hatched"]

_STRIPES = 80  # along the photo's longer side
_LIGHT, _DARK = 0.5, 0.35


def hatched(pixels: npt.NDArray[np.uint8], cover: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """A photo (H, W, 3) with light and dark stripes, rising to the right, over a mask (H, W)."""
    y, x = np.nonzero(cover)
    width = max(2.0, max(cover.shape) / _STRIPES / 2)
    light = ((x + y) // width).astype(np.int64) % 2 == 0
    under = pixels[y, x].astype(np.float32)
    striped = np.where(light[:, None], under + (255 - under) * _LIGHT, under * (1 - _DARK))
    drawn = pixels.copy()
    drawn[y, x] = np.round(striped).astype(np.uint8)
    return drawn
