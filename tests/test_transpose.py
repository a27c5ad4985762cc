"""TransPose against the official code, and its behaviour on other input sizes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from posekit.errors import ModelError
from posekit.models import transpose as tp
from posekit.trace import Trace, record
from tests.fill import fill_module, reference_input

FIXTURES = Path(__file__).parent / "fixtures" / "transpose"
CONFIGS = {"R-A3": tp.R_A3, "R-A4": tp.R_A4, "H-S": tp.H_S, "H-A4": tp.H_A4, "H-A6": tp.H_A6}
PARAMETERS = {
    "R-A3": 5_195_345,
    "R-A4": 5_985_105,
    "H-S": 8_019_281,
    "H-A4": 17_306_129,
    "H-A6": 17_455_697,
}
TINY = tp.TransPoseConfig("resnet", 8, 16, 32, layers=2, heads=2, input_size=(64, 48))
# H with the plain fill is chaotic in its first layer (the SPEC's noise floor is 7e-3 there);
# with `reduce` scaled by 1/64 it is well conditioned and held as tightly as R.
CASES = [("R-A3", ""), ("R-A4", ""), ("H-S", "soft_"), ("H-A4", "soft_"), ("H-A6", "soft_")]


@cache
def run(variant: str, prefix: str) -> tuple[torch.Tensor, Trace, dict[str, np.ndarray]]:
    """One recorded forward pass of the filled model, with the official outputs."""
    with np.load(FIXTURES / f"fixture_{variant}.npz") as npz:
        official = {name: npz[name] for name in npz.files}
    model = fill_module(tp.transpose(CONFIGS[variant]))
    if prefix:
        with torch.no_grad():
            model.reduce.weight.mul_(float(official["soft_reduce_factor"]))
    images = reference_input()
    np.testing.assert_array_equal(images.flatten()[:8], official["input_head"])
    with torch.inference_mode(), record(model) as trace:
        heatmaps = model(images)
    return heatmaps, trace, official


@pytest.mark.parametrize("variant", CONFIGS)
def test_state_dict_has_the_official_keys_in_order(variant: str) -> None:
    official = json.loads((FIXTURES / f"state_dict_{variant}.json").read_text())
    model = tp.transpose(CONFIGS[variant])
    ours = [
        [key, list(t.shape), str(t.dtype).removeprefix("torch.")]
        for key, t in model.state_dict().items()
    ]
    assert ours == official
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[variant]


@pytest.mark.parametrize(("variant", "prefix"), CASES)
def test_heatmaps_equal_the_official_code(variant: str, prefix: str) -> None:
    heatmaps, trace, official = run(variant, prefix)
    np.testing.assert_allclose(heatmaps, official[prefix + "heatmaps"], atol=2e-5, rtol=0)
    assert trace.heatmaps is not None and torch.equal(trace.heatmaps, heatmaps)


@pytest.mark.parametrize(("variant", "prefix"), CASES)
def test_attention_equals_the_official_code(variant: str, prefix: str) -> None:
    _, trace, official = run(variant, prefix)
    queries = official["query_tokens"]
    layers = list(trace.attentions.values())
    assert [a.name for a in layers] == [f"encoder.{n + 1}" for n in range(len(layers))]
    for which, attention in (("first", layers[0]), ("last", layers[-1])):
        rows = attention.rows(queries).mean(0)
        columns = attention.columns(queries).mean(0).T
        np.testing.assert_allclose(rows, official[f"{prefix}attn_{which}_rows"], atol=1e-6, rtol=0)
        np.testing.assert_allclose(
            columns, official[f"{prefix}attn_{which}_cols"], atol=1e-6, rtol=0
        )
    peaks, entropies = [], []
    for attention in layers:
        matrix = attention.matrix().mean(0)
        peaks.append(float(matrix.max()))
        entropies.append(float(-(matrix * matrix.log()).sum(-1).mean()))
    np.testing.assert_allclose(peaks, official[prefix + "attn_max_per_layer"], atol=1e-6)
    np.testing.assert_allclose(entropies, official[prefix + "attn_mean_entropy_per_layer"], 1e-4)


@pytest.mark.parametrize("variant", ["H-S", "H-A4", "H-A6"])
def test_heatmaps_with_the_plain_fill(variant: str) -> None:
    heatmaps, _, official = run(variant, "")
    np.testing.assert_allclose(heatmaps, official["heatmaps"], atol=1e-2, rtol=0)


@pytest.mark.parametrize("variant", CONFIGS)
def test_position_table_equals_the_official_one(variant: str) -> None:
    with np.load(FIXTURES / f"fixture_{variant}.npz") as npz:
        sample = npz["pos_embedding_sample"]
    model = tp.transpose(CONFIGS[variant])
    np.testing.assert_allclose(model.pos_embedding[::37, 0, ::8], sample, atol=2e-6)


def test_position_table_closed_form() -> None:
    table = tp.sine_position_table(2, 4, 8).reshape(2, 4, 8)
    # Channels 0 and 1 are sin and cos of the row's angle, one turn over the rows.
    torch.testing.assert_close(table[0, :, 0], torch.zeros(4), atol=1e-5, rtol=0)  # sin(pi)
    torch.testing.assert_close(table[0, :, 1], -torch.ones(4), atol=1e-5, rtol=0)  # cos(pi)
    torch.testing.assert_close(table[:, 0, 4], torch.ones(2), atol=1e-5, rtol=0)  # sin(pi / 2)
    torch.testing.assert_close(table[:, 1, 5], -torch.ones(2), atol=1e-5, rtol=0)  # cos(pi)


@pytest.mark.parametrize("size", [(64, 48), (96, 64), (128, 128)])
def test_any_input_size(size: tuple[int, int]) -> None:
    model = tp.transpose(TINY).eval()
    with torch.inference_mode(), record(model) as trace:
        heatmaps = model(torch.zeros(2, 3, *size))
    assert heatmaps.shape == (2, 17, size[0] // 4, size[1] // 4)
    attention = trace.attentions["encoder.2"]
    assert attention.query_grid.size == (size[0] // 8, size[1] // 8)
    assert attention.rows([0], item=1).shape == (2, 1, size[0] * size[1] // 64)


def test_input_size_off_the_stride_is_refused_in_words() -> None:
    with pytest.raises(ModelError, match="multiples of 8; 60 x 48"):
        tp.transpose(TINY)(torch.zeros(1, 3, 60, 48))


def test_token_grid_follows_the_heatmap() -> None:
    grid = tp.transpose(tp.R_A3).token_grid((256, 192))
    # Token 0 covers heatmap pixels 0 and 1, so it lies at 0.5 of 47 on 0..191 (SPEC section 5).
    np.testing.assert_allclose(grid.centres()[0, 0], 0.5 * 191 / 47)
    np.testing.assert_allclose(grid.centres()[23, 0], 46.5 * 191 / 47)
    np.testing.assert_allclose(grid.centres()[:, 1].mean(), 127.5)


def test_dropout_acts_in_training_only() -> None:
    model = tp.transpose(TINY)
    images = reference_input((1, 3, 64, 48))
    model.train()
    with torch.no_grad():
        assert not torch.equal(model(images), model(images))
        model.eval()
        assert torch.equal(model(images), model(images))


def test_initialisation_is_the_official_one() -> None:
    torch.manual_seed(0)
    model = tp.transpose(tp.R_A3)
    assert model.initialise() == 0
    assert abs(float(model.layer2[0].conv2.weight.detach().std()) - 0.001) < 5e-5
    assert float(model.final_layer.bias.detach().abs().max()) == 0
    layer = model.global_encoder.layers[0]
    bound = (6 / (256 + 1024)) ** 0.5
    assert bound * 0.95 < float(layer.linear1.weight.detach().abs().max()) <= bound
    assert float(layer.self_attn.in_proj_bias.detach().abs().max()) == 0


def test_training_starts_from_imagenet_weights() -> None:
    """Trunk tensors are copied, the classifier's own are passed over, the head is redrawn."""
    classifier = {k: torch.full_like(v, 0.5) for k, v in tp.transpose(TINY).state_dict().items()}
    trunk = {k: v for k, v in classifier.items() if k.startswith(("conv1", "bn1", "layer"))}
    model = tp.transpose(TINY)
    reduce = model.reduce.weight.detach().clone()
    assert model.initialise({**trunk, "fc.weight": torch.zeros(1000, 2048)}) == len(trunk)
    assert float(model.layer2[0].conv2.weight.detach().min()) == 0.5
    assert torch.equal(model.reduce.weight, reduce)
    assert float(model.final_layer.weight.detach().abs().max()) < 0.01
    with pytest.raises(ModelError, match="fits the model's trunk"):
        model.initialise({"fc.weight": torch.zeros(3)})


def test_heatmap_loss_closed_form() -> None:
    predicted = torch.zeros(1, 2, 2, 2)
    target = torch.tensor([[[[2.0, 0], [0, 0]], [[9.0, 9], [9, 9]]]])
    weight = torch.tensor([[1.0, 0.0]])
    # Keypoint 0: 0.5 * 4 / 4 = 0.5; keypoint 1 is not labelled; mean over two keypoints.
    assert float(tp.heatmap_loss(predicted, target, weight)) == pytest.approx(0.25)
