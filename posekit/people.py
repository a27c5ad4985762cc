"""Where the people are, and what was found of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.errors import BoxError
from posekit.geometry import Box, Crop
from posekit.photo import Photo

__all__ = ["MAX_BOXES", "MIN_BOX_SIDE", "Person", "check_boxes", "whole_photo_box"]

MAX_BOXES = 32  # people in one photo: each costs a pass of the network and a trace
MIN_BOX_SIDE = 2  # pixels inside the photo; less has no inside to look at


@dataclass(frozen=True, eq=False)
class Person:
    """One person: the box asked about, the keypoints found, and the crop the model saw.

    Attributes:
        box: in photo pixels.
        keypoints: (K, 2) float64, photo pixels (x, y), in the order of the model's skeleton.
        scores: (K,) float64, the model's confidence in each keypoint.
        crop: photo to network input and back.
    """

    box: Box
    keypoints: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    crop: Crop


def whole_photo_box(photo: Photo) -> Box:
    """The box for a photo of one person: all of it."""
    return Box.whole(photo.size)


def check_boxes(boxes: Sequence[Box], photo: Photo) -> list[Box]:
    """The boxes, cut to the photo, in the order given.

    Raises:
        BoxError: there are more than 32, or one lies outside the photo or keeps less than 2 pixels
            of a side within it.
    """
    if len(boxes) > MAX_BOXES:
        raise BoxError(f"At most {MAX_BOXES} boxes are analysed at once, but {len(boxes)} came.")
    clipped = [box.clipped(photo.size) for box in boxes]
    for number, box in enumerate(clipped, start=1):
        if min(box.width, box.height) < MIN_BOX_SIDE:
            raise BoxError(
                f"Box {number} covers {box.width:.3g} x {box.height:.3g} pixels of the photo; "
                f"each side must have at least {MIN_BOX_SIDE}."
            )
    return clipped
