"""The figures of a comparison in words, for the picture, the HTML file and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from posekit.compare.anchors import about_keypoints
from posekit.compare.disagreement import Disagreement, models_with
from posekit.compare.panel import Figures
from posekit.draw.legend import even_words, spread_words
from posekit.percents import percent

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison

__all__ = [
    "COLUMNS",
    "Column",
    "asked_where",
    "columns_of",
    "disagreement_table",
    "even_of",
    "figure_lines",
    "million",
    "missed_words",
]

NONE = "–"


@dataclass(frozen=True)
class Column:
    """A column of the table: its head, what it means in a sentence, and a cell's text."""

    head: str
    meaning: str
    cell: Callable[[Figures], str]

    def empty(self, rows: tuple[Figures, ...]) -> bool:
        """Whether no row has anything to say here."""
        return all(self.cell(row) == NONE for row in rows)


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _distance(row: Figures) -> str:
    if row.distance_px is None:
        return NONE
    if row.distance_px == 0.0:
        return "0 px"
    return f"{row.distance_px:.1f} px{_torso(row)}"


def _torso(row: Figures) -> str:
    return "" if row.distance_torso is None else f" ({row.distance_torso:.2f} torso lengths)"


def _entropy(row: Figures) -> str:
    if row.entropy_nats is None:
        return NONE
    return f"{_number(row.entropy_share, '.0%')} of even ({row.entropy_nats:.2f} nats)"


ON_PERSON = Column(
    "on the person",
    "share of the map's mass: of a box it counts the cells whose middle lies in it",
    lambda r: _number(r.on_person, ".0%"),
)
"""Its head becomes what the share was measured on: a box, the photo, a mask."""

COLUMNS: tuple[Column, ...] = (
    Column("model", "the model, and its weights where that tells two apart", lambda r: r.title),
    Column("layer", "the layer whose map is shown", lambda r: r.layer or NONE),
    Column(
        "keypoint off",
        "how far this model puts the keypoint from where the first does; a torso length is left "
        "shoulder to right hip of the first",
        _distance,
    ),
    Column(
        "confidence",
        "the height of the keypoint's peak, as each model scores itself; not a probability",
        lambda r: _number(r.confidence, ".2f"),
    ),
    ON_PERSON,
    Column(
        "in others' boxes alone",
        "share of the mass in other people's boxes only",
        lambda r: _number(r.on_others, ".0%") if r.on_others else NONE,
    ),
    Column(
        "spread",
        "how spread out the map is, by its entropy: 0 % is one cell, 100 % is all cells alike",
        _entropy,
    ),
    Column(
        "overlap",
        "share of the mass that lies where the first model's does",
        lambda r: _number(r.overlap, ".0%"),
    ),
    Column(
        "deletion",
        "what is left of the keypoint while the heaviest places are deleted: lower is more "
        "faithful, 0.5 is a straight line",
        lambda r: _number(r.deletion, ".2f"),
    ),
    Column(
        "insertion",
        "what comes back while the heaviest places are inserted: higher is more faithful",
        lambda r: _number(r.insertion, ".2f"),
    ),
    Column("time", "for the whole prediction, as measured", lambda r: f"{r.predict_ms:.0f} ms"),
    Column("parameters", "numbers in the network", lambda r: million(r.parameters)),
)


def columns_of(comparison: Comparison) -> tuple[Column, ...]:
    """The columns that say something for at least one panel."""
    rows = comparison.table
    where = next((row.where for row in rows if row.on_person is not None), None)
    said = (
        replace(one, head=where) if where is not None and one is ON_PERSON else one
        for one in COLUMNS
    )
    return tuple(one for one in said if not one.empty(rows))


