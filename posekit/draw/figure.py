"""An explanation as one figure: the photo, then a panel for every layer, each with its legend.

The figure is built without matplotlib's global state (no pyplot), so that several threads may draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posekit.draw.colours import colour_table
from posekit.draw.legend import Scale, legend_lines, number_lines
from posekit.draw.overlay import overlay
from posekit.draw.panels import (
    BAR,
    BAR_TOP,
    FAINT,
    LINE,
    TEXT,
    TICKS,
    View,
    Window,
    caption,
    choose_window,
    colour_bar,
    outline,
    photo_panel,
    star,
)
from posekit.draw.scale import scaled
from posekit.explain.attention import Explanation
from posekit.explain.numbers import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL, _GAP, _MARGIN, _TOP = 2.35, 0.16, 0.14, 0.52  # inches
_DPI = 200


def draw_explanation(
    explanation: Explanation,
    *,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
    scale: Scale = "own",
    keep: float = 1.0,
    contour_share: float | None = 0.5,
    view: View = "photo",
    columns: int = 4,
    with_numbers: bool = True,
) -> Figure:
    """The picture of an explanation, fit for a paper.

    Args:
        explanation: one click, all layers.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        opacity: of the maps, 0 to 1.
        dim: how much light is taken from the photo under the maps, 0 to 1.
        scale: what the colours mean, see :func:`posekit.draw.scaled`; each colour bar says it.
        keep: show only the heaviest cells that hold this share of the mass.
        contour_share: outline the cells that hold this share of the mass; None draws none.
        view: the whole ``photo``, or the part the model saw of the ``person``.
        columns: panels in a row.
        with_numbers: add the numbers of each whole map under its legend.

    Returns:
        A matplotlib Figure with an Agg canvas: ``figure.savefig("x.pdf")``, or
        :func:`posekit.draw.save_png`, which also writes what the picture shows into the file.

    Raises:
        PoseKitError: an unknown colour map or scale.
        TraceError: ``keep`` or ``contour_share`` is no share.
    """
    colour_table(colour_map)  # refuse an unknown name before any work
    maps = explanation.maps
    coloured = scaled(maps, scale)
    kept = [one if keep == 1.0 else one.keep_mass(keep) for one in maps]
    window = choose_window(explanation, view, round(_PANEL * _DPI))
    picture = window.pixels_of(explanation.prediction.photo.pixels)
    lines = 5 if with_numbers else 3
    figure, panels = _layout(explanation, window, columns, lines)
    about = photo_panel(panels[0], explanation, window, picture)
    star(panels[0], explanation)
    if contour_share is not None:
        about.append(f"white line: the heaviest cells, {contour_share:.0%} of the mass")
    caption(figure, panels[0], about, BAR_TOP)
    for panel, whole, part, one in zip(panels[1:], maps, kept, coloured, strict=True):
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
            outline(panel, whole, contour_share, window)
        star(panel, explanation)
        colour_bar(figure, panel, one, (colour_map, opacity, dim), picture)
        text = legend_lines(part, explanation.prediction.model, scale=scale)
        if with_numbers:
            text += number_lines(numbers(whole, explanation.prediction))
        caption(figure, panel, text, BAR_TOP + BAR + TICKS)
    return figure


def _layout(
    explanation: Explanation, window: Window, columns: int, lines: int
) -> tuple[Figure, list[Axes]]:
    """An empty figure and its panels, placed in inches so that every caption has its room."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(explanation.maps) + 1
    across = min(max(1, columns), count)
    image = _PANEL * window.size[0] / window.size[1]
    cell = image + BAR_TOP + BAR + TICKS + lines * LINE + _GAP
    width = 2 * _MARGIN + across * _PANEL + (across - 1) * _GAP
    height = _TOP + -(-count // across) * cell
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    panels = []
    for n in range(count):
        row, column = divmod(n, across)
        x = _MARGIN + column * (_PANEL + _GAP)
        y = height - _TOP - row * cell - image
        axes = figure.add_axes((x / width, y / height, _PANEL / width, image / height))
        axes.set_axis_off()
        axes.set_xlim(*window.extent[:2])
        axes.set_ylim(*window.extent[2:])
        panels.append(axes)
    model = explanation.prediction.model
    title = explanation.title
    name = model.entry.title
    if not model.trained:
        name += ", untrained: with random weights these maps mean nothing"
    x = _MARGIN / width
    figure.text(
        x,
        1 - 0.17 / height,
        title[0].upper() + title[1:],
        size=11,
        weight="bold",
        color=TEXT,
        va="center",
    )
    figure.text(x, 1 - 0.36 / height, name, size=7.5, color=FAINT, va="center")
    return figure, panels
