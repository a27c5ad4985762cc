"""What QueryPose says of a batch of images: at every stage, a box, a score and a pose a query.

The seam between the network (:mod:`posekit.models.querypose`), its losses and its decoder.
Shapes: B images, N queries, K keypoints. Pixels are those of the network's input; a pixel's centre
is half a pixel from its edges, as the published code counts: an input W wide spans x in [0, W].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["QueryPoseOutput", "Select", "StageOutput", "to_pixels"]

Select = Callable[[Tensor, Tensor], Tensor]
"""Which queries a stage reads a pose for: (logits (B, N, classes), boxes (B, N, 4)) -> (B, N) bool.

In training the matcher, as the paper has it; left out, every query gets a pose.
"""


def to_pixels(offsets: Tensor, boxes: Tensor) -> Tensor:
    """Keypoints relative to a box, 0 at its centre and 0.5 at its edges, as pixels.

    Args:
        offsets: (..., K, 2).
        boxes: (..., 4), xyxy.
    """
    corner, far = boxes[..., None, :2], boxes[..., None, 2:]
    return (offsets + 0.5) * (far - corner) + corner


class StageOutput(NamedTuple):
    """One stage's predictions.

    Named tuples here, because the training engine walks through what a network returns and
    refuses frozen dataclasses.

    Attributes:
        logits: (B, N, classes), before the sigmoid.
        boxes: (B, N, 4) xyxy in input pixels, with the graph of the box head.
        offsets: (B, N, K, 2), keypoints relative to ``boxes`` (0: centre, 0.5: edge): RLE's mu.
        sigmas: (B, N, K, 2) in 0..1, in units of the box: RLE's sigma.
        posed: (B, N) bool, the queries the pose head ran for; the other rows of ``offsets`` and
            ``sigmas`` are zeros.
        weighed: whether each keypoint counts in a person's score by its own.
    """

    logits: Tensor
    boxes: Tensor
    offsets: Tensor
    sigmas: Tensor
    posed: Tensor
    weighed: bool = False

    @property
    def reference(self) -> Tensor:
        """The boxes that the poses are relative to: constants, no gradient passes (B, N, 4)."""
        return self.boxes.detach()

    @property
    def keypoints(self) -> Tensor:
        """(B, N, K, 2) in input pixels."""
        return to_pixels(self.offsets, self.reference)

    @property
    def keypoint_scores(self) -> Tensor:
        """(B, N, K) in 0..1: one less the mean of a keypoint's two sigmas."""
        return 1 - self.sigmas.mean(-1)

    @property
    def scores(self) -> Tensor:
        """(B, N) in 0..1: a query's best class, times the mean score of its keypoints.

        Where keypoints are weighed, those that a query says are not in the photo hardly count.
        """
        each = self.keypoint_scores
        mean = each.mean(-1)
        if self.weighed:
            mean = each.square().mean(-1) / mean.clamp(min=1e-6)
        return self.logits.sigmoid().amax(-1) * mean

    @staticmethod
    def flat(rows: Tensor, posed: Tensor) -> Tensor:
        """Rows of the posed queries alone, (P, ...), image by image, as (B, N, ...) with zeros."""
        full = rows.new_zeros(*posed.shape, *rows.shape[1:])
        return full.masked_scatter(posed.view(*posed.shape, *[1] * (rows.ndim - 1)), rows)


class QueryPoseOutput(NamedTuple):
    """All stages, first to last; the last one is the prediction, all are supervised.

    Attributes:
        stages: one a stage.
        start: (B, N, 4), the learned boxes that the first stage starts from, in input pixels.
        sizes: (B, 2), (height, width) of each image without its padding.
    """

    stages: tuple[StageOutput, ...]
    start: Tensor
    sizes: Tensor

    @property
    def last(self) -> StageOutput:
        """The prediction."""
        return self.stages[-1]

    @property
    def whwh(self) -> Tensor:
        """(B, 4): what a box is divided by to be relative to its image."""
        return torch.cat([self.sizes.flip(-1), self.sizes.flip(-1)], dim=-1)
