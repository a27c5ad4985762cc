"""Captum's methods on a linear model, where all is known, and on small random networks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ModelError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.asked import crop_input
from posekit.explain.heat import HeatMap
from posekit.explain.methods import explain
from posekit.explain.targets import KeypointConfidence
from tests.linear_model import LinearHeatmaps, Stop, linear_prediction, peak, stop_at_once
from tests.tiny_models import noise_photo, pose_model, tiny_model

GRADIENT = (
    "saliency",
    "input-x-gradient",
    "integrated-gradients",
    "gradient-shap",
    "grad-cam",
    "guided-grad-cam",
)
FEW = {"integrated-gradients": {"steps": 4}, "gradient-shap": {"samples": 4}}
TARGET = KeypointConfidence(3)

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks")  # Captum says so


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(noise_photo())


@pytest.fixture(scope="module")
def linear() -> Prediction:
    return linear_prediction()


def ask(prediction: Prediction, method: str, target: object = TARGET, **options: object) -> HeatMap:
    answer = explain(prediction, target, method=method, **options)  # type: ignore[arg-type, call-overload]
    assert isinstance(answer, HeatMap)
    assert answer.method == method and answer.seconds > 0
    return answer


def contribution(prediction: Prediction, keypoint: int, baseline: Tensor | float) -> np.ndarray:
    """Weight times difference from a baseline, summed over colours: the truth of a linear model."""
    weight = prediction.model.module.weight[keypoint].detach()
    return (weight * (crop_input(prediction, 0)[0] - baseline)).sum(0).numpy()


def black(prediction: Prediction) -> Tensor:
    entry = prediction.model.entry
    return -(torch.tensor(entry.mean) / torch.tensor(entry.std))[:, None, None]


# --- closed forms -----------------------------------------------------------------------------


def test_saliency_of_a_linear_model_is_its_largest_weight(linear):
    found = ask(linear, "saliency", peak(5))
    weight = linear.model.module.weight[5].detach()
    np.testing.assert_allclose(found.values, weight.abs().amax(0).numpy(), rtol=1e-5)
    assert not found.signed and found.target == "left shoulder" and found.delta is None


@pytest.mark.parametrize("method", ["input-x-gradient", "integrated-gradients"])
def test_a_linear_model_is_divided_among_its_pixels(linear, method):
    found = ask(linear, method, peak(5))
    np.testing.assert_allclose(found.values, contribution(linear, 5, 0.0), atol=1e-6)
    assert found.signed and found.values.min() < 0


def test_integrated_gradients_start_at_the_baseline(linear):
    found = ask(linear, "integrated-gradients", peak(2), baseline="black")
    np.testing.assert_allclose(found.values, contribution(linear, 2, black(linear)), atol=1e-5)
    assert found.delta == pytest.approx(0, abs=1e-4)


def test_gradient_shap_is_an_average_over_the_three_baselines(linear):
    found = ask(linear, "gradient-shap", peak(2), noise=0.0, samples=30)
    blurred = ask(linear, "integrated-gradients", peak(2), baseline="blur").values
    corners = [contribution(linear, 2, 0.0), contribution(linear, 2, black(linear)), blurred]
    system = np.stack([one.ravel() for one in corners], axis=1)
    shares, residual, *_ = np.linalg.lstsq(system, found.values.ravel(), rcond=None)
    assert shares.sum() == pytest.approx(1, abs=1e-3) and (shares > 0.05).all()
    assert residual[0] < 1e-6
    assert found.delta == pytest.approx(0, abs=1e-4)


# --- completeness -----------------------------------------------------------------------------


@torch.no_grad()
def rise_over(prediction: Prediction, baseline: Tensor) -> float:
    network = prediction.model.module
    image = crop_input(prediction, 0)
    return float(TARGET(network(image)) - TARGET(network(baseline.expand_as(image))))


def test_the_delta_is_what_completeness_lacks_and_steps_bring_it_down(prediction):
    rise = rise_over(prediction, torch.zeros(1, 3, 1, 1))
    deltas = []
    for steps in (2, 256):
        found = ask(prediction, "integrated-gradients", steps=steps)
        assert found.delta == pytest.approx(found.total - rise, abs=1e-5)
        deltas.append(abs(found.delta))
    assert deltas[1] < 0.2 * deltas[0] and deltas[0] > 1e-4


def test_batches_do_not_change_integrated_gradients(prediction):
    one, many = (
        ask(prediction, "integrated-gradients", steps=7, batch_size=size) for size in (1, 16)
    )
    np.testing.assert_allclose(one.values, many.values, atol=1e-6)


# --- noise ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["saliency", "input-x-gradient", "integrated-gradients"])
def test_the_noise_tunnel_repeats_with_its_seed_and_leaves_the_generators_alone(prediction, method):
    few = FEW.get(method, {})
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other, none = (
        ask(prediction, method, noise_samples=n, seed=seed, **few)
        for n, seed in ((3, 0), (3, 0), (3, 1), (0, 0))
    )
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.allclose(first.values, other.values)
    assert not np.allclose(first.values, none.values)
    assert first.options["noise_samples"] == 3 and "noise_samples" not in none.options
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])


def test_noise_tells_nothing_new_of_a_linear_model(linear):
    plain = ask(linear, "saliency", peak(1)).values
    kinds = {
        kind: ask(linear, "saliency", peak(1), noise_samples=5, tunnel=kind, batch_size=2).values
        for kind in ("smoothgrad", "smoothgrad_sq", "vargrad")
    }
    np.testing.assert_allclose(kinds["smoothgrad"], plain, rtol=1e-5)
    np.testing.assert_allclose(kinds["smoothgrad_sq"], plain**2, rtol=1e-5)
    np.testing.assert_allclose(kinds["vargrad"], 0, atol=1e-8)


# --- Grad-CAM ---------------------------------------------------------------------------------


def cam_by_hand(prediction: Prediction) -> np.ndarray:
    """Equations 1 and 2 of Grad-CAM, with the features as a leaf of the graph."""
    network = prediction.model.module
    features = network.trunk(crop_input(prediction, 0)).detach().requires_grad_()
    tokens = network.reduce(features).flatten(2).transpose(1, 2)
    number = TARGET(network.read_tokens(tokens, network.config.input_size))
    (gradient,) = torch.autograd.grad(number, features)
    weight = gradient.mean((2, 3), keepdim=True)
    return (weight * features).sum(1).clamp_min(0)[0].detach().numpy()


def test_grad_cam_is_the_equations_on_the_end_of_the_trunk(prediction):
    found = ask(prediction, "grad-cam")
    np.testing.assert_allclose(found.values, cam_by_hand(prediction), rtol=1e-4, atol=1e-8)
    assert found.limit > 0 and not found.signed
    tokens = prediction.model.module.token_grid((64, 48))
    np.testing.assert_allclose(found.grid.to_input.matrix, tokens.to_input.matrix)


def test_grad_cam_takes_another_layer_by_name(prediction):
    found = ask(prediction, "grad-cam", layer="layer2")  # enters at a quarter of the crop
    assert found.values.shape == (16, 12)
    corners = found.grid.to_input.apply([(-0.5, -0.5), (11.5, 15.5)])
    np.testing.assert_allclose(corners, [(-0.5, -0.5), (47.5, 63.5)])


def test_grad_cam_before_a_relu_that_writes_in_place(prediction):
    """The features are those that enter the layer, not what the layer makes of their memory."""
    network = copy.deepcopy(prediction.model.module)
    kept: list[Tensor] = []
    network.relu.inplace = False
    network.bn1.register_forward_hook(lambda module, inputs, output: kept.append(output))
    number = TARGET(network(crop_input(prediction, 0)))
    (gradient,) = torch.autograd.grad(number, kept[0])
    cam = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1).clamp_min(0)[0].detach().numpy()
    found = ask(prediction, "grad-cam", layer="relu")
    assert prediction.model.module.relu.inplace and cam.max() > 0
    np.testing.assert_allclose(found.values, cam, rtol=1e-3, atol=1e-8)


class GuidedStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient.clamp_min(0) * (x > 0)


class GuidedReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return GuidedStep.apply(x)


def test_guided_grad_cam_is_guided_backpropagation_within_grad_cam(prediction):
    network = copy.deepcopy(prediction.model.module)
    for part in list(network.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(part, name, GuidedReLU())
    image = crop_input(prediction, 0).requires_grad_()
    (guided,) = torch.autograd.grad(TARGET(network(image)), image)
    cam = torch.from_numpy(cam_by_hand(prediction))[None, None]
    cam = F.interpolate(cam, size=(64, 48), mode="bilinear")[0, 0]
    expected = (guided[0].abs().amax(0) * cam).numpy()
    found = ask(prediction, "guided-grad-cam")
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-9)
    assert expected.max() > 0


# --- manners ----------------------------------------------------------------------------------


def hooks(module: nn.Module) -> int:
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, name)) for part in module.modules() for name in names)


@pytest.mark.parametrize("method", GRADIENT)
def test_nothing_is_left_on_the_model(prediction, method):
    network = prediction.model.module
    before = {name: value.clone() for name, value in network.state_dict().items()}
    relus = [part.inplace for part in network.modules() if isinstance(part, nn.ReLU)]
    ask(prediction, method, **FEW.get(method, {}))
    with pytest.raises(Stop):
        ask(prediction, method, progress=stop_at_once, **FEW.get(method, {}))
    assert hooks(network) == 0
    assert [part.inplace for part in network.modules() if isinstance(part, nn.ReLU)] == relus
    assert all(p.grad is None for p in network.parameters())
    assert all(p.requires_grad for n, p in network.named_parameters() if n != "pos_embedding")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("method", GRADIENT)
def test_progress_ends_at_its_total(prediction, method):
    calls: list[tuple[int, int]] = []
    few = {**FEW.get(method, {}), "batch_size": 2}
    ask(prediction, method, progress=lambda *call: calls.append(call), **few)
    done, totals = zip(*calls, strict=True)
    assert list(done) == sorted(done) and set(totals) == {done[-1]}


@pytest.mark.parametrize("method", GRADIENT)
def test_a_caller_in_inference_mode_gets_the_same(prediction, method):
    few = FEW.get(method, {})
    expected = ask(prediction, method, **few).values
    with torch.inference_mode():
        found = ask(prediction, method, **few).values
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


def test_out_of_memory_halves_the_batch_then_speaks(linear):
    network = linear.model.module
    expected = ask(linear, "integrated-gradients", peak(0), steps=8).values
    try:
        network.largest_batch = 3
        found = ask(linear, "integrated-gradients", peak(0), steps=8, batch_size=8)
        np.testing.assert_allclose(found.values, expected, atol=1e-6)
        network.largest_batch = 0
        with pytest.raises(ModelError, match=r"not enough memory .*one pass at a time"):
            ask(linear, "integrated-gradients", peak(0), steps=8)
    finally:
        network.largest_batch = 10**9


class Cut(LinearHeatmaps):
    """No gradient passes."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).detach()


