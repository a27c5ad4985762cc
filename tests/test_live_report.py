"""The live report: what the file holds, what it hides, and what is refused."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import posekit
from posekit.cli import app as cli
from posekit.errors import PoseKitError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain
from posekit.explain.live import keypoint_previews
from posekit.geometry import Box
from posekit.opening import opening
from posekit.photo import read_photo
from posekit.report import live as report_of
from posekit.report import live_report
from posekit.trace import Trace
from tests.tiny_models import noise_photo, tiny_model

SECRET = "my-holiday-with-anna.jpg"
PASSING = Path(__file__).parent.parent / "assets" / "examples" / "passing.jpg"


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    boxes = [Box(10, 30, 60, 120), Box(70, 20, 60, 140)]
    return Estimator(tiny_model()).predict(noise_photo(180, 140, name=SECRET), boxes)


@pytest.fixture(scope="module")
def by_keypoint() -> Prediction:
    """Of a model without attention between places."""
    return Estimator(posekit.load("querypose-small")).predict(read_photo(PASSING))


def held(html: str) -> dict[str, Any]:
    """What the script of a file reads."""
    found = re.search(r'<script type="application/json" data-slot="data">(.*?)</script>', html)
    assert found is not None
    values: dict[str, Any] = json.loads(found[1])
    return values


def cells(one: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    packed = zlib.decompress(base64.b64decode(one["cells"]))
    return np.frombuffer(packed, dtype=np.uint8).reshape(shape)


def scale(one: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(one["scale"]), dtype="<f4")


def test_every_place_of_every_layer_is_answered_as_explain_answers_it(
    prediction: Prediction,
) -> None:
    data = held(posekit.live(prediction).html)
    assert [one["title"] for one in data["layers"]] == [f"encoder layer {n}" for n in (1, 2, 3)]
    for person in range(2):
        exact = explain(prediction, "left wrist", person=person)
        layers = data["previews"][str(data["item"][str(person)])]
        assert len(layers) == len(exact.maps) == len(data["layers"])
        for sent, one in zip(layers, exact.maps, strict=True):
            rows, cols = sent["query"]["rows"], sent["query"]["cols"]
            bytes_of_rows = cells(sent, (rows * cols, one.weights.size))
            top = scale(sent)[one.query_token]
            rebuilt = bytes_of_rows[one.query_token] / 255 * top
            assert top == pytest.approx(one.weights.max(), rel=1e-5)
            np.testing.assert_allclose(rebuilt, one.weights.ravel(), atol=0.51 / 255 * top)
            np.testing.assert_allclose(sent["key"]["toPhoto"], one.grid_to_photo.matrix.ravel())


def test_maps_about_keypoints_are_held_by_keypoint(by_keypoint: Prediction) -> None:
    data = held(posekit.live(by_keypoint).html)
    assert data["attention"] is False
    assert "<h1>What QueryPose-small says of each keypoint</h1>" in posekit.live(by_keypoint).html
    person = data["first"]
    found = np.flatnonzero(by_keypoint.people[person].found)
    exact = explain(by_keypoint, int(found[0]), person=person).maps
    for sent, one in zip(data["previews"][str(person)], exact, strict=True):
        shape = (by_keypoint.skeleton.size, one.weights.size)
        rebuilt = cells(sent, shape)[found[0]] / 255 * scale(sent)[found[0]]
        np.testing.assert_allclose(rebuilt, one.weights.ravel(), atol=0.51 / 255 * rebuilt.max())
        assert "query" not in sent


def test_a_keypoint_that_was_not_found_has_an_empty_map(prediction: Prediction) -> None:
    ssa = Estimator(posekit.load("ssa-small")).predict(read_photo(PASSING))
    missing = [(n, one) for n, one in enumerate(ssa.people) if not one.found.all()]
    assert missing, "somebody on this photo is found in part"
    number, person = missing[0]
    for one in keypoint_previews(ssa, number):
        assert not one.cells[~person.found].any() and not one.scale[~person.found].any()
        assert one.cells.shape == (14, one.key_size[0] * one.key_size[1])
    del prediction


def test_the_file_opens_with_the_keypoint_that_tells_most(prediction: Prediction) -> None:
    data = held(posekit.live(prediction).html)
    for sent, person in zip(data["people"], prediction.people, strict=True):
        assert sent["opening"] == opening(person, prediction.skeleton)
        assert sent["held"] is True
        np.testing.assert_allclose(sent["keypoints"], person.keypoints, atol=0.006)


def test_it_asks_for_nothing_and_does_not_know_whose_photo_it_was(prediction: Prediction) -> None:
    html = posekit.live(prediction).html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert "default-src 'none'" in policy[1] and "img-src data:" in policy[1]
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert SECRET not in html and "anna" not in html
    # An untrained network is called one, above everything and in every legend.
    assert "random weights" in html.split("<main>")[0]
    assert held(html)["model"].endswith("(untrained)")


def test_without_the_photo_there_is_grey(prediction: Prediction) -> None:
    from tests.test_report import pictures

    without = posekit.live(prediction, photo=False)
    assert "the photo itself is left out" in without.html
    (grey,) = pictures(without.html, "photo")
    assert np.ptp(grey) <= 2
    (shown,) = pictures(posekit.live(prediction).html, "photo")
    assert np.ptp(shown) > 100


def test_a_large_photo_is_made_smaller_and_keeps_its_coordinates() -> None:
    from tests.test_report import pictures

    model = tiny_model()
    large = Estimator(model).predict(noise_photo(1000, 3000), [Box(100, 100, 800, 800)])
    html = posekit.live(large).html
    (shown,) = pictures(html, "photo")
    assert shown.shape[:2] == (427, 1280)
    assert held(html)["photo"] == {"width": 3000, "height": 1000}


def test_names_cannot_end_the_script(prediction: Prediction) -> None:
    from dataclasses import replace

    skeleton = prediction.skeleton
    names = ("</script><script>alert(1)</script>", *skeleton.keypoints[1:])
    entry = replace(prediction.model.entry, skeleton=replace(skeleton, keypoints=names))
    odd = replace(prediction, model=replace(prediction.model, entry=entry))
    html = posekit.live(odd).html
    assert "<script>alert" not in html
    assert held(html)["keypoints"][0] == names[0]


def test_only_some_people(prediction: Prediction) -> None:
    data = held(posekit.live(prediction, people=[1]).html)
    assert [one["held"] for one in data["people"]] == [False, True]
    assert data["first"] == 1 and list(data["item"]) == ["1"] and len(data["previews"]) == 1


def test_people_of_one_photo_share_what_was_recorded() -> None:
    model = posekit.load("instance-attention-small")
    together = Estimator(model).predict(read_photo(PASSING))
    assert len(together.people) > 1
    data = held(posekit.live(together).html)
    assert set(data["item"].values()) == {0} and list(data["previews"]) == ["0"]


def test_what_is_refused(prediction: Prediction, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    with pytest.raises(TraceError, match="record=True"):
        posekit.live(replace(prediction, trace=None))
    with pytest.raises(TraceError, match="neither attention"):
        posekit.live(replace(prediction, trace=Trace({})))
    with pytest.raises(TraceError, match="found nobody"):
        posekit.live(replace(prediction, people=()))
    with pytest.raises(TraceError, match="no person 2"):
        posekit.live(prediction, people=[2])
    with pytest.raises(PoseKitError, match="no colour map 'pink'"):
        posekit.live(prediction, colour_map="pink")
    one = posekit.live(prediction, people=[0]).nbytes
    assert posekit.live(prediction).nbytes == 2 * one
    monkeypatch.setattr(live_report, "MOST_BYTES", 2 * one - 1)
    with pytest.raises(TraceError, match="name fewer people"):
        posekit.live(prediction)
    assert report_of(prediction, people=[0]).people == (0,)


def test_a_notebook_gets_the_page_in_a_frame_of_its_own(prediction: Prediction) -> None:
    report = posekit.live(prediction)
    shown = report._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts"')
    source = re.search(r'srcdoc="([^"]*)"', shown)
    assert source is not None and unescape(source[1]) == report.html


def test_the_command_writes_it(tmp_path: Path) -> None:
    out = tmp_path / "live.html"
    run = CliRunner().invoke(cli, ["live", str(PASSING), "--out", str(out), "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told["people"] == [0] and told["trained"] and told["bytes"] == out.stat().st_size
    assert held(out.read_text("utf-8"))["people"][0]["held"]
    refused = CliRunner().invoke(cli, ["live", str(PASSING), "--out", str(tmp_path / "live.png")])
    assert refused.exit_code == 2 and ".html" in refused.output
