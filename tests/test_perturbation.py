"""Occlusion, token occlusion and RISE on a linear model and on small random networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posekit.errors import ModelError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.asked import crop_input
from posekit.explain.heat import HeatMap
from posekit.explain.knockout import knockout_maps
from posekit.explain.methods import explain
from posekit.explain.perturbation import occlusion_maps, rise_maps, token_occlusion_maps
from posekit.explain.random_masks import RandomMasks
from posekit.explain.surface import photo_surface, square_grid, token_surface
from posekit.explain.targets import KeypointConfidence
from posekit.explain.together import explain_each, questions
from posekit.models.transpose import TransPoseConfig, transpose
from tests.linear_model import SIZE, Stop, linear_prediction, peak, stop_at_once
from tests.tiny_models import noise_photo, pose_model, tiny_model

TARGET = KeypointConfidence(3)
SWEEPS = {
    "occlusion": (occlusion_maps, {"window": 16, "stride": 8}),
    "token-occlusion": (token_occlusion_maps, {"window": 2}),
    "rise": (rise_maps, {"masks": 21, "cells": 4}),
    "knockout": (knockout_maps, {"window": 2}),
}


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(noise_photo())


@pytest.fixture(scope="module")
def high() -> Prediction:
    """A small TransPose-H."""
    torch.manual_seed(0)
    config = TransPoseConfig("hrnet", 8, 16, 32, layers=2, heads=1, input_size=(32, 32))
    return Estimator(pose_model(transpose(config), (32, 32))).predict(noise_photo())


@pytest.fixture(scope="module")
def linear() -> Prediction:
    return linear_prediction()


def ask(prediction: Prediction, method: str, target: object = TARGET, **options: object) -> HeatMap:
    answer = explain(prediction, target, method=method, **options)  # type: ignore[arg-type, call-overload]
    assert isinstance(answer, HeatMap)
    return answer


def shares(prediction: Prediction, keypoint: int) -> np.ndarray:
    """What each pixel brings to the linear model over the mean colour: (H, W) float64."""
    weight = prediction.model.module.weight[keypoint].detach().double()
    return (weight * crop_input(prediction, 0)[0].double()).sum(0).numpy()


# --- sliding occlusion ------------------------------------------------------------------------


def test_occlusion_of_a_linear_model_is_the_sum_under_the_window(linear):
    found = ask(linear, "occlusion", peak(4), window=8, stride=8)
    cells = shares(linear, 4).reshape(4, 8, 3, 8).sum(axis=(1, 3))
    np.testing.assert_allclose(found.values, cells, atol=1e-4)
    assert found.signed and found.total == pytest.approx(shares(linear, 4).sum(), abs=1e-3)


@pytest.mark.parametrize(("window", "stride"), [(16, 8), (24, 8), (16, 16)])
def test_occlusion_equals_captums(prediction, window, stride):
    from captum.attr import Occlusion

    found = ask(prediction, "occlusion", window=window, stride=stride)
    network = prediction.model.module
    with torch.no_grad():
        theirs = Occlusion(lambda images: TARGET(network(images))).attribute(
            crop_input(prediction, 0),
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
        )
    # Ours has a cell a stride, theirs the same number on each of its pixels.
    ours = found.values.repeat(stride, axis=0).repeat(stride, axis=1)
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-6)
    corner = found.grid.to_input.apply((0, 0))
    np.testing.assert_allclose(corner, [(stride - 1) / 2] * 2)


def test_cells_that_overhang_the_crop_are_covered_too(linear):
    """32 x 24 pixels in cells of 10: the last row and column are narrower."""
    found = ask(linear, "occlusion", peak(4), window=10, stride=10)
    assert found.values.shape == (4, 3)
    assert found.values[3, 2] == pytest.approx(shares(linear, 4)[30:, 20:].sum(), abs=1e-4)


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["mean", "zero", "blank"])
@pytest.mark.parametrize("model", ["prediction", "high"])
def test_token_occlusion_is_the_whole_network_with_that_token_replaced(model, baseline, request):
    prediction = request.getfixturevalue(model)
    network, image = prediction.model.module, crop_input(prediction, 0)
    found = ask(prediction, "token-occlusion", baseline=baseline)
    rows, cols = found.values.shape
    assert (rows, cols) == network.token_grid(prediction.people[0].crop.size).size

    def replaced(row: int, col: int) -> float:
        def hook(module, inputs, output):
            if baseline == "mean":
                new = output.mean((2, 3))
            elif baseline == "zero":
                new = torch.zeros_like(output[:, :, 0, 0])
            else:
                new = empty[:, :, row, col]
            changed = output.clone()
            changed[:, :, row, col] = new
            return changed

        handle = network.reduce.register_forward_hook(hook)
        try:
            return float(TARGET(network(image)))
        finally:
            handle.remove()

    with torch.no_grad():
        empty = network.reduce(network.trunk(torch.zeros_like(image)))
        whole = float(TARGET(network(image)))
        for row, col in [(0, 0), (3, 2), (rows - 1, cols - 1)]:
            expected = whole - replaced(row, col)
            assert found.values[row, col] == pytest.approx(expected, abs=2e-6)
    assert found.limit > 1e-4


def test_the_cnn_runs_once_for_all_tokens(prediction, monkeypatch):
    network, runs = prediction.model.module, []
    trunk = network.trunk
    monkeypatch.setattr(network, "trunk", lambda images: runs.append(len(images)) or trunk(images))
    ask(prediction, "token-occlusion")
    assert runs == [1]


# --- RISE -------------------------------------------------------------------------------------


def test_masks_are_smooth_shares_with_the_mean_they_were_drawn_with():
    drawn = RandomMasks.draw((64, 48), 400, 8, 0.3, seed=0)
    masks = drawn.masks(slice(None))
    assert masks.shape == (400, 64, 48) and len(drawn) == 400
    assert masks.min() >= 0 and masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.1)
    assert masks.mean() == pytest.approx(0.3, abs=0.01)
    assert masks.diff(dim=1).abs().max() <= 1 / 8 + 1e-6  # a cell is eight pixels
    again = RandomMasks.draw((64, 48), 400, 8, 0.3, seed=0)
    assert torch.equal(masks[7:9], again.masks(slice(7, 9)))
    assert not torch.equal(masks, RandomMasks.draw((64, 48), 400, 8, 0.3, seed=1).masks(slice(400)))


def test_a_shift_moves_the_mask():
    drawn = RandomMasks.draw((64, 48), 3, 8, 0.5, seed=2)
    place = RandomMasks(drawn.size, drawn.cells, torch.zeros(3, 2).long(), drawn.pixels)
    moved = RandomMasks(drawn.size, drawn.cells, torch.tensor([[5, 2]] * 3), drawn.pixels)
    still, shifted = place.masks(slice(3)), moved.masks(slice(3))
    assert torch.equal(shifted[:, :-5, :-2], still[:, 5:, 2:]) and not torch.equal(shifted, still)
    assert len(set(map(tuple, RandomMasks.draw((64, 48), 60, 8, 0.5, seed=2).shift.tolist()))) > 30


def expected_rise(prediction: Prediction, keypoint: int, cells: int, keep: float) -> np.ndarray:
    """E[f(m) m(p)] / E[m(p)] of a linear f, exactly: by linearity, over all shifts.

    Open cells B_c are independent with mean ``keep``, and m(p) = sum_c a_c(p) B_c with weights a
    that sum to 1, so E[m(p) m(q)] = keep^2 + keep (1 - keep) sum_c a_c(p) a_c(q).
    """
    shape = RandomMasks.draw(SIZE, 1, cells, keep, seed=0)
    rows, cols = shape.cells.shape[1:]
    one_hot = torch.eye(rows * cols).view(-1, rows, cols)
    part = torch.from_numpy(shares(prediction, keypoint)).flatten()
    covariance = torch.zeros(part.numel(), dtype=torch.float64)
    for y in range(shape.pixels[0]):
        for x in range(shape.pixels[1]):
            shift = torch.tensor([[y, x]]).expand(len(one_hot), 2)
            a = RandomMasks(SIZE, one_hot, shift, shape.pixels).masks(slice(None))
            a = a.flatten(1).double()  # (cells, pixels)
            covariance += a.T @ (a @ part)
    covariance *= keep * (1 - keep) / (shape.pixels[0] * shape.pixels[1])
    mean = prediction.model.module.bias + keep * float(part.sum())
    return (mean + covariance / keep).view(SIZE).numpy()


def test_rise_converges_to_the_weighted_expectation_of_a_linear_model(linear):
    expected = expected_rise(linear, 6, cells=4, keep=0.4)
    options = {"cells": 4, "keep": 0.4, "centred": False, "batch_size": 256}
    errors = []
    for masks in (250, 8000):
        found = ask(linear, "rise", peak(6), masks=masks, **options)
        errors.append(np.sqrt(np.mean((found.values - expected) ** 2)) / expected.std())
    assert errors[1] < 0.1 and errors[1] < 0.4 * errors[0]


def test_centring_moves_a_rise_map_without_changing_it(linear):
    plain, centred = (
        ask(linear, "rise", peak(6), masks=64, cells=4, centred=centred)
        for centred in (False, True)
    )
    moved = plain.values - centred.values
    assert np.ptp(moved) < 1e-4 and moved.mean() == pytest.approx(9, abs=3)
    assert abs(centred.values.mean()) < 0.1 * abs(plain.values.mean())


# --- sweeps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", SWEEPS)
def test_a_sweep_answers_all_targets_as_one_by_one(prediction, method):
    function, options = SWEEPS[method]
    targets = [KeypointConfidence(k) for k in (0, 5, 16)]
    swept = function(prediction, targets, **options)
    asked = explain_each(prediction, targets, method=method, **options)
    for target, one, other in zip(targets, swept, asked, strict=True):
        alone = ask(prediction, method, target, **options)
        np.testing.assert_allclose(one.values, alone.values, atol=1e-6)
        np.testing.assert_array_equal(one.values, other.values)
        assert one.target == alone.target and one.options == alone.options
    assert not np.allclose(swept[0].values, swept[1].values)


def test_what_has_no_sweep_is_asked_one_by_one(prediction):
    targets = [KeypointConfidence(k) for k in (0, 5)]
    for target, one in zip(targets, explain_each(prediction, targets, method="saliency")):  # noqa: B905
        np.testing.assert_array_equal(one.values, ask(prediction, "saliency", target).values)


@pytest.mark.parametrize("method", SWEEPS)
def test_batches_change_nothing_and_progress_counts_them(prediction, method):
    _, options = SWEEPS[method]
    calls: list[tuple[int, int]] = []
    many = ask(prediction, method, **options)
    few = ask(
        prediction, method, **options, batch_size=4, progress=lambda *call: calls.append(call)
    )
    np.testing.assert_allclose(many.values, few.values, atol=1e-6)
    done = [one for one, _ in calls]
    total = calls[0][1]
    assert {all_ for _, all_ in calls} == {total} and done[-1] == total
    assert done == [*range(4, total, 4), total]


@pytest.mark.parametrize("method", SWEEPS)
def test_progress_can_stop_it(prediction, method):
    with pytest.raises(Stop):
        ask(prediction, method, progress=stop_at_once, **SWEEPS[method][1])


def test_out_of_memory_halves_the_batch_then_speaks(linear):
    network = linear.model.module
    expected = ask(linear, "rise", peak(0), masks=20, cells=4).values
    try:
        network.largest_batch, network.batches = 5, []
        found = ask(linear, "rise", peak(0), masks=20, cells=4, batch_size=16)
        np.testing.assert_allclose(found.values, expected, atol=1e-5)
        assert network.batches == [16, 8, 4, 4, 4, 4, 4]
        network.largest_batch = 0
        with pytest.raises(ModelError, match=r"not enough memory .*one pass at a time"):
            ask(linear, "occlusion", peak(0), window=8)
    finally:
        network.largest_batch = 10**9


def test_no_graph_is_kept(prediction):
    surface = token_surface(questions(prediction, [TARGET]))
    values = surface.values(torch.ones(2, *surface.grid.size), [TARGET])
    assert values.is_inference() and not values.requires_grad


@pytest.mark.parametrize("baseline", ["mean", "black", "blur"])
def test_what_stands_in_for_the_photo(linear, baseline):
    asked = questions(linear, [peak(0)])
    surface = photo_surface(asked, baseline, square_grid(SIZE, 8))
    seen, entry = surface.masked(torch.zeros(1, 4, 3))[0], linear.model.entry
    std, mean = (torch.tensor(v)[:, None, None] for v in (entry.std, entry.mean))
    if baseline == "blur":
        image = crop_input(linear, 0)[0]
        np.testing.assert_allclose(seen.mean((1, 2)), image.mean((1, 2)), atol=0.15)
        assert seen.diff(dim=1).abs().max() < 0.5 * image.diff(dim=1).abs().max()
    else:
        colour = seen * std + mean  # 0 to 1 again
        expected = mean if baseline == "mean" else torch.zeros(3, 1, 1)
        np.testing.assert_allclose(colour, expected.expand_as(colour), atol=1e-6)
    half = torch.ones(1, 4, 3)
    half[0, 1, 2] = 0
    mixed = surface.masked(half)[0]
    image = crop_input(linear, 0)[0]
    assert torch.equal(mixed[:, 8:16, 16:], seen[:, 8:16, 16:])
    assert torch.allclose(mixed[:, :, :16], image[:, :, :16], atol=1e-6)


def test_what_cannot_be_is_said_in_a_sentence(prediction, linear):
    with pytest.raises(ModelError, match="occlude the photo instead"):
        ask(linear, "token-occlusion", peak(0))
    with pytest.raises(TraceError, match="multiple of the stride: 20 is none of 8"):
        ask(prediction, "occlusion", window=20)
    with pytest.raises(TraceError, match="does not fit a crop of 48 x 64"):
        ask(prediction, "occlusion", window=100, stride=100)
    with pytest.raises(TraceError, match="window of 7 cells does not fit a grid of 8 x 6"):
        ask(prediction, "token-occlusion", window=7)
    with pytest.raises(TraceError, match="choose one of mean, zero, blank"):
        ask(prediction, "token-occlusion", baseline="black")
    with pytest.raises(TraceError, match="choose one of mean, black, blur"):
        ask(prediction, "occlusion", baseline="zero")
    with pytest.raises(TraceError, match="at least one mask"):
        ask(prediction, "rise", masks=0)
    with pytest.raises(TraceError, match="between 0 and 1"):
        ask(prediction, "rise", keep=1.0)
    with pytest.raises(TraceError, match="does not fit a crop"):
        ask(prediction, "rise", cells=500)
    with pytest.raises(TraceError, match="name at least one"):
        occlusion_maps(prediction, [])
    with pytest.raises(TraceError, match=r"No nose was found"):
        explain(linear_prediction(bias=-99.0), "nose", method="occlusion")
