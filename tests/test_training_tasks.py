"""Tasks by name: a recipe names one, and its options are checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from posekit.errors import DataError
from posekit.training.optimisers import weight_groups
from posekit.training.recipe import Recipe, Stage, read_recipe
from posekit.training.tasks import (
    Prepared,
    Source,
    options_of,
    prepare,
    register_task,
    task_kinds,
)
from posekit.zoo import entry

RECIPE = Recipe("transpose-r-small", (Stage((64, 48), 2, 2),))


@dataclass(frozen=True)
class Options:
    """Two of them."""

    speed: int = 3
    colour: str = "red"


def test_every_recipe_names_a_task_that_there_is() -> None:
    for path in sorted((Path(__file__).parents[1] / "training/recipes").glob("*.toml")):
        assert read_recipe(path).task in task_kinds(), path.name


def test_a_task_joins_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posekit.training.tasks._KINDS", {"heatmaps": lambda *_: None})
    task_kinds()

    @register_task("counting")
    def counting(model: object, recipe: Recipe, source: Source) -> Prepared:
        return Prepared(task=(model, recipe, source), photographs=4, words="four")  # type: ignore[arg-type]

    model, source = entry("transpose-r-small"), Source(Path("there"))
    recipe = replace(RECIPE, task="counting")
    assert prepare(model, recipe, source).task == (model, recipe, source)
    with pytest.raises(DataError, match="registered already"):
        register_task("counting")(counting)
    with pytest.raises(DataError, match="no task 'dancing'; there are counting, heatmaps"):
        prepare(model, replace(RECIPE, task="dancing"), source)


def test_options_of_a_recipe() -> None:
    assert options_of(replace(RECIPE, options={"speed": 4}), Options) == Options(4, "red")
    with pytest.raises(DataError, match=r"task 'heatmaps'.*taste"):
        options_of(replace(RECIPE, options={"taste": 4}), Options)
    with pytest.raises(DataError, match="The task 'heatmaps' has no option"):
        prepare(entry("transpose-r-small"), replace(RECIPE, options={"a": 1}), Source(Path("x")))


def test_the_data_sets_name() -> None:
    assert Source(Path("a/people_val.json")).name == "people_val"
    assert Source(Path("a/lspet")).name == "LSPET"


def test_some_weights_learn_faster() -> None:
    model = nn.ModuleDict({"flow": nn.Linear(2, 2), "trunk": nn.Linear(2, 2)})
    model["trunk"].bias.requires_grad_(False)
    slow, bias, fast = weight_groups(model, {"*.bias": 5.0, "flow.*": 10.0})
    assert slow["factor"] == 1.0 and slow["params"] == [model["trunk"].weight]
    assert bias["factor"] == 5.0 and bias["params"] == [model["flow"].bias]
    assert fast["factor"] == 10.0 and fast["params"] == [model["flow"].weight]
    assert [len(group["params"]) for group in weight_groups(model, {})] == [3]
    with pytest.raises(DataError, match=r"'head\.\*' in rates"):
        weight_groups(model, {"head.*": 2.0})


def test_the_rate_of_a_group_follows_the_schedule(tmp_path: Path) -> None:
    from posekit.training.engine import start_engine
    from posekit.training.loop import Trainer
    from tests.train_linear import Linear

    recipe = Recipe("linear", (Stage((8, 8), 12, 8),), warm_up=2, bf16=False, rates={"3.*": 10.0})
    trainer = Trainer(Linear(), recipe, tmp_path, start_engine("cpu"))
    trainer.train_step(recipe.stages[0])
    slow, fast = trainer.groups
    assert slow["lr"] == pytest.approx(0.5e-3) and fast["lr"] == pytest.approx(5e-3)
    assert torch.equal(fast["params"][0], trainer.model.module[3].weight)
