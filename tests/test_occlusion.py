"""Occluders, masks, studies and sweeps against closed forms and models known on paper."""

from __future__ import annotations

import io
import json
import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import posekit
from posekit.errors import BoxError, OcclusionError, SkeletonError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.purity import purity_of_layers
from posekit.explain import explain
from posekit.found import Found, box_around
from posekit.geometry import Box, Crop
from posekit.layer_words import layer_words
from posekit.occlusion import (
    CASES,
    Cutout,
    Occluder,
    Patch,
    PersonMasks,
    Rectangle,
    Stroke,
    best_masks,
    limb_band,
    masks_of_file,
    masks_of_limbs,
    masks_of_model,
    masks_of_polygons,
    occluder_from_dict,
    occluder_from_json,
    prepared_case,
    study,
    sweep_grid,
    sweep_limb,
)
from posekit.occlusion.matching import matched
from posekit.occlusion.measure import covered_limbs, similarity
from posekit.occlusion.runs import decoded, encoded
from posekit.occlusion.side import Under
from posekit.occlusion.words import percent
from posekit.people import Person
from posekit.photo import Photo
from posekit.skeleton import COCO17
from posekit.trace import Trace
from posekit.zoo import PoseModel, load
from tests.linear_model import Stop, linear_model, stop_at_once
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model

PHOTO = noise_photo(80, 60)
WRIST = "left wrist"


# --- occluders ---------------------------------------------------------------------------------


def test_a_rectangle_covers_its_pixels_and_no_other() -> None:
    box = Rectangle(Box(10, 20, 7, 5), (1, 2, 3))
    cover = box.cover(PHOTO)
    expected = np.zeros((80, 60), bool)
    expected[20:25, 10:17] = True
    assert (cover == expected).all()
    drawn = box.apply(PHOTO).pixels
    assert (drawn[expected] == (1, 2, 3)).all()
    assert (drawn[~expected] == PHOTO.pixels[~expected]).all()


def test_a_pixel_is_covered_when_its_centre_is() -> None:
    cover = Rectangle(Box.from_edges(4.2, 4.6, 8.0, 6.0)).cover(PHOTO)
    assert (np.argwhere(cover) == [(5, 5), (5, 6), (5, 7)]).all()


def test_colours() -> None:
    mean = np.round(PHOTO.pixels.reshape(-1, 3).mean(0))
    for colour, seen in (("mean", mean), ("grey", (128, 128, 128)), ((9, 8, 7), (9, 8, 7))):
        assert (Rectangle(Box(0, 0, 1, 1), colour).apply(PHOTO).pixels[0, 0] == seen).all()
    for wrong in ("red", (1, 2), (1, 2, 256), (True, 0, 0), (0.5, 0, 0)):
        with pytest.raises(OcclusionError, match="colour"):
            Rectangle(Box(0, 0, 1, 1), wrong)  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(-20, 80), st.integers(-20, 100)), min_size=1, max_size=4),
    st.integers(1, 60),
)
@settings(max_examples=40)
def test_a_stroke_is_everything_within_half_its_width(
    points: list[tuple[int, int]], width: int
) -> None:
    x, y = np.meshgrid(np.arange(60), np.arange(80))
    pixels = np.stack([x, y], -1).astype(float)
    near = np.full((80, 60), np.inf)
    for a, b in zip(points, points[1:] or points, strict=False):
        along = np.subtract(b, a).astype(float)
        t = np.clip(((pixels - a) @ along) / max(along @ along, 1e-9), 0, 1)
        near = np.minimum(near, ((pixels - a - t[..., None] * along) ** 2).sum(-1))
    expected = near <= (width / 2) ** 2 + 1e-9
    stroke = Stroke(tuple(points), width)
    if expected.any():
        cover = stroke.cover(PHOTO)
        certain = np.abs(near - (width / 2) ** 2) > 1e-6
        assert (cover == expected)[certain].all()
    else:
        with pytest.raises(OcclusionError, match="covers no pixel"):
            stroke.cover(PHOTO)


def test_a_flat_stroke_ends_where_its_line_does() -> None:
    band = Stroke(((10, 30), (20, 30)), 4, flat=True).cover(PHOTO)
    expected = np.zeros_like(band)
    expected[28:33, 10:21] = True
    assert (band == expected).all()
    assert Stroke(((10, 30), (20, 30)), 4).cover(PHOTO).sum() > band.sum()


def test_a_patch_is_a_piece_of_the_photo_elsewhere() -> None:
    drawn = Patch(Box(5, 10, 8, 6), (30, 50)).apply(PHOTO).pixels
    assert (drawn[50:56, 30:38] == PHOTO.pixels[10:16, 5:13]).all()
    rest = np.ones((80, 60), bool)
    rest[50:56, 30:38] = False
    assert (drawn[rest] == PHOTO.pixels[rest]).all()
    # What of the source is not in the photo is not laid anywhere.
    assert Patch(Box(-4, 0, 8, 6), (20, 20)).cover(PHOTO).sum() == 4 * 6


