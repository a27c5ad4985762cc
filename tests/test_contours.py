"""Contours against closed forms, and the SVG read back."""

from __future__ import annotations

import base64
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from posekit.draw import contours, save_svg, svg_text
from posekit.draw.contours import rings
from posekit.errors import PoseKitError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, HeatMap, explain
from posekit.geometry import Affine, Box, Crop, TokenGrid
from posekit.skeleton import COCO17
from tests.tiny_models import noise_photo, tiny_model

SVG = "{http://www.w3.org/2000/svg}"
SECRET = "my-holiday-with-anna.jpg"


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(
        noise_photo(180, 140, name=SECRET), [Box(30, 30, 80, 120)]
    )


@pytest.fixture(scope="module")
def explanation(prediction: Prediction) -> Explanation:
    return explain(prediction, "left wrist")


def heat(values: np.ndarray, *, signed: bool = False) -> HeatMap:
    """A map over the whole of a 240 x 180 photo, whatever its grid."""
    rows, cols = values.shape
    # The first cell's outer edge is the photo's: half a pixel before its first pixel's centre.
    to_input = Affine.scaling((240 / cols, 180 / rows), (120 / cols - 0.5, 90 / rows - 0.5))
    crop = Crop((180, 240), Affine.identity(), (180, 240))
    grid = TokenGrid(rows, cols, to_input)
    return HeatMap("grad-cam", values.astype(np.float32), grid, crop, signed=signed)


def area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


@pytest.mark.parametrize("radius", [3.0, 5.5, 8.0])
def test_the_contour_of_a_round_map_is_a_circle_of_its_radius(radius: float) -> None:
    y, x = np.mgrid[0:24, 0:24].astype(float)
    centre = np.array([11.3, 12.1])
    distance = np.hypot(x - centre[0], y - centre[1])
    to_photo = Affine.scaling((10.0, 10.0), (40.0, -7.0))
    (ring,) = rings(20.0 - distance, 20.0 - radius, to_photo)
    found = np.hypot(*(ring - (10 * centre + (40.0, -7.0))).T)
    # The cone is drawn straight between cells, so a vertex may be off by the chord's sagitta.
    np.testing.assert_allclose(found, 10 * radius, atol=10 / (8 * radius) * 1.1)
    assert area(ring) == pytest.approx(np.pi * (10 * radius) ** 2, rel=0.04)


def test_a_linear_map_is_cut_exactly_and_closed_along_the_cells_outer_edges() -> None:
    ramp = np.tile(np.arange(6.0), (4, 1))
    (ring,) = rings(ramp, 2.25, Affine.identity())
    assert ring.min(axis=0) == pytest.approx([2.25, -0.5])
    assert ring.max(axis=0) == pytest.approx([5.5, 3.5])
    assert area(ring) == pytest.approx((5.5 - 2.25) * 4)
    assert rings(ramp, 5.5, Affine.identity()) == ()
    (whole,) = rings(ramp, -1.0, Affine.identity())
    assert area(whole) == pytest.approx(24.0)


def test_a_hole_is_a_ring_of_its_own() -> None:
    values = np.zeros((9, 9))
    values[1:8, 1:8] = 1.0
    values[4, 4] = 0.0
    found = sorted(rings(values, 0.5, Affine.identity()), key=area)
    assert len(found) == 2
    assert area(found[0]) == pytest.approx(0.5)  # a diamond with corners half a cell away
    assert area(found[1]) == pytest.approx(49.0, abs=0.6)


def test_contours_hold_the_share_they_state() -> None:
    y, x = np.mgrid[0:60, 0:60]
    values = np.exp(-((x - 30.23) ** 2 + (y - 28.61) ** 2) / (2 * 9.0**2))
    found = contours(heat(values), (0.25, 0.5, 0.8))
    assert [one.share for one in found] == [0.8, 0.5, 0.25]  # the widest first, to be drawn first
    for one in found:
        # A Gaussian holds the share s within sigma * sqrt(-2 ln(1 - s)).
        radius = 9.0 * np.sqrt(-2 * np.log(1 - one.share))
        wanted = np.pi * radius**2 * (240 / 60) * (180 / 60)
        assert area(one.rings[0]) == pytest.approx(wanted, rel=0.05)


def test_a_signed_map_has_rings_of_both_signs() -> None:
    values = np.zeros((12, 16))
    values[3, 4], values[8, 11] = 2.0, -2.0
    found = contours(heat(values, signed=True), (0.5,))
    assert [one.negative for one in found] == [False, True]
    for one, cell in zip(found, ((4, 3), (11, 8)), strict=True):
        middle = one.rings[0].mean(axis=0)
        assert middle == pytest.approx([15 * cell[0] + 7, 15 * cell[1] + 7], abs=1e-6)


def test_a_fine_map_is_averaged_in_place() -> None:
    y, x = np.mgrid[0:180, 0:240]
    values = np.exp(-((x - 150) ** 2 + (y - 60) ** 2) / (2 * 25.0**2))
    found = contours(heat(values), (0.5,))[0]
    assert found.averaged > 1 and len(found.rings) == 1
    assert found.rings[0].mean(axis=0) == pytest.approx([150, 60], abs=1.5)
    assert area(found.rings[0]) == pytest.approx(2 * np.pi * np.log(2) * 25.0**2, rel=0.06)


