"""Figures of trust against closed forms, plain loops and scipy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from posekit.errors import ModelError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.asked import crop_input
from posekit.explain.attention import explain as attention
from posekit.explain.faithfulness import (
    agreement,
    blocks,
    deletion,
    edge_map,
    infidelity,
    insertion,
    iou_of_mass,
    mass_in_box,
    mass_in_mask,
    max_sensitivity,
    pointing_game,
    random_map,
    randomisation,
    spearman,
    spot_map,
)
from posekit.explain.faithfulness.agreement import standing
from posekit.explain.faithfulness.curves import order
from posekit.explain.faithfulness.grids import cell_masses
from posekit.explain.faithfulness.randomisation import randomised
from posekit.explain.faithfulness.robustness import crop_as_photo
from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.methods import explain
from posekit.explain.surface import photo_surface, square_grid, token_grid
from posekit.explain.targets import KeypointConfidence
from posekit.explain.together import questions
from posekit.geometry import Box, TokenGrid
from tests.linear_model import SIZE, Stop, linear_prediction, peak, stop_at_once
from tests.tiny_models import noise_photo, tiny_model

TARGETS = [KeypointConfidence(k) for k in (0, 3, 16)]


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(noise_photo())


@pytest.fixture(scope="module")
def linear() -> Prediction:
    return linear_prediction()


def heat(
    prediction: Prediction, values: np.ndarray, grid: TokenGrid | None = None, signed: bool = True
) -> HeatMap:
    crop = prediction.people[0].crop
    return HeatMap("test", values, grid or pixel_grid(crop.size), crop, signed=signed)


def truth(prediction: Prediction, keypoint: int) -> np.ndarray:
    """What each pixel brings to the linear model over the mean colour: (H, W) float64."""
    weight = prediction.model.module.weight[keypoint].detach().double()
    return (weight * crop_input(prediction, 0)[0].double()).sum(0).numpy()


# --- deletion and insertion -------------------------------------------------------------------


def test_curves_of_a_linear_model_are_sums_in_the_maps_order(linear):
    """Deleting takes the map's pixels off the whole one by one; inserting puts them on the rest."""
    part, bias = truth(linear, 4).ravel(), linear.model.module.bias
    maps = [heat(linear, part.reshape(SIZE))]
    heaviest = np.sort(part)[::-1]
    gone = np.round(np.linspace(0, 1, 9) * part.size).astype(int)
    taken = np.array([heaviest[:n].sum() for n in gone])
    (down,) = deletion(linear, [peak(4)], maps, steps=8)
    (up,) = insertion(linear, [peak(4)], maps, steps=8, baseline="mean")
    np.testing.assert_allclose(down.values, bias + part.sum() - taken, atol=1e-4)
    np.testing.assert_allclose(up.values, bias + taken, atol=1e-4)
    np.testing.assert_allclose(down.fractions, np.linspace(0, 1, 9))
    area = np.mean((down.values[1:] + down.values[:-1]) / 2)  # the steps are equally wide
    assert down.area == pytest.approx(area)
    assert down.full == pytest.approx(up.full) and down.empty == pytest.approx(bias, abs=1e-4)


def test_the_share_is_a_half_on_a_straight_line(linear):
    """Equal parts: every order takes away the same each time."""
    with torch.no_grad():
        kept = linear.model.module.weight.clone()
        image = crop_input(linear, 0)[0]
        linear.model.module.weight[2] = 1 / (3 * image)
    try:
        target, maps = [peak(2)], [random_map(linear, peak(2))]
        assert deletion(linear, target, maps)[0].share == pytest.approx(0.5, abs=1e-3)
        up = insertion(linear, target, maps, baseline="mean")[0]
        assert up.share == pytest.approx(0.5, abs=1e-3)
    finally:
        with torch.no_grad():
            linear.model.module.weight.copy_(kept)


