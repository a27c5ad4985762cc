"""Every model with every method: an answer, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from posekit.errors import PoseKitError
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, HeatMap, explain, list_methods
from posekit.geometry import Box
from posekit.zoo import PoseModel
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_btranspose, tiny_model

MODELS: dict[str, Callable[[], PoseModel]] = {
    "TransPose-R": lambda: tiny_model(layers=2),
    "TransPose-H": lambda: tiny_model(trunk="hrnet", heads=1, layers=2),
    "BTranspose": tiny_btranspose,
    "no attention": lambda: pose_model(BlobFinder(), (64, 48)),
}
REFUSED = {
    ("no attention", name)
    for name in (
        *("attention", "contribution", "flow", "knockout", "relevance", "rollout"),
        "token-occlusion",
    )
} | {("no attention", "grad-cam"), ("no attention", "guided-grad-cam")}
QUICK = {"occlusion": {"side": 16}, "rise": {"masks": 40}}
"""Options that shorten a method without changing what it does, where it has them."""


@pytest.fixture(scope="module", params=list(MODELS))
def asked(request: pytest.FixtureRequest) -> tuple[str, Prediction]:
    prediction = Estimator(MODELS[request.param]()).predict(noise_photo(), [Box(20, 20, 60, 90)])
    return request.param, prediction


@pytest.mark.parametrize("name", [method.name for method in list_methods()])
def test_every_method_answers_or_says_why_not(asked, name: str) -> None:
    model, prediction = asked
    known = {m.name: m.options for m in list_methods()}[name]
    options = {key: value for key, value in QUICK.get(name, {}).items() if key in known}
    if (model, name) in REFUSED:
        with pytest.raises(PoseKitError) as refusal:
            explain(prediction, "left wrist", method=name, **options)
        sentence = str(refusal.value)
        assert sentence.endswith(".") and "\n" not in sentence
        return
    answer = explain(prediction, "left wrist", method=name, **options)
    if isinstance(answer, Explanation):
        values = [one.weights for one in answer.maps]
    else:
        assert isinstance(answer, HeatMap)
        values = [answer.values]
    for one in values:
        assert np.isfinite(np.asarray(one)).all() and np.ptp(np.asarray(one)) > 0
