"""The truth about a view of several people, as OKS AP takes it."""

from __future__ import annotations

import torch

from posekit.data.crowd_augment import People
from posekit.data.labelled import MASK_SHARE
from posekit.evaluation.oks import PersonTruth
from posekit.geometry import Box

__all__ = ["truth_of"]


def truth_of(people: People) -> list[PersonTruth]:
    """Everybody in one view, those to ignore as well; ``people`` without the axis of the batch.

    A view has no areas of people; that of the box stands in, as for CrowdPose.
    """
    keypoints = people.keypoints.double().numpy() - 0.5
    counted = people.counted.numpy()
    truth = []
    for n in torch.nonzero(people.present | people.ignored)[:, 0].tolist():
        x0, y0, x1, y1 = people.boxes[n].tolist()
        box = Box(x0, y0, max(x1 - x0, 1e-3), max(y1 - y0, 1e-3))
        area, ignore = MASK_SHARE * box.area, bool(people.ignored[n])
        truth.append(PersonTruth(keypoints[n], counted[n], box, area, ignore=ignore))
    return truth
