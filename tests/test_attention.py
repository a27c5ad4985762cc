"""The shared attention and the trace it leaves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from posekit.errors import TraceError
from posekit.models import transpose as tp
from posekit.models.layers.attention import MultiHeadAttention
from posekit.trace import Trace, active_tape, record
from tests.fill import fill_module, reference_input

TINY = tp.TransPoseConfig("resnet", 8, 16, 32, layers=2, heads=4, input_size=(64, 48))


def tiny() -> tp.TransPose:
    model = fill_module(tp.transpose(TINY))
    assert isinstance(model, tp.TransPose)
    return model


def traced(model: nn.Module, images: torch.Tensor) -> Trace:
    with torch.inference_mode(), record(model) as trace:
        model(images)
    return trace


def test_equals_pytorchs_own_multi_head_attention() -> None:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    ours.load_state_dict(theirs.state_dict())
    query, key, value = torch.randn(2, 5, 32), torch.randn(2, 7, 32), torch.randn(2, 7, 32)
    expected, _ = theirs(query, key, value)
    torch.testing.assert_close(ours(query, key, value), expected, atol=1e-6, rtol=1e-5)


def test_trace_equals_the_eager_matrix() -> None:
    model, images = tiny(), reference_input((2, 3, 64, 48))
    trace = traced(model, images)
    # The first layer by hand: tokens and positions through the packed projection, then softmax.
    with torch.inference_mode():
        tokens = model.reduce(model.trunk(images)).flatten(2).transpose(1, 2)
        layer = model.global_encoder.layers[0].self_attn
        q, k = (
            (tokens + model.position(8, 6)) @ layer.in_proj_weight[part].T
            + layer.in_proj_bias[part]
            for part in (slice(0, 16), slice(16, 32))
        )
        q, k = (t.unflatten(-1, (4, 4)).transpose(1, 2) for t in (q, k))
        expected = (q @ k.transpose(-1, -2) / 2).softmax(-1)  # sqrt(16 / 4) = 2
    attention = trace.attentions["encoder.1"]
    some = [0, 17, 47]
    for item in (0, 1):
        torch.testing.assert_close(attention.matrix(item), expected[item], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(
            attention.rows(some, item), expected[item][:, some], atol=1e-6, rtol=1e-5
        )
        torch.testing.assert_close(
            attention.columns(some, item), expected[item][:, :, some], atol=1e-6, rtol=1e-5
        )


def test_rows_sum_to_one_and_columns_to_what_the_rows_give() -> None:
    attention = traced(tiny(), reference_input((1, 3, 64, 48))).attentions["encoder.2"]
    every = list(range(48))
    torch.testing.assert_close(attention.rows(every).sum(-1), torch.ones(4, 48))
    assert float(attention.columns(every).sum()) == pytest.approx(4 * 48, rel=1e-5)


def test_log_sum_exp_does_not_depend_on_the_chunk() -> None:
    layer = traced(tiny(), reference_input((1, 3, 64, 48))).attentions["encoder.1"]
    again = traced(tiny(), reference_input((1, 3, 64, 48))).attentions["encoder.1"]
    torch.testing.assert_close(layer.log_sum_exp(chunk=7), again.log_sum_exp(chunk=48))


def test_a_walk_gives_every_row_and_leaves_the_normalisers() -> None:
    attention = traced(tiny(), reference_input((1, 3, 64, 48))).attentions["encoder.2"]
    again = traced(tiny(), reference_input((1, 3, 64, 48))).attentions["encoder.2"]
    parts = list(attention.walk(chunk=13))
    assert torch.cat([part for part, _ in parts]).tolist() == list(range(48))
    rows = torch.cat([weights for _, weights in parts], dim=1)
    torch.testing.assert_close(rows, again.matrix(), atol=1e-6, rtol=1e-5)
    assert list(attention._log_sum_exp) == [0] and not again._log_sum_exp
    torch.testing.assert_close(attention.columns([3]), again.columns([3]))


def test_recording_changes_no_output_and_leaves_nothing_behind() -> None:
    model, images = tiny(), reference_input((1, 3, 64, 48))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode():
        plain = model(images)
        with record(model) as trace:
            recorded = model(images)
        assert active_tape() is None
    assert torch.equal(plain, recorded)
    assert list(trace.attentions) == ["encoder.1", "encoder.2"]
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_recording_ends_with_an_exception() -> None:
    model = tiny()
    with pytest.raises(ZeroDivisionError), record(model):
        raise ZeroDivisionError
    assert active_tape() is None
    with pytest.raises(tp.ModelError), record(model):
        model(torch.zeros(1, 3, 13, 13))
    assert active_tape() is None


def test_nothing_is_kept_without_recording() -> None:
    model = tiny()
    with torch.inference_mode():
        model(reference_input((1, 3, 64, 48)))
        with record(model) as trace:
            pass
        model(reference_input((1, 3, 64, 48)))
    assert trace.attentions == {} and trace.heatmaps is None


def test_another_model_inside_the_block_is_not_recorded() -> None:
    model, other = tiny(), tiny()
    with torch.inference_mode(), record(model) as trace:
        other(reference_input((1, 3, 64, 48)))
        assert trace.attentions == {}
        with record(other) as inner:
            other(reference_input((1, 3, 64, 48)))
        model(reference_input((1, 3, 64, 48)))
    assert list(inner.attentions) == list(trace.attentions) == ["encoder.1", "encoder.2"]


def test_threads_record_their_own_photo_on_one_model() -> None:
    model = tiny()
    images = [reference_input((1, 3, 64, 48), seed) for seed in range(12)]
    alone = [traced(model, image).attentions["encoder.2"].rows([5]) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda x: traced(model, x).attentions["encoder.2"].rows([5]), images)
        )
    for a, b in zip(alone, together, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(alone[0], alone[1], atol=1e-4)


def test_a_replaced_attention_is_noticed() -> None:
    class Other(nn.Module):
        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return v

    model = tiny()
    model.global_encoder.layers[1].self_attn = Other()  # type: ignore[assignment]
    with (
        pytest.raises(TraceError, match=r"encoder\.2 left no trace"),
        torch.inference_mode(),
        record(model),
    ):
        model(torch.zeros(1, 3, 64, 48))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda a: a.rows([48]), "query tokens 0 to 47"),
        (lambda a: a.rows([-1]), "query tokens 0 to 47"),
        (lambda a: a.columns([99]), "key tokens 0 to 47"),
        (lambda a: a.rows([0], item=1), "no crop 1"),
    ],
)
def test_a_token_that_does_not_exist_is_refused(ask: Callable[..., object], words: str) -> None:
    attention = traced(tiny(), reference_input((1, 3, 64, 48))).attentions["encoder.1"]
    with pytest.raises(TraceError, match=words):
        ask(attention)


def test_memory_is_that_of_the_vectors_never_of_the_matrix() -> None:
    trace = traced(tiny(), reference_input((3, 3, 64, 48)))
    vectors = 2 * 2 * 3 * 48 * 16 * 4  # layers, q and k, crops, tokens, channels, bytes
    heatmaps = 3 * 17 * 16 * 12 * 4
    assert trace.nbytes == vectors + heatmaps
    trace.attentions["encoder.1"].columns([0])
    assert trace.nbytes == vectors + heatmaps + 4 * 48 * 4  # and one number a row and head


def test_traces_of_batches_join_in_order() -> None:
    model, images = tiny(), reference_input((3, 3, 64, 48))
    whole = traced(model, images)
    joined = Trace.concatenate([traced(model, images[:2]), traced(model, images[2:])])
    for item in range(3):
        torch.testing.assert_close(
            joined.attentions["encoder.2"].rows([7], item),
            whole.attentions["encoder.2"].rows([7], item),
            atol=1e-5,
            rtol=1e-4,
        )
    assert joined.heatmaps is not None and joined.heatmaps.shape == (3, 17, 16, 12)
    with pytest.raises(TraceError, match="joined"):
        Trace.concatenate([])


def test_under_autocast_the_weights_are_float32() -> None:
    model = tiny()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), record(model) as trace:
        model(reference_input((1, 3, 64, 48)))
    rows = trace.attentions["encoder.1"].rows([0])
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.sum(-1), torch.ones(4, 1), atol=1e-6, rtol=0)
    assert trace.to("cpu").attentions["encoder.1"].q.dtype == torch.bfloat16
