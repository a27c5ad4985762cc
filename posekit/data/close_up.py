"""Close-ups: photos that end below somebody's shoulders or waist, as portraits do.

Data sets of whole bodies have none, and a model that never saw one puts ankles into a face.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posekit.data.labelled import LabelledPerson
from posekit.photo import Photo
from posekit.skeleton import Skeleton

__all__ = ["CUTS", "LEAST", "CloseUp", "Windows", "close_up", "shown_by", "windows"]

HEAD = ("head", "nose", "eye", "ear", "neck", "thorax", "shoulder")
CUTS = {"shoulders": HEAD, "waist": (*HEAD, "elbow", "wrist", "hip")}
"""Where a photo may end, and the keypoints it then still shows, by parts of their names."""

LEAST = 3
"""Labelled keypoints that a close-up has to show."""
MARGIN = 0.35
"""Around those keypoints, on each side, as a share of the longer side of the box around them."""


def shown_by(cut: str, skeleton: Skeleton) -> npt.NDArray[np.bool_]:
    """(K,), which keypoints a close-up is about."""
    return np.array([any(part in name for part in CUTS[cut]) for name in skeleton.keypoints])


class CloseUp(NamedTuple):
    """A piece of a photo around somebody.

    Attributes:
        person: in that piece, by the keypoints that lie in it.
        beyond: (K,) bool, labelled keypoints that do not.
    """

    person: LabelledPerson
    beyond: npt.NDArray[np.bool_]


def close_up(person: LabelledPerson, cut: str) -> CloseUp | None:
    """Somebody's photo, ending all round a little beyond the keypoints that the cut keeps.

    Args:
        person: in a photo of the whole body.
        cut: ``"shoulders"`` or ``"waist"``.

    Returns:
        None where fewer than three keypoints that the cut keeps are labelled.
    """
    kept = person.labelled & shown_by(cut, person.skeleton)
    if kept.sum() < LEAST:
        return None
    low, high = person.keypoints[kept].min(0), person.keypoints[kept].max(0)
    margin = MARGIN * float((high - low).max())
    pixels = person.photo.pixels
    height, width = pixels.shape[:2]
    left, top = np.maximum(np.floor(low - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + margin) + 1, (width, height)).astype(int)
    piece = np.ascontiguousarray(pixels[top:bottom, left:right])
    moved = person.keypoints - np.array([left, top])
    within = ((moved >= -0.5) & (moved <= np.array([right - left, bottom - top]) - 0.5)).all(1)
    seen = replace(
        person,
        photo=Photo(piece),
        keypoints=moved,
        labelled=person.labelled & within,
        visible=None if person.visible is None else person.visible & within,
        given_box=None,
        mask=None,
        area=None,
    )
    return CloseUp(seen, person.labelled & ~within)


class Windows(NamedTuple):
    """What close-ups of a batch show, in the pixels of its pictures.

    use: (B,) bool, who is looked at from close by. low, high: (B, 2), x and y of the corners.
    ends: (B,) bool, whether the photo ends there, as an uploaded portrait does, or goes on, as when
    a box is drawn around a head.
    """

    use: Tensor
    low: Tensor
    high: Tensor
    ends: Tensor


def windows(
    keypoints: Tensor, labelled: Tensor, skeleton: Skeleton, drawn: Tensor, chance: float
) -> Windows:
    """Random close-ups, for training.

    Args:
        keypoints: (B, K, 2).
        labelled: (B, K).
        skeleton: names them.
        drawn: (B, 7) uniform in 0..1.
        chance: of a close-up.
    """
    masks = torch.from_numpy(np.stack([shown_by(cut, skeleton) for cut in CUTS]))
    masks = masks.to(keypoints.device)
    which = (drawn[:, 1] * len(masks)).long()
    kept = masks[which] & labelled
    low = torch.where(kept[..., None], keypoints, torch.inf).amin(1)
    high = torch.where(kept[..., None], keypoints, -torch.inf).amax(1)
    use = (drawn[:, 0] < chance) & (kept.sum(1) >= LEAST)
    low, high = (torch.where(use[:, None], edge, 0.0) for edge in (low, high))
    longer = (high - low).amax(1, keepdim=True)
    margin = (0.1 + 0.5 * drawn[:, 3:7]) * longer
    ends = use & (drawn[:, 2] < 0.7)
    return Windows(use, low - margin[:, :2], high + margin[:, 2:], ends)