def test_the_true_order_beats_chance_and_its_reverse_loses(linear):
    part = truth(linear, 4)
    maps = [heat(linear, part), random_map(linear, peak(4)), heat(linear, -part)]
    best, chance, worst = (c.area for c in deletion(linear, [peak(4)] * 3, maps))
    assert best < chance < worst
    best, chance, worst = (c.area for c in insertion(linear, [peak(4)] * 3, maps))
    assert best > chance > worst


def test_a_photo_that_gives_no_more_than_an_empty_one_has_no_share(linear):
    """The same photo on both ends: nothing to lose."""
    (curve,) = deletion(linear, [peak(4)], [heat(linear, truth(linear, 4))])
    flat = replace(curve, values=np.full_like(curve.values, 3.0))
    assert flat.share is None and flat.area == pytest.approx(3)


@pytest.mark.parametrize("level", ["photo", "cells", "tokens"])
@pytest.mark.parametrize("kind", ["deletion", "insertion"])
def test_the_sweep_equals_the_loop(prediction, kind, level):
    network, image = prediction.model.module, crop_input(prediction, 0)
    maps = [explain(prediction, target, method="saliency") for target in TARGETS]
    function = deletion if kind == "deletion" else insertion
    swept = function(prediction, TARGETS, maps, steps=5, level=level, baseline="mean", batch_size=4)
    with torch.no_grad():
        tokens = network.make_tokens(image)
        for target, one, curve in zip(TARGETS, maps, swept, strict=True):
            cell = network.token_grid((64, 48)).token_at(one.grid.centres())
            if level == "photo":
                weight = one.values.ravel()
            else:  # the mean saliency of the pixels under each token
                values = one.values.ravel()
                weight = np.array([values[cell == t].mean() for t in range(tokens.shape[1])])
            descending = np.argsort(-weight, kind="stable")
            for fraction, value in zip(np.linspace(0, 1, 6), curve.values, strict=True):
                changed = torch.zeros(weight.size)
                changed[descending[: round(fraction * weight.size)]] = 1
                stays = changed if kind == "insertion" else 1 - changed
                if level == "photo":
                    heatmaps = network(image * stays.view(64, 48))
                elif level == "cells":
                    everywhere = torch.cat([stays, torch.ones(1)])  # no cell: stays
                    heatmaps = network(image * everywhere[cell].view(64, 48))
                else:
                    mean = tokens.mean(1, keepdim=True)
                    mixed = mean + (tokens - mean) * stays[None, :, None]
                    heatmaps = network.read_tokens(mixed, (64, 48))
                assert value == pytest.approx(float(target(heatmaps)), abs=2e-6)
    assert len({curve.area for curve in swept}) == 3


def test_a_power_looks_closer_at_the_heaviest_cells(linear):
    """The same curve at other places: the shares are squares, the values the even curve's."""
    maps = [heat(linear, truth(linear, 4))]
    (square,) = deletion(linear, [peak(4)], maps, steps=4, power=2.0)
    (even,) = deletion(linear, [peak(4)], maps, steps=16)
    np.testing.assert_allclose(square.fractions, np.array([0, 1, 4, 9, 16]) / 16, atol=1e-3)
    np.testing.assert_allclose(square.values, even.values[[0, 1, 4, 9, 16]], atol=1e-4)
    with pytest.raises(TraceError, match="power above 0"):
        deletion(linear, [peak(4)], maps, power=0)


def test_maps_of_the_same_order_share_their_passes(linear):
    """A map that knows nothing of its target is deleted once, whatever it is held to."""
    network, targets = linear.model.module, [peak(k) for k in range(5)]
    same = [random_map(linear, target) for target in targets]
    network.batches = []
    found = deletion(linear, targets, same, steps=6)
    assert sum(network.batches) == 2 + 5
    for target, one, curve in zip(targets, same, found, strict=True):
        (alone,) = deletion(linear, [target], [one], steps=6)
        np.testing.assert_allclose(curve.values, alone.values, atol=1e-6)
    mixed = [same[0], heat(linear, truth(linear, 1)), same[2]]
    found = insertion(linear, targets[:3], mixed, steps=6)
    for n, curve in enumerate(found):
        (alone,) = insertion(linear, [targets[n]], [mixed[n]], steps=6)
        np.testing.assert_allclose(curve.values, alone.values, atol=1e-5)


