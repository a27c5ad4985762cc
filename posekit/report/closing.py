"""How every report about models ends: their cards, and how to ask the same again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.report import shell
from posekit.report.card import card_rows

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["closing"]


def closing(
    models: Sequence[tuple[PoseModel, str]], python: str, command: str, *, note: str = ""
) -> str:
    """The last sections of a report, as markup.

    Args:
        models: one or several, each with what its method was asked with in words, or nothing. One
            that stands there twice has one card.
        python: code that asks the same.
        command: the same on the command line; empty where the command line cannot ask it.
        note: a sentence about what the reader needs beside the photo.
    """
    cards = {(model.name, model.weights): (model, method) for model, method in models}
    sections = []
    for model, method in cards.values():
        facts = card_rows(model)
        if method:
            facts.insert(1, ("Method", method))
        title = "The model" if len(cards) == 1 else f"The model {facts[0][1]}"
        sections.append(
            f"<section>\n<h2>{escape(title)}</h2>\n<dl>\n{shell.meanings(facts)}\n</dl>\n</section>"
        )
    told = (
        f'<pre tabindex="0">{escape(command)}</pre>'
        if command
        else '<p class="soft">The command line cannot ask this; Python can.</p>'
    )
    return shell.filled(
        Path(__file__).with_name("closing.html"),
        models="\n".join(sections),
        note=f" {escape(note)}" if note else "",
        python=escape(python),
        command=told,
    )
