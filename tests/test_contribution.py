"""Contributions: they add up, and each is what the closed form and the removal of a token say."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import HeatMap, Target, explain, mask_of, pair_of, peak_of, person_of
from posekit.explain.asked import ask, crop_input
from posekit.explain.contribution import contributions
from posekit.explain.frozen import FrozenPass
from posekit.geometry import Box
from posekit.models.transpose import EncoderLayer, TransPose, TransPoseH, TransPoseR
from posekit.trace import record
from tests.tiny_models import noise_photo, tiny_model

BOXES = (Box(20, 20, 40, 56), Box(130, 60, 44, 70))


@cache
def predicted(trunk: str) -> Prediction:
    """By a random model whose norms, biases and running statistics are not those of a new one."""
    model = tiny_model(trunk=trunk, heads=4 if trunk == "resnet" else 1)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, tensor in model.module.state_dict().items():
            if "running_mean" in name or name.endswith("bias"):
                tensor.normal_(std=0.2)
            elif "running_var" in name or "norm" in name:
                tensor.uniform_(0.5, 1.5)
    return Estimator(model).predict(noise_photo(180, 240), BOXES)


@pytest.fixture(params=["resnet", "hrnet"])
def prediction(request) -> Prediction:
    return predicted(request.param)


def keypoint_of(prediction: Prediction, person: int = 0) -> int:
    return int(prediction.trace.heatmaps[person].amax((1, 2)).argmax())  # type: ignore[union-attr]


def contribution(prediction: Prediction, target: object, **options: object) -> HeatMap:
    answer = explain(prediction, target, method="contribution", **options)  # type: ignore[call-overload]
    assert isinstance(answer, HeatMap)
    return answer


# --- an independent frozen tail of TransPose, written out --------------------------------------


def last_layer(prediction: Prediction, person: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of the last layer: its input (T, d), attention (heads, T, T) and values (heads, T, d/h)."""
    module = prediction.model.module
    assert isinstance(module, TransPose)
    inputs: list[Tensor] = []
    last = list(module.global_encoder)[-1]
    handle = last.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    try:
        with torch.no_grad(), record(module) as trace:
            module(crop_input(prediction, person))
    finally:
        handle.remove()
    x = inputs[0][0]
    attention = last.self_attn
    _, _, w = attention.in_proj_weight.detach().chunk(3)
    _, _, b = attention.in_proj_bias.detach().chunk(3)
    values = attention.split((x @ w.T + b)[None])[0]
    return x, list(trace.attentions.values())[-1].matrix(), values


def frozen_tail(
    prediction: Prediction, x: Tensor, gathered: Tensor
) -> Callable[[Tensor, Tensor, bool], Tensor]:
    """The heatmaps as an affine function of (x, gathered), frozen at the values given.

    ``gathered`` is (T, d), the heads' outputs side by side; the flag leaves all biases out.
    """
    module = prediction.model.module
    assert isinstance(module, TransPose)
    layer = list(module.global_encoder)[-1]
    assert isinstance(layer, EncoderLayer)
    state: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        return state.setdefault(name, value)

    def norm(name: str, one: nn.LayerNorm, u: Tensor, biased: bool) -> Tensor:
        centred = u - u.mean(-1, keepdim=True)
        scale = keep(name, ((centred**2).mean(-1, keepdim=True) + one.eps) ** -0.5)
        return centred * scale * one.weight + (one.bias if biased else 0)

    def linear(one: nn.Linear, u: Tensor, biased: bool) -> Tensor:
        return u @ one.weight.T + (one.bias if biased else 0)

    @torch.no_grad()
    def tail(x: Tensor, gathered: Tensor, biased: bool = True) -> Tensor:
        u = x + linear(layer.self_attn.out_proj, gathered, biased)
        x1 = norm("norm1", layer.norm1, u, biased)
        hidden = linear(layer.linear1, x1, biased)
        hidden = hidden * keep("relu", (hidden > 0).float())
        z = norm("norm2", layer.norm2, x1 + linear(layer.linear2, hidden, biased), biased)
        rows, cols = module.grid_size(module.config.input_size)
        features = z.T.reshape(1, -1, rows, cols)
        if isinstance(module, TransPoseR):
            deconv, bn = module.deconv_layers[0], module.deconv_layers[1]
            assert isinstance(deconv, nn.ConvTranspose2d) and isinstance(bn, nn.BatchNorm2d)
            up = nn.functional.conv_transpose2d(features, deconv.weight, stride=2, padding=1)
            scale = (bn.weight / (bn.running_var + bn.eps).sqrt())[None, :, None, None]  # type: ignore[operator]
            offset = bn.bias[None, :, None, None] - bn.running_mean[None, :, None, None] * scale  # type: ignore[index]
            up = up * scale + (offset if biased else 0)
            features = up * keep("switch", (up > 0).float())
        final = module.final_layer
        return nn.functional.conv2d(features, final.weight, final.bias if biased else None)

    tail(x, gathered)  # freezes the state
    return tail