def test_a_cutout_is_what_lies_under_a_mask() -> None:
    mask = np.zeros((80, 60), bool)
    mask[10:20, 10:15] = mask[15, 15:25] = True
    cutout = Cutout.of_mask(mask, (20, -5))
    assert cutout.box == Box(30, 5, 15, 10)
    shifted = np.zeros_like(mask)
    shifted[5:15, 30:35] = shifted[10, 35:45] = True
    assert (cutout.cover(PHOTO) == shifted).all()
    assert (cutout.apply(PHOTO).pixels[shifted] == PHOTO.pixels[mask]).all()
    with pytest.raises(OcclusionError, match="cut it out of this photo"):
        cutout.cover(noise_photo(40, 40))
    with pytest.raises(OcclusionError, match="empty"):
        Cutout.of_mask(np.zeros((4, 4), bool))


ONES: list[Occluder] = [
    Rectangle(Box(10, 20, 9, 7), "grey"),
    Stroke(((12, 22), (20, 30), (25, 24)), 5, (250, 0, 9)),
    Patch(Box(2, 3, 9, 8), (20, 30)),
    Cutout.of_mask(np.pad(np.ones((9, 8), bool), ((3, 68), (2, 50))), (18, 27)),
]


@pytest.mark.parametrize("one", ONES, ids=lambda one: one.kind)
def test_moved_moves_what_is_covered(one: Occluder) -> None:
    before, after = one.cover(PHOTO), one.moved(6, -4).cover(PHOTO)
    assert (after[:-4, 6:] == before[4:, :-6]).all() and after.sum() == before.sum()
    assert one.moved(6, -4).box.centre == (one.box.centre[0] + 6, one.box.centre[1] - 4)
    assert one.moved(6, -4).moved(-6, 4) == one
    with pytest.raises(OcclusionError, match="move it into the photo"):
        one.moved(500, 500).apply(PHOTO)


@pytest.mark.parametrize("one", ONES, ids=lambda one: one.kind)
def test_the_box_holds_all_that_is_covered(one: Occluder) -> None:
    rows, cols = np.nonzero(one.cover(PHOTO))
    assert one.box.contains(np.stack([cols, rows], -1)).all()


numbers = st.floats(-1e5, 1e5, allow_nan=False)
boxes = st.builds(Box, numbers, numbers, st.floats(0.1, 1e5), st.floats(0.1, 1e5))
pairs = st.tuples(numbers, numbers)
colours = st.one_of(st.sampled_from(["mean", "grey"]), st.tuples(*[st.integers(0, 255)] * 3))


@st.composite
def cutouts(draw: Any) -> Cutout:
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]))
    mask = np.array(bits).reshape(size)
    mask[0, 0] = True
    return Cutout.of_mask(mask, draw(pairs))


occluders = st.one_of(
    st.builds(Rectangle, boxes, colours),
    st.builds(
        Stroke,
        st.lists(pairs, min_size=1, max_size=5).map(tuple),
        st.floats(0.1, 1e4),
        colours,
        st.booleans(),
    ),
    st.builds(Patch, boxes, pairs),
    cutouts(),
)


@given(occluders)
def test_json_brings_back_the_same_occluder(one: Occluder) -> None:
    assert occluder_from_json(json.dumps(one.to_dict())) == one


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_run_lengths_bring_back_the_same_mask(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    runs = encoded(mask)
    assert sum(runs["counts"]) == height * width
    assert (decoded(runs) == mask).all()


HOSTILE = [
    "",
    "{",
    "[" * 100_000,
    "[]",
    '"rectangle"',
    '{"kind": ["rectangle"]}',
    '{"kind": "polygon"}',
    '{"kind": "rectangle"}',
    '{"kind": "rectangle", "box": [0, 0, 0, 5]}',
    '{"kind": "rectangle", "box": [0, 0, 5, NaN]}',
    '{"kind": "rectangle", "box": [0, 0, 5, 1e999]}',
    '{"kind": "rectangle", "box": "0 0 5 5"}',
    '{"kind": "rectangle", "box": [1e300, 0, 5, 5]}',
    '{"kind": "rectangle", "box": [0, 0, 5, 5], "colour": {"r": 1}}',
    '{"kind": "stroke", "points": [], "width": 3}',
    '{"kind": "stroke", "points": [[1]], "width": 3}',
    '{"kind": "stroke", "points": [[1, 2]], "width": -3}',
    '{"kind": "stroke", "points": [[1, 2]], "width": true}',
    '{"kind": "stroke", "points": [[1, ' + "9" * 400 + ']], "width": 3}',
    '{"kind": "patch", "source": [0, 0, 5, 5]}',
    '{"kind": "cutout", "by": [0, 0]}',
    '{"kind": "cutout", "mask": {"size": [99999999, 99999999], "counts": [1]}, "by": [0, 0]}',
    '{"kind": "cutout", "mask": {"size": [2, 2], "counts": [5, -1]}, "by": [0, 0]}',
    '{"kind": "cutout", "mask": {"size": [2, 2], "counts": [4]}, "by": [0, 0]}',
    '{"kind": "cutout", "mask": {"size": [2, 2], "counts": "4"}, "by": [0, 0]}',
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_json_is_refused_in_one_sentence(text: str | bytes) -> None:
    with pytest.raises(OcclusionError) as caught:
        occluder_from_json(text)
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and len(said) < 240


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["box", "colour", "points", "width", "flat", "source", "target", "mask"]),
        anything,
    ),
    st.sampled_from(["rectangle", "stroke", "patch", "cutout"]),
)
def test_nothing_but_an_occluder_or_a_refusal_comes_of_any_values(data: Any, kind: str) -> None:
    with suppress(OcclusionError):
        assert isinstance(occluder_from_dict(data | {"kind": kind}), Occluder)


