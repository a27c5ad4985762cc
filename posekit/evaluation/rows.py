"""What a figure adds up from, row by row, so that it can be drawn anew and compared.

A row is of one person or of one photograph, and holds counts. A figure is the sum of one column
over the sum of another (a ratio of sums, not a mean of ratios). As a table (CSV) the columns are
``metric``, ``photograph``, ``person`` (its number in the photograph, from 0; left out where rows
are of photographs) and the counts.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posekit.bootstrap import Interval, interval, photo_draws
from posekit.errors import DataError
from posekit.files import FileTarget, write_csv

__all__ = ["MODELS_OWN", "Ratio", "Rows", "numbered", "photo_name", "ratios_of"]

Floats = npt.NDArray[np.float64]
Ratio = tuple[str, str]
"""The column above the line and the one below it."""

KEYPOINTS: Ratio = ("keypoints right", "keypoints measured")
_RATIOS: Mapping[str, Mapping[str, Ratio]] = {
    "people": {
        "person recall": ("people matched", "people labelled"),
        "precision": ("people matched", "people answered"),
        "PCK@0.2": KEYPOINTS,
    },
    "OKS": {"AR": ("recall", "people"), "mean OKS": ("best OKS", "people")},
    "close-ups": {
        "PCKh@0.5": KEYPOINTS,
        "drawn beyond the photo": ("keypoints drawn beyond", "keypoints beyond"),
    },
}
MODELS_OWN = {"people answered"}
"""Columns below a line that the model decides on; all others are the labels' alone."""


def ratios_of(metric: str) -> Mapping[str, Ratio]:
    """The figures of a metric by name, and the columns that each is the ratio of.

    Args:
        metric: ``"PCK@0.2"`` and the like, ``"people"``, ``"OKS"``, or ``"close-ups below the
            waist"``.

    Raises:
        DataError: there is no such metric.
    """
    if re.fullmatch(r"PCKh?@\d+(\.\d+)?", metric):
        return {metric: KEYPOINTS}
    kind = metric.partition(" ")[0]
    if kind not in _RATIOS:
        raise DataError(f"There are no rows of the metric {metric!r}.")
    return _RATIOS[kind]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one measurement.

    Attributes:
        metric: see :func:`ratios_of`.
        photos: (R,) the photograph of each row, by the data set's own name.
        people: (R,) the number of the person in the photograph; None where a row is of the
            photograph, or of one without anybody to measure.
        columns: (R,) counts each, by name.
    """

    metric: str
    photos: Sequence[str]
    people: Sequence[int | None]
    columns: Mapping[str, Floats]

    @property
    def figures(self) -> dict[str, float]:
        """Per cent, by name; without those of which nothing was measured."""
        sums = {name: float(values.sum()) for name, values in self.columns.items()}
        pairs = ratios_of(self.metric).items()
        return {
            name: round(100 * sums[above] / sums[below], 2)
            for name, (above, below) in pairs
            if sums[below]
        }

    @property
    def unique_photos(self) -> list[str]:
        """Each once, sorted."""
        return sorted(set(self.photos))

    def by_photo(self, column: str) -> Floats:
        """(P,) sums of a column over each of :attr:`unique_photos`."""
        _, place = np.unique(np.array(self.photos), return_inverse=True)
        return np.bincount(place.ravel(), self.columns[column]).astype(np.float64)

    def drawn(self) -> dict[str, Floats]:
        """Each figure's (draws,) shares with the photographs drawn anew.

        NaN where a draw holds nothing to measure.
        """
        chosen = {name: ratios_of(self.metric)[name] for name in self.figures}
        sums = {column: self.by_photo(column) for pair in chosen.values() for column in pair}
        pieces: dict[str, list[Floats]] = {name: [] for name in chosen}
        for counts in photo_draws(len(self.unique_photos)):
            totals = {column: counts @ one for column, one in sums.items()}
            for name, (above, below) in chosen.items():
                whole = totals[below]
                empty = np.full(len(counts), np.nan)
                share = np.divide(totals[above], whole, out=empty, where=whole > 0)
                pieces[name].append(share)
        return {name: np.concatenate(some) for name, some in pieces.items()}

    def intervals(self) -> dict[str, Interval]:
        """95 % bootstrap intervals over photographs, by figure; none of a single photograph."""
        if len(self.unique_photos) < 2:
            return {}
        ends = {name: interval(shares) for name, shares in self.drawn().items()}
        return {name: pair for name, pair in ends.items() if pair is not None}

    def save_csv(self, target: FileTarget) -> None:
        """Write the table that the module describes.

        Raises:
            OSError: see :func:`posekit.files.write_bytes`.
        """
        of_people = any(person is not None for person in self.people)
        header = ["metric", "photograph", *(["person"] if of_people else []), *self.columns]
        counts = zip(*self.columns.values(), strict=True)
        rows = (
            [self.metric, photo, *([person] if of_people else []), *(f"{v:g}" for v in values)]
            for photo, person, values in zip(self.photos, self.people, counts, strict=True)
        )
        write_csv(header, rows, target)

    @classmethod
    def read_csv(cls, path: str | Path) -> Rows:
        """The rows that :meth:`save_csv` wrote.

        Raises:
            DataError: the file cannot be read or is no such table, a count is no number of 0 or
                more, a row stands in it twice, or it holds rows of several metrics or none.
        """
        path = Path(path)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                lines = list(reader)
                header = reader.fieldnames or ()
        except OSError as error:
            raise DataError(f"{path.name} cannot be read: {error.strerror}.") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path.name} is not a CSV file.") from error
        if not {"metric", "photograph"} <= set(header) or not lines:
            raise DataError(f"{path.name} holds no rows of `posekit evaluate --rows`.")
        metrics = {line["metric"] for line in lines}
        if len(metrics) > 1:
            raise DataError(f"{path.name} holds rows of several metrics: one file is of one.")
        metric = metrics.pop() or ""
        names = list(dict.fromkeys(name for pair in ratios_of(metric).values() for name in pair))
        if lacking := [name for name in names if name not in header]:
            raise DataError(f"{path.name} lacks the column {lacking[0]!r}.")
        try:
            columns = {name: np.array([float(line[name]) for line in lines]) for name in names}
            people = [int(line["person"]) if line.get("person") else None for line in lines]
        except (TypeError, ValueError) as error:
            raise DataError(f"{path.name} has a cell that is no number.") from error
        if not all((np.isfinite(one) & (one >= 0)).all() for one in columns.values()):
            raise DataError(f"{path.name} has a count that is not 0 or more.")
        photos = [line["photograph"] for line in lines]
        for (photo, person), times in Counter(zip(photos, people, strict=True)).items():
            if times > 1:
                who = "" if person is None else f", person {person}"
                raise DataError(f"{path.name} holds a row twice: {photo}{who}.")
        return cls(metric, photos, people, columns)


def photo_name(image_id: int | str | None, place: int) -> str:
    """What a photograph is called in a row: as the data set does, or else by its place."""
    return str(place if image_id is None else image_id)


def numbered(photos: Iterable[str]) -> list[int]:
    """The number of each person in the photograph, given (R,) photographs: 0, 1 and so on."""
    seen: Counter[str] = Counter()
    numbers = []
    for photo in photos:
        numbers.append(seen[photo])
        seen[photo] += 1
    return numbers