def test_equal_cells_go_in_a_random_order(linear):
    values = np.zeros(SIZE)
    values[20, 10] = 1.0
    surface = photo_surface(questions(linear, [peak(0)]))
    rank = order(heat(linear, values), surface)
    assert rank.reshape(SIZE)[20, 10] == 0 and sorted(rank) == list(range(rank.size))
    top = rank.reshape(SIZE)[:16].mean() / rank.size
    assert top == pytest.approx(0.5, abs=0.05)  # row by row it would be a quarter


def test_curves_count_their_passes_and_stop_when_told(prediction):
    maps = [random_map(prediction, target, seed=n) for n, target in enumerate(TARGETS)]
    calls: list[tuple[int, int]] = []
    deletion(prediction, TARGETS, maps, steps=4, progress=lambda *call: calls.append(call))
    assert calls[-1] == (2 + 3 * 3, 2 + 3 * 3)  # both ends once, three steps for each of three
    with pytest.raises(Stop):
        insertion(prediction, TARGETS, maps, progress=stop_at_once)


# --- infidelity -------------------------------------------------------------------------------


def on_cells(linear: Prediction, keypoint: int) -> np.ndarray:
    """The truth on the cells that infidelity removes: squares of eight pixels, as there are no
    tokens."""
    assert token_grid(questions(linear, [peak(0)])).size == (4, 3)
    return truth(linear, keypoint).reshape(4, 8, 3, 8).sum(axis=(1, 3))


def test_infidelity_of_the_truth_is_zero(linear):
    targets = [peak(1), peak(2)]
    maps = [explain(linear, target, method="integrated-gradients") for target in targets]
    found = infidelity(linear, targets, maps, normalise=False)
    assert found.shape == (2,) and (found < 1e-7).all()
    tripled = [heat(linear, 3 * one.values) for one in maps]
    assert (infidelity(linear, targets, tripled) < 1e-6).all()
    assert (infidelity(linear, targets, tripled, normalise=False) > 1e-3).all()


def test_infidelity_of_an_empty_map_is_the_mean_square_of_the_falls(linear):
    share, cells = 0.3, on_cells(linear, 1)
    expected = share * (1 - share) * (cells**2).sum() + share**2 * cells.sum() ** 2
    empty = [heat(linear, np.zeros(SIZE))]
    options = {"share": share, "samples": 6000, "batch_size": 512}
    found = infidelity(linear, [peak(1)], empty, normalise=False, **options)
    assert found[0] == pytest.approx(expected, rel=0.1)
    # No scale helps an empty map.
    scaled = infidelity(linear, [peak(1)], empty, **options)
    assert scaled[0] == pytest.approx(found[0], rel=1e-4)


def test_infidelity_takes_a_map_on_any_grid(linear):
    """The truth by cells of four pixels and of eight predicts as well as by pixels."""
    part = truth(linear, 1)
    fine = heat(linear, part.reshape(8, 4, 6, 4).sum(axis=(1, 3)), square_grid(SIZE, 4))
    same = heat(linear, on_cells(linear, 1), square_grid(SIZE, 8))
    assert infidelity(linear, [peak(1)], [same], normalise=False)[0] < 1e-7
    even = cell_masses(heat(linear, np.ones((2, 2)), square_grid(SIZE, 16)), square_grid(SIZE, 8))
    np.testing.assert_allclose(even, 1 / 4, atol=1e-6)
    blurred = infidelity(linear, [peak(1)], [fine], normalise=False)[0]
    nothing = infidelity(linear, [peak(1)], [heat(linear, np.zeros(SIZE))], normalise=False)[0]
    assert blurred < 0.5 * nothing


