"""The words under a map: which model, layer, direction, head and grid it shows, and its scale."""

from __future__ import annotations

from typing import Literal

import numpy as np

from posekit.errors import PoseKitError
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap
from posekit.explain.numbers import MapNumbers
from posekit.zoo import PoseModel

Scale = Literal["own", "shared", "mass"]

SCALE_WORDS: dict[str, str] = {
    "own": "scaled to its own maximum",
    "shared": "one scale for all maps shown",
    "mass": "colour: share of the mass in cells no heavier",
}
"""What a colour stands for."""


def layer_words(attention: AttentionMap, model: PoseModel) -> str:
    """``encoder layer 3`` for ``encoder.3``."""
    kind = model.entry.levels.get(attention.kind, attention.kind)
    return f"{kind} {attention.layer.rpartition('.')[2]}"


def head_words(attention: AttentionMap) -> str:
    """``mean of 8 heads``, ``head 2 of 8`` (counted from 1) or ``one head``."""
    if attention.heads == 1:
        return "one head"
    if attention.head is None:
        return f"mean of {attention.heads} heads"
    return f"head {attention.head + 1} of {attention.heads}"


def legend_lines(attention: AttentionMap, model: PoseModel, *, scale: Scale = "own") -> list[str]:
    """The legend in three short lines."""
    if scale not in SCALE_WORDS:
        raise PoseKitError(f"There is no scale {scale!r}: choose one of {', '.join(SCALE_WORDS)}.")
    normalisation = SCALE_WORDS[scale]
    if attention.kept < 1.0:
        normalisation += f", heaviest {attention.kept:.0%} of mass"
    name = model.entry.title if model.trained else f"{model.entry.title} (untrained)"
    direction = f"{DIRECTION_WORDS[attention.direction]} ({attention.direction})"
    grid = f"grid {attention.grid.rows} × {attention.grid.cols}"
    return [
        f"{name} · {layer_words(attention, model)}",
        f"{direction} · {head_words(attention)} · {grid}",
        normalisation,
    ]


def legend(attention: AttentionMap, model: PoseModel, *, scale: Scale = "own") -> str:
    """The legend of a map in one line: model, layer, direction, head, grid, normalisation.

    Raises:
        PoseKitError: an unknown scale.
    """
    return " · ".join(legend_lines(attention, model, scale=scale))


def number_lines(measured: MapNumbers) -> list[str]:
    """The numbers of a map in two short lines."""
    where = f"on this person's box {measured.mass_in_box:.0%}"
    if measured.mass_in_other_boxes > 0:
        where += f" · on others {measured.mass_in_other_boxes:.0%}"
    return [
        where + f" · peak {measured.peak_distance_px:.0f} px away",
        f"entropy {measured.entropy_nats:.2f} nats ({measured.entropy_share:.0%} of uniform)",
    ]


def percent(share: float) -> str:
    """A share as a short percentage with two significant digits: ``1.3%``, ``0.033%``."""
    if share == 0:
        return "0%"
    digits = max(0, 1 - int(np.floor(np.log10(abs(share) * 100))))
    return f"{share * 100:.{digits}f}%"
