"""Keypoints that two poses claim, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posekit.claims import Claim, claim_words, claims_of
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.people import Person
from posekit.skeleton import COCO17
from posekit.unsure import unsure_words
from posekit.weights import WeightsFile
from tests.tiny_models import noise_photo, tiny_model

WRIST, OTHER_WRIST, KNEE, NOSE = (
    COCO17.keypoints.index(name) for name in ("left wrist", "right wrist", "left knee", "nose")
)
BOXES = [Box(10, 10, 80, 160), Box(70, 10, 80, 160)]


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(noise_photo(180, 160), BOXES)


def people(prediction: Prediction, *places: dict[int, tuple[float, float, float]]) -> list[Person]:
    """People with only these keypoints: index -> x, y, confidence."""
    made = []
    for person, known in zip(prediction.people, places, strict=True):
        keypoints, scores = np.full((17, 2), np.nan), np.zeros(17)
        for k, (x, y, score) in known.items():
            keypoints[k], scores[k] = (x, y), score
        made.append(replace(person, keypoints=keypoints, scores=scores))
    return made


def found(prediction: Prediction, *places: dict[int, tuple[float, float, float]]) -> Prediction:
    trained = replace(prediction.model, weights=WeightsFile(kind="shipped"))
    return replace(prediction, people=tuple(people(prediction, *places)), model=trained)


def test_the_less_sure_of_two_in_one_place_is_the_claim(prediction: Prediction) -> None:
    two = people(prediction, {WRIST: (80, 90, 0.3), KNEE: (20, 140, 0.9)}, {WRIST: (81, 90, 0.8)})
    assert claims_of(two, COCO17) == (Claim(0, WRIST, 1, WRIST),)
    assert claims_of(two[::-1], COCO17) == (Claim(1, WRIST, 0, WRIST),)


def test_how_near_is_near(prediction: Prediction) -> None:
    """OKS of one keypoint is a half where d^2 = 2 ln 2 area (2 sigma)^2."""
    area, sigma = 80 * 160, COCO17.sigmas[WRIST]
    edge = float(np.sqrt(2 * np.log(2) * area * (2 * sigma) ** 2))
    for off, claimed in ((edge - 0.1, True), (edge + 0.1, False)):
        two = people(prediction, {WRIST: (60, 90, 0.3)}, {WRIST: (60 + off, 90, 0.8)})
        assert bool(claims_of(two, COCO17)) is claimed


def test_other_kinds_and_what_is_not_drawn_do_not_count(prediction: Prediction) -> None:
    here = (80.0, 90.0)
    assert not claims_of(people(prediction, {WRIST: (*here, 0.3)}, {KNEE: (*here, 0.8)}), COCO17)
    assert not claims_of(people(prediction, {WRIST: (*here, 0.1)}, {WRIST: (*here, 0.8)}), COCO17)
    mixed = people(prediction, {WRIST: (*here, 0.3)}, {OTHER_WRIST: (*here, 0.8)})
    assert claims_of(mixed, COCO17) == (Claim(0, WRIST, 1, OTHER_WRIST),)


def test_a_keypoint_is_claimed_once(prediction: Prediction) -> None:
    two = people(
        prediction,
        {WRIST: (80, 90, 0.5), OTHER_WRIST: (83, 90, 0.4)},
        {WRIST: (80, 90, 0.8)},
    )
    assert claims_of(two, COCO17) == (Claim(0, WRIST, 1, WRIST),)


def test_what_is_said(prediction: Prediction) -> None:
    one = {WRIST: (80.0, 90.0, 0.5), KNEE: (20.0, 140.0, 0.9), NOSE: (30.0, 20.0, 0.9)}
    two = found(prediction, one, {WRIST: (80, 90, 0.8), KNEE: (140, 140, 0.9)})
    said = "left wrist of person {} lies where person {} has one, with more confidence"
    assert claim_words(two) == f"The {said.format(1, 2)}: it may be person 2's."
    assert said.format(1, 2) in (unsure_words(two) or "")
    assert claim_words(two, first=0) == (
        f"The {said.format(0, 1)}: it may be person 1's (people are counted from 0)."
    )
    apart = found(prediction, one, {WRIST: (140, 90, 0.8)})
    assert claim_words(apart) is None
    untrained = replace(two, model=replace(two.model, weights=WeightsFile(kind="random")))
    assert claim_words(untrained) is None


def test_somebody_found_twice(prediction: Prediction) -> None:
    one = {k: (20.0 + 8 * k, 90.0, 0.5) for k in (WRIST, KNEE, NOSE)}
    again = {k: (x + 1, y, 0.7) for k, (x, y, _) in one.items()}
    assert claim_words(found(prediction, one, again)) == (
        "Person 1 may be person 2 once more: 3 of 3 keypoints lie where person 2 has some, with "
        "more confidence."
    )
