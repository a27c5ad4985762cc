"""A study as one HTML file that needs nothing else: no server, no network, no script.

Its content policy forbids every request; every text is escaped; the photo's name is not in it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from posekit import __version__
from posekit.occlusion.picture import StudyPictures, Which
from posekit.occlusion.words import HEADS, KEYPOINT_HEADS, change_cells, keypoint_cells

if TYPE_CHECKING:
    from posekit.occlusion.result import Study
    from posekit.occlusion.sweep_result import Sweep

__all__ = ["html_page", "save_html"]


def save_html(
    study: Study, target: str | Path | BinaryIO, *, note: str = "", sweep: Sweep | None = None
) -> None:
    """Write the study as one self-contained HTML file; arguments as :func:`html_page`."""
    text = html_page(study, note=note, sweep=sweep).encode("utf-8")
    if isinstance(target, str | Path):
        Path(target).write_bytes(text)
    else:
        target.write(text)


def html_page(
    study: Study,
    *,
    note: str = "",
    title: str = "",
    sweep: Sweep | None = None,
    width: int = 640,
) -> str:
    """The text of the file.

    Args:
        study: what to show.
        note: what somebody wrote about it.
        title: of the page; empty is the study's own.
        sweep: to show as well.
        width: of its pictures in pixels.
    """
    model, height, wide = study.before.prediction.model, *study.photo.size
    about = [model.entry.title, study.layer or "no attention map", f"photo {wide} × {height} px"]
    if title:
        about.insert(0, study.title)
    if study.masks is not None:
        about.append(study.masks.words)
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        software=escape(f"PoseKit {__version__}"),
        title=escape(title or study.title),
        about=escape(" · ".join(about)),
        note=f'<p class="note">{escape(note)}</p>' if note.strip() else "",
        warning=_warning(study),
        sentences="\n".join(f"<p>{escape(text)}</p>" for text in study.sentences),
        pictures=_pictures(study, width),
        sweep="" if sweep is None else _sweep(sweep),
        changes=_table(
            HEADS,
            [change_cells(row) for row in study.changes],
            [row.meaning for row in study.changes],
        ),
        keypoints=_table(KEYPOINT_HEADS, [keypoint_cells(row) for row in study.keypoint_changes]),
        footer=escape(
            f"Made with PoseKit {__version__}. This file holds all it shows and asks for nothing "
            "else. A map says where a model looked; it does not prove that the pose depends on it."
        ),
    )


def _warning(study: Study) -> str:
    model = study.before.prediction.model
    if model.trained:
        return ""
    text = f"{model.entry.title} has random weights. Nothing here shows anything learnt."
    return f'<p class="warn">{escape(text)}</p>'


def _pictures(study: Study, width: int) -> str:
    pictures = StudyPictures(study, width=width)
    kinds = [("pose", pictures.pose, "the pose found")]
    if study.layers:
        kinds.append(("map", pictures.map, f"what the {study.label} looks at, {study.layer}"))
    if study.masks is not None:
        kinds.append(("people", pictures.masks, "the people, as the masks have them"))
    sides: tuple[Which, ...] = ("before", "after")
    rows = []
    for kind, draw, words in kinds:
        figures = "".join(
            f"<figure>{_image(draw(which), f'{kind} {which}')}<figcaption>"
            f"<strong>{which}</strong>{escape(words)}</figcaption></figure>"
            for which in sides
        )
        rows.append(f'<div class="pair">{figures}</div>')
    return "\n".join(rows)


def _sweep(sweep: Sweep) -> str:
    from posekit.occlusion.sweep_figure import curves_picture, heat_picture

    words = f"against how much of {sweep.share_words} is covered"
    figures = [
        f'<figure class="wide">{_image(curves_picture(sweep), "curves")}<figcaption>'
        f"{escape(words)}</figcaption></figure>"
    ]
    if sweep.shape is not None:
        figures.append(
            f"<figure>{_image(heat_picture(sweep), 'map of the drop')}<figcaption>by how much the "
            "confidence falls with the occluder's middle there: green falls, violet rises, at most "
            f"{sweep.heat.limit:.2f}</figcaption></figure>"
        )
    return (
        f'<section><h2>{escape(sweep.title)}</h2><div class="pair">{"".join(figures)}</div>'
        "</section>"
    )


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], meanings: Sequence[str] = ()
) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    lines = []
    for n, (first, *rest) in enumerate(rows):
        name = escape(first)
        if meanings and meanings[n]:
            name = f'<abbr title="{escape(meanings[n])}">{name}</abbr>'
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _image(pixels: np.ndarray, alt: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    height, width = pixels.shape[:2]
    return (
        f'<img width="{width}" height="{height}" alt="{escape(alt)}" '
        f'src="data:image/jpeg;base64,{data}">'
    )
