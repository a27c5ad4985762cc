"""DARK decoding, Gaussian targets and OKS suppression: the official numbers, and closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.decode import decode_heatmaps, encode_heatmaps, oks_matrix, oks_nms, plain_peaks
from posekit.skeleton import COCO17

Loader = Callable[[str], dict[str, np.ndarray]]
SIZE = (64, 48)


@pytest.fixture
def codec(transpose_fixture: Loader) -> dict[str, np.ndarray]:
    return transpose_fixture("codec")


def gaussian(x: float, y: float, size: tuple[int, int] = SIZE, sigma: float = 2.0) -> torch.Tensor:
    """One map (1, 1, h, w), computed in float64 and in the plainest way."""
    rows, cols = np.mgrid[: size[0], : size[1]]
    squared = (cols - x) ** 2 + (rows - y) ** 2
    return torch.tensor(np.exp(-squared / (2 * sigma**2)), dtype=torch.float32)[None, None]


# --- decoding ------------------------------------------------------------------------------------


def test_decoding_equals_the_official_code(codec: dict[str, np.ndarray]) -> None:
    heatmaps = torch.from_numpy(codec["heatmaps"])
    coords, scores = decode_heatmaps(heatmaps)
    np.testing.assert_allclose(coords, codec["dark_coords_hm"], atol=2e-5)
    np.testing.assert_array_equal(scores, codec["maxvals"][..., 0])
    peaks, values = plain_peaks(heatmaps)
    np.testing.assert_array_equal(peaks, codec["argmax_coords"])
    np.testing.assert_array_equal(values, scores)
    assert coords.dtype == scores.dtype == torch.float32


@settings(max_examples=60)
@given(st.floats(9, 38), st.floats(9, 54))
def test_a_gaussian_is_found_to_a_hundredth_of_a_pixel(x: float, y: float) -> None:
    coords, scores = decode_heatmaps(gaussian(x, y))
    assert coords[0, 0].tolist() == pytest.approx([x, y], abs=0.01)
    assert 0.9 < scores.item() <= 1


@settings(max_examples=40)
@given(st.integers(0, 47), st.integers(0, 63), st.floats(0.05, 5))
def test_a_peak_on_a_pixel_keeps_its_height_and_place(x: int, y: int, height: float) -> None:
    peaks, scores = plain_peaks(height * gaussian(x, y))
    assert peaks[0, 0].tolist() == [x, y]
    assert scores.item() == pytest.approx(height)


@pytest.mark.parametrize("x", [0, 1, 46, 47])
@pytest.mark.parametrize("y", [0, 1, 62, 63])
def test_peaks_near_the_border_stay_where_they_are(x: int, y: int) -> None:
    coords, _ = decode_heatmaps(gaussian(x, y))
    assert coords[0, 0].tolist() == [x, y]


def test_two_pixels_from_the_border_there_is_room_for_the_step() -> None:
    coords, _ = decode_heatmaps(gaussian(20.3, 2.2))
    assert coords[0, 0, 0].item() != 20


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_with_nothing_above_zero_is_at_the_origin(value: float) -> None:
    coords, scores = decode_heatmaps(torch.full((2, 3, *SIZE), value))
    assert (coords == 0).all()
    assert (scores == value).all()


def test_a_flat_map_is_not_refined_to_infinity() -> None:
    coords, _ = decode_heatmaps(torch.ones(1, 1, *SIZE))
    assert torch.isfinite(coords).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (5, 5)])
def test_maps_smaller_than_the_stencil_are_decoded(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    coords, _ = decode_heatmaps(maps)
    assert coords.shape == (2, 3, 2)
    assert torch.isfinite(coords).all()


def test_each_map_is_decoded_by_itself(codec: dict[str, np.ndarray]) -> None:
    heatmaps = torch.from_numpy(codec["heatmaps"])
    together, _ = decode_heatmaps(heatmaps)
    for item in range(2):
        alone, _ = decode_heatmaps(heatmaps[item : item + 1, 3:5])
        np.testing.assert_allclose(alone[0], together[item, 3:5], atol=1e-5)


def test_half_precision_maps_give_float32_keypoints() -> None:
    coords, scores = decode_heatmaps(gaussian(20.25, 30.5).half())
    assert coords.dtype == scores.dtype == torch.float32
    assert coords[0, 0].tolist() == pytest.approx([20.25, 30.5], abs=0.05)


# --- targets -------------------------------------------------------------------------------------


def test_targets_equal_the_official_code(codec: dict[str, np.ndarray]) -> None:
    keypoints = torch.from_numpy(codec["joints_hm"][None, :, :2])
    visible = torch.from_numpy(codec["joints_vis"][None, :, 0])
    target, weight = encode_heatmaps(keypoints, visible, SIZE)
    np.testing.assert_allclose(target[0], codec["target"], atol=2e-6)
    np.testing.assert_array_equal(weight[0], codec["target_weight"][:, 0])
    assert target.dtype == weight.dtype == torch.float32
    # The official loss of the official maps against these targets, as a second witness.
    maps = torch.from_numpy(codec["heatmaps"])
    error = (weight[..., None, None] * (maps - target)).square().mean(dim=(0, 2, 3))
    assert 0.5 * error.mean().item() == pytest.approx(float(codec["joints_mse_loss"]), rel=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "weight"),
    [(-7.2, 10, 1), (-8.0, 10, 0), (53.9, 10, 1), (54.0, 10, 0), (10, -8, 0), (10, 70, 0)],
)
def test_a_keypoint_whose_box_misses_the_map_is_not_trained(
    x: float, y: float, weight: int
) -> None:
    target, weights = encode_heatmaps(torch.tensor([[[x, y]]]), torch.ones(1, 1), SIZE)
    assert weights.item() == weight
    assert bool(target.any()) == bool(weight)


def test_unlabelled_keypoints_may_be_anything() -> None:
    keypoints = torch.tensor([[[torch.nan, torch.inf], [10.0, 12.0]]])
    target, weight = encode_heatmaps(keypoints, torch.tensor([[0, 1]]), SIZE)
    assert weight.tolist() == [[0, 1]]
    assert (target[0, 0] == 0).all()
    assert target[0, 1, 12, 10] == 1


def test_targets_are_plain_gaussians_of_the_width_asked_for() -> None:
    keypoints = torch.tensor([[[10.3, 20.6]], [[30.0, 5.5]]])
    target, _ = encode_heatmaps(keypoints, torch.ones(2, 1), (40, 36), sigma=1.5)
    expected = torch.cat([gaussian(10.3, 20.6, (40, 36), 1.5), gaussian(30, 5.5, (40, 36), 1.5)])
    torch.testing.assert_close(target, expected, atol=1e-6, rtol=0)


@settings(max_examples=40)
@given(st.floats(9, 38), st.floats(9, 54))
def test_decoding_undoes_encoding(x: float, y: float) -> None:
    target, _ = encode_heatmaps(torch.tensor([[[x, y]]]), torch.ones(1, 1), SIZE)
    coords, _ = decode_heatmaps(target)
    assert coords[0, 0].tolist() == pytest.approx([x, y], abs=0.01)


# --- suppression ---------------------------------------------------------------------------------


def test_oks_and_suppression_equal_the_official_code(codec: dict[str, np.ndarray]) -> None:
    people, areas, scores = codec["nms_keypoints"], codec["nms_areas"], codec["nms_scores"]
    matrix = oks_matrix(people, areas, COCO17.sigmas)
    np.testing.assert_allclose(matrix, codec["oks_matrix"], atol=1e-12)
    assert oks_nms(people, scores, areas, COCO17.sigmas) == codec["nms_keep"].tolist()
    fewer = oks_nms(people, scores, areas, COCO17.sigmas, threshold=0.5)
    assert fewer == codec["nms_keep_thr05"].tolist()


def test_oks_of_a_shift_is_a_closed_form() -> None:
    """All 17 keypoints moved by d over area A: the mean of exp(-d^2 / (2 A (2 sigma)^2))."""
    people = np.zeros((2, 17, 2))
    people[1, :, 0] = 6
    matrix = oks_matrix(people, [900, 2700], COCO17.sigmas)
    expected = np.mean([np.exp(-36 / (2 * 1800 * (2 * s) ** 2)) for s in COCO17.sigmas])
    np.testing.assert_allclose(matrix, [[1, expected], [expected, 1]], rtol=1e-12)


def test_suppression_keeps_the_better_of_two_equals() -> None:
    person = np.random.default_rng(0).uniform(0, 100, (17, 2))
    people = np.stack([person, person + 500, person])
    assert oks_nms(people, [0.3, 0.1, 0.8], [1e4] * 3, COCO17.sigmas) == [2, 1]
    assert oks_nms(people, [0.3, 0.1, 0.8], [1e4] * 3, COCO17.sigmas, threshold=1.0) == [2, 0, 1]


def test_suppression_of_nobody_is_nobody() -> None:
    assert oks_nms(np.zeros((0, 17, 2)), [], [], COCO17.sigmas) == []
