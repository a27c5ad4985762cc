"""The SVG of a comparison and of a study, read back against what they show."""

from __future__ import annotations

import base64
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posekit import compare as comparing
from posekit import occlusion
from posekit.compare import Comparison, compare
from posekit.draw import contours
from posekit.errors import PoseKitError
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.occlusion import Cutout, Patch, Rectangle, Stroke, Study, study
from posekit.occlusion.occluder import Occluder
from tests.tiny_models import noise_photo, tiny_btranspose, tiny_model

SVG = "{http://www.w3.org/2000/svg}"
SECRET = "my-holiday-with-anna.jpg"
PHOTO = noise_photo(180, 140, name=SECRET)
WRIST, BOXES = "left wrist", [Box(30, 30, 80, 120)]


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(PHOTO, BOXES)


@pytest.fixture(scope="module")
def comparison(prediction: Prediction) -> Comparison:
    other = Estimator(tiny_btranspose()).predict(PHOTO, BOXES)
    return compare([prediction, other], WRIST)


def studied(prediction: Prediction, occluder: Occluder | None) -> Study:
    return study(
        prediction.model, PHOTO, occluder, keypoint=WRIST, boxes=BOXES, before=prediction
    )  # fmt: skip


def panels(text: str) -> list[ET.Element]:
    return ET.fromstring(text).findall(f"{SVG}svg")


def points_of(path: ET.Element) -> list[np.ndarray]:
    rings = [one for one in path.attrib["d"].split("M") if one]
    return [
        np.array([[float(v) for v in pair.split()] for pair in ring.rstrip("Z").split("L")])
        for ring in rings
    ]


def texts(text: str) -> str:
    return "\n".join(one.text or "" for one in ET.fromstring(text).findall(f"{SVG}text"))


def test_a_comparison_has_a_panel_a_model_with_its_own_contours(comparison: Comparison) -> None:
    text = comparing.svg_text(comparison)
    for drawn, panel in zip(panels(text), comparison.panels, strict=True):
        assert drawn.attrib["viewBox"] == "-0.5 -0.5 140 180"
        assert drawn.findtext(f"{SVG}title") == panel.title
        assert panel.mass is not None
        wanted = contours(panel.mass)
        for path, contour in zip(drawn.findall(f".//{SVG}path"), wanted, strict=True):
            for ring, exact in zip(points_of(path), contour.rings, strict=True):
                np.testing.assert_allclose(ring, exact, atol=0.006)
        star = drawn.find(f"{SVG}polygon[@class='asked']")
        assert star is not None
        corners = np.array(
            [[float(v) for v in p.split(",")] for p in star.attrib["points"].split()]
        )
        assert corners.mean(axis=0) == pytest.approx(panel.point, abs=0.01)
        shown = (panel.prediction.people[0].scores >= 0.2).sum()
        assert len(drawn.findall(f".//{SVG}circle")) == shown
    assert text.count("base64,") == 1  # the photo once, however many panels
    said = texts(text)
    assert comparison.title in said and "in this person's box" in said
    assert "random weights" in said
    held = json.loads(ET.fromstring(text).findtext(f"{SVG}metadata") or "")
    assert held["asked"] == WRIST and [p["title"] for p in held["panels"]] == [
        panel.title for panel in comparison.panels
    ]
    without = comparing.svg_text(comparison, photo=False)
    assert "base64" not in without and SECRET not in text + without
    with pytest.raises(PoseKitError, match="no colour map"):
        comparing.svg_text(comparison, colour_map="jet")


def test_a_panel_without_a_map_says_why(comparison: Comparison) -> None:
    first = replace(comparison.panels[0], mass=None, map=None, note="It has <nothing> to show.")
    text = comparing.svg_text(replace(comparison, panels=(first, comparison.panels[1])))
    drawn = panels(text)
    assert drawn[0].findall(f".//{SVG}path") == [] and drawn[1].findall(f".//{SVG}path")
    assert "It has <nothing> to show." in texts(text) and "<nothing>" not in text


OCCLUDERS = {
    "rectangle": Rectangle(Box(50, 60, 30, 20), "grey"),
    "stroke": Stroke(((40.0, 50.0), (80.0, 90.0)), 14.0),
    "patch": Patch(Box(5, 5, 40, 30), (60.0, 70.0)),
    "cutout": Cutout.of_mask(np.pad(np.ones((40, 30), bool), ((20, 120), (10, 100))), (45.0, 30.0)),
}


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_a_study_has_both_sides_and_the_occluders_outline(
    prediction: Prediction, kind: str
) -> None:
    done = studied(prediction, OCCLUDERS[kind])
    text = occlusion.svg_text(done)
    before, after = panels(text)
    assert [one.findtext(f"{SVG}title") for one in (before, after)] == ["before", "after"]
    assert before.find(f"{SVG}path[@class='occluder']") is None
    outline = after.find(f"{SVG}path[@class='occluder']")
    assert outline is not None and outline.attrib["fill"] == "none"
    corners = np.concatenate(points_of(outline))
    rows, cols = np.nonzero(done.cover)
    low, high = corners.min(axis=0), corners.max(axis=0)
    np.testing.assert_allclose(low, [cols.min() - 0.5, rows.min() - 0.5], atol=0.51)
    np.testing.assert_allclose(high, [cols.max() + 0.5, rows.max() + 0.5], atol=0.51)
    for side, drawn in ((done.before, before), (done.after, after)):
        one = side.map(done.layer)
        assert one is not None
        paths = [p for p in drawn.findall(f".//{SVG}path") if "data-share" in p.attrib]
        for path, contour in zip(paths, contours(one), strict=True):
            assert float(path.attrib["data-level"]) == pytest.approx(contour.level, rel=1e-5)
    images = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one.attrib["href"].split(",")[1]))))
        for one in ET.fromstring(text).iter(f"{SVG}image")
    ]
    assert len(images) == 2 and (images[0] != images[1]).any()  # as it was, and as it is now
    assert done.sentences[0] in texts(text) and SECRET not in text
    bare = occlusion.svg_text(done, photo=False)
    grey = panels(bare)[1].find(f"{SVG}path[@class='occluder']")
    assert "base64" not in bare and grey is not None and grey.attrib["fill"] != "none"


def test_nothing_in_front_has_no_outline(prediction: Prediction, tmp_path: Path) -> None:
    done = studied(prediction, None)
    done.save_svg(tmp_path / "study.svg")
    text = (tmp_path / "study.svg").read_text("utf-8")
    assert 'class="occluder"' not in text and "Nothing was put in front" in text


def test_the_terminal_and_the_pages_write_them(
    comparison: Comparison, prediction: Prediction, tmp_path: Path
) -> None:
    from app.compare import FORMATS as OF_COMPARE
    from app.occlusion_files import FORMATS as OF_OCCLUSION
    from app.occlusion_files import written
    from posekit.cli.options import REPORTS

    assert ".svg" in REPORTS
    assert OF_COMPARE["svg"] == OF_OCCLUSION["svg"] == "image/svg+xml"
    comparison.save_svg(tmp_path / "comparison.svg", photo=False)
    assert len(panels((tmp_path / "comparison.svg").read_text("utf-8"))) == 2
    done = studied(prediction, OCCLUDERS["rectangle"])
    assert written(done, "svg").decode("utf-8") == occlusion.svg_text(done)
