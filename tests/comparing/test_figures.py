"""The numbers of a comparison."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.benchmark.settings import Settings
from posekit.compare import Comparison, compare
from posekit.errors import ModelError, TraceError
from posekit.estimator import Prediction
from posekit.explain import explain, numbers
from posekit.explain.faithfulness import (
    deletion,
    faithfulness_of,
    insertion,
    mass_in_mask,
    spearman,
)
from tests.comparing.predictions import PHOTO, predicted, with_masses


def test_densities_hold_the_whole_mass_and_share_one_scale(found: Comparison) -> None:
    percent_of_box = 100 * found.grid.to_photo.scale**2 / found.box.area
    for n, panel in enumerate(found.panels):
        density = found.density(n)
        assert density.shape == found.grid.size
        assert (density * percent_of_box).sum() == pytest.approx(1.0, rel=1e-6)
        # A cell of the map is a patch of the common grid with that very density.
        top = panel.mass.weights.max() * panel.density_factor  # type: ignore[union-attr]
        assert density.max() == pytest.approx(top, rel=1e-6)
        assert found.scale.unit_values(density).max() <= 1.0
    assert found.scale.limit == max(found.density(n).max() for n in (0, 1))
    np.testing.assert_allclose(found.difference(0, 1), found.density(0) - found.density(1))
    np.testing.assert_allclose(found.difference(0, 1), -found.difference(1, 0))
    with pytest.raises(TraceError, match="There is no panel 2"):
        found.density(2)


def test_overlap_of_equal_and_of_disjoint_maps(found: Comparison) -> None:
    left, right = np.zeros((8, 6)), np.zeros((12, 9))
    left[:, :3] = 1 / 24
    right[:, 6:] = 1 / 36
    apart = with_masses(found, left, right)
    assert apart.overlap(0, 1).intersection == pytest.approx(0.0, abs=1e-9)
    assert apart.overlap(0, 1).rank_correlation < -0.4
    # Even on the left of two grids: the same place, but for where the crops' cells end.
    right = np.zeros((12, 9))
    right[:, :5] = np.array([1, 1, 1, 1, 0.5]) / (12 * 4.5)
    alike = with_masses(found, left, right).overlap(0, 1)
    assert alike.intersection > 0.88 and alike.rank_correlation > 0.9
    same = found.overlap(1, 1)
    assert same.intersection == pytest.approx(1.0) and same.rank_correlation == pytest.approx(1)


def test_rank_correlation_is_that_of_the_cells_where_grids_agree(pair: list[Prediction]) -> None:
    found = compare([pair[0], predicted(5)], "nose")
    a, b = (panel.map for panel in found.panels)
    assert found.overlap(0, 1).rank_correlation == pytest.approx(spearman(a, b))  # type: ignore


def test_a_row_of_the_table(pair: list[Prediction], found: Comparison) -> None:
    first, second = found.table
    keypoints = [one.people[0].keypoints for one in pair]
    apart = float(np.linalg.norm(keypoints[0][9] - keypoints[1][9]))
    torso = float(np.linalg.norm(keypoints[0][5] - keypoints[0][12]))
    assert (first.distance_px, first.distance_torso, first.distance_box) == (0, 0, 0)
    assert second.distance_px == pytest.approx(apart)
    assert second.distance_torso == pytest.approx(apart / torso)
    assert second.distance_box == pytest.approx(apart / 120)
    assert second.confidence == pair[1].people[0].scores[9]
    measured = numbers(found.panels[1].map, pair[1])  # type: ignore[arg-type]
    assert second.on_person == pytest.approx(measured.mass_in_box)
    assert second.on_others == pytest.approx(measured.mass_in_other_boxes)
    assert second.on_person + second.on_others + second.elsewhere == pytest.approx(1)  # type: ignore
    assert second.entropy_nats == pytest.approx(measured.entropy_nats, rel=1e-6)
    assert second.entropy_share == pytest.approx(measured.entropy_share, rel=1e-6)
    assert second.peak_distance_px == pytest.approx(measured.peak_distance_px)
    assert first.overlap == pytest.approx(1.0)
    assert second.overlap == pytest.approx(found.overlap(0, 1).intersection)
    assert second.predict_ms == pytest.approx(1000 * pair[1].seconds["total"])
    module = pair[1].model.module
    assert second.parameters == sum(p.numel() for p in module.parameters())
    assert second.deletion is None and second.insertion is None


def test_purity_on_a_mask(pair: list[Prediction]) -> None:
    mask = np.zeros(PHOTO.size, dtype=bool)
    mask[30:90, 20:50] = True
    found = compare(pair, "nose", mask=mask)
    expected = mass_in_mask(explain(pair[0], "nose").layer(-1), mask)
    assert found.table[0].on_person == pytest.approx(expected, rel=1e-5)


def test_faithfulness_is_that_of_the_curves(pair: list[Prediction]) -> None:
    seen: list[tuple[int, int]] = []
    found = compare(
        pair, "nose", faithfulness=True, progress=lambda done, total: seen.append((done, total))
    )
    map_ = explain(pair[1], "nose").layer(-1)
    for curve, value in (
        (deletion, found.table[1].deletion),
        (insertion, found.table[1].insertion),
    ):
        (expected,) = curve(pair[1], ["nose"], [map_], person=0, steps=10, power=2.0, level="cells")
        assert value == pytest.approx(expected.share, rel=1e-5)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done) and len(set(totals)) == 1 and done[-1] == totals[0]


def test_a_map_gets_the_same_figures_here_on_explore_and_in_a_benchmark(
    pair: list[Prediction],
) -> None:
    found = compare(pair, "nose", faithfulness=True).table[1]
    map_ = explain(pair[1], "nose").layer(-1)
    on_explore = faithfulness_of(pair[1], "nose", map_, person=0)
    assert found.deletion == pytest.approx(on_explore.deletion, rel=1e-5)
    assert found.insertion == pytest.approx(on_explore.insertion, rel=1e-5)
    how = Settings()
    (benchmarked,) = deletion(
        pair[1], ["nose"], [map_], person=0, steps=how.steps, power=how.power, level=how.level
    )
    assert found.deletion == pytest.approx(benchmarked.share, rel=1e-5)
    # It matters: by single pixels the same map has another figure.
    (by_pixels,) = deletion(pair[1], ["nose"], [map_], person=0, steps=how.steps)
    assert abs(by_pixels.share - found.deletion) > 1e-3


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ModelError])
def test_stopping_ends_the_work(pair: list[Prediction], kind: type[BaseException]) -> None:
    def stop(done: int, total: int) -> None:
        raise kind("enough")

    with pytest.raises(kind, match="enough"):
        compare(pair, "nose", faithfulness=True, progress=stop)
    with pytest.raises(kind, match="enough"):
        compare(pair, "nose", method="occlusion", progress=stop)
