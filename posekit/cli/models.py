"""``posekit models``."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from posekit.cli.options import DeviceOption, JsonOption
from posekit.cli.output import show, table
from posekit.errors import ModelError


def models(
    pattern: Annotated[str, typer.Argument(help='Such as "transpose-h*".')] = "*",
    with_cost: Annotated[
        bool, typer.Option("--cost", help="Also multiply-accumulates and measured milliseconds.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """List the models: which weights are here, how large they are, how good they are."""
    from posekit import zoo
    from posekit.cards import model_card

    names = zoo.list_models(pattern)
    if not names:
        raise ModelError(f"No model matches {pattern!r}; `posekit models` lists them all.")
    entries = [zoo.entry(name) for name in names]
    cards = [model_card(entry, zoo.choose_weights(entry)) for entry in entries]
    header = ["NAME", "WEIGHTS HERE", "PARAMETERS", "INPUT", "SKELETON", "FIGURES"]
    rows = [_row(card) for card in cards]
    if with_cost:
        from posekit.cost import cost

        header[3:3] = ["GMACS", "MS A PERSON"]
        for card, row in zip(cards, rows, strict=True):
            measured = cost(zoo.load(card["name"], weights="random", device=device))
            row[3:3] = [f"{measured.macs / 1e9:.2f}", f"{measured.milliseconds}"]
            card["cost"] = dataclasses.asdict(measured)
    show(cards, table(header, rows), as_json=as_json)


def _row(card: dict[str, Any]) -> list[str]:
    height, width = card["input_size"]
    return [
        card["name"],
        card["weights"]["kind"] if card["trained"] else "none: untrained",
        f"{card['parameters'] / 1e6:.1f} M",
        f"{height} x {width}",
        card["skeleton"],
        "; ".join(_figure(card[key], by) for key, by in FIGURES if card[key]),
    ]


FIGURES = (("measured", "measured by us"), ("paper_figures", "in the paper"))


def _figure(figures: dict[str, dict[str, float]], by: str) -> str:
    """The first figure, which is the one people compare."""
    data, values = next(iter(figures.items()))
    name, value = next(iter(values.items()))
    return f"{name} {value} on {data}, {by}"
