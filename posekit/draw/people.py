"""Everybody in a photo: skeletons, and a number each; with coloured masks, or one asked about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from posekit.doubts import doubts_of
from posekit.draw.colours import MIDDLE, OUTLINE
from posekit.draw.masks import draw_masks, draw_number
from posekit.draw.skeleton import draw_skeleton
from posekit.geometry import Affine
from posekit.people import DRAWN, Person, whole_photo_box

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.skeleton import Skeleton

__all__ = ["asked_edges", "draw_asked", "draw_people", "number_place"]

_LEAST_SIDE = 480
_HEAD = ("top", "nose", "eye", "ear", "neck")
"""Last words of the names of a head's keypoints."""
_OPACITY = 0.35
"""Of a mask: light enough to judge by the photo under it whether it fits."""


def draw_people(
    prediction: Prediction, masks: Sequence[npt.ArrayLike] | None = None
) -> npt.NDArray[np.uint8]:
    """The photo with everybody found in it, numbered from 1; a small photo is enlarged for that.

    Args:
        prediction: of any model.
        masks: (H, W) each, in the order of the people; None is the model's own, if it has any.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    chosen = (prediction.masks or ()) if masks is None else masks
    larger = max(1, round(_LEAST_SIDE / max(prediction.photo.size)))
    size = prediction.photo.width * larger, prediction.photo.height * larger
    pixels = cv2.resize(prediction.photo.pixels, size, interpolation=cv2.INTER_LINEAR)
    scaled = [
        cv2.resize(np.asarray(mask, dtype=np.uint8), size, interpolation=cv2.INTER_NEAREST)
        for mask in chosen
    ]
    drawn = draw_masks(
        np.asarray(pixels, dtype=np.uint8),
        scaled,
        opacity=_OPACITY,
        line_width=max(1, round(max(size) / 500)),
    )
    to_picture = Affine.scaling((larger, larger), ((larger - 1) / 2, (larger - 1) / 2))
    drawn = draw_skeleton(
        drawn,
        prediction.people,
        prediction.skeleton,
        min_score=0.0,
        to_picture=to_picture,
        doubted=doubts_of(prediction),
    )
    for number, person in enumerate(prediction.people):
        x, y = to_picture.apply(number_place(person, prediction.skeleton, 0.0))
        draw_number(drawn, number, (float(x), float(y)), max(9.0, max(size) / 55))
    return drawn


def draw_asked(
    pixels: np.ndarray,
    prediction: Prediction,
    asked: int,
    *,
    line_width: float | None = None,
    to_picture: Affine | None = None,
) -> npt.NDArray[np.uint8]:
    """Everybody's pose, and who of them is asked about.

    Doubtful keypoints are rings. The others are paler. Several people have numbers, and the one
    asked about a dashed box.

    Args:
        pixels: (H, W, 3) uint8 RGB to draw on a copy of.
        prediction: of any model.
        asked: index of the person.
        line_width: of a limb, in pixels of the picture; None follows the person's size.
        to_picture: photo pixels to pixels of the picture, when that is scaled or a part.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    to_picture = to_picture or Affine.identity()
    people = prediction.people
    drawn = np.asarray(
        draw_skeleton(
            pixels,
            people,
            prediction.skeleton,
            line_width=line_width,
            to_picture=to_picture,
            asked=asked,
            doubted=doubts_of(prediction),
        ),
        dtype=np.uint8,
    )
    edges = asked_edges(prediction, asked)
    if edges is not None:
        (left, top), (right, bottom) = to_picture.apply([edges[:2], edges[2:]])
        _dashed(drawn, (left, top, right, bottom))
    radius = max(7.0, max(drawn.shape[:2]) / 60)
    for number, person in enumerate(people if len(people) > 1 else ()):
        x, y = to_picture.apply(number_place(person, prediction.skeleton))
        height, width = drawn.shape[:2]
        if 0 <= x < width and 0 <= y < height:  # a number at the edge would be about nobody there
            draw_number(drawn, number, (float(x), float(y)), radius, MIDDLE)
    return drawn


def asked_edges(prediction: Prediction, asked: int) -> tuple[float, float, float, float] | None:
    """Outer edges of the box of the person asked about, in photo pixels.

    None where the box is all of the photo: nobody drew it.
    """
    box = prediction.people[asked].box
    return None if box == whole_photo_box(prediction.photo) else box.edges


def number_place(
    person: Person, skeleton: Skeleton, min_score: float = DRAWN
) -> tuple[float, float]:
    """What a person's number stands over, in photo pixels: the highest drawn keypoint of the head.

    Of all keypoints where none of the head is drawn, and the upper left corner of the box where
    none at all is.
    """
    drawn = person.found & (np.asarray(person.scores) >= min_score)
    head = np.array([name.split()[-1] in _HEAD for name in skeleton.keypoints])
    for points in (person.keypoints[drawn & head], person.keypoints[drawn]):
        if len(points):  # not the box, which may begin far from anybody
            x, y = points[points[:, 1].argmin()]
            return float(x), float(y)
    left, top, _, _ = person.box.edges
    return left, top


def _dashed(pixels: npt.NDArray[np.uint8], edges: tuple[float, float, float, float]) -> None:
    """A dashed box into the picture: light on dark, to be seen on any photo."""
    unit = max(pixels.shape[:2]) / 640
    dash, gap, wide = 6.0 * unit, 8.0 * unit, max(1, round(1.5 * unit))
    left, top, right, bottom = edges
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    for colour, thickness in ((OUTLINE, wide + 2), ((255, 255, 255), wide)):
        for (x0, y0), (x1, y1) in pairwise(corners):
            length = max(abs(x1 - x0), abs(y1 - y0))
            for start in np.arange(0.0, length, dash + gap):
                parts = start / length, min(1.0, (start + dash) / length)
                ends = [(round(x0 + p * (x1 - x0)), round(y0 + p * (y1 - y0))) for p in parts]
                cv2.line(pixels, ends[0], ends[1], colour, thickness, cv2.LINE_AA)
