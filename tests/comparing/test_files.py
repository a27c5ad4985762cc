"""A comparison as a file: JSON, NPZ, HTML and PNG."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import posekit
from posekit.compare import Comparison, compare, predict_alike
from posekit.compare.figure import DPI, PANEL
from posekit.compare.picture import LESS, MORE
from posekit.compare.reproduce import command_line, python_call
from posekit.draw.overlay import dimmed
from posekit.errors import PoseKitError
from posekit.estimator import Prediction
from posekit.geometry import Box
from posekit.people import DRAWN
from posekit.skeleton import COCO17
from tests.comparing.predictions import with_masses
from tests.tiny_models import noise_photo


def saved(found: Comparison, kind: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    getattr(found, f"save_{kind}")(buffer, **more)
    return buffer.getvalue()


def test_json_holds_every_figure(found: Comparison) -> None:
    held = json.loads(saved(found, "json"))
    assert held["asked"] == held["keypoint"] == "left wrist" and held["method"] == "attention"
    assert [panel["trained"] for panel in held["panels"]] == [True, False]
    assert held["panels"][1]["figures"]["distance_px"] == found.table[1].distance_px
    assert [one["keypoint"] for one in held["disagreement"]] == [
        one.keypoint for one in found.disagreement
    ]
    assert held["overlaps"][0]["intersection"] == found.overlap(0, 1).intersection
    assert len(held["panels"][0]["pose"]) == 17


def test_npz_gives_back_the_maps(found: Comparison) -> None:
    with np.load(io.BytesIO(saved(found, "npz")), allow_pickle=False) as held:
        for n, panel in enumerate(found.panels):
            np.testing.assert_array_equal(held["density"][n], found.density(n))
            np.testing.assert_array_equal(held[f"values.{n}"], panel.map.weights)  # type: ignore
            share = held[f"values.{n}"] / held[f"values.{n}"].sum()
            top = (share * held[f"density_factor.{n}"]).max()
            assert top == pytest.approx(held["density"][n].max(), rel=1e-5)
        np.testing.assert_array_equal(held["grid_to_photo"], found.grid.to_photo.matrix)
        assert json.loads(str(held["metadata"]))["asked"] == "left wrist"


def test_no_file_names_the_photo_or_the_folder_of_the_weights(pair: list[Prediction]) -> None:
    weights = replace(pair[0].model.weights, kind="file", path="/home/somebody/secret/v1.pth")
    private = replace(pair[0], model=replace(pair[0].model, weights=weights))
    found = compare([private, pair[1]], "nose")
    for kind in ("html", "json", "npz", "png"):
        content = saved(found, kind)
        assert kind != "html" or b"v1.pth" in content  # the file itself is told
        if kind == "npz":
            with np.load(io.BytesIO(content)) as held:
                content = b"".join(held[name].tobytes() + name.encode() for name in held)
        for word in ("holiday", "somebody", "secret"):
            for encoding in ("utf-8", "utf-32-le"):  # numpy's strings are the latter
                assert word.encode(encoding) not in content, (kind, word)


def images_of(page: str, kind: str) -> list[np.ndarray]:
    import base64

    found = re.findall(rf'<img class="{kind}"[^>]*base64,([A-Za-z0-9+/=]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_html_needs_nothing_else(found: Comparison) -> None:
    page = saved(found, "html").decode()
    assert not re.search(r"""(?:src|href|action)=["']?http""", page)  # papers are named, not asked
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:image/jpeg;base64,)', page)
    assert not re.search(r"url\(|@import", page)
    assert len(images_of(page, "map")) == 2 and len(images_of(page, "difference")) == 1
    assert "Tiny 1 (untrained) has random weights." in page
    for one in found.disagreement:
        assert f'<th scope="row">{one.keypoint}</th>' in page
    assert "$" not in re.sub(r"base64,[^\"]*", "", page)  # no placeholder is left


def test_html_escapes_every_text(pair: list[Prediction]) -> None:
    bad = "<img src=x onerror=alert(1)>\"'&"
    nasty = replace(COCO17, keypoints=("</script><b>", *COCO17.keypoints[1:]))
    model = pair[0].model
    entry = replace(model.entry, title=bad, skeleton=nasty, levels={"encoder": "<i>layer</i>"})
    named = replace(pair[0], model=replace(model, entry=entry))
    page = saved(compare([named, pair[1]], 0), "html").decode()
    assert "<img src=x" not in page and "<i>layer" not in page and "</script><b>" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;" in page
    assert "&lt;/script&gt;&lt;b&gt;" in page


def test_the_photo_can_be_left_out(pair: list[Prediction]) -> None:
    # The same pose and maps over another photo: without the photo, nothing tells them apart.
    other = noise_photo(seed=4)
    moved = [replace(one, photo=other) for one in pair]
    pages = [
        saved(compare(predictions, "nose"), "html", photo=photo).decode()
        for photo in (False, True)
        for predictions in (pair, moved)
    ]
    for kind in ("map", "pose", "difference"):
        without, same, shown, differs = (images_of(page, kind) for page in pages)
        assert all(np.array_equal(a, b) for a, b in zip(without, same, strict=True)), kind
        assert not any(np.array_equal(a, b) for a, b in zip(shown, differs, strict=True)), kind
    assert "the photo itself is left out" in pages[0]