def asked_where(comparison: Comparison, *, own: bool = False) -> str:
    """Whether all panels were asked at one spot: ``the same spot in every panel``.

    Models whose maps are about keypoints are asked at their own; then ``the same spot in 1 of 2
    panels; SSA-small at its own keypoint``.

    Args:
        comparison: several models' answers.
        own: a keypoint was asked of each model where it puts it itself.
    """
    panels = comparison.panels
    if own and comparison.keypoint is not None:
        return "each model's own"
    apart = [one for one in panels if one.keypoint is not None and about_keypoints(one.prediction)]
    same = sum(one.point is not None and one not in apart for one in panels)
    if same == len(panels):
        return "the same spot in every panel"
    if not same:
        return "each model's own"
    words = f"the same spot in {same} of {len(panels)} panels"
    if not apart:
        return words
    *most, last = dict.fromkeys(one.title for one in apart)
    whose = f"{', '.join(most)} and {last} at their" if most else f"{last} at its"
    return f"{words}; {whose} own keypoint"


def million(count: int) -> str:
    """``1.2 M``; small networks in thousands, or as they are."""
    if count >= 100_000:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1e3:.1f} k" if count >= 1000 else str(count)


def figure_lines(row: Figures, *, first: bool) -> list[str]:
    """A row of the table in a few short lines; the ``first`` panel is not held against itself."""
    lines = []
    if row.confidence is not None:
        apart = not first and row.distance_px
        off = f" · off by {row.distance_px:.0f} px{_torso(row)}" if apart else ""
        lines.append(f"confidence {row.confidence:.2f}{off}")
    if row.on_person is not None:
        others = f" · in others' boxes alone {percent(row.on_others)}" if row.on_others else ""
        rest = percent(row.elsewhere or 0.0)
        lines.append(f"{row.where} {percent(row.on_person)}{others} · elsewhere {rest}")
    if row.entropy_nats is not None and row.entropy_share is not None:
        lines.append(spread_words(row.entropy_nats, row.entropy_share))
        lines += filter(None, [even_of(row)])
        shared = "" if first else f" · overlap with the first {percent(row.overlap or 0.0)}"
        lines.append(f"peak distance {row.peak_distance_px:.0f} px{shared}")
    if row.deletion is not None or row.insertion is not None:
        lines.append(
            f"deletion {_number(row.deletion, '.2f')} · insertion {_number(row.insertion, '.2f')}"
        )
    return [*lines, f"{row.predict_ms:.0f} ms · {million(row.parameters)} parameters"]


def even_of(row: Figures) -> str:
    """What is said of a panel whose map is nearly even; empty of most, and where there is none."""
    return "" if row.entropy_share is None else even_words(row.entropy_share)


def missed_words(one: Disagreement, names: Sequence[str]) -> str:
    """``only TransPose-R-small finds it``; empty where every model that knows the keypoint does.

    Args:
        one: a keypoint.
        names: of the panels.
    """
    if not one.missed:
        return ""
    finders = [n for n, point in enumerate(one.points) if point is not None]
    if len(finders) == 1:
        return f"only {names[finders[0]]} finds it"
    *most, last = (names[n] for n in one.missed)
    return f"{', '.join(most)} and {last} do not find it" if most else f"{last} does not find it"


def disagreement_table(
    comparison: Comparison, count: int | None = None, *, numbered: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the first ``count`` disagreements; of three and more models, which two.

    A model is not held against itself by position: where only one has the keypoint there is a dash.

    Args:
        comparison: whose keypoints.
        count: of rows; None is all.
        numbered: call the panels by their number, from 1, where there is no room for names.
    """
    several = len(comparison.panels) > 2
    predictions = comparison.predictions
    names = [str(n) if numbered else one.title for n, one in enumerate(comparison.panels, start=1)]
    heads = ["keypoint", "farthest apart", *(["between"] if several else []), "maps differ by"]
    rows = []
    for one in comparison.disagreement[:count]:
        a, b = (names[n] for n in one.farthest)
        far, between = NONE, f"{a} and {b}"
        if one.missed:
            far, between = missed_words(one, names), NONE
        elif one.distance_px is not None and models_with(one, predictions) > 1:
            far = f"{one.distance_px:.0f} px ({one.distance:.0%} of the box)"
        rows.append([one.keypoint, far, *([between] if several else []), _number(one.maps, ".0%")])
    return heads, rows
