"""Maps that know nothing of the model: what a method has to beat to say anything.

They take the arguments of a method, so that a table of methods can hold them as two more rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.query import AnyQuery
from posekit.explain.surface import token_grid
from posekit.explain.targets import Target
from posekit.explain.together import questions

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["edge_map", "random_map"]


def random_map(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    seed: int = 0,
) -> HeatMap:
    """Uniform random values on the model's token grid: as smooth as an attention map."""
    asked = questions(prediction, [target], person)
    grid = token_grid(asked)
    values = np.random.default_rng(seed).random(grid.size)
    options = {"seed": seed}
    return asked.answers("random", values[None], grid, signed=False, options=options)[0]


def edge_map(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    sigma: float = 1.5,
) -> HeatMap:
    """How steep the crop's brightness is (Sobel), smoothed: one cell a pixel of the crop.

    Adebayo and others, "Sanity Checks for Saliency Maps", NeurIPS 2018: what looks convincing in a
    map may be the edges of the photo.
    """
    asked = questions(prediction, [target], person)
    crop = asked.crop
    grey = cv2.cvtColor(crop.warp(prediction.photo.pixels), cv2.COLOR_RGB2GRAY)
    grey = np.asarray(grey, dtype=np.float32) / 255
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    edges = cv2.GaussianBlur(np.hypot(across, down), (0, 0), sigma)
    options = {"sigma": sigma}
    grid = pixel_grid(crop.size)
    return asked.answers("edges", np.asarray(edges)[None], grid, signed=False, options=options)[0]
