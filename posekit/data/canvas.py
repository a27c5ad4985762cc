"""A data set as one tensor: every labelled person on a canvas of the same size.

Photographs differ in size; a training loop wants one uint8 tensor that lives on the device.
Each person is cut out with a wide margin, which leaves augmentation room to turn, scale and
shift before the crop's border shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posekit.data.lsp import LabelledPerson
from posekit.errors import DataError
from posekit.geometry import Crop

CANVAS = 288
MARGIN = 2.4
"""Canvas side over the person's longer side: 288 / 2.4 = 120 px a person, about LSPET's own."""


@dataclass(frozen=True, eq=False)
class Canvases:
    """N people on (S, S) canvases, each at the canvas's centre.

    Attributes:
        images: (N, 3, S, S) uint8.
        keypoints: (N, K, 2) float32, canvas pixels.
        labelled: (N, K) bool.
        extent: (N, 2) float32, width and height of the box around the labelled keypoints.
    """

    images: Tensor
    keypoints: Tensor
    labelled: Tensor
    extent: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Canvases:
        """The same people on another device."""
        return Canvases(
            self.images.to(device),
            self.keypoints.to(device),
            self.labelled.to(device),
            self.extent.to(device),
        )

    @staticmethod
    def join(parts: Sequence[Canvases]) -> Canvases:
        """Several data sets of one skeleton as one."""
        return Canvases(
            torch.cat([part.images for part in parts]),
            torch.cat([part.keypoints for part in parts]),
            torch.cat([part.labelled for part in parts]),
            torch.cat([part.extent for part in parts]),
        )


def make_canvases(people: Iterable[LabelledPerson]) -> Canvases:
    """Cut every person out onto a canvas.

    Raises:
        DataError: there is nobody.
    """
    images, keypoints, labelled, extents = [], [], [], []
    for person in people:
        box = person.box
        crop = Crop.of_box(box, (CANVAS, CANVAS), person.photo.size, padding=MARGIN)
        images.append(np.ascontiguousarray(crop.warp(person.photo.pixels).transpose(2, 0, 1)))
        keypoints.append(
            crop.to_crop.apply(np.where(person.labelled[:, None], person.keypoints, 0))
        )
        labelled.append(person.labelled)
        extents.append(np.array([box.width, box.height]) * crop.to_crop.scale)
    if not images:
        raise DataError("The data set holds no person with usable labels.")
    return Canvases(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(keypoints).astype(np.float32)),
        torch.from_numpy(np.stack(labelled)),
        torch.from_numpy(np.stack(extents).astype(np.float32)),
    )
