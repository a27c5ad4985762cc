"""Explanations against the full matrix, closed forms and the geometry they are drawn with."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

import posekit
from posekit.errors import PoseKitError, SkeletonError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import AttentionMap, Query, explain, head_grid, numbers, snap
from posekit.geometry import Box, Crop, TokenGrid
from posekit.trace import Attention, Trace
from tests.tiny_models import noise_photo, pose_model, tiny_model

BOXES = (Box(20, 20, 40, 56), Box(130, 60, 44, 70))


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    """Two people side by side in one photo."""
    return Estimator(tiny_model()).predict(noise_photo(180, 240), BOXES)


def make_map(
    weights: np.ndarray, box: Box, photo_size: tuple[int, int], rotation: float = 0.0
) -> AttentionMap:
    """A map with given weights on a TransPose-R grid, for a crop of ``box``."""
    rows, cols = weights.shape
    size = (rows * 8, cols * 8)
    grid = TokenGrid.from_heatmap(rows, cols, (rows * 2, cols * 2), size)
    crop = Crop.of_box(box, size, photo_size, rotation=rotation)
    query = Query(0, box.centre)
    return AttentionMap(
        "encoder.1", "encoder", "row", None, weights.astype(np.float32), grid, crop, 0, query, 1
    )


def random_weights(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    weights = np.random.default_rng(seed).random((rows, cols)) ** 4
    return (weights / weights.sum()).astype(np.float32)


# --- rows, columns, heads ---------------------------------------------------------------------


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("direction", ["row", "column"])
def test_maps_equal_the_full_matrix(prediction, person, direction):
    point = prediction.people[person].box.centre
    answer = explain(prediction, point, direction=direction)
    assert answer.query == Query(person, point, None)
    assert answer.layers == ("encoder.1", "encoder.2", "encoder.3")
    for one in answer.maps:
        matrix = prediction.trace.attentions[one.layer].matrix(item=person)  # (heads, T, T)
        t = one.query_token
        expected = matrix[:, t, :] if direction == "row" else matrix[:, :, t]
        np.testing.assert_allclose(one.weights.ravel(), expected.mean(0).numpy(), atol=1e-6)
        assert one.weights.shape == (8, 6) and one.weights.dtype == np.float32
        assert one.direction == direction and one.heads == 4
    assert not np.allclose(answer.maps[0].weights, answer.maps[2].weights, atol=1e-3)


def test_a_row_holds_all_of_the_querys_attention(prediction):
    assert all(one.total == pytest.approx(1, abs=1e-5) for one in explain(prediction, "nose").maps)


@pytest.mark.parametrize("direction", ["row", "column"])
def test_no_head_is_the_mean_over_heads(prediction, direction):
    point = BOXES[0].centre
    mean = explain(prediction, point, direction=direction)
    heads = [explain(prediction, point, direction=direction, head=h) for h in range(4)]
    for n, layer in enumerate(mean.maps):
        stacked = np.stack([one.maps[n].weights for one in heads])
        np.testing.assert_allclose(layer.weights, stacked.mean(axis=0), atol=1e-7)
        assert np.ptp(stacked, axis=0).max() > 0.01  # the heads do differ
        grid = head_grid(prediction, point, layer.layer, direction=direction)
        assert [one.head for one in grid] == [0, 1, 2, 3]
        np.testing.assert_array_equal(stacked, [one.weights for one in grid])


def test_the_query_token_is_the_cell_under_the_point(prediction):
    person = prediction.people[1]
    grid = prediction.trace.attentions["encoder.1"].query_grid
    centres = person.crop.to_photo.apply(grid.centres())
    for token in (0, 5, 21, 47):
        answer = explain(prediction, centres[token], person=1)
        assert [one.query_token for one in answer.maps] == [token] * 3


def test_constructed_attention_lands_where_it_points(prediction):
    """Token 8 attends to token 33 alone; the map must peak at that token's place in the photo."""
    tokens, there = 48, 33
    q = torch.zeros(1, 1, tokens, 4)
    k = torch.zeros(1, 1, tokens, 4)
    q[0, 0, 8, 0], k[0, 0, there, 0] = 40.0, 1.0
    grid = prediction.trace.attentions["encoder.1"].query_grid
    trace = Trace({"encoder.1": Attention("encoder.1", "encoder", q, k, grid, grid)})
    one = replace(prediction, trace=trace, people=prediction.people[:1])
    crop = prediction.people[0].crop
    source, target = crop.to_photo.apply(grid.centres()[[8, there]])
    answer = explain(one, source)
    on_photo = answer.maps[0].on_photo()
    y, x = np.unravel_index(np.argmax(on_photo), on_photo.shape)
    cell = crop.to_photo.scale * grid.cell[0]
    assert math.hypot(x - target[0], y - target[1]) < 0.75  # the nearest pixel
    assert on_photo[y, x] > 0.8
    measured = numbers(answer.maps[0], one)
    assert measured.peak_point == pytest.approx(tuple(target))
    assert measured.peak_distance_px == pytest.approx(math.dist(source, target))
    assert measured.peak_distance_px > cell


