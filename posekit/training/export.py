"""From a training run to a checkpoint with its model card."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posekit.checkpoint import save_safetensors
from posekit.data.lsp import HELD_OUT
from posekit.errors import WeightsError
from posekit.evaluation.figures import Measurement
from posekit.training.loop import BEST, LAST
from posekit.training.recipe import Recipe
from posekit.zoo import entry

HELD_OUT_NAME = f"LSPET, {HELD_OUT} photographs kept out of training"


def export(
    run: Path,
    recipe: Recipe,
    folder: Path,
    people: int,
    data: str,
    *,
    besides: str | None = None,
    examples: int | None = None,
    start: str = "random weights",
    product: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    beside: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    network: nn.Module | None = None,
) -> Path:
    """Write the averaged weights of a run as half-precision safetensors, with a first model card.

    The best ones measured at the recipe's last input size are taken, or else the last.

    Args:
        run: folder of the run.
        recipe: what was trained.
        folder: where ``<model>.safetensors`` and ``<model>.json`` go.
        people: how many photographs were trained on, besides the recipe's scenes.
        data: what the photographs are, in words.
        besides: what else was learnt from, in words; the recipe's scenes by default.
        examples: what an epoch goes through; photographs and scenes by default.
        start: what training started from, in words.
        product: takes the model's weights out of those of the whole network, where it has more.
        beside: takes out of them what the file keeps besides the model.
        network: takes the weights before they are written; the zoo's by default, which a recipe's
            options may have changed.

    Returns:
        The path of the weights.

    Raises:
        WeightsError: the folder holds no run.
    """
    path = run / BEST if (run / BEST).exists() else run / LAST
    if not path.exists():
        raise WeightsError(f"{run} holds no training run.")
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = entry(recipe.model).build() if network is None else network
    average = state["average"]
    model.load_state_dict(average if product is None else product(average))
    weights = save_safetensors(
        model,
        folder / f"{recipe.model}.safetensors",
        half=True,
        beside=None if beside is None else beside(average),
    )
    seen = 0
    for step in range(state["step"]):
        seen += recipe.stage_at(step).batch
    if besides is None:
        besides = f"{recipe.scenes:,} rendered scenes" if recipe.scenes else ""
    more = f" and {besides}" if besides else ""
    card = {
        "trained_on": f"{people:,} photographs of {data}{more}, from {start}",
        "measured": {},
        "intervals": {},
        "training": {
            "steps": state["step"],
            "epochs": round(seen / (examples or people + recipe.scenes), 1),
            "recipe": dataclasses.asdict(recipe),
        },
    }
    write_card(weights, card)
    return weights


def write_card(weights: Path, changes: dict[str, Any]) -> Path:
    """Update the model card beside a checkpoint; what ``changes`` does not name stays."""
    path = weights.with_suffix(".json")
    card = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(card | changes, indent=2) + "\n", "utf-8")
    return path


def add_measurement(
    weights: Path,
    data: str,
    score: Measurement,
    command: str,
    intervals: Mapping[str, Sequence[float]] | None = None,
    **how: Any,
) -> Path:
    """Put a measurement into the card, with the command that made it.

    What the card holds of other data sets, and of other measures on this one, stays.

    Args:
        weights: the checkpoint.
        data: what it was measured on, in words.
        score: the figures.
        command: what to type to measure the same again.
        intervals: both ends of the 95 % interval, for the figures that have one.
        **how: anything else that the figures depend on, such as where the boxes came from.

    Returns:
        The path of the card.
    """
    path = weights.with_suffix(".json")
    card = json.loads(path.read_text("utf-8")) if path.exists() else {}
    measured, details = card.get("measured", {}), card.get("measured_details", {})
    figures, measure = dict(score.figures), next(iter(score.figures))
    measured = measured | {data: measured.get(data, {}) | figures}
    known = card.get("intervals", {})
    # An interval of figures that are measured anew without one would be of the old figures.
    ends = {name: pair for name, pair in known.get(data, {}).items() if name not in figures}
    ends |= {name: list(pair) for name, pair in (intervals or {}).items() if name in figures}
    own = {"command": command, **how, **score.details}
    details = details | {data: details.get(data, {}) | {measure: own}}
    intervals = {name: pairs for name, pairs in (known | {data: ends}).items() if pairs}
    changes = {"measured": measured, "intervals": intervals, "measured_details": details}
    return write_card(weights, changes)
