"""Maps that know nothing of the model's ways: what a method has to beat to say anything.

They take the arguments of a method, so that a table of methods can hold them as more rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from posekit.explain.asked import crop_to_heatmap, recorded_heatmaps
from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.query import AnyQuery
from posekit.explain.surface import token_grid
from posekit.explain.targets import Target
from posekit.explain.together import questions

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["edge_map", "random_map", "spot_map"]


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


def spot_map(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    sigma: float = 0.08,
) -> HeatMap:
    """A round spot where the target is read: all it knows of the model is its answer.

    A method that does no better says where the keypoint is, and nothing of how it was found.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        sigma: of the spot, in units of the crop's longer side.

    Returns:
        The sum of a Gaussian about each place the target is read at, on the model's token grid.
    """
    asked = questions(prediction, [target], person)
    grid = token_grid(asked)
    heatmaps = recorded_heatmaps(prediction, asked.person)
    read = asked.targets[0].places(heatmaps).numpy().astype(np.float64)
    at = crop_to_heatmap(prediction, asked.person).inverse().apply(read)  # (n, 2) crop pixels
    away = np.linalg.norm(grid.centres()[:, None] - at[None], axis=-1)  # (cells, n)
    spots = np.exp(-0.5 * (away / (sigma * max(asked.crop.size))) ** 2).sum(1)
    values, options = spots.reshape(1, *grid.size), {"sigma": sigma}
    return asked.answers("spot", values, grid, signed=False, options=options)[0]
