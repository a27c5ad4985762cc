"""Targets of the OpenPose line against closed forms and against plain loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.data.paf_targets import PafTargets, encode_people
from posekit.decode.paf_grid import PafGrid, limbs_outward
from posekit.skeleton import COCO17, LSP14, OPENPOSE18, SKELETONS, Skeleton
from tests.stick_people import crowd

GRID = PafGrid()
SIZE = (12, 16)  # 96 x 128 pixels


def encode(
    points: np.ndarray, skeleton: Skeleton = LSP14, grid: PafGrid = GRID, size: tuple = SIZE
) -> PafTargets:
    """Of one image; a NaN is a keypoint without label."""
    keypoints = torch.from_numpy(np.asarray(points, dtype=np.float64))[None]
    known = ~keypoints.isnan().any(-1)
    return encode_people(keypoints, known, skeleton.limbs, size, grid)


def alone(place: dict[int, tuple[float, float]], skeleton: Skeleton = LSP14) -> np.ndarray:
    """(1, K, 2): a person with a few keypoints."""
    points = np.full((1, skeleton.size, 2), np.nan)
    for index, point in place.items():
        points[0, index] = point
    return points


def test_the_openpose_skeleton_is_the_codes() -> None:
    """Limbs in the order of the fields' channels, and COCO's order taken out of it."""
    assert OPENPOSE18.limbs == (
        (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 2), (2, 3), (3, 4), (2, 16),
        (1, 5), (5, 6), (6, 7), (5, 17), (1, 0), (0, 14), (0, 15), (14, 16), (15, 17),
    )  # fmt: skip
    to_coco = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
    assert list(COCO17.mapping_to(OPENPOSE18)) == to_coco


def test_a_heatmap_is_a_gaussian_and_people_are_combined_by_the_maximum() -> None:
    points = np.concatenate([alone({0: (27.5, 43.5)}), alone({0: (31.0, 40.0)})])
    heat = encode(points).heat[0, 0]
    assert heat[5, 3] == 1  # the centre of column 3, row 5 is (27.5, 43.5)
    for row in range(SIZE[0]):
        for col in range(SIZE[1]):
            centre = 8 * col + 3.5, 8 * row + 3.5
            heights = [math.exp(-(math.dist(centre, p[0]) ** 2) / 98) for p in points]
            assert heat[row, col] == pytest.approx(max(heights), abs=1e-6)


def test_the_background_is_what_no_keypoint_claims() -> None:
    heat = encode(alone({0: (27.5, 43.5), 7: (90.0, 20.0)})).heat[0]
    torch.testing.assert_close(heat[-1], 1 - heat[:-1].amax(0))
    assert encode(np.zeros((0, 14, 2))).heat[0, -1].min() == 1


@pytest.mark.parametrize("shape", ["projection", "box"])
def test_a_field_is_the_unit_vector_within_its_band(shape: str) -> None:
    """Every cell against the definition; a slanted limb, so that the two bands differ."""
    a, b = np.array([20.0, 30.0]), np.array([90.0, 75.0])
    grid = replace(GRID, band_shape=shape)
    start, end = LSP14.limbs[0]
    targets = encode(alone({start: tuple(a), end: tuple(b)}), grid=grid)
    length = np.linalg.norm(b - a)
    unit = (b - a) / length
    inside = 0
    for row in range(SIZE[0]):
        for col in range(SIZE[1]):
            c = np.array([8 * col + 3.5, 8 * row + 3.5])
            ahead, aside = (c - a) @ unit, abs((c - a)[0] * unit[1] - (c - a)[1] * unit[0])
            if shape == "projection":
                within = aside <= 8 and -4 <= ahead <= length + 4
            else:
                within = aside <= 8 and (np.minimum(a, b) - 8 <= c).all()
                within &= (c <= np.maximum(a, b) + 8).all()
            expected = unit if within else np.zeros(2)
            np.testing.assert_allclose(targets.paf[0, :2, row, col], expected, atol=1e-6)
            inside += within
    assert inside > 10
    assert targets.has_limb[0].tolist() == [1.0] + [0.0] * (len(LSP14.limbs) - 1)
    assert targets.paf[0, 2:].abs().max() == 0


def test_crossing_limbs_share_cells_as_the_mean() -> None:
    start, end = LSP14.limbs[0]
    points = np.concatenate(
        [alone({start: (20, 43.5), end: (100, 43.5)}), alone({start: (60, 10), end: (60, 80)})]
    )
    paf = encode(points).paf[0]
    np.testing.assert_allclose(paf[:2, 5, 7], [0.5, 0.5], atol=1e-6)  # the centre is (59.5, 43.5)
    np.testing.assert_allclose(paf[:2, 5, 3], [1, 0], atol=1e-6)
    turned = np.concatenate(
        [alone({start: (20, 43.5), end: (100, 43.5)}), alone({end: (20, 43.5), start: (100, 43.5)})]
    )
    assert encode(turned).paf.abs().max() == 0  # they point against each other


def test_a_limb_without_length_or_with_one_label_has_no_field() -> None:
    start, end = LSP14.limbs[0]
    assert encode(alone({start: (20, 20), end: (20, 20)})).paf.abs().max() == 0
    assert encode(alone({start: (20, 20)})).paf.abs().max() == 0


@given(x=st.floats(-40, 170), y=st.floats(-40, 140))
@settings(max_examples=200)
def test_an_offset_restores_its_keypoint(x: float, y: float) -> None:
    """``p = c(b) + 8 o(b)``, at one block, and only when that lies inside the grid."""
    x, y = float(np.float32(x)), float(np.float32(y))
    targets = encode(alone({3: (x, y)}))
    valid = targets.offset_valid[0, 3]
    col, row = math.floor((x + 0.5) / 8), math.floor((y + 0.5) / 8)
    if not (0 <= col < SIZE[1] and 0 <= row < SIZE[0]):
        assert valid.sum() == 0
        assert targets.has_keypoint[0, 3] == 0
        return
    assert valid.nonzero().tolist() == [[row, col]]
    ox, oy = targets.offset[0, 6:8, row, col].tolist()
    assert -0.5 <= ox <= 0.5
    assert -0.5 <= oy <= 0.5
    assert (8 * col + 3.5 + 8 * ox, 8 * row + 3.5 + 8 * oy) == pytest.approx((x, y), abs=1e-4)
    assert targets.offset.count_nonzero() <= 2
    assert targets.has_keypoint[0].sum() == 1


def test_of_two_in_one_block_the_one_nearer_to_the_centre_counts() -> None:
    points = np.concatenate([alone({0: (26.0, 42.0)}), alone({0: (28.0, 43.0)})])
    for order in (points, points[::-1]):
        offset = encode(order.copy()).offset[0, :2, 5, 3]
        np.testing.assert_allclose(offset, [0.5 / 8, -0.5 / 8], atol=1e-6)


def test_wide_offsets_reach_the_blocks_around_but_yield_to_a_blocks_own_keypoint() -> None:
    grid = replace(GRID, wide=True)
    targets = encode(alone({0: (29.0, 45.0)}), grid=grid)
    where = targets.offset_valid[0, 0].nonzero().tolist()
    assert where == [[r, c] for r in (4, 5, 6) for c in (2, 3, 4)]
    for row, col in where:
        restored = 8 * (np.array([col, row]) + targets.offset[0, :2, row, col].numpy()) + 3.5
        np.testing.assert_allclose(restored, [29, 45], atol=1e-5)
    assert targets.offset.abs().max() <= 1.5
    assert targets.own_block[0, 0].nonzero().tolist() == [[5, 3]]
    # A keypoint in the corner of its block, and another just across the edge, nearer the centre.
    pair = np.concatenate([alone({0: (24.0, 40.0)}), alone({0: (23.4, 43.5)})])
    own = encode(pair, grid=grid).offset[0, :2, 5, 3]
    np.testing.assert_allclose(own, [-3.5 / 8, -3.5 / 8], atol=1e-6)


@pytest.mark.parametrize("wide", [False, True])
def test_mirrored_people_have_mirrored_targets(wide: bool) -> None:
    size, grid = (16, 16), replace(GRID, wide=wide)
    points = crowd(3, (128, 128), LSP14, seed=3)
    targets = encode(points, size=size, grid=grid)
    order = list(LSP14.flip_order)
    mirrored = points[:, order].copy()
    mirrored[..., 0] = 127 - mirrored[..., 0]
    flipped = encode(mirrored, size=size, grid=grid)
    torch.testing.assert_close(flipped.heat[:, :-1], targets.heat[:, order].flip(-1))
    sign = torch.tensor([-1.0, 1.0])[:, None, None]
    back = targets.offset.unflatten(1, (-1, 2))[:, order].flip(-1) * sign
    torch.testing.assert_close(flipped.offset.unflatten(1, (-1, 2)), back)
    fields = targets.paf.unflatten(1, (-1, 2)).flip(-1) * sign
    for index, (a, b) in enumerate(LSP14.limbs):
        pair = order[a], order[b]
        if pair in LSP14.limbs:
            other, way = LSP14.limbs.index(pair), 1
        else:  # the mirrored limb is named the other way round
            other, way = LSP14.limbs.index(pair[::-1]), -1
        mine = flipped.paf.unflatten(1, (-1, 2))[:, index]
        torch.testing.assert_close(mine, way * fields[:, other])


def test_keypoints_without_a_labelled_limb_are_marked() -> None:
    start, end = LSP14.limbs[0]
    points = np.concatenate([alone({start: (20, 20), end: (60, 20)}), alone({start: (100, 60)})])
    near = encode(points).limbless[0, start]
    for row in range(SIZE[0]):
        for col in range(SIZE[1]):
            away = math.dist((8 * col + 3.5, 8 * row + 3.5), (100, 60))
            assert near[row, col] == (away <= 21)


def test_everything_at_once_is_everybody_one_by_one() -> None:
    """A padded batch says what its images say alone, and fill-ins say nothing."""
    some, many = crowd(2, (96, 128), LSP14, seed=1), crowd(5, (96, 128), LSP14, seed=2)
    padded = np.concatenate([some, np.full((3, 14, 2), 7.0)])
    known = torch.ones(2, 5, 14)
    known[0, 2:] = 0
    both = encode_people(torch.from_numpy(np.stack([padded, many])), known, LSP14.limbs, SIZE, GRID)
    for index, people in enumerate((some, many)):
        single = encode(people)
        one = both.part(slice(index, index + 1))
        for name in ("heat", "paf", "offset", "offset_valid", "limbless", "has_keypoint", "mask"):
            torch.testing.assert_close(getattr(one, name), getattr(single, name))


def test_unlabelled_keypoints_may_be_anything() -> None:
    points = torch.from_numpy(crowd(1, (96, 128), LSP14))[None]
    known = torch.ones(1, 1, 14)
    known[0, 0, 4] = 0
    clean = encode_people(points, known, LSP14.limbs, SIZE)
    points[0, 0, 4] = torch.inf
    odd = encode_people(points, known, LSP14.limbs, SIZE)
    torch.testing.assert_close(odd.paf, clean.paf)
    torch.testing.assert_close(odd.heat, clean.heat)
    assert odd.heat[0, 4].max() == 0


@pytest.mark.parametrize("kit", SKELETONS.values(), ids=lambda kit: kit.name)
def test_limbs_go_from_the_neck_outward(kit: Skeleton) -> None:
    order = limbs_outward(kit)
    assert sorted(order) == list(range(len(kit.limbs)))
    reached = set(kit.limbs[order[0]])
    for index in order:
        assert reached & set(kit.limbs[index])
        reached |= set(kit.limbs[index])
