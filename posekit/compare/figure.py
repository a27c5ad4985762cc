"""A comparison as one figure: the poses, the maps on one scale, and where they differ.

As :mod:`posekit.draw.figure`, without matplotlib's global state, so that several threads may draw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from posekit import __version__
from posekit.compare.export import describe
from posekit.compare.picture import Pictures
from posekit.compare.words import disagreement_table, figure_lines
from posekit.draw.colours import colour_table
from posekit.draw.legend import percent
from posekit.draw.panels import BAR, BAR_TOP, DARK, FAINT, LINE, TEXT, TICKS, caption, outline, star

__all__ = ["draw_comparison", "save_comparison"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from posekit.compare.comparison import Comparison

_PANEL, _GAP, _MARGIN, _TOP = 2.35, 0.16, 0.14, 0.52  # inches, as in posekit.draw.figure
_DPI = 200
_CHARACTERS = 48  # of a caption's line


@dataclass(frozen=True, eq=False)
class _Sheet:
    """Where things stand on the figure, in inches from its top left."""

    figure: Figure
    size: tuple[float, float]
    image: float  # height of a picture

    def axes(self, column: int, top: float, pictures: Pictures) -> Axes:
        width, height = self.size
        x, y = _left(column), height - top - self.image
        axes = self.figure.add_axes((x / width, y / height, _PANEL / width, self.image / height))
        axes.set_axis_off()
        axes.set_xlim(*pictures.window.extent[:2])
        axes.set_ylim(*pictures.window.extent[2:])
        return axes

    def bar(
        self, columns: range, top: float, colours: np.ndarray, ticks: list[tuple[float, str]]
    ) -> None:
        """One colour bar under several panels."""
        width, height = self.size
        x = _left(columns[0])
        across = len(columns) * _PANEL + (len(columns) - 1) * _GAP
        y = height - top - BAR
        bar = self.figure.add_axes((x / width, y / height, across / width, BAR / height))
        shown = np.clip(np.round(colours), 0, 255).astype(np.uint8)
        bar.imshow(shown[None], aspect="auto", extent=(0, 1, 0, 1))
        bar.set_yticks([])
        bar.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
        bar.tick_params(length=2, width=0.5, pad=1.5, labelsize=5.8, labelcolor=FAINT, color=FAINT)
        labels = bar.get_xticklabels()
        labels[0].set_horizontalalignment("left")
        labels[-1].set_horizontalalignment("right")
        for spine in bar.spines.values():
            spine.set_visible(False)

    def text(self, x: float, top: float, words: str, **style: object) -> None:
        width, height = self.size
        self.figure.text(x / width, 1 - top / height, words, va="center", **style)  # type: ignore[arg-type]


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

    Above, the photo with the poses and each model's map, all on one colour scale; below, the
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
        width=round(_PANEL * _DPI),
        photo=photo,
        colour_map=colour_map,
        opacity=opacity,
        dim=dim,
    )
    captions = [_caption(comparison, n) for n in range(len(comparison.panels))]
    sheet, second = _sheet(comparison, pictures, max(len(lines) for lines in captions))
    top = _TOP
    _poses(sheet, comparison, pictures)
    for n, lines in enumerate(captions):
        axes = sheet.axes(n + 1, top, pictures)
        axes.imshow(pictures.map(n), extent=pictures.window.extent, interpolation="antialiased")
        mass = comparison.panels[n].mass
        if mass is not None and contour_share is not None:
            values = pictures.window.values_of(mass)
            outline(axes, values, mass.isoline(contour_share), pictures.window)
        star(axes, comparison.panels[n].point)
        caption(sheet.figure, axes, lines, BAR_TOP + BAR + TICKS)
    ticks = [*comparison.scale.ticks]
    ticks[-1] = (1.0, f"{ticks[-1][1]} {comparison.scale.unit}")
    columns = range(1, len(comparison.panels) + 1)
    sheet.bar(columns, top + sheet.image + BAR_TOP, pictures.colours, ticks)
    _differences(sheet, comparison, pictures, second)
    _list(sheet, comparison, second, keypoints)
    return sheet.figure


def save_comparison(
    comparison: Comparison, target: str | Path | BinaryIO, *, photo: bool = True
) -> None:
    """Write :func:`draw_comparison` as PNG with its figures, and no file's name, in its text."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    info = PngInfo()
    info.add_text("Software", f"PoseKit {__version__}")
    info.add_itxt("Title", comparison.title)
    info.add_itxt("PoseKit", json.dumps(describe(comparison), ensure_ascii=False))
    canvas = FigureCanvasAgg(draw_comparison(comparison, photo=photo))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    Image.fromarray(pixels).save(target, format="PNG", pnginfo=info)


