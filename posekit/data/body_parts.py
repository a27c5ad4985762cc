"""The thickness of a body round its keypoints: capsules of average width, drawn as masks.

Keypoints say where the bones are, not how wide the body is. Widths and lengths here are shares of
a person's height, rounded from anthropometric tables (Winter, "Biomechanics and Motor Control of
Human Movement", figure 4.1, for the lengths) and widened by about a third for clothes. The height
in pixels is estimated from the longest-looking bones, because foreshortening only ever makes a
bone look shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posekit.geometry import Affine
from posekit.skeleton import Skeleton

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Bones that show how tall somebody is, as shares of the height.
_LENGTHS = {
    ("neck", "head top"): 0.17,
    ("shoulder", "hip"): 0.29,
    ("hip", "knee"): 0.245,
    ("knee", "ankle"): 0.245,
    ("shoulder", "elbow"): 0.186,
    ("elbow", "wrist"): 0.146,
}
# Half widths of the limbs, as shares of the height.
_LIMBS = {
    ("shoulder", "elbow"): 0.030,
    ("elbow", "wrist"): 0.024,
    ("hip", "knee"): 0.048,
    ("knee", "ankle"): 0.033,
}
_TRUNK, _TRUNK_EDGE, _NECK, _HEAD = 0.075, 0.03, 0.035, 0.062
_HAND, _FOOT = (0.075, 0.024), (0.035, 0.045)  # how far past the last keypoint, half width
_SUB = 4  # bits of sub-pixel precision that OpenCV draws with
_FACE = ("nose", "left eye", "right eye", "left ear", "right ear")


@dataclass(frozen=True, eq=False)
class Part:
    """A capsule: everything within ``half_width`` of the segment from a to b, in photo pixels.

    ``sure`` is False for hands and feet, which no keypoint shows, and for guessed places.
    """

    a: Floats
    b: Floats
    half_width: float
    sure: bool = True


@dataclass(frozen=True, eq=False)
class Body:
    """A person as capsules and a trunk polygon ((4, 2) photo pixels, or None where unknown).

    ``height`` is the estimated standing height in pixels, ``limbs`` the arms and legs alone, and
    ``known`` the share of head, trunk, upper arm, forearm, thigh and shin that are labelled on at
    least one side.
    """

    height: float
    parts: tuple[Part, ...]
    trunk: Floats | None
    known: float

    @property
    def limbs(self) -> tuple[Part, ...]:
        """Upper arms, forearms, thighs and shins: the parts that reach away from the body."""
        widths = {width * self.height for width in _LIMBS.values()}
        return tuple(part for part in self.parts if part.sure and part.half_width in widths)

    def draw(
        self,
        size: tuple[int, int],
        to_mask: Affine,
        widen: float = 1.0,
        grow: float = 0.0,
        sure_only: bool = False,
    ) -> Mask:
        """Draw the body on a mask of ``size`` (height, width).

        Args:
            size: of the mask.
            to_mask: photo to mask.
            widen: factor on every half width; the trunk's outline moves accordingly.
            grow: added to every half width, as a share of the height.
            sure_only: leave out what no keypoint shows.
        """
        canvas = np.zeros(size, np.uint8)
        scale = to_mask.scale
        extra = grow * self.height

        def stroke(a: Floats, b: Floats, half_width: float) -> None:
            thickness = max(1, round(2 * half_width * scale))
            ends = [_fixed(to_mask.apply(point)) for point in (a, b)]
            cv2.line(canvas, ends[0], ends[1], 255, thickness, cv2.LINE_8, _SUB)

        for part in self.parts:
            if part.sure or not sure_only:
                stroke(part.a, part.b, part.half_width * widen + extra)
        if self.trunk is not None:
            middle = self.trunk.mean(0)
            inside = middle + (self.trunk - middle) * min(1.0, 0.4 + 0.6 * widen)
            corners = np.array([_fixed(to_mask.apply(corner)) for corner in inside])
            cv2.fillConvexPoly(canvas, cv2.convexHull(corners), 255, cv2.LINE_8, _SUB)
            if widen >= 1:
                edge = _TRUNK_EDGE * self.height * widen + extra
                for a, b in zip(inside, np.roll(inside, 1, axis=0), strict=True):
                    stroke(a, b, edge)
        return np.asarray(canvas > 0)


def body_of(
    keypoints: npt.NDArray[np.float64], labelled: npt.NDArray[np.bool_], skeleton: Skeleton
) -> Body | None:
    """The body round labelled keypoints ((K, 2) photo pixels, (K,) bool), any skeleton.

    None when too little is known to place a body: no bone, or neither shoulders nor hips.
    """
    at = {
        name: np.asarray(point, dtype=np.float64)
        for name, point, known in zip(skeleton.keypoints, keypoints, labelled, strict=True)
        if known and np.isfinite(point).all()
    }
    if "upper neck" in at:
        at.setdefault("neck", at["upper neck"])
    height = _height(at)
    if height is None:
        return None
    parts: list[Part] = []
    kinds = set()
    for side in ("left ", "right "):
        for (first, last), width in _LIMBS.items():
            a, b = at.get(side + first), at.get(side + last)
            if a is not None and b is not None:
                kinds.add(last)
                parts.append(Part(a, b, width * height))
                if last in ("wrist", "ankle"):
                    reach, end_width = _HAND if last == "wrist" else _FOOT
                    tip = b + _direction(a, b) * reach * height
                    parts.append(Part(b, tip, end_width * height, sure=False))
    shoulders = [at[name] for name in ("left shoulder", "right shoulder") if name in at]
    hips = [at[name] for name in ("right hip", "left hip") if name in at]
    if not shoulders and not hips:
        return None
    if shoulders and hips:
        parts.append(Part(np.mean(shoulders, 0), np.mean(hips, 0), _TRUNK * height))
    trunk = np.array(shoulders + hips) if len(shoulders) == len(hips) == 2 else None
    head = _head(at, height, shoulders, hips)
    known = len(kinds) + bool(shoulders and hips) + any(part.sure for part in head)
    return Body(height, (*parts, *head), trunk, known / (len(_LIMBS) + 2))


def _head(
    at: dict[str, Floats], height: float, shoulders: list[Floats], hips: list[Floats]
) -> list[Part]:
    """Neck and head from a labelled head top, else from the face, else a guess."""
    if "neck" not in at and not shoulders:
        return []
    neck = at["neck"] if "neck" in at else np.mean(shoulders, 0)
    face = [at[name] for name in _FACE if name in at]
    if "head top" in at:
        top, sure = at["head top"], True
    elif face:
        middle = np.mean(face, 0)
        top, sure = middle + _direction(neck, middle) * _HEAD * height, True
    elif hips:
        top, sure = neck + _direction(np.mean(hips, 0), neck) * 0.17 * height, False
    else:
        return []
    low, high = neck + 0.5 * (top - neck), neck + 0.72 * (top - neck)
    return [
        Part(neck, low, _NECK * height, sure),
        Part(low, high, _HEAD * height, sure),
    ]


def _height(at: dict[str, Floats]) -> float | None:
    found = []
    for (first, last), share in _LENGTHS.items():
        for side in ("left ", "right ") if first != "neck" else ("",):
            if side + first in at and side + last in at:
                length = float(np.linalg.norm(at[side + first] - at[side + last]))
                found.append(length / share)
    return max(float(np.percentile(found, 70)), 8.0) if found else None


def _direction(a: Floats, b: Floats) -> Floats:
    length = float(np.linalg.norm(b - a))
    return np.asarray((b - a) / length) if length > 0 else np.zeros(2)


def _fixed(point: Floats) -> tuple[int, int]:
    x, y = np.clip(np.rint(point * (1 << _SUB)), -(1 << 20), 1 << 20)
    return int(x), int(y)
