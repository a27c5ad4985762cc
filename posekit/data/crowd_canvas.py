"""A data set of whole photos as one tensor, with everybody in them.

Photos differ in size and in how many people they show; a training loop wants one uint8 tensor that
lives on the device. Each photo is scaled to fill a square canvas from its top left corner, and the
lists of people are filled up to the longest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import cv2
import numpy as np
import torch
from torch import Tensor

from posekit.data.crowd import CORNERS, UNKNOWN_OWNER, CrowdPhoto
from posekit.errors import DataError

__all__ = ["CANVAS", "OWNER_PIXELS", "CrowdCanvases", "make_crowd_canvases"]

CANVAS = 256
MOST_PEOPLE = 24
"""Of a photo with more, those with the largest boxes are kept; it is then not complete."""
OWNER_PIXELS = 2
"""Canvas pixels along a side for which one says whose they are: tokens are several times larger."""


def _no_owners() -> Tensor:
    return torch.zeros(0, 0, 0, dtype=torch.uint8)


@dataclass(frozen=True, eq=False)
class CrowdCanvases:
    """N photos on (S, S) canvases, with up to P people each.

    Attributes:
        images: (N, 3, S, S) uint8; what lies outside the photo is 0.
        sizes: (N, 2) int32, (height, width) of each photo on its canvas.
        outlines: (N, P, 16, 2) float32 canvas pixels, see :class:`posekit.data.crowd.Somebody`.
        keypoints: (N, P, K, 2) float32 canvas pixels.
        visibility: (N, P, K) int8: 0, 1 or 2.
        kinds: (N, P) int8, see :class:`posekit.data.crowd.Kind`.
        complete: (N,) bool, whether everybody is labelled.
        owners: (N, S / 2, S / 2) uint8, whose each 2 x 2 pixels are: ``p + 1`` is person p's, see
            :class:`posekit.data.crowd.CrowdPhoto`. Nobody's everywhere where no mask is known;
            (0, 0, 0) unless asked for.
    """

    images: Tensor
    sizes: Tensor
    outlines: Tensor
    keypoints: Tensor
    visibility: Tensor
    kinds: Tensor
    complete: Tensor
    owners: Tensor = field(default_factory=_no_owners)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def most_people(self) -> int:
        """P."""
        return self.kinds.shape[1]

    def to(self, device: torch.device | str) -> CrowdCanvases:
        """The same photos on another device."""
        tensors = (getattr(self, part.name) for part in fields(self))
        return CrowdCanvases(*(tensor.to(device) for tensor in tensors))


def make_crowd_canvases(
    photos: Iterable[CrowdPhoto],
    count: int,
    side: int = CANVAS,
    keypoints: int = 14,
    *,
    owners: bool = False,
) -> CrowdCanvases:
    """Put photos on canvases.

    Args:
        photos: one after the other.
        count: how many there are at most, so that memory is taken once.
        side: of the canvases, in pixels.
        keypoints: K.
        owners: keep whose pixels they are.

    Raises:
        DataError: there is no photo.
    """
    images = torch.zeros(count, 3, side, side, dtype=torch.uint8)
    sizes = torch.zeros(count, 2, dtype=torch.int32)
    outlines = np.zeros((count, MOST_PEOPLE, CORNERS, 2), np.float32)
    points = np.zeros((count, MOST_PEOPLE, keypoints, 2), np.float32)
    visibility = np.zeros((count, MOST_PEOPLE, keypoints), np.int8)
    kinds = np.zeros((count, MOST_PEOPLE), np.int8)
    complete = torch.zeros(count, dtype=torch.bool)
    half = side // OWNER_PIXELS
    owned = torch.zeros(count, half, half, dtype=torch.uint8) if owners else _no_owners()
    done = 0
    for photo in photos:
        pixels, factor = _scaled(photo.pixels, side)
        height, width = pixels.shape[:2]
        images[done, :, :height, :width] = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        sizes[done] = torch.tensor([height, width])
        complete[done] = photo.complete and len(photo.people) <= MOST_PEOPLE
        order = sorted(
            range(len(photo.people)),
            key=lambda n: -np.ptp(photo.people[n].outline, axis=0).prod(),
        )
        if owners and photo.owners is not None:
            owned[done] = torch.from_numpy(_small(photo.owners, order, (height, width), half))
        for place, who in enumerate(photo.people[n] for n in order[:MOST_PEOPLE]):
            # Pixel centres: the edge at -0.5 stays where it is.
            outlines[done, place] = (who.outline + 0.5) * factor - 0.5
            points[done, place] = (who.keypoints + 0.5) * factor - 0.5
            visibility[done, place] = who.visibility
            kinds[done, place] = who.kind
        done += 1
    if not done:
        raise DataError("The data set holds no photo to learn from.")
    most = max(int((kinds[:done] > 0).sum(1).max()), 1)

    def short(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values[:done, :most].copy())

    people = short(outlines), short(points), short(visibility), short(kinds)
    return CrowdCanvases(images[:done], sizes[:done], *people, complete[:done], owned[:done])


def _small(owners: np.ndarray, order: list[int], size: tuple[int, int], half: int) -> np.ndarray:
    """Whose pixels they are at half a canvas's resolution, people counted in the canvas's order."""
    renamed = np.zeros(256, np.uint8)
    renamed[UNKNOWN_OWNER] = UNKNOWN_OWNER
    for place, person in enumerate(order):
        if person + 1 < UNKNOWN_OWNER:  # those beyond the list are nobody's to ask about
            renamed[person + 1] = place + 1 if place < MOST_PEOPLE else UNKNOWN_OWNER
    middle = (np.arange(half) + 0.5) * OWNER_PIXELS  # measured from the canvas's edge
    rows, cols = (
        np.minimum(middle * old / new, old - 1).astype(int)
        for old, new in zip(owners.shape, size, strict=True)
    )
    inside = (middle < size[0])[:, None] & (middle < size[1])
    return np.asarray(np.where(inside, renamed[owners[np.ix_(rows, cols)]], 0), np.uint8)


def _scaled(pixels: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo whose longer side is ``side``, and the factors on x and y."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=how)
    return scaled, np.array([size[0] / width, size[1] / height])
