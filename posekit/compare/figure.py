"""A comparison as one figure: the poses, the maps on one scale, and where they differ.

As :mod:`posekit.draw.figure`, without matplotlib's global state, so that several threads may draw.
"""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING

from posekit.compare.export import describe
from posekit.compare.picture import Pictures, Pixels
from posekit.compare.words import disagreement_table, figure_lines
from posekit.draw.colours import colour_table
from posekit.draw.panels import BAR, BAR_TOP, DARK, FAINT, LINE, TEXT, TICKS, caption, outline, star
from posekit.draw.pixels import figure_pixels
from posekit.draw.sheet import Sheet, blank
from posekit.draw.skeleton import mark_words
from posekit.errors import TraceError
from posekit.files import FileTarget, write_png
from posekit.percents import percent

__all__ = ["draw_comparison", "draw_panel", "save_comparison"]

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posekit.compare.comparison import Comparison

PANEL, GAP, MARGIN, TOP = 2.35, 0.16, 0.14, 0.52  # inches, as in posekit.draw.figure
DPI = 200
_CHARACTERS = 48  # of a caption's line


def draw_comparison(
    comparison: Comparison,
    *,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
    contour_share: float | None = 0.5,
    keypoints: int = 8,
    photo: bool = True,
) -> Figure:
    """The picture of a comparison, fit for a paper.

    Above, the photo, then each model's map with its own pose, all on one colour scale; below, the
    keypoints the models disagree about most, and each further map's difference to the first.

    Args:
        comparison: what to draw.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        opacity: of the maps, 0 to 1.
        dim: how much light is taken from the photo under the maps, 0 to 1.
        contour_share: outline the cells that hold this share of each map's mass; None draws none.
        keypoints: how many rows of the disagreement are written.
        photo: False leaves the photo out: maps and poses lie on plain grey.

    Returns:
        A matplotlib Figure: ``figure.savefig("x.pdf")``, or
        :func:`save_comparison`.

    Raises:
        PoseKitError: an unknown colour map.
        TraceError: ``contour_share`` is no share.
    """
    colour_table(colour_map)  # refuse an unknown name before any work
    pictures = Pictures(
        comparison,
        width=round(PANEL * DPI),
        photo=photo,
        colour_map=colour_map,
        opacity=opacity,
        dim=dim,
    )
    captions = [_caption(comparison, pictures, n) for n in range(len(comparison.panels))]
    sheet, second = _sheet(comparison, pictures, max(len(lines) for lines in captions))
    _poses(sheet, comparison, pictures)
    for n, lines in enumerate(captions):
        _map(sheet, n + 1, comparison, pictures, n, contour_share, lines)
    _scale(sheet, range(1, len(comparison.panels) + 1), comparison, pictures)
    _differences(sheet, comparison, pictures, second)
    _list(sheet, comparison, second, keypoints)
    return sheet.figure


def draw_panel(
    comparison: Comparison,
    panel: int,
    *,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
    contour_share: float | None = 0.5,
    photo: bool = True,
) -> Figure:
    """The picture of one model's answer, with its figures, on the colour scale of all of them.

    Args and errors as :func:`draw_comparison`; a panel without a map shows the bare photo and says
    why.

    Raises:
        TraceError: there is no such panel.
    """
    if not 0 <= panel < len(comparison.panels):
        count = len(comparison.panels)
        raise TraceError(f"There is no panel {panel}: there are {count}, from 0.")
    pictures = Pictures(
        comparison,
        width=round(PANEL * DPI),
        photo=photo,
        colour_map=colour_map,
        opacity=opacity,
        dim=dim,
    )
    lines = _caption(comparison, pictures, panel)
    below = BAR_TOP + BAR + TICKS + len(lines) * LINE + GAP
    size = (2 * MARGIN + PANEL, TOP + _image(pictures) + below)
    others = len(comparison.panels) - 1
    words = f"coloured on one scale with {others} other model{'s' if others > 1 else ''}"
    sheet = blank(size, DPI, comparison.title, words, margin=MARGIN, points=(8.0, 6.4))
    _map(sheet, 0, comparison, pictures, panel, contour_share, lines)
    _scale(sheet, range(1), comparison, pictures)
    return sheet.figure


def save_comparison(comparison: Comparison, target: FileTarget, *, photo: bool = True) -> None:
    """Write :func:`draw_comparison` as PNG with its figures, and no photo's name, in its text."""
    about = json.dumps(describe(comparison), ensure_ascii=False)
    pixels = figure_pixels(draw_comparison(comparison, photo=photo))
    write_png(pixels, target, {"Title": comparison.title, "PoseKit": about})


def _sheet(comparison: Comparison, pictures: Pictures, lines: int) -> tuple[Sheet, float]:
    """An empty figure with its title, and where its second row begins."""
    image = _image(pictures)
    across = len(comparison.panels) + 1
    width = 2 * MARGIN + across * PANEL + (across - 1) * GAP
    second = TOP + image + BAR_TOP + BAR + TICKS + lines * LINE + 2 * GAP
    height = second + image + BAR_TOP + BAR + TICKS + 5 * LINE + GAP
    names = " · ".join(panel.title for panel in comparison.panels)
    untrained = any(not panel.trained for panel in comparison.panels)
    if untrained:
        names += ": what is untrained has random weights and shows nothing learnt"
    return blank((width, height), DPI, comparison.title, names, margin=MARGIN), second


def _image(pictures: Pictures) -> float:
    """Height of a picture in inches."""
    return PANEL * pictures.window.size[0] / pictures.window.size[1]


