"""A report as a Markdown page, as CSV with a line a row, and as JSON with all there is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from posekit.benchmark.report import Cell, Report, Row
from posekit.errors import DataError
from posekit.files import write_text, writing

__all__ = [
    "SUFFIXES",
    "as_csv",
    "as_json",
    "as_markdown",
    "as_text_rows",
    "lacking",
    "refusals",
    "write",
]

SUFFIXES = (".csv", ".md", ".json")
DIGITS = 12
"""Of a checksum, which tell weights apart."""
NONE = "–"
"""Stands in tables for people where there is no figure."""


def write(report: Report, path: str | Path) -> Path:
    """Put a report down in the form that the path's suffix names.

    Raises:
        DataError: another suffix, or the file cannot be written.
    """
    place = Path(path)
    forms = {".csv": as_csv, ".md": as_markdown, ".json": as_json}
    form = forms.get(place.suffix.lower())
    if form is None:
        raise DataError(f"A table is written as {', '.join(SUFFIXES)}, not as {place.name!r}.")
    with writing(place, DataError):
        write_text(form(report), place)
    return place


def as_json(report: Report) -> str:
    """Everything, as plain values."""
    return json.dumps(report.as_dict(), indent=2) + "\n"


def as_csv(report: Report) -> str:
    """A line a row; a column's interval and its differences from the baselines stand beside it."""
    baselines = list(dict.fromkeys(row.method for row in report.rows if row.baseline))
    lines = []
    for row in report.rows:
        line: dict[str, object] = {
            "model": row.model,
            "method": row.method,
            "maps": row.maps,
            "ms a keypoint": row.milliseconds,
        }
        away = {(d.column, d.baseline): d for d in row.differences}
        for column in report.columns:
            cell = row.cells.get(column.name)
            line |= {
                column.name: cell and cell.mean,
                f"{column.name}, low": cell and cell.low,
                f"{column.name}, high": cell and cell.high,
                f"{column.name}, keypoints": cell.keypoints if cell else 0,
            }
            for baseline in baselines if column.against else ():
                one = away.get((column.name, baseline))
                line[f"{column.name}, less {baseline}"] = one and one.cell.mean
                line[f"{column.name}, than {baseline}"] = one and one.verdict
        line["refused"] = sum(row.refused.values())
        line["sentences"] = " | ".join(f"{n} x {text}" for text, n in row.refused.items())
        lines.append(line)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def as_markdown(report: Report) -> str:
    """Tables for people: figures, who beats which baseline, who agrees with whom, refusals."""
    parts = [_caption(report), _legend(report)]
    for model in dict.fromkeys(row.model for row in report.rows):
        rows = [row for row in report.rows if row.model == model]
        parts.append(f"### {model}")
        if lost := report.lost.get(model):
            parts.append(f"Keypoints not found, and asked of no method: {lost}.")
        head = ["method", *(column.name for column in report.columns), "keypoints", "refused", "ms"]
        body = [
            [
                f"*{row.method}*" if row.baseline else row.method,
                *(_interval(row.cells.get(column.name)) for column in report.columns),
                str(row.maps),
                str(sum(row.refused.values())),
                _number(row.milliseconds),
            ]
            for row in rows
        ]
        parts.append(_table(head, body))
        parts += _against(report, rows)
        parts += _agreements(report, model)
        if sentences := refusals(rows):
            parts.append("\n- ".join(["Refused, and how often:\n", *sentences]))
    return "\n\n".join(parts) + "\n"