def _left(column: int) -> float:
    return _MARGIN + column * (_PANEL + _GAP)


def _sheet(comparison: Comparison, pictures: Pictures, lines: int) -> tuple[_Sheet, float]:
    """An empty figure with its title, and where its second row begins."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    image = _PANEL * pictures.window.size[0] / pictures.window.size[1]
    across = len(comparison.panels) + 1
    width = 2 * _MARGIN + across * _PANEL + (across - 1) * _GAP
    second = _TOP + image + BAR_TOP + BAR + TICKS + lines * LINE + 2 * _GAP
    height = second + image + BAR_TOP + BAR + TICKS + 5 * LINE + _GAP
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    sheet = _Sheet(figure, (width, height), image)
    sheet.text(_MARGIN, 0.17, comparison.title, size=11, weight="bold", color=TEXT)
    names = " · ".join(panel.title for panel in comparison.panels)
    untrained = any(not panel.trained for panel in comparison.panels)
    if untrained:
        names += ": what is untrained has random weights and shows nothing learnt"
    sheet.text(_MARGIN, 0.36, names, size=7.5, color=FAINT)
    return sheet, second


def _caption(comparison: Comparison, n: int) -> list[str]:
    panel = comparison.panels[n]
    lines = [panel.title]
    for text in (panel.legend, *figure_lines(panel.figures, first=n == 0), *panel.remarks):
        lines += wrap(text, _CHARACTERS)
    return lines


def _poses(sheet: _Sheet, comparison: Comparison, pictures: Pictures) -> None:
    """The photo with the first model's pose, and where every model was asked."""
    axes = sheet.axes(0, _TOP, pictures)
    axes.imshow(pictures.pose(0), extent=pictures.window.extent, interpolation="antialiased")
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
    lines = [
        f"pose by {comparison.panels[0].title}",
        f"photo {width} × {height} px",
        "blue: the person's left · orange: right",
        "numbers: where each model was asked",
        *(f"{n + 1}: {panel.title}" for n, panel in enumerate(comparison.panels)),
    ]
    caption(sheet.figure, axes, lines, BAR_TOP)


def _differences(sheet: _Sheet, comparison: Comparison, pictures: Pictures, top: float) -> None:
    """Each further map against the first that there is."""
    shown = comparison.shown
    if len(shown) < 2:
        return
    first = shown[0]
    for n in shown[1:]:
        axes = sheet.axes(n + 1, top, pictures)
        picture = pictures.difference(first, n)
        axes.imshow(picture, extent=pictures.window.extent, interpolation="antialiased")
        overlap = comparison.overlap(first, n)
        words = [
            f"orange: more in {comparison.panels[first].title}",
            f"violet: more in {comparison.panels[n].title}",
            f"overlap {overlap.intersection:.0%} · rank correlation {overlap.rank_correlation:.2f}",
        ]
        lines = [line for text in words for line in wrap(text, _CHARACTERS)]
        caption(sheet.figure, axes, lines, BAR_TOP + BAR + TICKS)
    limit = percent(pictures.limit)
    ticks = [(0.0, f"−{limit}"), (0.5, "0"), (1.0, limit)]
    columns = range(shown[1] + 1, shown[-1] + 2)
    sheet.bar(columns, top + sheet.image + BAR_TOP, pictures.signed_colours, ticks)


def _list(sheet: _Sheet, comparison: Comparison, top: float, count: int) -> None:
    """The keypoints with the largest disagreement, as a small table."""
    heads, rows = disagreement_table(comparison, count)
    if not rows:
        return
    several = len(heads) > 3
    columns = (0.0, 1.0, 2.35, 3.0) if several else (0.0, 1.0, 2.6)
    sheet.text(_MARGIN, top, "Where the models disagree most", size=7.5, weight="bold", color=TEXT)
    for n, row in enumerate([heads, *rows]):
        y = top + 0.2 + n * 1.35 * LINE
        if several and n:
            row[2] = " and ".join(str(p + 1) for p in comparison.disagreement[n - 1].farthest)
        for x, cell in zip(columns, row, strict=True):
            sheet.text(_MARGIN + x, y, cell, size=6.4, color=FAINT if n == 0 else TEXT)