# --- masks -------------------------------------------------------------------------------------


def test_a_drawn_polygon_holds_the_pixels_inside() -> None:
    square = [(9.5, 19.5), (29.5, 19.5), (29.5, 39.5), (9.5, 39.5)]
    triangle = [(-0.5, -0.5), (9.5, -0.5), (-0.5, 9.5)]
    held = masks_of_polygons([square, triangle], (80, 60))
    expected = np.zeros((80, 60), bool)
    expected[20:40, 10:30] = True
    assert (held.masks[0] == expected).all()
    assert held.masks[1].sum() == 45  # centres strictly below the diagonal of a 10 x 10 corner
    assert held.source == "drawn" and not held.in_order
    for wrong in ([(0, 0), (1, 1)], [(0, 0), (5, math.nan), (5, 5)], [(900, 900)] * 3, "abc"):
        with pytest.raises(OcclusionError):
            masks_of_polygons([wrong], (80, 60))  # type: ignore[list-item]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_mask_file_holds_one_person_a_colour() -> None:
    painted = np.zeros((80, 60, 3), np.uint8)
    painted[10:20, 5:9], painted[30:40, 20:30] = (255, 0, 0), (0, 0, 255)
    held = masks_of_file(png(painted), PHOTO)
    assert sorted(int(mask.sum()) for mask in held.masks) == [40, 100]
    twice = masks_of_file(png(painted.repeat(2, 0).repeat(2, 1)), PHOTO)
    assert all((a == b).all() for a, b in zip(held.masks, twice.masks, strict=True))
    ramp = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (80, 1))
    assert (masks_of_file(png(ramp), PHOTO).masks[0] == (ramp >= 128)).all()
    for wrong, words in (
        (np.zeros((80, 60), np.uint8), "all black"),
        (np.full((80, 80), 9, np.uint8), "does not fit"),
        (noise_photo(80, 60).pixels, "colours"),
    ):
        with pytest.raises(OcclusionError, match=words):
            masks_of_file(png(wrong), PHOTO)


def stick_person(shift: float = 0.0, scale: float = 1.0) -> Person:
    """Seventeen keypoints of somebody upright, 40 px wide and 120 high before scaling."""
    places = """0 0 2 -2 -2 -2 4 0 -4 0 12 16 -12 16 16 36 -16 36 18 54 -18 54 8 58 -8 58 9 84 -9 84
    10 110 -10 110"""
    points = np.array(places.split(), float).reshape(17, 2) * scale + (60 + shift, 14)
    box = box_around(points, (160, 200))
    return Person(box, points, np.full(17, 0.9), Crop.of_box(box, (64, 48), (160, 200)))


def found(*people: Person, model: PoseModel | None = None) -> Prediction:
    wide = noise_photo(160, 200)
    return Prediction(wide, model or pose_model(BlobFinder(), (64, 48)), people, Trace(), {})


def test_masks_round_limbs_hold_the_limbs_and_are_called_an_estimate() -> None:
    one, other = stick_person(), stick_person(80)
    held = masks_of_limbs(found(one, other))
    assert held is not None and "estimate" in held.words and held.in_order
    for person, mask in zip((one, other), held.masks, strict=True):
        assert covered_limbs(mask, person.keypoints, COCO17.limbs[:6]) == 1.0
    assert not (held.masks[0] & held.masks[1]).any()
    lost = replace(one, keypoints=np.full((17, 2), np.nan), scores=np.zeros(17))
    assert masks_of_limbs(found(lost)) is None
    assert masks_of_limbs(found()) is None


