"""The words under a map: which model, layer, direction, head and grid it shows, and its scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from posekit.errors import PoseKitError
from posekit.explain.heat import HeatMap
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap
from posekit.explain.methods import find_method
from posekit.explain.numbers import MapNumbers
from posekit.zoo import PoseModel

if TYPE_CHECKING:
    from posekit.explain.faithfulness import Faithfulness

FINE = 4096
"""Cells above which a map counts as fine: single cells are no longer seen."""

Scale = Literal["own", "shared", "mass"]

SCALE_WORDS: dict[str, str] = {
    "own": "scaled to its own maximum",
    "shared": "one scale for all maps shown",
    "mass": "colour: share of the mass in cells no heavier",
}
"""What a colour stands for."""


def layer_words(attention: AttentionMap, model: PoseModel) -> str:
    """``encoder layer 3`` for ``encoder.3``; ``offset votes`` for ``votes``, without a number."""
    kind = model.entry.levels.get(attention.kind, attention.kind)
    return f"{kind} {attention.layer.rpartition('.')[2]}" if "." in attention.layer else kind


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
    if attention.part is not None:
        direction += f", {attention.part} part alone"
    grid = f"grid {attention.grid.rows} × {attention.grid.cols}"
    if attention.meaning:
        layer = layer_words(attention, model)
        return [f"{name} · {layer}", *_wrapped([attention.meaning, grid]), normalisation]
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


def heat_legend_lines(
    heat: HeatMap,
    model: PoseModel,
    *,
    faithfulness: Faithfulness | None = None,
    keep: float = 1.0,
) -> list[str]:
    """The legend of a method's map in short lines.

    Model and method; target and grid; options; what the colours mean; then, where there are such,
    by how much the map's own sum is off (the convergence delta), and how faithful it is.
    """
    name = model.entry.title if model.trained else f"{model.entry.title} (untrained)"
    fine = heat.grid.tokens > FINE
    scale = ["green for, violet against"] if heat.signed else []
    scale.append("full at 99.5% of the pixels" if fine else "scaled to its own maximum")
    if keep < 1.0:
        scale.append(f"heaviest {keep:.0%} of mass")
    lines = [
        f"{name} · {find_method(heat.method).title}",
        f"{heat.target} · grid {heat.grid.rows} × {heat.grid.cols}",
    ]
    if heat.options:
        lines += _wrapped([option_word(*one) for one in heat.options.items()])
    lines += _wrapped(scale)
    if heat.delta is not None:
        lines.append(f"convergence delta {plain_number(heat.delta)}")
    if faithfulness is not None:
        lines.append(faithfulness.words)
    return lines


def heat_legend(
    heat: HeatMap, model: PoseModel, *, faithfulness: Faithfulness | None = None
) -> str:
    """The same in one line."""
    return " · ".join(heat_legend_lines(heat, model, faithfulness=faithfulness))


def option_word(name: str, value: object) -> str:
    """``steps 32``, ``noise 0.15``, ``value 0.0123``."""
    text = plain_number(value) if isinstance(value, float) else str(value)
    return f"{name.replace('_', ' ')} {'all' if value is None else text}"


def plain_number(value: float) -> str:
    """A number with three significant digits, and no more than it needs: ``0.0213``, ``-2.1e-07``.

    Zero is ``0``.
    """
    if value == 0:
        return "0"
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e+").replace("-", "−")


def _wrapped(words: list[str], width: int = 58) -> list[str]:
    """Words joined by dots, in lines of about ``width`` characters."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > width:
            lines.append(word)
        else:
            lines[-1] += f" · {word}"
    return lines


def number_lines(measured: MapNumbers) -> list[str]:
    """The numbers of a map in two short lines."""
    where = f"{measured.where} {measured.mass_in_box:.0%}"
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
