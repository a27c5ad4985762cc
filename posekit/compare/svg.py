"""A comparison as SVG: each model's skeleton, marked spot and contours as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from posekit.compare.export import describe
from posekit.compare.words import figure_lines
from posekit.draw.colours import colour_table
from posekit.draw.contours import SHARES, contours
from posekit.draw.skeleton import left_out_words, mark_words
from posekit.draw.vectors import (
    VectorPanel,
    contour_words,
    ground,
    map_shapes,
    people_shapes,
    sheet,
    star_shape,
)
from posekit.files import FileTarget, write_text

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison

__all__ = ["save_svg", "svg_text"]

PHOTO = "photo"
_CHARACTERS = 76  # of a line under a panel


def svg_text(
    comparison: Comparison,
    *,
    photo: bool = True,
    shares: Sequence[float] = SHARES,
    colour_map: str = "magma",
    dim: float = 0.4,
    columns: int = 3,
) -> str:
    """The text of the file: one panel a model, in the photo's coordinates.

    Contours enclose shares of each map's own mass, so that panels compare without a colour scale.

    Args:
        comparison: what to draw; a panel without a map has its pose alone and says why.
        photo: False leaves the photo out; the shapes then lie on plain grey.
        shares: of a map's mass that the contours enclose.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        dim: how much light is taken from the photo, 0 to 1.
        columns: panels in a row.

    Raises:
        PoseKitError: an unknown colour map.
        TraceError: a share that does not lie between 0 and 1.
    """
    colour_table(colour_map)  # refuse an unknown name before any work
    size, panels = comparison.photo.size, []
    for n, panel in enumerate(comparison.panels):
        said = [panel.legend, *figure_lines(panel.figures, first=n == 0), *panel.caption]
        people, skeleton = panel.prediction.people, panel.prediction.skeleton
        said.append(left_out_words(people, skeleton, comparison.person))
        shapes = ground(PHOTO if photo else None, size, dim)
        if panel.mass is not None:
            found = contours(panel.mass, shares)
            shapes += map_shapes(panel.mass, found, colour_map, panel.title)
            said.append(contour_words(found))
        shapes += people_shapes(panel.prediction, asked=comparison.person)
        shapes += star_shape(panel.point, comparison.label, size[1])
        lines = [line for text in said for line in wrap(text, _CHARACTERS)]
        panels.append(VectorPanel(panel.title, shapes, (panel.title, *lines)))
    names = " · ".join(panel.title for panel in comparison.panels)
    if not all(panel.trained for panel in comparison.panels):
        names += ": what is untrained has random weights and shows nothing learnt"
    return sheet(
        comparison.title,
        names,
        panels,
        size,
        photos={PHOTO: comparison.photo.pixels} if photo else {},
        about=describe(comparison),
        notes=[mark_words(*(panel.prediction for panel in comparison.panels))],
        columns=columns,
    )


def save_svg(comparison: Comparison, target: FileTarget, **options: object) -> None:
    """Write the comparison as SVG; ``options`` as :func:`svg_text`."""
    write_text(svg_text(comparison, **options), target)  # type: ignore[arg-type]