def test_layers_can_be_chosen_by_name_or_place(prediction):
    assert explain(prediction, "nose", layers=["encoder.2"]).layers == ("encoder.2",)
    assert explain(prediction, "nose", layers=[-1, 0]).layers == ("encoder.3", "encoder.1")
    answer = explain(prediction, "nose")
    assert answer.layer("encoder.2") is answer.maps[1] and answer.layer(-1) is answer.maps[2]
    with pytest.raises(TraceError, match=r"encoder\.9.*encoder\.1, encoder\.2, encoder\.3"):
        answer.layer("encoder.9")


def test_the_package_is_the_verb(prediction):
    by_package = posekit.explain(prediction, "left wrist")
    by_function = explain(prediction, prediction.skeleton.index("left wrist"))
    assert by_package.query == by_function.query
    assert by_package.title == "left wrist looks at"


def test_a_click_asks_neither_the_network_nor_the_full_matrix(prediction, monkeypatch):
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a click must read rows from the trace")

    monkeypatch.setattr(type(prediction.model.module), "forward", forbidden)
    monkeypatch.setattr(Attention, "matrix", forbidden)
    for direction in ("row", "column"):
        assert len(explain(prediction, "nose", direction=direction).maps) == 3


def test_a_click_on_a_full_sized_trace_is_quick():
    """TransPose-R-A3's shapes: all layers, heads and numbers; a page's frame is 100 ms."""
    grid = TokenGrid.from_heatmap(32, 24, (64, 48), (256, 192))
    torch.manual_seed(0)
    layers = {
        f"encoder.{n}": Attention(
            f"encoder.{n}",
            "encoder",
            torch.randn(1, 8, 768, 32),
            torch.randn(1, 8, 768, 32),
            grid,
            grid,
        )
        for n in (1, 2, 3)
    }
    small = Estimator(tiny_model()).predict(noise_photo())
    person = small.people[0]
    crop = Crop.of_box(person.box, (256, 192), small.photo.size)
    full = replace(small, trace=Trace(layers), people=(replace(person, crop=crop),))
    times = []
    for _ in range(7):
        start = time.perf_counter()
        answer = explain(full, snap(full, (60.0, 80.0), radius=0))
        found = [numbers(one, full) for one in answer.maps]
        times.append(time.perf_counter() - start)
    assert len(found) == 3
    assert min(times) < 0.1


def test_threads_share_a_prediction(prediction):
    expected = [explain(prediction, k, direction="column").maps[2].weights for k in range(17)]
    fresh = Estimator(prediction.model).predict(prediction.photo, BOXES)
    found: dict[int, np.ndarray] = {}

    def ask(keypoint: int) -> None:
        found[keypoint] = explain(fresh, keypoint, direction="column").maps[2].weights

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for keypoint, weights in enumerate(expected):
        np.testing.assert_allclose(found[keypoint], weights, atol=1e-6)


# --- on the photo -----------------------------------------------------------------------------


