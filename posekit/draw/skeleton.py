"""People drawn on a photo as limbs and keypoints."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posekit.doubts import doubts_of
from posekit.draw.colours import OUTLINE, Colour, keypoint_colour, limb_colour
from posekit.geometry import Affine
from posekit.people import DRAWN, Person
from posekit.skeleton import Skeleton

if TYPE_CHECKING:
    from posekit.estimator import Prediction

SIDES = "blue: the person's left · orange: right"
"""What the colours of a skeleton say."""

RING = "ring: doubtful keypoint"
"""What its rings say, see :mod:`posekit.doubts`."""

PALE = 0.6
"""How strongly people are drawn beside the one who is asked about, 0 to 1."""

_SHIFT = 4  # OpenCV draws to 1/16 pixel


def mark_words(*predictions: Prediction) -> str:
    """What the colours of drawn poses say, and their rings, where there are any."""
    rings = any(any(doubts_of(one)) for one in predictions)
    return f"{SIDES} · {RING}" if rings else SIDES


def left_out_words(people: Sequence[Person], skeleton: Skeleton, asked: int | None = 0) -> str:
    """Which keypoints a drawn skeleton lacks, so that nobody takes them for not predicted.

    Args:
        people: those who are drawn.
        skeleton: the keypoints' meaning.
        asked: index of the person whose keypoints are named, of others they are counted; None
            where only all of them are counted.

    Returns:
        ``not drawn (confidence below 0.20): right ankle, left knee``; empty when all are drawn.
    """
    said, others = [], 0
    for number, person in enumerate(people):
        missing = [
            name
            for name, score, there in zip(
                skeleton.keypoints, person.scores, person.found, strict=True
            )
            if not (there and score >= DRAWN)
        ]
        if number == asked and len(missing) == skeleton.size:
            said.append("all keypoints")
        elif number == asked:
            said += missing
        else:
            others += len(missing)
    words = ", ".join(said)
    if others:
        rest = f"{others} of {'other people' if asked is not None else 'all'}"
        words = f"{words} and {rest}" if words else rest
    return f"not drawn (confidence below {DRAWN:.2f}): {words}" if words else ""


def draw_skeleton(
    pixels: np.ndarray,
    people: Sequence[Person],
    skeleton: Skeleton,
    *,
    min_score: float = DRAWN,
    line_width: float | None = None,
    to_picture: Affine | None = None,
    asked: int | None = None,
    doubted: Sequence[Collection[int]] = (),
) -> np.ndarray:
    """Draw people on a copy of a photo.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        people: keypoints in photo pixels.
        skeleton: the keypoints' meaning.
        min_score: keypoints below it, and limbs that end in one, are left out.
        line_width: of a limb, in pixels of the picture; None follows the person's size.
        to_picture: photo pixels to pixels of the picture, when that is scaled or a part.
        asked: index of the person asked about, who is drawn last; the others are paler, and their
            lines no wider. None draws everybody alike.
        doubted: for each person the keypoints that are rings instead of dots, see
            :func:`posekit.doubts.doubts_of`; empty: none of anybody's.

    Returns:
        (H, W, 3) uint8 RGB: left blue, right orange, middle light, all with a dark outline; rings
        have a dark middle.
    """
    canvas = np.array(pixels, dtype=np.uint8, order="C")
    to_picture = to_picture or Affine.identity()
    rings = doubted or [()] * len(people)
    widths = [line_width or _line_width(person, to_picture.scale) for person in people]
    if asked is None:
        for person, width, hollow in zip(people, widths, rings, strict=True):
            _draw_person(canvas, person, skeleton, min_score, width, to_picture, hollow)
        return canvas
    for number, person in enumerate(people):
        if number != asked:
            width = min(widths[number], widths[asked])
            _draw_person(canvas, person, skeleton, min_score, width, to_picture, rings[number])
    canvas = np.asarray(cv2.addWeighted(canvas, PALE, np.asarray(pixels, np.uint8), 1 - PALE, 0.0))
    _draw_person(
        canvas, people[asked], skeleton, min_score, widths[asked], to_picture, rings[asked]
    )
    return canvas


def _draw_person(
    canvas: np.ndarray,
    person: Person,
    skeleton: Skeleton,
    min_score: float,
    width: float,
    to_picture: Affine,
    hollow: Collection[int],
) -> None:
    points = to_picture.apply(person.keypoints)
    shown = np.isfinite(points).all(axis=1) & (np.asarray(person.scores) >= min_score)
    for outline in (True, False):
        for a, b in skeleton.limbs:
            if shown[a] and shown[b]:
                colour = limb_colour(skeleton, (a, b))
                _line(canvas, points[a], points[b], colour, width, outline)
    for keypoint in np.flatnonzero(shown):
        colour = keypoint_colour(skeleton, int(keypoint))
        _dot(canvas, points[keypoint], OUTLINE, 1.15 * width + max(1.0, 0.3 * width))
        _dot(canvas, points[keypoint], colour, 1.15 * width)
        if keypoint in hollow:
            _dot(canvas, points[keypoint], OUTLINE, 0.65 * width)


def _line_width(person: Person, scale: float) -> float:
    return float(np.clip(0.008 * scale * np.hypot(person.box.width, person.box.height), 1.5, 12.0))


def _line(
    canvas: np.ndarray, a: np.ndarray, b: np.ndarray, colour: Colour, width: float, outline: bool
) -> None:
    extra = max(2.0, 0.6 * width)
    thickness = max(1, round(width + extra if outline else width))
    cv2.line(
        canvas, _fixed(a), _fixed(b), OUTLINE if outline else colour, thickness, cv2.LINE_AA, _SHIFT
    )


def _dot(canvas: np.ndarray, centre: np.ndarray, colour: Colour, radius: float) -> None:
    fixed_radius = max(1, round(radius * 2**_SHIFT))
    cv2.circle(canvas, _fixed(centre), fixed_radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    # A wild keypoint far outside the picture must not overflow OpenCV's fixed-point integers.
    x, y = np.clip(np.round(point * 2**_SHIFT), -(2**26), 2**26)
    return int(x), int(y)
