"""Previews for the live hover: the same attention, in bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from posekit.errors import TraceError
from posekit.explain.live import preview
from posekit.geometry import Affine, Box, Crop, TokenGrid
from posekit.trace import Attention, Trace


def prediction(rows: int, cols: int, heads: int = 2, seed: int = 0) -> Any:
    """A prediction of one person whose trace holds one layer of random vectors."""
    torch.manual_seed(seed)
    grid = TokenGrid.from_heatmap(rows, cols, (2 * rows, 2 * cols), (8 * rows, 8 * cols))
    vectors = torch.randn(2, 1, heads, rows * cols, 8)
    layer = Attention("encoder.1", "encoder", vectors[0], vectors[1], grid, grid)
    crop = Crop.of_box(Box(10, 20, 60, 90), (8 * rows, 8 * cols), (200, 150))
    people = (SimpleNamespace(crop=crop, item=0),)
    return SimpleNamespace(trace=Trace({"encoder.1": layer}), people=people)


def test_bytes_times_scale_are_the_head_averaged_rows() -> None:
    made = prediction(6, 4)
    shown = preview(made, "encoder.1", chunk=5)
    exact = made.trace.attentions["encoder.1"].matrix().mean(0).numpy()
    assert shown.cells.dtype == np.uint8 and shown.cells.shape == (24, 24)
    np.testing.assert_allclose(shown.scale, exact.max(1), rtol=1e-6)
    rebuilt = shown.cells / 255 * shown.scale[:, None]
    assert np.abs(rebuilt - exact).max() <= 0.5001 / 255 * exact.max()
    assert (shown.cells.max(1) == 255).all()


def test_the_grid_lies_on_the_photo_where_explanations_put_it() -> None:
    made = prediction(6, 4)
    shown = preview(made, "encoder.1")
    grid = made.trace.attentions["encoder.1"].key_grid
    wanted = made.people[0].crop.to_photo @ grid.to_input
    np.testing.assert_allclose(shown.key_to_photo.matrix, wanted.matrix)
    np.testing.assert_allclose(shown.query_to_photo.matrix, wanted.matrix)


def test_a_fine_grid_is_pooled_without_losing_mass_or_place() -> None:
    made = prediction(64, 48, heads=1)
    shown = preview(made, "encoder.1")
    assert shown.query_size == (64, 48) and shown.key_size == (32, 24)
    exact = made.trace.attentions["encoder.1"].rows([100])[0, 0].reshape(32, 2, 24, 2).sum((1, 3))
    rebuilt = shown.cells[100] / 255 * shown.scale[100]
    np.testing.assert_allclose(rebuilt, exact.numpy().ravel(), atol=0.51 / 255 * float(exact.max()))
    # The centre of a pooled cell is the middle of the four it holds.
    fine = made.people[0].crop.to_photo @ made.trace.attentions["encoder.1"].key_grid.to_input
    four = fine.apply([(10, 6), (11, 6), (10, 7), (11, 7)]).mean(axis=0)
    np.testing.assert_allclose(shown.key_to_photo.apply([5, 3]), four)
    assert isinstance(shown.key_to_photo, Affine)


@pytest.mark.parametrize(
    ("layer", "person", "words"), [("encoder.9", 0, "encoder.1"), ("encoder.1", 1, "no person 1")]
)
def test_what_is_not_there_is_named(layer: str, person: int, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        preview(prediction(4, 3), layer, person)


def test_without_a_trace_it_says_how_to_get_one() -> None:
    with pytest.raises(TraceError, match="record=True"):
        preview(SimpleNamespace(trace=None, people=()), "encoder.1")  # type: ignore[arg-type]