def test_the_models_own_masks_come_first() -> None:
    mask = np.zeros((160, 200), bool)
    mask[10:140, 40:80] = True
    one = replace(found(stick_person()), masks=(mask,))
    held = best_masks(one)
    assert held is not None and held.source == "model" and (held.masks[0] == mask).all()
    assert masks_of_model(found(stick_person())) is None
    estimate = best_masks(found(stick_person()))
    assert estimate is not None and estimate.source == "limbs"


def test_masks_in_no_order_belong_to_whoever_stands_there() -> None:
    left, right = np.zeros((160, 200), bool), np.zeros((160, 200), bool)
    left[10:140, 30:90], right[10:140, 115:165] = True, True
    held = PersonMasks((right, left), "drawn", in_order=False)
    assert held.own(stick_person(), 0) == 1 and held.own(stick_person(80), 1) == 0
    assert PersonMasks((right, left)).own(stick_person(), 0) == 0
    again = PersonMasks.from_dict(json.loads(json.dumps(held.to_dict())))
    assert again.source == "drawn" and not again.in_order and (again.masks[0] == right).all()
    for wrong in ((), (left, left[:9]), [left] * 33):
        with pytest.raises(OcclusionError):
            PersonMasks(tuple(wrong))
    for data in (None, {}, {"masks": [1]}, {"masks": []}, {"masks": [encoded(left)], "source": 1}):
        with pytest.raises(OcclusionError):
            PersonMasks.from_dict(data)


# --- measures ----------------------------------------------------------------------------------


def test_similarity_is_oks() -> None:
    before = stick_person().keypoints
    assert similarity(before, before, COCO17, 500.0) == 1.0
    moved = before + np.array([3.0, 4.0])
    sigmas = np.array(COCO17.sigmas)
    expected = np.exp(-25 / (2 * 500.0 * (2 * sigmas) ** 2)).mean()
    assert similarity(before, moved, COCO17, 500.0) == pytest.approx(expected, rel=1e-12)
    lost = before.copy()
    lost[:5] = np.nan
    assert similarity(before, lost, COCO17, 500.0) == pytest.approx(12 / 17)
    assert similarity(lost, before, COCO17, 500.0) == 1.0
    assert similarity(np.full((17, 2), np.nan), before, COCO17, 500.0) is None


def test_covered_share_of_a_limb() -> None:
    keypoints = np.full((17, 2), np.nan)
    keypoints[[7, 9]] = (10, 40), (50, 40)
    cover = Rectangle(Box.from_edges(19.5, 30.5, 29.5, 49.5)).cover(PHOTO)
    assert covered_limbs(cover, keypoints, [(7, 9)]) == pytest.approx(0.25)
    assert covered_limbs(cover, keypoints, [(5, 7)]) is None
    beyond = keypoints + np.array([40, 0])  # most of it outside the photo, where nothing is covered
    assert covered_limbs(np.ones((80, 60), bool), beyond, [(7, 9)]) == pytest.approx(9.5 / 40)


def test_the_share_of_a_map_made_by_hand() -> None:
    prediction = Estimator(tiny_model()).predict(noise_photo(160, 120))
    one = explain(prediction, WRIST).maps[-1]
    weights = np.zeros(one.grid.size, np.float32)
    weights[2, 2], weights[5, 3] = 0.25, 0.75
    made = replace(one, weights=weights)
    x, y = made.grid_to_photo.apply([3, 5])
    half = 0.5 * made.grid_to_photo.scale
    cover = Rectangle(Box.from_edges(x - half, y - half, x + half, y + half))
    assert Under(cover.cover(prediction.photo)).share(made) == pytest.approx(0.75, abs=0.04)
    wider = Rectangle(Box.from_edges(x - half - 1, y - half - 1, x + half + 1, y + half + 1))
    assert Under(wider.cover(prediction.photo)).share(made) == pytest.approx(0.75, abs=1e-6)
    assert Under(np.ones((160, 120), bool)).share(made) == pytest.approx(1.0)
    assert Under(np.zeros((160, 120), bool)).share(made) == 0


# --- studies -----------------------------------------------------------------------------------


def test_a_linear_model_changes_by_exactly_what_is_covered() -> None:
    model = linear_model()
    hidden = Rectangle(Box(12, 30, 20, 25), (200, 30, 90))
    done = study(model, PHOTO, hidden, keypoint=9)
    crop = done.before.prediction.people[0].crop
    import torch

    def seen(photo: Photo) -> torch.Tensor:
        image = torch.from_numpy(crop.warp(photo.pixels)).permute(2, 0, 1)[None].float() / 255
        return model.entry.normalised(image)

    difference = seen(hidden.apply(PHOTO)) - seen(PHOTO)
    expected = float((difference[0] * model.module.weight[9]).sum().detach())  # type: ignore[union-attr]
    row = {one.key: one for one in done.changes}["confidence"]
    assert row.difference == pytest.approx(expected, abs=2e-5)
    assert abs(expected) > 0.01
    assert done.displacement[9] == pytest.approx(0, abs=1e-4)  # its peak stands still
    assert done.covered_person is None and not done.before.maps
    assert "no attention" in " ".join(done.sentences)


