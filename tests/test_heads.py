"""What each head is worth, against networks whose heads were cut out by hand."""

from __future__ import annotations

import copy
import csv
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit.cli import app
from posekit.errors import ModelError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.heads import survey_heads
from posekit.explain import knockout
from posekit.explain.asked import crop_input, peak_of
from posekit.explain.heads import HeadWorth, heads
from posekit.geometry import Box
from tests import tiny_instance
from tests.linear_model import Stop, linear_prediction, stop_at_once
from tests.tiny_models import noise_photo, tiny_btranspose, tiny_model

BOX = Box(20, 20, 60, 90)
RUNNER = Path(__file__).parents[1] / "assets" / "examples" / "runner.jpg"


@pytest.fixture(scope="module")
def low() -> Prediction:
    return Estimator(tiny_model(layers=2)).predict(noise_photo(), [BOX])


@pytest.fixture(scope="module")
def two_levels() -> Prediction:
    return Estimator(tiny_btranspose()).predict(noise_photo(), [BOX])


@pytest.mark.parametrize("which", ["low", "two_levels"])
def test_a_silenced_head_is_one_that_brings_nothing(which: str, request) -> None:
    """As if its part of the output projection, or its values in an MHSA block, were zero."""
    prediction: Prediction = request.getfixturevalue(which)
    found = heads(prediction)
    assert prediction.trace is not None
    layers = list(prediction.trace.attentions)
    assert list(dict.fromkeys(found.layers)) == layers
    assert len(found.heads) == sum(one.heads for one in prediction.trace.attentions.values())
    target, image = peak_of(prediction, 3), crop_input(prediction, 0)
    whole = float(target(prediction.model.module(image)).detach())
    assert found.values[3] == pytest.approx(whole, abs=1e-6)
    for row, (name, head) in enumerate(zip(found.layers, found.heads, strict=True)):
        network = copy.deepcopy(prediction.model.module)
        number = int(name.split(".")[1]) - 1
        with torch.no_grad():
            if name.startswith("mhsa"):
                mhsa = list(network.bottlenecks)[number].mhsa
                mhsa.value.weight[head * mhsa.d : (head + 1) * mhsa.d] = 0
            else:
                attention = network.global_encoder.layers[number].self_attn
                d = attention.out_proj.in_features // attention.heads
                attention.out_proj.weight[:, head * d : (head + 1) * d] = 0
            without = float(target(network(image)))
        assert found.falls[row, 3] == pytest.approx(whole - without, abs=2e-6)
    assert np.nanmax(np.abs(found.falls)) > 1e-4


def test_one_layer_is_as_among_all(low: Prediction) -> None:
    whole = heads(low)
    last = heads(low, layers=["encoder.2"])
    assert last.layers == ("encoder.2",) * 4 and last.heads == (0, 1, 2, 3)
    np.testing.assert_allclose(last.falls, whole.layer("encoder.2"), atol=1e-6)
    np.testing.assert_allclose(last.layer("encoder.2"), heads(low, layers=[-1]).falls, atol=1e-6)
    assert posekit.heads is heads


def test_keypoints_that_were_not_found_have_no_number(two_levels: Prediction) -> None:
    assert two_levels.trace is not None and two_levels.trace.heatmaps is not None
    there = (two_levels.trace.heatmaps[0].flatten(1).amax(-1) > 0).numpy()
    assert 0 < there.sum() < len(there)
    found = heads(two_levels)
    np.testing.assert_array_equal(np.isfinite(found.values), there)
    np.testing.assert_array_equal(np.isfinite(found.falls), np.tile(there, (len(found.heads), 1)))
    whole = Estimator(tiny_instance.tiny_model()).predict(noise_photo(64, 64), [Box(2, 2, 60, 60)])
    some = whole.people[0].found
    assert 0 < some.sum() < len(some)
    np.testing.assert_array_equal(np.isfinite(heads(whole).values), some)
    lost = replace(two_levels.people[0], keypoints=np.full((len(there), 2), np.nan))
    with pytest.raises(TraceError, match="No keypoint of this person was found"):
        heads(replace(two_levels, people=(lost,)))