def test_the_picture(found: Comparison) -> None:
    with Image.open(io.BytesIO(saved(found, "png"))) as picture:
        assert picture.width > 1200 and json.loads(picture.text["PoseKit"])["asked"] == "left wrist"
    pictures = posekit.compare.Pictures(found, width=120)
    base = pictures.base.astype(int)
    assert pictures.map(0).shape == base.shape
    top, bottom = np.zeros((8, 6)), np.zeros((12, 9))
    top[2, 3], bottom[8, 4] = 1.0, 1.0
    found = with_masses(found, top, bottom)
    drawn = posekit.compare.Pictures(found, width=120).difference(0, 1).astype(int)
    for panel, cell, colour in ((0, (3, 2), MORE), (1, (4, 8), LESS)):
        place = found.panels[panel].mass.grid_to_photo.apply(cell)  # type: ignore[union-attr]
        x, y = np.round(pictures.window.to_drawn.apply(place)).astype(int)
        ground = dimmed(pictures.base, pictures.dim)[y, x]
        turned, wanted = drawn[y, x] - ground, np.array(colour) - ground
        assert turned @ wanted > 0.95 * np.linalg.norm(turned) * np.linalg.norm(wanted) > 0
    with pytest.raises(PoseKitError, match="no colour map"):
        posekit.compare.draw_comparison(found, colour_map="jet")


def test_every_panel_has_the_pose_of_its_own_model(found: Comparison) -> None:
    pictures = posekit.compare.Pictures(found, width=240)
    for n, panel in enumerate(found.panels):
        drawn, bare = pictures.map_with_pose(n).astype(int), pictures.map(n).astype(int)
        someone = panel.prediction.people[0]
        assert (drawn != bare).any() is np.bool_((someone.scores >= DRAWN).any())
    sure = [
        replace(
            panel,
            prediction=replace(
                panel.prediction,
                people=tuple(
                    replace(one, scores=np.full(17, 0.9)) for one in panel.prediction.people
                ),
            ),
        )
        for panel in found.panels
    ]
    found = replace(found, panels=tuple(sure))
    figure = posekit.compare.draw_comparison(found)
    pictures = posekit.compare.Pictures(found, width=round(PANEL * DPI))
    for n in range(2):
        shown = figure.axes[1 + n].images[0].get_array()
        np.testing.assert_array_equal(shown, pictures.map_with_pose(n))
        assert (pictures.map_with_pose(n) != pictures.map(n)).any()
    words = " ".join(text.get_text() for text in figure.texts)
    assert "blue: the person's left · orange: right" in words and "not drawn" not in words


def test_the_files_say_what_is_not_drawn_and_speak_plainly(found: Comparison) -> None:
    figure = posekit.compare.draw_comparison(found)
    picture = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    svg, page = saved(found, "svg").decode(), saved(found, "html").decode()
    for text in (picture, svg, page):
        assert "peak distance " in text and "of even (entropy " in text and "px away" not in text
    missing = posekit.compare.Pictures(found).left_out(0)
    assert missing.startswith("not drawn (confidence below 0.20): ") and missing in page
    assert "of the map on 1% of the person&#x27;s box" in page and "mass per 1" not in page


def test_the_report_has_cards_and_says_how_to_ask_again(
    found: Comparison, pair: list[Prediction]
) -> None:
    page = saved(found, "html").decode()
    for panel in found.panels:
        assert f"The model {panel.prediction.model.entry.title}" in page
    assert "Ask the same again" in page and "predict_alike(models, photo" in page
    words = shlex.split(command_line(found))
    assert words[:3] == ["posekit", "compare", "photo.jpg"] and "left wrist" in words
    layers = compare(pair, (30.0, 40.0), layer=["encoder.1", "encoder.2"], head=0)
    assert command_line(layers) == "" and "layer=['encoder.1', 'encoder.2']" in python_call(layers)
    one = compare(pair, (30.0, 40.0), layer="encoder.1", head=0, direction="column")
    said = shlex.split(command_line(one))
    for name, value in (("--point", "30,40"), ("--head", "0"), ("--direction", "column")):
        assert said[said.index(name) + 1] == value


def test_the_python_of_a_report_gives_the_same_comparison(tmp_path: Path, monkeypatch) -> None:
    Image.fromarray(noise_photo(200, 150, seed=3).pixels).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    models = [posekit.load("transpose-r-small", device="cpu") for _ in range(2)]
    boxes = [Box(20, 15, 100, 180)]
    predictions = predict_alike(models, posekit.read_photo("photo.png"), boxes)
    done = compare(predictions, "neck", layer=["encoder.1", "encoder.3"], anchor="keypoint")
    scope: dict = {}
    exec(python_call(done).replace("photo.jpg", "photo.png"), scope)
    for one, again in zip(done.panels, scope["answer"].panels, strict=True):
        np.testing.assert_allclose(again.map.weights, one.map.weights, rtol=1e-4, atol=1e-7)


def test_a_comparison_needs_no_matplotlib() -> None:
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from posekit.compare import compare; from tests.comparing.predictions import predicted\n"
        "for name in [n for n in sys.modules if n.split('.')[0] == 'matplotlib']:\n"
        "    del sys.modules[name]\n"
        "found = compare([predicted(0), predicted(1)], 'nose')\n"
        "found.scale, found.disagreement, found.overlap(0, 1)\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_is_the_verb(pair: list[Prediction]) -> None:
    with torch.no_grad():
        assert posekit.compare(pair, "nose").label == "nose"
