"""Every method can be compared; what cannot is refused in a sentence."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from posekit.compare import compare
from posekit.compare.layers import layer_title
from posekit.compare.panel import UNTRAINED
from posekit.errors import ModelError, PoseKitError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import list_methods
from posekit.geometry import Box
from tests.comparing.predictions import BOXES, PHOTO, predicted
from tests.tiny_models import BlobFinder, noise_photo, pose_model

QUICK = {
    "rise": {"masks": 16},
    "gradient-shap": {"samples": 2},
    "integrated-gradients": {"steps": 4},
}


@pytest.mark.parametrize("name", [one.name for one in list_methods()])
def test_every_method_can_be_compared(pair: list[Prediction], name: str) -> None:
    found = compare(pair, "left wrist", method=name, options=QUICK.get(name))
    assert found.method == name and found.shown == (0, 1)
    assert not any(panel.note for panel in found.panels)
    for n in (0, 1):
        assert (found.density(n) / found.grid.factor).sum() == pytest.approx(1.0, abs=1e-5)
        assert found.table[n].on_person is not None
    assert 0.0 <= found.overlap(0, 1).intersection <= 1.0
    assert found.difference(0, 1).any()
    assert found.panels[0].legend


def test_a_model_that_cannot_answer_keeps_its_sentence(pair: list[Prediction]) -> None:
    plain = Estimator(pose_model(BlobFinder(), (64, 48))).predict(PHOTO, BOXES)
    found = compare([plain, *pair], "nose")
    assert found.shown == (1, 2)
    panel = found.panels[0]
    assert panel.map is None and panel.note == (
        "This model recorded no attention between places of the photo."
    )
    assert panel.figures.confidence == plain.people[0].scores[0]  # the pose still compares
    assert found.table[2].distance_px is not None and found.table[1].overlap == pytest.approx(1)
    with pytest.raises(TraceError, match="no map of Tiny-TransPose"):
        found.overlap(0, 1)
    with pytest.raises(TraceError, match="recorded no attention"):
        compare([plain, plain], "nose")
    found.save_html(io.BytesIO())
    found.save_png(io.BytesIO())


def test_what_cannot_be_compared_is_refused_in_a_sentence(pair: list[Prediction]) -> None:
    for predictions, words in (
        ([], "takes 2 to 5 models, and 0 models were chosen: add another one"),
        (pair[:1], "takes 2 to 5 models, and 1 model was chosen: add another one"),
        (pair * 3, "takes 2 to 5 models, and 6 models were chosen: leave some out"),
    ):
        with pytest.raises(ModelError, match=words):
            compare(predictions, "nose")
    other = predicted(1, photo=noise_photo(seed=9))
    with pytest.raises(TraceError, match="run on different photos"):
        compare([pair[0], other], "nose")
    again = predicted(1, photo=noise_photo(name="the same, again"))
    assert compare([pair[0], again], "nose").shown == (0, 1)
    for boxes in (BOXES[:1], [BOXES[0], Box(60, 20, 51, 110)]):
        with pytest.raises(TraceError, match="run with different boxes"):
            compare([pair[0], predicted(1, boxes=boxes)], "nose")
    with pytest.raises(TraceError, match="There is no person 2"):
        compare(pair, "nose", person=2)
    with pytest.raises(TraceError, match="There is no method 'rolout'"):
        compare(pair, "nose", method="rolout")
    with pytest.raises(TraceError, match="no option 'steps'"):
        compare(pair, "nose", options={"steps": 3})
    with pytest.raises(TraceError, match="Say head= itself"):
        compare(pair, "nose", options={"head": 3})
    for asked, what in (
        ({"layer": "encoder.1"}, "no layers"),
        ({"head": 1}, "no heads"),
        ({"direction": "column"}, "no direction"),
    ):
        with pytest.raises(TraceError, match=what):
            compare(pair, "nose", method="saliency", **asked)
    with pytest.raises(TraceError, match="two finite numbers"):
        compare(pair, (np.nan, 3.0))
    silent = replace(pair[0], trace=None)
    with pytest.raises(PoseKitError, match="Nothing was recorded"):
        compare([silent, silent], "nose")


def test_panels_say_who_is_untrained_and_tell_like_models_apart(pair: list[Prediction]) -> None:
    twins = [predicted(n, title="Tiny", kind=kind) for n, kind in enumerate(("shipped", "random"))]
    found = compare([*twins, twins[1]], (40.0, 60.0), person=0)
    assert [panel.title for panel in found.panels] == [
        "Tiny (shipped weights)",
        "Tiny (untrained), 1",
        "Tiny (untrained), 2",
    ]
    assert [panel.trained for panel in found.panels] == [True, False, False]
    assert found.panels[0].remarks == ()
    assert UNTRAINED.lower() in found.panels[1].remarks[0].lower()
    assert compare(pair, "nose").panels[1].title == "Tiny 1 (untrained)"
    layers = ["encoder.1", None, "encoder.1"]
    own = compare([twins[0]] * 3, "nose", layer=layers)  # the weights are the same: the layer tells
    words = [layer_title(twins[0], layer) for layer in layers]
    assert words[0] != words[1]
    assert [panel.title for panel in own.panels] == [
        f"Tiny, {words[0]}, 1",
        f"Tiny, {words[1]}",
        f"Tiny, {words[0]}, 2",
    ]
