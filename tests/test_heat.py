"""One map of the crop: what it refuses, its mass, and that it lies where attention would."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.errors import TraceError
from posekit.explain import AttentionMap, HeatMap, Query, pixel_grid
from posekit.geometry import Box, Crop, TokenGrid

SIZE = (64, 48)
PHOTO = (90, 120)
GRID = TokenGrid.from_heatmap(8, 6, (16, 12), SIZE)
CROP = Crop.of_box(Box(30, 12, 40, 60), SIZE, PHOTO, rotation=15)


def heat(values: np.ndarray, grid: TokenGrid = GRID, **changes: object) -> HeatMap:
    return HeatMap("a method", values, grid, CROP, **changes)  # type: ignore[arg-type]


def weights(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((8, 6)).astype(np.float32)
    return values / values.sum()


def test_it_is_drawn_as_attention_is() -> None:
    values = weights()
    query = Query(0, (50.0, 40.0))
    attention = AttentionMap("encoder.1", "encoder", "row", None, values, GRID, CROP, 0, query, 1)
    one = heat(values)
    np.testing.assert_array_equal(one.on_photo(), attention.on_photo())
    np.testing.assert_array_equal(one.on_crop(), attention.on_crop())
    window = (20.0, 10.0, 80.0, 70.0)
    np.testing.assert_array_equal(
        one.on_photo((30, 30), window), attention.on_photo((30, 30), window)
    )
    np.testing.assert_array_equal(one.cell_centres, attention.token_centres)
    assert one.on_photo().shape == PHOTO and one.on_photo().max() > 0


def test_a_map_of_pixels_is_itself_on_the_crop() -> None:
    values = np.random.default_rng(1).normal(size=SIZE).astype(np.float32)
    one = heat(values, pixel_grid(SIZE), signed=True)
    np.testing.assert_allclose(one.on_crop(), values, atol=1e-5)


def test_a_cell_lies_on_the_photo_where_the_crop_was_taken() -> None:
    values = np.zeros(SIZE, np.float32)
    values[40, 20] = 1
    one = heat(values, pixel_grid(SIZE))
    y, x = np.unravel_index(one.on_photo().argmax(), PHOTO)
    np.testing.assert_allclose((x, y), CROP.to_photo.apply([20, 40]), atol=1.0)
    np.testing.assert_allclose(one.cell_centres[40 * 48 + 20], CROP.to_photo.apply([20, 40]))


def test_numbers_of_a_signed_map() -> None:
    values = np.zeros((8, 6))
    values[0, 0], values[2, 3], values[7, 5] = 1.0, 3.0, -6.0
    one = heat(values, signed=True)
    assert one.total == -2.0 and one.limit == 6.0
    assert one.mass[0, 0] == 0.25 and one.mass[2, 3] == 0.75 and one.mass.sum() == 1.0
    assert not heat(-np.ones((8, 6)), signed=True).mass.any()


def test_the_values_are_its_own() -> None:
    values = weights()
    one = heat(values)
    before = one.values[0, 0]
    values[0, 0] = 9
    assert one.values[0, 0] == before and one.values.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0] = 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((6, 8)), "does not fit a grid"),
        (np.full((8, 6), np.nan), "not finite"),
        (np.full((8, 6), -1.0), "cannot hold negative"),
    ],
)
def test_values_that_are_no_map_are_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        heat(values)
