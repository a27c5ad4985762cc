"""A study as one HTML file that needs nothing else: no server, no network, no script.

Every text is escaped; the photo's name is not in it. What it has in common with other reports is
:mod:`posekit.report.shell`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.files import FileTarget, write_text
from posekit.occlusion.picture import StudyPictures, Which
from posekit.occlusion.reproduce import command_line, needed, python_call
from posekit.occlusion.words import HEADS, KEYPOINT_HEADS, change_cells, keypoint_cells
from posekit.report import shell
from posekit.report.closing import closing

if TYPE_CHECKING:
    from posekit.occlusion.result import Study
    from posekit.occlusion.sweep_result import Sweep

__all__ = ["html_page", "save_html"]


def save_html(
    study: Study,
    target: FileTarget,
    *,
    note: str = "",
    sweep: Sweep | None = None,
    photo: bool = True,
) -> None:
    """Write the study as one self-contained HTML file; arguments as :func:`html_page`."""
    write_text(html_page(study, note=note, sweep=sweep, photo=photo), target)


def html_page(
    study: Study,
    *,
    note: str = "",
    title: str = "",
    sweep: Sweep | None = None,
    photo: bool = True,
    width: int = 640,
) -> str:
    """The text of the file.

    Args:
        study: what to show.
        note: what somebody wrote about it.
        title: of the page; empty is the study's own.
        sweep: to show as well.
        photo: False leaves the photo out: what is drawn lies on plain grey.
        width: of its pictures in pixels.
    """
    model, height, wide = study.before.prediction.model, *study.photo.size
    about = [model.entry.title, study.layer_words(study.layer), f"photo {wide} × {height} px"]
    if title:
        about.insert(0, study.title)
    if study.masks is not None:
        about.append(study.masks.words)
    if not photo:
        about.append("the photo itself is left out")
    here = Path(__file__)
    main = shell.filled(
        here.with_name("page.html"),
        sentences="\n".join(f"<p>{escape(text)}</p>" for text in study.sentences),
        pictures=_pictures(StudyPictures(study, width=width, photo=photo)),
        sweep="" if sweep is None else _sweep(sweep, photo),
        changes=shell.scrolled(_changes(study), "What changed"),
        keypoints=shell.scrolled(_keypoints(study), "Every keypoint"),
        closing=closing([(model, "")], python_call(study), command_line(study), note=needed(study)),
    )
    return shell.document(
        title or study.title,
        about,
        main,
        lead=(f'<p class="words">{escape(note)}</p>' if note.strip() else "") + _warning(study),
        style=here.with_name("page.css").read_text(encoding="utf-8"),
    )


def _warning(study: Study) -> str:
    model = study.before.prediction.model
    if model.trained:
        return ""
    return shell.warning(
        f"{model.entry.title} has random weights. Nothing here shows anything learnt."
    )


def _pictures(pictures: StudyPictures) -> str:
    study = pictures.study
    title = study.before.prediction.model.entry.title
    kinds = [("pose", pictures.pose, f"the pose found by {title}")]
    if study.layers:
        kinds.append(("map", pictures.map, study.map_title))
    segmented = study.model_masks is not None
    if study.masks is not None and not (segmented and study.masks.source == "model"):
        kinds.append(("people", pictures.masks, f"whose pixels are whose: {study.masks.words}"))
    if segmented:
        kinds.append(("found", pictures.model_masks, f"the people, as {title} sees them"))
    sides: tuple[Which, ...] = ("before", "after")
    rows = []
    for kind, draw, words in kinds:
        figures = "".join(
            f"<figure>{shell.image(draw(which), f'{kind} {which}', kind)}<figcaption>"
            f"<strong>{which}</strong>{_lines([words, *_said(pictures, kind, which)])}"
            f"</figcaption>{_bar(pictures, kind, which)}</figure>"
            for which in sides
        )
        rows.append(f'<div class="pair">{figures}</div>')
    return "\n".join(rows)


def _said(pictures: StudyPictures, kind: str, which: Which) -> list[str]:
    """What else stands under a picture of a kind."""
    if kind == "pose":
        return pictures.pose_lines(which)
    return pictures.map_lines(which) if kind == "map" else []


def _bar(pictures: StudyPictures, kind: str, which: Which) -> str:
    """The colour bar under a map."""
    ticks = pictures.ticks(which) if kind == "map" else []
    return shell.bar(pictures.colours(which), [text for _, text in ticks]) if ticks else ""


def _lines(lines: list[str]) -> str:
    return "<br>".join(escape(line) for line in lines)


def _sweep(sweep: Sweep, photo: bool) -> str:
    from posekit.occlusion.sweep_figure import curves_picture, heat_picture

    words = f"against how much of {sweep.share_words} is covered"
    figures = [
        f'<figure class="wide">{shell.image(curves_picture(sweep), "curves", "curves")}<figcaption>'
        f"{escape(words)}</figcaption></figure>"
    ]
    if sweep.shape is not None:
        drop = heat_picture(sweep, photo=photo)
        figures.append(
            f"<figure>{shell.image(drop, 'map of the drop', 'drop')}<figcaption>"
            "by how much the confidence falls with the occluder's middle there: green falls, "
            f"violet rises, at most {sweep.heat.limit:.2f}</figcaption></figure>"
        )
    return (
        f'<section><h2>{escape(sweep.title)}</h2><div class="pair">{"".join(figures)}</div>'
        "</section>"
    )


def _keypoints(study: Study) -> str:
    return shell.table(
        [(head, "") for head in KEYPOINT_HEADS],
        [keypoint_cells(row) for row in study.keypoint_changes],
    )


def _changes(study: Study) -> str:
    """The table of changes; what a row means shows over its name."""
    return shell.table(
        [(head, "") for head in HEADS],
        [change_cells(row) for row in study.changes],
        [row.meaning for row in study.changes],
    )
