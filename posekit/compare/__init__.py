"""Models side by side: the same question to several of them, and how far their answers differ.

The package can be called as the function it is about: ``posekit.compare([a, b], "left wrist")`` is
:func:`posekit.compare.ask.compare`.
"""

import sys
from types import ModuleType
from typing import Any

from posekit.compare.alike import predict_alike
from posekit.compare.anchors import Asking
from posekit.compare.ask import FEWEST, MOST, compare
from posekit.compare.comparison import Comparison, DensityScale, Overlap
from posekit.compare.disagreement import Disagreement, disagreements
from posekit.compare.export import describe, save_json, save_npz
from posekit.compare.figure import draw_comparison, draw_panel
from posekit.compare.grid import CommonGrid
from posekit.compare.html import html_page, save_html
from posekit.compare.panel import Figures, Panel
from posekit.compare.picture import Pictures
from posekit.compare.svg import save_svg, svg_text

__all__ = [
    "FEWEST",
    "MOST",
    "Asking",
    "CommonGrid",
    "Comparison",
    "DensityScale",
    "Disagreement",
    "Figures",
    "Overlap",
    "Panel",
    "Pictures",
    "compare",
    "describe",
    "disagreements",
    "draw_comparison",
    "draw_panel",
    "html_page",
    "predict_alike",
    "save_html",
    "save_json",
    "save_npz",
    "save_svg",
    "svg_text",
]


class _CallablePackage(ModuleType):
    """Lets ``posekit.compare`` be the verb as well as the place its parts live in."""

    def __call__(self, *args: Any, **options: Any) -> Comparison:
        return compare(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
