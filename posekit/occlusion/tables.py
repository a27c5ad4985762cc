"""A study and a sweep as CSV: a row a figure, and a row an occluder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posekit.files import FileTarget, write_csv

if TYPE_CHECKING:
    from posekit.occlusion.changes import KeypointChange
    from posekit.occlusion.result import Study
    from posekit.occlusion.sweep_result import Sweep

__all__ = ["COLUMNS", "save_study_csv", "save_sweep_csv", "study_rows"]

COLUMNS = ("table", "key", "name", "unit", "before", "after", "difference")
"""Of a study's CSV; ``table`` is ``what changed`` or ``every keypoint``."""


def study_rows(study: Study) -> list[tuple[Any, ...]]:
    """The rows under :data:`COLUMNS`; None where a number cannot be said.

    A keypoint has a row each for its confidence, its place (x and y in photo pixels), how far it
    moved (pixels, torso lengths and boxes) and whether the occluder covers its place before (0
    or 1).
    """
    changed = [
        ("what changed", row.key, row.name, row.unit, row.before, row.after, row.difference)
        for row in study.changes
    ]
    return [*changed, *(row for one in study.keypoint_changes for row in _keypoint(one))]


def save_study_csv(study: Study, target: FileTarget) -> None:
    """Write :func:`study_rows`; shares are 0 to 1, nothing is rounded."""
    write_csv(COLUMNS, study_rows(study), target)


def save_sweep_csv(sweep: Sweep, target: FileTarget) -> None:
    """Write one row an occluder, in the order they were tried; see :attr:`Sweep.rows`.

    Of a grid the first columns are where the occluder's middle lay, in photo pixels.
    """
    places = [{} for _ in sweep.rows] if sweep.to_photo is None else _places(sweep)
    rows = [place | row for place, row in zip(places, sweep.rows, strict=True)]
    write_csv(list(rows[0]), [list(row.values()) for row in rows], target)


def _keypoint(one: KeypointChange) -> list[tuple[Any, ...]]:
    def row(
        key: str, name: str, unit: str, before: float | None, after: float | None
    ) -> tuple[Any, ...]:
        both = before is not None and after is not None
        difference = after - before if both else None  # type: ignore[operator]
        return (*head(key, name), unit, before, after, difference)

    def head(key: str, name: str) -> tuple[str, str, str]:
        return "every keypoint", f"{key}.{one.keypoint}", f"{one.keypoint} {name}"

    before, after = one.before or (None, None), one.after or (None, None)
    moved = (("moved", "px", one.moved), ("moved_torso", "torso", one.moved_torso),
             ("moved_box", "box", one.moved_box))  # fmt: skip
    return [
        row("confidence", "confidence", "", one.score_before, one.score_after),
        row("x", "x", "px", before[0], after[0]),
        row("y", "y", "px", before[1], after[1]),
        *((*head(key, "moved"), unit, None, value, value) for key, unit, value in moved),
        (*head("covered", "covered"), "", int(one.covered), None, None),
    ]


def _places(sweep: Sweep) -> list[dict[str, Any]]:
    """Where the middle of a grid's occluder lay each time."""
    assert sweep.shape is not None and sweep.to_photo is not None  # a grid has both
    cols = sweep.shape[1]
    points = (sweep.to_photo.apply([n % cols, n // cols]) for n in range(len(sweep.share)))
    return [{"middle_x": float(x), "middle_y": float(y)} for x, y in points]
