"""One photograph and one model: what every method's maps are worth there."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.benchmark.cases import Case, Subject
from posekit.benchmark.entrants import Baseline, Entrant
from posekit.benchmark.metrics import (
    MEASURES,
    Asking,
    Figures,
    RandomModels,
    infidelities,
    lacks,
)
from posekit.benchmark.settings import Settings
from posekit.errors import PoseKitError
from posekit.explain.asked import peak_of
from posekit.explain.faithfulness import agreement, iou_of_mass, spearman
from posekit.explain.faithfulness.grids import Map
from posekit.people import MAX_BOXES

if TYPE_CHECKING:
    from posekit.estimator import Estimator, Prediction

__all__ = ["Measured", "Outcome", "measure_photo"]

DIGITS = 6
"""Significant digits that are kept; more would only fill the file."""


@dataclass
class Outcome:
    """What one method came to on one photograph.

    Attributes:
        maps: how many keypoints it answered for.
        seconds: wall-clock time of the maps together.
        columns: for each column a number a question, None where there is none; the questions of a
            photograph stand in the same order for all methods.
        refused: how often each sentence stood for a map or a number.
    """

    maps: int = 0
    seconds: float = 0.0
    columns: dict[str, list[float | None]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)


@dataclass
class Measured:
    """What one model's methods came to on one photograph.

    Attributes:
        photo: the photograph's own name.
        model: the model's.
        people: how many were looked at.
        outcomes: by the entrant's name.
        pairs: of two methods' maps the sum of their rank correlations and how many there are,
            ``{first: {second: [sum, count]}}``.
        lost: keypoints that were not found and not asked about, by sentence.
        lacking: by column, of how many people the data do not say what it needs.
        failed: the sentence, when the photograph could not be measured at all.
    """

    photo: str
    model: str
    people: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    pairs: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)
    failed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the journal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Measured:
        """The same back from plain values."""
        outcomes = {name: Outcome(**one) for name, one in values["outcomes"].items()}
        return cls(**{**values, "outcomes": outcomes})


def measure_photo(
    estimator: Estimator,
    case: Case,
    rows: Sequence[Entrant],
    settings: Settings,
    random: RandomModels,
    done: Callable[[], None],
) -> Measured:
    """Everybody in a photograph, all methods; what is refused is counted and stops nothing.

    Args:
        estimator: the model.
        case: the photograph.
        rows: methods and baselines.
        settings: what to measure.
        random: random copies of the model.
        done: called when a row is finished with everybody's maps; an exception it raises ends
            the work.
    """
    found = Measured(case.name, estimator.model.name, len(case.people))
    found.outcomes = {row.name: Outcome() for row in rows}
    # The same draws whatever came before: a run that is resumed is the run that was not stopped.
    seed = int(
        np.random.SeedSequence([settings.seed, zlib.crc32(case.name.encode())]).generate_state(1)[0]
    )
    try:
        for start in range(0, len(case.people), MAX_BOXES):
            some = case.people[start : start + MAX_BOXES]
            prediction = estimator.predict(case.photo, [subject.box for subject in some])
            for person, subject in enumerate(some):
                _measure_person(
                    prediction, person, subject, rows, settings, seed, random, found, done
                )
    except PoseKitError as error:
        return Measured(case.name, estimator.model.name, len(case.people), failed=str(error))
    return found


def _measure_person(
    prediction: Prediction,
    person: int,
    subject: Subject,
    rows: Sequence[Entrant],
    settings: Settings,
    seed: int,
    random: RandomModels,
    found: Measured,
    done: Callable[[], None],
) -> None:
    silent = [column for column in settings.columns if lacks(column, subject)]
    for column in silent:
        found.lacking[column.name] = found.lacking.get(column.name, 0) + 1
    metrics = [one for one in settings.metrics if one not in {column.metric for column in silent}]
    keypoints = []
    for keypoint in settings.keypoints_of(prediction.skeleton.keypoints):
        try:
            peak_of(prediction, keypoint, person)
        except PoseKitError as error:
            found.lost[str(error)] = found.lost.get(str(error), 0) + 1
        else:
            keypoints.append(keypoint)
    if not keypoints:
        return
    asking = Asking(prediction, person, subject, tuple(keypoints), settings, seed, random)
    answers: dict[str, dict[int, Map]] = {}
    for row in rows:
        outcome = found.outcomes[row.name]
        began = time.perf_counter()
        maps = answers[row.name] = _ask(asking, row, outcome)
        outcome.seconds += time.perf_counter() - began
        outcome.maps += len(maps)
        figures = Figures()
        which, held = list(maps), list(maps.values())
        for metric in metrics:
            if metric in MEASURES and held:
                try:
                    MEASURES[metric](asking, row, which, held, figures)
                except PoseKitError as error:
                    figures.refuse(str(error), len(held))
        _add(outcome, settings, len(keypoints), which, figures)
        done()
    if "agreement" in settings.metrics:
        _agreements(rows, answers, len(keypoints), found)
    if "infidelity" in settings.metrics:
        _infidelities(asking, rows, answers, found)


def _ask(asking: Asking, row: Entrant, outcome: Outcome) -> dict[int, Map]:
    """The maps by position in ``asking.keypoints``: in one sweep, or one by one if that fails."""
    everyone = range(len(asking.keypoints))
    try:
        return dict(enumerate(asking.maps(row, everyone)))
    except PoseKitError as error:
        if len(everyone) == 1:
            outcome.refused[str(error)] = outcome.refused.get(str(error), 0) + 1
            return {}
    maps = {}
    for n in everyone:
        try:
            (maps[n],) = asking.maps(row, [n])
        except PoseKitError as error:
            outcome.refused[str(error)] = outcome.refused.get(str(error), 0) + 1
    return maps


def _add(
    outcome: Outcome, settings: Settings, count: int, which: Sequence[int], figures: Figures
) -> None:
    """One person's figures behind those of the people before."""
    for column in settings.columns:
        if column.metric not in MEASURES:
            continue
        values: list[float | None] = [None] * count
        for n, value in zip(which, figures.columns.get(column.name, ()), strict=False):
            values[n] = _rounded(value)
        outcome.columns.setdefault(column.name, []).extend(values)
    for sentence, times in figures.refused.items():
        outcome.refused[sentence] = outcome.refused.get(sentence, 0) + times


