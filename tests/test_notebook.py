"""Results show themselves in notebooks, and random weights are never shown without a word."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import posekit
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


def test_explanations_comparisons_and_studies_are_pictures(prediction: Prediction) -> None:
    explanation = posekit.explain(prediction, "left wrist")
    comparison = posekit.compare([prediction, prediction], "left wrist")
    model, photo = prediction.model, prediction.photo
    study = posekit.occlude(model, photo, Rectangle(Box(20, 20, 60, 60)), keypoint="left wrist")
    for result in (explanation, comparison, study):
        made = result._repr_png_()
        assert made.startswith(PNG)
        assert min(Image.open(io.BytesIO(made)).size) > 200
