"""What every SVG of PoseKit is made of: panels of vectors over an embedded photo, and their sheet.

Every panel has the coordinates of the photo, pixel centres at integers, so that a shape read from
the file can be laid on the photo as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posekit import __version__
from posekit.doubts import doubts_of
from posekit.draw.colours import DIVERGING, OUTLINE, colour_table, keypoint_colour, limb_colour
from posekit.draw.contours import Contour, rings
from posekit.draw.legend import plain_number
from posekit.draw.panels import COVERED, FAINT, GREY, TEXT
from posekit.draw.people import asked_edges, number_place
from posekit.draw.pixels import jpeg_url
from posekit.draw.skeleton import PALE
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.geometry import Affine
from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person
    from posekit.skeleton import Skeleton

__all__ = [
    "VectorPanel",
    "contour_words",
    "cover_shape",
    "ground",
    "map_shapes",
    "people_shapes",
    "sheet",
    "star_shape",
]

WIDTH, GAP, TOP, LINE = 460.0, 20.0, 46.0, 16.0  # of a panel, between them, above them, of text


@dataclass(frozen=True)
class VectorPanel:
    """One picture of a sheet.

    Attributes:
        name: its ``<title>``.
        shapes: SVG in photo pixels, from the bottom up.
        lines: of text under it, the first one dark.
    """

    name: str
    shapes: str
    lines: tuple[str, ...]


def sheet(
    title: str,
    subtitle: str,
    panels: Sequence[VectorPanel],
    size: tuple[int, int],
    *,
    photos: Mapping[str, npt.NDArray[np.uint8]],
    about: Mapping[str, Any],
    notes: Sequence[str] = (),
    columns: int = 3,
) -> str:
    """The text of a file: panels in rows under a title.

    Args:
        title: over everything.
        subtitle: under it, and in the file's ``<desc>``.
        panels: at least one.
        size: (height, width) of the photo.
        photos: the pixels that panels lie on, (H, W, 3), by the name :func:`ground` knows them by;
            embedded once each, however many panels use them.
        about: plain values for the file's ``<metadata>``.
        notes: lines under all panels.
        columns: panels in a row.
    """
    height, width = size
    across = min(max(1, columns), len(panels))
    image = WIDTH * height / width
    cell = image + 12 + LINE * max(len(one.lines) for one in panels) + GAP
    bottom = TOP + -(-len(panels) // across) * cell
    total = (across * (WIDTH + GAP) + GAP, bottom + (LINE * len(notes) + GAP if notes else 0))
    body = []
    for n, one in enumerate(panels):
        row, column = divmod(n, across)
        x, y = GAP + column * (WIDTH + GAP), TOP + row * cell
        body.append(
            f'<svg x="{x:.1f}" y="{y:.1f}" width="{WIDTH:.1f}" height="{image:.1f}" '
            f'viewBox="-0.5 -0.5 {width} {height}" role="img"><title>{escape(one.name)}</title>'
            f"{one.shapes}</svg>"
        )
        body += [
            f'<text x="{x:.1f}" y="{y + image + 12 + LINE * (k + 0.6):.1f}" font-size="11.5" '
            f'fill="{TEXT if k == 0 else FAINT}">{escape(line)}</text>'
            for k, line in enumerate(one.lines)
        ]
    body += [
        f'<text x="{GAP}" y="{bottom + LINE * (k + 0.6):.1f}" font-size="11.5" fill="{TEXT}">'
        f"{escape(line)}</text>"
        for k, line in enumerate(notes)
    ]
    embedded = "".join(
        f'<image id="{name}" x="-0.5" y="-0.5" width="{width}" height="{height}" '
        f'href="{jpeg_url(pixels, 90)}"/>'
        for name, pixels in photos.items()
    )
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total[0]:.0f}" '
            f'height="{total[1]:.0f}" viewBox="0 0 {total[0]:.1f} {total[1]:.1f}" '
            'font-family="ui-sans-serif, system-ui, sans-serif">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(f'{subtitle} · PoseKit {__version__}')}</desc>",
            f"<metadata>{escape(json.dumps(about, allow_nan=False))}</metadata>",
            f"<defs>{embedded}</defs>" if photos else "",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="{GAP}" y="22" font-size="17" font-weight="bold" fill="{TEXT}">'
            f"{escape(title[:1].upper() + title[1:])}</text>",
            f'<text x="{GAP}" y="38" font-size="11.5" fill="{FAINT}">{escape(subtitle)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def ground(photo: str | None, size: tuple[int, int], dim: float) -> str:
    """The photo of a name, darkened by ``dim`` (0 to 1), or plain grey without one."""
    height, width = size
    place = f'x="-0.5" y="-0.5" width="{width}" height="{height}"'
    if photo is None:
        return f'<rect {place} fill="{_hex((GREY,) * 3)}"/>'
    dark = f'<rect {place} fill="#101218" fill-opacity="{dim:.2f}"/>'
    return f'<use href="#{photo}"/>{dark}'


def contour_words(drawn: Sequence[Contour]) -> str:
    """What the contours of a map enclose, in a line."""
    shares = [f"{share:.0%}" for share in dict.fromkeys(one.share for one in drawn)]
    if not shares:
        return "no contour: the map is empty"
    words = f"contours: the heaviest cells, {', '.join(shares)} of the mass"
    n = drawn[0].averaged
    return words + (f", averaged over {n} × {n} cells" if n > 1 else "")


def cover_shape(cover: npt.NDArray[np.bool_], words: str, *, filled: bool) -> str:
    """The outline of covered pixels (H, W), and plain grey within where nothing else shows them."""
    drawn = rings(cover.astype(np.float64), 0.5, Affine.identity())
    if not drawn:
        return ""
    fill = f'fill="{_hex(COVERED)}" fill-rule="evenodd"' if filled else 'fill="none"'
    return (
        f'<path class="occluder" d="{_path(drawn)}" {fill} stroke="#ffffff" stroke-width="1.4" '
        f'stroke-dasharray="6 5" vector-effect="non-scaling-stroke"><title>{escape(words)}</title>'
        "</path>"
    )


def map_shapes(
    one: AttentionMap | HeatMap, drawn: Sequence[Contour], colour_map: str, name: str
) -> str:
    """The contours in a group: the narrower, the brighter."""
    table = colour_table(DIVERGING if one.signed else colour_map)
    paths = []
    for contour in drawn:
        bright = 1.0 - 0.7 * contour.share
        at = 127.5 * (1 + (-bright if contour.negative else bright)) if one.signed else 255 * bright
        colour = _hex(table[round(at)])
        what = "evidence against" if contour.negative else "map" if one.signed else "mass"
        words = (
            f"{name}: the heaviest cells, {contour.share:.0%} of the {what}; "
            f"level {'−' if contour.negative else ''}{plain_number(contour.level)} per cell"
        )
        paths.append(
            f'<path d="{_path(contour.rings)}" fill="{colour}" fill-opacity="0.3" '
            f'fill-rule="evenodd" '
            f'stroke="{colour}" stroke-width="1.6" vector-effect="non-scaling-stroke" '
            f'data-share="{contour.share:g}" data-level="{contour.level:.6g}">'
            f"<title>{escape(words)}</title></path>"
        )
    return f'<g class="map">{"".join(paths)}</g>'


def people_shapes(
    prediction: Prediction,
    only: int | None = None,
    *,
    asked: int | None = None,
    every_box: bool = False,
) -> str:
    """Everybody's skeleton, or one person's alone: limbs, and a dot or a ring a keypoint.

    A ring is a doubtful keypoint, and its tooltip says why.

    Args:
        prediction: of any model.
        only: index of the person who is drawn; None is everybody.
        asked: index of the person asked about, who is drawn last and has a dashed box; the others
            are paler, and their lines no wider. Several people then have a number each. None draws
            everybody alike.
        every_box: everybody's group holds the box, and nobody is paler: a script chooses.
    """
    drawn, doubts = prediction.people, doubts_of(prediction)
    if only is not None:
        drawn, doubts = drawn[only : only + 1], doubts[only : only + 1]
    # As wide as in a picture of it: the person's size decides, not the photo's.
    widths = [max(1.0, 0.006 * float(np.hypot(one.box.width, one.box.height))) for one in drawn]
    if asked is not None and not every_box:
        widths = [min(width, widths[asked]) for width in widths]
    order = sorted(range(len(drawn)), key=lambda n: n == asked)
    groups = []
    for n in order:
        parts = ""
        if asked is not None and (every_box or n == asked):
            parts += _box_shape(asked_edges(prediction, n))
        parts += _pose_shapes(drawn[n], prediction.skeleton, widths[n], doubts[n])
        if asked is not None and len(drawn) > 1:
            parts += _number_shape(drawn[n], prediction, n)
        pale = asked is not None and n != asked and not every_box
        kind = "person asked" if n == asked else "person"
        paler = f' opacity="{PALE}"' if pale else ""
        groups.append(
            f'<g class="{kind}" data-person="{n}" data-width="{widths[n]:.2f}"{paler}>'
            f"<title>person {n + 1}</title>{parts}</g>"
        )
    return "".join(groups)


def _pose_shapes(
    person: Person, skeleton: Skeleton, width: float, doubts: Mapping[int, str]
) -> str:
    """A person's limbs of a width in photo pixels, and a dot or a ring a keypoint."""
    shown = person.found & (np.asarray(person.scores) >= DRAWN)
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
        doubt = doubts.get(int(k))
        words = f"{skeleton.keypoints[k]} {person.scores[k]:.2f}" + (f". {doubt}" if doubt else "")
        colour = _hex(keypoint_colour(skeleton, int(k)))
        place, title = f'cx="{x:.2f}" cy="{y:.2f}"', f"<title>{escape(words)}</title>"
        parts.append(
            f'<circle {place} r="{1.3 * width:.2f}" fill="{colour}" stroke="{_hex(OUTLINE)}" '
            f'stroke-width="{0.4 * width:.2f}">{title}</circle>'
        )
        if doubt:
            dark = f'r="{0.65 * width:.2f}" fill="{_hex(OUTLINE)}" pointer-events="none"'
            parts.append(f'<circle class="ring" {place} {dark}/>')
    return "".join(parts)