def test_infidelity_of_several_equals_one_by_one(prediction):
    maps = [explain(prediction, target, method="grad-cam") for target in TARGETS]
    options = {"samples": 10, "share": 0.2}
    together = infidelity(prediction, TARGETS, maps, batch_size=3, **options)
    for n, (target, one) in enumerate(zip(TARGETS, maps, strict=True)):
        alone = infidelity(prediction, [target], [one], batch_size=3, **options)
        assert together[n] == pytest.approx(alone[0], rel=1e-3, abs=1e-12)


def test_infidelity_runs_each_photo_once_and_can_be_stopped(linear):
    network, calls = linear.model.module, []
    targets = [peak(k) for k in range(17)]
    maps = [random_map(linear, target) for target in targets]
    network.batches = []
    infidelity(linear, targets, maps, samples=20, progress=lambda *call: calls.append(call))
    assert sum(network.batches) == 21  # the whole photo, and twenty others, for all 17
    assert calls[-1] == (20, 20)
    with pytest.raises(Stop):
        infidelity(linear, targets, maps, progress=stop_at_once)


# --- max-sensitivity --------------------------------------------------------------------------


def brightness(prediction: Prediction) -> list[HeatMap]:
    """Two maps: the red channel as it is, and one that never changes."""
    red = prediction.people[0].crop.warp(prediction.photo.pixels)[..., 0].astype(np.float64)
    return [heat(prediction, red), heat(prediction, np.ones(SIZE))]


def test_sensitivity_is_the_largest_relative_change(linear):
    seen = []

    def explaining(one: Prediction) -> list[HeatMap]:
        seen.append(one.people[0].crop.warp(one.photo.pixels)[..., 0].astype(np.float64))
        return brightness(one)

    found = max_sensitivity(linear, explaining, radius=5, samples=6)
    original, *noisy = seen
    norms = [np.linalg.norm(one - original) / np.linalg.norm(original) for one in noisy]
    assert len(noisy) == 6 and np.ptp(norms) > 0
    assert found[0] == pytest.approx(max(norms), rel=1e-5) and found[1] == 0
    assert max(np.abs(one - original).max() for one in noisy) == 5
    np.testing.assert_array_equal(found, max_sensitivity(linear, brightness, radius=5, samples=6))


def test_a_crop_as_a_photo_is_what_the_network_saw(prediction):
    pixels = prediction.people[0].crop.warp(prediction.photo.pixels)
    again = crop_as_photo(prediction, pixels)
    assert torch.equal(crop_input(again, 0), crop_input(prediction, 0))
    np.testing.assert_allclose(again.trace.heatmaps, prediction.trace.heatmaps, atol=1e-6)


def test_sensitivity_of_a_method_grows_with_the_radius_and_can_be_stopped(prediction):
    def explaining(one: Prediction) -> list[HeatMap]:
        return [explain(one, KeypointConfidence(3), method="saliency")]

    little = max_sensitivity(prediction, explaining, radius=1, samples=2)
    much = max_sensitivity(prediction, explaining, radius=60, samples=2)
    assert 0 < little[0] < much[0]
    with pytest.raises(Stop):
        max_sensitivity(prediction, explaining, progress=stop_at_once)


# --- localisation -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cornered(linear) -> HeatMap:
    """Three quarters of the mass in the top-left cell of 4 x 3, a quarter in the last one."""
    values = np.zeros((4, 3))
    values[0, 0], values[3, 2], values[1, 1] = 3.0, 1.0, -5.0
    return heat(linear, values, square_grid(SIZE, 8))


def test_mass_lies_where_the_cells_are(linear, cornered):
    corner = linear.people[0].crop.to_photo.apply(cornered.grid.centres()[0])
    around = Box(corner[0] - 2, corner[1] - 2, 5, 5)
    assert mass_in_box(cornered, around) == pytest.approx(0.75)
    assert mass_in_box(cornered, Box(-500, -500, 2000, 2000)) == pytest.approx(1)
    assert mass_in_box(cornered, Box(corner[0] + 3, corner[1] + 3, 1, 1)) == 0


