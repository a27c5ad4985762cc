"""What a study says and draws: the right word for the map, one scale, and files read alone."""

from __future__ import annotations

import io
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import posekit
from app import occlusion_payload as told
from posekit.cli import app as cli
from posekit.geometry import Box
from posekit.occlusion import (
    Cutout,
    Rectangle,
    Study,
    StudyPictures,
    draw_study,
    html_page,
    study,
    svg_text,
)
from posekit.occlusion.changes import Change
from posekit.occlusion.painted import mean_colour
from posekit.occlusion.reproduce import command_line, needed, python_call
from posekit.occlusion.words import change_cells
from posekit.photo import read_photo
from tests.occluded import ONES, PHOTO, WRIST
from tests.test_occlusion_studies import MASKS
from tests.tiny_models import noise_photo, tiny_model


@pytest.fixture(scope="module")
def done() -> Study:
    return study(tiny_model(), PHOTO, ONES[0], keypoint=WRIST, masks=MASKS, layer="encoder.2")


def as_evidence(found: Study, layer_name: str = "votes", kind: str = "votes") -> Study:
    """The same study as if its maps were no attention: heights of a heatmap, say."""
    levels = {"votes": "offset votes", "part map": "part map of stage", "encoder": "layer"}

    def changed(side: Any) -> Any:
        maps = tuple(
            replace(one, layer=layer_name, kind=kind, meaning="who votes", weights=3 * one.weights)
            for one in side.maps
            if one.layer == found.layer
        )
        model = side.prediction.model
        entry = replace(model.entry, levels=levels)
        return replace(
            side,
            prediction=replace(side.prediction, model=replace(model, entry=entry)),
            maps=maps,
            purity={layer_name: side.purity[found.layer]},
            on_occluder={layer_name: side.on_occluder[found.layer]},
        )

    return replace(
        found, before=changed(found.before), after=changed(found.after), layer=layer_name
    )


def test_what_is_no_attention_is_called_evidence(done: Study) -> None:
    votes, part = as_evidence(done), as_evidence(done, "maps.3", "part map")
    (said,) = [text for text in votes.sentences if text.startswith("In ")]
    assert said.startswith("In the offset votes, ") and "of its evidence lay on this person" in said
    (said,) = [text for text in part.sentences if text.startswith("In ")]
    assert said.startswith("In the part map of stage 3, ")
    for one in (votes, part):
        assert not [row.name for row in one.changes if "attention" in row.name]
        assert one.map_title.startswith("evidence for left wrist, ")
        text = json.dumps([told.changes(one), told.changes(replace(one, own=None))])
        assert "attention" not in text and told.answer(one)["mass"] == "evidence"
    assert done.mass == "attention" and "left wrist looks at" in done.map_title
    # Two numbers are never run together, and a whole torso is not "1.15 torso".
    assert any(text.startswith("In encoder layer 2, ") for text in done.sentences)
    assert "torso lengths)" in done.sentences[0]


@pytest.mark.parametrize(
    ("before", "after", "unit", "cells"),
    [
        (0.3352, 0.2549, "", ["0.34", "0.25", "−0.09"]),  # the difference itself rounds to -0.08
        (0.5352, 0.5348, "share", ["54\u00a0%", "53\u00a0%", "−1 point"]),
        (0.4862, 0.4938, "share", ["49\u00a0%", "49\u00a0%", "0 points"]),
        (0.004, 0.496, "share", ["0\u00a0%", "50\u00a0%", "+50 points"]),
        (4.114, 4.126, "nats", ["4.11 nats", "4.13 nats", "+0.02 nats"]),
        (12.34, 12.36, "px", ["12.3 px", "12.4 px", "+0.1 px"]),
        (3.0, 1.0, "count", ["3", "1", "−2"]),
        (None, 0.5, "", ["–", "0.50", "–"]),
        (0.5, None, "share", ["50\u00a0%", "–", "–"]),
    ],
)
def test_the_change_is_what_the_two_sides_as_shown_differ_by(
    before: float | None, after: float | None, unit: str, cells: list[str]
) -> None:
    assert change_cells(Change("some", "some", before, after, unit)) == ["some", *cells]


def test_every_row_of_a_study_adds_up_wherever_it_is_shown(done: Study) -> None:
    def read(text: str) -> float:
        return float(re.sub(r"[^\d.−-]", "", text).replace("−", "-"))

    page = {row["key"]: row["cells"] for row in told.changes(done)}
    counted = 0
    for row in done.changes:
        cells = change_cells(row)
        assert page[row.key] == cells
        if "–" not in cells:
            assert read(cells[2]) - read(cells[1]) == pytest.approx(read(cells[3]), abs=1e-6)
            counted += 1
        if row.joint:
            assert cells[3] == "–"
    assert counted > 4
    html = html_page(done)
    assert all(cell in html for row in done.changes for cell in change_cells(row)[3:])


def test_a_point_without_a_name_has_its_attention_said_of_it() -> None:
    found = study(tiny_model(), PHOTO, ONES[0], keypoint=(20.0, 30.0), masks=MASKS)
    (said,) = [text for text in found.sentences if text.startswith("In ")]
    assert "of the attention of point (20, 30) lay on this person" in said