def spots(*places: tuple[int, int, float]) -> Photo:
    """A dark photo with soft bright spots (x, y, height), 128 x 96 pixels."""
    y, x = np.mgrid[:128, :96]
    light = sum(h * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 72) for a, b, h in places)
    return Photo(np.repeat(np.clip(light, 0, 255).astype(np.uint8)[..., None], 3, -1))


def test_the_keypoint_goes_where_the_next_brightest_spot_is() -> None:
    photo = spots((30, 40, 240), (60, 90, 160))
    model = pose_model(BlobFinder(), (64, 48))
    hidden = Stroke(((30, 40),), 44, (0, 0, 0))
    done = study(model, photo, hidden, keypoint=WRIST, truth=np.tile([30.0, 40.0], (17, 1)))
    assert done.displacement[9] == pytest.approx(math.hypot(30, 50), abs=2.5)
    rows = {row.key: row for row in done.changes}
    peaks = []
    for side in (done.before, done.after):
        trace = side.prediction.trace
        assert trace is not None and trace.heatmaps is not None
        peaks.append(float(trace.heatmaps[0, 9].max()))
    row = rows["confidence"]
    assert [row.before, row.after] == pytest.approx(peaks) and peaks[1] < 0.8 * peaks[0]
    assert row.difference == pytest.approx(peaks[1] - peaks[0])
    assert rows["off_truth"].after == pytest.approx(math.hypot(30, 50), abs=2.5)
    assert rows["moved"].difference == done.displacement[9] and rows["moved"].before is None
    assert done.keypoint_changes[0].covered and done.keypoint_changes[0].moved is not None
    assert done.title == "Left wrist behind a stroke of 44 px"
    with pytest.raises(OcclusionError, match="true keypoints"):
        study(model, photo, None, keypoint=WRIST, truth=np.zeros((3, 2)))


MASKS = (
    (np.arange(60) < 30) & np.ones((80, 1), bool),
    (np.arange(60) >= 30) & np.ones((80, 1), bool),
)


@pytest.mark.parametrize(
    "nothing",
    [None, Patch(Box(10, 10, 20, 20), (10, 10)), Rectangle(Box(0, 0, 2, 2), (255, 0, 0))],
    ids=["none", "a piece on itself", "outside the crop"],
)
def test_what_hides_nothing_changes_nothing(nothing: Occluder | None) -> None:
    model, boxes = tiny_model(), [Box(30, 40, 12, 16)]
    done = study(model, PHOTO, nothing, keypoint=WRIST, boxes=boxes, masks=MASKS)
    assert (done.displacement == 0).all() and done.oks == 1.0
    for row in done.changes:
        if not row.key.startswith(("covered", "on_occluder")):
            assert row.difference in (0.0, None), row
    assert done.before.purity == done.after.purity and len(done.before.purity) == 3
    for layer in done.layers:
        one, other = done.before.map(layer), done.after.map(layer)
        assert one is not None and other is not None and (one.weights == other.weights).all()


def test_purity_is_that_of_the_evaluation() -> None:
    model = tiny_model()
    done = study(model, PHOTO, ONES[0], keypoint=WRIST, masks=MASKS, layer="encoder.2")
    after = Estimator(model).predict(ONES[0].apply(PHOTO))
    assert done.after.purity == purity_of_layers(explain(after, WRIST), MASKS, 0)
    rows = {row.key: row for row in done.changes}
    parts = [rows[f"on_{part}.encoder.2"].after for part in ("person", "others", "background")]
    assert sum(p for p in parts if p is not None) == pytest.approx(1.0)
    assert done.layer == "encoder.2" and 0 < done.after.on_occluder["encoder.2"] < 1
    assert done.covered_person == pytest.approx(ONES[0].cover(PHOTO)[:, :30].sum() / (30 * 80))
    with pytest.raises(OcclusionError, match="masks are"):
        study(model, PHOTO, None, keypoint=WRIST, masks=[np.ones((4, 4), bool)])
    # Layers are written as on the page, and shares as "59 %", which no line divides.
    text = next(one for one in done.sentences if one.startswith("In encoder layer 2 "))
    own = 100 * done.after.purity["encoder.2"].own
    assert f"{own:.0f}\u00a0% does after" in text and "encoder.2" not in text
    assert rows["on_person.encoder.2"].name == "attention on this person, encoder layer 2"
    assert percent(0.594) == "59\u00a0%"
    levels = {"encoder": "encoder layer", "supervised": "supervised layer"}
    assert layer_words("encoder.3", "supervised", levels) == "supervised layer 3"