@given(
    rows=st.integers(2, 9),
    cols=st.integers(2, 9),
    width=st.floats(40, 150),
    angle=st.sampled_from([0.0, 0.0, 17.0, -60.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_mass_is_kept_on_the_photo(rows, cols, width, angle, seed):
    """With the grid inside the photo, the drawn map integrates to the row's total."""
    one = make_map(
        random_weights(rows, cols, seed),
        Box(300, 300, width, width * rows / cols),
        (800, 800),
        angle,
    )
    ends = [(x, y) for x in (-0.5, cols - 0.5) for y in (-0.5, rows - 0.5)]
    corners = one.grid_to_photo.apply(ends)
    drawn = one.on_photo()
    if corners.min() < -0.5 or corners.max() > 799.5:
        assert drawn.shape == (800, 800)
        return
    cell = one.grid_to_photo.scale
    # Whole pixels cover a border cell to within half a pixel along each axis, and no better.
    assert drawn.sum(dtype=np.float64) / cell**2 == pytest.approx(one.total, rel=1.1 / cell)
    assert drawn.max() <= one.weights.max() + 1e-6


@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_values_are_bilinear_between_token_centres_and_zero_beyond_the_cells(angle):
    one = make_map(random_weights(7, 5, 3), Box(60, 40, 90, 120), (230, 200), angle)
    drawn = one.on_photo()
    y, x = np.mgrid[0:230, 0:200]
    column, row = np.moveaxis(one.grid_to_photo.inverse().apply(np.stack([x, y], axis=-1)), -1, 0)
    expected = map_coordinates(one.weights.astype(float), [row, column], order=1, mode="nearest")
    inside = (np.abs(column - 2) <= 2.5) & (np.abs(row - 3) <= 3.5)
    edge = (np.abs(np.abs(column - 2) - 2.5) < 1e-9) | (np.abs(np.abs(row - 3) - 3.5) < 1e-9)
    assert (drawn[~inside & ~edge] == 0).all()
    # OpenCV places samples on a lattice of 1/32 of a cell.
    limit = np.ptp(one.weights) / 16
    assert np.abs(drawn - expected)[inside & ~edge].max() < limit
    assert np.abs(drawn - expected)[inside & ~edge].mean() < limit / 8
    assert 0 < inside.mean() < 1


def test_the_outermost_cells_are_level_to_their_edges():
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    one = make_map(weights, Box(100, 100, 160, 120), (400, 400))
    drawn = one.on_photo()
    corner = one.grid_to_photo.apply([(3.4, 2.4), (3.6, 2.4), (-0.4, -0.4), (3.4, -0.4)])
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = np.round(corner).astype(int)
    assert drawn[y0, x0] == pytest.approx(11) and drawn[y1, x1] == 0
    assert drawn[y2, x2] == pytest.approx(0) and drawn[y3, x3] == pytest.approx(3)


def test_a_smaller_picture_shows_the_same_map():
    one = make_map(random_weights(8, 6), Box(100, 80, 200, 260), (480, 400))
    full, half = one.on_photo(), one.on_photo((240, 200))
    averaged = full.reshape(240, 2, 200, 2).mean(axis=(1, 3))
    assert half.shape == (240, 200)
    # The block across the grid's edge is averaged on one side and cut on the other.
    assert np.abs(half - averaged)[20:-20, 20:-20].mean() < 0.01 * one.weights.max()
    np.testing.assert_array_equal(one.on_photo((480, 400)), full)


def test_a_window_is_a_part_of_the_photo():
    one = make_map(random_weights(8, 6), Box(100, 80, 200, 260), (480, 400))
    part = one.on_photo(window=(119.5, 99.5, 319.5, 349.5))
    assert part.shape == (250, 200)
    np.testing.assert_allclose(part, one.on_photo()[100:350, 120:320], atol=2e-4)


def test_cells_smaller_than_a_pixel_keep_their_mass():
    """A person far away: 24 x 18 cells on some 15 pixels; the only heavy cell must not be lost."""
    for at in range(0, 24 * 18, 37):
        weights = np.zeros((24, 18), dtype=np.float32)
        weights.flat[at] = 1.0
        one = make_map(weights, Box(50, 50, 8, 11), (100, 120))
        assert one.grid_to_photo.scale < 1
        mass = one.on_photo().sum() / one.grid_to_photo.scale**2
        assert mass == pytest.approx(1, rel=0.2)


def test_on_crop_is_the_map_where_the_model_saw_it():
    one = make_map(random_weights(8, 6), Box(100, 80, 200, 260), (480, 400), rotation=25)
    crop = one.on_crop()
    assert crop.shape == (64, 48)
    column, row = one.grid.to_input.inverse().apply((20, 30))
    expected = map_coordinates(one.weights.astype(float), [[row], [column]], order=1)[0]
    assert crop[30, 20] == pytest.approx(expected, abs=float(np.ptp(one.weights)) / 16)


def test_a_grid_off_the_photo_draws_nothing():
    one = make_map(random_weights(4, 4), Box(0, 0, 30, 30), (60, 60))
    far = replace(one, crop=Crop(one.crop.size, one.crop.to_crop, (60, 60)))
    assert far.on_photo(window=(200, 200, 260, 260)).max() == 0


# --- share of mass ----------------------------------------------------------------------------

WEIGHTS = st.lists(
    st.floats(0, 1, width=32).map(lambda value: round(value, 2)), min_size=1, max_size=40
).filter(lambda values: sum(values) > 0)


@given(values=WEIGHTS, share=st.floats(0.001, 1))
@settings(max_examples=200, deadline=None)
def test_keep_mass_is_the_smallest_set_with_the_share(values, share):
    weights = np.array([values], dtype=np.float32)
    one = make_map(np.vstack([weights, np.zeros_like(weights)]), Box(10, 10, 50, 50), (80, 80))
    kept = one.keep_mass(share).weights
    shown = kept > 0
    total = one.weights.sum(dtype=np.float64)
    assert np.array_equal(kept[shown], one.weights[shown])
    assert kept.sum(dtype=np.float64) >= share * total - 1e-9
    level = one.weights[shown].min()
    assert (one.weights[one.weights >= level] > 0).all() and shown[one.weights >= level].all()
    # Without its lightest cells (all that tie) the set would be too small.
    assert one.weights[one.weights > level].sum(dtype=np.float64) < share * total + 1e-9


@given(values=WEIGHTS, a=st.floats(0, 1), b=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_keep_mass_is_monotone(values, a, b):
    one = make_map(np.array([values, values]), Box(10, 10, 50, 50), (80, 80))
    small, large = sorted((a, b))
    assert (one.keep_mass(small).weights <= one.keep_mass(large).weights).all()


def test_keep_mass_by_hand():
    one = make_map(np.array([[0.4, 0.3], [0.2, 0.1]]), Box(10, 10, 50, 50), (80, 80))
    assert one.keep_mass(0.5).weights.tolist() == one.keep_mass(0.69).weights.tolist()
    np.testing.assert_allclose(one.keep_mass(0.5).weights, [[0.4, 0.3], [0, 0]], atol=1e-7)
    np.testing.assert_array_equal(one.keep_mass(1.0).weights, one.weights)
    exact = make_map(np.array([[0.5, 0.25], [0.125, 0.125]]), Box(10, 10, 50, 50), (80, 80))
    assert exact.keep_mass(0.5).weights.tolist() == [[0.5, 0], [0, 0]]
    assert exact.keep_mass(0.8).weights.tolist() == exact.weights.tolist()  # the tie is kept
    assert one.keep_mass(0.0).total == 0
    assert one.keep_mass(0.5).kept == 0.5
    for share in (-0.1, 1.5, math.nan):
        with pytest.raises(TraceError, match="between 0 and 1"):
            one.keep_mass(share)


# --- numbers ----------------------------------------------------------------------------------


def with_map(prediction: Prediction, weights: np.ndarray, person: int = 0) -> AttentionMap:
    """One of the prediction's maps with other weights."""
    one = explain(prediction, prediction.people[person].box.centre, person=person).maps[0]
    return replace(one, weights=weights.astype(np.float32))


def test_a_uniform_map_has_the_entropy_of_its_tokens(prediction):
    found = numbers(with_map(prediction, np.full((8, 6), 1 / 48)), prediction)
    assert found.entropy_nats == pytest.approx(math.log(48), abs=1e-5)
    assert found.entropy_share == pytest.approx(1)


def test_a_column_is_scaled_before_it_is_measured(prediction):
    weights = random_weights(8, 6)
    one = numbers(with_map(prediction, weights), prediction)
    other = numbers(with_map(prediction, weights * 7), prediction)
    assert one.entropy_nats == pytest.approx(other.entropy_nats, abs=1e-5)
    assert one.mass_in_box == pytest.approx(other.mass_in_box, abs=1e-5)


def test_a_single_cell_is_in_the_box_or_not(prediction):
    inside = np.zeros((8, 6))
    inside[4, 3] = 1
    outside = np.zeros((8, 6))
    outside[0, 0] = 1  # the padding's corner
    found = numbers(with_map(prediction, inside), prediction)
    assert found.mass_in_box == 1 and found.entropy_nats == 0 and found.mass_outside == 0
    found = numbers(with_map(prediction, outside), prediction)
    assert found.mass_in_box == 0 and found.mass_outside == 1
    with pytest.raises(TraceError, match="no attention"):
        numbers(with_map(prediction, np.zeros((8, 6))), prediction)


@given(seed=st.integers(0, 10**6), power=st.floats(0, 20))
@settings(max_examples=50, deadline=None)
def test_numbers_stay_in_their_ranges(seed, power):
    prediction = _shared_prediction()
    weights = np.random.default_rng(seed).random((8, 6)) ** power + 1e-30
    found = numbers(with_map(prediction, weights / weights.sum()), prediction)
    assert 0 <= found.mass_in_box <= 1 and 0 <= found.mass_in_other_boxes <= 1
    assert 0 <= found.mass_outside <= 1
    assert 0 <= found.entropy_share <= 1 + 1e-12
    assert found.peak_distance_px >= 0


def _shared_prediction(cache: list[Prediction] = []) -> Prediction:  # noqa: B006
    if not cache:
        cache.append(Estimator(tiny_model()).predict(noise_photo(180, 240), BOXES))
    return cache[0]


def test_mass_on_another_person_is_told_apart():
    near = (Box(40, 40, 60, 80), Box(85, 40, 60, 80))
    prediction = Estimator(tiny_model()).predict(noise_photo(180, 240), near)
    one = with_map(prediction, np.full((8, 6), 1 / 48))
    found = numbers(one, prediction)
    centres = one.token_centres
    mine = near[0].contains(centres)
    others = near[1].contains(centres) & ~mine
    assert others.any()
    assert found.mass_in_box == pytest.approx(mine.mean(), abs=1e-6)
    assert found.mass_in_other_boxes == pytest.approx(others.mean(), abs=1e-6)
    both = mine & near[1].contains(centres)
    assert 0 < both.sum() < mine.sum()
    assert found.mass_in_both == pytest.approx(both.mean(), abs=1e-6)


# --- queries ----------------------------------------------------------------------------------


def placed(prediction: Prediction) -> Prediction:
    """The prediction with keypoints at known places: a row of points in each box."""
    people = []
    for person in prediction.people:
        x = np.linspace(person.box.x, person.box.corners[2], 17)
        points = np.stack([x, np.full(17, person.box.centre[1])], axis=-1)
        people.append(replace(person, keypoints=points))
    return replace(prediction, people=tuple(people))


def test_a_click_snaps_to_the_nearest_keypoint_of_the_right_person(prediction):
    here = placed(prediction)
    for person in (0, 1):
        x, y = here.people[person].keypoints[9]
        assert snap(here, (x + 0.8, y - 1)) == Query(person, (x, y), 9)
        assert snap(here, (x + 0.8, y - 1), radius=0.001).keypoint is None
    assert snap(here, (x, y)).label(here.skeleton) == "left wrist"


def test_a_click_away_from_keypoints_stays_where_it_is(prediction):
    here = placed(prediction)
    x, y = here.people[1].box.centre
    assert snap(here, (x, y + 20)) == Query(1, (x, y + 20), None)
    assert snap(here, (x, y + 20)).label(here.skeleton) == f"point ({x:.0f}, {y + 20:.0f})"


def test_a_person_can_be_insisted_on(prediction):
    here = placed(prediction)
    x, y = here.people[1].keypoints[3]
    with pytest.raises(TraceError, match=r"outside this person's crop.*that person"):
        snap(here, (x, y), person=0)
    assert snap(here, here.people[0].box.centre, person=0).person == 0


def test_of_nested_boxes_the_smaller_is_meant():
    photo = noise_photo(180, 240)
    boxes = (Box.whole(photo.size), Box(100, 60, 30, 40))
    prediction = placed(Estimator(tiny_model()).predict(photo, boxes))
    assert snap(prediction, (115, 95), radius=0).person == 1
    assert snap(prediction, (30, 30), radius=0).person == 0


def test_a_point_in_the_padding_goes_to_the_nearest_person(prediction):
    x, y = BOXES[1].edges[0] - 3, BOXES[1].centre[1]
    answer = explain(prediction, (x, y))
    assert answer.query.person == 1
    assert all(one.crop is prediction.people[1].crop for one in answer.maps)


@pytest.mark.parametrize("ask", [snap, explain])
def test_a_point_nobody_holds_is_refused_in_a_sentence(prediction, ask):
    with pytest.raises(TraceError, match=r"point \(235, 3\) lies outside every person's crop: "):
        ask(prediction, (235, 3))
    with pytest.raises(TraceError, match="outside this person's crop"):
        ask(prediction, BOXES[1].centre, person=0)


@pytest.mark.parametrize(
    "point", [(math.nan, 3), (1, 2, 3), (math.inf, 0), ("a", "b"), (None, None)]
)
def test_a_point_is_two_finite_numbers(prediction, point):
    with pytest.raises(TraceError, match="two finite numbers"):
        explain(prediction, point)


def test_what_does_not_exist_is_refused_with_what_does(prediction):
    with pytest.raises(SkeletonError, match="left wrist"):
        explain(prediction, "left tentacle")
    with pytest.raises(SkeletonError, match="from 0 to 16"):
        explain(prediction, 17)
    with pytest.raises(TraceError, match="holds 2 people"):
        explain(prediction, "nose", person=2)
    with pytest.raises(TraceError, match="4 heads"):
        explain(prediction, "nose", head=4)
    with pytest.raises(TraceError, match=r"encoder\.1, encoder\.2, encoder\.3"):
        explain(prediction, "nose", layers=["decoder.1"])
    with pytest.raises(TraceError, match="'row' or 'column'"):
        explain(prediction, "nose", direction="diagonal")
    unrecorded = Estimator(prediction.model).predict(prediction.photo, BOXES, record=False)
    with pytest.raises(TraceError, match="record=True"):
        explain(unrecorded, "nose")
    named = Attention(
        "q", "query", torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), ("a", "b"), ("a", "b")
    )
    with pytest.raises(TraceError, match="no attention between places"):
        explain(replace(prediction, trace=Trace({"q": named})), "nose")
    assert issubclass(TraceError, PoseKitError)


def test_a_keypoint_just_over_the_border_still_has_its_token(prediction):
    """Decoding may place a keypoint a little outside the crop; its list entry must answer."""
    person = prediction.people[0]
    beyond = person.crop.to_photo.apply([(-4.0, 30.0)])[0]
    keypoints = np.array(person.keypoints)
    keypoints[0] = beyond
    moved = replace(prediction, people=(replace(person, keypoints=keypoints),))
    answer = explain(moved, "nose")
    row, column = divmod(answer.maps[0].query_token, 6)
    assert column == 0 and row == 3


def test_a_model_on_another_input_size_maps_alike():
    """The grid follows the crop: a taller crop, more tokens, the same photo coordinates."""
    photo = noise_photo(180, 240)
    tall = tiny_model(input_size=(96, 64))
    prediction = Estimator(pose_model(tall.module, (96, 64))).predict(photo, BOXES[:1])
    one = explain(prediction, BOXES[0].centre).maps[0]
    assert one.weights.shape == (12, 8)
    centre = one.grid_to_photo.apply([(3.5, 5.5)])[0]
    assert centre == pytest.approx(BOXES[0].centre, abs=1e-6)
