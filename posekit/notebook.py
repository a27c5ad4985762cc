"""Results that show themselves: what a notebook puts under a cell that ends in one.

Jupyter and its kin ask a result for ``_repr_png_`` or ``_repr_html_``; each asks here, and nothing
is imported or drawn before. A live report (:mod:`posekit.report.live_report`) is a page by itself.
"""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Protocol

from posekit.doubts import doubts_of
from posekit.draw import draw_explanation, draw_skeleton
from posekit.draw.dependencies import draw_dependencies
from posekit.draw.heads import draw_heads
from posekit.found import found_words
from posekit.geometry import Affine
from posekit.layer_words import layer_words
from posekit.photo import shrink
from posekit.report import shell
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posekit.estimator import Prediction
    from posekit.explain import Explanation, HeatMap
    from posekit.explain.dependencies import Dependencies
    from posekit.explain.heads import HeadWorth
    from posekit.zoo import PoseModel

__all__ = ["dependencies_png", "explanation_png", "heads_png", "png_of", "prediction_html"]

SIDE = 900
"""Longest side in pixels of a photo with poses."""

DPI = 80
"""Of a figure: as wide as a cell, not as fine as a file."""


class Saved(Protocol):
    """What writes itself as a picture."""

    def save_png(self, target: io.BytesIO) -> None:
        """Write a PNG file."""


def prediction_html(prediction: Prediction) -> str:
    """Everybody's pose on the photo, and a line: the model, whom it found, how sure it is."""
    model = prediction.model
    pixels = shrink(prediction.photo.pixels, SIDE)
    photo, (rows, cols) = prediction.photo, pixels.shape[:2]
    across, down = cols / photo.width, rows / photo.height
    # Pixel centres lie at integers, before and after.
    to_picture = Affine.scaling((across, down), ((across - 1) / 2, (down - 1) / 2))
    drawn = draw_skeleton(
        pixels,
        prediction.people,
        prediction.skeleton,
        to_picture=to_picture,
        doubted=doubts_of(prediction),
    )
    count = len(prediction.people)
    found = "one person" if count == 1 else f"{count} people"
    if model.entry.find is not None:
        found = f"found {found_words(prediction.people, prediction.skeleton.size)}"
    words = [f"<b>{escape(model.entry.title)}</b>: {escape(found)}."]
    if not model.trained:
        words.append("<b>Its weights are random: this pose shows nothing learnt.</b>")
    elif (doubt := unsure_words(prediction, first=0)) is not None:
        words.append(escape(doubt))
    image = shell.image(drawn, "The poses on the photo", "pose")
    return f"<figure>{image}<figcaption>{' '.join(words)}</figcaption></figure>"


def explanation_png(shown: Explanation | HeatMap, prediction: Prediction) -> bytes:
    """Every layer's map, or a method's: see :func:`posekit.draw.draw_explanation`."""
    return _drawn(draw_explanation(shown, prediction=prediction))


def heads_png(found: HeadWorth, model: PoseModel) -> bytes:
    """What each head is worth to each keypoint, see :func:`posekit.draw.heads.draw_heads`."""
    return _drawn(draw_heads(found, _title(model)))


def dependencies_png(found: Dependencies, model: PoseModel) -> bytes:
    """Who looks at whom, see :func:`posekit.draw.dependencies.draw_dependencies`."""
    layer = layer_words(found.layer, found.kind, model.entry.levels)
    head = "mean over heads" if found.head is None else f"head {found.head + 1}"
    title = f"{_title(model)}, {layer}, {head}"
    return _drawn(draw_dependencies(found, title, words="per cent of the row's attention"))


def _title(model: PoseModel) -> str:
    return model.entry.title if model.trained else f"{model.entry.title} (untrained)"


def _drawn(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def png_of(saved: Saved) -> bytes:
    """The picture of a comparison or a study, as the bytes of its file."""
    buffer = io.BytesIO()
    saved.save_png(buffer)
    return buffer.getvalue()
