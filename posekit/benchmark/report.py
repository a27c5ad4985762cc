"""From the figures of photographs to a table: means, intervals, and differences that hold.

The photograph is the unit that is drawn anew, with all its keypoints and all its methods: see
:mod:`posekit.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from posekit.benchmark.measure import Measured
from posekit.benchmark.settings import Column
from posekit.bootstrap import DRAWS, ends

__all__ = ["Cell", "Difference", "Report", "Row", "report_of"]

Verdict = Literal["better", "worse", "no different"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One figure: mean over keypoints, and its 95 % interval over photographs.

    Attributes:
        mean: over all keypoints measured.
        low: end of the interval; None with fewer than two photographs.
        high: the other end.
        keypoints: how many were measured.
        photos: on how many photographs.
    """

    mean: float
    low: float | None
    high: float | None
    keypoints: int
    photos: int


@dataclass(frozen=True)
class Difference:
    """A method less a baseline, on the keypoints that both have."""

    column: str
    baseline: str
    cell: Cell
    verdict: Verdict


@dataclass(frozen=True)
class Row:
    """One model's one method.

    Attributes:
        model: name of the model.
        method: name of the method or baseline, with its options.
        baseline: whether it is a baseline.
        maps: keypoints it answered for.
        milliseconds: a keypoint's map took, keypoints of a person asked together; None without any.
        cells: by column, without those that hold nothing.
        differences: from each baseline, in each column where that says something.
        refused: how often each sentence stood for a map or a figure.
    """

    model: str
    method: str
    baseline: bool
    maps: int
    milliseconds: float | None
    cells: Mapping[str, Cell] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A finished benchmark.

    Attributes:
        what: what was measured: data, models, methods, settings.
        photos: photographs measured.
        failed: how many could not be measured, by sentence.
        people: people measured, the same for every model.
        columns: of the table.
        rows: model by model; methods first, then baselines.
        pairs: for each model the mean rank correlation of each two methods' maps.
        lost: for each model how many keypoints it did not find, which nobody was asked about.
        lacking: by column, of how many people the data do not say what it needs.
        problems: one sentence on what was wrong with the data; empty when nothing was.
    """

    what: Mapping[str, Any]
    photos: int
    failed: Mapping[str, int]
    people: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    pairs: Mapping[str, Mapping[str, Mapping[str, float]]]
    lost: Mapping[str, int]
    lacking: Mapping[str, int] = field(default_factory=dict)
    problems: str = ""

    def row(self, model: str, method: str) -> Row:
        """One row by its names; KeyError when there is none."""
        for one in self.rows:
            if (one.model, one.method) == (model, method):
                return one
        raise KeyError((model, method))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def report_of(
    measured: Sequence[Measured],
    models: Sequence[str],
    methods: Sequence[str],
    baselines: Sequence[str],
    columns: tuple[Column, ...],
    what: Mapping[str, Any],
    seed: int,
    problems: str = "",
) -> Report:
    """Sum up finished photographs.

    Args:
        measured: one for each photograph and model.
        models: in the table's order.
        methods: in the table's order.
        baselines: what they are compared with.
        columns: of the table.
        what: kept in the report.
        seed: of the intervals.
        problems: kept in the report.
    """
    good = [one for one in measured if one.failed is None]
    rows: list[Row] = []
    for model in models:
        own = sorted((one for one in good if one.model == model), key=lambda one: one.photo)
        # Indices, not the counts of photo_draws: recorded tables keep their last digit.
        drawn = np.random.default_rng(seed).integers(0, max(1, len(own)), (DRAWS, len(own)))
        for name in (*methods, *baselines):
            rows.append(_row(own, model, name, baselines, columns, drawn))
    first = [one for one in good if one.model == models[0]]
    return Report(
        what=what,
        photos=len({one.photo for one in good}),
        failed=_summed([{one.failed: 1} for one in measured if one.failed is not None]),
        people=sum(one.people for one in first),
        columns=columns,
        rows=tuple(rows),
        pairs={model: _pairs([one for one in good if one.model == model]) for model in models},
        lost={
            model: sum(sum(one.lost.values()) for one in good if one.model == model)
            for model in models
        },
        lacking=_summed([one.lacking for one in first]),
        problems=problems,
    )


def _row(
    photos: Sequence[Measured],
    model: str,
    name: str,
    baselines: Sequence[str],
    columns: Sequence[Column],
    drawn: npt.NDArray[np.int64],
) -> Row:
    outcomes = [one.outcomes[name] for one in photos]
    maps = sum(one.maps for one in outcomes)
    cells, differences = {}, []
    for column in columns:
        own = [_numbers(one, name, column) for one in photos]
        cell = _cell(own, drawn)
        if cell is None:
            continue
        cells[column.name] = cell
        for baseline in () if name in baselines or not column.against else baselines:
            less = [
                values - _numbers(one, baseline, column)
                for values, one in zip(own, photos, strict=True)
            ]
            away = _cell(less, drawn)
            if away is not None:
                verdict = _verdict(away, column.better)
                differences.append(Difference(column.name, baseline, away, verdict))
    return Row(
        model,
        name,
        name in baselines,
        maps,
        1e3 * sum(one.seconds for one in outcomes) / maps if maps else None,
        cells,
        tuple(differences),
        _summed([one.refused for one in outcomes]),
    )


def _numbers(photo: Measured, name: str, column: Column) -> Floats:
    """One photograph's figures, NaN where there is none."""
    values = photo.outcomes[name].columns.get(column.name, [])
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _cell(photos: Sequence[Floats], drawn: npt.NDArray[np.int64]) -> Cell | None:
    """Mean over keypoints, interval over photographs; None when nothing was measured."""
    sums = np.array([np.nansum(values) for values in photos])
    counts = np.array([np.isfinite(values).sum() for values in photos])
    if not counts.sum():
        return None
    low = high = None
    if (counts > 0).sum() > 1:
        total = counts[drawn].sum(1)
        some = total > 0  # a draw may miss every photograph that has a figure
        low, high = map(float, ends(sums[drawn].sum(1)[some] / total[some]))
    mean = float(sums.sum() / counts.sum())
    return Cell(mean, low, high, int(counts.sum()), int((counts > 0).sum()))


def _verdict(away: Cell, better: int) -> Verdict:
    """Whether the interval of a difference leaves 0 out, and on which side."""
    if away.low is None or away.high is None or away.low <= 0 <= away.high:
        return "no different"
    return "better" if (away.mean > 0) == (better > 0) else "worse"


def _pairs(photos: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Mean over keypoints of each pair's correlation."""
    total: dict[str, dict[str, Floats]] = {}
    for one in photos:
        for first, others in one.pairs.items():
            row = total.setdefault(first, {})
            for second, pair in others.items():
                row[second] = row.get(second, np.zeros(2)) + np.asarray(pair)
    return {
        first: {second: float(added / count) for second, (added, count) in row.items()}
        for first, row in total.items()
    }


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for sentence, times in one.items():
            total[sentence] = total.get(sentence, 0) + times
    return total
