"""Explanations against the obvious way to make them; both sides are checked to say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import matplotlib.cbook
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.compare import compare
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain
from posekit.explain.asked import crop_input, peak_of
from posekit.explain.attention import query_token
from posekit.explain.faithfulness import agreement, deletion, infidelity, random_map, spearman
from posekit.explain.query import resolve
from posekit.explain.surface import photo_surface, token_grid, token_surface
from posekit.explain.together import explain_each, questions
from posekit.models.layers.attention import MultiHeadAttention
from posekit.models.transpose import TransPose
from posekit.photo import read_photo
from posekit.zoo import load

KEYPOINT = "left shoulder"
Run = Callable[..., object]


def analysed(name: str) -> Prediction:
    """A portrait; random weights cost what trained ones do."""
    photo = read_photo(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return Estimator(load(name, weights="random", device="cpu")).predict(photo)


@pytest.fixture(scope="module")
def large() -> Prediction:
    return analysed("transpose-r-a3")


@pytest.fixture(scope="module")
def small() -> Prediction:
    return analysed("transpose-r-small")


def found(prediction: Prediction, count: int) -> list[int]:
    """The first keypoints that have a value to explain."""
    heatmaps = prediction.trace.heatmaps[0]  # type: ignore[union-attr, index]
    return [k for k, heatmap in enumerate(heatmaps) if float(heatmap.max()) > 0][:count]


# --- rollout ----------------------------------------------------------------------------------


def product_row(matrices: list[Tensor], token: int) -> Tensor:
    """Rollout as it is usually written: every layer's matrix, and their product."""
    eye = torch.eye(len(matrices[0]))
    product = eye
    for matrix in matrices:
        product = (0.5 * eye + 0.5 * matrix) @ product
    return product[token]


def hooked(prediction: Prediction) -> list[Tensor]:
    """The network run again, each layer's matrix (T, T) written out by a hook, heads averaged."""
    matrices: list[Tensor] = []

    def write(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, MultiHeadAttention)
        weights, bias = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
        q, k = (
            layer.split(x @ w.T + b) for x, w, b in zip(inputs, weights[:2], bias, strict=False)
        )
        matrices.append((q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)[0].mean(0))

    module = prediction.model.module
    handles = [
        part.register_forward_hook(write)
        for part in module.modules()
        if isinstance(part, MultiHeadAttention)
    ]
    with torch.inference_mode():
        module(crop_input(prediction, 0))
    for handle in handles:
        handle.remove()
    return matrices


def test_rollout(benchmark: Run, large: Prediction) -> None:
    layers = list(large.trace.attentions.values())  # type: ignore[union-attr]
    token = query_token(large, resolve(large, KEYPOINT, 0), layers[-1], "row")

    def ours() -> np.ndarray:
        return explain(large, KEYPOINT, method="rollout").values  # type: ignore[union-attr]

    def product() -> Tensor:
        return product_row([layer.matrix().mean(0) for layer in layers], token)

    def hooks() -> Tensor:
        return product_row(hooked(large), token)

    for other in (product(), hooks()):
        assert np.abs(ours().ravel() - other.numpy()).max() < 1e-5
    ratio = compare("R-A3: rollout", ours, "product of the matrices", product, rounds=5)
    compare("R-A3: rollout", ours, "hooks, then the product", hooks, rounds=5)
    benchmark(ours)
    assert ratio.memory is not None and ratio.memory > 5


# --- perturbation -----------------------------------------------------------------------------


def test_batches(benchmark: Run, small: Prediction) -> None:
    """The same occlusion, eight altered crops at once and one by one."""

    def occlude(size: int) -> np.ndarray:
        return explain(  # type: ignore[union-attr]
            small, KEYPOINT, method="occlusion", window=48, stride=24, batch_size=size
        ).values

    assert np.abs(occlude(8) - occlude(1)).max() < 1e-5
    compare("R-small: 36 occlusions", lambda: occlude(8), "one a forward", lambda: occlude(1),
            rounds=3)  # fmt: skip
    benchmark.pedantic(occlude, (8,), rounds=1)  # type: ignore[attr-defined]


def test_token_occlusion(benchmark: Run, small: Prediction) -> None:
    """Sixteen cells taken away after the CNN, which runs once, and from the photo."""
    asked = questions(small, [peak_of(small, k) for k in found(small, 1)])
    grid = token_grid(asked)
    masks = (1 - torch.eye(grid.tokens)[::27]).unflatten(1, grid.size)

    def tokens() -> Tensor:
        return token_surface(asked).sweep(lambda part: masks[part], len(masks), asked.targets, 8)

    def photo() -> Tensor:
        surface = photo_surface(asked, "mean", grid)
        return surface.sweep(lambda part: masks[part], len(masks), asked.targets, 8)

    assert tokens().shape == photo().shape == (16, 1)
    ratio = compare("R-small: 16 tokens occluded", tokens, "16 squares of the photo", photo,
                    rounds=3)  # fmt: skip
    benchmark.pedantic(tokens, rounds=1)  # type: ignore[attr-defined]
    assert ratio.time > 1.2


