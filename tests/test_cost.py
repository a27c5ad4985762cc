"""Parameters and multiply-accumulates in closed form."""

from __future__ import annotations

import pytest

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
    assert (measured.of, measured.passes, measured.input_size) == ("person", 1, (192, 144))
    assert list(measured.figures) == ["milliseconds a person", "GMACs"]


@pytest.mark.parametrize("name", ["ssa-small", "querypose-small", "instance-attention-small"])
def test_a_model_of_whole_photos_costs_by_the_photo(name: str) -> None:
    """One of the size of the model's own input."""
    model = load(name, weights="random", device="cpu")
    seen: list[tuple[int, ...]] = []
    model.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    measured = cost(model, repeats=2)
    assert seen == [(1, 3, *model.entry.input_size)] * 3  # one of them warms up
    assert measured.of == "photo" and measured.passes == 2 and measured.milliseconds > 0
    assert "milliseconds a photo" in measured.figures
    assert measured.macs == macs(name)


def test_every_query_of_the_paper_is_posed() -> None:
    """Of QueryPose-small's work a known part: the convolutions that read 24 boxes, 3 stages."""
    boxes, cells = 24 * 3, 14 * 14
    read = boxes * cells * 9 * (96 * 64 + 64 * 64 + 64 * 96)
    finer = boxes * (cells * 16 * 96 * 96 + 28 * 28 * 9 * 96 * 7)
    assert 0.3 * macs("querypose-small") < read + finer < macs("querypose-small")


def test_a_large_network_is_not_timed_for_minutes() -> None:
    measured = cost(load("transpose-r-small", weights="random", device="cpu"), 100, longest=0.0)
    assert measured.passes == 1
