"""What the measurements of several weights beside one another share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from posekit.cli.output import table

__all__ = ["data_values", "figures_table", "named_file"]


def data_values(data: Path, part: str) -> dict[str, str | None]:
    """What was measured on, for JSON: the data set's name without its folder, and which part.

    Args:
        data: a ``.json`` file, which has no parts, or a folder.
        part: of the folder.
    """
    if data.suffix.lower() == ".json":
        return {"data": data.stem, "part": None}
    return {"data": data.resolve().name, "part": part}


def named_file(text: str) -> tuple[str, str]:
    """``"NAME=FILE"`` as a name and a file.

    Raises:
        BadParameter: it is not of that form.
    """
    name, mark, file = text.partition("=")
    if not (name and mark and file):
        raise typer.BadParameter(f"--beside takes NAME=FILE, not {text!r}.")
    return name, file


def figures_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Figures by the name of the weights, as a table to print."""
    names = list(next(iter(rows.values())))
    lines = [
        [title, *(f"{figures.get(name, float('nan')):.2f}" for name in names)]
        for title, figures in rows.items()
    ]
    return table(["WEIGHTS", *names], lines)
