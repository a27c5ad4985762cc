"""A photo, a person in it, and one occluder of each kind."""

from __future__ import annotations

import numpy as np

from posekit.estimator import Prediction
from posekit.found import box_around
from posekit.geometry import Box, Crop
from posekit.occlusion import (
    Cutout,
    Occluder,
    Patch,
    Rectangle,
    Stroke,
)
from posekit.people import Person
from posekit.photo import Photo
from posekit.trace import Trace
from posekit.zoo import PoseModel
from tests.tiny_models import BlobFinder, noise_photo, pose_model

PHOTO = noise_photo(80, 60)
WRIST = "left wrist"


def stick_person(shift: float = 0.0, scale: float = 1.0) -> Person:
    """Seventeen keypoints of somebody upright, 40 px wide and 120 high before scaling."""
    places = """0 0 2 -2 -2 -2 4 0 -4 0 12 16 -12 16 16 36 -16 36 18 54 -18 54 8 58 -8 58 9 84 -9 84
    10 110 -10 110"""
    points = np.array(places.split(), float).reshape(17, 2) * scale + (60 + shift, 14)
    box = box_around(points, (160, 200))
    return Person(box, points, np.full(17, 0.9), Crop.of_box(box, (64, 48), (160, 200)))


def found(*people: Person, model: PoseModel | None = None) -> Prediction:
    wide = noise_photo(160, 200)
    return Prediction(wide, model or pose_model(BlobFinder(), (64, 48)), people, Trace(), {})


def spots(*places: tuple[int, int, float]) -> Photo:
    """A dark photo with soft bright spots (x, y, height), 128 x 96 pixels."""
    y, x = np.mgrid[:128, :96]
    light = sum(h * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 72) for a, b, h in places)
    return Photo(np.repeat(np.clip(light, 0, 255).astype(np.uint8)[..., None], 3, -1))


ONES: list[Occluder] = [
    Rectangle(Box(10, 20, 9, 7), "grey"),
    Stroke(((12, 22), (20, 30), (25, 24)), 5, (250, 0, 9)),
    Patch(Box(2, 3, 9, 8), (20, 30)),
    Cutout.of_mask(np.pad(np.ones((9, 8), bool), ((3, 68), (2, 50))), (18, 27)),
]