def test_what_cannot_be_explained_is_said_in_a_sentence(prediction, linear):
    with pytest.raises(ModelError, match="where this model's CNN ends"):
        ask(linear, "grad-cam", peak(0))
    with pytest.raises(TraceError, match="no module 'stem', and Grad-CAM looks at what"):
        ask(prediction, "grad-cam", layer="stem")
    with pytest.raises(ModelError, match="at the module global_encoder have no place"):
        ask(prediction, "grad-cam", layer="global_encoder")
    cut = Estimator(pose_model(Cut(), (32, 24))).predict(noise_photo(80, 60))
    with pytest.raises(ModelError, match="No gradient leads"):
        ask(cut, "saliency", peak(0))
    lost = linear_prediction(bias=-99.0)
    with pytest.raises(TraceError, match=r"No nose was found .* nothing to explain"):
        explain(lost, "nose", method="saliency")
    with pytest.raises(TraceError, match="at least one step"):
        ask(linear, "integrated-gradients", peak(0), steps=0)
    with pytest.raises(TraceError, match="no baseline 'pink': choose one of mean, black, blur"):
        ask(linear, "integrated-gradients", peak(0), baseline="pink")
    with pytest.raises(TraceError, match="no noise tunnel 'loud'"):
        ask(linear, "saliency", peak(0), tunnel="loud")
    with pytest.raises(TraceError, match="batch size is at least 1"):
        ask(linear, "saliency", peak(0), batch_size=0)