def test_a_backbone_without_keypoints_is_studied_at_a_point() -> None:
    model = load("dino-btranspose-small")
    done = study(model, PHOTO, ONES[0], keypoint=(20.0, 30.0))
    assert done.keypoint is None and done.keypoint_changes == ()
    (said,) = [one for one in done.sentences if one.startswith("In ")]
    assert said.count("\u00a0%") == 2 and "lies on the" in said
    row = next(one for one in done.changes if one.key == "mean_confidence")
    assert row.before is None and row.after is None


def test_what_is_asked_after_is_asked_at_the_new_and_at_the_old_place() -> None:
    model = tiny_model()
    hidden = Rectangle(Box(0, 0, 60, 50), (0, 0, 0))
    done = study(model, PHOTO, hidden, keypoint=WRIST)
    assert done.before.query is not None and done.after.query is not None
    assert done.after.query.point == tuple(done.after.keypoints[9])
    assert done.after_there is not None and done.after_there.query is not None
    assert done.after_there.query.point == done.before.query.point
    free = study(model, PHOTO, hidden, keypoint=(20.0, 30.0))
    assert free.keypoint is None and free.after_there is None and free.before.confidence is None
    assert free.after.query is not None and free.after.query.point == (20.0, 30.0)
    assert free.title.startswith("Point (20, 30)") and free.changes and free.sentences


def test_what_was_found_before_is_not_sought_again() -> None:
    model = linear_model()
    before = Estimator(model).predict(PHOTO)
    module: Any = model.module
    module.batches.clear()
    study(model, PHOTO, ONES[0], keypoint=0, before=before)
    assert module.batches == [1]
    with pytest.raises(TraceError, match="another photo"):
        study(model, noise_photo(80, 60, seed=5), ONES[0], keypoint=0, before=before)


def test_questions_that_cannot_be_are_refused() -> None:
    model = linear_model()
    with pytest.raises(SkeletonError):
        study(model, PHOTO, None, keypoint="left wing")
    with pytest.raises(SkeletonError):
        study(model, PHOTO, None, keypoint=17)
    with pytest.raises(TraceError):
        study(model, PHOTO, None, keypoint=0, person=3)
    with pytest.raises(BoxError):
        study(model, PHOTO, None, keypoint=0, boxes=[Box(900, 900, 5, 5)])


# --- models of whole photos --------------------------------------------------------------------


def whole_photo_model() -> PoseModel:
    """Finds a person under every bright spot, brightest first: spread keypoints, some missing."""

    def find(
        model: PoseModel, photo: Photo, *, recorded: bool = False, flip_test: bool = False
    ) -> Found:
        light = photo.pixels[..., 0].astype(float)
        people = []
        while light.max() > 60 and len(people) < 4:
            y, x = (int(v) for v in np.unravel_index(int(light.argmax()), light.shape))
            points = stick_person(scale=0.1).keypoints - (60, 14) + (x, y)
            points[15:] = np.nan
            scores = np.where(np.isfinite(points[:, 0]), light[y, x] / 255, 0.0)
            crop = Crop.of_box(Box.whole(photo.size), (64, 48), photo.size)
            box = box_around(points, photo.size)
            people.append(Person(box, points, scores, crop, score=float(scores.max())))
            light[max(0, y - 14) : y + 15, max(0, x - 14) : x + 15] = 0
        return Found(tuple(people), Crop.of_box(Box.whole(photo.size), (64, 48), photo.size),
                     Trace() if recorded else None)  # fmt: skip

    model = pose_model(BlobFinder(), (64, 48))
    return replace(model, entry=replace(model.entry, view="photo", find=find))


def test_a_person_is_the_same_person_when_the_order_changes() -> None:
    model, photo = whole_photo_model(), spots((20, 30, 240), (70, 90, 160))
    shade = Rectangle(Box(10, 20, 21, 4), (90, 90, 90))  # the first is now the fainter one
    done = study(model, photo, Stroke(((20, 30),), 30, (100, 100, 100)), keypoint="nose", person=1)
    assert done.before.person == 1 and done.after.person == 0
    assert done.oks == 1.0 and done.displacement[0] == 0.0
    assert math.isnan(done.displacement[15]) and done.keypoint_changes[-1].moved is None
    swapped = matched(done.before.prediction, done.after.prediction)
    assert swapped[1] == 0
    assert study(model, photo, shade, keypoint="nose", person=1).after.person is not None


def test_somebody_who_is_gone_is_said_to_be_gone() -> None:
    model, photo = whole_photo_model(), spots((20, 30, 240), (70, 90, 160))
    hidden = Stroke(((20, 30),), 60, (0, 0, 0))
    done = study(model, photo, hidden, keypoint="nose")
    assert done.after.person is None and done.oks == 0.0
    assert "does not find this person any more" in done.sentences[0]
    rows = {row.key: row for row in done.changes}
    assert rows["confidence"].after is None and rows["people"].difference == -1.0
    assert done.keypoint_changes[0].lost
    nobody = study(model, photo, Rectangle(Box(0, 0, 96, 128), (0, 0, 0)), keypoint="nose")
    assert "nobody any more" in nobody.sentences[0]
    for one in (done, nobody):
        for save in (one.save_json, one.save_npz, one.save_html):
            save(io.BytesIO())
    nobody.save_png(io.BytesIO())


