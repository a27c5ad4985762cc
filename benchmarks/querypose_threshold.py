"""Which least score suits the weights: ``python -m benchmarks.querypose_threshold LSPET``.

Of QueryPose, at several sizes of the photo. The threshold belongs to the weights: scores rise for
as long as a network learns. Chosen on composites of people kept for validation, never on those that
a model card's figures come from. Nothing is written; the values are in
:mod:`posekit.models.querypose_config`.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from benchmarks.thresholds import f1, kept, measured_model
from posekit.data.augment import NONE
from posekit.data.crowd_augment import augment_crowds
from posekit.evaluation.sets import FoundSet, TrueSet, set_score
from posekit.models.querypose import QueryPose
from posekit.training.crowds import read_measured_crowds
from posekit.training.querypose import best_poses, found_sets, true_sets
from posekit.zoo import PoseModel

SIDES = (160, 192, 256)
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
BATCH = 25


def sets_at(model: PoseModel, data: Path, count: int, side: int) -> list[tuple[FoundSet, TrueSet]]:
    """Who was found and who is there, a composite each."""
    entry, network = model.entry, cast(QueryPose, model.module)
    photos = read_measured_crowds(data, entry.skeleton, "validation", count)
    generator = torch.Generator().manual_seed(0)
    pairs: list[tuple[FoundSet, TrueSet]] = []
    for part in torch.arange(len(photos)).split(BATCH):
        views = augment_crowds(
            photos, part, entry.skeleton, (side, side), generator, NONE, fill=entry.mean
        )
        with torch.inference_mode():
            images = entry.normalised(views.images)
            output = best_poses(network, images, views.people.sizes)
        pairs += zip(found_sets(output), true_sets(views.people), strict=True)
    return pairs


def main() -> None:
    """Print a table a size."""
    model, data, count = measured_model(__doc__, "querypose-small", 200)
    for side in SIDES:
        pairs = sets_at(model, data, count, side)
        truth = [there for _, there in pairs]
        whole = set_score([found for found, _ in pairs], truth, model.entry.skeleton)
        mean = whole.pck.mean if whole.pck else 0.0
        print(f"{side} pixels: PCK@0.2 {mean:.1f}, box AP50 {whole.box_ap50:.1f}, at each score:")
        print("   score  recall  precision     F1")
        for least in THRESHOLDS:
            sure = set_score(
                [kept(found, found.scores >= least) for found, _ in pairs],
                truth,
                model.entry.skeleton,
            )
            print(f"{least:8.2f}{sure.recall:8.1f}{sure.precision:11.1f}{f1(sure):7.1f}")


if __name__ == "__main__":
    main()