def _left(column: int) -> float:
    return MARGIN + column * (PANEL + GAP)


def _bar(
    sheet: Sheet, columns: range, top: float, colours: Pixels, ticks: list[tuple[float, str]]
) -> None:
    """One colour bar under several panels."""
    across = len(columns) * PANEL + (len(columns) - 1) * GAP
    sheet.bar(_left(columns[0]), top, across, colours, ticks)


def _map(
    sheet: Sheet,
    column: int,
    comparison: Comparison,
    pictures: Pictures,
    n: int,
    contour_share: float | None,
    lines: list[str],
) -> None:
    """A panel's map and pose over the photo, where it was asked, and what is said under it."""
    axes = sheet.panel(_left(column), TOP, PANEL, pictures.window)
    axes.imshow(
        pictures.map_with_pose(n), extent=pictures.window.extent, interpolation="antialiased"
    )
    mass = comparison.panels[n].mass
    if mass is not None and contour_share is not None:
        values = pictures.window.values_of(mass)
        outline(axes, values, mass.isoline(contour_share), pictures.window)
    star(axes, comparison.panels[n].point)
    caption(sheet.figure, axes, lines, BAR_TOP + BAR + TICKS)


def _scale(sheet: Sheet, columns: range, comparison: Comparison, pictures: Pictures) -> None:
    """The colour bar of all maps."""
    # Under a single panel there is no room for a tick between the ends.
    ticks = [*comparison.scale.ticks[:: 2 if len(columns) == 1 else 1]]
    ticks[-1] = (1.0, f"{ticks[-1][1]} {comparison.scale.unit}")
    _bar(sheet, columns, TOP + _image(pictures) + BAR_TOP, pictures.colours, ticks)


def _caption(comparison: Comparison, pictures: Pictures, n: int) -> list[str]:
    panel = comparison.panels[n]
    lines = wrap(panel.title, _CHARACTERS)
    said = panel.legend, *figure_lines(panel.figures, first=n == 0), pictures.left_out(n)
    for text in (*said, *panel.caption):
        lines += wrap(text, _CHARACTERS)
    return lines


def _poses(sheet: Sheet, comparison: Comparison, pictures: Pictures) -> None:
    """The photo, and where every model was asked; each pose is on its own model's map."""
    axes = sheet.panel(MARGIN, TOP, PANEL, pictures.window)
    axes.imshow(pictures.base, extent=pictures.window.extent, interpolation="antialiased")
    asked: dict[tuple[float, float], list[str]] = {}
    for n, panel in enumerate(comparison.panels):
        if panel.point is not None:
            asked.setdefault(panel.point, []).append(str(n + 1))
    for point, numbers in asked.items():
        axes.text(
            *point,
            ", ".join(numbers),
            size=6.5,
            weight="bold",
            color="white",
            ha="center",
            va="center",
            clip_on=True,
            bbox={"boxstyle": "round,pad=0.2", "fc": DARK, "ec": "white", "lw": 0.7},
        )
    height, width = comparison.photo.size
    people = len(comparison.panels[0].prediction.people)
    lines = [
        f"photo {width} × {height} px",
        "thin lines: each model's own pose",
        mark_words(*(panel.prediction for panel in comparison.panels)),
        "numbers: where each model was asked",
        *(["dashed: the box of the person asked about"] if people > 1 else []),
        *(f"{n + 1}: {panel.title}" for n, panel in enumerate(comparison.panels)),
    ]
    caption(sheet.figure, axes, lines, BAR_TOP)


def _differences(sheet: Sheet, comparison: Comparison, pictures: Pictures, top: float) -> None:
    """Each further map against the first that there is."""
    shown = comparison.shown
    if len(shown) < 2:
        return
    first = shown[0]
    for n in shown[1:]:
        axes = sheet.panel(_left(n + 1), top, PANEL, pictures.window)
        picture = pictures.difference(first, n)
        axes.imshow(picture, extent=pictures.window.extent, interpolation="antialiased")
        overlap = comparison.overlap(first, n)
        words = [
            f"orange: more in {comparison.panels[first].title}",
            f"violet: more in {comparison.panels[n].title}",
            f"overlap {percent(overlap.intersection)}"
            f" · rank correlation {overlap.rank_correlation:.2f}",
        ]
        lines = [line for text in words for line in wrap(text, _CHARACTERS)]
        caption(sheet.figure, axes, lines, BAR_TOP + BAR + TICKS)
    limit = percent(pictures.limit)
    # Under a single panel there is no room for what it counts; the bar above has it.
    unit = f" {comparison.scale.unit}" if len(shown) > 2 else ""
    ticks = [(0.0, f"−{limit}"), (0.5, "0"), (1.0, limit + unit)]
    columns = range(shown[1] + 1, shown[-1] + 2)
    _bar(sheet, columns, top + _image(pictures) + BAR_TOP, pictures.signed_colours, ticks)


def _list(sheet: Sheet, comparison: Comparison, top: float, count: int) -> None:
    """The keypoints with the largest disagreement, as a small table."""
    heads, rows = disagreement_table(comparison, count, numbered=True)
    if not rows:
        return
    several = len(heads) > 3
    columns = (0.0, 1.0, 2.35, 3.0) if several else (0.0, 1.0, 2.6)
    sheet.text(MARGIN, top, "Where the models disagree most", size=7.5, weight="bold", color=TEXT)
    for n, row in enumerate([heads, *rows]):
        y = top + 0.2 + n * 1.35 * LINE
        for x, cell in zip(columns, row, strict=True):
            sheet.text(MARGIN + x, y, cell, size=6.4, color=FAINT if n == 0 else TEXT)
