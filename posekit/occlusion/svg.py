"""A study as SVG: poses, marked spot, contours and the occluder as vectors, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from posekit.draw.colours import colour_table
from posekit.draw.contours import SHARES, contours
from posekit.draw.legend import legend_lines
from posekit.draw.skeleton import left_out_words, mark_words
from posekit.draw.vectors import (
    VectorPanel,
    contour_words,
    cover_shape,
    ground,
    map_shapes,
    people_shapes,
    sheet,
    star_shape,
)
from posekit.files import FileTarget, write_text
from posekit.occlusion.export import describe
from posekit.occlusion.words import percent
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from posekit.occlusion.picture import Which
    from posekit.occlusion.result import Study

__all__ = ["save_svg", "svg_text"]

_CHARACTERS, _UNDER = 150, 76  # of a line under both panels, and under one


def svg_text(
    study: Study,
    *,
    photo: bool = True,
    shares: Sequence[float] = SHARES,
    colour_map: str = "magma",
    dim: float = 0.4,
) -> str:
    """The text of the file: before and after beside each other, in the photo's coordinates.

    The occluder's outline is a vector on the side after. Contours are of the layer that the study
    shows.

    Args:
        study: what to draw.
        photo: False leaves the photo out; the shapes, and the occluder in plain grey, then lie on
            darker grey.
        shares: of a map's mass that the contours enclose.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
        dim: how much light is taken from the photo, 0 to 1.

    Raises:
        PoseKitError: an unknown colour map.
        TraceError: a share that does not lie between 0 and 1.
    """
    colour_table(colour_map)  # refuse an unknown name before any work
    sides: tuple[Which, ...] = ("before", "after")
    model = study.before.prediction.model
    name = model.entry.title
    if not model.trained:
        name += ", untrained: with random weights this means nothing"
    marks = mark_words(study.before.prediction, study.after.prediction)
    pixels = {"before": study.photo.pixels, "after": study.shown.pixels}
    return sheet(
        study.title,
        f"{name} · {study.layer_words(study.layer)}",
        [_panel(study, side, photo, shares, colour_map, dim) for side in sides],
        study.photo.size,
        photos=pixels if photo else {},
        about=describe(study),
        notes=[line for text in (*study.sentences, marks) for line in wrap(text, _CHARACTERS)],
        columns=2,
    )


def save_svg(study: Study, target: FileTarget, **options: object) -> None:
    """Write the study as SVG; ``options`` as :func:`svg_text`."""
    write_text(svg_text(study, **options), target)  # type: ignore[arg-type]


def _panel(
    study: Study,
    which: Which,
    photo: bool,
    shares: Sequence[float],
    colour_map: str,
    dim: float,
) -> VectorPanel:
    side = study.before if which == "before" else study.after
    size, lines = study.photo.size, [which.capitalize()]
    shapes = ground(which if photo else None, size, dim)
    if which == "after" and study.occluder is not None:
        shapes += cover_shape(study.cover, study.occluder.words, filled=not photo)
        lines[0] += f": {study.where}"
    one = side.map(study.layer)
    if one is not None:
        found = contours(one, shares)
        shapes += map_shapes(one, found, colour_map, f"{which}, {study.layer_words(study.layer)}")
        lines += [*legend_lines(one, side.prediction.model)[:-1], contour_words(found)]
    if side.confidence is not None:
        lines.append(f"confidence in the {study.label} {side.confidence:.2f}")
    purity = None if study.layer is None else side.purity.get(study.layer)
    if purity is not None:
        parts = [(purity.own, "on this person"), (purity.others, "on others"),
                 (purity.background, "background")]  # fmt: skip
        if which == "after" and study.hides:
            parts.append((purity.in_front, "on what was put in front"))
        lines.append(" · ".join(f"{words} {percent(share)}" for share, words in parts))
    if side.note:
        lines.append(side.note)
    # The person asked about alone, as in the picture; everybody where that person is not found.
    people = None if side.someone is None else [side.someone]
    drawn = people or side.prediction.people
    missing = left_out_words(drawn, side.prediction.skeleton, 0 if people else None)
    lines += wrap(missing, _UNDER)
    if which == "before":
        lines += wrap(unsure_words(side.prediction) or "", _UNDER)
    shapes += people_shapes(side.prediction, side.person)
    point = None if side.query is None else side.query.point
    shapes += star_shape(point, study.label, size[1])
    return VectorPanel(which, shapes, tuple(lines))
