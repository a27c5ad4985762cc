"""When a pose is said to be unsure, and of whom."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app import payload
from app.api_work import Work
from posekit.doubts import doubts_of
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.people import DRAWN
from posekit.unsure import unsure_keypoints, unsure_words
from posekit.weights import WeightsFile
from posekit.zoo import UNSURE, entry, list_models
from tests.test_photo_models import PEOPLE, SIZE, knowing
from tests.tiny_models import noise_photo, tiny_model

BOXES = [Box(5, 5, 60, 90), Box(70, 5, 60, 90), Box(5, 90, 60, 80)]


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    """Three people, by a model whose weights count as trained, and as those that were measured."""
    found = Estimator(tiny_model()).predict(noise_photo(180, 140), BOXES)
    weights = WeightsFile("shipped", "tiny.safetensors")
    entry = replace(found.model.entry, unsure=UNSURE, weights=(weights,))
    return replace(found, model=replace(found.model, entry=entry, weights=weights))


def scored(prediction: Prediction, *below: int) -> Prediction:
    """One person for each number: so many of the 17 keypoints have a confidence below the limit."""
    people = [
        replace(person, scores=np.where(np.arange(17) < count, UNSURE - 0.01, UNSURE))
        for person, count in zip(prediction.people, below, strict=False)
    ]
    return replace(prediction, people=tuple(people))


def test_a_pose_is_unsure_from_half_of_its_keypoints(prediction: Prediction) -> None:
    assert prediction.model.trained
    assert unsure_keypoints(scored(prediction, 8).people[0], UNSURE) == 8
    assert unsure_words(scored(prediction, 8)) is None
    said = unsure_words(scored(prediction, 9))
    title = prediction.model.entry.title
    assert said == (
        f"{title} is not sure of this pose: 9 of 17 keypoints have a confidence below 0.4, so the"
        " skeleton may well be wrong."
    )


def test_a_confidence_counts_as_it_is_shown(prediction: Prediction) -> None:
    """What reads 0.40 is not below 0.4: neither in a sentence nor as a ring."""
    for score, below in ((0.396, 0), (0.3951, 0), (0.3949, 17), (0.39, 17), (0.4, 0)):
        scores = np.full(17, score, dtype=np.float32)
        one = replace(prediction, people=(replace(prediction.people[0], scores=scores),))
        assert (f"{scores[0]:.2f}" == "0.40") == (below == 0)
        assert unsure_keypoints(one.people[0], UNSURE) == below
        assert len(doubts_of(one)[0]) == below
        assert (unsure_words(one) is None) == (below == 0)


def test_among_several_people_it_says_of_whom(prediction: Prediction) -> None:
    one = unsure_words(scored(prediction, 17, 0, 0))
    assert one is not None and "of the pose of person 1: 17 of 17 keypoints" in one
    three = unsure_words(scored(prediction, 9, 12, 17))
    assert three is not None
    assert "of the poses of persons 1, 2 and 3: of each 9 to 17 of 17 keypoints" in three
    assert three.endswith("so these skeletons may well be wrong.")


def test_beside_indices_people_are_counted_from_0(prediction: Prediction) -> None:
    one = unsure_words(scored(prediction, 0, 17, 0), first=0)
    assert one is not None and "of the pose of person 1 (counted from 0): 17 of 17" in one
    two = unsure_words(scored(prediction, 0, 17, 9), first=0)
    assert two is not None and "of the poses of persons 1 and 2 (counted from 0): of each" in two
    alone = unsure_words(scored(prediction, 17), first=0)
    assert alone is not None and alone == unsure_words(scored(prediction, 17))


def test_a_limit_that_was_measured_elsewhere_is_said_to_be(prediction: Prediction) -> None:
    unsure, model = scored(prediction, 17), prediction.model
    here = unsure_words(unsure)
    assert here is not None and "below 0.4, so" in here
    own = replace(model, entry=replace(model.entry, unsure=None))
    said = unsure_words(replace(unsure, model=own))
    assert said is not None and "below 0.4 (a limit measured on other models), so" in said
    file = replace(model, weights=WeightsFile("file", "mine.pth"))
    said = unsure_words(replace(unsure, model=file))
    assert said is not None and "below 0.4 (a limit measured on its shipped weights), so" in said


def test_every_shipped_model_of_poses_was_measured_and_no_other() -> None:
    names = [n for n in list_models() if entry(n).unsure is not None]
    assert {*names} == {
        *("transpose-r-small", "btranspose-small", "ssa-small"),
        *("instance-attention-small", "querypose-small"),
    }
    assert all(any(file.kind == "shipped" for file in entry(n).weights) for n in names)
    assert entry("querypose-small").least_sure == 0.86
    assert entry("transpose-h-a6").least_sure == UNSURE


def seen(prediction: Prediction, *counts: tuple[int, int]) -> Prediction:
    """A person for each pair: so many keypoints are sure, so many doubtful, others not drawn."""
    people = []
    for person, (sure, doubtful) in zip(prediction.people, counts, strict=False):
        scores = np.full(17, DRAWN - 0.01)
        scores[:sure], scores[sure : sure + doubtful] = UNSURE, DRAWN
        people.append(replace(person, scores=scores))
    return replace(prediction, people=tuple(people))


@pytest.mark.parametrize(
    ("sure", "doubtful", "words"),
    [
        (5, 0, "finds 5 of 17 keypoints: the others may be hidden, or not in the photo."),
        (5, 3, "finds 8 of 17 keypoints"),
        (4, 4, "is not sure of this pose: 13 of 17"),  # as many doubtful as sure
        (8, 1, "is not sure of this pose: 9 of 17"),  # more than half is drawn: no portrait
        (0, 0, "is not sure of this pose: 17 of 17"),
    ],
)
def test_a_portrait_is_not_called_wrong(
    prediction: Prediction, sure: int, doubtful: int, words: str
) -> None:
    said = unsure_words(seen(prediction, (sure, doubtful)))
    assert said is not None and said.startswith(f"{prediction.model.entry.title} {words}")


def test_portraits_beside_whole_bodies(prediction: Prediction) -> None:
    title = prediction.model.entry.title
    part = "the others may be hidden, or not in the photo."
    assert unsure_words(seen(prediction, (5, 0), (17, 0), (4, 1))) == (
        f"{title} finds 5 of 17 keypoints of persons 1 and 3: {part}"
    )
    both = unsure_words(seen(prediction, (17, 0), (0, 17), (3, 0)))
    assert both is not None and both.count(title) == 2
    assert "the pose of person 2: 17 of 17" in both
    assert both.endswith(f"{title} finds 3 of 17 keypoints of person 3: {part}")


def test_random_weights_are_not_judged() -> None:
    random = Estimator(tiny_model()).predict(noise_photo(180, 140))
    assert not random.model.trained and unsure_words(random) is None


def test_of_a_model_of_whole_photos_the_keypoints_count_that_it_found() -> None:
    finder = knowing(PEOPLE)
    trained = replace(finder.model, weights=replace(finder.model.weights, kind="shipped"))
    found = replace(finder.predict(noise_photo(*SIZE)), model=trained)
    first = found.people[0]
    there = int(first.found.sum())
    low, sure = (replace(first, scores=np.full(14, score)) for score in (0.3, 0.9))
    title = trained.entry.title
    assert unsure_words(replace(found, people=(low,))) == (
        f"{title} is not sure of this pose: {there} of {there} keypoints have a confidence below"
        f" {trained.entry.least_sure:g}, so the skeleton may well be wrong."
    )
    assert unsure_words(replace(found, people=(sure,))) is None
    stricter = replace(trained, entry=replace(trained.entry, unsure=0.95))
    said = unsure_words(replace(found, people=(sure,), model=stricter))
    assert said is not None and "below 0.95" in said


def test_boxes_in_which_a_model_found_nobody_are_named() -> None:
    finder = knowing(PEOPLE)
    trained = replace(finder.model, weights=replace(finder.model.weights, kind="shipped"))
    found = replace(finder.predict(noise_photo(*SIZE)), model=trained)
    sure = replace(found.people[0], scores=np.full(14, 0.9))
    nobody = replace(sure, keypoints=np.full((14, 2), np.nan), scores=np.zeros(14))
    title = trained.entry.title
    assert unsure_words(replace(found, people=(nobody,))) == f"{title} found nobody in the box."
    assert unsure_words(replace(found, people=(sure, nobody))) == (
        f"{title} found nobody in the box of person 2."
    )
    assert unsure_words(replace(found, people=(nobody, sure, nobody))) == (
        f"{title} found nobody in the boxes of persons 1 and 3."
    )


def test_the_api_counts_people_as_its_arguments_do(
    prediction: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = scored(prediction, 0, 17, 0)
    explorer = SimpleNamespace(shelf=None, predict=lambda *_: (unsure, ["before"]))
    monkeypatch.setattr("app.api_work.model_name", lambda name, _: name)
    work = Work(explorer, None, None)  # type: ignore[arg-type]
    _, notes, _ = work.predict(unsure.photo, "tiny", None, None)
    assert notes == ["before", unsure_words(unsure, first=0)]


def test_the_page_is_told(prediction: Prediction) -> None:
    unsure = scored(prediction, 17)
    assert payload.view(unsure, view_id="v", whole=True)["unsure"] == unsure_words(unsure)
    assert payload.view(scored(prediction, 0), view_id="v", whole=False)["unsure"] is None
