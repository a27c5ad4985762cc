"""Model cards: what a model is, what its weights have seen, and how well it does.

The card merges what the zoo knows (paper, the authors' figures) with the JSON file that lies beside
a checkpoint, ``transpose-r-small.json`` beside ``transpose-r-small.safetensors``. It may hold::

    {
      "trained_on": "8,000 photos of LSPET, ...",        one phrase each
      "not_trained_on": "crowds, ...",
      "measured": {"500 photos kept out": {"PCK@0.2": 71.3}},
      "intervals": {"500 photos kept out": {"PCK@0.2": [68.9, 73.5]}},
      "limits": "...", "training": {...}, ...            anything else, passed on as it is
    }
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from posekit.errors import WeightsError
from posekit.systems import system_words

if TYPE_CHECKING:
    from posekit.weights import WeightsFile
    from posekit.zoo import ModelEntry

__all__ = [
    "INTERVAL",
    "comparable",
    "figure_values",
    "interval_words",
    "model_card",
    "parameter_count",
    "read_card",
    "whom_words",
]

UNTRAINED = (
    "Untrained: its weights are random, so its poses are guesses and its maps show nothing learnt."
)


UNCHECKED = "a file of the authors' name, not checked"
"""What is to be said of a file in the place of the authors' that no download left there."""


INTERVAL = "in brackets: 95 % interval, by bootstrap over photographs"
"""What the brackets of :func:`figure_values` are."""


def parameter_count(entry: ModelEntry) -> int:
    """Numbers in the network, fixed position table included, without allocating it."""
    with torch.device("meta"):
        module = entry.build()
    return sum(parameter.numel() for parameter in module.parameters())


def read_card(weights: WeightsFile) -> dict[str, Any]:
    """The JSON card beside a weights file; empty when there is none.

    Raises:
        WeightsError: the card is not a JSON object.
    """
    path = card_path(weights)
    if path is None or not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise WeightsError(f"The model card {path.name} cannot be read: {error}.") from error
    if not isinstance(card, dict):
        raise WeightsError(f"The model card {path.name} is not a JSON object.")
    return card


def card_path(weights: WeightsFile) -> Path | None:
    """Where the card of a weights file lies."""
    return weights.local.with_suffix(".json") if weights.local is not None else None


def comparable(measured: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Our figures with those first that all models of poses share, and what a pass costs last.

    The first figure of the first data set is what people set side by side.
    """
    sets = sorted(measured.items(), key=lambda one: one[0].startswith("cost of"))
    return {
        data: dict(sorted(figures.items(), key=lambda one: not one[0].startswith("PCK")))
        for data, figures in sets
    }


def figure_values(
    figures: Mapping[str, float], intervals: Mapping[str, Sequence[float]] | None = None
) -> dict[str, str]:
    """Figures of one data set as they are read: ``66.74``, or ``66.74 (64.0 to 69.3)``.

    Args:
        figures: by name.
        intervals: both ends of the 95 % interval, for the figures that have one.
    """
    ends = intervals or {}
    return {
        name: f"{value} ({interval_words(ends[name])})" if name in ends else f"{value}"
        for name, value in figures.items()
    }


def interval_words(ends: Sequence[float]) -> str:
    """``64.0 to 69.3``."""
    low, high = ends
    return f"{low:.1f} to {high:.1f}"


def whom_words(card: Mapping[str, Any], data: str) -> str:
    """How many people and keypoints figures of a data set are of, and who was left out.

    Args:
        card: a model's card, see :func:`model_card`.
        data: one of the data sets in its ``measured``.

    Returns:
        Empty where the card does not know: what a pass costs is of nobody.
    """
    details = card.get("measured_details", {}).get(data, {})
    entry = next((one for one in details.values() if one.get("people")), None)
    if entry is None:
        return ""
    counts = [(entry["people"], "people"), (entry.get("keypoints"), "keypoints")]
    said = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    if left := entry.get("left out"):
        return f"{said}; {left:,} people left out, whose torso or head is not labelled"
    if (pose := entry.get("PCK")) and pose.get("people"):
        return f"{said}; PCK of {pose['people']:,}, whose torso is labelled"
    return said


def model_card(
    entry: ModelEntry, weights: WeightsFile, *, parameters: int | None = None
) -> dict[str, Any]:
    """Everything there is to say about a model with these weights, ready for JSON.

    Args:
        entry: the model in the zoo.
        weights: the weights it runs with.
        parameters: how many it has, where that is known; None counts them.

    Returns:
        ``name title system system_words paper skeleton keypoints input_size parameters trained
        status weights paper_figures figures_from no_figures measured intervals trained_on
        not_trained_on``, and what else the checkpoint's own card says. ``system_words`` and
        ``status`` are one sentence for people. ``paper_figures`` and ``measured`` are
        ``{data set: {figure: number}}``, apart because they were measured by different people; ours
        in the order of :func:`comparable`. ``figures_from`` says where the authors' stand, and
        ``no_figures`` is a sentence for where there are none. ``intervals`` are the 95 % intervals
        of ours that have one, ``{data set: {figure: [low, high]}}``.

    Raises:
        WeightsError: the checkpoint's card is damaged.
    """
    own = read_card(weights)
    trained = weights.kind != "random"
    known: dict[str, Any] = {
        "name": entry.name,
        "title": entry.title,
        "system": entry.system,
        "system_words": system_words(entry.system),
        "paper": {
            "title": entry.paper.title,
            "venue": entry.paper.venue,
            "year": entry.paper.year,
            "url": entry.paper.url,
        },
        "skeleton": entry.skeleton.title,
        "keypoints": list(entry.skeleton.keypoints),
        "input_size": list(entry.input_size),
        "parameters": parameter_count(entry) if parameters is None else parameters,
        "trained": trained,
        "status": _status(entry, weights),
        "weights": {
            "kind": weights.kind,
            "note": weights.note if weights.checked else UNCHECKED,
            "file": weights.path,
            "checked": weights.checked,
        },
        "paper_figures": {data: dict(figures) for data, figures in entry.paper_figures.items()},
        "figures_from": entry.figures_from,
        "no_figures": entry.no_figures,
        "measured": {},
        "intervals": {},
        "trained_on": _trained_on(weights),
        "not_trained_on": "",
    }
    fixed = known.keys() - {"measured", "intervals", "trained_on", "not_trained_on"}
    card = known | {key: value for key, value in own.items() if key not in fixed}
    return card | {"measured": comparable(card["measured"])}


def _trained_on(weights: WeightsFile) -> str:
    if weights.kind == "random":
        return "nothing"
    if weights.checked or not weights.trained_on:
        return weights.trained_on
    return f"{weights.trained_on}, if it is the authors' file"


def _status(entry: ModelEntry, weights: WeightsFile) -> str:
    if weights.kind == "random":
        hint = ""
        if any(file.kind == "official" for file in entry.weights):
            hint = f" `posekit weights download {entry.name}` fetches the authors' weights."
        elif entry.by_hand:
            hint = f" `posekit serve --weights {entry.name}=FILE` reads a file of the authors'."
        return UNTRAINED + hint
    if weights.kind == "file":
        return f"Weights: {weights.note}; PoseKit does not know what they were trained on."
    return f"Weights: {weights.note if weights.checked else UNCHECKED}."
