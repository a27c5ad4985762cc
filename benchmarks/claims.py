"""What a keypoint claimed by two poses tells: ``python -m benchmarks.claims LSPET [COUNT] [NAME]``.

Composites of two people held out of training, one hiding 30, 50 or 70 % of the other, COUNT of
each, seen by every shipped model of crops in the box round each person's true keypoints. Of the
drawn keypoints that are known: how many are right (PCK@0.2) and how many lie on what is seen of the
other person, among those that :func:`posekit.claims.claims_of` names and among the rest; and how
many of the wrong ones on the other person it names. Nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posekit.claims import claims_of
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.instance_sets import CrowdTruth, true_composites
from posekit.evaluation.pck import THRESHOLD
from posekit.found import box_around
from posekit.people import DRAWN
from posekit.zoo import list_models, load


def judged(prediction: Prediction, truth: CrowdTruth) -> Iterator[tuple[bool, bool, bool]]:
    """Of each drawn keypoint: whether it is claimed twice, right, and on the other's body."""
    skeleton, (height, width) = prediction.skeleton, truth.photo.size
    assert skeleton.torso is not None
    claimed = {(one.person, one.keypoint) for one in claims_of(prediction.people, skeleton)}
    for n, person in enumerate(prediction.people):
        shoulder, hip = truth.points[n][list(skeleton.torso)]
        torso = float(np.linalg.norm(shoulder - hip))
        off = np.linalg.norm(np.asarray(person.keypoints) - truth.points[n], axis=1)
        for k in np.flatnonzero((truth.seen[n] | truth.hidden[n]) & (person.scores >= DRAWN)):
            x, y = np.round(person.keypoints[k]).astype(int)
            inside = 0 <= x < width and 0 <= y < height
            right = bool(off[k] <= THRESHOLD * torso)
            yield (n, int(k)) in claimed, right, bool(inside and truth.masks[1 - n][y, x])


def main(folder: Path, count: int, names: list[str]) -> None:
    """Print a line for each model."""
    for name in names or list_models(view="crop"):
        model = load(name)
        if not model.trained or not model.entry.skeleton.size:
            continue
        rows: list[tuple[bool, bool, bool]] = []
        for truth in true_composites(folder, model.entry.skeleton, count):
            known = truth.seen | truth.hidden
            boxes = [
                box_around(np.where(there[:, None], points, np.nan), truth.photo.size)
                for points, there in zip(truth.points, known, strict=True)
            ]
            rows += judged(Estimator(model).predict(truth.photo, boxes, record=False), truth)
        claimed, right, other = np.array(rows).T
        wrong = other & ~right
        print(
            f"{name}: of {claimed.sum()} claimed twice {right[claimed].mean():.0%} are right and "
            f"{other[claimed].mean():.0%} on the other person, of {(~claimed).sum()} others "
            f"{right[~claimed].mean():.0%} and {other[~claimed].mean():.0%}; it names "
            f"{claimed[wrong].mean():.0%} of {wrong.sum()} wrong ones on the other person",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20, sys.argv[3:])
