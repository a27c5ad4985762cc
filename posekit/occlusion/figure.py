"""A study as one picture: poses and maps before and after, and the table of what changed.

Without matplotlib's global state, so that several threads may draw.
"""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING

from posekit.draw.panels import BAR, BAR_TOP, FAINT, LINE, TEXT, TICKS, caption, colour_bar
from posekit.draw.pixels import figure_pixels
from posekit.draw.sheet import blank
from posekit.files import FileTarget, write_png
from posekit.occlusion.changes import Change
from posekit.occlusion.export import describe
from posekit.occlusion.picture import StudyPictures, Which
from posekit.occlusion.words import HEADS, change_cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posekit.occlusion.result import Study

__all__ = ["draw_study", "save_study", "shown_rows"]

_PANEL, _GAP, _MARGIN, _TOP, _DPI = 2.9, 0.14, 0.16, 0.5, 160  # inches, and pixels an inch
_OVER = 0.12  # inches of a panel's title
_BAR = BAR_TOP + BAR + TICKS  # inches of a colour bar under a map
_CHARACTERS = 64  # of a caption's line
_TABLE, _LINE = 5.3, 0.165
_COLUMNS = (0.0, 3.05, 3.75, 4.7)


def draw_study(study: Study, *, rows: int = 24, photo: bool = True) -> Figure:
    """Before on top, after below: pose, map of the shown layer, and the table beside them.

    Args:
        study: what to draw.
        rows: of the table, at most: those about other layers are left out first, and a line says
            how many are missing.
        photo: False leaves the photo out: what is drawn lies on plain grey.

    Returns:
        A matplotlib Figure: ``figure.savefig("x.pdf")``, or :func:`save_study`.
    """
    pictures = StudyPictures(study, width=round(_PANEL * _DPI), photo=photo)
    image = _PANEL * pictures.window.size[0] / pictures.window.size[1]
    sides: tuple[Which, ...] = ("before", "after")
    under = {
        which: [
            [line for text in texts for line in wrap(text, _CHARACTERS)]
            for texts in (pictures.pose_lines(which), pictures.map_lines(which))
        ]
        for which in sides
    }
    below = max(
        max(BAR_TOP + len(pose) * LINE, _BAR + len(map_) * LINE) for pose, map_ in under.values()
    )
    step = _OVER + image + below + _GAP
    lines = [line for text in study.sentences for line in wrap(text, 76)]
    shown = shown_rows(study, rows)
    cells = [HEADS, *(change_cells(row) for row in shown)]
    if len(shown) < len(study.changes):
        left = len(study.changes) - len(shown)
        cells.append([f"… {left} more row{'' if left == 1 else 's'} in the report", "", "", ""])
    side = (len(lines) + len(cells) + 2) * _LINE
    width = 2 * _MARGIN + 2 * _PANEL + 2 * _GAP + _TABLE
    height = _TOP + max(2 * step, side) + _MARGIN
    model = study.before.prediction.model
    about = [model.entry.title, study.layer_words(study.layer)]
    if not model.trained:
        about.append("untrained: shows nothing learnt")
    sheet = blank((width, height), _DPI, study.title, " · ".join(about), margin=_MARGIN)
    for n, which in enumerate(sides):
        for m, draw in enumerate((pictures.pose, pictures.map)):
            x, top = _MARGIN + m * (_PANEL + _GAP), _TOP + n * step
            panel = sheet.axes(x, top + _OVER, _PANEL, image)
            panel.imshow(draw(which), interpolation="antialiased")
            words = f"{which}: {f'pose by {model.entry.title}' if m == 0 else study.map_title}"
            sheet.text(x, top + 0.04, words, size=6.8, color=TEXT)
            ticks = pictures.ticks(which) if m else []
            if ticks:
                colour_bar(sheet.figure, panel, pictures.colours(which), ticks)
            caption(sheet.figure, panel, under[which][m], _BAR if ticks else BAR_TOP)
    x, top = _MARGIN + 2 * (_PANEL + _GAP), _TOP + 0.1
    for line in lines:
        sheet.text(x, top, line, size=7, color=TEXT)
        top += _LINE
    top += _LINE
    for n, row in enumerate(cells):
        for column, value in zip(_COLUMNS, row, strict=True):
            sheet.text(x + column, top, value, size=6.4, color=FAINT if n == 0 else TEXT)
        top += _LINE
    return sheet.figure


def shown_rows(study: Study, most: int) -> list[Change]:
    """The rows of the table that fit, in its order: other layers are left out first, whole."""
    rows = list(study.changes)
    for layer in study.layers:  # the table has the last one first
        if len(rows) > most and layer != study.layer:
            rows = [row for row in rows if not row.key.endswith(f".{layer}")]
    return rows[:most]


def save_study(study: Study, target: FileTarget, *, photo: bool = True) -> None:
    """Write :func:`draw_study` as PNG with its figures, and no file's name, in its text."""
    about = json.dumps(describe(study), ensure_ascii=False)
    pixels = figure_pixels(draw_study(study, photo=photo))
    write_png(pixels, target, {"Title": study.title, "PoseKit": about})
