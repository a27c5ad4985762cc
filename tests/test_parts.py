"""A part of the dot product shown as if it were all of it: content without position, say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posekit.draw import describe, draw_explanation, legend
from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain, head_grid
from posekit.geometry import Box
from tests.tiny_models import noise_photo, tiny_btranspose, tiny_model


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_btranspose()).predict(noise_photo(), [Box(20, 20, 60, 90)])


@pytest.fixture(scope="module")
def parted(prediction: Prediction) -> list[str]:
    assert prediction.trace is not None
    return [name for name, one in prediction.trace.attentions.items() if one.parts]


def test_a_part_is_the_softmax_of_its_own_channels(
    prediction: Prediction, parted: list[str]
) -> None:
    assert prediction.trace is not None
    for name in parted:
        layer = prediction.trace.attentions[name]
        for part, channels in layer.parts.items():
            (shown,) = explain(prediction, "nose", layers=[name], part=part).maps
            logits = layer.q[0, :, shown.query_token, channels] @ layer.k[0, ..., channels].mT
            wanted = torch.diagonal(logits, dim1=0, dim2=1).T * layer.factor  # each head its own
            expected = wanted.softmax(-1).mean(0).numpy()
            np.testing.assert_allclose(shown.weights.ravel(), expected, atol=1e-6)
            assert shown.part == part and shown.total == pytest.approx(1, abs=1e-5)


def test_the_parts_differ_from_the_whole_and_from_each_other(
    prediction: Prediction, parted: list[str]
) -> None:
    whole, *parts = (
        explain(prediction, "nose", layers=parted[:1], part=part).maps[0].weights
        for part in (None, "content", "position")
    )
    assert all(np.abs(one - whole).max() > 1e-6 for one in parts)
    assert np.abs(parts[0] - parts[1]).max() > 1e-6


def test_layers_without_the_part_are_left_out_unless_named(
    prediction: Prediction, parted: list[str]
) -> None:
    found = explain(prediction, "nose", part="content")
    assert list(found.layers) == parted and len(parted) < len(explain(prediction, "nose").maps)
    with pytest.raises(TraceError, match="no part 'content' to show alone"):
        explain(prediction, "nose", layers=["encoder.1"], part="content")
    with pytest.raises(TraceError, match="its parts are content and position"):
        explain(prediction, "nose", part="colour")
    whole = Estimator(tiny_model(layers=1)).predict(noise_photo())
    with pytest.raises(TraceError, match="its dot product is one piece"):
        explain(whole, "nose", part="content")


def test_columns_and_heads_have_parts_too(prediction: Prediction, parted: list[str]) -> None:
    asked = {"direction": "column", "part": "position"}
    heads = head_grid(prediction, "nose", parted[0], **asked)  # type: ignore[arg-type]
    mean = explain(prediction, "nose", layers=parted[:1], **asked).maps[0]  # type: ignore[call-overload]
    np.testing.assert_allclose(np.mean([h.weights for h in heads], axis=0), mean.weights, rtol=1e-5)
    assert all(head.part == "position" for head in heads)


def test_the_legend_and_the_file_say_which_part(prediction: Prediction) -> None:
    found = explain(prediction, "nose", part="content")
    assert "looks at (row), content part alone" in legend(found.maps[0], prediction.model)
    assert describe(found)["part"] == "content"
    words = "\n".join(text.get_text() for text in draw_explanation(found).texts)
    assert words.count("content part alone") == len(found.maps)
    assert "alone" not in legend(explain(prediction, "nose").maps[0], prediction.model)
