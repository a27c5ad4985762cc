"""An explanation as SVG: skeleton, marked spot and contours as vectors over an embedded photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, TypeAlias

from posekit.draw.colours import colour_table
from posekit.draw.contours import SHARES, contours
from posekit.draw.figure import asked_of, prediction_of, trust_of
from posekit.draw.legend import heat_legend_lines, legend_lines, number_lines
from posekit.draw.panels import photo_lines
from posekit.draw.save import describe
from posekit.draw.vectors import (
    VectorPanel,
    contour_words,
    ground,
    map_shapes,
    people_shapes,
    sheet,
    star_shape,
)
from posekit.explain.attention import Explanation
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import find_method
from posekit.explain.numbers import heat_numbers, numbers
from posekit.files import FileTarget, write_text

if TYPE_CHECKING:
    from posekit.draw.panels import Asked
    from posekit.estimator import Prediction
    from posekit.explain.faithfulness import Faithfulness
    from posekit.explain.query import Query

    Trust: TypeAlias = Faithfulness | Mapping[str, Faithfulness]

__all__ = ["save_svg", "svg_text"]

PHOTO = "photo"
_CHARACTERS = 76  # of a line under the panels, as wide as one


def svg_text(
    shown: Explanation | HeatMap,
    *,
    prediction: Prediction | None = None,
    query: Query | None = None,
    faithfulness: Trust | None = None,
    photo: bool = True,
    shares: Sequence[float] = SHARES,
    colour_map: str = "magma",
    dim: float = 0.4,
    columns: int = 3,
) -> str:
    """The text of the file: one panel a layer, or the one map of a method.

    Args:
        shown: one click, all layers; or the map of a method.
        prediction: what a method's map explains; an Explanation knows it.
        query: where the question of a method's map stands, see ``draw_explanation``.
        faithfulness: when it is known, see ``draw_explanation``.
        photo: False leaves the photo out; the shapes then lie on plain grey.
        shares: of the map's mass that the contours enclose; each contour's ``<title>`` says its
            share and level.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``; a signed map has colours of its own.
        dim: how much light is taken from the photo, 0 to 1.
        columns: panels in a row.

    Raises:
        PoseKitError: an unknown colour map, or a method's map without its prediction.
        TraceError: a share that does not lie between 0 and 1.
    """
    colour_table(colour_map)  # refuse an unknown name before any work
    about = prediction_of(shown, prediction) if isinstance(shown, HeatMap) else shown.prediction
    asked = asked_of(shown, about, query)
    maps: list[AttentionMap | HeatMap]
    if isinstance(shown, HeatMap):
        title = f"{shown.target} by {find_method(shown.method).title}"
        panels = [_heat_panel(shown, about, asked, faithfulness)]
        maps = [shown]
    else:
        title = shown.title
        trust = trust_of(faithfulness, shown)
        panels = [_layer_words(one, about, trust.get(one.layer)) for one in shown.maps]
        maps = list(shown.maps)
    size = about.photo.size
    below = ground(PHOTO if photo else None, size, dim)
    above = people_shapes(about, asked=asked.person) + star_shape(asked.point, asked.label, size[1])
    drawn = []
    for one, lines in zip(maps, panels, strict=True):
        found = contours(one, shares)
        shapes = below + map_shapes(one, found, colour_map, one.name) + above
        rows = [row for line in (*lines, contour_words(found)) for row in wrap(line, _CHARACTERS)]
        drawn.append(VectorPanel(one.name, shapes, tuple(rows)))
    warning = "" if about.model.trained else ", untrained: with random weights this means nothing"
    return sheet(
        title,
        f"{about.model.entry.title}{warning}",
        drawn,
        size,
        photos={PHOTO: about.photo.pixels} if photo else {},
        notes=[
            row
            for line in photo_lines(about, asked, photo=photo)
            for row in wrap(line, _CHARACTERS)
        ],
        about=describe(shown, prediction=about, query=query, faithfulness=faithfulness),
        columns=columns,
    )


def save_svg(shown: Explanation | HeatMap, target: FileTarget, **options: object) -> None:
    """Write the explanation as SVG; ``options`` as :func:`svg_text`."""
    write_text(svg_text(shown, **options), target)  # type: ignore[arg-type]


def _layer_words(
    one: AttentionMap, prediction: Prediction, trust: Faithfulness | None
) -> list[str]:
    lines = legend_lines(one, prediction.model)[:-1]  # contours have no colour scale of their own
    if trust is not None:
        lines.append(trust.words)
    return lines + (number_lines(numbers(one, prediction)) if one.weights.any() else [])


def _heat_panel(
    heat: HeatMap, prediction: Prediction, asked: Asked, faithfulness: Trust | None
) -> list[str]:
    lines = heat_legend_lines(heat, prediction.model, faithfulness=trust_of(faithfulness))
    if asked.point is not None and heat.mass.any():
        lines += number_lines(heat_numbers(heat, prediction, asked.point))
    return lines
