"""The common grid: masses stay whole, and densities compare."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posekit.compare import CommonGrid
from posekit.compare.grid import density_factor
from posekit.geometry import Affine, Box, TokenGrid


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
