"""An explanation as SVG: skeleton, marked spot and contours as vectors over an embedded photo.

Every panel has the coordinates of the photo, pixel centres at integers, so that a shape read from
the file can be laid on the photo as it is.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from PIL import Image

from posekit import __version__
from posekit.draw.colours import DIVERGING, OUTLINE, colour_table, keypoint_colour, limb_colour
from posekit.draw.contours import SHARES, Contour, contours
from posekit.draw.figure import asked_of, prediction_of, trust_of
from posekit.draw.legend import heat_legend_lines, legend_lines, number_lines, plain_number
from posekit.draw.panels import FAINT, TEXT
from posekit.draw.save import describe
from posekit.explain.attention import Explanation
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import find_method
from posekit.explain.numbers import heat_numbers, numbers

if TYPE_CHECKING:
    from posekit.draw.panels import Asked
    from posekit.estimator import Prediction
    from posekit.explain.faithfulness import Faithfulness
    from posekit.explain.query import Query

    Trust: TypeAlias = Faithfulness | Mapping[str, Faithfulness]

__all__ = ["save_svg", "svg_text"]

WIDTH, GAP, TOP, LINE = 460.0, 20.0, 46.0, 16.0  # of a panel, between them, above them, of text
MIN_SCORE = 0.2
"""Keypoints the model is less sure of are left out, as in :func:`posekit.draw.draw_skeleton`."""


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
    height, width = about.photo.size
    across = min(max(1, columns), len(maps))
    image = WIDTH * height / width
    cell = image + 12 + LINE * (1 + max(len(lines) for lines in panels)) + GAP
    total = (across * (WIDTH + GAP) + GAP, TOP + -(-len(maps) // across) * cell)
    what = describe(shown, prediction=about, query=query, faithfulness=faithfulness)
    body = []
    for n, (one, lines) in enumerate(zip(maps, panels, strict=True)):
        row, column = divmod(n, across)
        x, y = GAP + column * (WIDTH + GAP), TOP + row * cell
        drawn = contours(one, shares)
        lines = [*lines, *_contour_words(drawn)]
        name = one.method if isinstance(one, HeatMap) else one.layer
        inside = _photo(photo, width, height, dim) + _map(one, drawn, colour_map, name)
        inside += _people(about) + _star(asked, width)
        body.append(
            f'<svg x="{x:.1f}" y="{y:.1f}" width="{WIDTH:.1f}" height="{image:.1f}" '
            f'viewBox="-0.5 -0.5 {width} {height}" role="img"><title>{escape(name)}</title>'
            f"{inside}</svg>"
        )
        body += [
            f'<text x="{x:.1f}" y="{y + image + 12 + LINE * (k + 0.6):.1f}" font-size="11.5" '
            f'fill="{TEXT if k == 0 else FAINT}">{escape(line)}</text>'
            for k, line in enumerate(lines)
        ]
    warning = "" if about.model.trained else ", untrained: with random weights this means nothing"
    subtitle = f"{about.model.entry.title}{warning}"
    defs = f'<defs><image id="photo" x="-0.5" y="-0.5" width="{width}" height="{height}" '
    defs += f'href="{_data_url(about.photo.pixels)}"/></defs>' if photo else ""
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total[0]:.0f}" '
            f'height="{total[1]:.0f}" viewBox="0 0 {total[0]:.1f} {total[1]:.1f}" '
            'font-family="ui-sans-serif, system-ui, sans-serif">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(f'{subtitle} · PoseKit {__version__}')}</desc>",
            f"<metadata>{escape(json.dumps(what, allow_nan=False))}</metadata>",
            defs if photo else "",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="{GAP}" y="22" font-size="17" font-weight="bold" fill="{TEXT}">'
            f"{escape(title[:1].upper() + title[1:])}</text>",
            f'<text x="{GAP}" y="38" font-size="11.5" fill="{FAINT}">{escape(subtitle)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def save_svg(
    shown: Explanation | HeatMap, target: str | Path | BinaryIO, **options: object
) -> None:
    """Write the explanation as SVG; ``options`` as :func:`svg_text`."""
    data = svg_text(shown, **options).encode("utf-8")  # type: ignore[arg-type]
    if isinstance(target, str | Path):
        Path(target).write_bytes(data)
    else:
        target.write(data)


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


def _contour_words(drawn: Sequence[Contour]) -> list[str]:
    shares = [f"{share:.0%}" for share in dict.fromkeys(one.share for one in drawn)]
    if not shares:
        return ["no contour: the map is empty"]
    words = f"contours: the heaviest cells, {', '.join(shares)} of the mass"
    n = drawn[0].averaged
    return [words + (f", averaged over {n} × {n} cells" if n > 1 else "")]


def _photo(photo: bool, width: int, height: int, dim: float) -> str:
    place = f'x="-0.5" y="-0.5" width="{width}" height="{height}"'
    if not photo:
        return f'<rect {place} fill="#3a3a3a"/>'
    dark = f'<rect {place} fill="#101218" fill-opacity="{dim:.2f}"/>'
    return f'<use href="#photo"/>{dark}'


def _map(one: AttentionMap | HeatMap, drawn: Sequence[Contour], colour_map: str, name: str) -> str:
    """The contours in a group: the narrower, the brighter."""
    signed = isinstance(one, HeatMap) and one.signed
    table = colour_table(DIVERGING if signed else colour_map)
    paths = []
    for contour in drawn:
        bright = 1.0 - 0.7 * contour.share
        at = 127.5 * (1 + (-bright if contour.negative else bright)) if signed else 255 * bright
        colour = _hex(table[round(at)])
        what = "evidence against" if contour.negative else "map" if signed else "mass"
        words = (
            f"{name}: the heaviest cells, {contour.share:.0%} of the {what}; "
            f"level {'−' if contour.negative else ''}{plain_number(contour.level)} per cell"
        )
        path = "".join(
            "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in ring) + "Z" for ring in contour.rings
        )
        paths.append(
            f'<path d="{path}" fill="{colour}" fill-opacity="0.3" fill-rule="evenodd" '
            f'stroke="{colour}" stroke-width="1.6" vector-effect="non-scaling-stroke" '
            f'data-share="{contour.share:g}" data-level="{contour.level:.6g}">'
            f"<title>{escape(words)}</title></path>"
        )
    return f'<g class="map">{"".join(paths)}</g>'


def _people(prediction: Prediction) -> str:
    skeleton, groups = prediction.skeleton, []
    for number, person in enumerate(prediction.people, start=1):
        shown = person.found & (np.asarray(person.scores) >= MIN_SCORE)
        # As wide as in a picture of it: the person's size decides, not the photo's.
        width = max(1.0, 0.006 * float(np.hypot(person.box.width, person.box.height)))
        parts = []
        for a, b in skeleton.limbs:
            if shown[a] and shown[b]:
                (x1, y1), (x2, y2) = person.keypoints[[a, b]]
                at = f'x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"'
                words = escape(f"{skeleton.keypoints[a]} to {skeleton.keypoints[b]}")
                for colour, wide in (
                    (_hex(OUTLINE), 1.7 * width), (_hex(limb_colour(skeleton, (a, b))), width)
                ):  # fmt: skip
                    parts.append(
                        f'<line {at} stroke="{colour}" stroke-width="{wide:.2f}" '
                        f'stroke-linecap="round"><title>{words}</title></line>'
                    )
        for k in np.flatnonzero(shown):
            x, y = person.keypoints[k]
            words = escape(f"{skeleton.keypoints[k]} {person.scores[k]:.2f}")
            parts.append(
                f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{1.3 * width:.2f}" '
                f'fill="{_hex(keypoint_colour(skeleton, int(k)))}" stroke="{_hex(OUTLINE)}" '
                f'stroke-width="{0.4 * width:.2f}"><title>{words}</title></circle>'
            )
        groups.append(f'<g class="person"><title>person {number}</title>{"".join(parts)}</g>')
    return "".join(groups)


def _star(asked: Asked, width: int) -> str:
    """The marked spot: five rays, about a fiftieth of the photo's width."""
    if asked.point is None:
        return ""
    radius = max(3.0, width / 55)
    turns = -np.pi / 2 + np.pi / 5 * np.arange(10)
    reach = radius * np.where(np.arange(10) % 2, 0.42, 1.0)
    points = np.asarray(asked.point) + reach[:, None] * np.stack(
        [np.cos(turns), np.sin(turns)], axis=-1
    )
    corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return (
        f'<polygon class="asked" points="{corners}" fill="#ffffff" stroke="{_hex(OUTLINE)}" '
        f'stroke-width="{radius / 9:.2f}" stroke-linejoin="round">'
        f"<title>{escape(f'asked: {asked.label}')}</title></polygon>"
    )


def _data_url(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=90)  # pixels alone, no metadata
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _hex(colour: Sequence[int] | np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in colour))
