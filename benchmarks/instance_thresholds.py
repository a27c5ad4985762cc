"""Which thresholds suit the weights: ``python -m benchmarks.instance_thresholds LSPET``.

Of instance attention. They belong to the weights: wider rows of attention raise affinities and the
values of masks alike. Chosen on composites of people kept for validation, never on those
that a model card's figures come from. Nothing is written; the constants are in
:mod:`posekit.models.instance_photo`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from benchmarks.thresholds import measured_model
from posekit.decode.instance_masks import person_masks
from posekit.evaluation.instance_sets import CrowdTruth, true_composites
from posekit.evaluation.masks import mask_iou
from posekit.models.instance import InstanceAttention, InstanceOutput
from posekit.models.instance_photo import decode, decoder_for, prepare, rows_at, token_size
from posekit.occlusion.measure import similarity
from posekit.zoo import PoseModel

PEAKS = (0.1, 0.15, 0.2, 0.25, 0.3)
AFFINITIES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
MASKS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
LEAST_OKS = 0.3
"""From here on a pose found counts as somebody's: models this small place few keypoints exactly."""


def measured(model: PoseModel, truth: CrowdTruth) -> tuple[np.ndarray, np.ndarray]:
    """Of one photo: people right, found and there by (peak, affinity), (5, 6, 3); IoUs, (8, n)."""
    config = cast(InstanceAttention, model.module).config
    image, crop, (height, width) = prepare(truth.photo, model.entry.input_size, config.stride)
    with torch.inference_mode():
        inputs = F.pad(
            model.entry.normalised(image), (0, crop.size[1] - width, 0, crop.size[0] - height)
        )
        output = cast(InstanceOutput, model.module(inputs))
    known = truth.seen | truth.hidden
    there = [np.where(known[n][:, None], truth.points[n], np.nan) for n in range(len(truth.masks))]
    counts = np.zeros((len(PEAKS), len(AFFINITIES), 3))
    for (i, peak), (j, affinity) in product(enumerate(PEAKS), enumerate(AFFINITIES)):
        decoder = decoder_for(config)
        decoder = replace(decoder, threshold=affinity, peaks=replace(decoder.peaks, threshold=peak))
        grouping = decode(output, 0, decoder, config)[0].moved(crop.to_photo)
        poses = [grouping.keypoints(n)[0] for n in range(len(grouping.people))]
        table = np.array(
            [
                [similarity(one, pose, config.skeleton, float(mask.sum())) or 0.0 for pose in poses]
                for one, mask in zip(there, truth.masks, strict=True)
            ]
        ).reshape(len(there), len(poses))
        right = int((table[linear_sum_assignment(-table)] >= LEAST_OKS).sum())
        counts[i, j] = right, len(poses), len(there)
    seen = [truth.points[n][truth.seen[n]] for n in range(len(truth.masks))]
    chosen = [n for n, points in enumerate(seen) if len(points)]
    size = token_size(output, config)
    values = [rows_at(output, 0, crop.to_crop.apply(seen[n]), config).mean(0) for n in chosen]
    ious = []
    for threshold in MASKS:
        made = person_masks(
            np.array(values).reshape(-1, *size),
            [seen[n] for n in chosen],
            config.tokens.to_input.inverse() @ crop.to_crop,
            truth.photo.size,
            threshold,
        )
        ious.append(
            [mask_iou([m.array], [truth.masks[n]])[0, 0] for m, n in zip(made, chosen, strict=True)]
        )
    return counts, np.array(ious).reshape(len(MASKS), -1)


def main() -> None:
    """Print both tables."""
    model, data, count = measured_model(
        __doc__, "instance-attention-small", 12, "composites of each overlap"
    )
    photos = true_composites(data, model.entry.skeleton, count, "validation")
    parts = [measured(model, photo) for photo in photos]
    counts = np.sum([one for one, _ in parts], axis=0)
    ious = np.concatenate([one for _, one in parts], axis=1)
    f1 = 2 * counts[..., 0] / np.maximum(1, counts[..., 1] + counts[..., 2])
    print(f"F1 of people, OKS of at least {LEAST_OKS}, per cent")
    print("peak \\ affinity", *(f"{one:6.2f}" for one in AFFINITIES))
    for peak, row in zip(PEAKS, f1, strict=True):
        print(f"{peak:15.2f}", *(f"{100 * one:6.1f}" for one in row))
    print("IoU of masks at true points, per cent")
    print(*(f"{one:6.2f}" for one in MASKS))
    print(*(f"{100 * one:6.1f}" for one in ious.mean(axis=1)))


if __name__ == "__main__":
    main()