# --- all keypoints of a person ----------------------------------------------------------------


def test_keypoints_together(benchmark: Run, small: Prediction) -> None:
    """RISE for six keypoints: the altered crops are the same."""
    keypoints = found(small, 6)

    def ours() -> list[np.ndarray]:
        maps = explain_each(small, keypoints, method="rise", masks=16)
        return [one.values for one in maps]  # type: ignore[union-attr]

    def loop() -> list[np.ndarray]:
        return [
            explain(small, k, method="rise", masks=16).values  # type: ignore[union-attr]
            for k in keypoints
        ]

    assert all(np.abs(a - b).max() < 1e-5 for a, b in zip(ours(), loop(), strict=True))
    ratio = compare(f"R-small: RISE, {len(keypoints)} keypoints", ours, "a loop", loop, rounds=3,
                    memory=False)  # fmt: skip
    benchmark.pedantic(ours, rounds=1)  # type: ignore[attr-defined]
    assert ratio.time > len(keypoints) / 2


def test_figures_together(benchmark: Run, small: Prediction) -> None:
    """Infidelity, and the deletion of a map that knows no keypoint, for six at once."""
    keypoints = found(small, 6)
    maps = [random_map(small, k) for k in keypoints]

    def one_sweep() -> list[float]:
        return list(infidelity(small, keypoints, maps, samples=16))

    def loop() -> list[float]:
        return [
            infidelity(small, [k], [m], samples=16)[0] for k, m in zip(keypoints, maps, strict=True)
        ]

    np.testing.assert_allclose(one_sweep(), loop(), rtol=1e-3)
    compare(f"R-small: infidelity, {len(keypoints)} keypoints", one_sweep, "a loop", loop,
            rounds=3, memory=False)  # fmt: skip

    def curves() -> list[float]:
        return [curve.area for curve in deletion(small, keypoints, maps, steps=4)]

    def curve_loop() -> list[float]:
        return [
            deletion(small, [k], [m], steps=4)[0].area for k, m in zip(keypoints, maps, strict=True)
        ]

    np.testing.assert_allclose(curves(), curve_loop(), atol=1e-5)
    compare(f"R-small: deletion, one map, {len(keypoints)} keypoints", curves, "a loop", curve_loop,
            rounds=3, memory=False)  # fmt: skip
    benchmark.pedantic(one_sweep, rounds=1)  # type: ignore[attr-defined]


def test_agreement(benchmark: Run, small: Prediction) -> None:
    """Every pair of six maps on pixels and on tokens: sorted once, or for each pair."""
    keypoint = found(small, 1)[0]
    methods = ("rollout", "relevance", "contribution", "saliency", "input-x-gradient", "grad-cam")
    maps = [explain(small, keypoint, method=method) for method in methods]

    def loop() -> np.ndarray:
        return np.array([[spearman(a, b) for b in maps] for a in maps])  # type: ignore[arg-type]

    def ours() -> np.ndarray:
        return agreement(maps)  # type: ignore[arg-type]

    np.testing.assert_allclose(ours(), loop(), atol=1e-9)
    compare("R-small: agreement of 6 maps", ours, "pair by pair", loop, rounds=5, memory=False)
    benchmark(ours)


# --- Grad-CAM ---------------------------------------------------------------------------------


def plain_grad_cam(prediction: Prediction, keypoint: int) -> Tensor:
    """As the grad-cam package does it: hooks on the layer, and a full backward pass."""
    module, target = prediction.model.module, peak_of(prediction, keypoint)
    kept: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs[0].register_hook(lambda gradient: kept.append(gradient.detach()))
        kept.append(inputs[0].detach())

    handle = cast(TransPose, module).reduce.register_forward_pre_hook(keep)
    module.zero_grad()
    target(module(crop_input(prediction, 0))).sum().backward()
    handle.remove()
    features, gradient = kept
    return (gradient.mean((-2, -1), keepdim=True) * features).sum(1).relu()[0]


def test_grad_cam(benchmark: Run, large: Prediction) -> None:
    keypoint = found(large, 1)[0]

    def ours() -> np.ndarray:
        return explain(large, keypoint, method="grad-cam").values  # type: ignore[union-attr]

    expected = plain_grad_cam(large, keypoint)
    assert np.abs(ours() - expected.numpy()).max() < 1e-4 * float(expected.max() + 1e-9)
    compare("R-A3: Grad-CAM", ours, "hooks and a full backward",
            lambda: plain_grad_cam(large, keypoint), rounds=5)  # fmt: skip
    benchmark(ours)
