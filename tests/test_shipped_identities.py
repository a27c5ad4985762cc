"""What an explanation of the shipped model must add up to, on a public photograph.

The same identities are tested on small random models beside each method; here they hold for
trained weights, whose attention is far from uniform.
"""

from __future__ import annotations

import matplotlib.cbook
import numpy as np
import pytest
import torch

import posekit
from posekit.estimator import Estimator, Prediction
from posekit.explain.asked import ask
from posekit.explain.attention import query_token
from posekit.explain.methods import explain
from posekit.explain.query import resolve
from posekit.explain.surface import photo_surface, read
from posekit.explain.together import explain_each, questions

KEYPOINT = "left shoulder"


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    photo = posekit.read_photo(
        matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    )
    model = posekit.load("transpose-r-small", device="cpu")
    assert model.trained
    return Estimator(model).predict(photo)


def test_rollout_is_a_row_of_the_naive_product(prediction):
    product = None
    for layer in prediction.trace.attentions.values():
        matrix = layer.matrix().double().mean(0)
        mixed = 0.5 * torch.eye(len(matrix), dtype=torch.float64) + 0.5 * matrix
        product = mixed if product is None else mixed @ product
    token = query_token(
        prediction,
        resolve(prediction, KEYPOINT, 0),
        prediction.trace.attentions["encoder.3"],
        "row",
    )
    found = explain(prediction, KEYPOINT, method="rollout")
    np.testing.assert_allclose(found.values.ravel(), product[token], atol=1e-6)
    assert found.total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("layer", [-1, 0])
def test_the_contribution_sums_to_the_heatmap_value(prediction, layer):
    found = explain(prediction, KEYPOINT, method="contribution", layer=layer)
    value = float(prediction.trace.heatmaps[0, prediction.skeleton.index(KEYPOINT)].max())
    terms = [found.options[name] for name in ("attention", "residual", "bias")]
    assert sum(terms) == pytest.approx(value, abs=2e-4) and value > 0.2
    assert abs(found.delta) < 2e-4 and found.total == pytest.approx(terms[0], abs=1e-4)


def test_integrated_gradients_are_complete_to_their_delta(prediction):
    """The delta is what the sum lacks of the rise over the baseline, and more steps shrink it."""
    asked = questions(prediction, [KEYPOINT])
    full, empty = read(photo_surface(asked, "mean"), asked.targets)
    rise = float(full[0] - empty[0])
    few, many = (
        explain(prediction, KEYPOINT, method="integrated-gradients", steps=n) for n in (3, 48)
    )
    for one in (few, many):
        assert one.total - rise == pytest.approx(one.delta, abs=1e-4)
    assert abs(many.delta) < 0.1 * rise and abs(many.delta) < abs(few.delta)


def test_a_sweep_of_all_keypoints_equals_the_loop(prediction):
    names = prediction.skeleton.keypoints[::6]
    for method, options in (("occlusion", {"window": 48, "stride": 48}), ("rise", {"masks": 5})):
        swept = explain_each(prediction, names, method=method, **options)
        for name, one in zip(names, swept, strict=True):
            assert one.target == ask(prediction, name).label
            alone = explain(prediction, name, method=method, **options)
            np.testing.assert_allclose(one.values, alone.values, atol=2e-6)
