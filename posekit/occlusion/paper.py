"""A study as a figure for a paper: before and after in one column, a colour bar, and no prose.

Without matplotlib's global state, so that several threads may draw.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from posekit.draw.panels import TEXT
from posekit.draw.pixels import figure_pixels
from posekit.draw.skeleton import draw_skeleton
from posekit.files import FileTarget, write_bytes, write_png
from posekit.occlusion.outline import outline_rings
from posekit.occlusion.picture import StudyPictures, Which

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from posekit.occlusion.result import Study

__all__ = ["COLUMN", "POINTS", "draw_paper", "save_paper_png", "save_paper_svg"]

COLUMN = 85.0
"""Millimetres: how wide the figure is, one column of a journal."""
POINTS = 7.0
"""Of all its text."""

_MM = 25.4  # millimetres an inch
_GAP, _LINE, _BAR, _WIDE = 2.0, 3.6, 2.2, 36.0  # mm: between panels, of text, of the bar
_PIXELS = 640  # of a panel's width
_DPI = 400


def draw_paper(study: Study, *, photo: bool = True) -> Figure:
    """Pose and map of the shown layer before and after, beside each other, 85 mm wide.

    The occluder has its outline on the side after; both maps share one colour scale, whose bar is
    left out where there is no map. What stands there are the two sides' names, the confidence in
    the keypoint and what the bar counts: the rest belongs in the paper's own caption.

    Args:
        study: what to draw.
        photo: False leaves the photo out: what is drawn lies on plain grey.

    Returns:
        A matplotlib Figure: ``figure.savefig("x.pdf")``.
    """
    from matplotlib.figure import Figure

    pictures = StudyPictures(study, width=_PIXELS, photo=photo)
    ticks = pictures.ticks("before") or pictures.ticks("after")
    wide = (COLUMN - _GAP) / 2
    high = wide * pictures.window.size[0] / pictures.window.size[1]
    total = _LINE + high + (_LINE if ticks else 0.0)
    figure = Figure(figsize=(COLUMN / _MM, total / _MM), dpi=_DPI, facecolor="white")

    def axes(x: float, top: float, width: float, height: float) -> Axes:
        return figure.add_axes(
            (x / COLUMN, 1 - (top + height) / total, width / COLUMN, height / total)
        )

    def text(x: float, top: float, words: str, side: str) -> None:
        figure.text(
            x / COLUMN, 1 - top / total, words, size=POINTS, color=TEXT, ha=side, va="center"
        )

    sides: tuple[Which, ...] = ("before", "after")
    for n, which in enumerate(sides):
        x = n * (wide + _GAP)
        panel = axes(x, _LINE, wide, high)
        panel.set_axis_off()
        left, right, bottom, top = pictures.window.extent
        panel.imshow(_pixels(pictures, which), extent=(left, right, bottom, top))
        if which == "after":
            for ring in outline_rings(study.cover):
                around = np.vstack([ring, ring[:1]])
                for colour, width in (("#101218", 1.3), ("#ffffff", 0.6)):
                    panel.plot(around[:, 0], around[:, 1], color=colour, linewidth=width)
        panel.set_xlim(left, right)
        panel.set_ylim(bottom, top)
        confidence = pictures.side(which).confidence
        words = which if confidence is None else f"{which}, confidence {confidence:.2f}"
        text(x, _LINE / 2, words[0].upper() + words[1:], "left")
    if ticks:
        under = _LINE + high + _LINE / 2
        bar = axes(0, under - _BAR / 2, _WIDE, _BAR)
        bar.set_axis_off()
        bar.imshow(pictures.colours("before")[None], aspect="auto")
        text(_WIDE + 1.5, under, f"0 to {ticks[-1][1]}", "left")
    return figure


def save_paper_png(study: Study, target: FileTarget, *, photo: bool = True) -> None:
    """Write :func:`draw_paper` as PNG of 400 pixels an inch."""
    pixels = figure_pixels(draw_paper(study, photo=photo))
    write_png(pixels, target, {"Title": study.title})


def save_paper_svg(study: Study, target: FileTarget, *, photo: bool = True) -> None:
    """Write :func:`draw_paper` as SVG: the outline and the letters are vectors."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure, buffer = draw_paper(study, photo=photo), io.BytesIO()
    # Without a date the same study gives the same file.
    about = {"Title": study.title, "Date": None}
    FigureCanvasSVG(figure).print_svg(buffer, metadata=about)
    write_bytes(buffer.getvalue(), target)


def _pixels(pictures: StudyPictures, which: Which) -> np.ndarray:
    """The map, and the pose of the person asked about on it; everybody's where they are gone."""
    side = pictures.side(which)
    people = side.prediction.people if side.someone is None else (side.someone,)
    return draw_skeleton(
        pictures.map(which), people, side.prediction.skeleton, to_picture=pictures.window.to_drawn
    )
