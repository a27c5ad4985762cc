"""Several people in a picture: who is asked about, by strength, number and box; captions fit."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from posekit import draw
from posekit.draw.colours import LEFT, MIDDLE
from posekit.draw.panels import PANEL, fitting
from posekit.draw.people import asked_edges, draw_asked, number_place
from posekit.draw.skeleton import PALE, draw_skeleton
from posekit.draw.svg import svg_text
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, explain
from posekit.geometry import Box
from posekit.people import Person
from posekit.report import live
from posekit.report.findings import Findings
from posekit.report.pictures import Pictures
from posekit.skeleton import COCO17
from tests.tiny_models import noise_photo, tiny_model

LARGE, SMALL = Box(4, 4, 150, 310), Box(170, 120, 60, 120)
SVG = "{http://www.w3.org/2000/svg}"


def posed(person: Person) -> Person:
    """An upright left arm and a nose in the box, and nothing else that is sure enough to draw."""
    left, top, right, bottom = person.box.edges
    keypoints, scores = np.array(person.keypoints), np.zeros(len(person.scores))
    x, height = (left + right) / 2, bottom - top
    places = {"nose": 0.2, "left shoulder": 0.3, "left elbow": 0.5, "left wrist": 0.8}
    for name, at in places.items():
        keypoints[COCO17.index(name)] = x, top + at * height
        scores[COCO17.index(name)] = 0.9
    return replace(person, keypoints=keypoints, scores=scores)


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    """A tall person and a small one, on a plain photo."""
    found = Estimator(tiny_model()).predict(noise_photo(320, 240), [LARGE, SMALL])
    return replace(found, people=tuple(posed(one) for one in found.people))


@pytest.fixture(scope="module")
def explanation(prediction: Prediction) -> Explanation:
    return explain(prediction, "left wrist", person=1)


def grey(prediction: Prediction) -> np.ndarray:
    return np.full((*prediction.photo.size, 3), 128, dtype=np.uint8)


def breadth(pixels: np.ndarray, person: Person) -> int:
    """How many pixels across are drawn half-way down the upper arm."""
    shoulder, elbow = (
        person.keypoints[COCO17.index(f"left {end}")] for end in ("shoulder", "elbow")
    )
    row = pixels[round((shoulder[1] + elbow[1]) / 2)]
    at = round(shoulder[0])
    return int((row[at - 20 : at + 20] != 128).any(axis=-1).sum())


def middle(pixels: np.ndarray, person: Person) -> np.ndarray:
    shoulder, elbow = (
        person.keypoints[COCO17.index(f"left {end}")] for end in ("shoulder", "elbow")
    )
    return pixels[round((shoulder[1] + elbow[1]) / 2), round(shoulder[0])].astype(int)


def test_the_one_asked_about_is_drawn_full_and_no_other_is_bolder(prediction: Prediction) -> None:
    large, small = prediction.people
    alike = draw_skeleton(grey(prediction), prediction.people, COCO17)
    assert breadth(alike, large) > breadth(alike, small)  # the size alone decides
    assert tuple(middle(alike, large)) == LEFT
    drawn = draw_skeleton(grey(prediction), prediction.people, COCO17, asked=1)
    assert tuple(middle(drawn, small)) == LEFT
    assert breadth(drawn, small) == breadth(alike, small) == breadth(drawn, large)
    expected = PALE * np.array(LEFT) + (1 - PALE) * 128
    assert middle(drawn, large) == pytest.approx(expected, abs=1)
    other = draw_skeleton(grey(prediction), prediction.people, COCO17, asked=0)
    assert tuple(middle(other, large)) == LEFT and breadth(other, large) == breadth(alike, large)


def white(pixels: np.ndarray) -> np.ndarray:
    return np.asarray((pixels > 230).all(axis=-1))


def test_several_people_have_numbers_and_the_one_asked_about_a_dashed_box(
    prediction: Prediction,
) -> None:
    drawn = draw_asked(grey(prediction), prediction, 1)
    left, top, right, bottom = (round(at) for at in SMALL.edges)
    for line in (drawn[top, left:right], drawn[top:bottom, left], drawn[top:bottom, right]):
        assert 0.2 < white(line).mean() < 0.9  # dashes: neither nothing nor a whole line
    left, top, right, bottom = (round(at) for at in LARGE.edges)
    assert not white(drawn[bottom, left:right]).any()  # nobody else's
    for person in prediction.people:
        x, y = (round(at) for at in number_place(person, COCO17))
        assert (x, y) == tuple(np.round(person.keypoints[COCO17.index("nose")]).astype(int))
        above = drawn[y - 20 : y - 5, x - 6 : x + 6]
        assert (above == MIDDLE).all(axis=-1).any() and (above < 40).all(axis=-1).any()
    alone = replace(prediction, people=prediction.people[:1])
    x, y = (round(at) for at in number_place(alone.people[0], COCO17))
    assert not (draw_asked(grey(prediction), alone, 0)[y - 20 : y - 9, x - 6 : x + 6] != 128).any()


def test_a_box_that_nobody_drew_is_not_drawn() -> None:
    whole = Estimator(tiny_model()).predict(noise_photo(160, 120))
    assert asked_edges(whole, 0) is None
    boxed = Estimator(tiny_model()).predict(noise_photo(160, 120), [Box(10, 10, 50, 90)])
    assert asked_edges(boxed, 0) == (9.5, 9.5, 59.5, 99.5)


def test_a_number_stands_over_the_head_and_not_over_a_raised_arm(prediction: Prediction) -> None:
    person = prediction.people[0]
    keypoints, scores = np.array(person.keypoints), np.array(person.scores)
    wrist, nose = COCO17.index("right wrist"), COCO17.index("nose")
    keypoints[wrist], scores[wrist] = (20.0, 6.0), 0.8
    raised = replace(person, keypoints=keypoints, scores=scores)
    assert number_place(raised, COCO17) == tuple(keypoints[nose])
    scores[nose] = 0.1  # not drawn
    assert number_place(raised, COCO17) == (20.0, 6.0)
    scores[:] = 0.0
    assert number_place(raised, COCO17) == LARGE.edges[:2]


def test_an_svg_says_who_is_asked_about_and_how_sure_the_model_is(explanation: Explanation) -> None:
    root = ET.fromstring(svg_text(explanation))
    panel = next(iter(root.iter(f"{SVG}svg"))).find(f"{SVG}svg")
    assert panel is not None
    others, asked = (one for one in panel.iter(f"{SVG}g") if "person" in one.get("class", ""))
    assert (others.get("data-person"), asked.get("data-person")) == ("0", "1")  # on top
    assert others.get("opacity") == str(PALE) and asked.get("opacity") is None
    widths = [
        max(float(line.get("stroke-width", 0)) for line in one.iter(f"{SVG}line"))
        for one in (others, asked)
    ]
    assert widths[0] == pytest.approx(widths[1])
    assert [one.text for one in panel.iter(f"{SVG}text")] == ["1", "2"]
    boxes = [one for one in panel.iter(f"{SVG}rect") if one.get("class") == "box"]
    assert boxes and all(one.get("stroke-dasharray") for one in boxes)
    assert {(float(one.get("x", 0)), float(one.get("y", 0))) for one in boxes} == {(169.5, 119.5)}
    words = [one.text for one in root.iter(f"{SVG}text")]
    assert (
        "query: left wrist · confidence 0.90" in words
        and "person 2 of 2, in the dashed box" in words
    )


def test_the_report_draws_the_box_too(explanation: Explanation) -> None:
    pictures = Pictures(Findings(explanation), photo=False)
    to_picture = pictures._large.to_drawn
    (left, top), (right, _) = to_picture.apply([SMALL.edges[:2], SMALL.edges[2:]])
    line = pictures.pose[round(float(top)), round(float(left)) : round(float(right))]
    assert 0.2 < white(line).mean() < 0.9


def test_a_live_report_holds_everybodys_box_for_its_script(prediction: Prediction) -> None:
    html = live(prediction, people=[1]).html
    groups = re.findall(r'<g class="(person[^"]*)" data-person="(\d)" data-width="([\d.]+)">', html)
    assert [(kind, n) for kind, n, _ in groups] == [("person", "0"), ("person asked", "1")]
    assert float(groups[0][2]) > float(groups[1][2])  # its own width; the script thins it
    assert html.count('<rect class="box"') == 4


# --- captions ---------------------------------------------------------------------------------


def test_captions_of_several_people_stay_under_their_panels(explanation: Explanation) -> None:
    figure = draw.draw_explanation(explanation)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    panels = [axes.get_window_extent() for axes in figure.axes if not axes.axison]
    said = [text for text in figure.texts if text.get_size() == 6.4]
    assert len(panels) == 4 and any("in this person's box" in text.get_text() for text in said)
    for text in said:
        box = text.get_window_extent(renderer)
        above = next(one for one in panels if abs(one.x0 - box.x0) < 2)
        assert box.x1 <= above.x1 + 1, text.get_text()
    assert "peak distance" in "\n".join(text.get_text() for text in said)


def test_a_line_breaks_at_its_dots_and_a_long_part_between_its_words() -> None:
    line = "in this person's box 66% · on others 18% · peak distance 156 px"
    assert fitting([line]) == ["in this person's box 66% · on others 18%", "peak distance 156 px"]
    assert fitting([line], inches=2 * PANEL) == [line]
    long = "not drawn (confidence below 0.20): " + ", ".join(COCO17.keypoints)
    rows = fitting([long])
    assert len(rows) > 3 and " ".join(rows) == long
    assert fitting(["unbreakable" * 20]) == ["unbreakable" * 20]
