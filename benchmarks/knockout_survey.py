"""What keypoints lose without a look at each other: ``python -m benchmarks.knockout_survey LSPET``.

Around every keypoint of every person, in turn: no token may look there (knockout); the pixels there
give way to the photo's mean colour (covered); no token may look at an equal disc of the person's
box that no keypoint lies near (elsewhere). Of the keypoints that were right before, how many are
wrong after, and how much confidence is gone: by what they are to the one that was blocked.

The photographs are those that no training run sees. Intervals are 95 %, photographs drawn anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from posekit.benchmark.cases import open_cases
from posekit.bootstrap import ends, photo_draws
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.pck import THRESHOLD
from posekit.explain.around import REACH
from posekit.geometry import Box
from posekit.occlusion import Fill, Stroke
from posekit.skeleton import Skeleton
from posekit.zoo import load

Floats = npt.NDArray[np.float64]

WAYS = ("knockout", "covered", "elsewhere")
RELATIONS = ("itself", "at a limb's other end", "its left or right twin", "any other")


def relations(skeleton: Skeleton) -> npt.NDArray[np.int64]:
    """(K, K) what the second keypoint is to the first, an index into :data:`RELATIONS`."""
    found = np.full((skeleton.size, skeleton.size), 3)
    for n, pairs in ((1, skeleton.limbs), (2, skeleton.flip_pairs)):
        for a, b in pairs:
            found[a, b] = found[b, a] = n
    np.fill_diagonal(found, 0)
    return found


def places_elsewhere(
    box: Box, keypoints: Floats, radius: float, count: int, rng: np.random.Generator
) -> Floats:
    """Up to ``count`` middles of discs in a box that touch no keypoint's disc: (n, 2)."""
    left, top, right, bottom = box.edges
    tried = rng.uniform((left, top), (right, bottom), size=(40 * count, 2))
    far = np.linalg.norm(tried[:, None] - keypoints[None], axis=-1).min(1) > 2 * radius
    return tried[far][:count]


def right(prediction: Prediction, truth: Floats, torso: float) -> npt.NDArray[np.bool_]:
    """(K,) which keypoints lie where they are labelled (PCK@0.2)."""
    off = np.linalg.norm(prediction.people[0].keypoints - truth, axis=-1)
    return np.asarray(off <= THRESHOLD * torso)


def looked(
    estimator: Estimator, data: Path, limit: int | None, seed: int
) -> Iterator[dict[str, tuple[Floats, Floats]]]:
    """Of each person by way: (K, K) which keypoints were lost, and the fall of their confidence.

    Rows are what was blocked, columns what became of whom; NaN where there is nothing to say:
    keypoints without a label, or that were wrong before.
    """
    skeleton = estimator.model.entry.skeleton
    rng = np.random.default_rng(seed)
    assert skeleton.torso is not None
    cases = open_cases(str(data), part="held out", limit=limit)
    for case in tqdm(cases, total=len(cases), unit="photo"):
        (subject,) = case.people
        truth = np.array(
            [np.full(2, np.nan) if at is None else at for at in subject.truth(skeleton)]
        )
        torso = float(np.linalg.norm(truth[skeleton.torso[0]] - truth[skeleton.torso[1]]))
        if not torso > 0:
            continue
        before = estimator.predict(case.photo, [subject.box], record=False)
        person, fine = before.people[0], right(before, truth, torso)
        radius = REACH * max(subject.box.width, subject.box.height)
        free = places_elsewhere(subject.box, person.keypoints, radius, skeleton.size, rng)
        found = {}
        for way in WAYS:
            places = free if way == "elsewhere" else person.keypoints
            colour: Fill = "mean" if way == "covered" else "knockout"
            discs = [Stroke((tuple(at),), 2 * radius, colour) for at in places]
            drawn = [one.drawn(case.photo) for one in discs if touches(one, case.photo.size)]
            rows = [n for n, one in enumerate(discs) if touches(one, case.photo.size)]
            lost = np.full((skeleton.size, skeleton.size), np.nan)
            fall = lost.copy()
            out = [None if way == "covered" else cover for cover, _ in drawn]
            afters = estimator.predict_each(
                [photo for _, photo in drawn], [subject.box], record=False, knocked_out=out
            )
            for row, after in zip(rows, afters, strict=True):
                lost[row, fine] = ~right(after, truth, torso)[fine]
                fall[row, fine] = (person.scores - after.people[0].scores)[fine]
            found[way] = lost, fall
        yield found


def touches(disc: Stroke, size: tuple[int, int]) -> bool:
    """Whether a disc's middle lies in the photo."""
    (x, y), *_ = disc.points
    return bool(0 <= x < size[1] and 0 <= y < size[0])


def mean_and_interval(values: list[Floats]) -> str:
    """``12.3 [11.0, 13.5]``: the mean over all values of all photographs."""
    totals = np.array([np.nansum(one) for one in values])
    counts = np.array([np.isfinite(one).sum() for one in values], dtype=np.float64)
    drawn = np.concatenate(list(photo_draws(len(values))))
    low, high = ends((drawn @ totals) / np.maximum(drawn @ counts, 1))
    return f"{totals.sum() / max(counts.sum(), 1):.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder with joints.npz and images*.tar")
    parser.add_argument("--model", default="transpose-r-small")
    parser.add_argument("--limit", type=int, help="photographs")
    parser.add_argument("--seed", type=int, default=0, help="of the places elsewhere")
    chosen = parser.parse_args()
    model = load(chosen.model, device="cpu")
    kind = relations(model.entry.skeleton)
    everybody = list(looked(Estimator(model), chosen.data, chosen.limit, chosen.seed))
    print(f"{model.entry.title}, {len(everybody)} people")
    for n, (what, unit) in enumerate(
        (("right before, wrong after", "%"), ("confidence lost", "hundredths"))
    ):
        print(
            f"\n| {what}, {unit} | " + " | ".join(WAYS) + " |\n" + "| --- " * (len(WAYS) + 1) + "|"
        )
        for relation, words in enumerate(RELATIONS):
            cells = [
                mean_and_interval([100 * one[way][n][kind == relation] for one in everybody])
                if way != "elsewhere"
                else ""
                for way in WAYS
            ]
            print(f"| {words} | " + " | ".join(cells) + " |")
        cells = [mean_and_interval([100 * one[way][n] for one in everybody]) for way in WAYS]
        print("| every keypoint | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