@pytest.mark.parametrize("person", [0, 1])
def test_each_term_is_what_its_removal_takes_from_the_frozen_tail(prediction, person: int) -> None:
    """T is affine, so a token's contribution is T with it minus T without it."""
    asked = ask(prediction, keypoint_of(prediction, person), person)
    terms = contributions(prediction, asked, "encoder.3")
    x, attention, values = last_layer(prediction, person)
    gathered = (attention @ values).transpose(0, 1).flatten(1)
    tail = frozen_tail(prediction, x, gathered)
    value = float(asked.target(tail(x, gathered, True)))
    assert value == pytest.approx(terms.value, abs=1e-5)
    order = terms.attention.abs().sum(0).argsort(descending=True)
    for token in [*order[:3].tolist(), int(order[-1])]:
        for head in range(attention.shape[0]):
            brought = torch.zeros_like(attention @ values)
            brought[head] = attention[head, :, token, None] * values[head, token]
            without = gathered - brought.transpose(0, 1).flatten(1)
            removed = value - float(asked.target(tail(x, without, True)))
            assert float(terms.attention[head, token]) == pytest.approx(removed, abs=2e-6)
        nothing = torch.zeros_like(x)
        nothing[token] = x[token]
        kept = float(asked.target(tail(nothing, torch.zeros_like(gathered), False)))
        assert float(terms.residual[token]) == pytest.approx(kept, abs=2e-6)
    zero = torch.zeros_like(x)
    assert terms.bias == pytest.approx(
        float(asked.target(tail(zero, torch.zeros_like(gathered), True))), abs=1e-5
    )
    assert float(terms.attention.abs().max()) > 1e-3 and abs(terms.bias) > 1e-3


def test_the_read_out_direction_of_transpose_h_in_closed_form() -> None:
    prediction = predicted("hrnet")
    module = prediction.model.module
    assert isinstance(module, TransPoseH)
    k = keypoint_of(prediction)
    peak = peak_of(prediction, k)
    token = int(peak.point[1]) * 12 + int(peak.point[0])
    x, attention, values = last_layer(prediction, 0)
    layer = list(module.global_encoder)[-1]
    with torch.no_grad():
        centre = torch.eye(16) - 1 / 16
        u = x[token] + layer.self_attn.out_proj(attention[0, token] @ values[0])
        n1 = torch.diag(layer.norm1.weight) @ centre / (u.var(correction=0) + 1e-5).sqrt()
        x1 = n1 @ u + layer.norm1.bias
        on = torch.diag((layer.linear1(x1) > 0).float())
        y = x1 + layer.linear2(on @ layer.linear1(x1))
        n2 = torch.diag(layer.norm2.weight) @ centre / (y.var(correction=0) + 1e-5).sqrt()
        through = torch.eye(16) + layer.linear2.weight @ on @ layer.linear1.weight
        direction = n1.T @ through.T @ n2.T @ module.final_layer.weight[k, :, 0, 0]
        expected = attention[0, token] * (values[0] @ layer.self_attn.out_proj.weight.T @ direction)
    found = contribution(prediction, k)
    np.testing.assert_allclose(found.values.ravel(), expected.numpy(), atol=1e-6)
    assert found.limit > 1e-3


