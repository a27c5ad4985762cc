"""Files without the photo: they stay the same whatever the photo shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import posekit
from app.explore import Explorer
from app.occlusion_files import plotted, written
from posekit.compare import Comparison, compare, draw_comparison, draw_panel
from posekit.compare import html_page as compare_page
from posekit.draw import draw_explanation
from posekit.draw.pixels import figure_pixels
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, HeatMap, explain
from posekit.geometry import Box
from posekit.occlusion import Rectangle, Study, study, sweep_grid
from posekit.photo import Photo
from tests.tiny_models import noise_photo, tiny_btranspose, tiny_model

PHOTO = noise_photo(150, 120)
OTHER = Photo(np.full_like(PHOTO.pixels, 255))
"""What a file must not tell from the photo."""
CASE = "in full view"
WRIST, BOXES = "left wrist", [Box(30, 30, 70, 100)]


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(PHOTO, BOXES)


@pytest.fixture(scope="module")
def comparison(prediction: Prediction) -> Comparison:
    return compare([prediction, Estimator(tiny_btranspose()).predict(PHOTO, BOXES)], WRIST)


@pytest.fixture(scope="module")
def studied(prediction: Prediction) -> Study:
    return study(
        prediction.model, PHOTO, Rectangle(Box(50, 60, 20, 30), "grey"), keypoint=WRIST,
        boxes=BOXES, before=prediction,
    )  # fmt: skip


def told_apart(made: Callable[[bool, bool], bytes | np.ndarray | str]) -> None:
    """``made(photo, other)``: the same for both photos where the photo is left out, else not."""
    assert np.array_equal(made(False, False), made(False, True))
    assert not np.array_equal(made(True, False), made(True, True))


def of(prediction: Prediction, other: bool) -> Prediction:
    return replace(prediction, photo=OTHER) if other else prediction


def test_the_picture_of_an_explanation(prediction: Prediction) -> None:
    found = explain(prediction, WRIST)
    assert isinstance(found, Explanation)

    def made(photo: bool, other: bool) -> np.ndarray:
        shown = replace(found, prediction=of(prediction, other))
        return figure_pixels(draw_explanation(shown, photo=photo))

    told_apart(made)


def test_the_picture_of_a_method(prediction: Prediction) -> None:
    found = explain(prediction, WRIST, method="rollout")
    assert isinstance(found, HeatMap)
    told_apart(
        lambda photo, other: figure_pixels(
            draw_explanation(found, prediction=of(prediction, other), photo=photo)
        )
    )


def test_a_comparison(comparison: Comparison) -> None:
    def shown(other: bool) -> Comparison:
        panels = tuple(
            replace(one, prediction=of(one.prediction, other)) for one in comparison.panels
        )
        return replace(comparison, panels=panels)

    told_apart(
        lambda photo, other: figure_pixels(draw_comparison(shown(other), photo=photo)),
    )
    told_apart(lambda photo, other: figure_pixels(draw_panel(shown(other), 1, photo=photo)))
    told_apart(lambda photo, other: compare_page(shown(other), photo=photo))


def test_a_study(studied: Study) -> None:
    def shown(other: bool) -> Study:
        if not other:
            return studied
        before, after = (
            replace(side, prediction=replace(side.prediction, photo=OTHER))
            for side in (studied.before, studied.after)
        )
        return replace(studied, photo=OTHER, occluded=OTHER, before=before, after=after)

    for kind in ("html", "svg", "png"):
        told_apart(
            lambda photo, other, kind=kind: written(shown(other), kind, photo=photo)  # type: ignore[misc]
        )


def test_what_is_in_front_is_seen_without_the_photo(studied: Study) -> None:
    from posekit.occlusion.picture import StudyPictures

    drawn = StudyPictures(studied, width=PHOTO.width, photo=False)
    before, after = drawn.base("before"), drawn.base("after")
    np.testing.assert_array_equal((before != after).any(axis=-1), studied.cover)
    assert len(np.unique(before)) == 1


def test_a_sweep(prediction: Prediction) -> None:
    found = sweep_grid(
        Estimator(prediction.model), PHOTO, Rectangle(Box(0, 0, 20, 20), "grey"), shape=(2, 2),
        keypoint=WRIST, boxes=BOXES, before=prediction,
    )  # fmt: skip
    assert b"data:image\\u002fjpeg;base64," in plotted(found)
    assert b"data:image\\u002fjpeg;base64," not in plotted(found, photo=False)


def test_pages_and_terminal_leave_it_out(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from posekit.cli import app

    bright = np.zeros((120, 90, 3), np.uint8)
    bright[..., 1] = 255  # a green that nothing else has
    Image.fromarray(bright).save(tmp_path / "green.png")
    photo = str(tmp_path / "green.png")

    def greens(data: bytes) -> int:
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        return int(((pixels[..., 1] - pixels[..., 0] > 60) & (pixels[..., 2] < 60)).sum())

    ask = ["-k", WRIST, "--out"]
    for command in (
        ["explain", photo],
        ["compare", photo, "-m", "transpose-r-small,transpose-r-small=random"],
        ["occlude", photo, "--rectangle", "20,20,40,40"],
    ):
        for flag, wanted in (("--photo", True), ("--no-photo", False)):
            out = tmp_path / "out.png"
            done = CliRunner().invoke(app, [*command, *ask, str(out), flag])
            assert done.exit_code == 0, done.output
            assert (greens(out.read_bytes()) > 500) is wanted


def test_the_pages_pass_it_on() -> None:
    explorer = Explorer(device="cpu", model="transpose-r-small")
    token = explorer.start({})["token"]
    opening = {"token": token, "case": CASE, "model": "transpose-r-small"}
    case = explorer.hider.occlusion_open(opening)
    about = {
        "token": token, "view": case["id"], "case": CASE, "whole": False, "number": 1,
        "person": case["person"], "keypoint": case["keypoint"], "occluder": case["occluder"],
    }  # fmt: skip
    texts = {
        photo: base64.b64decode(
            explorer.hider.occlusion_download({**about, "format": "svg", "photo": photo})["bytes"]
        )
        for photo in (True, False)
    }
    assert b"<image" in texts[True] and b"<image" not in texts[False]
    assert posekit.__version__.encode() in texts[False]