def test_a_mask_counts_a_cell_by_the_part_it_covers(linear):
    """The linear model's crop is larger than the photo: only its middle can be covered."""
    edge = linear.people[0].crop.to_crop
    top_left, bottom_right = edge.apply([(-0.5, -0.5), (59.5, 79.5)])
    assert (top_left > 1).all() and bottom_right[0] < SIZE[1] - 2
    everywhere = np.ones((80, 60), dtype=bool)
    uniform = heat(linear, np.ones((4, 3)), square_grid(SIZE, 8), signed=False)
    area = np.prod(bottom_right - top_left) / (SIZE[0] * SIZE[1])
    assert mass_in_mask(uniform, everywhere) == pytest.approx(area, abs=0.05)
    left = everywhere.copy()
    left[:, 30:] = False
    assert mass_in_mask(uniform, left) == pytest.approx(area / 2, abs=0.05)
    assert mass_in_mask(uniform, ~everywhere) == 0


def test_pointing_hits_within_the_tolerance(linear, cornered):
    to_photo = linear.people[0].crop.to_photo
    x, y = to_photo.apply(cornered.grid.centres()[0])
    assert pointing_game(cornered, (x + 3, y), tolerance=3.01)
    assert not pointing_game(cornered, (x + 3, y), tolerance=2.99)
    reach = to_photo.scale * 4  # half a cell is more than a tenth of the crop here
    assert pointing_game(cornered, (x, y + 0.99 * reach))
    assert not pointing_game(cornered, (x, y + 1.01 * reach))


def test_attention_is_measured_alike(prediction):
    (one,) = attention(prediction, (60, 80), layers=[-1]).maps
    inside = mass_in_box(one, prediction.people[0].box)
    assert 0 < inside <= 1
    same = heat(prediction, one.weights, one.grid, signed=False)
    assert mass_in_box(same, prediction.people[0].box) == pytest.approx(inside)
    assert spearman(one, same) == pytest.approx(1)


# --- agreement --------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30))
def test_rank_correlation_is_scipys_ties_included(linear, seed, levels):
    dice = np.random.default_rng(seed)
    first, second = dice.integers(0, levels, (2, 8, 6)).astype(float)
    grid = square_grid(SIZE, 4)
    if np.ptp(first) and np.ptp(second):
        found = spearman(heat(linear, first, grid), heat(linear, second, grid))
        expected = spearmanr(first.ravel(), second.ravel()).statistic
        assert found == pytest.approx(expected, abs=1e-9)
    placed = np.array([2.5, 0, 2.5, 1]) - 1.5  # ties share their mean rank
    np.testing.assert_allclose(standing([3, 1, 3, 2]), placed / np.linalg.norm(placed))


def test_maps_on_other_grids_meet_on_the_pixels(linear):
    ramp = np.arange(4.0)[:, None] + np.zeros((4, 3))
    coarse = heat(linear, ramp, square_grid(SIZE, 8))
    fine = heat(linear, np.arange(32.0)[:, None] + np.zeros(SIZE))
    assert spearman(coarse, fine) > 0.95
    assert spearman(coarse, heat(linear, -fine.values)) < -0.95
    assert spearman(coarse, heat(linear, np.ones(SIZE))) == 0


@pytest.mark.parametrize("measure", [spearman, iou_of_mass])
def test_all_pairs_at_once_are_the_pairs_one_by_one(prediction, measure):
    """Maps on tokens, on pixels, and one without any order."""
    maps = [
        explain(prediction, TARGETS[1], method="rollout"),
        explain(prediction, TARGETS[1], method="saliency"),
        explain(prediction, TARGETS[1], method="contribution"),
        random_map(prediction, TARGETS[1]),
        edge_map(prediction, TARGETS[1]),
        heat(prediction, np.zeros((8, 6)), token_grid(questions(prediction, TARGETS))),
    ]
    found = agreement(maps, measure)
    for i, one in enumerate(maps):
        for j, other in enumerate(maps):
            assert found[i, j] == pytest.approx(measure(one, other), abs=1e-12)
    assert 0 < abs(found[0, 1]) < 1  # tokens with pixels
    with pytest.raises(TraceError, match="same crop"):
        agreement([maps[0], random_map(linear_prediction(), peak(0))], measure)


