"""The difference between two measurements of the same photographs, with its interval.

Both are drawn anew together, photograph by photograph (paired bootstrap): what makes a photograph
hard for both models then cancels, and the interval is as a rule narrower than those of the two
figures suggest. Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; for comparing
systems: Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.

Average precision is no ratio of sums over people or photographs, so rows do not hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posekit.bootstrap import interval
from posekit.errors import DataError
from posekit.evaluation.rows import MODELS_OWN, Rows, ratios_of

__all__ = ["Difference", "difference"]


@dataclass(frozen=True)
class Difference:
    """How one figure of two measurements differs, per cent and percentage points.

    Attributes:
        first: the figure of the first.
        second: the figure of the second.
        difference: the second minus the first.
        interval: 95 % of the difference; None on a single photograph.
    """

    first: float
    second: float
    difference: float
    interval: tuple[float, float] | None


def difference(
    first: Rows | str | Path,
    second: Rows | str | Path,
    *,
    names: tuple[str, str] | None = None,
) -> dict[str, Difference]:
    """What the second measurement has more than the first, by figure.

    Args:
        first: rows of a measurement, or the CSV file that ``posekit evaluate --rows`` wrote.
        second: the same of another model, or of the same one measured otherwise.
        names: what a refusal calls the two; the files' names by default.

    Returns:
        Every figure that both have; 95 % percentile intervals, 2,000 draws of photographs.

    Raises:
        DataError: a file cannot be read, or the two are not of the same metric, the same
            photographs and the same people and keypoints in them.
    """
    if names is None:
        names = (_name(first, "the first"), _name(second, "the second"))
    before, after = (
        one if isinstance(one, Rows) else Rows.read_csv(one) for one in (first, second)
    )
    _check_alike(before, after, names)
    figures, others = before.figures, after.figures
    both = [name for name in figures if name in others]
    drawn = (before.drawn(), after.drawn()) if len(before.unique_photos) > 1 else None
    return {
        name: Difference(
            figures[name],
            others[name],
            round(others[name] - figures[name], 2),
            None if drawn is None else interval(drawn[1][name] - drawn[0][name]),
        )
        for name in both
    }


def _name(given: Rows | str | Path, place: str) -> str:
    return place if isinstance(given, Rows) else Path(given).name


def _check_alike(first: Rows, second: Rows, names: tuple[str, str]) -> None:
    """Refuse measurements that differ by more than by who was measured."""
    if first.metric != second.metric:
        raise DataError(
            f"{names[0]} is of {first.metric} and {names[1]} of {second.metric}: "
            "only the same metric can be compared."
        )
    ours, theirs = set(first.photos), set(second.photos)
    for more, less, (has, lacks) in ((ours, theirs, names), (theirs, ours, names[::-1])):
        if more - less:
            raise DataError(
                f"Not of the same photographs: {has} has {len(more - less)} that {lacks} lacks, "
                f"such as {min(more - less)}."
            )
    below = dict.fromkeys(below for _, below in ratios_of(first.metric).values())
    for column in (name for name in below if name not in MODELS_OWN):
        counts = first.by_photo(column), second.by_photo(column)
        for place in np.flatnonzero(counts[0] != counts[1])[:1]:
            raise DataError(
                f"Not of the same labels: of {first.unique_photos[place]} {names[0]} has "
                f"{counts[0][place]:g} {column} and {names[1]} has {counts[1][place]:g}; the two "
                "models have other keypoints, or the data set was changed."
            )
