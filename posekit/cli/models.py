"""``posekit models``."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.options import DeviceOption, JsonOption
from posekit.cli.output import show, table
from posekit.errors import ModelError

if TYPE_CHECKING:
    from posekit.cost import Cost
    from posekit.zoo import ModelEntry


def models(
    pattern: Annotated[str, typer.Argument(help='Such as "transpose-h*".')] = "*",
    with_cost: Annotated[
        bool,
        typer.Option(
            "--cost",
            help="Also multiply-accumulates and measured milliseconds, of one person's crop or, "
            "of a model of whole photos, of one photo of its input's size.",
        ),
    ] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--card",
            help="With --cost: write it into the cards of shipped models, those without weights "
            "of the same system beside it.",
        ),
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """List the models: which weights are here, how large they are, how good they are."""
    from posekit import zoo
    from posekit.cards import model_card

    names = [*zoo.list_models(pattern), *zoo.list_models(pattern, view="backbone")]
    if not names:
        raise ModelError(f"No model matches {pattern!r}; `posekit models` lists them all.")
    entries = [zoo.entry(name) for name in names]
    cards = [model_card(entry, zoo.choose_weights(entry)) for entry in entries]
    header = ["NAME", "WEIGHTS HERE", "PARAMETERS", "INPUT", "SKELETON", "FIGURES"]
    rows = [_row(card) for card in cards]
    if write and not with_cost:
        raise typer.BadParameter("--card goes with --cost.")
    if with_cost:
        from posekit.cost import cost

        header[3:3] = ["GMACS", "MS"]
        costs = {}
        for card, row in zip(cards, rows, strict=True):
            measured = cost(zoo.load(card["name"], weights="random", device=device))
            costs[card["name"]] = measured
            row[3:3] = [f"{measured.macs / 1e9:.2f}", f"{measured.milliseconds} a {measured.of}"]
            card["cost"] = dataclasses.asdict(measured)
        if write:
            _write(entries, costs, pattern)
    show(cards, table(header, rows), as_json=as_json)


def _write(entries: list[ModelEntry], costs: dict[str, Cost], pattern: str) -> None:
    from posekit.training.export import add_measurement
    from posekit.zoo import choose_weights

    for entry in entries:
        weights, own = choose_weights(entry), costs[entry.name]
        if weights.kind != "shipped" or weights.local is None:
            continue
        device = "CPU" if own.device == "cpu" else "GPU"
        threads = f", {own.threads} thread{'s' if own.threads > 1 else ''}" * (device == "CPU")
        height, width = own.input_size
        beside = {
            other.name: {**costs[other.name].figures, **costs[other.name].details}
            for other in entries
            if other.system == entry.system and choose_weights(other).kind == "random"
        }
        more: dict[str, Any] = {"beside": beside} if beside else {}
        add_measurement(
            weights.local,
            f"cost of one {own.of}, {width} x {height}, {device}{threads}",
            own,
            f"posekit models {shlex.quote(pattern)} --cost --card",
            **more,
        )


def _row(card: dict[str, Any]) -> list[str]:
    height, width = card["input_size"]
    return [
        card["name"],
        _here(card),
        f"{card['parameters'] / 1e6:.1f} M",
        f"{height} x {width}",
        card["skeleton"],
        "; ".join(
            _figure(card[key], by)
            for key, by in (("measured", "measured by us"), ("paper_figures", card["figures_from"]))
            if card[key]
        ),
    ]


def _here(card: dict[str, Any]) -> str:
    """Which weights are on this machine."""
    if not card["trained"]:
        return "none: untrained"
    kind: str = card["weights"]["kind"]
    return kind if card["weights"]["checked"] else f"{kind}, not checked"


def _figure(figures: dict[str, dict[str, float]], by: str) -> str:
    """The first figure, which is the one people compare."""
    data, values = next(iter(figures.items()))
    name, value = next(iter(values.items()))
    return f"{name} {value} on {data}, {by}"
