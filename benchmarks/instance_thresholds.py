"""Which thresholds suit the weights: ``python -m benchmarks.instance_thresholds LSPET``.

Of instance attention. They belong to the weights: wider rows of attention raise affinities and the
values of masks alike. Chosen on composites and photographs of people kept for validation, never on
those that a model card's figures come from. Nothing is written; the values are in
:mod:`posekit.models.instance_config`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from benchmarks.thresholds import f1, measured_model, photographs
from posekit.decode.instance_masks import person_masks
from posekit.evaluation.instance_sets import CrowdTruth, true_composites
from posekit.evaluation.masks import mask_iou
from posekit.evaluation.sets import FoundSet, set_score
from posekit.found import box_around
from posekit.geometry import Crop
from posekit.models.instance import InstanceAttention, InstanceOutput
from posekit.models.instance_photo import decode, decoder_for, prepare, rows_at, token_size
from posekit.occlusion.measure import similarity
from posekit.photo import Photo
from posekit.zoo import PoseModel

PEAKS = (0.1, 0.15, 0.2, 0.25, 0.3)
AFFINITIES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
PARTS = (3, 4, 5, 6)
MASKS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
ALONE_IN_THEM = 12
"""Photographs to a composite of each overlap."""
LEAST_OKS = 0.3
"""From here on a pose found counts as somebody's: models this small place few keypoints exactly."""


def passed(model: PoseModel, photo: Photo) -> tuple[InstanceOutput, Crop]:
    """What the network says of a photo, and where it saw it."""
    config = cast(InstanceAttention, model.module).config
    image, crop, (height, width) = prepare(photo, model.entry.input_size, config.stride)
    beside = (0, crop.size[1] - width, 0, crop.size[0] - height)
    with torch.inference_mode():
        inputs = F.pad(model.entry.normalised(image), beside)
        return cast(InstanceOutput, model.module(inputs)), crop


def found_in(model: PoseModel, photo: Photo) -> list[FoundSet]:
    """Who is found in a photo, by (peak, keypoints of a person)."""
    config = cast(InstanceAttention, model.module).config
    output, crop = passed(model, photo)
    found = []
    for peak, parts in product(PEAKS, PARTS):
        decoder = decoder_for(config)
        peaks = replace(decoder.peaks, threshold=peak)
        decoder = replace(decoder, peaks=peaks, least_parts=parts)
        grouping = decode(output, 0, decoder, config)[0].moved(crop.to_photo)
        poses = [grouping.keypoints(n)[0] for n in range(len(grouping.people))]
        boxes = np.array([box_around(one, photo.size).edges for one in poses]).reshape(-1, 4)
        points = np.array(poses).reshape(len(poses), config.skeleton.size, 2)
        found.append(FoundSet(boxes, points, np.array([one.score for one in grouping.people])))
    return found


def measured(model: PoseModel, truth: CrowdTruth) -> tuple[np.ndarray, np.ndarray]:
    """Of one photo: people right, found and there by (peak, affinity), (5, 6, 3); IoUs, (8, n)."""
    config = cast(InstanceAttention, model.module).config
    output, crop = passed(model, truth.photo)
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
    people = 2 * counts[..., 0] / np.maximum(1, counts[..., 1] + counts[..., 2])
    print(f"F1 of people, OKS of at least {LEAST_OKS}, per cent")
    print("peak \\ affinity", *(f"{one:6.2f}" for one in AFFINITIES))
    for peak, row in zip(PEAKS, people, strict=True):
        print(f"{peak:15.2f}", *(f"{100 * one:6.1f}" for one in row))
    print("IoU of masks at true points, per cent")
    print(*(f"{one:6.2f}" for one in MASKS))
    print(*(f"{100 * one:6.1f}" for one in ious.mean(axis=1)))
    skeleton = model.entry.skeleton
    seen = [
        (found_in(model, photo), there)
        for photo, there in photographs(data, skeleton, ALONE_IN_THEM * count)
    ]
    print(f"{len(seen)} photographs: recall, precision and F1 of people, PCK@0.2, per cent")
    for n, (peak, least) in enumerate(product(PEAKS, PARTS)):
        made = set_score([sets[n] for sets, _ in seen], [there for _, there in seen], skeleton)
        print(
            f"  peak {peak:.2f}, keypoints {least}: {made.recall:6.1f}{made.precision:7.1f}"
            f"{f1(made):7.1f}{made.pck.mean if made.pck else 0.0:7.1f}"
        )


if __name__ == "__main__":
    main()
