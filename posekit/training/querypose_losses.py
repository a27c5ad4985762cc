"""QueryPose's losses: each stage is matched by itself and supervised in the same way.

Reference: Xiao et al., "QueryPose: Sparse Multi-Person Pose Regression via Spatial-Aware Part-Level
Query", NeurIPS 2022; its specification, sections 11 and 12. Mended against the published code:
people who are neither to be found nor background (crowds, people to ignore) cost nothing, and a
stage's poses stay with their queries when the matching changes.

Shapes: B images, N queries, P people at most, K keypoints. Pixels are those of the network's input,
whose left edge is 0 and whose right edge is W.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.data.crowd_augment import People
from posekit.decode.querypose_output import QueryPoseOutput, StageOutput
from posekit.models.rle import RealNVP, rle_loss
from posekit.training.matching import (
    NOBODY,
    CostWeights,
    assign,
    giou,
    matching_cost,
    share_inside,
)

__all__ = ["LossWeights", "Losses", "Matcher", "focal_loss", "querypose_losses", "stage_losses"]

COSTS = CostWeights()
MOSTLY = 0.5
"""A prediction is on somebody, or on a region to ignore, with more than this share of its box."""


@dataclass(frozen=True, eq=False)
class Losses:
    """The parts, weighted, each a scalar: of one stage, or summed over stages."""

    focal: Tensor
    l1: Tensor
    giou: Tensor
    keypoints: Tensor
    absent: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.focal + self.l1 + self.giou + self.keypoints + self.absent


@dataclass(frozen=True)
class LossWeights:
    """What each part weighs.

    Attributes:
        boxes: classes and boxes.
        matching: classes and boxes when predictions are matched with people.
        keypoints: RLE.
        absent: keypoints outside the view, whose sigmas are to be 1 and their scores 0. Not in the
            paper, which learns nothing of them and draws them all.
        elsewhere: a prediction that answers for nobody, away from everybody labelled, in a photo
            where not everybody is; everywhere else it weighs 1.
    """

    boxes: CostWeights = COSTS
    matching: CostWeights = COSTS
    keypoints: float = 1.0
    absent: float = 0.0
    elsewhere: float = 1.0


WEIGHTS = LossWeights()


class Matcher:
    """Matches stage after stage while the network runs, and remembers who answered for whom.

    Hand :meth:`select` to the network: the pose head then runs for matched queries only.

    Args:
        people: the truth.
        weights: of the cost.
        each: queries a person, see :func:`posekit.training.matching.assign`.

    Attributes:
        assigned: one (B, N) a stage, see :func:`posekit.training.matching.assign`.
    """

    def __init__(self, people: People, weights: LossWeights = WEIGHTS, each: int = 1) -> None:
        self.people = people
        self.weights = weights.matching
        self.each = each
        self.assigned: list[Tensor] = []

    def select(self, logits: Tensor, boxes: Tensor) -> Tensor:
        """Which queries of (B, N) are posed: of those that answer for a person, the cheapest.

        One is enough to learn poses from, and poses cost the most.
        """
        people = self.people
        cost = matching_cost(logits, boxes, people.boxes, people.whwh, self.weights)
        assigned = assign(cost, people.present, self.each)
        self.assigned.append(assigned)
        if self.each == 1:
            return assigned != NOBODY
        theirs = assigned[..., None] == torch.arange(cost.shape[2], device=cost.device)  # (B, N, P)
        best = torch.where(theirs, cost, torch.inf).argmin(1, keepdim=True)  # (B, 1, P)
        return (torch.zeros_like(theirs).scatter(1, best, True) & theirs).any(-1)


def querypose_losses(
    output: QueryPoseOutput,
    assigned: list[Tensor],
    people: People,
    flow: RealNVP,
    normaliser: Tensor | None = None,
    weights: LossWeights = WEIGHTS,
    each: int = 1,
) -> Losses:
    """All stages together, each weighing the same.

    Args:
        output: of the network.
        assigned: who answers for whom, one (B, N) a stage: :attr:`Matcher.assigned`.
        people: the truth.
        flow: RLE's density, one for all stages.
        normaliser: what sums are divided by; the number of people to find, at least 1, by default.
        weights: of the parts.
        each: queries a person; what queries say of classes and boxes is divided by it.
    """
    parts = [
        stage_losses(stage, who, people, flow, normaliser, weights, each)
        for stage, who in zip(output.stages, assigned, strict=True)
    ]
    return Losses(*(sum(getattr(part, f.name) for part in parts) for f in fields(Losses)))


def stage_losses(
    stage: StageOutput,
    assigned: Tensor,
    people: People,
    flow: RealNVP,
    normaliser: Tensor | None = None,
    weights: LossWeights = WEIGHTS,
    each: int = 1,
) -> Losses:
    """One stage's losses; arguments as in :func:`querypose_losses`."""
    if normaliser is None:
        normaliser = people.present.sum().clamp(min=1)
    matched = assigned != NOBODY
    image, query = matched.nonzero(as_tuple=True)  # image by image, query by query
    person = assigned[image, query]
    truth, scale = people.boxes[image, person], people.whwh[image]
    boxes = stage.boxes[image, query].float()

    logits = stage.logits.flatten(1).float()
    blame = _blame(stage.boxes, matched, people, weights.elsewhere)
    focal = (focal_loss(logits, matched.float()) * blame).sum()
    l1 = ((boxes - truth) / scale).abs().sum()
    apart = (1 - giou(boxes, truth)).sum()

    # Keypoints as the network says them: relative to its own box, which is a constant here.
    reference = stage.reference[image, query].float()[:, None]  # (T, 1, 4)
    corner, extent = reference[..., :2], (reference[..., 2:] - reference[..., :2])
    offset = people.keypoints[image, person] - corner  # (T, K, 2)
    within = ((offset >= 0) & (offset <= extent)).all(-1)
    relative = offset / extent.clamp(min=1e-3) - 0.5
    sigmas, posed = stage.sigmas[image, query].float(), stage.posed[image, query][:, None]
    poses = (
        rle_loss(
            flow,
            stage.offsets[image, query].float(),
            sigmas,
            relative,
            people.counted[image, person] & within & posed,
        ).sum()
        / people.keypoints.shape[2]
    )
    beyond = people.beyond[image, person] & posed  # (T, K)
    absent = -(sigmas.clamp(min=1e-4).log() * beyond[..., None]).mean(-1).sum()
    absent = absent / people.keypoints.shape[2]
    return Losses(
        weights.boxes.focal * focal / (each * normaliser),
        weights.boxes.l1 * l1 / (each * normaliser),
        weights.boxes.giou * apart / (each * normaliser),
        weights.keypoints * poses / normaliser,
        weights.absent * absent / normaliser,
    )


def focal_loss(logits: Tensor, truth: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Cross entropy that looks away from what is already easy, element by element.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5.

    Args:
        logits: any shape, before the sigmoid.
        truth: the same shape, 0 or 1.
        alpha: weight of ones; zeros weigh the rest.
        gamma: how steeply easy examples lose weight.
    """
    p = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wrong = p * (1 - truth) + (1 - p) * truth
    return (alpha * truth + (1 - alpha) * (1 - truth)) * wrong**gamma * entropy


def _blame(boxes: Tensor, matched: Tensor, people: People, elsewhere: float) -> Tensor:
    """Weight of each query's class (B, N).

    1 for matched ones and for duplicates, 0 on regions to ignore, and ``elsewhere`` where there may
    be somebody whom nobody labelled.
    """
    inside = share_inside(boxes.detach()[:, :, None], people.boxes[:, None]) > MOSTLY  # (B, N, P)
    on_people = (inside & people.present[:, None]).any(-1)
    on_ignored = (inside & people.ignored[:, None]).any(-1)
    unknown = ~people.complete[:, None] & ~on_people
    others = torch.where(unknown, elsewhere, 1.0)
    return torch.where(matched, 1.0, torch.where(on_ignored & ~on_people, 0.0, others))
