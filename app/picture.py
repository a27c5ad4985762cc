"""Photos and arrays as text that travels inside a reply: nothing becomes a file or an address."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from posekit.photo import Photo


def assets() -> Path:
    """The folder of pictures: beside the package in a working tree, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    beside = package.parent / "assets"
    return beside if beside.is_dir() else package / "assets"


def encoded(data: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(data).decode("ascii")


def floats(values: np.ndarray) -> str:
    """Little-endian float32 in base64, in C order."""
    return encoded(np.ascontiguousarray(values, dtype="<f4").tobytes())


def data_url(photo: Photo, quality: int = 90) -> str:
    """The upright photo as a JPEG data URL, without any metadata."""
    buffer = io.BytesIO()
    Image.fromarray(photo.pixels).save(buffer, format="JPEG", quality=quality)
    return f"data:image/jpeg;base64,{encoded(buffer.getvalue())}"