def test_an_empty_photo_is_said_to_be_empty() -> None:
    model = whole_photo_model()
    done = study(model, spots((9, 9, 10)), ONES[0], keypoint="nose", masks="best")
    assert "found nobody in this photo" in done.sentences[0]
    assert done.oks is None and not done.after.maps
    assert study(model, spots((9, 9, 10)), None, keypoint=(3.0, 4.0)).sentences
    boxed = study(model, spots((9, 9, 10)), ONES[0], keypoint="nose", boxes=[Box(9, 9, 30, 30)])
    assert any("neither before nor after" in text for text in boxed.sentences)
    missing = study(model, spots((30, 40, 200)), ONES[0], keypoint="left ankle")
    assert missing.before.query is None and missing.sentences
    with pytest.raises(TraceError, match="found nobody"):
        sweep_grid(model, spots((9, 9, 10)), keypoint="nose")


def test_a_sweep_of_a_model_of_whole_photos() -> None:
    photo = spots((30, 40, 240), (70, 100, 160))
    square = Rectangle(Box(0, 0, 40, 40), (0, 0, 0))
    region = Box.whole(photo.size)
    done = sweep_grid(
        whole_photo_model(), photo, square, keypoint="nose", shape=(4, 3), region=region
    )
    assert done.drop.reshape(4, 3).argmax() == 3 and not done.found[3]  # its middle at (16, 48)
    assert done.confidence[3] == 0 and math.isnan(done.displacement[3])
    assert done.drop[11] == pytest.approx(0, abs=1e-9)


# --- sweeps ------------------------------------------------------------------------------------


def test_a_band_covers_exactly_its_share() -> None:
    prediction = found(stick_person())
    for share in (0.25, 0.5, 0.9):
        band = limb_band(prediction, "left knee", "left ankle", share, width=9)
        assert band is not None
        got = covered_limbs(
            band.cover(prediction.photo), prediction.people[0].keypoints, [(13, 15)]
        )
        assert got == pytest.approx(share, abs=0.03)  # whole pixels of 26
    assert limb_band(prediction, "left knee", "left ankle", 0) is None
    whole = limb_band(prediction, None, "left ankle")
    assert whole is not None
    x, y = prediction.people[0].keypoints[15]
    assert whole.cover(prediction.photo)[int(y) - 1 : int(y) + 4, int(x)].all()
    with pytest.raises(OcclusionError):
        limb_band(prediction, "left knee", "left knee")
    with pytest.raises(OcclusionError):
        limb_band(prediction, "left knee", "left ankle", 1.5)