def test_nothing_to_outline_and_shares_that_are_none() -> None:
    assert contours(heat(np.zeros((5, 5)))) == ()
    (flat,) = contours(heat(np.ones((5, 5))), (0.5,))  # all alike: the whole grid, outer edges in
    assert area(flat.rings[0]) == pytest.approx(240 * 180)
    for share in (0.0, 1.0, -0.2, float("nan")):
        with pytest.raises(TraceError, match="between 0 and 1"):
            contours(heat(np.ones((5, 5))), (share,))


# --- the file -----------------------------------------------------------------------------------


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode("utf-8"))


def points_of(path: ET.Element) -> list[np.ndarray]:
    pieces = path.attrib["d"].removesuffix("Z").split("Z")
    return [
        np.array([[float(v) for v in pair.split()] for pair in piece[1:].split("L")])
        for piece in pieces
    ]


def test_the_svg_holds_skeleton_spot_and_contours_in_photo_pixels(
    prediction: Prediction, explanation: Explanation
) -> None:
    root = parsed(svg_text(explanation))
    panels = root.findall(f"{SVG}svg")
    assert len(panels) == len(explanation.maps) == 3
    person = prediction.people[0]
    for panel, one in zip(panels, explanation.maps, strict=True):
        assert panel.attrib["viewBox"] == "-0.5 -0.5 140 180"
        assert panel.findtext(f"{SVG}title") == one.layer
        dots = panel.findall(f".//{SVG}circle")
        shown = [k for k in range(17) if person.scores[k] >= 0.2]
        assert len(dots) == len(shown)
        for dot, k in zip(dots, shown, strict=True):
            at = [float(dot.attrib["cx"]), float(dot.attrib["cy"])]
            assert at == pytest.approx(person.keypoints[k], abs=0.006)
            name, score = COCO17.keypoints[k], person.scores[k]
            assert dot.findtext(f"{SVG}title") == f"{name} {score:.2f}"
        star = panel.find(f"{SVG}polygon[@class='asked']")
        assert star is not None and star.findtext(f"{SVG}title") == "asked: left wrist"
        corners = np.array(
            [[float(v) for v in p.split(",")] for p in star.attrib["points"].split()]
        )
        assert corners.mean(axis=0) == pytest.approx(explanation.query.point, abs=0.01)
        for path, contour in zip(panel.findall(f".//{SVG}path"), contours(one), strict=True):
            assert float(path.attrib["data-level"]) == pytest.approx(contour.level, rel=1e-5)
            title = path.findtext(f"{SVG}title")
            assert f"{contour.share:.0%} of the mass" in title and one.layer in title
            for drawn, ring in zip(points_of(path), contour.rings, strict=True):
                np.testing.assert_allclose(drawn, ring, atol=0.006)
    assert json.loads(root.findtext(f"{SVG}metadata") or "")["query"] == "left wrist"


def test_the_photo_is_embedded_or_left_out(explanation: Explanation) -> None:
    text = svg_text(explanation)
    image = parsed(text).find(f".//{SVG}image")
    assert image is not None and text.count("base64,") == 1  # once, however many panels
    data = base64.b64decode(image.attrib["href"].partition("base64,")[2])
    with Image.open(io.BytesIO(data)) as photo:
        assert photo.size == (140, 180) and not photo.getexif()
        pixels = np.asarray(photo, dtype=float)
    assert np.abs(pixels - explanation.prediction.photo.pixels).mean() < 12  # a JPEG of noise
    without = svg_text(explanation, photo=False)
    assert "base64" not in without and parsed(without).find(f".//{SVG}image") is None
    assert SECRET not in text + without


def test_every_text_is_escaped(prediction: Prediction) -> None:
    bad = "</title><script>alert(1)</script>&\"'"
    entry = replace(
        prediction.model.entry,
        title=bad,
        skeleton=replace(COCO17, keypoints=(bad, *COCO17.keypoints[1:])),
        levels={"encoder": bad},
    )
    named = replace(prediction, model=replace(prediction.model, entry=entry))
    text = svg_text(explain(named, 0))
    assert "<script" not in text
    assert parsed(text).findtext(f"{SVG}title") == f"{bad} looks at"


def test_a_methods_map_and_what_is_refused(prediction: Prediction, tmp_path: object) -> None:
    found = explain(prediction, "nose", method="grad-cam")
    root = parsed(svg_text(found, prediction=prediction))
    assert len(root.findall(f"{SVG}svg")) == 1
    assert root.findtext(f"{SVG}title") == "nose by Grad-CAM"
    assert svg_text(found) == svg_text(found, prediction=prediction)  # it knows its own
    with pytest.raises(PoseKitError, match="pass prediction="):
        svg_text(replace(found, prediction=None))
    with pytest.raises(PoseKitError, match="no colour map"):
        svg_text(found, prediction=prediction, colour_map="jet")
    buffer = io.BytesIO()
    save_svg(found, buffer, prediction=prediction)
    assert buffer.getvalue().startswith(b"<?xml")
