"""Which keypoints the models disagree about, and how much."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.compare import compare, disagreements
from posekit.compare.disagreement import models_with
from posekit.compare.words import disagreement_table
from posekit.estimator import Estimator, Prediction
from posekit.skeleton import COCO17
from tests.comparing.predictions import BOXES, PHOTO, predicted
from tests.tiny_models import BlobFinder, pose_model


@pytest.mark.parametrize("direction", ["row", "column"])
def test_disagreement_is_that_of_asking_every_keypoint(
    pair: list[Prediction], lsp: Prediction, direction: str
) -> None:
    predictions = [*pair, lsp]
    ranked = disagreements(predictions, direction=direction)  # type: ignore[arg-type]
    names = [one.keypoint for one in ranked]
    assert sorted(names) == sorted(COCO17.keypoints)  # all of COCO are in two models at least
    for one in ranked:
        found = compare(predictions, one.keypoint, direction=direction)  # type: ignore[arg-type]
        # A model that does not know the keypoint has no say in it.
        there = [n for n, panel in enumerate(found.panels) if panel.keypoint is not None]
        assert [n for n, point in enumerate(one.points) if point is not None] == there
        pairs = [(a, b) for a in there for b in there if a < b]
        largest = max(1 - found.overlap(a, b).intersection for a, b in pairs)
        assert one.maps == pytest.approx(largest, abs=1e-5)
        apart = {
            (a, b): float(np.hypot(*np.subtract(one.points[a], one.points[b]))) for a, b in pairs
        }
        assert one.distance_px == pytest.approx(max(apart.values()))
        assert apart[one.farthest] == pytest.approx(one.distance_px)
        assert one.distance == pytest.approx(one.distance_px / 120)


def test_the_most_interesting_keypoint_is_on_top(pair: list[Prediction]) -> None:
    ranked = disagreements(pair)
    interest = [one.interest for one in ranked]
    assert interest == sorted(interest, reverse=True) and 0 <= interest[-1] <= interest[0] <= 2
    farthest = max(one.distance_px for one in ranked)
    differing = max(one.maps for one in ranked)  # type: ignore[type-var]
    for one in ranked:
        expected = one.distance_px / farthest + one.maps / differing  # type: ignore[operator]
        assert one.interest == pytest.approx(expected)


def test_models_that_agree_have_nothing_to_disagree_about(pair: list[Prediction]) -> None:
    ranked = disagreements([pair[0], pair[0]])
    assert [one.keypoint for one in ranked] == list(COCO17.keypoints)  # ties keep the order
    assert all(one.distance_px == 0 and one.maps == pytest.approx(0, abs=1e-9) for one in ranked)
    assert all(one.interest == 0 for one in ranked)  # whatever rounding left of the overlaps


def test_one_model_is_not_held_against_itself_by_position(pair: list[Prediction]) -> None:
    layers = ["encoder.1", "encoder.2"]
    found = compare([pair[0], pair[0]], "nose", layer=layers)
    heads, rows = disagreement_table(found)
    far = heads.index("farthest apart")
    assert len(rows) == COCO17.size and {row[far] for row in rows} == {"–"}
    maps = [one.maps for one in found.disagreement]
    assert maps == sorted(maps, reverse=True) and maps[0] > 0  # type: ignore[type-var, operator]
    assert {models_with(one, found.predictions) for one in found.disagreement} == {1}
    both = compare([pair[0], pair[0], pair[1]], "nose", layer=[*layers, None])
    assert all(2 in one.farthest for one in both.disagreement)  # the other model, not itself


def test_disagreement_without_attention() -> None:
    blobs = pose_model(BlobFinder(), (64, 48))
    plain = Estimator(blobs).predict(PHOTO, BOXES)
    (first, *_) = disagreements([plain, predicted(3)])
    assert first.maps is None and first.distance_px > 0
