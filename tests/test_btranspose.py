"""BTranspose: relative positions against a loop over pairs, both levels in the trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import posekit
from posekit.errors import TraceError
from posekit.models.btranspose import (
    R50_1BOT_ENC2,
    R50_1BOT_ENC4,
    R50_3BOT_ENC4,
    SMALL,
    BottleneckTransformer,
    BTranspose,
)
from posekit.models.layers.attention import RelativeAttention2d, by_offset
from posekit.models.transpose import R_SMALL
from posekit.trace import active_tape, record
from tests.tiny_models import TINY_BOT, noise_photo, tiny_btranspose

HEADS, D, ROWS, COLS = 2, 4, 3, 5


class Alone(torch.nn.Module):
    """One MHSA layer as a model, so that it can be recorded."""

    def __init__(self, layer: RelativeAttention2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x)
        if (tape := active_tape(self)) is not None:
            names = tuple(str(i) for i in range(x.shape[-2] * x.shape[-1]))
            parts = self.layer.parts((x.shape[-2], x.shape[-1]))
            tape.attention("mhsa.1", "mhsa", self.layer, names, names, parts=parts)
        return out


@pytest.fixture
def layer() -> RelativeAttention2d:
    torch.manual_seed(0)
    return RelativeAttention2d(HEADS * D, HEADS, (ROWS, COLS))


def slow_logits(layer: RelativeAttention2d, x: Tensor, rows: int, cols: int) -> Tensor:
    """The formula of the paper's figure 4, one pair of tokens after the other: (heads, T, T)."""
    q, k = (project(x)[0].reshape(HEADS, D, rows * cols) for project in (layer.query, layer.key))
    logits = torch.zeros(HEADS, rows * cols, rows * cols)
    for head in range(HEADS):
        for a in range(rows * cols):
            for b in range(rows * cols):
                down, right = b // cols - a // cols, b % cols - a % cols
                position = (
                    layer.relative_rows[down + rows - 1] + layer.relative_cols[right + cols - 1]
                )
                asked = q[head, :, a]
                logits[head, a, b] = (asked @ k[head, :, b] + asked @ position) / D**0.5
    return logits


def test_attention_with_relative_positions_is_the_loop_over_pairs(layer) -> None:
    x = torch.randn(1, HEADS * D, ROWS, COLS)
    model = Alone(layer)
    with torch.no_grad(), record(model) as trace:
        out = model(x)
    attention = trace.attentions["mhsa.1"]
    with torch.no_grad():
        logits = slow_logits(layer, x, ROWS, COLS)
        value = layer.value(x)[0].reshape(HEADS, D, ROWS * COLS)
        expected = torch.einsum("hab,hdb->hda", logits.softmax(-1), value)
    torch.testing.assert_close(attention.logits(), logits, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(attention.matrix(), logits.softmax(-1), atol=1e-6, rtol=1e-5)
    expected = expected.reshape(1, HEADS * D, ROWS, COLS)
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=1e-5)


def test_columns_and_walks_use_the_layers_own_scale(layer) -> None:
    model = Alone(layer)
    with torch.no_grad(), record(model) as trace:
        model(torch.randn(1, HEADS * D, ROWS, COLS))
    attention = trace.attentions["mhsa.1"]
    whole = attention.matrix()
    torch.testing.assert_close(attention.columns([3, 7]), whole[:, :, [3, 7]])
    walked = torch.cat([rows for _, rows in attention.walk(chunk=4)], dim=1)
    torch.testing.assert_close(walked, whole)


def test_the_parts_add_up_and_can_be_seen_alone(layer) -> None:
    model = Alone(layer)
    with torch.no_grad(), record(model) as trace:
        model(torch.randn(1, HEADS * D, ROWS, COLS))
    attention = trace.attentions["mhsa.1"]
    content, position = (attention.only(part) for part in ("content", "position"))
    torch.testing.assert_close(content.logits() + position.logits(), attention.logits())
    torch.testing.assert_close(position.rows([2]).sum(-1), torch.ones(HEADS, 1))
    with pytest.raises(TraceError, match="no part 'colour' to show alone; it has content and pos"):
        attention.only("colour")
    with pytest.raises(TraceError, match="it has one part only"):
        content.only("position")


def test_a_shifted_input_shifts_the_position_part(layer) -> None:
    x = torch.randn(1, HEADS * D, ROWS, COLS)
    shifted = x.roll((1, 2), dims=(-2, -1))
    model, logits = Alone(layer), []
    for image in (x, shifted):
        with torch.no_grad(), record(model) as trace:
            model(image)
        part = trace.attentions["mhsa.1"].only("position").logits()
        logits.append(part.reshape(HEADS, ROWS, COLS, ROWS, COLS))
    before, after = logits
    torch.testing.assert_close(after[:, 1:, 2:, 1:, 2:], before[:, :-1, :-2, :-1, :-2])


