"""Where QueryPose expects one person's keypoints, as a heatmap each.

A query puts out a keypoint's place (mu) and its spread (sigma), location and scale of the density
that it was trained by. Li et al., "Human Pose Regression with Residual Log-likelihood Estimation",
ICCV 2021, section 3: a Laplace density, corrected by a flow that training needs and prediction
does not. A keypoint's map here is that Laplace density without the flow,

    score * exp(-(abs(x - mu_x) / sigma_x + abs(y - mu_y) / sigma_y) / sqrt(2)),

where score is the query's class score times the keypoint's own, so that the map falls when the
person is lost, when the keypoint becomes unsure, and when it moves, measured by its own spread.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from posekit.affine import Affine
from posekit.decode.querypose_output import to_pixels
from posekit.geometry import TokenGrid
from posekit.models.querypose import STRIDES, QueryPose
from posekit.models.querypose_photo import prepare
from posekit.models.querypose_trace import HALF
from posekit.photo import Photo
from posekit.trace import Trace

__all__ = ["LIKELIHOOD", "OneQuery", "QueryLikelihood", "density"]

STRIDE = 2
"""Input pixels a cell."""

LEAST = 4.0
"""Input pixels: the peak of a narrower spread would lie between the cells, unseen."""


def density(places: Tensor, spread: Tensor, scores: Tensor, grid: TokenGrid) -> Tensor:
    """Laplace densities of height ``scores``: (B, K, rows, cols) float32.

    Args:
        places: (B, K, 2), x and y in input pixels, pixel centres at the integers.
        spread: (B, K, 2), sigma of x and y in input pixels.
        scores: (B, K).
        grid: where to read them; its axes are those of the input.
    """
    places, scale = places.float(), math.sqrt(2) * spread.float().clamp_min(LEAST)
    centres = torch.from_numpy(grid.centres()).to(places).unflatten(0, grid.size)
    across, down = centres[0, :, 0], centres[:, 0, 1]  # (cols,), (rows,)
    x = ((across - places[..., :1]).abs() / scale[..., :1]).unsqueeze(-2)  # (B, K, 1, cols)
    y = ((down - places[..., 1:]).abs() / scale[..., 1:]).unsqueeze(-1)  # (B, K, rows, 1)
    return scores.float()[..., None, None] * torch.exp(-(x + y))


class OneQuery(nn.Module):
    """A QueryPose asked about one of its queries, whoever else is in the photo.

    Boxes move with the input; gradients reach them through the last stage's step alone, since the
    stages before hand their boxes on as constants, as in training.
    """

    def __init__(self, network: QueryPose, query: int) -> None:
        super().__init__()
        self.network, self.query = network, query
        self.trunk = network.backbone.finest

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, K, h, w)."""
        detection = self.network.detect(images)
        asked = torch.zeros_like(detection.stages[-1].logits[..., 0], dtype=torch.bool)
        asked[:, self.query] = True
        last = self.network.read_poses(detection, lambda *_: asked)[0].last
        boxes, sigmas = last.boxes[:, self.query].float(), last.sigmas[:, self.query].float()
        places = to_pixels(last.offsets[:, self.query].float(), boxes) - HALF
        extent = (boxes[:, 2:] - boxes[:, :2])[:, None]
        scores = last.logits[:, self.query].float().sigmoid().amax(-1, keepdim=True)
        size = (images.shape[-2], images.shape[-1])
        return density(
            places, sigmas * extent, scores * (1 - sigmas.mean(-1)), LIKELIHOOD.grid(size)
        )


class QueryLikelihood:
    """See :class:`posekit.likelihood.Likelihood`."""

    trunk_stride = STRIDES[0]

    def recorded(self, trace: Trace, instance: int, size: tuple[int, int]) -> Tensor:
        """From what the last stage left in the trace."""
        assert trace.instances is not None  # every trace of a QueryPose has them
        image, query = trace.instances.places[instance]
        last = max(int(name.split(".")[1]) for name in trace.tensors if name.startswith("boxes."))
        places, spread, boxes, scores = (
            trace.tensors[f"{name}.{last}"].values.float()
            for name in ("poses", "sigmas", "boxes", "scores")
        )
        box, own = boxes[image, query], spread[instance]
        share = (own / (box[2:] - box[:2])).mean(-1)  # of the box, as the score counts it
        of_keypoints = scores[image, query] * (1 - share)
        return density(places[instance][None], own[None], of_keypoints[None], self.grid(size))[0]

    def network(self, module: nn.Module, trace: Trace, instance: int) -> nn.Module:
        """The network with the instance's query."""
        assert trace.instances is not None
        return OneQuery(cast(QueryPose, module), trace.instances.places[instance][1]).eval()

    def image(self, module: nn.Module, photo: Photo) -> Tensor:
        """As :func:`posekit.models.querypose_photo.find_people` resizes it."""
        config = cast(QueryPose, module).config
        return prepare(photo, config.shortest, config.longest)[0]

    def grid(self, size: tuple[int, int]) -> TokenGrid:
        """Squares of :data:`STRIDE` pixels from the top-left corner."""
        rows, cols = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
        middle = (STRIDE - 1) / 2
        return TokenGrid(rows, cols, Affine.scaling((STRIDE, STRIDE), (middle, middle)))


LIKELIHOOD = QueryLikelihood()
