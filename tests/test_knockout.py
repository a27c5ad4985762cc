"""Attention knockout: blocked looks in the layers, in the trace, and as a map."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posekit.errors import ModelError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.asked import crop_input
from posekit.explain.heat import HeatMap
from posekit.explain.knockout import LookSurface, Pass, knockout_maps
from posekit.explain.methods import explain
from posekit.explain.targets import KeypointConfidence, KeypointPeak
from posekit.explain.together import questions
from posekit.geometry import Box
from posekit.knockout import Looks, attention_modules, forbid, with_blocked
from posekit.models.layers.attention import MultiHeadAttention, RelativeAttention2d
from posekit.models.transpose import TransPoseConfig, transpose
from posekit.trace import Attention, Trace, active_tape, record
from tests.fill import fill_module, reference_input
from tests.linear_model import linear_prediction
from tests.tiny_models import noise_photo, pose_model, tiny_btranspose, tiny_model

TARGET = KeypointConfidence(3)


def mask(count: int, *which: int) -> Tensor:
    """(1, count) bool, true at some."""
    chosen = torch.zeros(1, count, dtype=torch.bool)
    chosen[0, list(which)] = True
    return chosen


def masked(
    model: nn.Module, layer: nn.Module, looks: Looks, images: Tensor
) -> tuple[Tensor, Trace]:
    with torch.inference_mode(), record(model) as trace, forbid({layer: looks}) as ran:
        heatmaps = model(images)
    assert ran == {layer}
    return heatmaps, trace


# --- in a layer -------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [None, 1])
def test_a_blocked_look_weighs_nothing_and_the_others_share(head: int | None) -> None:
    """Against PyTorch's own attention with a mask, which is an independent softmax."""
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    ours.load_state_dict(theirs.state_dict())
    query, key = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    looks = Looks(mask(5, 1, 4), mask(7, 0, 2, 6), head)
    blocked = torch.zeros(4, 5, 7, dtype=torch.bool)
    blocked[slice(None) if head is None else head, [[1], [4]], [[0, 2, 6]]] = True
    expected, _ = theirs(query, key, key, attn_mask=blocked.repeat(2, 1, 1))
    with forbid({ours: looks}) as ran:
        torch.testing.assert_close(ours(query, key, key), expected, atol=1e-6, rtol=1e-5)
    assert ran == {ours}
    plain, _ = theirs(query, key, key)
    torch.testing.assert_close(ours(query, key, key), plain, atol=1e-6, rtol=1e-5)
    assert (plain - expected)[:, [1, 4]].abs().amax(-1).min() > 1e-3
    torch.testing.assert_close(plain[:, [0, 2, 3]], expected[:, [0, 2, 3]])


def test_each_crop_has_its_own_blocked_looks_and_padding_stays_left_out() -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(16, 2)
    x = torch.randn(2, 6, 16)
    inside = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    keys = torch.cat([mask(6, 0), mask(6, 2, 3)])
    with forbid({layer: Looks(None, keys)}):
        found = layer(x, x, x, inside)
    for item in (0, 1):
        kept = (inside[item] & ~keys[item]).nonzero()[:, 0]
        alone = layer(x[item : item + 1], x[item : item + 1, kept], x[item : item + 1, kept])
        torch.testing.assert_close(found[item], alone[0], atol=1e-6, rtol=1e-5)


def test_relative_attention_too() -> None:
    torch.manual_seed(0)
    layer = RelativeAttention2d(8, 2, (3, 4)).eval()
    x = torch.randn(1, 8, 3, 4)
    model = Recorded(layer)
    with torch.inference_mode():
        whole = traced(model, x)
        with forbid({layer: Looks(mask(12, 5), mask(12, 0, 7))}):
            found = layer(x)
            part = traced(model, x)
    rows = whole.attentions["one"].matrix()
    expected = rows.clone()
    expected[:, 5, [0, 7]] = 0
    expected /= expected.sum(-1, keepdim=True)
    torch.testing.assert_close(part.attentions["one"].matrix(), expected, atol=1e-6, rtol=1e-5)
    values = layer.split(layer.value(x))[0]  # (heads, T, d)
    gathered = (expected @ values).transpose(-1, -2).flatten(0, 1).unflatten(-1, (3, 4))
    torch.testing.assert_close(found[0], gathered, atol=1e-6, rtol=1e-5)


class Recorded(nn.Module):
    """One layer that names itself."""

    def __init__(self, layer: RelativeAttention2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x)
        tape, names = active_tape(self), tuple("abcdefghijkl")
        assert tape is not None
        tape.attention("one", "mhsa", self.layer, names, names)
        return out