def test_a_sweep_along_a_limb_grows_from_nothing_to_all() -> None:
    model, photo = tiny_model(seed=3), noise_photo(160, 120)
    boxes, halves = [Box(40, 40, 40, 60)], [np.ones((160, 120), bool)] * 2
    halves = [half & (np.indices((160, 120))[1] // 60 == n) for n, half in enumerate(halves)]
    places = Estimator(model).predict(photo, boxes).people[0].keypoints
    far = int(np.hypot(*(places - places[9]).T).argmax())
    seen: list[tuple[int, int]] = []
    done = sweep_limb(
        Estimator(model, batch_size=4), photo, keypoint=WRIST, start=far, steps=9, masks=halves,
        boxes=boxes, width=12, progress=lambda *at: seen.append(at),
    )  # fmt: skip
    assert seen == [(4, 9), (8, 9), (9, 9)]
    assert done.share[0] == 0 and (np.diff(done.share) > 0).all() and done.occluders[0] is None
    assert done.share == pytest.approx(np.linspace(0, 1, 9), abs=0.04)  # whole pixels
    assert done.confidence[0] == pytest.approx(done.before.confidence, abs=1e-5)
    assert done.displacement[0] == pytest.approx(0, abs=1e-3) and done.found.all()
    for layer in ("encoder.1", "encoder.2", "encoder.3"):
        assert done.purity[layer].sum(1) == pytest.approx(np.ones(9))
        expected = done.before.purity[layer]
        assert done.purity[layer][0, 0] == pytest.approx(expected.own, abs=1e-4)
    on = done.on_occluder["encoder.3"]
    assert math.isnan(on[0]) and on[-1] > on[1] >= 0
    # Each step is what a study of the same occluder says.
    one = study(model, photo, done.occluders[5], keypoint=WRIST, masks=halves, boxes=boxes)
    assert one.after.confidence == pytest.approx(done.confidence[5], abs=1e-5)
    assert one.displacement[9] == pytest.approx(done.displacement[5], abs=1e-2)
    assert {"confidence", "on this person", "displacement"} <= {t.name for t in done.figure().data}


def test_a_sweep_over_a_grid_finds_what_the_keypoint_hangs_on() -> None:
    photo = spots((30, 40, 240), (60, 90, 160))
    model = pose_model(BlobFinder(), (64, 48))
    square = Rectangle(Box(0, 0, 25, 25), (0, 0, 0))
    done = sweep_grid(
        model, photo, square, keypoint=WRIST, shape=(8, 6), region=Box.whole((128, 96))
    )
    drop = done.drop.reshape(8, 6)
    assert np.unravel_index(drop.argmax(), drop.shape) == (2, 1)  # middle at (23.5, 39.5)
    assert drop[6:, 4:] == pytest.approx(np.zeros((2, 2)), abs=1e-5)
    assert done.to_photo is not None and done.to_photo.apply([1, 2]) == pytest.approx([23.5, 39.5])
    heat = done.heat
    assert heat.signed and heat.grid_to_photo.apply([1, 2]) == pytest.approx([23.5, 39.5])
    plot = json.loads(done.figure().to_json())
    assert plot["layout"]["images"][0]["source"].startswith("data:image/jpeg;base64,")
    buffer = io.BytesIO()
    done.save_npz(buffer)
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as arrays:
        assert (arrays["drop"] == done.drop).all() and tuple(arrays["shape"]) == (8, 6)
        assert json.loads(str(arrays["metadata"]))["keypoint"] == WRIST
    assert len(done.describe()["rows"]) == 48


def test_a_sweep_can_be_stopped_and_is_bounded() -> None:
    module: Any = (model := linear_model()).module
    with pytest.raises(Stop):
        sweep_grid(model, PHOTO, keypoint=0, shape=(9, 9), progress=stop_at_once)
    assert module.batches == [1, 8]
    for shape in ((0, 4), (99, 99)):
        with pytest.raises(OcclusionError, match="places"):
            sweep_grid(model, PHOTO, keypoint=0, shape=shape)
    with pytest.raises(OcclusionError, match="steps"):
        sweep_limb(model, PHOTO, keypoint=0, steps=1)
    with pytest.raises(OcclusionError, match="shorter than a pixel"):
        sweep_limb(model, PHOTO, keypoint=0)  # all its keypoints lie in one place
    with pytest.raises(OcclusionError, match="Only a sweep over a grid"):
        _ = sweep_limb(tiny_model(), PHOTO, keypoint=WRIST, start="nose", steps=2).heat


def test_several_photos_at_once_are_as_one_by_one() -> None:
    estimator = Estimator(tiny_model(), batch_size=3)
    photos = [noise_photo(80, 60, seed=n) for n in range(4)]
    two = [Box(5, 5, 30, 60), Box(25, 10, 30, 60)]
    together = estimator.predict_each(photos, two)
    for photo, one in zip(photos, together, strict=True):
        alone = estimator.predict(photo, two)
        for a, b in zip(one.people, alone.people, strict=True):
            assert a.keypoints == pytest.approx(b.keypoints, abs=1e-3)
        rows = [explain(x, WRIST, person=1).maps[-1].weights for x in (one, alone)]
        assert rows[0] == pytest.approx(rows[1], abs=1e-5)
    assert estimator.predict_each([]) == ()


# --- cases -------------------------------------------------------------------------------------


def test_every_case_is_ready_and_true() -> None:
    assert len(CASES) >= 8 and {case.level for case in CASES.values()} >= {"easy", "cruel"}
    for name, case in CASES.items():
        ready = prepared_case(name, (160, 160))
        assert ready.case is case and case.question.endswith("?")
        mask = ready.masks.masks[case.person]
        assert len(ready.masks.masks) == len(ready.boxes) == len(ready.scene.people)
        truth = ready.truth(COCO17)
        x, y = truth[COCO17.index(case.keypoint)]
        inside = 0 <= x < 159 and 0 <= y < 159
        assert inside == (ready.hidden_by != "the photo's edge"), name
        assert not inside or mask[round(y), round(x)], name
        if ready.occluder is not None:
            assert ready.occluder.cover(ready.photo)[round(y), round(x)], name
    overlaps = [prepared_case(n, (160, 160)).scene.people[0].hidden_share
                for n in ("passing by", "one behind another", "nearly hidden")]  # fmt: skip
    assert overlaps == pytest.approx([0.3, 0.5, 0.7], abs=0.05)
    assert prepared_case("crowd", (160, 160)) is prepared_case("crowd", (160, 160))
    with pytest.raises(OcclusionError, match="no case"):
        prepared_case("elephants")


def test_the_package_offers_it() -> None:
    assert posekit.occlude is study