# --- adding up --------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["encoder.1", "encoder.2", -1])
@pytest.mark.parametrize("person", [0, 1])
def test_the_terms_sum_to_the_heatmap_value(prediction, layer, person: int) -> None:
    k = keypoint_of(prediction, person)
    found = contribution(prediction, k, person=person, layer=layer)
    value = float(prediction.trace.heatmaps[person, k].max())
    both = contribution(prediction, k, person=person, layer=layer, part="both")
    assert both.total + found.options["bias"] == pytest.approx(value, abs=1e-4)
    assert found.options["value"] == pytest.approx(value, abs=1e-5)
    assert abs(found.delta) < 1e-5
    residual = contribution(prediction, k, person=person, layer=layer, part="residual")
    assert found.total + residual.total == pytest.approx(both.total, abs=1e-5)
    assert found.total == pytest.approx(found.options["attention"], abs=1e-5)
    assert found.signed and found.limit > 0


def test_every_target_made_of_heatmap_values_adds_up(prediction) -> None:
    k = keypoint_of(prediction)
    mask = np.zeros(prediction.photo.size, bool)
    mask[30:60, 30:50] = True
    targets: list[Target] = [
        pair_of(prediction, k, k), person_of(prediction), mask_of(prediction, mask),
    ]  # fmt: skip
    for target in targets:
        found = contribution(prediction, target)
        assert found.options["value"] == pytest.approx(
            float(target(prediction.trace.heatmaps[:1])), abs=1e-4
        )
        assert abs(found.delta) < 1e-4


def test_the_heads_sum_to_the_map(prediction) -> None:
    k = keypoint_of(prediction)
    heads = prediction.trace.attentions["encoder.3"].heads
    each = [contribution(prediction, k, head=head).values for head in range(heads)]
    np.testing.assert_allclose(sum(each), contribution(prediction, k).values, atol=1e-6)


def test_what_cannot_be_is_refused(prediction) -> None:
    k = keypoint_of(prediction)
    with pytest.raises(TraceError, match="no head 9"):
        contribution(prediction, k, head=9)
    with pytest.raises(TraceError, match="'attention', 'residual' or 'both'"):
        contribution(prediction, k, part="all")
    with pytest.raises(TraceError, match="no layer 7"):
        contribution(prediction, k, layer=7)


# --- the frozen pass itself -------------------------------------------------------------------


def decomposed(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(value, <g, x>, biases) of a network's summed output."""
    with FrozenPass() as frozen:
        x = x.clone().requires_grad_()
        value = network(x).sum()
    gradient, *others = torch.autograd.grad(value, [x, *frozen.biases])
    biases = sum((b * g).sum() for b, g in zip(frozen.biases, others, strict=True))
    return value.detach(), (gradient * x).sum().detach(), torch.as_tensor(biases).detach()


def test_layers_that_are_affine_when_frozen_leave_nothing_over() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(8 * 36, 12), nn.LayerNorm(12), nn.ReLU(), nn.Linear(12, 5),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 0.9)
                tensor -= 0.3 * (tensor.ndim > 1)
    x = torch.randn(2, 3, 8, 8)
    value, linear, biases = decomposed(network, x)
    torch.testing.assert_close(value, network(x).sum(), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(linear + biases, value, atol=1e-4, rtol=1e-5)
    assert abs(float(biases)) > 0.1 and abs(float(linear)) > 0.1


def test_a_layer_that_is_not_affine_shows_in_the_sum() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 2))
    value, linear, biases = decomposed(network, torch.randn(4, 6))
    assert abs(float(value - linear - biases)) > 0.01


def test_nothing_is_frozen_outside_the_block() -> None:
    norm = nn.LayerNorm(6)
    x = torch.randn(3, 6, requires_grad=True)
    with FrozenPass():
        inside = torch.autograd.grad(norm(x)[0, 0], x)[0]
    outside = torch.autograd.grad(norm(x)[0, 0], x)[0]
    scale = float((x[0].detach().var(correction=0) + 1e-5) ** -0.5)
    assert float(inside[0, 0]) == pytest.approx(scale * (1 - 1 / 6), rel=1e-5)
    assert not torch.allclose(inside, outside)
