"""Photographs whose labels are known to the pixel: one coloured dot a keypoint."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from posekit.data.lsp import LabelledPerson
from posekit.photo import read_photo
from posekit.skeleton import LSP14


def dots(count: int, seed: int = 0) -> Iterator[LabelledPerson]:
    """Photographs with one bright dot a keypoint, each keypoint of its own colour."""
    rng = np.random.default_rng(seed)
    hues = np.linspace(0, 179, LSP14.size, endpoint=False).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 255), np.full_like(hues, 255)], -1)[None]
    colours = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]
    for _ in range(count):
        pixels = np.zeros((160, 140, 3), np.uint8)
        keypoints = rng.uniform((20, 20), (120, 140), (LSP14.size, 2))
        for (x, y), colour in zip(keypoints, colours, strict=True):
            cv2.circle(pixels, (round(x), round(y)), 5, colour.tolist(), -1, cv2.LINE_AA)
        yield LabelledPerson(read_photo(pixels), keypoints, np.ones(LSP14.size, bool))
