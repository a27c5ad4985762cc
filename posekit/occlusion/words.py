"""A study in words: cells of its table, and sentences that say what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posekit.occlusion.changes import Change, KeypointChange
from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.occlusion.result import Study

__all__ = [
    "BLOCKED",
    "HEADS",
    "KEYPOINT_HEADS",
    "cell",
    "change_cells",
    "keypoint_cells",
    "moved_words",
    "percent",
    "place_words",
    "sentences_of",
]

NONE = "–"
BLOCKED = (
    "The photo is as it was: in no layer may a token look at a cell of which half or more is "
    "hatched (where there is none, at the one hatched most); what is left lies on cells that are "
    "hatched less."
)
"""What blocked attention is; see :mod:`posekit.unseen`."""
HEADS = ["what", "before", "after", "change"]
KEYPOINT_HEADS = ["keypoint", "moved", "confidence before", "after", "covered"]

_FORMS = {
    "share": ".0f",
    "px": ".1f",
    "torso": ".2f",
    "box": ".2f",
    "nats": ".2f",
    "count": ".0f",
    "": ".2f",
}
_TAILS = {
    "share": "\u00a0%",
    "px": " px",
    "nats": " nats",
    "torso": " torso lengths",
    "box": " box",
}


def percent(share: float) -> str:
    """``0.594`` as ``59 %``, the two never on different lines."""
    return cell(share, "share")


def cell(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A number with its unit; a signed one always has its sign, and is never ``−0``."""
    if value is None:
        return NONE
    text = format(_counted(value, unit), ("+" if signed else "") + _FORMS[unit])
    if signed and not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    tail = _TAILS.get(unit, "")
    if signed and unit == "share":
        tail = " point" if text.lstrip("+-") == "1" else " points"
    return text.replace("-", "−") + tail


def change_cells(change: Change) -> list[str]:
    """The cells under :data:`HEADS`; the change is what the two sides as they are shown differ by.

    A reader subtracts them, and files for programs hold the exact difference.
    """
    return [
        change.name,
        cell(change.before, change.unit),
        cell(change.after, change.unit),
        cell(_shown_difference(change), change.unit, signed=True),
    ]


def _shown_difference(change: Change) -> float | None:
    """After minus before, each rounded as :func:`cell` shows it, in the row's own unit."""
    if change.joint or change.before is None or change.after is None:
        return None
    form = _FORMS[change.unit]
    before, after = (
        float(format(_counted(side, change.unit), form)) for side in (change.before, change.after)
    )
    return (after - before) / _counted(1.0, change.unit)


def _counted(value: float, unit: str) -> float:
    """A value as it is counted in a cell: shares by the hundred."""
    return 100 * value if unit == "share" else value


def keypoint_cells(row: KeypointChange) -> list[str]:
    """The cells under :data:`KEYPOINT_HEADS`."""
    if row.lost:
        moved = "lost"
    elif row.moved is None:
        moved = NONE
    else:
        torso = "" if row.moved_torso is None else f" ({cell(row.moved_torso, 'torso')})"
        moved = f"{row.moved:.1f} px{torso}"
    return [
        row.keypoint,
        moved,
        f"{row.score_before:.2f}",
        f"{row.score_after:.2f}",
        "yes" if row.covered else "no",
    ]


def sentences_of(study: Study) -> tuple[str, ...]:
    """What happened, the most important first; what is missing, and why, last."""
    title = study.before.prediction.model.entry.title
    said: list[str] = []
    if not study.before.prediction.people:
        said.append(f"{title} found nobody in this photo, before anything was put in front.")
    elif not study.after.prediction.people:
        said.append(f"{title} finds nobody any more once the {_what(study)} is there.")
    elif study.before.person is not None and study.after.person is None:
        said.append(f"{title} does not find this person any more, only others.")
    elif study.occluder is None:
        said.append("Nothing was put in front, so nothing changed.")
    else:
        said += [_keypoint(study), _attention(study), _others(study)]
    if study.occluder is not None and study.occluder.knocks_out:
        said.append(BLOCKED)
    if study.occluder is not None and study.before.person is not None:
        said.append(_covered(study))
    notes = [side.note for side in (study.before, study.after)]
    said += [f"Before: {notes[0]}" if notes[0] else "", f"After: {notes[1]}" if notes[1] else ""]
    if study.masks is not None and study.masks.source == "limbs":
        said.append("Purity is an estimate here: the masks are drawn round the model's keypoints.")
    elif study.masks is not None and study.own is None and study.before.person is not None:
        said.append("Purity is not known: no mask belongs to this person.")
    if not study.before.prediction.model.trained:
        said.append(f"{title} is untrained: none of this shows anything learnt.")
    return tuple(text for text in said if text)


