"""Everybody in a photo: coloured masks, skeletons over them, and a number each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from posekit.draw.colours import OUTLINE
from posekit.draw.skeleton import draw_skeleton

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["draw_people"]

_LEAST_SIDE = 480


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
    from posekit.geometry import Affine
    from posekit.occlusion.picture import PERSON_COLOURS, draw_masks

    chosen = (prediction.masks or ()) if masks is None else masks
    larger = max(1, round(_LEAST_SIDE / max(prediction.photo.size)))
    size = prediction.photo.width * larger, prediction.photo.height * larger
    pixels = cv2.resize(prediction.photo.pixels, size, interpolation=cv2.INTER_LINEAR)
    scaled = [
        cv2.resize(np.asarray(mask, dtype=np.uint8), size, interpolation=cv2.INTER_NEAREST)
        for mask in chosen
    ]
    drawn = draw_masks(np.asarray(pixels, dtype=np.uint8), scaled)
    to_picture = Affine.scaling((larger, larger), ((larger - 1) / 2, (larger - 1) / 2))
    drawn = draw_skeleton(
        drawn, prediction.people, prediction.skeleton, min_score=0.0, to_picture=to_picture
    )
    scale = max(size) / 900
    for number, person in enumerate(prediction.people, start=1):
        left, top, _, _ = person.box.edges
        x, y = to_picture.apply((left, top))
        (width, height), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
        place = (
            int(np.clip(x, 0, max(0, size[0] - width))),
            int(np.clip(y + height, height + 1, size[1] - 1)),
        )
        colour = PERSON_COLOURS[(number - 1) % len(PERSON_COLOURS)]
        for ink, extra in ((OUTLINE, 3), (colour, 0)):
            thickness = max(1, round(2 * scale)) + extra
            cv2.putText(
                drawn, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thickness,
                cv2.LINE_AA,
            )  # fmt: skip
    return drawn