def _agreements(
    rows: Sequence[Entrant], answers: dict[str, dict[int, Map]], count: int, found: Measured
) -> None:
    """Every method with every other; baselines are compared with methods, methods not with them."""
    methods = [row.name for row in rows if not isinstance(row, Baseline)]
    columns = {"agreement": spearman, "top 10 %": iou_of_mass}
    values: dict[str, dict[str, list[float | None]]] = {
        column: {row.name: [None] * count for row in rows} for column in columns
    }
    for n in range(count):
        held = [row.name for row in rows if n in answers[row.name]]
        maps = [answers[name][n] for name in held]
        for column, measure in columns.items():
            table = agreement(maps, measure)
            for i, name in enumerate(held):
                others = [table[i, j] for j, o in enumerate(held) if o in methods and o != name]
                if others:
                    values[column][name][n] = _rounded(float(np.mean(others)))
                if measure is spearman:
                    for j, other in enumerate(held[i + 1 :], start=i + 1):
                        pair = found.pairs.setdefault(name, {}).setdefault(other, [0.0, 0])
                        pair[0] += float(table[i, j])
                        pair[1] += 1
    for column, by_row in values.items():
        for name, numbers in by_row.items():
            found.outcomes[name].columns.setdefault(column, []).extend(numbers)


def _infidelities(
    asking: Asking,
    rows: Sequence[Entrant],
    answers: dict[str, dict[int, Map]],
    found: Measured,
) -> None:
    """One sweep for the maps of all methods: they are shown the same sets of cells."""
    which = [n for row in rows for n in answers[row.name]]
    maps = [one for row in rows for one in answers[row.name].values()]
    values: list[float | None] = [None] * len(maps)
    try:
        if maps:
            values = infidelities(asking, which, maps)
    except PoseKitError as error:
        for row in rows:
            refused = found.outcomes[row.name].refused
            refused[str(error)] = refused.get(str(error), 0) + len(answers[row.name])
    told = iter(values)
    for row in rows:
        numbers: list[float | None] = [None] * len(asking.keypoints)
        for n in answers[row.name]:
            numbers[n] = _rounded(next(told))
        found.outcomes[row.name].columns.setdefault("infidelity", []).extend(numbers)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
