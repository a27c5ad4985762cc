"""Attention purity in closed form: cells under masks, overlaps, the photo's edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.data.mask import InstanceMask
from posekit.errors import DataError, TraceError
from posekit.estimator import Estimator
from posekit.evaluation import (
    Purity,
    evaluate_purity,
    mean_purity,
    purity,
)
from posekit.explain.attention import explain
from posekit.explain.maps import AttentionMap
from posekit.explain.purity import Covers
from posekit.explain.query import Query
from posekit.geometry import Affine, Box, Crop, TokenGrid, token_cover
from posekit.skeleton import COCO17
from tests.tiny_models import noise_photo, tiny_model

# Cells of 8 x 8 pixels: token (0, 0) covers pixels 0 .. 7, so that masks can fall on whole cells.
CELL = Affine.scaling((8, 8), (3.5, 3.5))
SIZE = (4, 3)  # rows, cols


def attention(weights: np.ndarray, shift: float = 0.0) -> AttentionMap:
    moved = Affine.scaling((1, 1), (shift, 0))
    return AttentionMap(
        "encoder.1",
        "encoder",
        "row",
        None,
        weights.astype(np.float32),
        TokenGrid(*SIZE, CELL),
        Crop((32, 24), moved, (32, 24)),
        0,
        Query(0, (0.0, 0.0)),
        1,
    )


def cells(*chosen: tuple[int, int]) -> np.ndarray:
    """A (32, 24) mask of whole cells (row, column)."""
    mask = np.zeros((32, 24), bool)
    for row, col in chosen:
        mask[8 * row : 8 * row + 8, 8 * col : 8 * col + 8] = True
    return mask


def test_shares_of_whole_cells_are_exact() -> None:
    weights = np.arange(1.0, 13).reshape(SIZE)
    weights /= weights.sum()  # of 78: the person 1 + 2, the other 5, the rest nobody
    masks = [cells((0, 0), (0, 1)), cells((1, 1))]
    found = purity(attention(weights), masks, 0)
    assert found.own == pytest.approx(3 / 78)
    assert found.others == pytest.approx(5 / 78)
    assert found.background == pytest.approx(70 / 78)
    other = purity(attention(weights), masks, 1)
    assert (other.own, other.others) == pytest.approx((5 / 78, 3 / 78))


def test_half_a_cell_counts_half_and_overlaps_are_ones_own() -> None:
    weights = np.zeros(SIZE)
    weights[0, 0] = 1
    left = cells((0, 0))
    left[:, 4:] = False
    assert purity(attention(weights), [left], 0) == Purity(0.5, 0.0, 0.5)
    assert purity(attention(weights), [left, cells((0, 0))], 0) == Purity(0.5, 0.5, 0.0)
    # Two others on the same pixels are not counted twice.
    three = [left, cells((0, 0)), cells((0, 0))]
    assert purity(attention(weights), three, 0) == Purity(0.5, 0.5, 0.0)


def test_what_was_put_in_front_is_nobodys_and_a_part_of_its_own() -> None:
    weights = np.arange(1.0, 13).reshape(SIZE)
    masks = [cells((0, 0), (0, 1)), cells((1, 1), (0, 1))]
    front = cells((0, 1), (1, 1), (2, 2))  # on both people, and 9 of 78 beside them
    found = Covers(masks, 0, front).shares(attention(weights))
    assert found.own == pytest.approx(1 / 78) and found.others == 0
    assert found.in_front == pytest.approx((2 + 5 + 9) / 78)
    assert found.background == pytest.approx(61 / 78)
    whole = Covers(masks, 0).shares(attention(weights))
    assert (whole.own, whole.others, whole.in_front) == pytest.approx((3 / 78, 5 / 78, 0))
    # Half of a cell in front takes half of what lies on it.
    front = cells((0, 0))
    front[4:] = False
    assert Covers(masks, 0, front).shares(attention(weights)).own == pytest.approx(2.5 / 78)
    with pytest.raises(TraceError, match="one size"):
        Covers(masks, 0, np.ones((24, 32), bool))


def test_what_lies_outside_the_photo_is_background() -> None:
    weights = np.full(SIZE, 1 / 12)
    everything = np.ones((32, 24), bool)
    assert purity(attention(weights), [everything], 0).own == pytest.approx(1)
    # The crop starts a column of cells left of the photo: a third of the tokens sees nothing.
    shifted = purity(attention(weights, shift=8.0), [everything], 0)
    assert shifted.own == pytest.approx(2 / 3)
    assert shifted.background == pytest.approx(1 / 3)


def test_a_column_is_scaled_first() -> None:
    weights = np.arange(12.0).reshape(SIZE)
    mask = cells((3, 2))
    assert purity(attention(weights), [mask], 0).own == pytest.approx(11 / 66)


@given(arrays(np.float64, SIZE, elements=st.floats(0.01, 1)), st.integers(0, 2**32 - 1))
def test_shares_sum_to_one_and_swap_with_the_person(weights: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, 3, (32, 24))  # nobody, one, the other: no pixel twice
    masks = [owner == 1, owner == 2]
    first, second = (purity(attention(weights), masks, person) for person in (0, 1))
    for each in (first, second):
        assert each.own + each.others + each.background == pytest.approx(1)
        assert min(each.own, each.others, each.background) >= 0
    assert first.own == pytest.approx(second.others)
    assert first.background == pytest.approx(second.background)


def test_cover_keeps_the_masks_area() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 40), bool)
    mask[5:30, 8:33] = rng.random((25, 25)) < 0.5
    cover = token_cover(mask, Affine.scaling((2.5, 2.5), (0.75, 0.75)), (16, 16))
    assert cover.sum() * 2.5**2 == pytest.approx(mask.sum(), rel=0.05)
    assert cover.min() >= 0 and cover.max() <= 1


def test_cover_is_the_share_of_the_samples_that_the_mask_holds() -> None:
    """Cells of 6.3 x 5.2 pixels, some beyond the photo, against one sample after another."""
    mask = np.random.default_rng(1).random((30, 26)) < 0.4
    to_photo = Affine.scaling((6.3, 5.2), (-4.1, 2.7))
    size, finer = (6, 5), 6  # the side of a square as large as a cell, rounded up
    found = token_cover(mask, to_photo, size)
    for row, col in np.ndindex(size):
        held = 0
        for n, m in np.ndindex(finer, finer):
            at = [col + (m + 0.5) / finer - 0.5, row + (n + 0.5) / finer - 0.5]
            x, y = np.floor(to_photo.apply(at) + 0.5).astype(int)
            held += 0 <= x < 26 and 0 <= y < 30 and bool(mask[y, x])
        assert found[row, col] == pytest.approx(held / finer**2, abs=1e-12)
    with pytest.raises(TraceError, match="grid that is turned"):
        token_cover(mask, Affine(np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.0]])), size)


def test_masks_worked_out_once_serve_every_layer_of_a_click() -> None:
    prediction = Estimator(tiny_model()).predict(
        noise_photo(120, 100), [Box(5, 5, 40, 80), Box(50, 20, 45, 90)]
    )
    explanation = explain(prediction, "nose", person=1)
    masks = np.zeros((2, 120, 100), bool)
    masks[0, :, :50], masks[1, :, 50:] = True, True
    mine, theirs = Covers(list(masks), 1), Covers(list(masks), 0)
    for one in explanation.maps:
        found = mine.shares(one)
        assert found == purity(one, list(masks), 1)
        assert found.own > found.others > 0
        assert theirs.shares(one).own == pytest.approx(found.others)


def test_a_data_set_is_asked_at_every_label_of_everybody_with_a_mask() -> None:
    pytest.importorskip("pycocotools")
    photo = noise_photo(120, 100)
    left, right = np.zeros((120, 100), bool), np.zeros((120, 100), bool)
    left[:, :50], right[:, 50:] = True, True

    def someone(x: float, mask: np.ndarray, **how: object) -> LabelledPerson:
        keypoints = np.stack([np.full(17, x), np.linspace(20, 90, 17)], -1)
        labelled = np.arange(17) < 5
        box = Box(x - 20, 10, 40, 90)
        kept = InstanceMask.of_array(mask)
        return LabelledPerson(photo, keypoints, labelled, COCO17, None, box, kept, **how)  # type: ignore[arg-type]

    people = (someone(25, left), someone(75, right), someone(75, right, crowd=True))
    estimator = Estimator(tiny_model())
    score = evaluate_purity(estimator, [LabelledPhoto(photo, people, COCO17)])
    assert (score.people, score.keypoints) == (2, 10)
    assert set(score.layers) == {"encoder.1", "encoder.2", "encoder.3"}
    by_hand = [
        {
            one.layer: purity(one, masks, 0)
            for one in explain(estimator.predict(photo, [p.box]), p.keypoints[k]).maps
        }
        for p, masks in ((people[0], [left, right]), (people[1], [right, left]))
        for k in range(5)
    ]
    for name, found in score.layers.items():
        mean = mean_purity([each[name] for each in by_hand])
        assert (found.own, found.others) == pytest.approx((mean.own, mean.others))
    assert score.figures["purity, encoder.1"] == round(100 * score.layers["encoder.1"].own, 2)
    with pytest.raises(DataError, match="mask and labelled"):
        evaluate_purity(estimator, [LabelledPhoto(photo, (), COCO17)])


def test_masks_that_do_not_fit_are_refused_in_words() -> None:
    one = attention(np.full(SIZE, 1 / 12))
    with pytest.raises(TraceError, match="masks of 1 people"):
        purity(one, [cells((0, 0))], 1)
    with pytest.raises(TraceError, match="one size"):
        purity(one, [np.ones((24, 32), bool), cells((0, 0))], 0)
    with pytest.raises(TraceError, match="does not fit"):
        purity(one, [np.ones((24, 32), bool)], 0)
    with pytest.raises(TraceError, match="no attention"):
        purity(replace(one, weights=np.zeros(SIZE, np.float32)), [cells((0, 0))], 0)
    with pytest.raises(TraceError, match="no map"):
        mean_purity([])


def test_the_mean_counts_every_map_the_same() -> None:
    mean = mean_purity([Purity(1, 0, 0), Purity(0.5, 0.25, 0.125, 0.125)])
    assert mean.own == 0.75 and mean.others == 0.125
    assert (mean.background, mean.in_front) == (0.0625, 0.0625)
