"""How much of a map depends on what was asked: ``python -m benchmarks.likeness LSPET [COUNT]``.

For every shipped model with attention between places of the photo and each of its layers: the share
of attention that two keypoints of a person have in the same places, and that two random spots in
the person's box have (:func:`posekit.explain.likeness.likeness`), means over COUNT people held out
(100), each in the box round the labels; names of models may follow. A model of whole photos is
asked about the person whose box overlaps that one most. Nothing is written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from posekit.data.lsp import read_lsp
from posekit.estimator import Estimator
from posekit.explain.keypoint_rows import rows_at
from posekit.explain.likeness import likeness
from posekit.explain.query import Query
from posekit.zoo import list_models, load

SPOTS = 14
"""Random ones a person: as many as LSP has keypoints."""


def main(folder: Path, count: int, names: list[str]) -> None:
    """Print a line for each layer."""
    for name in names or list_models():
        model = load(name)
        if not model.trained or not model.entry.skeleton.size:
            continue
        estimator, rng = Estimator(model), np.random.default_rng(0)
        finds = model.entry.find is not None
        found: dict[str, list[tuple[float, float]]] = {}
        for one in tqdm(read_lsp(folder, "held out", count), unit="photo", disable=None):
            box = one.label_box
            prediction = estimator.predict(one.photo, None if finds else [box])
            someone = max(prediction.people, key=lambda p: p.box.overlap(box), default=None)
            trace = prediction.trace
            if someone is None or trace is None or someone.found.sum() < 2:
                continue
            left, top, right, bottom = someone.box.edges
            spots = rng.uniform((left, top), (right, bottom), (SPOTS, 2))
            places = (someone.keypoints[someone.found], spots)
            for layer in trace.spatial:
                shares = []
                for points in places:
                    queries = [Query(0, (float(x), float(y))) for x, y in points]
                    shares.append(likeness(rows_at(layer, someone.crop, queries, someone.item)))
                found.setdefault(layer.name, []).append((shares[0], shares[1]))
        for layer_name, pairs in found.items():
            keypoints, spots_ = np.mean(pairs, axis=0)
            print(
                f"{name} {layer_name}: keypoints {keypoints:.0%}, spots in the box {spots_:.0%} "
                f"({len(pairs)} people)",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100, sys.argv[3:])
