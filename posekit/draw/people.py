"""Everybody in a photo: coloured masks, skeletons over them, and a number each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from posekit.draw.masks import draw_masks, draw_number
from posekit.draw.skeleton import draw_skeleton
from posekit.geometry import Affine

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["draw_people"]

_LEAST_SIDE = 480
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
        drawn, prediction.people, prediction.skeleton, min_score=0.0, to_picture=to_picture
    )
    for number, person in enumerate(prediction.people):
        points = to_picture.apply(person.keypoints[person.found])
        if len(points):  # over the highest keypoint: a box may begin far from anybody
            x, y = points[points[:, 1].argmin()]
        else:
            left, top, _, _ = person.box.edges
            x, y = to_picture.apply((left, top))
        draw_number(drawn, number, (float(x), float(y)), max(9.0, max(size) / 55))
    return drawn
