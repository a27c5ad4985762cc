"""The Models page: what every model is, what it has learnt, and how good it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.payload import Json
from app.shelf import Shelf
from posekit.cards import interval_words, whom_words
from posekit.catalogue import catalogue, figure_words

LOOKS = {
    "crop": "one person at a time, each in a box",
    "photo": "the whole photo; finds the people by itself",
    "backbone": "one person at a time; attends, but predicts no keypoints",
}
"""What a model looks at, in words."""


class Models:
    """Answers the Models page's one call."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    @property
    def calls(self) -> tuple[Callable[[Json], Json], ...]:
        """What the page may ask, by the names it asks with."""
        return (self.models,)

    def models(self, _: Json) -> Json:
        """Every model of the zoo as the page draws it, by system."""
        offered = self.shelf.names()
        systems = [
            {
                "system": group["system"],
                "words": group["words"],
                "papers": [
                    {**paper, "label": f"arXiv {paper['url'].rpartition('/')[2]}"}
                    for paper in group["papers"]
                ],
                "models": [describe(card, offered) for card in group["models"]],
            }
            for group in catalogue()
        ]
        names = {
            name
            for group in systems
            for one in group["models"]
            for source in ("paper_figures", "our_figures")
            for figures in one[source]
            for name, *_ in figures["figures"]
        }
        return {"systems": systems, "meanings": {name: figure_words(name) for name in names}}


def describe(card: dict[str, Any], offered: list[str]) -> Json:
    """One card.  ``offered``: the names that Explore and Compare can open."""
    height, width = card["input_size"]
    return {
        "name": card["name"],
        "title": card["title"],
        "state": card["state"],
        "figures_from": card["figures_from"],
        "no_figures": card["no_figures"],
        "paper_figures": _figures(card["paper_figures"]),
        "our_figures": _figures(card["measured"], card),
        "facts": [
            ["Parameters", f"{card['parameters'] / 1e6:.1f} million"],
            ["Input", f"{width} × {height} px"],
            ["Keypoints", card["skeleton"] if card["view"] != "backbone" else "none"],
            ["Looks at", LOOKS[card["view"]]],
            ["Has seen", _seen(card)],
            *([["Has not seen", card["not_trained_on"]]] if card["not_trained_on"] else []),
            *([["Limits", str(card["limits"])]] if card.get("limits") else []),
        ],
        "opens": card["name"] in offered,
        "closed": _closed(card),
    }


def _closed(card: dict[str, Any]) -> str:
    """Why the page does not open a model, and how Python does."""
    if card["state"]["kind"] == "by hand":
        return (
            "Started with the file, the page opens it beside the others. In Python,"
            f' posekit.load("{card["name"]}", weights=FILE) reads it.'
        )
    return (
        "No weights can be had for it, so the page does not open it. In Python,"
        f' posekit.load("{card["name"]}", weights="random") builds it.'
    )


def _seen(card: dict[str, Any]) -> str:
    later = card["state"]["would_have_seen"]
    if later:
        return f"nothing yet; the authors’ weights: {later}"
    return card["trained_on"] or "not recorded"


def _figures(found: dict[str, dict[str, Any]], card: dict[str, Any] | None = None) -> list[Json]:
    """Figures by data set; of ours, given the ``card``, their intervals and whom they are of."""
    known = card or {}
    intervals = known.get("intervals", {})
    return [
        {
            "data": data,
            "whom": whom_words(known, data),
            "figures": [
                [name, f"{value}", _interval(intervals.get(data, {}).get(name))]
                for name, value in figures.items()
            ],
        }
        for data, figures in found.items()
    ]


def _interval(ends: list[float] | None) -> str | None:
    return None if ends is None else interval_words(ends)
