"""What an occluder changed, in numbers: plain rows that a table, a file or a page can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.explain.maps import AttentionMap
from posekit.explain.numbers import numbers
from posekit.explain.plain import finite
from posekit.people import DRAWN, IN_BOX

if TYPE_CHECKING:
    from posekit.occlusion.side import Side
    from posekit.occlusion.study import Study

__all__ = ["PURITY_ROWS", "Change", "KeypointChange", "changes_of", "keypoint_changes_of"]

PURITY_ROWS = (
    ("on_person", "own", "on this person", "on this person's mask; after, on what is seen of it"),
    ("on_others", "others", "on other people", "on other people's masks; after, on what is seen"),
    ("on_background", "background", "on the background", "on nobody"),
    ("in_front", "in_front", "on what was put in front", "on the occluder, whose pixels are"
     " nobody's, a pasted person's as well"),
)  # fmt: skip
"""Parts of a map's mass, which sum to 1 on either side: the row's key, the field of
:class:`posekit.explain.purity.Purity`, the row's name, and what it is."""


@dataclass(frozen=True)
class Change:
    """One row.

    Attributes:
        key: short name for programs, such as ``on_person.encoder.3``.
        name: what it is, in words.
        before: None when it cannot be said.
        after: likewise.
        unit: ``"share"`` (0 to 1), ``"px"``, ``"torso"``, ``"box"``, ``"nats"``, ``"count"``, or
            ``""`` for a plain number.
        meaning: a sentence for whoever wonders.
    """

    key: str
    name: str
    before: float | None
    after: float | None
    unit: str = ""
    meaning: str = ""

    @property
    def difference(self) -> float | None:
        """After minus before; what can only be said of both together, such as a distance, as it is.

        None when a side is missing that the row needs.
        """
        if self.after is None or (self.before is None and not self.joint):
            return None
        return self.after if self.before is None else self.after - self.before

    @property
    def joint(self) -> bool:
        """Whether the row has no side before by its nature: how far a keypoint moved."""
        return self.key.startswith("moved")


@dataclass(frozen=True)
class KeypointChange:
    """One keypoint before and after; places in photo pixels, None where it was not found.

    Attributes:
        keypoint: its name.
        index: in the model's skeleton.
        before: (x, y).
        after: (x, y).
        score_before: the model's confidence.
        score_after: 0 when it, or the person, was not found.
        moved: distance in photo pixels, None when it was not found on both sides.
        moved_torso: in units of left shoulder to right hip before.
        moved_box: in units of the longer side of the person's box before.
        covered: whether the occluder covers the place before.
    """

    keypoint: str
    index: int
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    score_before: float
    score_after: float
    moved: float | None
    moved_torso: float | None
    moved_box: float | None
    covered: bool

    @property
    def lost(self) -> bool:
        """Found before and not after."""
        return self.before is not None and self.after is None


def changes_of(study: Study) -> tuple[Change, ...]:
    """The table of a study: the keypoint's rows, then the attention's, then the person's."""
    return (*_keypoint_rows(study), *_attention_rows(study), *_person_rows(study))


def keypoint_changes_of(study: Study) -> tuple[KeypointChange, ...]:
    """Every keypoint: those lost first, then by how far they moved, those never found last."""
    names = study.before.prediction.skeleton.keypoints
    rows = []
    for index, name in enumerate(names):
        moved = finite(study.displacement[index])
        rows.append(
            KeypointChange(
                keypoint=name,
                index=index,
                before=_place(study.before, index),
                after=_place(study.after, index),
                score_before=float(study.before.scores[index]),
                score_after=float(study.after.scores[index]),
                moved=moved,
                moved_torso=_divided(moved, study.torso),
                moved_box=_divided(moved, study.box_side),
                covered=bool(study.covered_keypoints[index]),
            )
        )
    return tuple(sorted(rows, key=lambda row: (not row.lost, -(row.moved or 0.0), row.index)))


def _keypoint_rows(study: Study) -> list[Change]:
    index = study.keypoint
    if index is None:
        return []
    name = study.label
    moved = finite(study.displacement[index])
    # What is not drawn has a best guess, which is no place of the keypoint.
    drawn = study.after.scores[index] >= DRAWN
    place = name if drawn or moved is None else f"best guess of the {name}"
    rows = [
        Change(
            "confidence",
            f"confidence in the {name}",
            study.before.confidence,
            study.after.confidence,
            "",
            "the height of the keypoint's peak, as the model scores itself; not a probability",
        ),
        Change("moved", f"{place} moved", None, moved, "px", "from its place before"),
        Change(
            "moved_torso",
            f"{place} moved, in torso lengths",
            None,
            _divided(moved, study.torso),
            "torso",
            "in units of left shoulder to right hip before",
        ),
        Change(
            "moved_box",
            f"{place} moved, in boxes",
            None,
            _divided(moved, study.box_side),
            "box",
            "in units of the longer side of the person's box",
        ),
    ]
    if study.truth is not None and np.isfinite(study.truth[index]).all():
        off = [
            finite(np.hypot(*(side.keypoints[index] - study.truth[index])))
            for side in (study.before, study.after)
        ]
        rows.append(
            _row("off_truth", f"{name} off its true place", off, "px", "known in this scene")
        )
    return rows


