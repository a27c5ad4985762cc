"""``people_by``: a model of whole photos finds the people first, as ``--people-by`` does."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from typer.testing import CliRunner

from app.api import Api
from posekit.cli import app
from posekit.geometry import Box
from posekit.photo import read_photo
from posekit.top_down import boxes_by, finders
from posekit.zoo import entry, load
from tests.api.calls import CALLS, MODEL, Json, ask

RECTANGLE = {"kind": "rectangle", "box": [250, 180, 80, 90]}
LOOKS: list[tuple[str, Json]] = [
    ("predict", {"model": MODEL}),
    ("explain", {"model": MODEL, "keypoint": "neck", "person": 1}),
    ("compare", {"models": [MODEL, "btranspose-small"], "keypoint": "neck", "person": 1}),
    ("occlude", {"model": MODEL, "keypoint": "neck", "person": 1, "occluder": RECTANGLE}),
    ("dependencies", {"model": MODEL, "person": 1}),
    ("heads", {"model": MODEL, "person": 1, "layer": "encoder.3"}),
]
"""Every call that looks at people, with what it needs."""


@pytest.fixture(scope="module")
def found(person: Path) -> list[Box]:
    """Where the best finder here sees people, the surest first."""
    return boxes_by(load(finders()[0], device="cpu"), read_photo(person))


@pytest.fixture(scope="module")
def call(client: Client, person: Path) -> Callable[..., Json]:
    """A call about the photo; of two answers the first."""

    def ask_about(name: str, **more: Any) -> Json:
        answer = client.predict(photo=handle_file(person), api_name=f"/{name}", **more)
        return dict(answer[0] if isinstance(answer, tuple) else answer)

    return ask_about


def untimed(answer: Any) -> Any:
    """An answer without what was timed, and without who found the people."""
    if isinstance(answer, list):
        return [untimed(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    away = ("seconds", "predict_ms", "explain_ms", "people_by", "score", "notes")
    return {name: untimed(one) for name, one in answer.items() if name not in away}


def test_it_is_the_last_argument_of_every_call_that_looks_at_people() -> None:
    """Callers who send their arguments as a list are not disturbed."""
    for name in CALLS - {"/models"}:
        *_, last = signature(getattr(Api, name[1:])).parameters.values()
        assert (last.name, last.default) == ("people_by", None)
    assert {name for name, _ in LOOKS} == {name[1:] for name in CALLS - {"/models"}}


@pytest.mark.parametrize(("name", "more"), LOOKS, ids=[name for name, _ in LOOKS])
def test_the_answer_is_that_of_the_boxes_found_and_says_who_found_them(
    call: Callable[..., Json], found: list[Box], name: str, more: Json, empty: None
) -> None:
    assert len(found) > 1
    boxes = [[one.x, one.y, one.width, one.height] for one in found]
    given = call(name, **more, boxes=boxes)
    best = call(name, **more, people_by="best")
    assert given["people_by"] is None and best["people_by"] == finders()[0]
    assert untimed(best) == untimed(given)


def test_predict_answers_what_posekit_predict_prints(
    call: Callable[..., Json], person: Path
) -> None:
    name = finders()[-1]
    answer = call("predict", model=MODEL, people_by=name)
    words = ["predict", str(person), "--people-by", name, "--device", "cpu", "--json"]
    printed = json.loads(CliRunner().invoke(app, words).stdout)
    assert answer["people_by"] == name and len(answer["people"]) == len(printed["people"]) > 0
    for one, other in zip(answer["people"], printed["people"], strict=True):
        assert one["box"] == pytest.approx(other["box"], abs=1e-3)
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        assert list(one["keypoints"]) == [k["name"] for k in other["keypoints"]]
    assert {"find", "total"} <= set(answer["seconds"])


@pytest.fixture(scope="module")
def nobody() -> str:
    """A photo of noise, as a data: URL."""
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file := io.BytesIO(), "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def test_where_nobody_is_found_that_is_said(address: str, nobody: str) -> None:
    said = f"{entry(finders()[0]).title} found nobody in this photo"
    for name, more in LOOKS:
        state, data = ask(address, name, {"photo": nobody, "people_by": "best", **more})
        if name == "predict":
            assert (state, data[0]["people"]) == ("complete", [])
            assert f"{said}." in data[0]["notes"]
        else:
            assert state == "error" and data["error"].startswith(f"{said}: ")


@pytest.mark.parametrize(("name", "more"), LOOKS, ids=[name for name, _ in LOOKS])
def test_boxes_and_a_finder_are_refused_together(
    call: Callable[..., Json], name: str, more: Json, empty: None
) -> None:
    with pytest.raises(AppError, match="boxes or people_by, not both"):
        call(name, **more, boxes=[[10, 10, 90, 90]], people_by="best")


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (MODEL, f"'{MODEL}' finds nobody: people_by is best, or one of "),
        ("nobody", "'nobody' finds nobody: people_by is best, or one of "),
        ("", "'' finds nobody"),
        (7, "people_by is a name, not 7"),
    ],
)
def test_who_finds_nobody_is_refused(address: str, nobody: str, by: Any, said: str) -> None:
    for name, more in LOOKS:
        state, data = ask(address, name, {"photo": nobody, "people_by": by, **more})
        assert state == "error" and data["error"].startswith(said), (name, data)


@pytest.mark.parametrize("name", ["predict", "explain", "dependencies", "heads"])
def test_a_model_that_finds_people_itself_needs_no_other(
    call: Callable[..., Json], name: str
) -> None:
    more = dict(LOOKS)[name] | {"model": finders()[0]}
    with pytest.raises(AppError, match="finds people by itself and needs no other model"):
        call(name, **more, people_by="best")


def test_without_a_model_that_finds_people_it_is_refused(
    call: Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.explore.finders", lambda: [])
    with pytest.raises(AppError, match="No model here has learnt to find people"):
        call("predict", model=MODEL, people_by="best")
