"""What the help of Explore says of a model is true of that model."""

from __future__ import annotations

import pytest

from app import payload
from app.reading import reading_words
from posekit.estimator import Estimator, Prediction
from posekit.zoo import load
from tests import tiny_instance
from tests.test_photo_models import PEOPLE, SIZE, knowing
from tests.tiny_models import noise_photo, tiny_model

CELLS = "lets every cell look at every other one"
SPOT = "Point at a spot"


def words_of(prediction: Prediction) -> str:
    said = reading_words(prediction)
    assert payload.view(prediction, view_id="v", whole=True)["reading"] == said
    return said


def test_a_model_of_crops_cuts_the_person_out() -> None:
    said = words_of(Estimator(tiny_model()).predict(noise_photo(80, 60)))
    assert said.startswith("The model cuts the person out, divides the cut-out into a grid")
    assert CELLS in said and SPOT in said


def test_a_model_of_whole_photos_that_attends_cuts_nobody_out() -> None:
    said = words_of(Estimator(tiny_instance.halves_model()).predict(tiny_instance.halves_photo()))
    assert said.startswith(
        "The model takes the whole photo and finds the people in it, divides the"
    )
    assert CELLS in said and SPOT in said and "cut" not in said


@pytest.mark.parametrize("name", ["ssa-small", "querypose-small"])
def test_where_no_place_attends_no_spot_is_asked(name: str) -> None:
    if name == "ssa-small":
        prediction = knowing(PEOPLE).predict(noise_photo(*SIZE))
    else:
        prediction = Estimator(load(name, device="cpu")).predict(noise_photo(192, 192))
    said = words_of(prediction)
    assert "no place in it looks at another" in said and "Choose a keypoint" in said
    assert CELLS not in said and SPOT not in said and "cut" not in said
