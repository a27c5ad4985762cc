"""What a model is not sure of is said in every file, as the terminal says it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posekit import draw
from posekit.compare import compare
from posekit.compare import describe as describe_comparison
from posekit.compare.figure import draw_comparison
from posekit.draw import draw_explanation
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain
from posekit.geometry import Box
from posekit.occlusion import Rectangle, study
from posekit.occlusion import describe as describe_study
from posekit.occlusion.figure import draw_study
from posekit.report import Findings, html_report, plain_values
from posekit.unsure import unsure_words
from posekit.weights import WeightsFile
from posekit.zoo import UNSURE
from tests.tiny_models import noise_photo, tiny_model

BOXES = [Box(5, 5, 60, 90), Box(70, 5, 60, 90)]
READERS = "not sure of the pose of person 2: 17 of 17 keypoints"
INDICES = "not sure of the pose of person 1 (counted from 0): 17 of 17 keypoints"


def doubtful(seed: int = 0) -> Prediction:
    """Of two people the second is doubtful."""
    model = tiny_model(seed)
    model = replace(model, weights=WeightsFile("shipped", f"{seed}.safetensors"))
    found = Estimator(model).predict(noise_photo(180, 140), BOXES)
    scores = (np.full(17, UNSURE + 0.5), np.full(17, UNSURE - 0.1))
    people = (replace(p, scores=s) for p, s in zip(found.people, scores, strict=True))
    return replace(found, people=tuple(people))


def words(text: str) -> str:
    """The text of markup or of a figure's lines, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def drawn(figure: object) -> str:
    return " ".join(one.get_text() for one in figure.texts)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return doubtful()


def test_explanations_say_it(prediction: Prediction, tmp_path: Path) -> None:
    assert READERS in (unsure_words(prediction) or "")
    found = explain(prediction, "left wrist", person=1)
    assert READERS in words(html_report(Findings(found)))
    assert READERS in words(draw.svg_text(found).split("</metadata>")[1])
    assert READERS in words(drawn(draw_explanation(found)))
    said = plain_values(Findings(found))["unsure"]
    assert INDICES in said
    draw.save_png(draw_explanation(found), tmp_path / "map.png", explanation=found)
    with Image.open(tmp_path / "map.png") as picture:
        assert json.loads(picture.text["PoseKit"])["unsure"] == said  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    draw.save_npz(found, buffer)
    with np.load(io.BytesIO(buffer.getvalue())) as kept:
        assert json.loads(str(kept["metadata"]))["unsure"] == said


def test_a_methods_map_says_it(prediction: Prediction) -> None:
    heat = explain(prediction, "left wrist", person=1, method="grad-cam")
    about = {"prediction": prediction}
    assert READERS in words(draw.svg_text(heat, **about).split("</metadata>")[1])
    assert READERS in words(drawn(draw_explanation(heat, **about)))
    assert READERS in words(html_report(Findings(heat, prediction)))


def test_sure_poses_are_not_doubted(prediction: Prediction) -> None:
    first, second = prediction.people
    sure = replace(prediction, people=(first, replace(second, scores=first.scores)))
    found = explain(sure, "left wrist", person=0)
    assert "not sure" not in words(html_report(Findings(found)))
    assert "not sure" not in draw.svg_text(found)
    assert plain_values(Findings(found))["unsure"] is None


def test_a_comparison_says_it_under_the_panel_concerned(prediction: Prediction) -> None:
    other = doubtful(1)
    sure = replace(other.people[1], scores=other.people[0].scores)
    other = replace(other, people=(other.people[0], sure))
    found = compare([prediction, other], "left wrist", person=1)
    assert READERS in found.panels[0].caption[-1]
    assert not any("not sure" in text for text in found.panels[1].caption)
    buffer = io.BytesIO()
    found.save_html(buffer)
    first, second = re.findall(r"<figcaption>.*?</figcaption>", buffer.getvalue().decode())[:2]
    assert READERS in words(first) and "not sure" not in words(second)
    buffer = io.BytesIO()
    found.save_svg(buffer)
    assert words(buffer.getvalue().decode().split("</metadata>")[1]).count(READERS) == 1
    assert words(drawn(draw_comparison(found))).count(READERS) == 1
    one, two = describe_comparison(found)["panels"]
    assert INDICES in one["unsure"] and two["unsure"] is None


def test_a_study_says_it_of_the_side_before(prediction: Prediction) -> None:
    estimator = Estimator(prediction.model)
    made = Rectangle(Box(80, 20, 20, 20), "grey")
    done = study(
        estimator, prediction.photo, made, keypoint="left wrist", person=1, boxes=BOXES,
        before=prediction,
    )  # fmt: skip
    buffer = io.BytesIO()
    done.save_html(buffer)
    page = words(buffer.getvalue().decode())
    assert page.count(READERS) == 1
    buffer = io.BytesIO()
    done.save_svg(buffer)
    assert words(buffer.getvalue().decode().split("</metadata>")[1]).count(READERS) == 1
    assert words(drawn(draw_study(done))).count(READERS) == 1
    assert INDICES in describe_study(done)["before"]["unsure"]
