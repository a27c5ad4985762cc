"""Relevance against matrices written out, and what recording with gradients promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import HeatMap, KeypointConfidence, KeypointCoordinate, Target, explain
from posekit.explain.asked import ask, crop_input, heatmaps_from, start_weights
from posekit.explain.relevance import attention_gradients, relevance_row
from posekit.explain.rollout import layers_from
from posekit.geometry import Box
from posekit.models.transpose import TransPose
from posekit.trace import active_tape, record
from tests.tiny_models import noise_photo, tiny_model

BOXES = (Box(20, 20, 40, 56), Box(130, 60, 44, 70))


@pytest.fixture(scope="module", params=["resnet", "hrnet"])
def prediction(request) -> Prediction:
    heads = 4 if request.param == "resnet" else 1
    model = tiny_model(trunk=request.param, heads=heads)
    return Estimator(model).predict(noise_photo(180, 240), BOXES)


def written_out(module: TransPose, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """The forward pass with every attention matrix a tensor of its own: (matrices, heatmaps)."""
    features = module.reduce(module.trunk(images))
    rows, cols = features.shape[-2:]
    x = features.flatten(2).transpose(1, 2)
    position = module.position(rows, cols)
    matrices = []
    for layer in module.global_encoder:
        attention = layer.self_attn
        w, b = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        q, k, v = (
            attention.split(source @ weight.T + bias)
            for source, weight, bias in zip((x + position, x + position, x), w, b, strict=True)
        )
        matrix = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        matrices.append(matrix)
        x = layer.norm1(x + attention.out_proj((matrix @ v).transpose(1, 2).flatten(2)))
        x = layer.norm2(x + layer.linear2(torch.relu(layer.linear1(x))))
    return matrices, module.head(x.transpose(1, 2).unflatten(-1, (rows, cols)))


def slow_relevance(
    prediction: Prediction, target: Target, person: int, start: Tensor, first: int = 0
) -> Tensor:
    """Equations 5 and 6 of the paper by autograd on the matrices and products of matrices."""
    matrices, heatmaps = written_out(prediction.model.module, crop_input(prediction, person))
    value = target(heatmaps).sum()
    gradients = torch.autograd.grad(value, matrices[first:])
    tokens = matrices[0].shape[-1]
    relevance = torch.eye(tokens)
    for matrix, gradient in zip(matrices[first:], gradients, strict=True):
        relevance = relevance + (gradient * matrix)[0].clamp_min(0).mean(0) @ relevance
    return (start @ (relevance - torch.eye(tokens))).detach()


def relevance(prediction: Prediction, target: object, **options: object) -> HeatMap:
    answer = explain(prediction, target, method="relevance", **options)  # type: ignore[call-overload]
    assert isinstance(answer, HeatMap)
    return answer


def found_keypoint(prediction: Prediction, person: int) -> int:
    return int(prediction.trace.heatmaps[person].amax((1, 2)).argmax())  # type: ignore[union-attr]


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_relevance_equals_the_slow_way(prediction, person: int, first: int) -> None:
    keypoint = found_keypoint(prediction, person)
    found = relevance(prediction, keypoint, person=person, start=first)
    asked = ask(prediction, keypoint, person)
    attention = prediction.trace.attentions["encoder.3"]
    start = start_weights(prediction, asked.place, person, attention)
    expected = slow_relevance(prediction, asked.target, person, start, first).numpy()
    scale = expected.max()
    assert scale > 1e-5
    # Gradients of sharp attention cancel, so float32 leaves a little on the smallest cells.
    np.testing.assert_allclose(found.values.ravel(), expected, atol=1e-5 * scale, rtol=1e-3)
    assert found.options["value"] == pytest.approx(
        float(prediction.trace.heatmaps[person, keypoint].max()), abs=1e-5
    )


@pytest.mark.parametrize("target", [KeypointCoordinate(0, "y"), KeypointConfidence(2)])
def test_other_targets_too(prediction, target: Target) -> None:
    found = relevance(prediction, target)
    start = start_weights(prediction, target, 0, prediction.trace.attentions["encoder.3"])
    expected = slow_relevance(prediction, target, 0, start).numpy()
    scale = expected.max()
    np.testing.assert_allclose(found.values.ravel(), expected, atol=1e-5 * scale, rtol=1e-3)


def test_the_gradient_by_the_matrix_follows_from_that_by_the_output(prediction) -> None:
    asked = ask(prediction, found_keypoint(prediction, 0))
    layers, gradients, _ = attention_gradients(prediction, asked, layers_from(prediction))
    matrices, heatmaps = written_out(prediction.model.module, crop_input(prediction, 0))
    expected = torch.autograd.grad(asked.target(heatmaps).sum(), matrices)
    for layer, gradient, by_matrix in zip(layers, gradients, expected, strict=True):
        assert layer.v is not None and float(by_matrix.abs().max()) > 1e-3
        torch.testing.assert_close(
            gradient @ layer.v.detach().transpose(-1, -2), by_matrix, atol=1e-5, rtol=1e-3
        )


def test_the_chunk_changes_nothing(prediction) -> None:
    asked = ask(prediction, found_keypoint(prediction, 0))
    recorded = layers_from(prediction)
    layers, gradients, _ = attention_gradients(prediction, asked, recorded)
    start = start_weights(prediction, asked.place, 0, recorded[-1])
    whole = relevance_row(layers, gradients, start, chunk=10_000)
    torch.testing.assert_close(relevance_row(layers, gradients, start, chunk=5), whole)
    assert float(whole.min()) >= 0 < float(whole.max())


def test_explaining_leaves_the_model_as_it_was(prediction) -> None:
    module = prediction.model.module
    before = {name: (p.requires_grad, p.clone()) for name, p in module.named_parameters()}
    with torch.inference_mode():  # as a server might call it
        relevance(prediction, found_keypoint(prediction, 0))
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled() and active_tape() is None
    for name, parameter in module.named_parameters():
        assert parameter.grad is None
        assert parameter.requires_grad == before[name][0]
        assert torch.equal(parameter, before[name][1])
    assert not any(m._forward_hooks or m._backward_hooks for m in module.modules())


# --- record(gradients=True) -------------------------------------------------------------------


def test_the_graph_begins_at_the_start_layer(prediction) -> None:
    module, images = prediction.model.module, crop_input(prediction, 0)
    with torch.no_grad():
        plain = module(images)
        with record(module, gradients=True, start=1) as trace:
            heatmaps = heatmaps_from(module, images)
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(heatmaps, plain, atol=0, rtol=0)
    first, second, third = trace.attentions.values()
    assert first.v is None and first.output is None and not first.q.requires_grad
    assert second.output is not None and second.output.is_leaf and not second.q.requires_grad
    assert third.output is not None and third.q.requires_grad and third.v.requires_grad
    gradient = torch.autograd.grad(heatmaps.sum(), second.output)[0]
    assert gradient.shape == second.output.shape and float(gradient.abs().max()) > 0
    torch.testing.assert_close(
        second.matrix().detach() @ second.v[0], second.output[0].detach(), atol=1e-5, rtol=1e-4
    )


def test_with_gradients_on_the_graph_goes_back_to_the_image(prediction) -> None:
    module = prediction.model.module
    images = crop_input(prediction, 0).requires_grad_()
    with record(module, gradients=True) as trace:
        module(images)
    first = trace.attentions["encoder.1"]
    gradient = torch.autograd.grad(first.rows([3])[0, 0, 5], images)[0]
    assert float(gradient.abs().max()) > 0


def test_recording_without_gradients_holds_no_graph(prediction) -> None:
    module, images = prediction.model.module, crop_input(prediction, 0)
    with record(module) as trace:
        assert module(images).requires_grad
    for attention in trace.attentions.values():
        assert attention.v is attention.output is None and not attention.q.requires_grad


def test_gradients_end_with_an_exception_and_are_refused_in_inference_mode(prediction) -> None:
    module, images = prediction.model.module, crop_input(prediction, 0)
    with torch.no_grad():
        with pytest.raises(ZeroDivisionError), record(module, gradients=True):
            module(images)
            raise ZeroDivisionError
        assert not torch.is_grad_enabled() and active_tape() is None
    with (
        torch.inference_mode(),
        pytest.raises(TraceError, match="inference mode"),
        record(module, gradients=True),
    ):
        module(images)


def test_a_trace_with_gradients_counts_and_moves_its_vectors(prediction) -> None:
    module, images = prediction.model.module, crop_input(prediction, 0)
    with torch.no_grad(), record(module) as plain:
        module(images)
    with torch.no_grad(), record(module, gradients=True) as trace:
        module(images)
    vectors = sum(a.nbytes for a in plain.attentions.values())  # q and k; v and output are as large
    assert trace.nbytes == plain.nbytes + vectors
    moved = trace.to("cpu").attentions["encoder.2"]
    assert moved.v is not None and moved.output is not None
    assert plain.to("cpu").attentions["encoder.2"].v is None
