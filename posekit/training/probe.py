"""How much of a pose a backbone's features hold: a linear probe with a closed-form solution.

A 1x1 convolution from the features to heatmaps is a linear regression over all tokens of all
photographs; ridge regression solves it exactly, so no schedule can flatter or hurt a backbone.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from posekit.data.augment import NONE, augment
from posekit.data.canvas import Canvases
from posekit.decode.heatmap import decode_heatmaps, encode_heatmaps
from posekit.evaluation import pck
from posekit.geometry import input_to_heatmap
from posekit.models.transpose import TransPose
from posekit.skeleton import Skeleton
from posekit.zoo import ModelEntry

Size = tuple[int, int]
BATCH = 64
RIDGE = 1e-3
"""Regularisation, as a share of the features' mean variance."""
SIGMA = 1.0
"""Of the target Gaussians, in tokens."""


@torch.no_grad()
def keypoint_probe(
    backbone: nn.Module,
    entry: ModelEntry,
    skeleton: Skeleton,
    train: Canvases,
    validation: Canvases,
    input_size: Size,
    *,
    learn_from: int = 1000,
) -> float:
    """PCK@0.2, in per cent, of keypoints read linearly off a backbone's features.

    Args:
        backbone: a network with a ``trunk``, in evaluation mode; it is not changed.
        entry: its entry, for the normalisation of crops.
        skeleton: the keypoints of the people.
        train: labelled people; the first ``learn_from`` of them are learnt from.
        validation: people to measure on.
        input_size: (height, width) of the crops.
        learn_from: how many people.
    """

    def read(data: Canvases, people: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, C, rows, cols), keypoints (B, K, 2) in crop pixels, labelled (B, K)."""
        generator = torch.Generator(data.images.device).manual_seed(0)
        crops, keypoints, labelled = augment(data, people, skeleton, input_size, generator, NONE)
        return cast(TransPose, backbone).trunk(entry.normalised(crops)), keypoints, labelled

    learnt = torch.arange(min(learn_from, len(train)), device=train.images.device)
    gram: Tensor | float = 0.0
    moment: Tensor | float = 0.0
    for people in learnt.split(BATCH):
        x, keypoints, labelled = read(train, people)
        grid = (x.shape[-2], x.shape[-1])
        matrix = input_to_heatmap(input_size, grid).matrix
        to_grid = torch.tensor(matrix, dtype=torch.float32, device=x.device)
        places = keypoints @ to_grid[:, :2].T + to_grid[:, 2]
        target, weight = encode_heatmaps(places, labelled, grid, SIGMA)
        rows = with_one(x)  # (B, T, C + 1)
        gram = gram + torch.einsum("btc,btd->cd", rows, rows)
        # A keypoint without a label counts as being nowhere.
        moment = moment + torch.einsum(
            "btc,bkt->ck", rows, weight[:, :, None] * target.flatten(2).double()
        )
    assert isinstance(gram, Tensor) and isinstance(moment, Tensor)
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).to(gram)
    weights = torch.linalg.solve(gram + ridge, moment)  # (C + 1, K)

    predicted, truth, seen = [], [], []
    for people in torch.arange(len(validation), device=validation.images.device).split(BATCH):
        x, keypoints, labelled = read(validation, people)
        grid = (x.shape[-2], x.shape[-1])
        heatmaps = (with_one(x) @ weights).transpose(1, 2).unflatten(-1, grid)
        coords, _ = decode_heatmaps(heatmaps.float())
        to_input = input_to_heatmap(input_size, grid).inverse()
        predicted.append(torch.from_numpy(to_input.apply(coords.cpu().numpy())))
        truth.append(keypoints.cpu())
        seen.append(labelled.cpu())
    score = pck(
        torch.cat(predicted).numpy(), torch.cat(truth).numpy(), torch.cat(seen).numpy(), skeleton
    )
    return score.mean


def with_one(x: Tensor) -> Tensor:
    """Features (B, C, rows, cols) as tokens with a constant beside: (B, T, C + 1) float64."""
    tokens = x.flatten(2).transpose(1, 2).double()
    return torch.cat([tokens, torch.ones_like(tokens[..., :1])], dim=-1)