def _attention_rows(study: Study) -> list[Change]:
    before, after = study.before.map(study.layer), study.after.map(study.layer)
    rows = []
    if before is not None or after is not None:
        pairs = [
            None if one is None or not one.weights.sum() > 0 else numbers(one, side.prediction)
            for one, side in ((before, study.before), (after, study.after))
        ]
        where = next((one.where for one in pairs if one is not None), IN_BOX)
        for key, unit, name, meaning in (
            ("mass_in_box", "share", f"{study.mass} {where}",
             "share on cells whose middle lies there, as the other pages measure it; on this person"
             " is the share on a mask, which is smaller"),
            ("entropy_nats", "nats", "spread (entropy)", "how spread out the map is, in nats:"
             f" 0 is one single cell{_even(before or after)}"),
            ("peak_distance_px", "px", "peak distance",
             "from where the question stands to the middle of the strongest cell"),
        ):  # fmt: skip
            values = [None if one is None else float(getattr(one, key)) for one in pairs]
            rows.append(
                _row(key, f"{name}, {study.layer_words(study.layer)}", values, unit, meaning)
            )
    for layer in reversed(study.layers):  # the last layer first: it is what people ask about
        rows += _purity_rows(study, layer)
    return sorted(rows, key=lambda row: not row.key.endswith(f".{study.layer}"))


def _purity_rows(study: Study, layer: str) -> list[Change]:
    rows = []
    words = "" if study.masks is None else f"; {study.masks.words}"
    known = bool(study.before.purity or study.after.purity)
    for key, part, name, meaning in PURITY_ROWS if known else ():
        if part == "in_front" and not study.hides:
            continue
        values = [
            None if layer not in side.purity else float(getattr(side.purity[layer], part))
            for side in (study.before, study.after)
        ]
        rows.append(
            _row(
                f"{key}.{layer}",
                f"{study.mass} {name}, {study.layer_words(layer)}",
                values,
                "share",
                f"share of the map's {study.mass} {meaning}{words}",
            )
        )
    if study.before.on_occluder or study.after.on_occluder:
        shares = [side.on_occluder.get(layer) for side in (study.before, study.after)]
        # Beside the parts it would be added to them, which hold it already.
        of = f"of this {study.mass}," if known else study.mass
        rows.append(
            _row(
                f"on_occluder.{layer}",
                f"{of} where the occluder is, {study.layer_words(layer)}",
                shares,
                "share",
                "before: on what it will cover, whose pixels are the person's, others' or the"
                " background's; after: on the occluder itself"
                if study.hides
                else "before and after: on what is hatched, which hides nothing",
            )
        )
    return rows


def _even(one: AttentionMap | None) -> str:
    """What the entropy is of a map of that grid with all cells alike."""
    if one is None:
        return ""
    return f", {math.log(one.grid.tokens):.2f} is all {one.grid.tokens} cells alike"


def _person_rows(study: Study) -> list[Change]:
    before, after = study.before, study.after
    scores = [None if side.person is None else side.scores for side in (before, after)]
    # Of something that covers nothing no share is worth a row.
    covered = [
        Change(key, name, 0.0, value, "share", meaning)
        for key, name, value, meaning in (
            ("covered_limb", f"covered of the {study.label}'s limbs", study.covered_limb,
             "share of their length between the keypoints found before"),
            ("covered_person", "covered of the person", study.covered_person,
             "share of the person's mask"),
        )
        if value is not None and study.cover.any()
    ]  # fmt: skip
    return [
        *covered,
        _row(
            "mean_confidence",
            "mean confidence",
            [None if one is None or not one.size else float(one.mean()) for one in scores],
            "",
            "over all keypoints of the person",
        ),
        _row(
            "keypoints_found",
            "keypoints found",
            [0.0 if one is None else float((one >= DRAWN).sum()) for one in scores],
            "count",
            f"with a confidence of at least {DRAWN}",
        ),
        Change(
            "oks",
            "similarity to the pose before (OKS)",
            None if study.oks is None else 1.0,
            study.oks,
            "",
            "1 is the same pose, 0 another one, or none; object keypoint similarity as COCO has it",
        ),
        _row(
            "people",
            "people found",
            [
                float(sum(bool(one.found.any()) for one in side.prediction.people))
                for side in (before, after)
            ],
            "count",
            "with at least one keypoint; a model of crops finds one in every box",
        ),
    ]


def _row(
    key: str, name: str, values: Sequence[float | None], unit: str = "", meaning: str = ""
) -> Change:
    before, after = values
    return Change(key, name, before, after, unit, meaning)


def _place(side: Side, index: int) -> tuple[float, float] | None:
    x, y = (float(v) for v in side.keypoints[index])
    return (x, y) if np.isfinite([x, y]).all() else None


def _divided(value: float | None, unit: float | None) -> float | None:
    return None if value is None or not unit else value / unit
