"""Boxes, crops and token grids: closed forms, the official numbers, and exact ways back."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from posekit.errors import BoxError
from posekit.geometry import (
    Affine,
    Box,
    Crop,
    TokenGrid,
    box_to_centre_scale,
    crop_affine,
    input_to_heatmap,
)

Loader = Callable[[str], dict[str, np.ndarray]]

INPUT, HEATMAP = (256, 192), (64, 48)
GRIDS = {"R": (32, 24), "H": (64, 48)}

coordinate = st.floats(-2000, 2000)
extent = st.floats(2, 3000)
turn = st.floats(-180, 180)
unit = st.floats(0, 1)


@st.composite
def affines(draw: st.DrawFn) -> Affine:
    angle, shear = draw(turn), draw(st.floats(-2, 2))
    linear = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = linear @ np.array(
        [[draw(st.floats(0.01, 100)), shear], [0, draw(st.floats(0.01, 100))]]
    )
    return Affine(np.column_stack([linear, [draw(coordinate), draw(coordinate)]]))


@st.composite
def crops(draw: st.DrawFn) -> tuple[Crop, TokenGrid]:
    """A crop of a box that may be clipped by the photo, turned, with the grid of R or H on it."""
    photo = draw(st.integers(16, 4000)), draw(st.integers(16, 4000))
    try:
        box = Box(draw(coordinate), draw(coordinate), draw(extent), draw(extent)).clipped(photo)
    except BoxError:
        assume(False)
    assume(min(box.width, box.height) >= 2)
    size = draw(st.sampled_from([INPUT, (192, 144), (256, 256), (192, 256)]))
    stride = draw(st.sampled_from([1, 2]))
    heatmap = size[0] // 4, size[1] // 4
    crop = Crop.of_box(box, size, photo, rotation=draw(turn))
    return crop, TokenGrid.from_heatmap(heatmap[0] // stride, heatmap[1] // stride, heatmap, size)


# --- boxes ---------------------------------------------------------------------------------------


def test_box_counts_the_pixels_it_covers() -> None:
    box = Box(10, 20, 4, 3)  # pixels 10 .. 13 and 20 .. 22
    assert box.corners == (10, 20, 13, 22)
    assert box.edges == (9.5, 19.5, 13.5, 22.5)
    assert box.centre == (11.5, 21)
    assert box.area == 12


def test_box_takes_any_numbers_and_keeps_floats() -> None:
    box = Box(np.int64(1), np.float32(2), 3, "4")  # type: ignore[arg-type]
    assert (box.x, box.y, box.width, box.height) == (1.0, 2.0, 3.0, 4.0)
    assert all(type(v) is float for v in (box.x, box.y, box.width, box.height))


@given(coordinate, coordinate, st.floats(1, 3000), st.floats(1, 3000))
def test_corners_give_the_box_back_in_any_order(x: float, y: float, w: float, h: float) -> None:
    box = Box(x, y, w, h)
    x0, y0, x1, y1 = box.corners
    for corners in ((x0, y0, x1, y1), (x1, y1, x0, y0), (x0, y1, x1, y0)):
        again = Box.from_corners(*corners)
        assert again.corners == pytest.approx(box.corners, abs=1e-9)
        assert again.area == pytest.approx(box.area, rel=1e-9)


@pytest.mark.parametrize(
    "values",
    [(math.nan, 0, 1, 1), (0, math.inf, 1, 1), (0, 0, 0, 5), (0, 0, 5, -1), (None, 0, 1, 1)],
)
def test_box_refuses_nonsense(values: tuple[float, float, float, float]) -> None:
    with pytest.raises(BoxError, match=r"^A box needs .*\.$"):
        Box(*values)


def test_whole_photo_is_left_alone_by_clipping() -> None:
    whole = Box.whole((480, 640))
    assert whole.clipped((480, 640)) == whole == Box(0, 0, 640, 480)
    assert whole.edges == (-0.5, -0.5, 639.5, 479.5)


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        (Box(-10, -20, 30, 40), Box(0, 0, 20, 20)),
        (Box(90, 40, 30, 30), Box(90, 40, 10, 10)),
        (Box(-5, -5, 200, 200), Box(0, 0, 100, 50)),
        (Box(5, 6, 7, 8), Box(5, 6, 7, 8)),
    ],
)
def test_clipping_keeps_what_is_inside(box: Box, kept: Box) -> None:
    assert box.clipped((50, 100)) == kept


@pytest.mark.parametrize("box", [Box(100, 0, 5, 5), Box(-5, 0, 5, 5), Box(0, 50, 9, 9)])
def test_clipping_refuses_a_box_outside(box: Box) -> None:
    with pytest.raises(BoxError, match="outside the photo, which is 100 x 50 pixels"):
        box.clipped((50, 100))


def test_contains_holds_to_the_outer_edges() -> None:
    points = [[[0, 0], [-0.5, 1.5]], [[-0.51, 0], [3.5, 2]], [[3.51, 0], [0, 2.6]]]
    expected = [[True, True], [False, True], [False, False]]
    assert Box(0, 0, 4, 3).contains(points).tolist() == expected


def test_padding_keeps_the_centre() -> None:
    box = Box(10, 20, 4, 3).padded(2.5)
    assert box == Box(7, 17.75, 10, 7.5)
    assert box.centre == Box(10, 20, 4, 3).centre


# --- affine maps ---------------------------------------------------------------------------------


@given(affines(), affines(), coordinate, coordinate)
def test_composition_applies_the_right_map_first(a: Affine, b: Affine, x: float, y: float) -> None:
    np.testing.assert_allclose(
        (a @ b).apply([x, y]), a.apply(b.apply([x, y])), rtol=1e-9, atol=1e-6
    )


@given(affines(), coordinate, coordinate)
def test_inverse_leads_back(a: Affine, x: float, y: float) -> None:
    np.testing.assert_allclose(a.inverse().apply(a.apply([x, y])), [x, y], rtol=1e-7, atol=1e-5)


def test_affine_is_what_it_says() -> None:
    assert Affine.identity().apply([[3, 4], [5, 6]]).tolist() == [[3, 4], [5, 6]]
    assert Affine.scaling((2, 3), (10, 20)).apply([1, 1]).tolist() == [12, 23]
    assert Affine.scaling((2, -8), (1, 1)).scale == pytest.approx(4)


def test_affine_owns_its_matrix() -> None:
    matrix = np.eye(2, 3)
    held = Affine(matrix)
    matrix[0, 0] = 9
    assert held.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        held.matrix[0, 0] = 9


def test_affine_refuses_what_is_no_map() -> None:
    with pytest.raises(ValueError, match="2 x 3"):
        Affine(np.eye(3))
    with pytest.raises(ValueError, match="finite"):
        Affine(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="no inverse"):
        Affine.scaling((1, 0), (0, 0)).inverse()


# --- crops ---------------------------------------------------------------------------------------


def test_crop_affine_equals_the_official_one(transpose_fixture: Loader) -> None:
    codec = transpose_fixture("codec")
    for case, (index, rotation) in enumerate(codec["affine_cases"]):
        centre, width = codec["center"][int(index)], 200 * codec["scale"][int(index), 0]
        image = crop_affine(centre, width, INPUT, rotation)
        heatmap = crop_affine(centre, width, HEATMAP, rotation)
        # The official code passes its three points through float32.
        np.testing.assert_allclose(image.matrix, codec["affine_image"][case], atol=1e-5)
        np.testing.assert_allclose(heatmap.matrix, codec["affine_heatmap"][case], atol=3e-6)
        composed = input_to_heatmap(INPUT, HEATMAP) @ image
        np.testing.assert_allclose(composed.matrix, heatmap.matrix, atol=1e-11)


def test_crop_affine_places_the_three_points() -> None:
    to_crop = crop_affine((100, 50), 81, (101, 61), rotation_degrees=90)
    centre, above, right = to_crop.apply([[100, 50], [140, 50], [100, 90]])
    np.testing.assert_allclose(centre, [30, 50], atol=1e-12)
    np.testing.assert_allclose(above, [30, 20], atol=1e-12)  # up, turned clockwise, is right
    np.testing.assert_allclose(right, [60, 50], atol=1e-12)
    assert to_crop.scale == pytest.approx(60 / 80)


def test_short_side_grows_to_the_aspect() -> None:
    centre, size = box_to_centre_scale(Box(0, 0, 100, 50), aspect=0.75)
    assert centre.tolist() == [49.5, 24.5]
    assert size == pytest.approx((125, 100 / 0.75 * 1.25))
    assert box_to_centre_scale(Box(0, 0, 30, 80), 0.75, padding=1)[1] == pytest.approx((60, 80))


def test_decoding_lands_in_the_photo_where_the_official_code_does(
    transpose_fixture: Loader,
) -> None:
    codec = transpose_fixture("codec")
    for item in range(2):
        to_input = crop_affine(codec["center"][item], 200 * codec["scale"][item, 0], INPUT)
        to_photo = (input_to_heatmap(INPUT, HEATMAP) @ to_input).inverse()
        found = to_photo.apply(codec["dark_coords_hm"][item])
        np.testing.assert_allclose(found, codec["dark_coords_image"][item], atol=1e-3)


def test_a_box_of_a_pixel_cannot_be_cropped() -> None:
    with pytest.raises(BoxError, match="too small"):
        Crop.of_box(Box(5, 5, 0.5, 0.5), INPUT, (100, 100))


def test_warp_copies_pixels_when_the_map_is_a_shift() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    crop = Crop((20, 16), Affine.scaling((1, 1), (-7, -9)), (40, 50))
    np.testing.assert_array_equal(crop.warp(photo), photo[9:29, 7:23])


def test_warp_is_black_outside_the_photo() -> None:
    photo = np.full((40, 50, 3), 200, dtype=np.uint8)
    crop = Crop((20, 20), Affine.scaling((1, 1), (10, 0)), (40, 50))
    warped = crop.warp(photo)
    assert (warped[:, :10] == 0).all()
    assert (warped[:, 10:] == 200).all()


def test_warp_agrees_with_the_map_it_carries() -> None:
    """A blurred spot in the photo appears in the crop where to_crop says, turned and scaled."""
    spot = np.array([83.0, 61.0])
    y, x = np.mgrid[:120, :160]
    bright = 255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 4.0**2))
    photo = np.repeat(bright[..., None], 3, axis=2).astype(np.uint8)
    crop = Crop.of_box(Box(50, 20, 60, 80), (256, 192), (120, 160), rotation=25)
    warped = crop.warp(photo)[..., 0].astype(np.float64)
    y, x = np.mgrid[:256, :192]
    seen = np.array([(x * warped).sum(), (y * warped).sum()]) / warped.sum()
    np.testing.assert_allclose(seen, crop.to_crop.apply(spot), atol=0.1)


def test_warp_averages_a_photo_much_finer_than_the_crop() -> None:
    """One-pixel stripes become grey; sampling single pixels would leave stripes or a flat tone."""
    photo = np.zeros((640, 480, 3), dtype=np.uint8)
    photo[:, ::2] = 254
    crop = Crop.of_box(Box.whole((640, 480)), (64, 48), (640, 480), padding=1.0)
    np.testing.assert_allclose(crop.warp(photo)[8:-8, 8:-8], 127, atol=2)


def test_warp_that_averages_stays_where_the_map_says() -> None:
    photo = np.zeros((640, 480, 3), dtype=np.uint8)
    photo[300:340, 100:140] = 200
    crop = Crop.of_box(Box.whole((640, 480)), (64, 48), (640, 480), padding=1.0)
    warped = crop.warp(photo)[..., 0].astype(np.float64)
    y, x = np.mgrid[:64, :48]
    seen = np.array([(x * warped).sum(), (y * warped).sum()]) / warped.sum()
    np.testing.assert_allclose(seen, crop.to_crop.apply([119.5, 319.5]), atol=0.1)


def test_warp_manages_a_very_wide_photo() -> None:
    photo = np.zeros((300, 40_000, 3), dtype=np.uint8)
    photo[:, 39_000:] = 250
    crop = Crop.of_box(Box(38_800, 0, 400, 300), (64, 48), (300, 40_000))
    warped = crop.warp(photo)
    assert warped[32, 12].tolist() == [0, 0, 0]
    assert warped[32, 36].tolist() == [250, 250, 250]


# --- token grids ---------------------------------------------------------------------------------


def test_heatmap_mapping_is_47_over_191() -> None:
    to_heatmap = input_to_heatmap(INPUT, HEATMAP)
    assert to_heatmap.apply([95.5, 127.5]).tolist() == [23.5, 31.5]
    assert to_heatmap.apply([0, 127.5])[0] == pytest.approx(0, abs=1e-12)
    assert to_heatmap.apply([191, 127.5])[0] == pytest.approx(47)
    assert to_heatmap.apply([0, 0])[1] == pytest.approx(31.5 - 127.5 * 47 / 191)


def test_tokens_of_h_are_heatmap_pixels() -> None:
    grid = TokenGrid.from_heatmap(*GRIDS["H"], HEATMAP, INPUT)
    on_map = input_to_heatmap(INPUT, HEATMAP).apply(grid.centres())
    expected = [[col, row] for row in range(64) for col in range(48)]
    np.testing.assert_allclose(on_map, expected, atol=1e-9)
    assert grid.cell == pytest.approx((191 / 47, 191 / 47))


def test_tokens_of_r_lie_between_two_heatmap_pixels() -> None:
    grid = TokenGrid.from_heatmap(*GRIDS["R"], HEATMAP, INPUT)
    on_map = input_to_heatmap(INPUT, HEATMAP).apply(grid.centres())
    expected = [[2 * col + 0.5, 2 * row + 0.5] for row in range(32) for col in range(24)]
    np.testing.assert_allclose(on_map, expected, atol=1e-9)
    assert (grid.size, grid.tokens) == ((32, 24), 768)


@pytest.mark.parametrize("kind", GRIDS)
def test_every_token_is_found_at_its_centre_and_corners(kind: str) -> None:
    grid = TokenGrid.from_heatmap(*GRIDS[kind], HEATMAP, INPUT)
    np.testing.assert_array_equal(grid.token_at(grid.centres()), np.arange(grid.tokens))
    for corner in ([0.499, 0.499], [-0.499, 0.499], [0.499, -0.499]):
        shifted = grid.centres() + np.array(corner) * grid.cell
        np.testing.assert_array_equal(grid.token_at(shifted), np.arange(grid.tokens))


@pytest.mark.parametrize("size", [INPUT, (192, 144), (128, 96), (384, 288), (256, 256)])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_grid_covers_the_whole_input(size: tuple[int, int], stride: int) -> None:
    heatmap = size[0] // 4, size[1] // 4
    grid = TokenGrid.from_heatmap(heatmap[0] // stride, heatmap[1] // stride, heatmap, size)
    edges = [[x, y] for x in (-0.5, size[1] - 0.51) for y in (-0.5, size[0] - 0.51)]
    found = grid.token_at(edges).tolist()
    assert found == [0, grid.tokens - grid.cols, grid.cols - 1, grid.tokens - 1]


def test_points_outside_every_cell_have_no_token() -> None:
    grid = TokenGrid.from_heatmap(*GRIDS["R"], HEATMAP, INPUT)
    dx, dy = np.array(grid.cell) / 2
    first, last = grid.centres()[0], grid.centres()[-1]
    outside = [
        first - [dx + 1e-6, 0],
        first - [0, dy + 1e-6],
        last - [-dx - 1e-6, 0],
        last - [0, -dy - 1e-6],
        [math.nan, 5],
        [5, math.inf],
        [-1e300, 1e300],
    ]
    assert grid.token_at(outside).tolist() == [-1] * len(outside)
    assert grid.token_at(first).shape == ()
    assert grid.token_at(np.zeros((4, 3, 2))).shape == (4, 3)


@pytest.mark.parametrize("name", ["R-A3", "H-A4"])
def test_cells_agree_with_the_official_ones_to_a_neighbour(
    transpose_fixture: Loader, name: str
) -> None:
    """The official viewer divides pixels by the stride; the exact cell is the same or next door."""
    reference = transpose_fixture(name)
    rows, cols = reference["token_grid_hw"]
    grid = TokenGrid.from_heatmap(int(rows), int(cols), HEATMAP, INPUT)
    ours = np.stack(np.divmod(grid.token_at(reference["query_pixels_xy"]), cols))
    official = np.stack(np.divmod(reference["query_tokens"], cols))
    assert np.abs(ours - official).max() <= 1


@given(crops(), unit, unit)
def test_photo_to_token_and_back_stays_within_half_a_cell(
    made: tuple[Crop, TokenGrid], across: float, down: float
) -> None:
    crop, grid = made
    height, width = crop.size
    in_crop = np.array([across * (width - 1), down * (height - 1)])
    in_photo = crop.to_photo.apply(in_crop)

    token = int(grid.token_at(crop.to_crop.apply(in_photo)))
    assert 0 <= token < grid.tokens
    back = crop.to_photo.apply(grid.centres()[token])

    # Half a cell along each axis of the grid, measured in the photo where the axes are turned.
    axes = (crop.to_photo @ grid.to_input).matrix[:, :2]
    off = np.linalg.solve(axes, back - in_photo)
    assert np.abs(off).max() <= 0.5 + 1e-6
    half_diagonal = math.hypot(*grid.cell) / 2 / crop.to_crop.scale
    assert np.linalg.norm(back - in_photo) <= half_diagonal * (1 + 1e-6)


@given(crops(), unit, unit)
def test_a_photo_point_outside_the_grid_has_no_token(
    made: tuple[Crop, TokenGrid], across: float, down: float
) -> None:
    crop, grid = made
    beyond = [grid.cols - 0.5 + 1e-3 + 50 * across, (grid.rows - 1) * down]
    in_photo = (crop.to_photo @ grid.to_input).apply(beyond)
    assert grid.token_at(crop.to_crop.apply(in_photo)) == -1


def test_the_colour_under_a_click_is_the_colour_of_its_cell() -> None:
    """Photo, warp and grid together: tint one token's cell in the photo and find it in the crop."""
    photo_size = (300, 400)
    crop = Crop.of_box(Box(120, 40, 140, 220), INPUT, photo_size, rotation=-35)
    grid = TokenGrid.from_heatmap(*GRIDS["R"], HEATMAP, INPUT)
    token = 12 * 24 + 9
    corners = grid.to_input.apply([[8.5, 11.5], [9.5, 11.5], [9.5, 12.5], [8.5, 12.5]])
    photo = np.zeros((*photo_size, 3), dtype=np.uint8)
    outline = crop.to_photo.apply(corners)
    cv2.fillConvexPoly(photo, np.rint(outline * 256).astype(np.int32), (255, 255, 255), shift=8)
    warped = crop.warp(photo)[..., 0] > 128
    lit = np.argwhere(warped)[:, ::-1]
    centre = grid.centres()[token]
    np.testing.assert_allclose(lit.mean(axis=0), centre, atol=1.0)
    assert (grid.token_at(lit) == token).mean() > 0.7
