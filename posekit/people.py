"""Where the people are, and what was found of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.errors import BoxError
from posekit.geometry import Box, Crop
from posekit.photo import Photo

__all__ = [
    "DRAWN",
    "IN_BOX",
    "IN_PHOTO",
    "MAX_BOXES",
    "MIN_BOX_SIDE",
    "ON_MASK",
    "Person",
    "box_words",
    "check_boxes",
    "whole_photo_box",
]

DRAWN = 0.2
"""Confidence below which skeletons leave a keypoint out, as TransPose's evaluation does when it
scores a pose."""

MAX_BOXES = 32  # people in one photo: each costs a pass of the network and a trace
MIN_BOX_SIDE = 2  # pixels inside the photo; less has no inside to look at


@dataclass(frozen=True, eq=False)
class Person:
    """One person: a box, the keypoints found, and the crop the model saw.

    Attributes:
        box: in photo pixels: the one asked about, or the one that was found.
        keypoints: (K, 2) float64, photo pixels (x, y), in the order of the model's skeleton; NaN
            for a keypoint that was not found, which only models of whole photos have.
        scores: (K,) float64, the model's confidence in each keypoint; 0 where it was not found.
        crop: photo to network input and back; for a model of whole photos the whole photo.
        score: how sure a model of whole photos is of the person; None where a box came first.
        item: which batch item of the trace is about this person.
        instance: the place among those whom the model singled out (the trace's instances, the
            evidence's people), which need not be the place among the people asked about.
    """

    box: Box
    keypoints: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    crop: Crop
    score: float | None = None
    item: int = 0
    instance: int | None = None

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """(K,), which keypoints were found."""
        return np.asarray(np.isfinite(self.keypoints).all(axis=-1))


def whole_photo_box(photo: Photo) -> Box:
    """The box for a photo of one person: all of it."""
    return Box.whole(photo.size)


IN_BOX, IN_PHOTO, ON_MASK = "in this person's box", "inside the photo", "on this person"
"""What a share of a map is measured on. *On* somebody is said of masks alone: a box has corners."""


def box_words(box: Box, photo: Photo) -> str:
    """:data:`IN_PHOTO` for a box that is all of the photo, where nobody drew one; else IN_BOX."""
    return IN_PHOTO if box == whole_photo_box(photo) else IN_BOX


def check_boxes(boxes: Sequence[Box], photo: Photo) -> list[Box]:
    """The boxes, cut to the photo, in the order given.

    Raises:
        BoxError: they are no list of boxes, there are more than 32, or one lies outside the photo
            or keeps less than 2 pixels of a side within it.
    """
    if isinstance(boxes, Box) or not all(isinstance(box, Box) for box in boxes):
        raise BoxError("People are a list of boxes, [posekit.Box(x, y, width, height), ...].")
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
