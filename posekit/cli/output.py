"""What the commands print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

__all__ = ["remark", "show", "table"]


def remark(text: str) -> None:
    """One line on standard error."""
    typer.echo(f"posekit: {text}", err=True)


def show(result: Any, text: str, *, as_json: bool) -> None:
    """A command's result on standard output: the plain values as JSON, or the text."""
    typer.echo(json.dumps(result, indent=2) if as_json else text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns under a header."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
