"""Which people of the OpenPose line to keep: ``python -m benchmarks.ssa_thresholds LSPET``.

The code drops people of fewer than three keypoints or a mean score below 0.2. Small networks leave
more fragments than that. Chosen on photographs and composites of people kept for validation, never
on those that a model card's figures come from. Nothing is written; the values are in
:mod:`posekit.models.ssa`.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.thresholds import f1, kept, measured_model, photographs
from posekit.evaluation.instance_sets import true_composites
from posekit.evaluation.sets import FoundSet, TrueSet, set_score
from posekit.found import box_around
from posekit.models.ssa import SSANet
from posekit.models.ssa_photo import find_people
from posekit.photo import Photo
from posekit.skeleton import Skeleton
from posekit.zoo import PoseModel

PARTS = (3, 4, 5, 6, 7, 8)
SCORES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def composites(data: Path, skeleton: Skeleton, count: int) -> Iterator[tuple[Photo, TrueSet]]:
    """Two people in a photo each."""
    for truth in true_composites(data, skeleton, count, "validation"):
        known = truth.seen | truth.hidden
        points = np.where(known[..., None], truth.points, np.nan)
        boxes = np.concatenate([np.nanmin(points, 1), np.nanmax(points, 1)], 1)
        yield truth.photo, TrueSet(boxes, truth.points, known, np.zeros((0, 4)))


def everybody(model: PoseModel) -> PoseModel:
    """The model, dropping nobody whom the code would keep."""
    network = cast(SSANet, copy(model.module))
    network.config = replace(network.config, least_parts=min(PARTS), least_score=min(SCORES))
    return replace(model, module=network)


def found_in(model: PoseModel, photo: Photo) -> tuple[FoundSet, np.ndarray, np.ndarray]:
    """Everybody the code would keep, with how many keypoints and which mean score each has."""
    decoding = find_people(everybody(model), photo).decoding
    points = [decoding.keypoints(n)[0] for n in range(len(decoding.people))]
    boxes = np.array([box_around(each, photo.size).edges for each in points]).reshape(-1, 4)
    ranking = np.array([one.ranking_score for one in decoding.people])
    keypoints = np.array(points).reshape(len(points), model.entry.skeleton.size, 2)
    parts = np.array([one.parts for one in decoding.people])
    means = np.array([one.mean_score for one in decoding.people])
    return FoundSet(boxes, keypoints, ranking), parts, means


def main() -> None:
    """Print a table for photographs and one for composites."""
    model, data, count = measured_model(__doc__, "ssa-small", 200, "photographs")
    skeleton = model.entry.skeleton
    for name, photos in (
        ("photographs", photographs(data, skeleton, count)),
        ("composites", composites(data, skeleton, max(1, count // 15))),
    ):
        seen = [(found_in(model, photo), truth) for photo, truth in photos]
        truth = [there for _, there in seen]
        print(f"{len(seen)} {name}: recall, precision and F1 of people, per cent")
        for parts, score in product(PARTS, SCORES):
            people = [
                kept(found, (sizes >= parts) & (means >= score))
                for (found, sizes, means), _ in seen
            ]
            made = set_score(people, truth, skeleton)
            print(
                f"  keypoints {parts}, score {score:.1f}: "
                f"{made.recall:6.1f}{made.precision:7.1f}{f1(made):7.1f}"
            )


if __name__ == "__main__":
    main()