def traced(model: nn.Module, x: Tensor) -> Trace:
    with record(model) as trace:
        model(x)
    return trace


def test_only_the_thread_that_forbids_is_bound_by_it() -> None:
    layer, x = MultiHeadAttention(16, 2), torch.randn(1, 4, 16)
    with torch.inference_mode(), ThreadPoolExecutor(1) as pool:
        free = layer(x, x, x)
        with forbid({layer: Looks(None, mask(4, 0))}):
            bound = layer(x, x, x)
            torch.testing.assert_close(pool.submit(layer, x, x, x).result(), free)
        torch.testing.assert_close(layer(x, x, x), free)
    assert not torch.allclose(bound, free, atol=1e-4)


def test_the_channel_of_a_block_is_an_outer_product() -> None:
    q, k = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 5, 8)
    looks = Looks(torch.cat([mask(4, 0, 2), mask(4, 3)]), torch.cat([mask(5, 1), mask(5, 4)]), 2)
    wide_q, wide_k = with_blocked(q, k, [looks])
    assert wide_q.shape[-1] == wide_k.shape[-1] == 9
    far = wide_q[..., 8:] @ wide_k[..., 8:].transpose(-1, -2)
    torch.testing.assert_close(far < -1, ~looks.allowed(3).expand(2, 3, 4, 5))
    assert (far[:, :2] == 0).all() and far[0, 2, 2, 1] == -3e4


def test_half_precision_blocks_the_same_looks() -> None:
    """A GPU records in float16, where a larger number would be infinite."""
    q, k = torch.randn(1, 2, 4, 8).half(), torch.randn(1, 2, 5, 8).half()
    wide_q, wide_k = with_blocked(q, k, [Looks(mask(4, 1), mask(5, 0, 3), 1)])
    names = tuple("abcd"), tuple("vwxyz")
    wide = Attention("one", "encoder", wide_q, wide_k, *names, scale=8**-0.5)
    expected = Attention("one", "encoder", q, k, *names, scale=8**-0.5).matrix().clone()
    expected[1, 1, [0, 3]] = 0
    expected[1, 1] /= expected[1, 1].sum()
    torch.testing.assert_close(wide.matrix(), expected)


# --- in a model -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def low() -> Prediction:
    return Estimator(tiny_model(layers=2)).predict(noise_photo(), [Box(20, 20, 60, 90)])


@pytest.fixture(scope="module")
def high() -> Prediction:
    """A small TransPose-H, whose head reads a heatmap's pixel off one token."""
    torch.manual_seed(0)
    config = TransPoseConfig("hrnet", 8, 16, 32, layers=2, heads=1, input_size=(32, 32))
    return Estimator(pose_model(transpose(config), (32, 32))).predict(noise_photo())


