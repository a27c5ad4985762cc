"""One map, one number under one name: on Explore, on Compare, on Occlusion and in every file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from app import payload
from posekit.cli import app
from posekit.compare import compare
from posekit.compare.words import columns_of, figure_lines
from posekit.draw.figure import draw_explanation
from posekit.draw.legend import even_words, number_lines
from posekit.draw.svg import svg_text
from posekit.estimator import Estimator
from posekit.explain import explain, head_grid, numbers
from posekit.geometry import Box
from posekit.occlusion import study
from posekit.people import IN_BOX, IN_PHOTO, ON_MASK
from posekit.report.explanation import html_report
from posekit.report.findings import Findings
from tests.tiny_models import noise_photo, tiny_model

PHOTO = noise_photo(180, 140)
WRIST, LAYER = "left wrist", "encoder.2"


@pytest.mark.parametrize(
    ("boxes", "words"), [(None, IN_PHOTO), ([Box(30, 30, 80, 120)], IN_BOX)], ids=["whole", "box"]
)
def test_every_page_names_the_same_share_alike(boxes: list[Box] | None, words: str) -> None:
    model = tiny_model()
    prediction = Estimator(model).predict(PHOTO, boxes)
    explanation = explain(prediction, WRIST)
    share = numbers(explanation.layer(LAYER), prediction)
    assert share.where == words
    assert number_lines(share)[0].startswith(f"{words} {share.mass_in_box:.0%}")
    heads = [head_grid(prediction, explanation.query, one.layer) for one in explanation.maps]
    shown = payload.answer(explanation, heads)["layers"][explanation.layers.index(LAYER)][
        "numbers"
    ][0]
    assert (shown["where"], shown["mass_in_box"]) == (words, share.mass_in_box)

    comparison = compare([prediction, prediction], WRIST, layer=LAYER)
    row = comparison.table[0]
    assert (row.where, row.on_person) == (words, pytest.approx(share.mass_in_box, abs=1e-6))
    assert words in [one.head for one in columns_of(comparison)]
    assert any(line.startswith(f"{words} ") for line in figure_lines(row, first=True))

    done = study(model, PHOTO, None, keypoint=WRIST, boxes=boxes, layer=LAYER, before=prediction)
    change = next(one for one in done.changes if one.key == "mass_in_box")
    assert change.name == f"attention {words}, encoder layer 2"
    assert change.before == change.after == pytest.approx(share.mass_in_box, abs=1e-6)


def test_a_map_that_is_nearly_even_is_said_to_be() -> None:
    """On its own scale it is drawn bright all over, as if everything mattered."""
    words = "nearly even: no place is looked at much more than another"
    assert even_words(1.0) == even_words(0.996) == words and even_words(0.99) == ""
    prediction = Estimator(tiny_model()).predict(PHOTO, [Box(30, 30, 80, 120)])
    found = explain(prediction, WRIST)
    assert not any(words in text.get_text() for text in draw_explanation(found).texts)
    assert words not in html_report(Findings(found)) and words not in svg_text(found)
    rows, cols = found.maps[0].grid.size
    even = np.full((rows, cols), 1 / (rows * cols), dtype=np.float32)
    flat = replace(found, maps=tuple(replace(one, weights=even) for one in found.maps))
    assert number_lines(numbers(flat.maps[0], prediction))[-1] == words
    said = " ".join(text.get_text() for text in draw_explanation(flat).texts)
    assert said.count("nearly even") == len(flat.maps)  # the line may break after that
    assert words in svg_text(flat) and words in html_report(Findings(flat))
    sent = payload.answer(flat, [()] * len(flat.maps))["layers"]
    assert {plane["even"] for layer in sent for plane in layer["numbers"]} == {words}
    plain = payload.answer(found, [()] * len(found.maps))["layers"]
    assert {plane["even"] for layer in plain for plane in layer["numbers"]} == {""}
    row = replace(compare([prediction] * 2, WRIST).table[0], entropy_share=0.999)
    assert words in figure_lines(row, first=True)


def test_the_command_line_and_json_say_it_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries and keys of 0 look everywhere alike, in every layer."""
    models = {"even": tiny_model(sharpness=0.0), "sharp": tiny_model()}
    monkeypatch.setattr("posekit.zoo.load", lambda name, **_: models[name])
    photo = tmp_path / "photo.png"
    Image.fromarray(PHOTO.pixels).save(photo)
    asked = [str(photo), "-k", WRIST]
    words = even_words(1.0)

    def told(*command: str) -> str:
        done = CliRunner().invoke(app, [*command])
        assert done.exit_code == 0, done.output
        return done.stdout

    text = told("explain", *asked, "-m", "even")
    assert text.splitlines()[-1] == f"encoder.1 · encoder.2 · encoder.3: {words}"
    assert words not in told("explain", *asked, "-m", "sharp")
    for name, expected in (("even", words), ("sharp", None)):
        values = json.loads(told("explain", *asked, "-m", name, "--json"))
        assert [one["nearly_even"] for one in values["layers"]] == [expected] * 3
    rolled = ["explain", *asked, "-m", "even", "--method", "rollout", "--option", "residual=0"]
    assert re.search(rf"^note +{words}$", told(*rolled), re.MULTILINE)
    assert json.loads(told(*rolled, "--json"))["numbers"]["nearly_even"] == words

    both = ["compare", *asked, "-m", "even,sharp"]
    lines = told(*both).splitlines()
    assert [line for line in lines if words in line] == [f"Tiny-TransPose (untrained), 1: {words}"]
    panels = json.loads(told(*both, "--json"))["panels"]
    assert [one["figures"]["nearly_even"] for one in panels] == [words, None]
    page, picture = tmp_path / "both.html", tmp_path / "both.svg"
    for out in (page, picture):
        told(*both, "--out", str(out))
        shown = re.sub("<metadata>.*</metadata>", "", out.read_text("utf-8"), flags=re.DOTALL)
        assert shown.count(words) == 1


def test_on_somebody_is_said_of_masks_alone() -> None:
    import numpy as np

    prediction = Estimator(tiny_model()).predict(PHOTO)
    mask = np.zeros(PHOTO.size, dtype=bool)
    mask[40:120, 30:90] = True
    comparison = compare([prediction, prediction], WRIST, layer=LAYER, mask=mask)
    assert comparison.table[0].where == ON_MASK
    done = study(
        prediction.model, PHOTO, None, keypoint=WRIST, layer=LAYER, masks=[mask], before=prediction
    )
    rows = {one.key: one for one in done.changes}
    on, inside = rows[f"on_person.{LAYER}"], rows["mass_in_box"]
    assert ON_MASK in on.name and ON_MASK not in inside.name
    assert on.before is not None and inside.before is not None and on.before < inside.before
