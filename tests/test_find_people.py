"""The page lets a model find the people for one that is given boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app import explore
from app.calls import spoken
from app.explore import Explorer
from posekit.estimator import Estimator
from posekit.geometry import Box
from posekit.top_down import finders

MODEL = "transpose-r-small"


@pytest.fixture(scope="module")
def explorer() -> Iterator[Explorer]:
    yield Explorer(device="cpu", model=MODEL)


def opened(explorer: Explorer) -> dict[str, Any]:
    """An example in which several people stand, seen by the model of crops."""
    token = explorer.start({})["token"]
    example = {"token": token, "example": explorer.examples[4].id, "model": MODEL, "boxes": []}
    return {"token": token, "view": explorer.analyse_example(example)["id"], "model": MODEL}


def test_the_boxes_are_those_of_the_best_finder(explorer: Explorer) -> None:
    asked = opened(explorer)
    photo = explorer.sessions.get(asked["token"], asked["view"]).photo
    name = finders()[0]
    people = Estimator(explorer.shelf.get(name)).predict(photo, record=False).people
    assert people, "the shipped finder finds somebody on this example"
    reply = explorer.again({**asked, "find": True})
    assert len(reply["people"]) == len(people) and not reply["whole"]
    for sent, person in zip(reply["people"], people, strict=True):
        np.testing.assert_allclose(sent["edges"], person.box.clipped(photo.size).edges, atol=0.01)
    assert reply["finder"] == name and reply["model"] == MODEL


def test_a_visitor_chooses_who_finds_the_people(explorer: Explorer) -> None:
    asked = opened(explorer)
    photo = explorer.sessions.get(asked["token"], asked["view"]).photo
    name = finders()[-1]
    people = Estimator(explorer.shelf.get(name)).predict(photo, record=False).people
    reply = explorer.again({**asked, "find": name})
    assert reply["finder"] == name and len(reply["people"]) == len(people) > 0
    np.testing.assert_allclose(
        reply["people"][0]["edges"], people[0].box.clipped(photo.size).edges, atol=0.01
    )
    told = spoken(explorer.again)({**asked, "find": MODEL})  # a model of crops finds nobody
    assert told["error"].startswith("Please choose who finds the people among querypose-small")


def test_the_next_finder_looks_where_the_best_finds_nobody(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = opened(explorer)
    held, looked = explorer.predict, []

    def blind(photo: Any, model: str, boxes: list[Box] | None) -> Any:
        prediction, notes = held(photo, model, boxes)
        looked.append(model)
        if model == finders()[0]:
            prediction = replace(prediction, people=())
        return prediction, notes

    monkeypatch.setattr(explorer, "predict", blind)
    reply = explorer.again({**asked, "find": True})
    assert reply["finder"] == finders()[1] and looked == [*finders()[:2], MODEL]


def test_nobody_and_no_finder_are_said_in_a_sentence(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = opened(explorer)
    photo = explorer.sessions.get(asked["token"], asked["view"]).photo
    held = explorer.predict

    def nobody(photo: Any, model: str, boxes: list[Box] | None) -> Any:
        prediction, notes = held(photo, model, boxes)
        if prediction.model.entry.find is not None:
            prediction = replace(prediction, people=())
        return prediction, notes

    monkeypatch.setattr(explorer, "predict", nobody)
    told = spoken(explorer.again)({**asked, "find": True})
    assert "found nobody in this photo" in told["error"]
    monkeypatch.setattr(explore, "finders", lambda: [])
    told = spoken(explorer.again)({**asked, "find": True})
    assert "draw a box" in told["error"]
    assert explorer.sessions.get(asked["token"], asked["view"]).photo is photo  # nothing is lost


def test_a_model_that_the_page_does_not_offer_is_refused(explorer: Explorer) -> None:
    asked = opened(explorer)
    told = spoken(explorer.again)({**asked, "model": "querypose-r50"})
    assert told["error"].startswith("'querypose-r50' is not among the models of this page: ")
    assert MODEL in told["error"]