def test_gradients_reach_both_embeddings(layer) -> None:
    layer(torch.randn(1, HEADS * D, ROWS, COLS)).square().sum().backward()
    for table in (layer.relative_rows, layer.relative_cols):
        assert table.grad is not None and (table.grad.abs().sum(1) > 0).all()


def test_embeddings_of_another_grid_are_interpolated() -> None:
    table = torch.arange(-3.0, 4)[:, None]  # offsets -3 to 3 of a side of 4 tokens
    own = by_offset(table, 4)[..., 0]
    assert own.tolist() == [[0, 1, 2, 3], [-1, 0, 1, 2], [-2, -1, 0, 1], [-3, -2, -1, 0]]
    assert by_offset(table, 7)[0, :, 0].tolist() == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3])
    assert by_offset(table, 2)[..., 0].tolist() == [[0, 3], [-3, 0]]
    assert by_offset(table, 1).tolist() == [[[0]]]


def test_channels_must_divide_into_heads() -> None:
    with pytest.raises(ValueError, match="9 channels are not a multiple of 2 heads"):
        RelativeAttention2d(9, 2, (3, 3))


def test_both_levels_are_ordinary_records() -> None:
    model = tiny_btranspose()
    prediction = posekit.Estimator(model).predict(noise_photo())
    trace = prediction.trace
    assert trace is not None
    kinds = [(name, one.kind) for name, one in trace.attentions.items()]
    assert kinds == [
        ("mhsa.1", "mhsa"), ("mhsa.2", "mhsa"), ("encoder.1", "encoder"), ("encoder.2", "encoder"),
    ]  # fmt: skip
    found = posekit.explain(prediction, "nose")
    assert [one.layer for one in found.maps] == list(trace.attentions)
    assert [tuple(one.weights.shape) for one in found.maps] == [(8, 6)] * 4
    for one in found.maps:
        assert one.weights.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("config", "blocks", "layers"),
    [(R50_1BOT_ENC4, 1, 4), (R50_3BOT_ENC4, 3, 4), (R50_1BOT_ENC2, 1, 2)],
)
def test_the_papers_sizes(config, blocks: int, layers: int) -> None:
    with torch.device("meta"):
        model = BTranspose(config)
    assert len(list(model.bottlenecks)) == blocks and len(list(model.global_encoder)) == layers
    block = model.layer3[0]
    assert isinstance(block, BottleneckTransformer)
    assert tuple(block.mhsa.relative_rows.shape) == (63, 64)  # 2 * 32 - 1 offsets, 256 / 4 channels
    assert tuple(block.mhsa.relative_cols.shape) == (47, 64)
    features = model.trunk(torch.empty(1, 3, 256, 192, device="meta"))
    assert tuple(features.shape) == (1, 1024, 32, 24)
    assert tuple(model(torch.empty(1, 3, 256, 192, device="meta")).shape) == (1, 17, 64, 48)


def test_any_size_that_fits_the_stride() -> None:
    module = tiny_btranspose().module
    with torch.no_grad():
        assert tuple(module(torch.zeros(1, 3, 96, 32)).shape) == (1, 17, 24, 8)


def test_the_small_one_has_transpose_r_smalls_other_parts() -> None:
    shared = vars(R_SMALL)
    assert {k: getattr(SMALL, k) for k in shared} == shared
    ours = replace(TINY_BOT, bot_blocks=1)
    keys = set(BTranspose(ours).state_dict())
    assert {"layer3.0.mhsa.relative_rows", "layer3.0.mhsa.query.weight", "reduce.weight"} <= keys


@pytest.mark.parametrize("layer_name", ["mhsa.1", "mhsa.2", "encoder.2"])
def test_contributions_of_either_level_sum_to_the_heatmap_value(layer_name: str) -> None:
    prediction = posekit.Estimator(tiny_btranspose()).predict(noise_photo())
    found = posekit.explain(prediction, "nose", method="contribution", layer=layer_name)
    terms = found.options
    assert found.values.sum() == pytest.approx(terms["attention"], abs=1e-6) != 0
    assert terms["residual"] != 0  # the block's shortcut, told apart from the biases
    total = terms["attention"] + terms["residual"] + terms["bias"]
    assert total == pytest.approx(terms["value"], abs=1e-6)
