"""What every HTML report shares: one file that needs nothing else, its look, and its pieces.

The content policy forbids every request; whoever fills in text has escaped it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from itertools import chain, repeat
from pathlib import Path
from string import Template

import numpy as np

from posekit import __version__
from posekit.draw.pixels import jpeg_url

__all__ = [
    "bar",
    "document",
    "filled",
    "gradient",
    "image",
    "meanings",
    "scrolled",
    "star",
    "table",
    "warning",
]

_STAR = (
    '<svg class="star" viewBox="-12 -12 24 24" style="left: {x:.3%}; top: {y:.3%}" '
    'aria-hidden="true"><path d="M0-9 2.1-2.9 8.6-2.8 3.4 1.1 5.3 7.3 0 3.6-5.3 7.3-3.4 1.1'
    '-8.6-2.8-2.1-2.9Z" fill="#fff" stroke="#101218" stroke-width="1.3"/></svg>'
)


@cache
def _template() -> Template:
    return Template(Path(__file__).with_name("shell.html").read_text(encoding="utf-8"))


def document(
    title: str,
    about: Iterable[str],
    main: str,
    *,
    lead: str = "",
    style: str = "",
    script: str = "",
) -> str:
    """The whole file: heading, what it is about, its sections, and where it comes from.

    Args:
        title: as plain text, the heading and the tab's name.
        about: plain texts for the line under the heading.
        main: the sections, as markup whose texts are escaped.
        lead: markup between that line and the sections.
        style: CSS beside the common one.
        script: a script element, or nothing.
    """
    return _template().substitute(
        software=escape(f"PoseKit {__version__}"),
        title=escape(title),
        about=escape(" · ".join(about)),
        lead=lead,
        main=main,
        footer=_footer(),
        style=style,
        script=script,
        # A report without a script forbids scripts altogether.
        scripts=" script-src 'unsafe-inline';" if script else "",
    )


def filled(file: str | Path, **parts: str) -> str:
    """A report's sections: a template beside its module, with its parts put in."""
    return Template(Path(file).read_text(encoding="utf-8")).substitute(parts)


def warning(text: str) -> str:
    """A line that must not be missed, from plain text; nothing for nothing."""
    return f'<p class="warn">{escape(text)}</p>' if text else ""


def _footer() -> str:
    return escape(
        f"Made with PoseKit {__version__}. This file holds all it shows and asks for nothing "
        "else. A map says where a model looked; it does not prove that the pose depends on it."
    )


def image(pixels: np.ndarray, alt: str, kind: str) -> str:
    """An img element of class ``kind`` that holds (H, W, 3) uint8 pixels as a JPEG."""
    height, width = pixels.shape[:2]
    return (
        f'<img class="{kind}" width="{width}" height="{height}" alt="{escape(alt)}" '
        f'src="{jpeg_url(pixels, 88)}">'
    )


def star(place: Sequence[float] | None) -> str:
    """The mark of the question over a picture, at fractions of its width and height."""
    return "" if place is None else _STAR.format(x=place[0], y=place[1])


def gradient(colours: Iterable[np.ndarray]) -> str:
    """256 colours as the stops of a CSS gradient."""
    stops = list(colours)[::17]  # 0, 17, ..., 255
    return ", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in stops)


def bar(colours: Iterable[np.ndarray], ticks: Iterable[str]) -> str:
    """A colour bar of 256 colours with plain texts under it, from its left end to its right."""
    words = "".join(f"<span>{escape(text)}</span>" for text in ticks)
    return (
        f'<div class="bar"><i style="background: linear-gradient(to right, {gradient(colours)})">'
        f"</i><span>{words}</span></div>"
    )


def table(
    heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], about: Sequence[str] = ()
) -> str:
    """Head and body of a table: columns as (word, what it means), rows of plain texts.

    What the first word of a row means, or nothing, is in ``about``, where it is given.
    """
    head = "".join(f'<th scope="col">{_explained(*one)}</th>' for one in heads)
    body = []
    for (first, *rest), meaning in zip(rows, chain(about, repeat("")), strict=False):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        body.append(f'<tr><th scope="row">{_explained(first, meaning)}</th>{cells}</tr>')
    return f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"


def _explained(word: str, meaning: str) -> str:
    """A word; what it means shows over it."""
    return f'<abbr title="{escape(meaning)}">{escape(word)}</abbr>' if meaning else escape(word)


def scrolled(rows: str, label: str, kind: str = "") -> str:
    """The head and body of a table as a table that scrolls by itself, also by keyboard.

    Args:
        rows: of :func:`table`.
        label: what it holds, for those who cannot see it.
        kind: one more class.
    """
    return (
        f'<div class="scroll{f" {kind}" if kind else ""}" tabindex="0" role="region" '
        f'aria-label="{escape(label)}"><table>{rows}</table></div>'
    )


def meanings(words: Iterable[tuple[str, str]]) -> str:
    """Words and what they mean, as the inside of a dl."""
    return "\n".join(f"<dt>{escape(word)}</dt><dd>{escape(what)}</dd>" for word, what in words)
