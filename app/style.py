"""How the page looks: its theme, and the static files put together into one component."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gradio as gr

from posekit.report.scripts import SHARED, shared_script

STATIC = Path(__file__).resolve().parent / "static"

SHEETS = (
    "tokens.css",
    "layout.css",
    "stage.css",
    "panel.css",
    "help.css",
    "models.css",
    "methods.css",
    "inside.css",
    "compare.css",
    "occlusion.css",
)
SCRIPTS = (
    "dom.js",
    "state.js",
    "pages.js",
    "help.js",
    "previews.js",
    "maps.js",
    "canvas.js",
    "pose.js",
    "zoom.js",
    "stage.js",
    "boxes.js",
    "panel.js",
    "numbers.js",
    "methods.js",
    "heads.js",
    "plotly.js",
    "inside.js",
    "inside-maps.js",
    "inside-matrix.js",
    "download.js",
    "live.js",
    "intake.js",
    "analysis.js",
    "fragment.js",
    "link.js",
    "welcome.js",
    "models.js",
    "compare.js",
    "compare-panel.js",
    "compare-draw.js",
    "compare-ask.js",
    "compare-figures.js",
    "compare-pair.js",
    "compare-page.js",
    "compare-link.js",
    "occlusion.js",
    "occlusion-draw.js",
    "occlusion-tools.js",
    "occlusion-answer.js",
    "occlusion-pointer.js",
    "occlusion-sweep.js",
    "occlusion-library.js",
    "occlusion-page.js",
    "occlusion-link.js",
    "page.js",
)
"""In this order: each may use what the ones before it declare; page.js starts the page.  Those that
are not in STATIC the page shares with the core's live file."""

PALETTES = ("magma", "viridis", "inferno", "cividis", "turbo")

PAPER, INK, NIGHT, MOON = "#f7f6f3", "#1c1f26", "#101216", "#e9e8e4"


FRAME = ".gradio-container > .main { padding: 0 !important; max-width: none !important; }"
"""What Gradio must know before the page's own sheets are there, so that nothing jumps."""


def theme() -> gr.themes.Base:
    """Gradio's own surfaces in the page's colours."""
    # No web fonts by address: the page's own faces are declared in tokens.css.
    return gr.themes.Base(
        font=("PoseKit Sans", "ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        body_background_fill=PAPER,
        body_background_fill_dark=NIGHT,
        body_text_color=INK,
        body_text_color_dark=MOON,
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_padding="0px",
    )


@cache
def markup() -> str:
    """The page's HTML with its style sheets inside."""
    sheets = "\n".join(part(name) for name in SHEETS)
    body = part("explore.html")
    for page in ("inside", "compare", "occlusion", "models"):
        body = body.replace(f"<!-- {page} -->", part(f"{page}.html"))
    html = f"<style>\n{sheets}\n</style>\n{body}"
    # Gradio runs the template through Handlebars and a JavaScript template literal; ours is
    # neither.
    for special in ("{{", "${", "`", "\\"):
        if special in html:
            raise ValueError(f"The page's markup must not contain {special!r}.")
    return html


@cache
def script() -> str:
    """The page's JavaScript: one function of the page's root element."""
    body = "\n".join(part(name) for name in SCRIPTS)
    return f"(function (element) {{\n{body}\n}})(element.querySelector('.pk'));"


def part(name: str) -> str:
    """The text of one of the files that make the page."""
    return shared_script(name) if name in SHARED else (STATIC / name).read_text(encoding="utf-8")
