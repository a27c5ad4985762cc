"""An explanation as one figure: the photo, then a panel for every layer, each with its legend.

The figure is built without matplotlib's global state (no pyplot), so that several threads may draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from posekit.draw.colours import DIVERGING, colour_table
from posekit.draw.legend import (
    FINE,
    Scale,
    heat_legend_lines,
    legend_lines,
    number_lines,
    plain_number,
)
from posekit.draw.overlay import overlay, signed_overlay
from posekit.draw.panels import (
    BAR,
    BAR_TOP,
    LINE,
    PANEL,
    TICKS,
    Asked,
    View,
    Window,
    blended,
    caption,
    choose_window,
    colour_bar,
    fitting,
    outline,
    photo_lines,
    photo_panel,
    star,
)
from posekit.draw.scale import colour_limit, scaled
from posekit.draw.sheet import blank
from posekit.errors import PoseKitError
from posekit.explain.attention import Explanation
from posekit.explain.heat import HeatMap
from posekit.explain.methods import find_method
from posekit.explain.numbers import heat_numbers, numbers
from posekit.explain.query import Query, keypoint_query

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from posekit.estimator import Prediction
    from posekit.explain.faithfulness import Faithfulness
    from posekit.zoo import PoseModel

    Trust: TypeAlias = Faithfulness | Mapping[str, Faithfulness]

_GAP, _MARGIN, _TOP = 0.16, 0.14, 0.52  # inches
_DPI = 200
_SPARE = int((BAR + TICKS) / LINE)  # lines that fit where the photo's panel has no colour bar


def draw_explanation(
    explanation: Explanation | HeatMap,
    *,
    prediction: Prediction | None = None,
    query: Query | None = None,
    faithfulness: Trust | None = None,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
    scale: Scale = "own",
    keep: float = 1.0,
    contour_share: float | None = 0.5,
    view: View = "photo",
    columns: int = 4,
    with_numbers: bool = True,
    photo: bool = True,
) -> Figure:
    """The picture of an explanation, fit for a paper.

    Args:
        explanation: one click, all layers; or the one map of a method.
        prediction: what a method's map explains, where it does not hold it itself.
        query: where the question of a method's map stands; None finds it when the map's target
            is a keypoint.
        faithfulness: of a method's map, or by name of those layers for which it is known; their
            legends then say it.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``. A signed map has colours of its own,
            :data:`~posekit.draw.colours.DIVERGING`.
        opacity: of the maps, 0 to 1.
        dim: how much light is taken from the photo under the maps, 0 to 1.
        scale: what the colours mean, see :func:`posekit.draw.scaled`; each colour bar says it. A
            method's map is always drawn on its own scale.
        keep: show only the heaviest cells that hold this share of the mass.
        contour_share: outline the cells that hold this share of the mass; None draws none. Maps
            finer than one can see have no outline.
        view: the whole ``photo``, or the part the model saw of the ``person``.
        columns: panels in a row.
        with_numbers: add the numbers of each whole map under its legend.
        photo: False leaves the photo out: maps and pose lie on plain grey.

    Returns:
        A matplotlib Figure with an Agg canvas: ``figure.savefig("x.pdf")``, or
        :func:`posekit.draw.save_png`, which also writes what the picture shows into the file.

    Raises:
        PoseKitError: an unknown colour map or scale, or a method's map without its prediction.
        TraceError: ``keep`` or ``contour_share`` is no share.
    """
    if isinstance(explanation, HeatMap):
        return _draw_heat(
            explanation, prediction_of(explanation, prediction), query, trust_of(faithfulness),
            colour_map,
            opacity, dim, keep, contour_share, view, with_numbers, photo,
        )  # fmt: skip
    colour_table(colour_map)  # refuse an unknown name before any work
    maps = explanation.maps
    coloured = scaled(maps, scale)
    kept = [one if keep == 1.0 else one.keep_mass(keep) for one in maps]
    prediction, asked = explanation.prediction, asked_of(explanation)
    window = choose_window(prediction.photo.size, maps[0], view, round(PANEL * _DPI))
    picture = window.ground_of(prediction, photo=photo, asked=asked.person)
    trust = trust_of(faithfulness, explanation)
    about = photo_lines(prediction, asked, photo=photo)
    if contour_share is not None:
        about.append(f"white line: the heaviest cells, {contour_share:.0%} of the mass")
    texts = []
    for whole, part in zip(maps, kept, strict=True):
        text = legend_lines(part, prediction.model, scale=scale)
        if whole.layer in trust:
            text.append(trust[whole.layer].words)
        if with_numbers:
            text += number_lines(numbers(whole, prediction))
        texts.append(fitting(text))
    about = fitting(about)
    lines = max(len(about) - _SPARE, *(len(text) for text in texts))
    title, model = explanation.title, prediction.model
    figure, panels = _layout(title, model, len(maps) + 1, window, columns, lines)
    photo_panel(panels[0], prediction, asked, window, picture)
    star(panels[0], asked.point)
    caption(figure, panels[0], about, BAR_TOP)
    for panel, whole, part, one, text in zip(panels[1:], maps, kept, coloured, texts, strict=True):
        laid = overlay(
            picture,
            window.values_of(one.map),
            colour_map=colour_map,
            opacity=opacity,
            dim=dim,
            cover=window.cover_of(part),
        )
        panel.imshow(laid, extent=window.extent, interpolation="antialiased")
        if contour_share is not None:
            outline(panel, window.values_of(whole), whole.isoline(contour_share), window)
        star(panel, asked.point)
        colours = blended(picture, colour_map, opacity, dim)
        colour_bar(figure, panel, colours, one.ticks, one.unit)
        caption(figure, panel, text, BAR_TOP + BAR + TICKS)
    return figure


def _draw_heat(
    heat: HeatMap,
    prediction: Prediction,
    query: Query | None,
    faithfulness: Faithfulness | None,
    colour_map: str,
    opacity: float,
    dim: float,
    keep: float,
    contour_share: float | None,
    view: View,
    with_numbers: bool,
    photo: bool,
) -> Figure:
    """The photo, and one panel with a method's map."""
    colours_of = DIVERGING if heat.signed else colour_map
    colour_table(colours_of)
    level = 0.0 if keep == 1.0 else heat.level(keep)
    asked, limit = asked_of(heat, prediction, query), colour_limit(heat)
    window = choose_window(prediction.photo.size, heat, view, round(PANEL * _DPI))
    picture = window.ground_of(prediction, photo=photo, asked=asked.person)
    text = heat_legend_lines(heat, prediction.model, faithfulness=faithfulness, keep=keep)
    if with_numbers and asked.point is not None and heat.mass.any():
        text += number_lines(heat_numbers(heat, prediction, asked.point))
    title = f"{heat.target} by {find_method(heat.method).title}"
    about = photo_lines(prediction, asked, photo=photo)
    outlined = contour_share is not None and heat.grid.tokens <= FINE
    if outlined:
        about.append(f"white line: the heaviest cells, {contour_share:.0%} of the mass")
    about, text = fitting(about), fitting(text)
    lines = max(len(text), len(about) - _SPARE)
    figure, panels = _layout(title, prediction.model, 2, window, 2, lines)
    photo_panel(panels[0], prediction, asked, window, picture)
    star(panels[0], asked.point)
    shown = window.values_of(heat)
    cover = None if keep == 1.0 else window.cover_of_cells(heat, np.abs(heat.values) >= level)
    blend: dict[str, Any] = {"opacity": opacity, "dim": dim, "cover": cover}
    laid = (
        signed_overlay(picture, shown / limit, **blend)
        if heat.signed
        else overlay(picture, shown / limit, colour_map=colour_map, **blend)
    )
    panels[1].imshow(laid, extent=window.extent, interpolation="antialiased")
    if outlined and contour_share is not None:
        magnitude = window.values_of(replace(heat, values=np.abs(heat.values)))
        outline(panels[1], magnitude, heat.isoline(contour_share), window)
    star(panels[1], asked.point)
    colours = blended(picture, colours_of, opacity, dim, signed=heat.signed)
    low = -limit if heat.signed else 0.0
    ticks = [(at, plain_number(low + at * (limit - low))) for at in (0.0, 0.5, 1.0)]
    colour_bar(figure, panels[1], colours, ticks, "per cell")
    caption(figure, panels[0], about, BAR_TOP)
    caption(figure, panels[1], text, BAR_TOP + BAR + TICKS)
    return figure


