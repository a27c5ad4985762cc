"""Figures as pixels, and pixels as what an SVG or a page can hold."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_pixels", "jpeg_url"]


def figure_pixels(figure: Figure) -> npt.NDArray[np.uint8]:
    """A matplotlib figure at its own resolution: (H, W, 3).

    Without matplotlib's global state, so that several threads may draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def jpeg_url(pixels: npt.NDArray[np.uint8], quality: int) -> str:
    """(H, W, 3) pixels alone, without metadata, as a ``data:`` address of a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