def as_text_rows(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows for a terminal."""
    head = ["MODEL", "METHOD", *(column.name.upper() for column in report.columns), "N", "REFUSED"]
    return head, [
        [
            row.model,
            row.method,
            *(_interval(row.cells.get(column.name)) for column in report.columns),
            str(row.maps),
            str(sum(row.refused.values())),
        ]
        for row in report.rows
    ]


def _caption(report: Report) -> str:
    what = report.what
    untrained = [name for name, weights in what["models"].items() if weights["kind"] == "random"]
    keypoints = what["keypoints"]
    sentences = [
        f"{what['data']}: {_count(report.photos, 'photograph')}, "
        f"{_count(report.people, 'person', 'people')}; "
        f"keypoints asked about: {', '.join(keypoints) if keypoints else 'all'}.",
        "Mean over keypoints; in brackets its 95 % bootstrap interval over photographs.",
    ]
    if {"deletion", "insertion"} & set(what["metrics"]):
        cells = {"photo": "pixels", "cells": "squares of the crop, one a token,"}
        sentences.append(
            f"Curves over {cells.get(what['level'], 'tokens')} in {what['steps']} steps spaced by "
            f"the power {what['power']:g}."
        )
    if "infidelity" in what["metrics"]:
        sentences.append(f"Infidelity over {what['samples']} sets of cells.")
    if "sensitivity" in what["metrics"]:
        sentences.append(f"Sensitivity over {what['noisy']} noisy crops.")
    sentences.append(f"Seed {what['seed']}.")
    files = [
        f"{name} (sha256 {weights['sha256'][:DIGITS]})"
        for name, weights in what["models"].items()
        if weights["sha256"]
    ]
    if files:
        sentences.append(f"Weights: {', '.join(files)}.")
    if untrained:
        sentences.append(f"Untrained, so that maps show nothing learnt: {', '.join(untrained)}.")
    for sentence, times in report.failed.items():
        sentences.append(f"Not measured, {_count(times, 'photograph')}: {sentence}")
    sentences += lacking(report)
    if report.problems:
        sentences.append(report.problems)
    return " ".join(sentences)


def _legend(report: Report) -> str:
    words = {1: " (larger is better)", -1: " (smaller is better)", 0: ""}
    lines = [f"- **{one.name}**{words[one.better]}: {one.meaning}" for one in report.columns]
    lines.append(
        "- **keypoints**: maps measured; **refused**: maps or figures that a method or metric "
        "refused"
    )
    lines.append("- **ms**: a keypoint's map took, a person's keypoints asked together")
    return "\n".join(lines)


def _against(report: Report, rows: Sequence[Row]) -> list[str]:
    """Which baselines a method beats in which column: intervals of the difference that leave 0."""
    columns = [column for column in report.columns if column.against]
    methods = [row for row in rows if not row.baseline]
    if not columns or not any(row.differences for row in methods):
        return []
    body = []
    for row in methods:
        line = [row.method]
        for column in columns:
            by: dict[str, list[str]] = {"better": [], "worse": [], "no different": []}
            for one in row.differences:
                if one.column == column.name:
                    by[one.verdict].append(one.baseline.removesuffix(" map"))
            words = {"better": "beats", "worse": "loses to", "no different": "level with"}
            line.append(
                "; ".join(
                    f"{words[verdict]} {', '.join(them)}" for verdict, them in by.items() if them
                )
            )
        body.append(line)
    title = "Against the baselines, keypoint by keypoint (the 95 % interval of the difference):"
    return [title, _table(["method", *(column.name for column in columns)], body)]


def _agreements(report: Report, model: str) -> list[str]:
    pairs = report.pairs.get(model)
    if not pairs:
        return []
    names = list(dict.fromkeys([*pairs, *(name for others in pairs.values() for name in others)]))
    body = []
    for n, name in enumerate(names):
        values = [
            pairs.get(name, {}).get(other, pairs.get(other, {}).get(name)) for other in names[:n]
        ]
        cells = [f"{value:.2f}" if value is not None else "" for value in values]
        body.append([f"{n + 1} {name}", *cells, "1", *[""] * (len(names) - n - 1)])
    head = ["rank correlation of maps", *(str(n + 1) for n in range(len(names)))]
    return [_table(head, body)]


def lacking(report: Report) -> list[str]:
    """Of each column that the data do not say enough for, a sentence."""
    sentences = []
    for column in report.columns:
        if people := report.lacking.get(column.name):
            known = report.people - people
            has = f"has of {known} of {report.people} people" if known else "does not have"
            sentences.append(
                f"The column {column.name!r} needs {column.needs}, which this data set {has}."
            )
    return sentences


def refusals(rows: Sequence[Row]) -> list[str]:
    """Each sentence once, after the methods it answered for and how often."""
    by_sentence: dict[str, list[str]] = {}
    for row in rows:
        for sentence, times in row.refused.items():
            by_sentence.setdefault(sentence, []).append(f"{row.method} ({times})")
    return [f"{', '.join(whom)}: {sentence}" for sentence, whom in by_sentence.items()]


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(cell: Cell | None) -> str:
    if cell is None:
        return NONE
    if cell.low is None or cell.high is None:
        return _number(cell.mean)
    return f"{_number(cell.mean)} [{_number(cell.low)}, {_number(cell.high)}]"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.3g}"
        if abs(value) >= 10
        else (f"{value:.2f}")
    )


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
