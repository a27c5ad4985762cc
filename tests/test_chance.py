"""One figure for a map beside chance: what it is made of, what it says, how it is stopped."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain
from posekit.explain.faithfulness import (
    Chance,
    Faithfulness,
    chance_of,
    deletion,
    faithfulness_of,
    insertion,
    random_map,
    spot_map,
)
from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.surface import token_grid
from posekit.explain.together import questions
from tests.linear_model import Stop, linear_prediction, peak, stop_at_once
from tests.tiny_models import noise_photo, tiny_model


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model(layers=1)).predict(noise_photo())


@pytest.fixture(scope="module")
def linear() -> Prediction:
    return linear_prediction()


def test_the_figure_is_made_of_the_curves(linear: Prediction) -> None:
    """Insertion and deletion of the map itself, of random maps, and of the spot, one by one."""
    target = peak(sure(linear))
    one = explain(linear, target, method="occlusion", window=8, stride=8)
    assert isinstance(one, HeatMap)
    found = faithfulness_of(linear, target, one, steps=4)

    def share(kind, map_):  # type: ignore[no-untyped-def]
        return kind(linear, [target], [map_], steps=4, power=2.0, level="cells")[0].share

    assert found.insertion == pytest.approx(share(insertion, one), rel=1e-5)
    assert found.deletion == pytest.approx(share(deletion, one), rel=1e-5)
    maps = [random_map(linear, target, seed=seed) for seed in range(5)]
    assert found.chance.insertion == pytest.approx([share(insertion, m) for m in maps], rel=1e-5)
    assert found.chance.deletion == pytest.approx([share(deletion, m) for m in maps], rel=1e-5)
    spot = spot_map(linear, target)
    assert found.chance.spot == pytest.approx(
        (share(insertion, spot), share(deletion, spot)), rel=1e-5
    )
    assert found.score == pytest.approx((found.insertion + 1 - found.deletion) / 2)
    assert found.chance_score == pytest.approx(np.mean(found.chance.scores))


def test_chance_measured_before_is_the_same_and_saves_its_passes(linear: Prediction) -> None:
    target, passes = peak(sure(linear)), []
    one = random_map(linear, target, seed=77)
    whole = faithfulness_of(linear, target, one, steps=3)
    chance = chance_of(linear, target, steps=3)
    again = faithfulness_of(
        linear, target, one, steps=3, chance=chance, progress=lambda *at: passes.append(at)
    )
    assert again.chance is chance
    # Batches of other sizes add up in another order, and the curve sums many such passes.
    curves = (whole.insertion, whole.deletion)
    assert (again.insertion, again.deletion) == pytest.approx(curves, rel=1e-5)
    assert chance.insertion == pytest.approx(whole.chance.insertion, rel=1e-5)
    assert passes[-1] == (8, 8)  # twice: the whole, nothing, and two steps between


def test_the_truth_beats_chance_and_its_opposite_loses(linear: Prediction) -> None:
    """What each square adds, read off the weights of the linear model."""
    target = peak(sure(linear))
    truth = explain(linear, target, method="occlusion", window=8, stride=8)
    assert isinstance(truth, HeatMap)
    opposite = HeatMap("against", -truth.values, truth.grid, truth.crop, signed=True)
    assert faithfulness_of(linear, target, truth).verdict == "better"
    assert faithfulness_of(linear, target, opposite).verdict == "worse"


def test_fineness_gives_no_advantage(prediction: Prediction) -> None:
    """A map and the same map drawn pixel by pixel have the same figure."""
    grid = token_grid(questions(prediction, ["nose"]))
    coarse = random_map(prediction, "nose", seed=5)
    assert coarse.grid.size == grid.size
    crop = prediction.people[0].crop
    at = grid.token_at(pixel_grid(crop.size).centres()).reshape(crop.size)
    fine = HeatMap("fine", coarse.values.ravel()[at], pixel_grid(crop.size), crop)
    chance = Chance((0.5,), (0.5,), (0.5, 0.5))
    one, other = (
        faithfulness_of(prediction, "nose", m, chance=chance, steps=5) for m in (coarse, fine)
    )
    assert (other.insertion, other.deletion) == pytest.approx((one.insertion, one.deletion))


@pytest.mark.parametrize(
    ("insertion", "deletion", "verdict", "said"),
    [
        (0.9, 0.1, "better", "and than a plain spot"),
        (0.7, 0.3, "better", "no better than a plain spot"),
        (0.5, 0.5, "alike", "No better than chance"),
        (0.2, 0.9, "worse", "Worse than chance"),
    ],
)
def test_the_meaning_is_one_sentence(
    insertion: float, deletion: float, verdict: str, said: str
) -> None:
    chance = Chance((0.4, 0.6), (0.6, 0.4), (0.8, 0.2))
    found = Faithfulness(insertion, deletion, chance)
    assert found.verdict == verdict
    assert said in found.meaning and found.meaning.endswith(".")
    assert found.words == (
        f"faithfulness {(insertion + 1 - deletion) / 2:.2f} (random maps 0.50, a plain spot 0.80)"
    )


def test_every_layer_of_attention_can_be_measured_and_the_work_stopped(
    prediction: Prediction,
) -> None:
    (layer,) = explain(prediction, "nose").maps
    counted: list[tuple[int, int]] = []
    found = faithfulness_of(
        prediction, "nose", layer, steps=2, batch_size=3, progress=lambda *at: counted.append(at)
    )
    assert np.isfinite([found.score, found.chance_score]).all()
    total = 2 * (2 + 7)
    assert counted[-1] == (total, total)
    assert [done for done, _ in counted] == sorted({done for done, _ in counted})
    with pytest.raises(Stop):
        chance_of(prediction, "nose", progress=stop_at_once)


def test_what_cannot_be_measured_is_a_sentence(prediction: Prediction, linear: Prediction) -> None:
    with pytest.raises(TraceError, match="at least one random map"):
        chance_of(prediction, "nose", maps=0)
    nowhere = next(k for k in range(17) if _rise(linear, k) <= 0)
    with pytest.raises(TraceError, match="choose a keypoint that the model is sure of"):
        chance_of(linear, peak(nowhere))


def sure(linear: Prediction) -> int:
    """A keypoint that the whole photo speaks for, beside both baselines."""
    return max(range(17), key=lambda k: _rise(linear, k))


def _rise(linear: Prediction, keypoint: int) -> float:
    map_ = random_map(linear, peak(keypoint))
    ends = [kind(linear, [peak(keypoint)], [map_], steps=1)[0] for kind in (insertion, deletion)]
    return min(curve.full - curve.empty for curve in ends)