def test_a_cut_out_is_spelt_in_one_way() -> None:
    cut = next(one for one in ONES if isinstance(one, Cutout))
    found = study(tiny_model(), PHOTO, cut, keypoint=WRIST, masks=MASKS)
    assert "cutout" not in " ".join(found.sentences) + found.title
    assert "cut-out" in " ".join(found.sentences)


def test_the_page_and_the_pictures_have_one_scale(done: Study) -> None:
    scale = done.scale(done.layer)
    sent = told.layer(done, done.layer or "")
    for which in ("before", "after"):
        one = getattr(done, which).map(done.layer)
        assert sent[which]["top"] == scale.top(one)
        assert one.weights.max() <= scale.top(one) * (1 + 1e-6)
        words = StudyPictures(done).ticks(which)[-1][1]
        assert words.endswith("of the attention per cell") and "%" in words
    # The strongest cell of either side has the strongest colour, whatever the width of the picture.
    tops = [side.map(done.layer).weights.max() for side in (done.before, done.after)]  # type: ignore[union-attr]
    assert max(tops) == pytest.approx(scale.top(done.before.map(done.layer)))  # type: ignore[arg-type]
    # Cells of half the side hold a quarter of the weight at the same density.
    small = replace(done.before.maps[-1], weights=np.full((8, 6), 0.25, np.float32))
    assert scale.top(small) > 0
    assert StudyPictures(as_evidence(done)).ticks("before")[-1][1].endswith(" per cell")
    assert "%" not in StudyPictures(as_evidence(done)).ticks("before")[-1][1]


def test_the_mean_colour_is_that_of_the_occluder() -> None:
    drawn = Rectangle(Box(10, 20, 9, 7), "mean").apply(PHOTO)
    assert told.mean_colour(PHOTO) == drawn.pixels[22, 12].tolist() == mean_colour(PHOTO).tolist()


def weak(found: Study, *names: str) -> Study:
    """The same study with some keypoints the model is not sure of before."""
    prediction = found.before.prediction
    scores = np.full(17, 0.9)
    scores[[prediction.skeleton.index(name) for name in names]] = 0.1
    people = (replace(prediction.people[0], scores=scores),)
    side = replace(found.before, prediction=replace(prediction, people=people))
    return replace(found, before=side)


def test_files_can_be_read_alone(done: Study) -> None:
    found = weak(done, "right ankle", "left knee")
    figure = draw_study(found)
    drawn = " ".join(text.get_text() for text in figure.texts)
    page = re.sub(r"<[^>]+>", " ", html_page(found))
    missing = "not drawn (confidence below 0.20): left knee, right ankle"
    for said in (drawn, page, svg_text(found)):
        text = " ".join(said.replace("&#x27;", "'").split())
        assert "blue: the person's left · orange: right" in text and missing in text
        assert "Tiny-TransPose" in text and "encoder layer 2" in text
    bars = [
        label.get_text() for axes in figure.axes for label in axes.get_xticklabels() if axes.images
    ]
    assert sum("of the attention per cell" in label for label in bars) == 2
    assert html_page(found).count('<div class="bar">') == 2
    for words in ("The model", "A paper, Nowhere 2021", "Ask the same again", "posekit.occlude("):
        assert words in page
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    for n, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[n + 1 :])


def test_code_and_command_give_the_same_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(noise_photo(200, 150, seed=3).pixels).save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png")
    model, boxes = posekit.load("transpose-r-small", device="cpu"), [Box(20, 15, 100, 180)]
    hidden = Rectangle(Box(40, 60, 30, 25), "grey")
    found = study(
        model, photo, hidden, keypoint="neck", boxes=boxes, layer="encoder.2", masks="best"
    )
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(python_call(found).replace("photo.jpg", "photo.png"), scope)
    again = scope["answer"]
    assert again.layer == "encoder.2" and again.occluder == hidden
    np.testing.assert_allclose(again.after.keypoints, found.after.keypoints, atol=1e-3)
    (tmp_path / "occluder.json").write_text(json.dumps(hidden.to_dict()))
    words = shlex.split(command_line(found, "again.json").replace("photo.jpg", "photo.png"))
    done = CliRunner().invoke(cli, [*words[1:], "--device", "cpu"])
    assert done.exit_code == 0, done.output
    held = json.loads((tmp_path / "again.json").read_text("utf-8"))
    assert held["layer"] == "encoder.2" and held["occluder"] == hidden.to_dict()
    assert held["sentences"] == list(found.sentences)
    assert "occluder.json" in needed(found)


def test_what_the_command_line_cannot_ask_is_left_to_python() -> None:
    point = study(tiny_model(), PHOTO, ONES[0], keypoint=(20.0, 30.0))
    assert command_line(point) == "" and "keypoint=(20, 30)" in python_call(point)
    nothing = study(tiny_model(), PHOTO, None, keypoint=WRIST)
    assert command_line(nothing) == "" and "occluder = None" in python_call(nothing)
    buffer = io.BytesIO()
    point.save_html(buffer)
    assert "The command line cannot ask this; Python can." in buffer.getvalue().decode()