@overload
def trust_of(given: Trust | None) -> Faithfulness | None: ...
@overload
def trust_of(given: Trust | None, explanation: Explanation) -> Mapping[str, Faithfulness]: ...
def trust_of(
    given: Trust | None, explanation: Explanation | None = None
) -> Faithfulness | Mapping[str, Faithfulness] | None:
    """The figure of a method's map, or those of an explanation's layers by name.

    Raises:
        PoseKitError: one figure for several layers, or figures of layers for one map.
    """
    if explanation is None:
        if isinstance(given, Mapping):
            raise PoseKitError("A method's map has one faithfulness, and no layers to name it by.")
        return given
    if given is None or isinstance(given, Mapping):
        return given or {}
    if len(explanation.maps) > 1:
        raise PoseKitError("Say which layer the faithfulness belongs to: {'encoder.3': ...}.")
    return {explanation.layers[0]: given}


def prediction_of(heat: HeatMap, prediction: Prediction | None) -> Prediction:
    """The prediction a method's map was made of: the one given, or else its own.

    Raises:
        PoseKitError: it has none, and none was handed over.
    """
    prediction = prediction or heat.prediction
    if prediction is None:
        raise PoseKitError(
            f"A map of {heat.method} does not hold its photo: pass prediction= as well."
        )
    return prediction


def asked_of(
    explanation: Explanation | HeatMap,
    prediction: Prediction | None = None,
    query: Query | None = None,
) -> Asked:
    """What an explanation is about."""
    if isinstance(explanation, Explanation):
        query, skeleton = explanation.query, explanation.prediction.skeleton
        return Asked(query.label(skeleton), query.person, query.keypoint, query.point)
    known = prediction_of(explanation, prediction)
    names, person = known.skeleton.keypoints, explanation.person
    if query is None and explanation.target in names:
        query = keypoint_query(known, person, names.index(explanation.target))
    if query is None:
        return Asked(explanation.target, person, None, None)
    return Asked(explanation.target, person, query.keypoint, query.point)


def _layout(
    title: str, model: PoseModel, count: int, window: Window, columns: int, lines: int
) -> tuple[Figure, list[Axes]]:
    """An empty figure and its panels, placed in inches so that every caption has its room."""
    across = min(max(1, columns), count)
    image = PANEL * window.size[0] / window.size[1]
    cell = image + BAR_TOP + BAR + TICKS + lines * LINE + _GAP
    width = 2 * _MARGIN + across * PANEL + (across - 1) * _GAP
    height = _TOP + -(-count // across) * cell
    name = model.entry.title
    if not model.trained:
        name += ", untrained: with random weights these maps mean nothing"
    sheet = blank((width, height), _DPI, title[0].upper() + title[1:], name, margin=_MARGIN)
    panels = []
    for n in range(count):
        row, column = divmod(n, across)
        x = _MARGIN + column * (PANEL + _GAP)
        panels.append(sheet.panel(x, _TOP + row * cell, PANEL, window))
    return sheet.figure, panels
