"""Any mode of picture, and any type of number, as 8-bit RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["as_bytes", "to_rgb"]


def to_rgb(image: Image.Image) -> Image.Image:
    """A decoded PIL image of any mode as RGB, transparency over white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey(np.asarray(image))
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow inverts every CMYK JPEG, as Adobe writes them; undo that for the others.
        image = image.point(lambda value: 255 - value)
    if image.mode == "La":  # premultiplied grey has only this way out
        image = image.convert("LA")
    if image.has_transparency_data or image.mode in ("PA", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def as_bytes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Numbers of any type as 0 .. 255.

    Truth values are black and white; 16-bit numbers fill their range. For other types the range is
    the one they seem to use: floats up to 1 are fractions, numbers up to 255 are bytes, up to
    65,535 are 16-bit, anything else is stretched from its least to its greatest. What is not a
    number counts as the least.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    numbers = values.astype(np.float64)
    if values.dtype == np.bool_:
        numbers *= 255
    elif values.dtype.kind == "u" and values.dtype.itemsize == 2:  # of either byte order
        numbers /= 257
    else:
        numbers = _scaled(numbers, fractions=values.dtype.kind == "f")
    return np.rint(numbers).astype(np.uint8)


def _scaled(numbers: npt.NDArray[np.float64], *, fractions: bool) -> npt.NDArray[np.float64]:
    """Numbers of an unstated range, brought to 0 .. 255."""
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    numbers = np.nan_to_num(numbers, nan=low, posinf=high, neginf=low)
    for top in (1.0, 255.0, 65535.0) if fractions else (255.0, 65535.0):
        if low >= 0 and high <= top:
            return numbers * (255 / top)
    if low == high:
        return np.zeros_like(numbers)
    # Halved first, so that the widest range of floats does not overflow.
    return np.asarray((numbers / 2 - low / 2) / (high / 2 - low / 2) * 255)


def _grey(values: npt.NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(as_bytes(values)).convert("RGB")
