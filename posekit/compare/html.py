"""A comparison as one HTML file that needs nothing else: no server, no network, no other file.

Every text is escaped; the photo's name is not in it. What it has in common with other reports is
:mod:`posekit.report.shell`.
"""

from __future__ import annotations

from html import escape
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.compare.picture import LESS, MORE, Pictures
from posekit.compare.reproduce import command_line, needed, python_call
from posekit.compare.words import columns_of, disagreement_table, figure_lines
from posekit.draw.skeleton import mark_words
from posekit.files import FileTarget, write_text
from posekit.percents import percent
from posekit.report import shell
from posekit.report.closing import closing

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison

__all__ = ["html_page", "save_html"]

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


def save_html(comparison: Comparison, target: FileTarget, *, photo: bool = True) -> None:
    """Write the comparison as one self-contained HTML file; arguments as :func:`html_page`."""
    write_text(html_page(comparison, photo=photo), target)


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
    here = Path(__file__)
    main = shell.filled(
        here.with_name("page.html"),
        few=" few" if few else "",
        panels="\n".join(_panel(comparison, n, pictures) for n in range(len(comparison.panels))),
        bar=shell.bar(pictures.colours, _ticks(comparison)),
        scale=escape(_scale_sentence(comparison)),
        sides=escape(mark_words(*(panel.prediction for panel in comparison.panels))),
        slider=slider,
        differences=_differences(comparison, pictures),
        table=shell.scrolled(_table(comparison), "Figures"),
        disagreement=_disagreement(comparison),
        meanings=_meanings(comparison),
        closing=closing(
            [(one.model, "") for one in comparison.predictions],
            python_call(comparison),
            command_line(comparison),
            note=needed(comparison),
        ),
    )
    return shell.document(
        comparison.title,
        about,
        main,
        lead=_warning(comparison),
        style=here.with_name("page.css").read_text(encoding="utf-8"),
        script=_SCRIPT if slider else "",
    )


def _warning(comparison: Comparison) -> str:
    """One line about models that have learnt nothing, if there are such."""
    untrained = [panel.title for panel in comparison.panels if not panel.trained]
    if not untrained:
        return ""
    names = " and ".join(untrained)
    have, their = ("has", "Its") if len(untrained) == 1 else ("have", "Their")
    return shell.warning(
        f"{names} {have} random weights. {their} maps, poses and figures show nothing learnt."
    )


def _panel(comparison: Comparison, n: int, pictures: Pictures) -> str:
    panel = comparison.panels[n]
    what = f"map of {panel.title}" if panel.mass is not None else f"no map of {panel.title}"
    place = pictures.place(n)
    lines = [panel.legend, *figure_lines(panel.figures, first=n == 0), pictures.left_out(n)]
    words = "<br>".join(escape(line) for line in lines if line)
    notes = "".join(f'<span class="note">{escape(text)}</span>' for text in panel.caption)
    return (
        f'<figure><span class="view">{shell.image(pictures.map(n), what, "map")}'
        f"{shell.image(pictures.pose(n), f'pose by {panel.title}', 'pose')}"
        f"{shell.star(place)}</span>"
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
            f"The maps share {percent(overlap.intersection)} of their mass · rank correlation "
            f"{overlap.rank_correlation:.2f}"
        )
        image = shell.image(
            pictures.difference(a, b), f"difference of {one} and {other}", "difference"
        )
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
    colours = shell.gradient(pictures.signed_colours)
    return (
        "<section><h2>Where they differ</h2>"
        f'<div class="panels{width}">{"".join(figures)}</div>'
        f'<div class="bar{width}"><i style="background: linear-gradient(to right, {colours})"></i>'
        f"<span><span>−{limit}</span><span>0</span>"
        f"<span>{limit} {escape(comparison.scale.unit)}</span></span></div></section>"
    )


def _table(comparison: Comparison) -> str:
    columns = columns_of(comparison)
    heads = [(one.head, one.meaning) for one in columns]
    return shell.table(heads, ([one.cell(row) for one in columns] for row in comparison.table))


def _disagreement(comparison: Comparison) -> str:
    if not comparison.disagreement:
        return ""
    heads, cells = disagreement_table(comparison)
    rows = shell.table([(head, "") for head in heads], cells)
    return (
        "<section><h2>Where to look next</h2>"
        '<p class="soft">All keypoints the models share: those first that only some of them find, '
        "then those that they put farthest apart and look up at different places. Maps differ by "
        "the mass that does not lie in the same place, for each model's attention at its own "
        "keypoint.</p>"
        f"{shell.scrolled(rows, 'Disagreement by keypoint')}</section>"
    )


def _meanings(comparison: Comparison) -> str:
    return shell.meanings((one.head, one.meaning) for one in columns_of(comparison))


def _ticks(comparison: Comparison) -> list[str]:
    *ticks, (_, last) = comparison.scale.ticks
    return [*(text for _, text in ticks), f"{last} {comparison.scale.unit}"]


def _scale_sentence(comparison: Comparison) -> str:
    return (
        "One scale for all maps, whatever their grids: how much of a map's mass lies on each 1% of "
        f"the person's box. A map that is even over the box has {comparison.scale.even:.0%}."
    )
