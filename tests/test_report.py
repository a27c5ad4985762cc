"""Reports and plain values: what they say, what they hide, and that they can be had again."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit.cards import comparable, figure_values, model_card, whom_words
from posekit.catalogue import catalogue, figure_words, state_of
from posekit.cli import app as cli
from posekit.download import checksum_file, sha256_of
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, explain, head_grid, numbers, snap
from posekit.geometry import Box
from posekit.percents import percent
from posekit.photo import read_photo
from posekit.report import (
    Findings,
    command_line,
    html_report,
    plain_values,
    python_call,
    save_json,
)
from posekit.skeleton import COCO17
from posekit.weights import RANDOM, WeightsFile
from tests.tiny_models import noise_photo, tiny_model

SECRET = "my-holiday-with-anna.jpg"
SMALL = "transpose-r-small"


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    boxes = [Box(10, 30, 60, 120), Box(70, 20, 60, 140)]
    return Estimator(tiny_model()).predict(noise_photo(180, 140, name=SECRET), boxes)


@pytest.fixture(scope="module")
def explanation(prediction: Prediction) -> Explanation:
    return explain(prediction, "left wrist", person=1, direction="column")


# --- plain values -------------------------------------------------------------------------------


def test_values_of_every_layer_and_head_are_those_of_the_maps(
    prediction: Prediction, explanation: Explanation
) -> None:
    found = json.loads(json.dumps(plain_values(Findings(explanation), maps=True), allow_nan=False))
    for layer, one, cells in zip(found["layers"], explanation.maps, found["maps"], strict=True):
        measured = numbers(one, prediction)
        assert layer["layer"] == one.layer
        assert layer["mass_in_box"] == measured.mass_in_box
        assert layer["entropy_nats"] == measured.entropy_nats
        np.testing.assert_array_equal(np.float32(cells["values"]), one.weights)
        heads = head_grid(prediction, explanation.query, one.layer, direction="column")
        assert [head["head"] for head in layer["heads"]] == [0, 1, 2, 3]
        for said, head in zip(layer["heads"], heads, strict=True):
            assert said["peak_distance_px"] == numbers(head, prediction).peak_distance_px
            assert said["total"] == head.total
        # The mean of the heads' sums is the sum of their mean.
        assert np.mean([head["total"] for head in layer["heads"]]) == pytest.approx(one.total)
    assert found["asked"] == {
        "person": 1,
        "keypoint": COCO17.index("left wrist"),
        "point": list(explanation.query.point),
        "label": "left wrist",
        "method": "attention",
    }
    wrist = found["pose"][1]["keypoints"][COCO17.index("left wrist")]
    assert [wrist["x"], wrist["y"]] == list(explanation.query.point)
    assert [person["box"] for person in found["pose"]] == [[10, 30, 60, 120], [70, 20, 60, 140]]
    assert SECRET not in json.dumps(found)


def test_a_keypoint_that_was_not_found_has_no_coordinates(
    prediction: Prediction, explanation: Explanation
) -> None:
    points = prediction.people[0].keypoints.copy()
    points[3] = np.nan
    people = (replace(prediction.people[0], keypoints=points), prediction.people[1])
    lost = replace(explanation, prediction=replace(prediction, people=people))
    buffer = io.BytesIO()
    save_json(Findings(lost), buffer)
    ear = json.loads(buffer.getvalue())["pose"][0]["keypoints"][3]
    assert ear["x"] is None and ear["y"] is None and ear["name"] == COCO17.keypoints[3]


# --- the report ---------------------------------------------------------------------------------


def pictures(page: str, kind: str) -> list[np.ndarray]:
    found = re.findall(rf'<img class="{kind}"[^>]*base64,([A-Za-z0-9+/=]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_the_report_needs_nothing_else_and_shows_everything(
    prediction: Prediction, explanation: Explanation
) -> None:
    page = html_report(Findings(explanation))
    assert "default-src 'none'" in page and SECRET not in page
    assert not re.search(r'(?:src|href)="(?!data:image/jpeg;base64,)', page)
    assert not re.search(r"url\(|@import|<script", page)
    assert len(pictures(page, "map")) == 2 + 3  # pose, the layer shown large, every layer
    assert len(pictures(page, "head")) == 3 * 4
    assert "Tiny-TransPose has random weights" in page
    text = unescape(re.sub(r"<[^>]+>", " ", page))
    for one in explanation.maps:
        for head in (one, *head_grid(prediction, explanation.query, one.layer, direction="column")):
            assert percent(numbers(head, prediction).mass_in_box) in text
    for name, score in zip(COCO17.keypoints, prediction.people[1].scores, strict=True):
        assert re.search(rf"{name}\s+[\d.]+\s+[\d.]+\s+{score:.2f}", text), name
    assert "$" not in re.sub(r"base64,[^\"]*", "", page)  # no placeholder is left


def test_the_report_shows_the_layer_that_was_asked_for(explanation: Explanation) -> None:
    first, last, named = (
        pictures(html_report(Findings(explanation), layer=layer), "map")[1]
        for layer in (0, None, "encoder.1")
    )
    np.testing.assert_array_equal(first, named)
    assert np.abs(first.astype(int) - last).mean() > 1


def test_without_a_box_no_number_claims_to_be_about_a_person(explanation: Explanation) -> None:
    boxed = unescape(html_report(Findings(explanation)))
    assert " % in this person's box" in boxed.replace("%", " %") and "inside the photo" not in boxed
    bare = Estimator(tiny_model()).predict(noise_photo(180, 140))
    text = unescape(html_report(Findings(explain(bare, "left wrist"))))
    assert "inside the photo" in text and "this person's box" not in text


def test_the_photo_can_be_left_out(explanation: Explanation) -> None:
    other = replace(explanation.prediction, photo=noise_photo(180, 140, seed=4))
    moved = replace(explanation, prediction=other)
    for kind in ("map", "head"):
        for photo in (False, True):
            one, two = (
                pictures(html_report(Findings(found), photo=photo), kind)
                for found in (explanation, moved)
            )
            same = [np.array_equal(a, b) for a, b in zip(one, two, strict=True)]
            assert all(same) if not photo else not any(same), (kind, photo)


def test_every_text_of_the_report_is_escaped(prediction: Prediction) -> None:
    bad = "</title><script>alert(1)</script>\"'&"
    entry = replace(
        prediction.model.entry,
        title=bad,
        skeleton=replace(COCO17, keypoints=(bad, *COCO17.keypoints[1:])),
        levels={"encoder": bad},
        paper_figures={bad: {bad: 1.0}},
    )
    named = replace(prediction, model=replace(prediction.model, entry=entry))
    page = html_report(Findings(explain(named, 0)))
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page


def test_a_methods_map_has_a_report_of_its_own(prediction: Prediction) -> None:
    query = snap(prediction, (100.0, 60.0), 1)
    heat = explain(prediction, query, method="integrated-gradients", steps=2)
    found = Findings(heat, prediction, query)
    page = html_report(found)
    assert len(pictures(page, "map")) == 2 and not pictures(page, "head")
    assert "Integrated gradients" in page and "steps 2" in page
    assert plain_values(found)["numbers"]["mass_in_box"] > 0


# --- the same again -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lossless photo, so that what is read again is what was explained."""
    path = tmp_path_factory.mktemp("again") / "photo.png"
    Image.fromarray(noise_photo(200, 150, seed=3).pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("left wrist", {"direction": "column", "head": 2}),
        ((70.0, 90.0), {"layers": ["encoder.2"]}),
        ("neck", {"method": "rollout", "residual": 0.25}),
    ],
)
def test_code_and_command_give_the_same_answer(
    question: Any,
    options: dict[str, Any],
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = posekit.load(SMALL, device="cpu")
    boxes = [Box(20, 15, 100, 180), Box(60, 30, 80, 150)]
    prediction = Estimator(model).predict(read_photo(photo), boxes)
    query = posekit.explain.query.resolve(prediction, question, 1)
    shown = posekit.explain(prediction, query, **options)
    by = options.get("method", "attention")
    found = Findings(shown, prediction, query, by=by, options=options)
    monkeypatch.chdir(photo.parent)
    scope: dict[str, Any] = {}
    exec(python_call(found).replace("photo.jpg", "photo.png"), scope)
    assert shapes(scope["answer"]) == shapes(shown)
    for again, one in zip(values(scope["answer"]), values(shown), strict=True):
        np.testing.assert_allclose(again, one, rtol=1e-4, atol=1e-7)
    out = tmp_path / "again.json"
    words = shlex.split(command_line(found, str(out)).replace("photo.jpg", "photo.png"))
    done = CliRunner().invoke(cli, [*words[1:], "--device", "cpu"])
    assert done.exit_code == 0, done.output
    again = json.loads(out.read_text("utf-8"))
    assert again["asked"]["person"] == 1
    for cells, one in zip(again["maps"], values(shown), strict=True):
        np.testing.assert_allclose(cells["values"], one, rtol=1e-4, atol=1e-7)


def values(answer: Any) -> list[np.ndarray]:
    return [one.weights for one in answer.maps] if hasattr(answer, "maps") else [answer.values]


def shapes(answer: Any) -> list[tuple[int, ...]]:
    return [one.shape for one in values(answer)]


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_the_command_writes_it_with_and_without_the_photo(
    kind: str, photo: Path, tmp_path: Path
) -> None:
    sizes = []
    for flag in ("--photo", "--no-photo"):
        out = tmp_path / f"out{flag}.{kind}"
        words = ["explain", str(photo), "-k", "neck", "--device", "cpu", "--out", str(out), flag]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, done.output
        sizes.append(out.stat().st_size)
        assert "photo.png" not in out.read_text("utf-8")
    assert sizes[1] < sizes[0]


# --- all models ---------------------------------------------------------------------------------


def test_the_catalogue_holds_every_model_once_with_its_state() -> None:
    groups = catalogue()
    cards = [card for group in groups for card in group["models"]]
    names = {*posekit.list_models(), *posekit.list_models(view="backbone")}
    assert {card["name"] for card in cards} == names and len(cards) == len(names)
    assert len({group["system"] for group in groups}) == len(groups)
    for group in groups:
        trained = [card["trained"] for card in group["models"]]
        assert trained == sorted(trained, reverse=True)
        for card in group["models"]:
            assert card["system"] == group["system"] and card["paper"] in group["papers"]
            for figures in (*card["paper_figures"].values(), *card["measured"].values()):
                for name in figures:
                    assert figure_words(name), f"nobody says what {name!r} of a card measures"
    small = next(card for card in cards if card["name"] == SMALL)
    assert small["state"]["kind"] == "trained" and small["parameters"] == 1_214_510


def test_states_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    entry = tiny_model().entry
    assert state_of(entry, RANDOM)["kind"] == "random"
    assert state_of(entry, WeightsFile("shipped"))["kind"] == "trained"
    official = WeightsFile("official", path="x.pth", url="https://example.org", trained_on="COCO")
    downloadable = replace(entry, weights=(official,))
    state = state_of(downloadable, RANDOM)
    assert state["kind"] == "download" and state["would_have_seen"] == "COCO"
    assert state["command"] == "posekit weights download tiny"
    # Whoever put it there: only a download leaves a checksum.
    (tmp_path / "x.pth").write_bytes(b"anything")
    unchecked = {"kind": "unchecked", "words": "A file of the authors' name, not checked."}
    assert state_of(downloadable, official).items() >= unchecked.items()
    card = model_card(downloadable, official)
    assert card["status"] == "Weights: a file of the authors' name, not checked."
    assert card["trained_on"] == "COCO, if it is the authors' file"
    checksum_file(tmp_path / "x.pth").write_text(f"{sha256_of(tmp_path / 'x.pth')}  x.pth\n")
    assert state_of(downloadable, official)["kind"] == "authors"
    assert model_card(downloadable, official)["trained_on"] == "COCO"
    assert figure_words("no such figure") == ""


def test_whom_a_figure_is_of() -> None:
    left = {"PCK@0.2": {"people": 353, "keypoints": 4600, "left out": 147}}
    found = {"person recall": {"people": 500, "PCK": {"people": 353}}}
    card = {"measured_details": {"a": left, "b": found, "c": {"ms": {"passes": 10}}}}
    assert whom_words(card, "a") == (
        "353 people, 4,600 keypoints; 147 people left out, whose torso or head is not labelled"
    )
    assert whom_words(card, "b") == "500 people; PCK of 353, whose torso is labelled"
    assert whom_words(card, "c") == whom_words(card, "d") == whom_words({}, "a") == ""


def test_a_figure_is_read_with_its_interval() -> None:
    figures = {"PCK@0.2": 66.74, "AR": 9.4}
    assert figure_values(figures) == {"PCK@0.2": "66.74", "AR": "9.4"}
    assert figure_values(figures, {"PCK@0.2": [63.96, 69.31]}) == {
        "PCK@0.2": "66.74 (64.0 to 69.3)",
        "AR": "9.4",
    }


def test_the_first_figure_is_the_one_to_set_side_by_side() -> None:
    """What a pass costs is none, and neither is how many people were found."""
    measured = {
        "cost of one photo": {"milliseconds a photo": 158.6},
        "kept out": {"person recall": 88.6, "PCK@0.2": 28.8},
        "elsewhere": {"OKS AP": 1.0},
    }
    found = comparable(measured)
    assert list(found) == ["kept out", "elsewhere", "cost of one photo"]
    assert list(found["kept out"]) == ["PCK@0.2", "person recall"]
    first = {
        one["name"]: next(iter(next(iter(one["measured"].values()))))
        for group in catalogue()
        for one in group["models"]
        if one["state"]["kind"] == "trained" and one["view"] != "backbone"
    }
    assert len(first) == 5 and set(first.values()) == {"PCK@0.2"}
