"""Occluders: what they cover, what they draw, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import OcclusionError
from posekit.geometry import Box
from posekit.occlusion import (
    Cutout,
    Occluder,
    Patch,
    Rectangle,
    Stroke,
    occluder_from_dict,
    occluder_from_json,
)
from posekit.run_lengths import decoded, encoded
from tests.occluded import ONES, PHOTO
from tests.tiny_models import noise_photo


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
