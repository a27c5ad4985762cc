"""From the heatmaps of crops to people in photo pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from posekit.decode.heatmap import decode_heatmaps, plain_peaks
from posekit.geometry import Box, Crop, input_to_heatmap
from posekit.people import Person

__all__ = ["people_of"]


def people_of(boxes: Sequence[Box], crops: Sequence[Crop], heatmaps: Tensor) -> tuple[Person, ...]:
    """Peaks of (N, K, h, w) heatmaps as people in photo pixels."""
    if not boxes:
        return ()
    coords, scores = decode_heatmaps(heatmaps)  # (N, K, 2) in heatmap pixels, (N, K)
    size = (heatmaps.shape[-2], heatmaps.shape[-1])
    # On a map without a clear peak the Newton step, which has no bound, may leave the map and even
    # the photo; such a step says nothing, so the plain peak stands.
    limit = torch.tensor([size[1], size[0]]) - 0.5
    astray = ((coords < -0.5) | (coords > limit)).any(dim=-1, keepdim=True)
    coords = torch.where(astray, plain_peaks(heatmaps)[0], coords)
    people = []
    everybody = zip(boxes, crops, coords, scores, strict=True)
    for item, (box, crop, points, score) in enumerate(everybody):
        to_photo = crop.to_photo @ input_to_heatmap(crop.size, size).inverse()
        keypoints = to_photo.apply(points.numpy().astype(np.float64))
        people.append(Person(box, keypoints, score.numpy().astype(np.float64), crop, item=item))
    return tuple(people)
