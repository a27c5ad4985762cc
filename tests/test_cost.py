"""Parameters and multiply-accumulates in closed form."""

from __future__ import annotations

from posekit.cost import cost, macs
from posekit.zoo import load


def test_an_encoder_layer_costs_what_its_products_cost() -> None:
    """R-A4 is R-A3 and one layer: projections, feed-forward, and two products of T x T x d."""
    tokens, d, hidden = 768, 256, 1024
    layer = tokens * (4 * d * d + 2 * d * hidden) + 2 * tokens * tokens * d
    assert macs("transpose-r-a4") - macs("transpose-r-a3") == layer


def test_published_figures_of_transpose_h() -> None:
    """The authors' table: 10.2, 17.5 and 21.8 G, counted by another tool; ours within 3 %."""
    for name, paper in (
        ("transpose-h-s", 10.2),
        ("transpose-h-a4", 17.5),
        ("transpose-h-a6", 21.8),
    ):
        assert abs(macs(name) / 1e9 - paper) < 0.03 * paper


def test_cost_of_a_loaded_model() -> None:
    measured = cost(load("transpose-r-small", weights="random", device="cpu"), repeats=1)
    assert measured.parameters == 1_214_510
    assert measured.macs == macs("transpose-r-small")
    assert measured.milliseconds > 0 and measured.device == "cpu"
