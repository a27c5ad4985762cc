"""A comparison as one HTML file that needs nothing else: no server, no network, no other file.

Its content policy forbids every request; every text is escaped; the photo's name is not in it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from itertools import combinations
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from posekit import __version__
from posekit.compare.picture import LESS, MORE, Pictures
from posekit.compare.words import columns_of, disagreement_table, figure_lines
from posekit.draw.legend import percent

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison

__all__ = ["html_page", "save_html"]

_STAR = (
    '<svg class="star" viewBox="-12 -12 24 24" style="left: {x:.3%}; top: {y:.3%}" '
    'aria-hidden="true"><path d="M0-9 2.1-2.9 8.6-2.8 3.4 1.1 5.3 7.3 0 3.6-5.3 7.3-3.4 1.1'
    '-8.6-2.8-2.1-2.9Z" fill="#fff" stroke="#101218" stroke-width="1.3"/></svg>'
)
_SCRIPT = """<script>
(() => {
  const wipe = document.querySelector(".wipe"), at = document.querySelector("#at");
  const images = wipe.querySelectorAll("img"), picks = document.querySelectorAll(".pick select");
  const maps = document.querySelectorAll(".panels img.map");
  const show = () => picks.forEach((pick, side) => {
    images[side].src = maps[pick.value].src;
    images[side].alt = maps[pick.value].alt;
  });
  picks.forEach((pick) => pick.addEventListener("change", show));
  at.addEventListener("input", () => wipe.style.setProperty("--at", at.value + "%"));
  show();
})();
</script>"""


def save_html(comparison: Comparison, target: str | Path | BinaryIO, *, photo: bool = True) -> None:
    """Write the comparison as one self-contained HTML file; arguments as :func:`html_page`."""
    text = html_page(comparison, photo=photo).encode("utf-8")
    if isinstance(target, str | Path):
        Path(target).write_bytes(text)
    else:
        target.write(text)


def html_page(comparison: Comparison, *, photo: bool = True, width: int = 640) -> str:
    """The text of the file.

    Args:
        comparison: what to show.
        photo: False leaves the photo out: maps and poses lie on plain grey.
        width: of its pictures in pixels.
    """
    pictures = Pictures(comparison, width=width, photo=photo)
    few = len(comparison.panels) < 4
    height, wide = comparison.photo.size
    about = [f"{len(comparison.panels)} models", f"photo {wide} × {height} px"]
    if len(comparison.panels[0].prediction.people) > 1:
        about.append(f"person {comparison.person + 1}")
    if not photo:
        about.append("the photo itself is left out")
    slider = _slider(comparison)
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        software=escape(f"PoseKit {__version__}"),
        title=escape(comparison.title),
        about=escape(" · ".join(about)),
        warning=_warning(comparison),
        few=" few" if few else "",
        panels="\n".join(_panel(comparison, n, pictures) for n in range(len(comparison.panels))),
        colours=_gradient(pictures.colours),
        ticks=_ticks(comparison),
        scale=escape(_scale_sentence(comparison)),
        slider=slider,
        differences=_differences(comparison, pictures),
        table=_table(comparison),
        disagreement=_disagreement(comparison),
        meanings=_meanings(comparison),
        footer=escape(
            f"Made with PoseKit {__version__}. This file holds all it shows and asks for nothing "
            "else. A map says where a model looked; it does not prove that the pose depends on it."
        ),
        script=_SCRIPT if slider else "",
    )


def _warning(comparison: Comparison) -> str:
    """One line about models that have learnt nothing, if there are such."""
    untrained = [panel.title for panel in comparison.panels if not panel.trained]
    if not untrained:
        return ""
    names = " and ".join(untrained)
    have, their = ("has", "Its") if len(untrained) == 1 else ("have", "Their")
    text = f"{names} {have} random weights. {their} maps, poses and figures show nothing learnt."
    return f'<p class="warn">{escape(text)}</p>'


def _panel(comparison: Comparison, n: int, pictures: Pictures) -> str:
    panel = comparison.panels[n]
    what = f"map of {panel.title}" if panel.mass is not None else f"no map of {panel.title}"
    place = pictures.place(n)
    lines = [panel.legend, *figure_lines(panel.figures, first=n == 0)]
    words = "<br>".join(escape(line) for line in lines if line)
    notes = "".join(f'<span class="note">{escape(text)}</span>' for text in panel.remarks)
    star = "" if place is None else _STAR.format(x=place[0], y=place[1])
    return (
        f'<figure><span class="view">{_image(pictures.map(n), what, "map")}'
        f"{_image(pictures.pose(n), f'pose by {panel.title}', 'pose')}{star}</span>"
        f"<figcaption><strong>{escape(panel.title)}</strong>{words}{notes}</figcaption></figure>"
    )


def _slider(comparison: Comparison) -> str:
    """Two maps, one wiped over the other; empty when there are not two."""
    shown = comparison.shown
    if len(shown) < 2:
        return ""
    picks = []
    for side, start in (("left", shown[0]), ("right", shown[1])):
        options = "".join(
            f'<option value="{n}"{" selected" if n == start else ""}>'
            f"{escape(comparison.panels[n].title)}</option>"
            for n in shown
        )
        picks.append(f'<select aria-label="Map on the {side}">{options}</select>')
    return (
        '<section class="slider"><h2>One over the other</h2>'
        f'<div class="pick">{"".join(picks)}</div>'
        '<div class="wipe"><img alt=""><img alt=""></div>'
        '<input type="range" id="at" min="0" max="100" value="50" '
        'aria-label="Where the left map ends"></section>'
    )


def _differences(comparison: Comparison, pictures: Pictures) -> str:
    pairs = list(combinations(comparison.shown, 2))
    if not pairs:
        return ""
    figures = []
    for a, b in pairs:
        one, other = comparison.panels[a].title, comparison.panels[b].title
        overlap = comparison.overlap(a, b)
        text = (
            f"The maps share {overlap.intersection:.0%} of their mass · rank correlation "
            f"{overlap.rank_correlation:.2f}"
        )
        image = _image(pictures.difference(a, b), f"difference of {one} and {other}", "difference")
        swatches = "".join(
            f'<span style="color: rgb{colour}" aria-hidden="true">■</span> '
            f"{escape(word)}: {escape(name)} looks more<br>"
            for colour, word, name in ((MORE, "orange", one), (LESS, "violet", other))
        )
        figures.append(
            f'<figure><span class="view">{image}</span>'
            f"<figcaption>{swatches}{escape(text)}</figcaption></figure>"
        )
    width = " one" if len(pairs) == 1 else " few" if len(pairs) < 4 else ""
    limit = percent(pictures.limit)
    colours = _gradient(pictures.signed_colours)
    return (
        "<section><h2>Where they differ</h2>"
        f'<div class="panels{width}">{"".join(figures)}</div>'
        f'<div class="bar{width}"><i style="background: linear-gradient(to right, {colours})"></i>'
        f"<span><span>−{limit}</span><span>0</span>"
        f"<span>{limit} of the mass per 1% of the box</span></span></div></section>"
    )


def _table(comparison: Comparison) -> str:
    columns = columns_of(comparison)
    head = "".join(
        f'<th scope="col"><abbr title="{escape(one.meaning)}">{escape(one.head)}</abbr></th>'
        for one in columns
    )
    rows = []
    for row in comparison.table:
        first, *rest = (escape(one.cell(row)) for one in columns)
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        rows.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"


def _disagreement(comparison: Comparison) -> str:
    if not comparison.disagreement:
        return ""
    heads, cells_of = disagreement_table(comparison)
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    rows = []
    for row in cells_of:
        first, *rest = (escape(cell) for cell in row)
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        rows.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        "<section><h2>Where to look next</h2>"
        '<p class="soft">All keypoints the models share, those first that they put farthest apart '
        "and look up at different places. Maps differ by the mass that does not lie in the same "
        "place, for each model's attention at its own keypoint.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Disagreement by keypoint">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        "</section>"
    )


def _meanings(comparison: Comparison) -> str:
    return "\n".join(
        f"<dt>{escape(one.head)}</dt><dd>{escape(one.meaning)}</dd>"
        for one in columns_of(comparison)
    )


def _ticks(comparison: Comparison) -> str:
    *ticks, (_, last) = comparison.scale.ticks
    words = [text for _, text in ticks] + [f"{last} {comparison.scale.unit}"]
    return "".join(f"<span>{escape(word)}</span>" for word in words)


def _scale_sentence(comparison: Comparison) -> str:
    return (
        "One scale for all maps, whatever their grids: how much of a map's mass lies on each 1% of "
        f"the person's box. A map that is even over the box has {comparison.scale.even:.0%}."
    )


def _gradient(colours: Iterable[np.ndarray]) -> str:
    stops = list(colours)[::17]  # 0, 17, ..., 255
    return ", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in stops)


def _image(pixels: np.ndarray, alt: str, kind: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    height, width = pixels.shape[:2]
    return (
        f'<img class="{kind}" width="{width}" height="{height}" alt="{escape(alt)}" '
        f'src="data:image/jpeg;base64,{data}">'
    )