def _box_shape(edges: tuple[float, float, float, float] | None) -> str:
    """A dashed box, light on dark; nothing without its edges."""
    if edges is None:
        return ""
    left, top, right, bottom = edges
    place = f'x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" height="{bottom - top:.2f}"'
    style = 'fill="none" stroke-dasharray="6 5" vector-effect="non-scaling-stroke"'
    return "".join(
        f'<rect class="box" {place} {style} stroke="{colour}" stroke-width="{wide}"/>'
        for colour, wide in ((_hex(OUTLINE), 3.2), ("#ffffff", 1.6))
    )


def _number_shape(person: Person, prediction: Prediction, n: int) -> str:
    """A person's number, counted from 1, over the head; nothing where that is out of the photo."""
    x, y = number_place(person, prediction.skeleton)
    height, width = prediction.photo.size
    if not (0 <= x < width and 0 <= y < height):
        return ""
    size = max(height, width) / 28
    return (
        f'<text class="number" x="{x:.2f}" y="{max(y - 0.5 * size, size):.2f}" '
        f'font-size="{size:.1f}" font-weight="bold" text-anchor="middle" fill="#ffffff" '
        f'stroke="{_hex(OUTLINE)}" stroke-width="{size / 5:.2f}" stroke-linejoin="round" '
        f'paint-order="stroke">{n + 1}</text>'
    )


def star_shape(point: Sequence[float] | None, label: str, width: int) -> str:
    """The marked spot: five rays, about a fiftieth of the photo's width; nothing without one."""
    if point is None:
        return ""
    radius = max(3.0, width / 55)
    turns = -np.pi / 2 + np.pi / 5 * np.arange(10)
    reach = radius * np.where(np.arange(10) % 2, 0.42, 1.0)
    points = np.asarray(point) + reach[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return (
        f'<polygon class="asked" points="{corners}" fill="#ffffff" stroke="{_hex(OUTLINE)}" '
        f'stroke-width="{radius / 9:.2f}" stroke-linejoin="round">'
        f"<title>{escape(f'asked: {label}')}</title></polygon>"
    )


def _path(drawn: Sequence[npt.NDArray[np.float64]]) -> str:
    return "".join("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in ring) + "Z" for ring in drawn)


def _hex(colour: Sequence[int] | np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in colour))
