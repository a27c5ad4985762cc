"""A layer's attention in 8 bits as plain JSON, which ``previews.js`` unpacks in a browser."""

from __future__ import annotations

import base64
import zlib
from typing import Any

from posekit.explain.live import KeypointPreview, Preview
from posekit.geometry import Affine

__all__ = ["plain_preview"]


def plain_preview(preview: Preview | KeypointPreview, *, level: int = 6) -> dict[str, Any]:
    """Bytes packed with zlib, in base64; grids by their size and their way to the photo.

    Args:
        preview: one that keypoints ask of has no ``query`` grid.
        level: of packing, 0 to 9; a file that is kept can take longer than one for the moment.
    """
    values = {
        "cells": _text(zlib.compress(preview.cells.tobytes(), level=level)),
        "scale": _text(preview.scale.astype("<f4").tobytes()),
        "key": _grid(preview.key_size, preview.key_to_photo),
    }
    if isinstance(preview, Preview):
        values["query"] = _grid(preview.query_size, preview.query_to_photo)
    return values


def _grid(size: tuple[int, int], to_photo: Affine) -> dict[str, Any]:
    return {"rows": size[0], "cols": size[1], "toPhoto": to_photo.matrix.ravel().tolist()}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
