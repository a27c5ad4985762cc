"""What can be taken home from the Occlusion page, as bytes."""

from __future__ import annotations

import io
import tempfile
from html import escape
from pathlib import Path

from posekit.draw import save_png
from posekit.occlusion import Study, Sweep, draw_study, html_page

FORMATS = {
    "html": "text/html",
    "png": "image/png",
    "svg": "image/svg+xml",
    "paper-svg": "image/svg+xml",
    "json": "application/json",
    "csv": "text/csv",
    "npz": "application/zip",
    "sweep": "text/html",
    "sweep-csv": "text/csv",
}
SWEEPS = ("sweep", "sweep-csv")
"""Those of :data:`FORMATS` that hold a sweep."""
MOST_NOTE, MOST_TITLE = 4000, 120


def written(
    found: Study,
    kind: str,
    *,
    note: str = "",
    title: str = "",
    sweep: Sweep | None = None,
    photo: bool = True,
) -> bytes:
    """A study as a file of a kind of :data:`FORMATS`; what it wrote to the disk is gone again."""
    if kind == "html":
        note, title = note[:MOST_NOTE], title[:MOST_TITLE]
        page = html_page(found, note=note, title=title, sweep=sweep, photo=photo)
        return page.encode("utf-8")
    with tempfile.TemporaryDirectory(prefix="posekit-") as folder:
        path = Path(folder) / f"study.{kind}"
        if kind == "png":
            save_png(draw_study(found, photo=photo), path)
        elif kind in ("svg", "paper-svg"):
            found.save_svg(path, photo=photo, paper=kind == "paper-svg")
        else:
            saves = {"json": found.save_json, "csv": found.save_csv, "npz": found.save_npz}
            saves[kind](path)
        return path.read_bytes()


def swept(found: Sweep, kind: str, photo: bool = True) -> bytes:
    """A sweep as a file of a kind of :data:`SWEEPS`."""
    if kind == "sweep":
        return plotted(found, photo)
    table = io.BytesIO()
    found.save_csv(table)
    return table.getvalue()


def plotted(found: Sweep, photo: bool = True) -> bytes:
    """A sweep as one HTML file that brings plotly along: every figure there is of it."""
    figures = [found.figure(photo=photo)]
    if found.shape is not None:
        figures.append(found.curves())
    parts = [
        one.to_html(full_html=False, include_plotlyjs=n == 0, config={"displaylogo": False})
        for n, one in enumerate(figures)
    ]
    head = f'<meta charset="utf-8"><title>{escape(found.title)}</title>'
    return f"<!doctype html><html><head>{head}</head><body>{''.join(parts)}</body></html>".encode()


def file_name(label: str, kind: str) -> str:
    """``posekit-occlusion-left-wrist.png``."""
    words = "-".join("".join(one if one.isalnum() else " " for one in label).split())
    tails = {"sweep": "-sweep.html", "sweep-csv": "-sweep.csv", "paper-svg": "-paper.svg"}
    tail = tails.get(kind, f".{kind}")
    return f"posekit-occlusion-{words}{tail}"