def test_overlap_of_the_top_of_the_mass(linear):
    grid = square_grid(SIZE, 8)
    first, second = np.zeros((2, 4, 3))
    first[0] = [4, 4, 2]
    second[0] = [0, 4, 4]
    a, b = heat(linear, first, grid), heat(linear, second, grid)
    assert iou_of_mass(a, b, 0.1) == pytest.approx(1 / 3)  # {0, 1} and {1, 2}: ties stay together
    assert iou_of_mass(a, b, 0.9) == pytest.approx(2 / 3)  # {0, 1, 2} and {1, 2}
    assert iou_of_mass(a, a) == 1 and iou_of_mass(a, heat(linear, -first, grid)) == 0
    nothing = heat(linear, np.zeros((4, 3)), grid)
    assert iou_of_mass(nothing, nothing) == 0
    table = agreement([a, b, nothing], iou_of_mass)
    np.testing.assert_allclose(table, [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])


# --- randomisation ----------------------------------------------------------------------------


def test_blocks_go_from_the_output_to_the_input(prediction):
    names = blocks(prediction.model.module)
    assert names[:2] == ("final_layer", "deconv_layers")
    layers = [name for name in names if "global_encoder" in name]
    assert layers == [f"global_encoder.layers.{n}" for n in (2, 1, 0)]
    assert names.index("reduce") > names.index(layers[-1]) and names[-1] == "conv1"
    whole = sum(p.numel() for p in prediction.model.module.parameters())
    modules = dict(prediction.model.module.named_modules())
    covered = sum(p.numel() for name in names for p in modules[name].parameters())
    assert covered == whole - prediction.model.module.pos_embedding.numel()  # fixed, not learned


def test_random_weights_are_new_but_as_large(prediction):
    model = randomised(prediction.model, ["reduce"], seed=3)
    before = prediction.model.module.state_dict()
    after = model.module.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["reduce.weight"]
    old, new = before["reduce.weight"], after["reduce.weight"]
    assert float(new.std()) == pytest.approx(float(old.std()), rel=0.1)
    assert abs(float(torch.corrcoef(torch.stack([old.flatten(), new.flatten()]))[0, 1])) < 0.1
    assert torch.equal(randomised(prediction.model, ["reduce"], seed=3).module.reduce.weight, new)


def test_a_method_that_reads_the_model_changes_with_it_and_edges_do_not(prediction):
    def explaining(one: Prediction) -> list[HeatMap]:
        target = KeypointConfidence(3)
        return [explain(one, target, method="input-x-gradient"), edge_map(one, target)]

    calls: list[tuple[int, int]] = []
    found = randomisation(prediction, explaining, progress=lambda *call: calls.append(call))
    names = blocks(prediction.model.module)
    assert tuple(one.block for one in found) == names
    assert calls == [(n, len(names)) for n in range(1, len(names) + 1)]
    gradient, edges = np.stack([one.correlation for one in found]).T
    np.testing.assert_allclose(edges, 1, atol=1e-9)
    assert abs(gradient[-1]) < 0.3 and (gradient < 0.99).all()


def test_what_a_random_model_does_not_find_is_not_a_number(prediction):
    calls = []

    def explaining(one: Prediction) -> list[HeatMap]:
        calls.append(one)
        if len(calls) > 1:
            raise TraceError("No nose was found.")
        return [random_map(one, KeypointConfidence(0))]

    (found,) = randomisation(prediction, explaining, names=["final_layer"])
    assert math.isnan(found.correlation[0]) and found.correlation.shape == (1,)


# --- baselines and sentences ------------------------------------------------------------------


