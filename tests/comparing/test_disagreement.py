"""Which keypoints the models disagree about, and how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posekit.compare import compare, disagreements
from posekit.compare.disagreement import models_with
from posekit.compare.figure import draw_comparison
from posekit.compare.html import html_page
from posekit.compare.words import columns_of, disagreement_table, figure_lines, missed_words
from posekit.estimator import Estimator, Prediction
from posekit.people import Person
from posekit.skeleton import COCO17
from tests.comparing.predictions import BOXES, PHOTO, predicted
from tests.tiny_models import BlobFinder, pose_model


@pytest.mark.parametrize("direction", ["row", "column"])
def test_disagreement_is_that_of_asking_every_keypoint(
    pair: list[Prediction], lsp: Prediction, direction: str
) -> None:
    predictions = [*pair, lsp]
    ranked = disagreements(predictions, direction=direction)  # type: ignore[arg-type]
    names = [one.keypoint for one in ranked]
    assert sorted(names) == sorted(COCO17.keypoints)  # all of COCO are in two models at least
    for one in ranked:
        found = compare(predictions, one.keypoint, direction=direction)  # type: ignore[arg-type]
        # A model that does not know the keypoint has no say in it.
        there = [n for n, panel in enumerate(found.panels) if panel.keypoint is not None]
        assert [n for n, point in enumerate(one.points) if point is not None] == there
        pairs = [(a, b) for a in there for b in there if a < b]
        largest = max(1 - found.overlap(a, b).intersection for a, b in pairs)
        assert one.maps == pytest.approx(largest, abs=1e-5)
        apart = {
            (a, b): float(np.hypot(*np.subtract(one.points[a], one.points[b]))) for a, b in pairs
        }
        assert one.distance_px == pytest.approx(max(apart.values()))
        assert apart[one.farthest] == pytest.approx(one.distance_px)
        assert one.distance == pytest.approx(one.distance_px / 120)


def test_the_most_interesting_keypoint_is_on_top(pair: list[Prediction]) -> None:
    ranked = disagreements(pair)
    interest = [one.interest for one in ranked]
    assert interest == sorted(interest, reverse=True) and 0 <= interest[-1] <= interest[0] <= 2
    farthest = max(one.distance_px for one in ranked)
    differing = max(one.maps for one in ranked)  # type: ignore[type-var]
    for one in ranked:
        expected = one.distance_px / farthest + one.maps / differing  # type: ignore[operator]
        assert one.interest == pytest.approx(expected)


def test_models_that_agree_have_nothing_to_disagree_about(pair: list[Prediction]) -> None:
    ranked = disagreements([pair[0], pair[0]])
    assert [one.keypoint for one in ranked] == list(COCO17.keypoints)  # ties keep the order
    assert all(one.distance_px == 0 and one.maps == pytest.approx(0, abs=1e-9) for one in ranked)
    assert all(one.interest == 0 for one in ranked)  # whatever rounding left of the overlaps


def test_one_model_is_not_held_against_itself_by_position(pair: list[Prediction]) -> None:
    layers = ["encoder.1", "encoder.2"]
    found = compare([pair[0], pair[0]], "nose", layer=layers)
    heads, rows = disagreement_table(found)
    far = heads.index("farthest apart")
    assert len(rows) == COCO17.size and {row[far] for row in rows} == {"–"}
    maps = [one.maps for one in found.disagreement]
    assert maps == sorted(maps, reverse=True) and maps[0] > 0  # type: ignore[type-var, operator]
    assert {models_with(one, found.predictions) for one in found.disagreement} == {1}
    both = compare([pair[0], pair[0], pair[1]], "nose", layer=[*layers, None])
    assert all(2 in one.farthest for one in both.disagreement)  # the other model, not itself


def test_disagreement_without_attention() -> None:
    blobs = pose_model(BlobFinder(), (64, 48))
    plain = Estimator(blobs).predict(PHOTO, BOXES)
    (first, *_) = disagreements([plain, predicted(3)])
    assert first.maps is None and first.distance_px > 0


def without(found: Prediction, *names: str) -> Prediction:
    """The same of a model that did not find some keypoints of anybody."""

    def lost(person: Person) -> Person:
        keypoints, scores = person.keypoints.copy(), person.scores.copy()
        at = [found.skeleton.index(name) for name in names]
        keypoints[at], scores[at] = np.nan, 0.0
        return replace(person, keypoints=keypoints, scores=scores)

    return replace(found, people=tuple(lost(one) for one in found.people))


def test_what_only_one_model_finds_comes_first(pair: list[Prediction]) -> None:
    blind = without(pair[1], "left hip", "nose")
    ranked = disagreements([pair[0], blind])
    assert len(ranked) == COCO17.size
    assert {one.keypoint for one in ranked[:2]} == {"left hip", "nose"}
    names = ["First", "Second"]
    for one in ranked[:2]:
        assert one.missed == (1,) and one.farthest == (0, 1)
        assert one.distance_px is None and one.distance is None and one.maps is None
        assert one.points[1] is None and one.scores[1] is None and one.points[0] is not None
        assert missed_words(one, names) == "only First finds it"
    for one in ranked[2:]:
        assert one.missed == () and one.distance_px is not None and one.interest <= 2
        assert missed_words(one, names) == ""
    # What nobody found, nobody disagrees about.
    both = disagreements([without(pair[0], "nose"), blind])
    assert "nose" not in [one.keypoint for one in both] and len(both) == COCO17.size - 1


def test_files_and_terminal_say_who_does_not_find_a_keypoint(
    pair: list[Prediction], lsp: Prediction
) -> None:
    found = compare([pair[0], without(pair[1], "left hip")], "nose")
    first, second = (panel.title for panel in found.panels)
    heads, rows = disagreement_table(found)
    assert rows[0] == ["left hip", f"only {first} finds it", "–"]
    assert disagreement_table(found, 1, numbered=True)[1][0][1] == "only 1 finds it"
    assert f"only {first} finds it" in html_page(found)
    texts = [text.get_text() for text in draw_comparison(found).texts]
    assert "only 1 finds it" in texts
    three = compare([pair[0], without(pair[1], "left hip"), lsp], "left knee")
    heads, rows = disagreement_table(three)
    said = dict(zip(heads, rows[0], strict=True))
    assert said["keypoint"] == "left hip" and said["between"] == "–"
    assert said["farthest apart"] == f"{second} does not find it"
    assert three.disagreement[0].distance_px is not None  # between those two that do
    nobody = compare([pair[0], *[without(one, "left hip") for one in (pair[1], lsp)]], "left knee")
    assert nobody.disagreement[0].missed == (1, 2)


@pytest.mark.parametrize("anchor", [None, "point"])
def test_what_was_not_found_has_no_confidence_and_no_distance(
    pair: list[Prediction], anchor: str | None
) -> None:
    found = compare([pair[0], without(pair[1], "nose")], "nose", anchor=anchor)  # type: ignore[arg-type]
    sure, lost = found.table
    assert sure.confidence is not None and sure.confidence > 0
    assert lost.confidence is None and lost.distance_px is None
    assert found.panels[1].keypoint is None and "found no nose" in found.panels[1].note
    column = next(one for one in columns_of(found) if one.head == "confidence")
    assert [column.cell(row) for row in found.table] == [f"{sure.confidence:.2f}", "–"]
    assert "0.00" not in " ".join(figure_lines(lost, first=False)[:1])
    # Asked as a place, a model with attention answers all the same.
    assert (found.panels[1].map is not None) is (anchor == "point")
