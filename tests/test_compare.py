"""Models side by side: densities that compare, each model's own token, and figures that hold."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import posekit
from posekit.benchmark.settings import Settings
from posekit.compare import CommonGrid, Comparison, compare, disagreements
from posekit.compare.disagreement import models_with
from posekit.compare.grid import density_factor
from posekit.compare.layers import layer_title
from posekit.compare.panel import UNTRAINED
from posekit.compare.picture import LESS, MORE
from posekit.compare.words import disagreement_table
from posekit.draw.overlay import dimmed
from posekit.errors import ModelError, PoseKitError, SkeletonError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import KeypointPeak, Query, explain, list_methods, numbers, peak_of
from posekit.explain.asked import to_heatmap
from posekit.explain.faithfulness import (
    deletion,
    faithfulness_of,
    insertion,
    mass_in_mask,
    spearman,
)
from posekit.geometry import Affine, Box, TokenGrid
from posekit.skeleton import COCO17, LSP14, Skeleton
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model

PHOTO = noise_photo(name="holiday-of-somebody.jpg")
BOXES = [Box(10, 12, 70, 120), Box(60, 20, 50, 110)]
FINE = (96, 72)
"""An input whose token grid is 12 x 9 where that of the other tiny model is 8 x 6."""


def predicted(
    seed: int = 0,
    *,
    skeleton: Skeleton = COCO17,
    size: tuple[int, int] = (64, 48),
    kind: str = "random",
    title: str = "",
    photo: object = PHOTO,
    boxes: list[Box] = BOXES,
) -> Prediction:
    model = tiny_model(seed, input_size=size, keypoints=skeleton.size)
    entry = replace(model.entry, skeleton=skeleton, title=title or f"Tiny {seed}")
    model = replace(model, entry=entry, weights=replace(model.weights, kind=kind))
    return Estimator(model).predict(photo, boxes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pair() -> list[Prediction]:
    return [predicted(0, kind="shipped"), predicted(1, size=FINE)]


@pytest.fixture(scope="module")
def lsp() -> Prediction:
    return predicted(2, skeleton=LSP14)


@pytest.fixture(scope="module")
def found(pair: list[Prediction]) -> Comparison:
    return compare(pair, "left wrist")


# -- the common grid ------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.floats(0.5, 20), st.floats(0.5, 20)),
    st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    st.integers(0, 2**32 - 1),
)
def test_masses_stay_whole_on_the_common_grid(
    size: tuple[int, int], step: tuple[float, float], start: tuple[float, float], seed: int
) -> None:
    to_photo = Affine.scaling(step, start)
    grid = TokenGrid(*size, Affine.identity())
    common = CommonGrid.over([(grid, to_photo)], Box(0, 0, 50, 80))
    values = np.random.default_rng(seed).random((3, *size))
    masses = common.masses(values, to_photo)
    np.testing.assert_allclose(masses.sum((1, 2)), values.sum((1, 2)), rtol=1e-9)
    assert masses.min() >= 0


def test_a_cell_is_divided_by_the_area_it_covers() -> None:
    common = CommonGrid(2, 3, Affine.scaling((2.0, 2.0), (1.0, 1.0)), Box(0, 0, 6, 4))
    # One cell from x = 1 to 4 and y = 1 to 3; the grid's cells end at 0, 2, 4, 6 and 0, 2, 4.
    masses = common.masses([[6.0]], Affine.scaling((3.0, 2.0), (2.5, 2.0)))
    np.testing.assert_allclose(masses, [[1.0, 2.0, 0.0], [1.0, 2.0, 0.0]], atol=1e-12)


def test_a_map_even_over_the_box_has_one_percent_on_each_percent_of_it() -> None:
    box = Box(10, 20, 60, 80)
    left, top, _, _ = box.edges
    for cells in (4, 20):  # whatever the grid
        to_photo = Affine.scaling((60 / cells, 80 / cells), (left + 30 / cells, top + 40 / cells))
        grid = TokenGrid(cells, cells, Affine.identity())
        common = CommonGrid.over([(grid, to_photo)], box)
        even = np.full((cells, cells), 1 / cells**2)
        density = common.masses(even, to_photo) * common.factor
        np.testing.assert_allclose(density, 0.01, rtol=1e-9)
        np.testing.assert_allclose(even * density_factor(to_photo, box), 0.01, rtol=1e-9)


def test_a_turned_crop_keeps_its_mass_and_its_place() -> None:
    turn = np.deg2rad(30)
    linear = 5.0 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    to_photo = Affine(np.column_stack([linear, [50.0, 40.0]]))
    grid = TokenGrid(8, 6, Affine.identity())
    common = CommonGrid.over([(grid, to_photo)], Box(0, 0, 100, 100))
    values = np.zeros((8, 6))
    values[5, 2] = 3.0
    masses = common.masses(values, to_photo)
    assert masses.sum() == pytest.approx(3.0, rel=1e-6)
    row, col = np.unravel_index(masses.argmax(), masses.shape)
    away = common.to_photo.apply([col, row]) - to_photo.apply([2, 5])
    assert np.hypot(*away) < 2.0  # within a cell of either grid


# -- what each model is asked ---------------------------------------------------------------------


def test_every_model_is_asked_at_its_own_keypoint(
    pair: list[Prediction], found: Comparison
) -> None:
    index = COCO17.index("left wrist")
    for one, panel in zip(pair, found.panels, strict=True):
        assert panel.point == pytest.approx(tuple(one.people[0].keypoints[index]))
        own = explain(one, "left wrist", person=0).layer("encoder.3")
        np.testing.assert_array_equal(panel.map.weights, own.weights)  # type: ignore[union-attr]
        assert panel.keypoint == index and panel.figures.layer == "encoder.3"
    assert found.keypoint == found.label == "left wrist"
    assert found.title == "Left wrist looks at"


def test_a_point_is_the_same_place_for_all_and_each_takes_its_own_token(
    pair: list[Prediction],
) -> None:
    found = compare(pair, (40.0, 60.0), person=1, direction="column")
    assert found.keypoint is None and found.label == "point (40, 60)"
    for one, panel in zip(pair, found.panels, strict=True):
        own = explain(one, (40.0, 60.0), person=1, direction="column").layer(-1)
        assert panel.point == (40.0, 60.0)
        assert panel.map.query_token == own.query_token  # type: ignore[union-attr]
        np.testing.assert_array_equal(panel.map.weights, own.weights)  # type: ignore[union-attr]
        assert panel.figures.confidence is None and panel.figures.distance_px is None
    assert found.panels[0].map.query_token != found.panels[1].map.query_token  # type: ignore


def test_a_keypoint_can_be_asked_at_one_place(pair: list[Prediction]) -> None:
    found = compare(pair, "nose", anchor="point")
    place = tuple(pair[0].people[0].keypoints[0])
    assert [panel.point for panel in found.panels] == [pytest.approx(place)] * 2
    assert "Asked at" not in found.panels[0].note
    assert "Asked at the place where Tiny 0 puts the nose." in found.panels[1].note
    assert found.panels[1].keypoint == 0  # distance and confidence are still of its own nose
    clicked = Query(0, (33.0, 44.0), 0)
    found = compare(pair, clicked, anchor="point")
    assert [panel.point for panel in found.panels] == [(33.0, 44.0)] * 2
    with pytest.raises(TraceError, match="as 'keypoint' or as 'point', not 'x'"):
        compare(pair, "nose", anchor="x")  # type: ignore[arg-type]


def test_a_model_without_the_keypoint_is_asked_where_another_puts_it(
    pair: list[Prediction], lsp: Prediction
) -> None:
    found = compare([pair[0], lsp], "neck")
    place = tuple(lsp.people[0].keypoints[LSP14.index("neck")])
    assert [panel.point for panel in found.panels] == [pytest.approx(place)] * 2
    assert [panel.keypoint for panel in found.panels] == [None, LSP14.index("neck")]
    note = found.panels[0].note
    assert note.startswith("This model does not know the neck: it is asked at the place where ")
    assert found.panels[0].figures.distance_px is None
    assert found.panels[1].figures.distance_px == 0.0  # the first that knows it
    shared = compare([pair[0], lsp], "left wrist")
    assert [panel.keypoint for panel in shared.panels] == [9, LSP14.index("left wrist")]
    with pytest.raises(SkeletonError, match='None of these models has a keypoint "pelvis"'):
        compare([pair[0], lsp], "pelvis")
    with pytest.raises(SkeletonError, match="no keypoint 17 in COCO"):
        compare([pair[0], lsp], 17)


def test_a_place_outside_the_photo_is_said(pair: list[Prediction]) -> None:
    person = pair[1].people[0]
    keypoints = person.keypoints.copy()
    keypoints[0] = (-3.0, 50.0)
    moved = replace(pair[1], people=(replace(person, keypoints=keypoints), *pair[1].people[1:]))
    found = compare([pair[0], moved], "nose")
    assert found.panels[1].note == "Asked outside the photo, at (-3, 50)."


def test_layer_and_head_of_another_model(pair: list[Prediction]) -> None:
    deep = replace(pair[1], trace=replace(pair[1].trace))  # type: ignore[type-var]
    layers = dict(deep.trace.attentions)  # type: ignore[union-attr]
    layers.pop("encoder.3")
    deep.trace.attentions = layers  # type: ignore[union-attr]
    found = compare([pair[0], deep], "nose", layer="encoder.3", head=2)
    assert [row.layer for row in found.table] == ["encoder.3", "encoder.2"]
    assert "no layer encoder.3: its last, encoder.2, is shown" in found.panels[1].note
    assert found.panels[0].map.head == 2  # type: ignore[union-attr]
    found = compare(pair, "nose", layer=["encoder.1", None])
    assert [row.layer for row in found.table] == ["encoder.1", "encoder.3"]
    found = compare(pair, "nose", head=7)
    assert all("This layer has 4 heads: their mean is shown." in p.note for p in found.panels)
    mean = compare(pair, "nose").panels[0].map.weights  # type: ignore[union-attr]
    np.testing.assert_array_equal(found.panels[0].map.weights, mean)  # type: ignore[union-attr]


def test_a_target_is_carried_to_the_other_models_maps(
    pair: list[Prediction], lsp: Prediction
) -> None:
    target = peak_of(pair[0], "left wrist")
    found = compare([*pair, lsp], target, method="saliency")
    place = to_heatmap(pair[0], 0).inverse().apply(target.point)
    for panel in found.panels:
        assert panel.map is not None
        assert panel.point == pytest.approx(tuple(place), abs=1e-4)
    assert found.label == "left wrist"
    point = tuple(to_heatmap(pair[1], 0).apply(place))
    by_hand = explain(pair[1], KeypointPeak(9, point), method="saliency", person=0)
    np.testing.assert_allclose(found.panels[1].map.values, by_hand.values)  # type: ignore
    eye = compare([pair[0], lsp], peak_of(pair[0], "left eye"), method="saliency")
    assert eye.panels[0].map is not None and eye.panels[1].map is None
    assert "does not know the left eye" in eye.panels[1].note


# -- the numbers ----------------------------------------------------------------------------------


def test_densities_hold_the_whole_mass_and_share_one_scale(found: Comparison) -> None:
    percent_of_box = 100 * found.grid.to_photo.scale**2 / found.box.area
    for n, panel in enumerate(found.panels):
        density = found.density(n)
        assert density.shape == found.grid.size
        assert (density * percent_of_box).sum() == pytest.approx(1.0, rel=1e-6)
        # A cell of the map is a patch of the common grid with that very density.
        top = panel.mass.weights.max() * panel.density_factor  # type: ignore[union-attr]
        assert density.max() == pytest.approx(top, rel=1e-6)
        assert found.scale.unit_values(density).max() <= 1.0
    assert found.scale.limit == max(found.density(n).max() for n in (0, 1))
    np.testing.assert_allclose(found.difference(0, 1), found.density(0) - found.density(1))
    np.testing.assert_allclose(found.difference(0, 1), -found.difference(1, 0))
    with pytest.raises(TraceError, match="There is no panel 2"):
        found.density(2)


def with_masses(found: Comparison, *weights: np.ndarray) -> Comparison:
    panels = [
        replace(panel, mass=replace(panel.mass, weights=one.astype(np.float32)))  # type: ignore
        for panel, one in zip(found.panels, weights, strict=True)
    ]
    return replace(found, panels=tuple(panels))


def test_overlap_of_equal_and_of_disjoint_maps(found: Comparison) -> None:
    left, right = np.zeros((8, 6)), np.zeros((12, 9))
    left[:, :3] = 1 / 24
    right[:, 6:] = 1 / 36
    apart = with_masses(found, left, right)
    assert apart.overlap(0, 1).intersection == pytest.approx(0.0, abs=1e-9)
    assert apart.overlap(0, 1).rank_correlation < -0.4
    # Even on the left of two grids: the same place, but for where the crops' cells end.
    right = np.zeros((12, 9))
    right[:, :5] = np.array([1, 1, 1, 1, 0.5]) / (12 * 4.5)
    alike = with_masses(found, left, right).overlap(0, 1)
    assert alike.intersection > 0.88 and alike.rank_correlation > 0.9
    same = found.overlap(1, 1)
    assert same.intersection == pytest.approx(1.0) and same.rank_correlation == pytest.approx(1)


def test_rank_correlation_is_that_of_the_cells_where_grids_agree(pair: list[Prediction]) -> None:
    found = compare([pair[0], predicted(5)], "nose")
    a, b = (panel.map for panel in found.panels)
    assert found.overlap(0, 1).rank_correlation == pytest.approx(spearman(a, b))  # type: ignore


def test_a_row_of_the_table(pair: list[Prediction], found: Comparison) -> None:
    first, second = found.table
    keypoints = [one.people[0].keypoints for one in pair]
    apart = float(np.linalg.norm(keypoints[0][9] - keypoints[1][9]))
    torso = float(np.linalg.norm(keypoints[0][5] - keypoints[0][12]))
    assert (first.distance_px, first.distance_torso, first.distance_box) == (0, 0, 0)
    assert second.distance_px == pytest.approx(apart)
    assert second.distance_torso == pytest.approx(apart / torso)
    assert second.distance_box == pytest.approx(apart / 120)
    assert second.confidence == pair[1].people[0].scores[9]
    measured = numbers(found.panels[1].map, pair[1])  # type: ignore[arg-type]
    assert second.on_person == pytest.approx(measured.mass_in_box)
    assert second.on_others == pytest.approx(measured.mass_in_other_boxes)
    assert second.on_person + second.on_others + second.elsewhere == pytest.approx(1)  # type: ignore
    assert second.entropy_nats == pytest.approx(measured.entropy_nats, rel=1e-6)
    assert second.entropy_share == pytest.approx(measured.entropy_share, rel=1e-6)
    assert second.peak_distance_px == pytest.approx(measured.peak_distance_px)
    assert first.overlap == pytest.approx(1.0)
    assert second.overlap == pytest.approx(found.overlap(0, 1).intersection)
    assert second.predict_ms == pytest.approx(1000 * pair[1].seconds["total"])
    module = pair[1].model.module
    assert second.parameters == sum(p.numel() for p in module.parameters())
    assert second.deletion is None and second.insertion is None


def test_purity_on_a_mask(pair: list[Prediction]) -> None:
    mask = np.zeros(PHOTO.size, dtype=bool)
    mask[30:90, 20:50] = True
    found = compare(pair, "nose", mask=mask)
    expected = mass_in_mask(explain(pair[0], "nose").layer(-1), mask)
    assert found.table[0].on_person == pytest.approx(expected, rel=1e-5)


def test_faithfulness_is_that_of_the_curves(pair: list[Prediction]) -> None:
    seen: list[tuple[int, int]] = []
    found = compare(
        pair, "nose", faithfulness=True, progress=lambda done, total: seen.append((done, total))
    )
    map_ = explain(pair[1], "nose").layer(-1)
    for curve, value in (
        (deletion, found.table[1].deletion),
        (insertion, found.table[1].insertion),
    ):
        (expected,) = curve(pair[1], ["nose"], [map_], person=0, steps=10, power=2.0, level="cells")
        assert value == pytest.approx(expected.share, rel=1e-5)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done) and len(set(totals)) == 1 and done[-1] == totals[0]


def test_a_map_gets_the_same_figures_here_on_explore_and_in_a_benchmark(
    pair: list[Prediction],
) -> None:
    found = compare(pair, "nose", faithfulness=True).table[1]
    map_ = explain(pair[1], "nose").layer(-1)
    on_explore = faithfulness_of(pair[1], "nose", map_, person=0)
    assert found.deletion == pytest.approx(on_explore.deletion, rel=1e-5)
    assert found.insertion == pytest.approx(on_explore.insertion, rel=1e-5)
    how = Settings()
    (benchmarked,) = deletion(
        pair[1], ["nose"], [map_], person=0, steps=how.steps, power=how.power, level=how.level
    )
    assert found.deletion == pytest.approx(benchmarked.share, rel=1e-5)
    # It matters: by single pixels the same map has another figure.
    (by_pixels,) = deletion(pair[1], ["nose"], [map_], person=0, steps=how.steps)
    assert abs(by_pixels.share - found.deletion) > 1e-3


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ModelError])
def test_stopping_ends_the_work(pair: list[Prediction], kind: type[BaseException]) -> None:
    def stop(done: int, total: int) -> None:
        raise kind("enough")

    with pytest.raises(kind, match="enough"):
        compare(pair, "nose", faithfulness=True, progress=stop)
    with pytest.raises(kind, match="enough"):
        compare(pair, "nose", method="occlusion", progress=stop)


# -- disagreement ---------------------------------------------------------------------------------


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


# -- methods and refusals -------------------------------------------------------------------------

QUICK = {
    "rise": {"masks": 16},
    "gradient-shap": {"samples": 2},
    "integrated-gradients": {"steps": 4},
}


@pytest.mark.parametrize("name", [one.name for one in list_methods()])
def test_every_method_can_be_compared(pair: list[Prediction], name: str) -> None:
    found = compare(pair, "left wrist", method=name, options=QUICK.get(name))
    assert found.method == name and found.shown == (0, 1)
    assert not any(panel.note for panel in found.panels)
    for n in (0, 1):
        assert (found.density(n) / found.grid.factor).sum() == pytest.approx(1.0, abs=1e-5)
        assert found.table[n].on_person is not None
    assert 0.0 <= found.overlap(0, 1).intersection <= 1.0
    assert found.difference(0, 1).any()
    assert found.panels[0].legend


def test_a_model_that_cannot_answer_keeps_its_sentence(pair: list[Prediction]) -> None:
    plain = Estimator(pose_model(BlobFinder(), (64, 48))).predict(PHOTO, BOXES)
    found = compare([plain, *pair], "nose")
    assert found.shown == (1, 2)
    panel = found.panels[0]
    assert panel.map is None and panel.note == (
        "This model recorded no attention between places of the photo."
    )
    assert panel.figures.confidence == plain.people[0].scores[0]  # the pose still compares
    assert found.table[2].distance_px is not None and found.table[1].overlap == pytest.approx(1)
    with pytest.raises(TraceError, match="no map of Tiny-TransPose"):
        found.overlap(0, 1)
    with pytest.raises(TraceError, match="recorded no attention"):
        compare([plain, plain], "nose")
    found.save_html(io.BytesIO())
    found.save_png(io.BytesIO())


def test_what_cannot_be_compared_is_refused_in_a_sentence(pair: list[Prediction]) -> None:
    for predictions, words in (
        ([], "takes 2 to 5 models, and 0 models were chosen: add another one"),
        (pair[:1], "takes 2 to 5 models, and 1 model was chosen: add another one"),
        (pair * 3, "takes 2 to 5 models, and 6 models were chosen: leave some out"),
    ):
        with pytest.raises(ModelError, match=words):
            compare(predictions, "nose")
    other = predicted(1, photo=noise_photo(seed=9))
    with pytest.raises(TraceError, match="run on different photos"):
        compare([pair[0], other], "nose")
    again = predicted(1, photo=noise_photo(name="the same, again"))
    assert compare([pair[0], again], "nose").shown == (0, 1)
    for boxes in (BOXES[:1], [BOXES[0], Box(60, 20, 51, 110)]):
        with pytest.raises(TraceError, match="run with different boxes"):
            compare([pair[0], predicted(1, boxes=boxes)], "nose")
    with pytest.raises(TraceError, match="There is no person 2"):
        compare(pair, "nose", person=2)
    with pytest.raises(TraceError, match="There is no method 'rolout'"):
        compare(pair, "nose", method="rolout")
    with pytest.raises(TraceError, match="no option 'steps'"):
        compare(pair, "nose", options={"steps": 3})
    with pytest.raises(TraceError, match="Say head= itself"):
        compare(pair, "nose", options={"head": 3})
    for asked, what in (
        ({"layer": "encoder.1"}, "no layers"),
        ({"head": 1}, "no heads"),
        ({"direction": "column"}, "no direction"),
    ):
        with pytest.raises(TraceError, match=what):
            compare(pair, "nose", method="saliency", **asked)
    with pytest.raises(TraceError, match="two finite numbers"):
        compare(pair, (np.nan, 3.0))
    silent = replace(pair[0], trace=None)
    with pytest.raises(PoseKitError, match="Nothing was recorded"):
        compare([silent, silent], "nose")


def test_panels_say_who_is_untrained_and_tell_like_models_apart(pair: list[Prediction]) -> None:
    twins = [predicted(n, title="Tiny", kind=kind) for n, kind in enumerate(("shipped", "random"))]
    found = compare([*twins, twins[1]], (40.0, 60.0), person=0)
    assert [panel.title for panel in found.panels] == [
        "Tiny (shipped weights)",
        "Tiny (untrained), 1",
        "Tiny (untrained), 2",
    ]
    assert [panel.trained for panel in found.panels] == [True, False, False]
    assert found.panels[0].remarks == ()
    assert UNTRAINED.lower() in found.panels[1].remarks[0].lower()
    assert compare(pair, "nose").panels[1].title == "Tiny 1 (untrained)"
    layers = ["encoder.1", None, "encoder.1"]
    own = compare([twins[0]] * 3, "nose", layer=layers)  # the weights are the same: the layer tells
    words = [layer_title(twins[0], layer) for layer in layers]
    assert words[0] != words[1]
    assert [panel.title for panel in own.panels] == [
        f"Tiny, {words[0]}, 1",
        f"Tiny, {words[1]}",
        f"Tiny, {words[0]}, 2",
    ]


# -- files ----------------------------------------------------------------------------------------


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


def test_no_file_names_the_photo_or_the_weights(pair: list[Prediction]) -> None:
    weights = replace(pair[0].model.weights, kind="file", path="/home/somebody/secret.pth")
    private = replace(pair[0], model=replace(pair[0].model, weights=weights))
    found = compare([private, pair[1]], "nose")
    for kind in ("html", "json", "npz", "png"):
        content = saved(found, kind)
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
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
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


def test_a_comparison_needs_no_matplotlib() -> None:
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from tests.test_compare import compare, predicted\n"
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