def test_baselines_know_nothing_of_the_target(prediction):
    first, second = (random_map(prediction, target, seed=5) for target in TARGETS[:2])
    np.testing.assert_array_equal(first.values, second.values)
    assert first.grid.size == (8, 6) and 0.3 < first.values.mean() < 0.7
    assert not np.array_equal(first.values, random_map(prediction, TARGETS[0], seed=6).values)


def test_a_spot_lies_where_the_target_is_read(prediction):
    network, heatmaps = prediction.model.module, prediction.trace.heatmaps[0]
    size, sigma = (64, 48), 0.08 * 64
    spot = spot_map(prediction, TARGETS[1])
    y, x = divmod(int(heatmaps[3].argmax()), heatmaps.shape[-1])
    # Both grids are cut about the centre of the crop.
    factor = (size[1] - 1) / (heatmaps.shape[-1] - 1)
    centre = np.array([size[1] - 1, size[0] - 1]) / 2
    middle = np.array([heatmaps.shape[-1] - 1, heatmaps.shape[-2] - 1]) / 2
    at = centre + factor * (np.array([x, y]) - middle)
    away = np.linalg.norm(network.token_grid(size).centres() - at, axis=1)
    np.testing.assert_allclose(spot.values.ravel(), np.exp(-0.5 * (away / sigma) ** 2), atol=1e-6)
    assert int(spot.values.argmax()) == int(away.argmin())


def test_edges_are_where_the_photo_changes():
    pixels = np.zeros((80, 60, 3), dtype=np.uint8)
    pixels[:, 30:] = 255
    photo = replace(noise_photo(80, 60), pixels=pixels)
    prediction = Estimator(linear_prediction().model).predict(photo)
    found = edge_map(prediction, peak(0)).on_photo()
    # A pixel of the crop is three of the photo; the other edge is the photo's own border.
    assert abs(int(found[40, :50].argmax()) - 29.5) < 2
    assert found[40, 10] < 0.01 * found[40].max()


def test_what_cannot_be_measured_is_said_in_a_sentence(prediction, linear):
    one = random_map(prediction, TARGETS[0])
    for function in (deletion, insertion, infidelity):
        with pytest.raises(TraceError, match="3 targets and 1 maps"):
            function(prediction, TARGETS, [one])
    with pytest.raises(TraceError, match="at least one step"):
        deletion(prediction, TARGETS[:1], [one], steps=0)
    with pytest.raises(TraceError, match="another person's crop"):
        deletion(linear, [peak(0)], [one])
    with pytest.raises(TraceError, match="'photo', 'cells' or 'tokens', not 'words'"):
        deletion(prediction, TARGETS[:1], [one], level="words")
    with pytest.raises(ModelError, match="occlude the photo instead"):
        deletion(linear, [peak(0)], [random_map(linear, peak(0))], level="tokens")
    with pytest.raises(TraceError, match="same crop"):
        spearman(one, random_map(linear, peak(0)))
    with pytest.raises(TraceError, match="above 0"):
        iou_of_mass(one, one, 0.0)
    empty = heat(prediction, np.full((64, 48), -1.0))
    for measure in (
        lambda: mass_in_box(empty, Box(0, 0, 9, 9)),
        lambda: mass_in_mask(empty, np.ones((160, 120))),
        lambda: pointing_game(empty, (3, 3)),
    ):
        with pytest.raises(TraceError, match="no evidence for its target"):
            measure()
    with pytest.raises(TraceError, match="two finite numbers"):
        pointing_game(one, (math.nan, 2))
    with pytest.raises(TraceError, match=r"mask has \(3, 3\) pixels"):
        mass_in_mask(one, np.ones((3, 3)))
    with pytest.raises(TraceError, match="no block 'neck'"):
        randomised(prediction.model, ["neck"])
    with pytest.raises(TraceError, match="at least one sample"):
        infidelity(prediction, TARGETS[:1], [one], share=1.0)
    with pytest.raises(TraceError, match="radius of 1 to 255"):
        max_sensitivity(prediction, lambda _: [one], radius=0)
    with pytest.raises(TraceError, match="no map whose"):
        max_sensitivity(prediction, lambda _: [])
