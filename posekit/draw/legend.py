"""The words under a map: which model, layer, direction, head and grid it shows, and its scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from posekit.errors import PoseKitError
from posekit.explain.heat import HeatMap
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap
from posekit.explain.methods import find_method
from posekit.explain.numbers import MapNumbers
from posekit.percents import percent
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

EVEN = 0.995
"""Entropy, as a share of the greatest, above which a map on its own scale says nothing: its colours
are bright all over, and rounding decides which cell is the brightest."""

MISSES = 0.1
"""Share of the explained value beyond which a map that should add up to it is said to miss it."""


def mass_word(one: AttentionMap | HeatMap) -> str:
    """What a map's mass is called: ``attention``, or ``evidence`` of a map that is none."""
    return "evidence" if isinstance(one, HeatMap) or one.meaning else "attention"


def layer_words(attention: AttentionMap, model: PoseModel) -> str:
    """``encoder layer 3`` for ``encoder.3``; ``offset votes`` for ``votes``, without a number."""
    return _level(attention.layer, attention.kind, model)


def _level(name: str, kind: str, model: PoseModel) -> str:
    words = model.entry.levels.get(kind, kind)
    return f"{words} {name.rpartition('.')[2]}" if "." in name else words


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
    how much of the explained value the map misses (its convergence delta), and how faithful it is.
    """
    name = model.entry.title if model.trained else f"{model.entry.title} (untrained)"
    fine = heat.grid.tokens > FINE
    scale = ["green for, violet against"] if heat.signed else []
    scale.append(
        "the top 0.5% of pixels share the full colour" if fine else "scaled to its own maximum"
    )
    if keep < 1.0:
        scale.append(f"heaviest {keep:.0%} of mass")
    lines = [
        f"{name} · {find_method(heat.method).title}",
        f"{heat.target} · grid {heat.grid.rows} × {heat.grid.cols}",
    ]
    if heat.options:
        lines += _wrapped(asked_words(heat.method, heat.options, model))
    lines += _wrapped(scale)
    if heat.delta is not None:
        lines += missed_lines(heat)
    if faithfulness is not None:
        lines.append(faithfulness.words)
    return lines


def heat_legend(
    heat: HeatMap, model: PoseModel, *, faithfulness: Faithfulness | None = None
) -> str:
    """The same in one line."""
    return " · ".join(heat_legend_lines(heat, model, faithfulness=faithfulness))


def asked_words(method: str, options: Mapping[str, Any], model: PoseModel) -> list[str]:
    """What a method was asked with: ``from encoder layer 1 on``, ``steps 32``, ``noise 0.15``.

    Layers are called as everywhere else, heads counted from 1 as in :func:`head_words`.
    """
    return [_option_word(method, name, value, model) for name, value in options.items()]


def _option_word(method: str, name: str, value: Any, model: PoseModel) -> str:
    if name in ("start", "layer") and isinstance(value, str):
        kind = value.partition(".")[0]
        # Grad-CAM's layer is a module of the network, which has no other name.
        layer = _level(value, kind, model) if kind in model.entry.levels else f"layer {value}"
        return f"from {layer} on" if name == "start" else layer
    if name == "head" and value in ("mean", "max"):
        return f"{'mean' if value == 'mean' else 'maximum'} of the heads"
    if name == "head" and (value is None or isinstance(value, int)):
        return "all heads" if value is None else f"head {value + 1}"
    if name == "residual" and method in ("rollout", "flow"):
        return f"{value:.0%} pass each layer unchanged (residual {plain_number(value)})"
    text = plain_number(value) if isinstance(value, float) else str(value)
    return f"{name.replace('_', ' ')} {'all' if value is None else text}"


def missed_share(heat: HeatMap) -> float | None:
    """How much of the explained value a map's sum misses: 0 is nothing, 1 as much as the value.

    None of a map whose method promises no sum, and where the value is 0.
    """
    if heat.delta is None:
        return None
    # A path's attributions add up to the value but for delta; a decomposition says its value.
    value = heat.options.get("value", heat.total - heat.delta)
    return abs(heat.delta / value) if value else None


def missed_lines(heat: HeatMap) -> list[str]:
    """``its sum misses the value by 51%``, then the term: ``convergence delta 0.0125``."""
    term, share = f"convergence delta {plain_number(heat.delta or 0.0)}", missed_share(heat)
    if share is None:
        return [term]
    if share > MISSES:
        return [f"its sum misses the value by {share:.0%}", term]
    return [f"its sum meets the value within {max(1, round(100 * share))}%", term]


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
    """The numbers of a map in two short lines, and one more where it is nearly even."""
    where = f"{measured.where} {percent(measured.mass_in_box)}"
    if measured.mass_in_both >= 0.005:
        where += f" (in another's as well {percent(measured.mass_in_both)})"
    if measured.mass_in_other_boxes > 0:
        where += f" · in others' alone {percent(measured.mass_in_other_boxes)}"
    return [
        where + f" · peak distance {measured.peak_distance_px:.0f} px",
        spread_words(measured.entropy_nats, measured.entropy_share),
        *filter(None, [even_words(measured.entropy_share)]),
    ]


def spread_words(nats: float, share: float) -> str:
    """A map's entropy: ``spread 71% of even (entropy 4.31 nats)``; 100 % is all cells alike."""
    return f"spread {percent(share)} of even (entropy {nats:.2f} nats)"


def even_words(share: float) -> str:
    """What a map of that entropy, as a share of the greatest, does not show; empty of most maps."""
    if share <= EVEN:
        return ""
    return "nearly even: no place is looked at much more than another"


def even_line(maps: Iterable[tuple[str, float | None]]) -> str:
    """``encoder.1 · encoder.2: nearly even: ...`` in a line of its own; empty of most maps.

    Args:
        maps: of each its name and its entropy as a share of the greatest, None of an empty one.
    """
    even = [name for name, share in maps if share is not None and even_words(share)]
    return f"{' · '.join(even)}: {even_words(1.0)}" if even else ""


def shares(one: AttentionMap) -> bool:
    """Whether a map's weights are shares: attention is, a heatmap's heights are not."""
    return not one.meaning or abs(one.total - 1.0) < 1e-3


def amount(weight: float, one: AttentionMap) -> str:
    """A weight of a map as a percentage, or as a plain number where it is no share."""
    return percent(weight) if shares(one) else plain_number(weight)
