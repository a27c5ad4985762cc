"""The loop: it learns, it resumes exactly, it measures what it says."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from posekit.checkpoint import read_state_dict
from posekit.data.augment import NONE
from posekit.data.canvas import Canvases, make_canvases
from posekit.errors import DataError, WeightsError
from posekit.evaluation import PCK
from posekit.models import transpose as tp
from posekit.training import engine
from posekit.training.engine import start_engine
from posekit.training.export import add_measurement, export
from posekit.training.heatmaps import HeatmapTask
from posekit.training.loop import Trainer, running_loss
from posekit.training.recipe import Recipe, Stage, read_recipe, with_options
from posekit.zoo import ModelEntry, entry
from tests.dots import dots

TINY = tp.TransPoseConfig("resnet", 8, 32, 32, 2, 2, keypoints=14, input_size=(64, 48), dropout=0.0)
STAGES = (Stage((64, 48), 6, 4, 1.0), Stage((96, 72), 4, 4, 1.5))
RECIPE = Recipe("tiny", STAGES, warm_up=2, bf16=False)


@pytest.mark.parametrize(
    ("asked", "has", "becomes"),
    [(True, True, "bf16-mixed"), (True, False, "32-true"), (False, True, "32-true")],
)
def test_mixed_precision_is_for_devices_that_have_it(
    monkeypatch: pytest.MonkeyPatch, asked: bool, has: bool, becomes: str
) -> None:
    monkeypatch.setattr(engine, "multiplies_bf16", lambda device: has)
    assert start_engine("cpu", bf16=asked).strategy.precision.precision == becomes


@pytest.fixture(scope="module")
def people() -> Canvases:
    return make_canvases(dots(12))


def tiny_entry() -> ModelEntry:
    return replace(
        entry("transpose-r-small"), build=lambda: tp.transpose(TINY), input_size=(64, 48)
    )


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return start_engine("cpu")


@pytest.fixture
def trainer(people: Canvases, tmp_path: Path, fabric: Fabric) -> Callable[..., Trainer]:
    def make(folder: str = "run", recipe: Recipe = RECIPE) -> Trainer:
        task = HeatmapTask(tiny_entry(), people, people, recipe.augmentation)
        return Trainer(task, recipe, tmp_path / folder, fabric)

    return make


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_resumed_training_equals_uninterrupted_training(
    people: Canvases, tmp_path: Path, fabric: Fabric, dropout: float
) -> None:
    """Bit for bit, also where the run crosses into another stage and where there is dropout."""
    config = replace(TINY, dropout=dropout)
    model = replace(tiny_entry(), build=lambda: tp.transpose(config))
    task = HeatmapTask(model, people, people, RECIPE.augmentation)
    whole = Trainer(task, RECIPE, tmp_path / "whole", fabric)
    whole.run(validate_every=100)
    first = Trainer(task, RECIPE, tmp_path / "parts", fabric)
    for _ in range(5):
        first.train_step(RECIPE.stage_at(first.step))
    first.folder.mkdir()
    first.save()
    second = Trainer(task, RECIPE, tmp_path / "parts", fabric)
    second.run(validate_every=100)
    assert second.step == whole.step == 10
    for ours, theirs in ((second.model, whole.model), (second.average, whole.average)):
        for key, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[key], value), key


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    """Two processes share each batch and are killed; one process finishes as one would have."""
    script = Path(__file__).parent / "train_linear.py"

    def run(folder: str, devices: int, steps: int) -> dict[str, torch.Tensor]:
        out = tmp_path / folder
        command = [sys.executable, str(script), str(out), str(devices), str(steps)]
        root = str(Path(__file__).parents[1])
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(torch.load(out / "last.pt", weights_only=True)["model"])

    alone = run("alone", 1, 12)
    run("shared", 2, 7)
    shared = run("shared", 2, 12)
    for key, value in alone.items():
        torch.testing.assert_close(shared[key], value, atol=2e-5, rtol=2e-4)


def test_a_batch_that_cannot_be_shared_out_is_refused(people: Canvases, tmp_path: Path) -> None:
    class Three:
        world_size = 3
        device = torch.device("cpu")

    task = HeatmapTask(tiny_entry(), people, people, NONE)
    with pytest.raises(DataError, match="evenly to 3 processes"):
        Trainer(task, RECIPE, tmp_path, Three())  # type: ignore[arg-type]


def test_every_person_once_an_epoch(trainer: Callable[..., Trainer]) -> None:
    one = trainer()
    seen: list[int] = []
    for step in range(6):
        one.step = step
        seen += one.people_of_step(4).tolist()
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12] != seen[12:]


def test_learning_rate_warms_up_and_falls_to_a_hundredth(trainer: Callable[..., Trainer]) -> None:
    one = trainer()
    rates = []
    for step in range(one.recipe.steps + 1):
        one.step = step
        rates.append(one.learning_rate())
    assert rates[0] == pytest.approx(0.5e-3) and rates[1] == pytest.approx(1e-3)
    assert all(a >= b for a, b in pairwise(rates[2:]))
    assert rates[-1] == pytest.approx(1e-5)


def test_the_average_follows_and_then_settles(trainer: Callable[..., Trainer]) -> None:
    """kept + (ours - kept) (1 - decay), where decay = min(0.999, (1 + n) / (10 + n)) at step n."""
    one = trainer()
    key = "final_layer.weight"
    kept = one.average.state_dict()[key].clone()
    one.train_step(STAGES[0])
    ours = one.model.state_dict()[key]
    expected = kept + (ours - kept) * (1 - 2 / 11)
    torch.testing.assert_close(one.average.state_dict()[key], expected)


def test_it_learns_and_keeps_the_best(trainer: Callable[..., Trainer]) -> None:
    """A few pictures of coloured dots are partly learnt by heart within seconds."""
    recipe = replace(
        RECIPE,
        stages=(Stage((64, 48), 60, 6, 1.5),),
        rate=5e-3,
        warm_up=5,
        average=0.9,
        augmentation=NONE,
    )
    one = trainer("run", recipe)
    first = one.train_step(recipe.stages[0])
    one.run(validate_every=20)
    last = one.train_step(recipe.stages[0])
    assert last < 0.4 * first
    log = [line.split(",") for line in (one.folder / "log.csv").read_text().splitlines()]
    assert log[0] == ["step", "input_height", "loss", "learning_rate", "PCK@0.2"]
    assert [line[0] for line in log[1:]] == ["20", "40", "60"]
    scores = {int(line[0]): float(line[4]) for line in log[1:]}
    best = torch.load(one.folder / "best.pt", weights_only=True)
    assert scores[best["step"]] == max(scores.values())


def test_one_bad_batch_at_the_start_is_soon_one_of_many() -> None:
    mean = torch.zeros(())
    for seen, loss in enumerate([1000.0, *[10.0] * 49], start=1):
        mean = running_loss(mean, torch.tensor(loss), seen)
    assert mean.item() == pytest.approx((1000 + 49 * 10) / 50, rel=1e-5)
    for seen in range(51, 301):  # from there on a fiftieth of what is left goes each step
        mean = running_loss(mean, torch.tensor(10.0), seen)
    assert mean.item() == pytest.approx(10 + 19.8 * (1 - 1 / 50) ** 250, rel=1e-4)


def test_a_loss_that_is_no_number_stops_the_run(trainer: Callable[..., Trainer]) -> None:
    one = trainer()
    with torch.no_grad():
        one.model.final_layer.bias.fill_(math.nan)
    with pytest.raises(DataError, match="no longer a number at step"):
        one.run(validate_every=4)


def test_data_of_another_skeleton_is_refused(people: Canvases) -> None:
    with pytest.raises(DataError, match="learns 17 keypoints; the data has 14"):
        HeatmapTask(entry("transpose-r-a3"), people, people, NONE)


def test_every_recipe_reads_and_the_last_of_a_model_ends_at_its_size() -> None:
    ends: dict[str, set[tuple[int, int]]] = {}
    for path in sorted((Path(__file__).parents[1] / "training/recipes").glob("*.toml")):
        recipe = read_recipe(path)
        if recipe.task == "heatmaps":
            ends.setdefault(recipe.model, set()).add(recipe.stages[-1].input_size)
    assert ends and all(entry(name).input_size in sizes for name, sizes in ends.items()), ends


def test_shipped_recipe_reads(tmp_path: Path) -> None:
    """The second of the four: the stages follow one another, and matrices learn by Muon."""
    folder = Path(__file__).parents[1] / "training/recipes"
    recipe = read_recipe(folder / "transpose-r-small-muon.toml")
    assert recipe.model == "transpose-r-small" and recipe.muon == 2.0
    assert recipe.stage_at(recipe.steps - 1).input_size == (192, 144)
    assert recipe.stage_at(0).input_size == (96, 72)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no recipe"),
        ("model = ", "not a training recipe"),
        ('model = "x"', "stages"),
        ('model = "x"\nspeed = 3\nstages = []', "speed"),
    ],
)
def test_a_bad_recipe_is_refused_in_words(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_recipe(path)


def test_export_writes_weights_and_a_card(people: Canvases, tmp_path: Path, fabric: Fabric) -> None:
    recipe = Recipe("transpose-r-small", (Stage((64, 48), 1, 2, 1.0),), scenes=3, bf16=False)
    task = HeatmapTask(entry("transpose-r-small"), people, people, NONE)
    one = Trainer(task, recipe, tmp_path / "run", fabric)
    one.run(validate_every=100)
    weights = export(tmp_path / "run", recipe, tmp_path / "out", 12, "dots")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["trained_on"] == "12 photographs of dots and 3 rendered scenes, from random weights"
    assert card["training"]["steps"] == 1
    state = read_state_dict(weights)
    kept = one.average.state_dict()
    assert state["layer1.0.conv1.weight"].dtype == torch.float16
    for key, value in state.items():
        torch.testing.assert_close(value.to(kept[key].dtype), kept[key], atol=2e-3, rtol=2e-3)
    add_measurement(weights, "dots", PCK(12.5, {"nose": 12.5}, 3, 40), "measure dots")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["measured"] == {"dots": {"PCK@0.2": 12.5}}
    assert card["measured_details"]["dots"]["PCK@0.2"]["command"] == "measure dots"
    assert card["intervals"] == {}
    ends = {"PCK@0.2": (11.0, 14.0), "precision": (1.0, 2.0)}
    add_measurement(weights, "dots", PCK(12.5, {}, 3, 40), "measure dots", ends)
    add_measurement(weights, "dots", PCK(90.0, {}, 3, 40, "PCKh@0.5"), "measure heads")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["measured"] == {"dots": {"PCK@0.2": 12.5, "PCKh@0.5": 90.0}}
    assert card["intervals"] == {"dots": {"PCK@0.2": [11.0, 14.0]}}
    add_measurement(weights, "dots", PCK(20.0, {}, 3, 40), "measure dots")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert not card["intervals"].get("dots")  # the old interval was of the old figure
    with pytest.raises(WeightsError, match="no training run"):
        export(tmp_path, recipe, tmp_path, 1, "dots")


def test_options_of_a_recipe_can_be_changed_one_by_one() -> None:
    options = {"offsets": True, "crowds": {"composites": 9, "side": 64}}
    recipe = Recipe("tiny", (Stage((32, 32), 1, 1),), options=options)
    changed = with_options(recipe, ["offsets=false", "crowds.side=32", "elsewhere = 0.5"])
    crowds = {"composites": 9, "side": 32}
    assert changed.options == {"offsets": False, "crowds": crowds, "elsewhere": 0.5}
    assert recipe.options["crowds"]["side"] == 64
    assert with_options(recipe, []) == recipe
    for wrong in ("offsets", "offsets=yes", "=1"):
        with pytest.raises(DataError, match="NAME=VALUE"):
            with_options(recipe, [wrong])
