"""Rows and columns from q and k, against the full matrix an eager layer would have kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmarks.compare import compare
from posekit.geometry import TokenGrid
from posekit.trace import Attention

SHAPES = {
    # layers, heads, rows, cols, channels a head
    "TransPose-R-A3": (3, 8, 32, 24, 32),
    "TransPose-H-A4": (4, 1, 64, 48, 96),
}


def layers_of(shape: tuple[int, int, int, int, int]) -> list[Attention]:
    """Random q and k of a model's shapes, one photo."""
    layers, heads, rows, cols, d = shape
    grid = TokenGrid.from_heatmap(rows, cols, (64, 48), (256, 192))
    generator = torch.Generator().manual_seed(0)

    def vectors() -> Tensor:
        return torch.randn(1, heads, rows * cols, d, generator=generator)

    return [
        Attention(f"encoder.{n + 1}", "encoder", vectors(), vectors(), grid, grid)
        for n in range(layers)
    ]


def eager(layers: list[Attention]) -> list[Tensor]:
    """Every layer's matrix, (heads, T, T), as ``need_weights`` would have it written out."""
    return [
        (layer.q[0] @ layer.k[0].transpose(1, 2) * layer.q.shape[-1] ** -0.5).softmax(-1)
        for layer in layers
    ]


@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("count", [1, 17])
def test_rows(benchmark: Callable[..., object], model: str, count: int) -> None:
    layers = layers_of(SHAPES[model])
    tokens = list(range(5, 5 + 7 * count, 7))

    def ours() -> list[Tensor]:
        return [layer.rows(tokens) for layer in layers]

    for row, matrix in zip(ours(), eager(layers), strict=True):
        assert (row - matrix[:, tokens]).abs().max() < 1e-5
    words = "1 row" if count == 1 else f"{count} rows"
    ratio = compare(
        f"{model}: {words}, all layers and heads", ours, "full matrix", lambda: eager(layers)
    )
    benchmark(ours)
    assert ratio.time > 3 and ratio.memory is not None and ratio.memory > 10


@pytest.mark.parametrize("model", SHAPES)
def test_columns(benchmark: Callable[..., object], model: str) -> None:
    """The first click on "is looked at by" pays for the rows' normalisers, later ones do not."""
    layers = layers_of(SHAPES[model])

    def later() -> list[Tensor]:
        return [layer.columns([5]) for layer in layers]

    def first() -> list[Tensor]:
        for layer in layers:
            layer._log_sum_exp.clear()
        return later()

    for column, matrix in zip(first(), eager(layers), strict=True):
        assert (column[..., 0] - matrix[..., 5]).abs().max() < 1e-5
    compare(f"{model}: first column", first, "full matrix", lambda: eager(layers))
    later()
    ratio = compare(f"{model}: later columns", later, "full matrix", lambda: eager(layers))
    benchmark(later)
    assert ratio.time > 3


@pytest.mark.parametrize(
    ("model", "shape", "keypoints"),
    [
        ("instance attention, small", (4, 4, 24, 24, 32), 14),
        ("instance attention, R50", (6, 8, 40, 40, 32), 17),
    ],
)
def test_rows_of_ten_people(
    benchmark: Callable[..., object],
    model: str,
    shape: tuple[int, int, int, int, int],
    keypoints: int,
) -> None:
    """Every keypoint of ten people, in every layer: purity, affinity and masks read these rows."""
    layers = layers_of(shape)
    tokens = [(5 + 11 * n) % (shape[2] * shape[3]) for n in range(10 * keypoints)]

    def ours() -> list[Tensor]:
        return [layer.rows(tokens) for layer in layers]

    for row, matrix in zip(ours(), eager(layers), strict=True):
        assert (row - matrix[:, tokens]).abs().max() < 1e-5
    compare(
        f"{model}: {10 * keypoints} rows, all layers and heads",
        ours,
        "full matrix",
        lambda: eager(layers),
    )

    def supervised() -> Tensor:
        return layers[-2].rows(tokens)

    ratio = compare(
        f"{model}: {10 * keypoints} rows, the supervised layer",
        supervised,
        "full matrix",
        lambda: eager(layers[-2:-1]),
    )
    benchmark(supervised)
    assert ratio.time > 2
