"""A model card as rows of a report: a word and what there is to say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posekit.cards import figure_values, whom_words
from posekit.catalogue import figure_words, state_of

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["card_rows"]


def card_rows(model: PoseModel) -> list[tuple[str, str]]:
    """What a model is, what it has seen and what was measured; what figures mean comes with them.

    Every meaning is said once.
    """
    card = model.card
    paper, (height, width) = card["paper"], card["input_size"]
    facts = [
        ("Model", card["title"]),
        ("State", state_of(model.entry, model.weights)["words"]),
        ("Weights", _weights(model)),
        ("Paper", f"{paper['title']}, {paper['venue']} {paper['year']}, {paper['url']}"),
        ("Parameters", f"{card['parameters'] / 1e6:.1f} million"),
        ("Input", f"{width} × {height} px"),
        ("Keypoints", card["skeleton"]),
        ("Has seen", card["trained_on"]),
        ("Has not seen", card["not_trained_on"]),
        ("Limits", str(card.get("limits") or "")),
    ]
    seen: set[str] = set()
    theirs = card["figures_from"]
    theirs = f"{theirs[:1].upper()}{theirs[1:]}"
    for words, key in ((theirs, "paper_figures"), ("Measured by us", "measured")):
        for data, figures in card[key].items():
            ends = card["intervals"].get(data) if key == "measured" else None
            values = figure_values(figures, ends)
            whom = whom_words(card, data) if key == "measured" else ""
            shown = " · ".join(f"{name} {value}" for name, value in values.items())
            shown = f"{shown} ({whom})" if whom else shown
            new = dict.fromkeys(filter(None, map(figure_words, figures)))
            said = " ".join(one for one in new if one not in seen)
            seen |= set(new)
            facts.append((f"{words}, {data}", f"{shown}. {said}" if said else shown))
    return [(name, value) for name, value in facts if value]


def _weights(model: PoseModel) -> str:
    """The weights' file, without its folder, and how to know it again; empty for random ones."""
    if model.weights_sha256 is None:
        return ""
    return f"{model.weights.file_name}, SHA-256 {model.weights_sha256}…"
