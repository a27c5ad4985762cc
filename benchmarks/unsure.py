"""Below which confidence keypoints are wrong: ``python -m benchmarks.unsure LSPET``.

For every shipped model that predicts keypoints: the confidence up to which fewer than half of the
keypoints are right (PCK@0.2), chosen on people kept for validation, and how many are right below
and above it on people held out. Where a model of whole photos finds several people, the one whose
keypoints lie nearest to the labels counts; a keypoint it did not find does not. Nothing is written;
the value is a model's own ``unsure``: :data:`posekit.zoo.UNSURE` where that does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from posekit.data.labelled import LabelledPerson
from posekit.data.lsp import read_lsp
from posekit.estimator import Estimator
from posekit.evaluation.pck import THRESHOLD
from posekit.zoo import list_models, load

STEPS = np.arange(0.04, 0.97, 0.02)  # a flow's confidences are near 1


def judged(estimator: Estimator, person: LabelledPerson) -> tuple[np.ndarray, np.ndarray] | None:
    """Confidences (K,) and which keypoints are right (K,) of the pose nearest to a person's."""
    skeleton = estimator.model.entry.skeleton
    assert skeleton.torso is not None
    shoulder, hip = skeleton.torso
    truth = np.where(person.labelled[:, None], person.keypoints, np.nan)
    torso = float(np.linalg.norm(truth[shoulder] - truth[hip]))
    finds = estimator.model.entry.find is not None
    found = estimator.predict(person.photo, None if finds else [person.label_box], record=False)
    best = None
    for one in found.people:
        near = np.linalg.norm(np.asarray(one.keypoints) - truth, axis=1) <= THRESHOLD * torso
        if best is None or near.sum() > best[1].sum():
            known = np.isfinite(truth[:, 0]) & one.found
            best = np.asarray(one.scores)[known], near[known]
    return best if np.isfinite(torso) and best is not None else None


def gathered(estimator: Estimator, people: Iterator[LabelledPerson]) -> tuple[np.ndarray, ...]:
    """Confidences (N,) and which are right (N,) of all keypoints of a part of the data."""
    each = [judged(estimator, person) for person in tqdm(people, unit="photo", disable=None)]
    known = [one for one in each if one is not None]
    return tuple(np.concatenate(side) for side in zip(*known, strict=True))


def threshold(scores: np.ndarray, right: np.ndarray) -> float:
    """The highest step at which, of keypoints within 0.05 of it, fewer than half are right."""
    wrong = []
    for step in STEPS:
        near = np.abs(scores - step) <= 0.05
        if near.sum() >= 30 and right[near].mean() < 0.5:
            wrong.append(float(step))
    return max(wrong, default=0.0)


def main(folder: Path, limit: int, names: list[str]) -> None:
    """Print a line for each model."""
    for name in names or list_models():
        model = load(name)
        if not model.trained or not model.entry.skeleton.size:
            continue
        estimator = Estimator(model)
        chosen = threshold(*gathered(estimator, read_lsp(folder, "validation", limit)))
        scores, right = gathered(estimator, read_lsp(folder, "held out", limit))
        for least in sorted({round(chosen, 2), model.entry.least_sure}):
            below = scores < least
            print(
                f"{name}: below {least:.2f} {right[below].mean():.0%} of {below.sum()} are right, "
                f"else {right[~below].mean():.0%} of {(~below).sum()}",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500, sys.argv[3:])
