"""Predictions of tiny models, which differ in grid, skeleton and weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posekit.compare import Comparison
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.skeleton import COCO17, Skeleton
from tests.tiny_models import noise_photo, tiny_model

PHOTO = noise_photo(name="holiday-of-somebody.jpg")
BOXES = [Box(10, 12, 70, 120), Box(60, 20, 50, 110)]
FINE = (96, 72)
"""An input whose token grid is 12 x 9 where that of the other tiny model is 8 x 6."""


def predicted(
    seed: int = 0,
    *,
    skeleton: Skeleton = COCO17,
    size: tuple[int, int] = (64, 48),
    kind: str = "random",
    title: str = "",
    photo: object = PHOTO,
    boxes: list[Box] = BOXES,
) -> Prediction:
    model = tiny_model(seed, input_size=size, keypoints=skeleton.size)
    entry = replace(model.entry, skeleton=skeleton, title=title or f"Tiny {seed}")
    model = replace(model, entry=entry, weights=replace(model.weights, kind=kind))
    return Estimator(model).predict(photo, boxes)  # type: ignore[arg-type]


def with_masses(found: Comparison, *weights: np.ndarray) -> Comparison:
    panels = [
        replace(panel, mass=replace(panel.mass, weights=one.astype(np.float32)))  # type: ignore
        for panel, one in zip(found.panels, weights, strict=True)
    ]
    return replace(found, panels=tuple(panels))
