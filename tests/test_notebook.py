"""Results show themselves in notebooks, and random weights are never shown without a word."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import posekit
from posekit import notebook
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.occlusion import Rectangle
from posekit.photo import read_photo
from tests.tiny_models import noise_photo, tiny_model

PASSING = Path(__file__).parent.parent / "assets" / "examples" / "passing.jpg"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(posekit.load("transpose-r-small")).predict(read_photo(PASSING))


def test_a_prediction_shows_its_pose_and_says_whose_it_is(prediction: Prediction) -> None:
    shown = prediction._repr_html_()
    assert "<b>TransPose-R-small</b>: one person." in shown
    data = re.search(r'base64,([^"]+)"', shown)
    assert data is not None
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))), dtype=float)
    photo = np.asarray(prediction.photo.pixels, dtype=float)
    height, width = photo.shape[:2]
    assert picture.shape[0] == pytest.approx(height * picture.shape[1] / width, abs=1)
    # A dot lies on the surest keypoint: there the picture is not the photo.
    person = prediction.people[0]
    x, y = person.keypoints[int(np.argmax(person.scores))] * (picture.shape[1] / width)
    small = np.asarray(Image.fromarray(prediction.photo.pixels).resize(picture.shape[1::-1]), float)
    there = np.abs(picture - small).max(axis=-1)[round(y), round(x)]
    assert there > 40


def test_random_weights_are_named(prediction: Prediction) -> None:
    untrained = Estimator(tiny_model()).predict(noise_photo(120, 90), [Box(5, 5, 80, 100)])
    assert "random" in untrained._repr_html_()
    assert "random" not in prediction._repr_html_()
    crowd = replace(prediction, people=prediction.people * 3)
    assert "3 people" in crowd._repr_html_()


def test_a_result_is_one_line_that_says_what_it_is(prediction: Prediction) -> None:
    heat = posekit.explain(prediction, "left wrist", method="rollout")
    layers = "encoder.1, encoder.2, encoder.3"
    model = "model='transpose-r-small'"
    explanation = posekit.explain(prediction, "left wrist")
    x, y = explanation.query.point
    expected = {
        repr(prediction): f"Prediction({model}, 1 person, recorded)",
        repr(explanation): f"Explanation('left wrist looks at', {layers}, person=0, {model})",
        repr(explanation.layer("encoder.2")): "AttentionMap(layer='encoder.2', mean over heads, "
        f"row at ({x:.0f}, {y:.0f}), 24 x 18 cells)",
        repr(heat): "HeatMap(method='rollout', target='left wrist', 24 x 18 cells, "
        f"{heat.seconds:.2f} s)",
        repr(posekit.dependencies(prediction, "encoder.1", head=2)): f"Dependencies({model}, "
        "layer='encoder.1', head=2, 14 of 14 keypoints, 1 person)",
    }
    assert list(expected) == list(expected.values())
    worth = posekit.heads(prediction, layers=["encoder.1"])
    count = len(worth.heads)
    seconds = f"{worth.seconds:.2f} s"
    assert (
        repr(worth)
        == f"HeadWorth({model}, {count} heads in 1 layer, 14 of 14 keypoints, {seconds})"
    )
    assert "\n" not in repr(replace(worth, model=None)) and "model" not in repr(
        replace(worth, model=None)
    )


def test_a_photograph_of_a_batch_is_one_line(prediction: Prediction, tmp_path: Path) -> None:
    shutil.copy(PASSING, tmp_path / "passing.jpg")
    looked, *none = posekit.batch(prediction.model, tmp_path, "left wrist", method="rollout")
    assert repr(looked) == "Looked('passing.jpg', 1 person, 1 answered: left wrist by Rollout)"
    (poses,) = posekit.batch(prediction.model, tmp_path)
    assert repr(poses) == "Looked('passing.jpg', 1 person)" and not none


def test_maps_of_methods_heads_and_dependencies_are_pictures(prediction: Prediction) -> None:
    heat = posekit.explain(prediction, "left wrist", method="rollout")
    worth = posekit.heads(prediction, layers=["encoder.3"])
    depends = posekit.dependencies(prediction)
    sizes = []
    for result in (heat, worth, depends):
        made = result._repr_png_()
        assert made.startswith(PNG)
        sizes.append(Image.open(io.BytesIO(made)).size)
    # A row a head, or a row a keypoint and one for an even map: the latter is taller.
    assert sizes[2][1] > sizes[1][1] > 100 and min(sizes[0]) > 200
    # Without what it was made of there is no photo to lie on, and a notebook shows the line.
    assert replace(heat, prediction=None)._repr_png_() is None
    assert (
        replace(worth, model=None)._repr_png_() is replace(depends, model=None)._repr_png_() is None
    )


def test_pictures_of_random_weights_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    untrained = Estimator(tiny_model()).predict(noise_photo(120, 90), [Box(5, 5, 80, 100)])
    titles = []

    def drawn(found: object, title: str, **options: object) -> Figure:
        titles.append(title)
        return Figure()

    monkeypatch.setattr(notebook, "draw_heads", drawn)
    monkeypatch.setattr(notebook, "draw_dependencies", drawn)
    posekit.heads(untrained)._repr_png_()
    posekit.dependencies(untrained)._repr_png_()
    assert len(titles) == 2 and all("(untrained)" in title for title in titles)


def test_explanations_comparisons_and_studies_are_pictures(prediction: Prediction) -> None:
    explanation = posekit.explain(prediction, "left wrist")
    comparison = posekit.compare([prediction, prediction], "left wrist")
    model, photo = prediction.model, prediction.photo
    study = posekit.occlude(model, photo, Rectangle(Box(20, 20, 60, 60)), keypoint="left wrist")
    for result in (explanation, comparison, study):
        made = result._repr_png_()
        assert made.startswith(PNG)
        assert min(Image.open(io.BytesIO(made)).size) > 200
