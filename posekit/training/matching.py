"""Who answers for whom: predictions and people paired, at the least total cost.

One to one, as the network is to answer; or, while it is young, several predictions a person, so
that more than one query in twenty hears what it should have said (the hybrid epoch scheme of Jia et
al., "DETRs with Hybrid Matching", CVPR 2023).

The cost is Sparse R-CNN's: classification as the focal loss sees it, boxes by L1 distance and by
generalised IoU. Poses play no part in it (QueryPose's specification, section 12).

Shapes: B images, N predictions, P people at most; boxes are xyxy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NOBODY", "CostWeights", "assign", "giou", "iou", "matching_cost", "share_inside"]

NOBODY = -1
_WORST = 1e9  # what is no number must not win, and must not stop the run: the loss will say so


@dataclass(frozen=True)
class CostWeights:
    """Weights of the three parts of the cost; the losses of the same parts have the same."""

    focal: float = 2.0
    l1: float = 5.0
    giou: float = 2.0


def matching_cost(
    logits: Tensor, boxes: Tensor, people: Tensor, whwh: Tensor, weights: CostWeights
) -> Tensor:
    """What it costs to pair each prediction with each person.

    Args:
        logits: (B, N, 1) or (B, N) before the sigmoid.
        boxes: (B, N, 4) in pixels.
        people: (B, P, 4) in pixels; places without a person hold anything finite.
        whwh: (B, 4) width, height, width, height of each image.
        weights: of the parts.

    Returns:
        (B, N, P) without a gradient.
    """
    with torch.no_grad():
        p = logits.flatten(2)[..., 0].float().sigmoid() if logits.ndim == 3 else logits.sigmoid()
        found = -0.25 * (1 - p).square() * (p + 1e-8).log()
        missed = -0.75 * p.square() * (1 - p + 1e-8).log()
        scale = whwh[:, None]
        l1 = torch.cdist((boxes / scale).float(), (people / scale).float(), p=1)
        return (
            weights.focal * (found - missed)[..., None]
            + weights.l1 * l1
            - weights.giou * giou(boxes[:, :, None], people[:, None])
        )


def assign(cost: Tensor, present: Tensor, each: int = 1) -> Tensor:
    """The pairing of least total cost in each image.

    Every person gets ``each`` predictions; when that is more than there are predictions, every
    prediction gets a person.

    Args:
        cost: (B, N, P).
        present: (B, P) bool, where there is a person.
        each: predictions a person; one as published.

    Returns:
        (B, N) long, the person's place in its image, NOBODY where a prediction has none.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    # One transfer for the whole batch: the solver runs on the CPU.
    table = torch.nan_to_num(cost.detach().float(), nan=_WORST, posinf=_WORST, neginf=-_WORST)
    costs, there = table.cpu().numpy(), present.cpu()
    assigned = torch.full(cost.shape[:2], NOBODY)
    for image, row in enumerate(there):
        places = row.nonzero()[:, 0].repeat(each)
        if len(places):
            prediction, person = linear_sum_assignment(costs[image][:, places.numpy()])
            assigned[image, torch.from_numpy(prediction)] = places[torch.from_numpy(person)]
    return assigned.to(cost.device)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4), broadcast; 0 where both are empty."""
    both, either = _areas(first, second)
    return both / either.clamp(min=1e-9)


def giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU of boxes (..., 4), broadcast: -1 (far apart) to 1 (the same).

    IoU less the share of the smallest box around both that neither covers (Rezatofighi et al.,
    "Generalized Intersection over Union", CVPR 2019).
    """
    both, either = _areas(first, second)
    low = torch.minimum(first[..., :2], second[..., :2])
    high = torch.maximum(first[..., 2:], second[..., 2:])
    around = (high - low).clamp(min=0).prod(-1)
    return both / either.clamp(min=1e-9) - (around - either) / around.clamp(min=1e-9)


def share_inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """The share of each box's area that lies in a region, (..., 4) both, broadcast."""
    both, _ = _areas(boxes, regions)
    return both / _area(boxes).clamp(min=1e-9)


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    return both, _area(first) + _area(second) - both


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