def test_the_trace_shows_what_was_left_to_look_at() -> None:
    model = fill_module(transpose(TransPoseConfig("resnet", 8, 16, 32, 2, 4, input_size=(64, 48))))
    images = reference_input((2, 3, 64, 48))
    names = attention_modules(model, lambda: model(images))
    assert list(names) == ["encoder.1", "encoder.2"]
    layer, attention = names["encoder.2"]
    assert attention.query_grid.size == (8, 6)
    assert layer is model.global_encoder.layers[1].self_attn
    with torch.inference_mode(), record(model) as before:
        plain = model(images)
    found, after = masked(model, layer, Looks(mask(48, 7), mask(48, 3, 20)), images)
    for item in (0, 1):
        expected = before.attentions["encoder.2"].matrix(item).clone()
        expected[:, 7, [3, 20]] = 0
        expected[:, 7] /= expected[:, 7].sum(-1, keepdim=True)
        one = after.attentions["encoder.2"]
        torch.testing.assert_close(one.matrix(item), expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(
            one.columns([3], item)[..., 0], expected[:, :, 3], atol=1e-6, rtol=1e-5
        )
    # Token 7 lies at row 1, column 1: the deconvolution carries it to rows and columns 1 to 4.
    changed = (found - plain).abs().amax((0, 1)) > 1e-7
    assert changed.any()
    assert not changed[5:].any() and not changed[:, 5:].any()


@pytest.mark.parametrize("who", ["keypoint", "everybody"])
@pytest.mark.parametrize("layer", ["encoder.1", "encoder.2", "all"])
def test_a_cell_holds_the_fall_of_a_whole_pass_without_the_look(low, layer, who) -> None:
    network, image = low.model.module, crop_input(low, 0)
    target = KeypointPeak(3, (5.0, 9.0))  # of heatmaps of 16 x 12 pixels: row 4, column 2 of 8 x 6
    found = explain(low, target, method="knockout", layer=layer, who=who, window=1)
    assert isinstance(found, HeatMap) and found.values.shape == (8, 6) and found.signed
    modules = attention_modules(network, lambda: network(image))
    chosen = [one for name, (one, _) in modules.items() if layer in (name, "all")]
    nine = [6 * row + col for row in (3, 4, 5) for col in (1, 2, 3)]
    queries = mask(48, *nine) if who == "keypoint" else None
    with torch.inference_mode():
        whole = float(target(network(image)))
        for row, col in [(0, 0), (4, 2), (7, 5)]:
            looks = Looks(queries, mask(48, 6 * row + col))
            with forbid(dict.fromkeys(chosen, looks)):
                expected = whole - float(target(network(image)))
            assert found.values[row, col] == pytest.approx(expected, abs=2e-6)
    assert found.limit > 1e-5
    assert dict(found.options) == {"layer": layer, "head": None, "who": who, "window": 1}


def test_in_the_last_layer_nobodys_look_counts_but_the_keypoints(low, high) -> None:
    for prediction in (low, high):
        own, all_ = (
            explain(prediction, "nose", method="knockout", who=who, window=2).values
            for who in ("keypoint", "everybody")
        )
        np.testing.assert_allclose(own, all_, atol=1e-6)
        assert np.ptp(own) > 1e-5
        first, everybody = (
            explain(prediction, "nose", method="knockout", layer=0, who=who, window=2).values
            for who in ("keypoint", "everybody")
        )
        assert np.abs(first - everybody).max() > 1e-5


def test_heads_are_blocked_one_by_one(low) -> None:
    whole = explain(low, TARGET, method="knockout", window=2).values
    heads = [explain(low, TARGET, method="knockout", head=n, window=2).values for n in (0, 1)]
    assert np.abs(heads[0] - heads[1]).max() > 1e-6
    assert np.abs(heads[0] - whole).max() > 1e-6


def test_the_cnn_runs_again_only_for_a_layer_inside_it(monkeypatch) -> None:
    prediction = Estimator(tiny_btranspose()).predict(noise_photo())
    network, runs = prediction.model.module, []
    trunk = network.trunk
    monkeypatch.setattr(network, "trunk", lambda images: runs.append(len(images)) or trunk(images))
    explain(prediction, "nose", method="knockout", layer="encoder.1")
    assert sum(runs) == 2  # names, then tokens
    runs.clear()
    inside = explain(prediction, "nose", method="knockout", layer="mhsa.1", window=2)
    assert sum(runs) > inside.values.shape[0]
    assert np.ptp(inside.values) > 1e-6


def test_a_token_without_anything_to_look_at_gathers_nothing(low) -> None:
    """As PyTorch's attention answers: zeros, not NaN; the residual goes on."""
    surface = LookSurface(
        Pass.of(questions(low, [TARGET]), list(low.trace.attentions.values())), None
    )
    values = surface.values(torch.stack([torch.ones(8, 6), torch.zeros(8, 6)]), [TARGET])
    assert torch.isfinite(values).all() and float((values[0] - values[1]).abs()) > 1e-4


def test_what_cannot_be_is_said_in_a_sentence(low) -> None:
    def refused(match: str, error: type[Exception] = TraceError, of=low, **options) -> None:
        with pytest.raises(error, match=match):
            explain(of, "nose", method="knockout", **options)

    refused("no layer 'encoder.9': choose one of encoder.1, encoder.2", layer="encoder.9")
    refused("'keypoint' or 'everybody', not 'nobody'", who="nobody")
    refused("There is no head 7", head=7)
    refused("window of 9 cells does not fit a grid of 8 x 6", window=9)
    refused("no attention between places", of=linear_prediction())
    with pytest.raises(TraceError, match="name at least one"):
        knockout_maps(low, [])


def test_a_layer_that_does_not_ask_is_noticed(low) -> None:
    right = Pass.of(questions(low, [TARGET]), list(low.trace.attentions.values())[-1:])
    stranger = Pass(right.base, right.run, (MultiHeadAttention(16, 4),), right.grid)
    with pytest.raises(ModelError, match="cannot be blocked"):
        LookSurface(stranger, None).values(torch.ones(1, 8, 6), [TARGET])


def test_targets_in_turn_count_as_one_work(low) -> None:
    calls: list[tuple[int, int]] = []
    found = knockout_maps(
        low, ["nose", "left wrist"], window=2, batch_size=8, progress=lambda *c: calls.append(c)
    )
    assert len(found) == 2 and {total for _, total in calls} == {2 * 35}
    done = [one for one, _ in calls]
    assert done == sorted(done) and done[-1] == 70
