"""Doubtful keypoints: which, why, and that drawings and files tell them from the others."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from app import payload
from app.api_answers import people as answered
from posekit.doubts import doubts_of
from posekit.draw.colours import OUTLINE, keypoint_colour
from posekit.draw.panels import pose_lines
from posekit.draw.people import draw_asked
from posekit.draw.skeleton import RING, SIDES, draw_skeleton, mark_words
from posekit.draw.vectors import people_shapes
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.many import POSES, Looked
from posekit.report.values import keypoint_values
from posekit.skeleton import COCO17
from posekit.weights import WeightsFile
from tests.test_claims import people as people_at
from tests.tiny_models import noise_photo, tiny_model

WRIST, KNEE, NOSE = (COCO17.keypoints.index(name) for name in ("left wrist", "left knee", "nose"))
LOW = "Of keypoints with a confidence below 0.4 more are wrong than right."
OTHERS = f"{LOW[:-1]} (a limit measured on other models)."
CLAIMED = "Person 2 has one here, with more confidence: it may be theirs."


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    """Person 1 is unsure of the knee and has a wrist where person 2 has one; the nose is sure."""
    boxes = [Box(10, 10, 80, 160), Box(70, 10, 80, 160)]
    found = Estimator(tiny_model()).predict(noise_photo(180, 160), boxes)
    places = (
        {WRIST: (80, 90, 0.5), KNEE: (30, 140, 0.3), NOSE: (30, 30, 0.9)},
        {WRIST: (81, 90, 0.8)},
    )
    people = people_at(found, *places)
    weights = WeightsFile("shipped", "tiny.safetensors")
    entry = replace(found.model.entry, unsure=0.4, weights=(weights,))
    return replace(
        found, people=tuple(people), model=replace(found.model, entry=entry, weights=weights)
    )


def test_a_low_confidence_and_a_claim_are_doubts(prediction: Prediction) -> None:
    assert doubts_of(prediction) == ({KNEE: LOW, WRIST: CLAIMED}, {})
    counted = doubts_of(prediction, first=0)[0][WRIST]
    assert counted.startswith("Person 1 (counted from 0) has one here")
    elsewhere = replace(prediction.model.entry, unsure=None)
    other = replace(prediction, model=replace(prediction.model, entry=elsewhere))
    assert doubts_of(other)[0][KNEE] == OTHERS


def test_random_weights_and_keypoints_that_were_not_found_have_none(prediction: Prediction) -> None:
    random = replace(prediction.model, weights=WeightsFile(kind="random"))
    assert doubts_of(replace(prediction, model=random)) == ({}, {})
    assert set(doubts_of(prediction)[0]) <= set(np.flatnonzero(prediction.people[0].found))


def test_a_ring_is_dark_where_a_dot_has_its_colour(prediction: Prediction) -> None:
    grey = np.full((160, 180, 3), 128, dtype=np.uint8)
    drawn = draw_asked(grey, prediction, 0, line_width=6.0)
    x, y = 30, 140
    assert tuple(drawn[y, x]) == OUTLINE
    assert tuple(drawn[y, x + 6]) == keypoint_colour(COCO17, KNEE)
    assert tuple(drawn[30, 30]) == keypoint_colour(COCO17, NOSE)
    plain = draw_skeleton(grey, prediction.people, COCO17, line_width=6.0)
    assert tuple(plain[y, x]) == keypoint_colour(COCO17, KNEE)


def test_svg_has_a_ring_for_each_and_says_why(prediction: Prediction) -> None:
    shapes = people_shapes(prediction, asked=0)
    assert len(re.findall('class="ring"', shapes)) == 2
    assert f"left knee 0.30. {LOW}" in shapes and CLAIMED in shapes
    assert 'class="ring"' not in people_shapes(prediction, 1)


def test_the_legend_speaks_of_rings_only_where_there_are_some(prediction: Prediction) -> None:
    assert mark_words(prediction) == f"{SIDES} · {RING}" == pose_lines(prediction, 0)[0]
    sure = replace(prediction, people=prediction.people[1:])
    assert mark_words(sure) == SIDES == pose_lines(sure, 0)[0]
    assert mark_words(sure, prediction) == f"{SIDES} · {RING}"


def test_the_page_the_api_and_files_say_why(prediction: Prediction) -> None:
    shown = payload.people(prediction)
    assert {k: why for k, why in enumerate(shown[0]["doubts"]) if why} == doubts_of(prediction)[0]
    assert shown[1]["doubts"] == [None] * 17
    values = keypoint_values(prediction)
    assert values[0][KNEE]["doubt"] == LOW and values[0][NOSE]["doubt"] is None
    told = answered(prediction, [], None)["people"][0]["keypoints"]
    assert told["left knee"] == {"x": 30, "y": 140, "score": 0.3, "doubt": LOW}
    assert told["right knee"] is None
    rows = Looked("a.jpg", prediction, ()).poses
    assert tuple(rows[0]) == POSES
    assert rows[KNEE]["doubt"] == LOW and rows[17 + WRIST]["doubt"] is None