def _keypoint(study: Study) -> str:
    index = study.keypoint
    if index is None:
        return ""
    name = study.label
    confidence = (
        f"its confidence goes from {study.before.scores[index]:.2f} to "
        f"{study.after.scores[index]:.2f}"
    )
    found = [bool(np.isfinite(side.keypoints[index]).all()) for side in (study.before, study.after)]
    if found == [True, True]:
        moved = float(study.displacement[index])
        torso = "" if study.torso is None else f" ({cell(moved / study.torso, 'torso')})"
        far = f"moves {moved:.1f} px{torso}"
        before, after = float(study.before.scores[index]), float(study.after.scores[index])
        if after >= DRAWN:
            return f"The {name} {far}, and {confidence}."
        if before >= DRAWN:
            return (
                f"The {name} falls from {before:.2f} to {_below(after)}, below the {DRAWN:.2f} at "
                f"which it would be drawn; its best guess {far}."
            )
        return (
            f"The {name} is drawn neither before nor after: its confidence of {_below(before)} and "
            f"{_below(after)} is below {DRAWN:.2f}. Its best guess {far}."
        )
    if found[0]:
        return f"The {name} is not found any more."
    if found[1]:
        return f"The {name} is found only with the {_what(study)} there."
    return f"The {name} is found neither before nor after."


def _attention(study: Study) -> str:
    layer = study.layer or ""
    if layer not in study.before.purity or layer not in study.after.purity:
        there = [side.on_occluder.get(layer) for side in (study.before, study.after)]
        if there[0] is None or there[1] is None:
            return ""
        return (
            f"{_in_layer(study, layer)} {percent(there[0])} of {_whose(study)} lay where the "
            f"{_what(study)} is now, and {percent(there[1])} lies on the {_what(study)}."
        )
    before, after = study.before.purity[layer], study.after.purity[layer]
    lay = f"{_in_layer(study, layer)} {percent(before.own)} of {_whose(study)} lay on this person"
    if study.hides:
        return (
            f"{lay}; after, {percent(after.own)} lies on what can be seen of them and "
            f"{percent(after.in_front)} on the {_what(study)}."
        )
    on = study.after.on_occluder.get(layer)
    tail = "" if on is None else f"; {percent(on)} lies on the {_what(study)} itself"
    return f"{lay}, and {percent(after.own)} does after{tail}."


def _in_layer(study: Study, layer: str) -> str:
    """``In layer 3,``, ``In the part map of stage 3,``: the comma keeps two numbers apart."""
    words = study.layer_words(layer)
    a_name = words[-1].isdigit() and " of " not in words
    return f"In {words}," if a_name else f"In the {words},"


def _whose(study: Study) -> str:
    """``its attention`` after a sentence about the keypoint; of a point, which has none, whose."""
    if study.keypoint is not None:
        return f"its {study.mass}"
    return f"the {study.mass} of {study.label}"


def _others(study: Study) -> str:
    """The keypoint that changed most, when it is another one."""
    if not study.keypoint_changes:  # a backbone predicts none
        return ""
    row = study.keypoint_changes[0]
    if row.index == study.keypoint or not (row.lost or row.moved):
        return ""
    if row.lost:
        return f"The {row.keypoint} is not found any more."
    if row.score_after < DRAWN:
        return (
            f"The best guess of the {row.keypoint} moves most: {row.moved:.1f} px, with a "
            f"confidence of {_below(row.score_after)}."
        )
    return f"The {row.keypoint} moves most: {row.moved:.1f} px."


def _below(score: float) -> str:
    """A confidence below :data:`DRAWN`, never rounded up to it."""
    text = f"{score:.2f}"
    return text if float(text) < DRAWN else f"{np.floor(1000 * score) / 1000:.3f}"


def moved_words(study: Study) -> tuple[str, str]:
    """What stands beside how far the keypoint moved: a word or two, and a sentence."""
    index = study.keypoint
    if index is None or study.after.person is None or study.after.scores[index] >= DRAWN:
        return "moved", "From its place before."
    return (
        "its best guess moved",
        f"From its place before; with a confidence below {DRAWN:.2f} the keypoint is not drawn.",
    )


def place_words(study: Study) -> tuple[tuple[str, str], tuple[str, str]]:
    """Before and after: what stands beside the share on what the occluder covers, and a sentence.

    After, what lies in front is a part of its own; any other such share lies on the parts that
    stand beside it, and is not to be added to them.
    """
    mass = study.mass
    if not study.hides:
        said = (
            "of these, on the hatching",
            f"Share of the {mass} on what is hatched; counted already.",
        )
        return said, said
    return (
        ("of these, where it goes",
         f"Share of the {mass} on what the occluder will hide; counted already."),
        ("on what was put in front", f"Share of the {mass} on the occluder, whoever it shows."),
    )  # fmt: skip


def _covered(study: Study) -> str:
    if study.covered_person is not None:
        limb = study.covered_limb
        limbs = "" if limb is None else f", {percent(limb)} of the limbs at the {study.label}"
        return f"The {_what(study)} covers {percent(study.covered_person)} of the person{limbs}."
    if study.covered_limb is not None:
        return (
            f"The {_what(study)} covers {percent(study.covered_limb)} of the limbs at the "
            f"{study.label}."
        )
    return ""


def _what(study: Study) -> str:
    return "occluder" if study.occluder is None else study.occluder.sort