def test_what_cannot_be_is_said_in_a_sentence(low: Prediction) -> None:
    with pytest.raises(TraceError, match="no attention between places"):
        heads(linear_prediction())
    with pytest.raises(TraceError, match=r"no layer 'encoder.9'"):
        heads(low, layers=["encoder.9"])
    with pytest.raises(TraceError, match=r"There is no person 4"):
        heads(low, 4)
    with pytest.raises(TraceError, match=r"no layer 'x': choose one of encoder.1, encoder.2"):
        heads(low).layer("x")
    knocked = Estimator(low.model).predict(
        low.photo, [BOX], knocked_out=np.indices(low.photo.size)[1] > 60
    )
    with pytest.raises(TraceError, match="was knocked out here"):
        heads(knocked)


def test_it_counts_and_can_be_stopped(low: Prediction) -> None:
    calls: list[tuple[int, int]] = []
    heads(low, progress=lambda *call: calls.append(call))
    assert calls == [(n, 8) for n in range(1, 9)]
    with pytest.raises(Stop):
        heads(low, progress=stop_at_once)


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(
            app, ["heads", str(RUNNER), "--box", "146,27,418,677", *words], env={"COLUMNS": "120"}
        )
        assert done.exit_code == code, done.output
        return done.output

    text = run("--weights", "random", "--layer", "encoder.3", "--out", "a.csv")
    assert "MEAN FALL" in text and text.count("encoder.3") == 4
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert len(rows) == 4 * len({row["keypoint"] for row in rows})
    told = json.loads(
        CliRunner()
        .invoke(app, ["heads", str(RUNNER), "--weights", "random", "--json", "--out", "b.json"])
        .stdout
    )
    assert told == json.loads((tmp_path / "b.json").read_text())
    assert told["trained"] is False and len(told["heads"]) == 12
    run("--weights", "random", "--out", "c.svg")
    drawn = (tmp_path / "c.svg").read_text()
    assert "<svg" in drawn
    assert "no layer" in run("--layer", "encoder.7", code=1)
    run("--out", "c.gif", code=2)


def test_attention_that_does_not_ask_is_noticed(
    low: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knockout, "forbid", lambda looks: nullcontext(set()))
    with pytest.raises(ModelError, match="cannot be blocked"):
        heads(low)


def test_a_worth_is_plain_values() -> None:
    one = HeadWorth(("a", "a", "b"), (0, 1, 0), ("x",), np.ones(1), np.arange(3.0)[:, None], 0, 0.1)
    assert one.layer("a").ravel().tolist() == [0, 1] and one.layer("b").ravel().tolist() == [2]


def test_over_photographs_it_is_the_mean_with_intervals(
    low: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        Image.fromarray(noise_photo(160, 120, seed=n).pixels).save(tmp_path / f"{n}.png")
    counted: list[tuple[int, int]] = []
    found = survey_heads(low.model, tmp_path, "encoder.2", progress=lambda *c: counted.append(c))
    each = [
        heads(Estimator(low.model).predict(noise_photo(160, 120, seed=n)), layers=["encoder.2"])
        for n in range(3)
    ]
    expected = np.array([one.falls for one in each])
    known = np.isfinite(expected).any(0)
    mean = np.nanmean(expected[:, known], axis=0)
    np.testing.assert_allclose(found.mean.falls[known], mean, atol=1e-6)
    both = np.isfinite(expected).sum(0) > 1
    assert (found.low[both] <= found.mean.falls[both] + 1e-9).all()
    assert (found.high[both] >= found.mean.falls[both] - 1e-9).all()
    assert np.isnan(found.low[~both]).all()
    assert (found.photos, found.people) == (3, 3) and counted[-1] == (3, 3)
    with pytest.raises(TraceError, match=r"no layer 'encoder\.9'"):
        survey_heads(low.model, tmp_path, "encoder.9")
    monkeypatch.chdir(tmp_path)
    words = ["heads", str(tmp_path), "--weights", "random", "--layer", "encoder.1"]
    told = json.loads(CliRunner().invoke(app, [*words, "--json", "--out", "m.csv"]).stdout)
    assert told["people"] == 3 and len(told["heads"][0]["low"]) == 14
    assert "low,high" in (tmp_path / "m.csv").read_text().splitlines()[0]
    assert CliRunner().invoke(app, [*words, "--box", "1,2,3,4"]).exit_code == 2
