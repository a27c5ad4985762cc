"""The surface of a figure: cones, ellipsoids and blocks, each with a paint and a part."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posekit.scenes.body import Limb, Skeleton3D
from posekit.scenes.wardrobe import Look

PARTS = (
    "trunk", "head", "left upper arm", "left forearm", "left hand", "right upper arm",
    "right forearm", "right hand", "left thigh", "left shin", "left foot", "right thigh",
    "right shin", "right foot", "thing",
)  # fmt: skip


@dataclass(eq=False)
class Solid:
    """Many primitives: cones (two end points, two radii), balls and blocks (centre, semi-axes).

    Each has a part (index into PARTS) and a paint (row of the colour table; along the primitive
    the table has STEPS columns). Points are world metres.
    """

    cones: list[tuple[np.ndarray, np.ndarray, float, float, int, int]] = field(default_factory=list)
    balls: list[tuple[np.ndarray, np.ndarray, int, int]] = field(default_factory=list)
    blocks: list[tuple[np.ndarray, np.ndarray, int, int]] = field(default_factory=list)

    def cone(
        self, a: np.ndarray, b: np.ndarray, ra: float, rb: float, part: str, paint: int
    ) -> None:
        """A limb-like piece from a to b (3,), radii in metres."""
        self.cones.append((a, b, ra, rb, PARTS.index(part), paint))

    def ball(
        self, centre: np.ndarray, frame: np.ndarray, axes: object, part: str, paint: int
    ) -> None:
        """An ellipsoid with semi-axes (left, up, forward) of ``frame`` in metres."""
        self.balls.append((centre, frame * np.asarray(axes), PARTS.index(part), paint))

    def block(
        self, centre: np.ndarray, frame: np.ndarray, axes: object, part: str, paint: int
    ) -> None:
        """A box with half-lengths ``axes`` along the columns of ``frame``, in metres."""
        self.blocks.append((centre, frame * np.asarray(axes), PARTS.index(part), paint))

    def middle(self) -> np.ndarray:
        """Mean of all end points and centres (3,), world metres."""
        ends = [p for c in self.cones for p in c[:2]]
        return np.mean(ends + [b[0] for b in (*self.balls, *self.blocks)], axis=0)


def dressed(body: Skeleton3D, look: Look) -> Solid:
    """The surface of a posed figure in its clothes."""
    solid = Solid()
    unit, girth = body.unit, body.build.girth
    thick = unit * (0.35 + 0.65 * girth)
    _trunk(solid, body, look, unit, unit * girth)
    _head(solid, body, look)
    for side, arm in zip(("left", "right"), body.arms, strict=True):
        _arm(solid, side, arm, look, thick)
    for side, leg in zip(("left", "right"), body.legs, strict=True):
        _leg(solid, side, leg, look, thick)
    return solid


def _trunk(solid: Solid, body: Skeleton3D, look: Look, unit: float, wide: float) -> None:
    build, loose = body.build, look.loose
    hips, shoulders = wide * build.hips, wide * (0.5 + 0.5 * build.shoulders)
    up, chest = body.pelvis_frame, body.chest_frame
    low = body.pelvis + unit * (up @ (0, -0.02, -0.012))
    solid.ball(low, up, hips * np.array([0.168, 0.115, 0.118]), "trunk", look.hips)
    belly = max(build.girth - 1.05, 0) * 0.12
    mid = body.waist + unit * (up @ (0, 0.0, 0.004 + belly))
    solid.ball(mid, up, wide * loose * np.array([0.142, 0.13, 0.106]), "trunk", look.shirt)
    rib = 0.5 * (mid + body.chest)
    solid.ball(rib, chest, wide * loose * np.array([0.146, 0.13, 0.108]), "trunk", look.shirt)
    high = body.chest + unit * (chest @ (0, -0.03, 0.008))
    solid.ball(high, chest, wide * loose * np.array([0.153, 0.15, 0.112]), "trunk", look.shirt)
    top = body.chest + unit * (chest @ (0, 0.095, 0.004))
    solid.ball(top, chest, shoulders * loose * np.array([0.165, 0.125, 0.112]), "trunk", look.shirt)
    if look.bust:
        for side in (-1, 1):
            place = body.chest + unit * (chest @ (side * 0.07, 0.045, 0.075))
            solid.ball(place, chest, wide * np.array([0.072, 0.072, 0.06]), "trunk", look.shirt)
    base = body.neck + unit * (chest @ (0, -0.03, -0.012))
    for arm in body.arms:
        toward = base + 0.93 * (arm.points[0] - base) - unit * (chest @ (0, 0.012, 0))
        solid.cone(base, toward, 0.05 * wide, 0.058 * wide, "trunk", look.shirt)
    throat = body.neck + unit * (chest @ (0, -0.03, -0.004))
    solid.cone(throat, body.head, 0.057 * wide, 0.054 * wide, "trunk", look.skin)
    if look.skirt:
        hem = [0.45 * leg.points[0] + 0.55 * leg.points[1] for leg in body.legs]
        hips_at = [leg.points[0] for leg in body.legs]
        for start, end in zip(
            (*hips_at, body.pelvis), (*hem, 0.5 * (hem[0] + hem[1])), strict=True
        ):
            solid.cone(start, end, 0.098 * hips, 0.118 * hips, "trunk", look.hips)


def _head(solid: Solid, body: Skeleton3D, look: Look) -> None:
    frame, axes, centre = body.head_frame, body.head_axes, body.head
    size = float(axes[1]) / 0.118

    def at(u: float, v: float, w: float) -> np.ndarray:
        return centre + frame @ (axes * (u, v, w))

    solid.ball(centre, frame, axes, "head", look.face)
    solid.ball(at(0, -0.5, 0.3), frame, axes * (0.68, 0.5, 0.62), "head", look.face)
    solid.ball(at(0, -0.17, 0.98), frame, axes * (0.15, 0.2, 0.16), "head", look.face)
    for side in (-1, 1):
        solid.ball(at(side, -0.06, -0.08), frame, axes * (0.14, 0.27, 0.22), "head", look.skin)
    if look.hair_style == "bald":
        return
    solid.ball(at(0, 0.16, -0.2), frame, axes * (1.06, 0.98, 0.98), "head", look.hair)
    if look.hair_style == "long":
        solid.cone(
            at(0, 0.2, -0.5), at(0, -1.25, -0.75), 0.08 * size, 0.06 * size, "head", look.hair
        )
        for side in (-1, 1):
            a, b = at(0.62 * side, 0.3, -0.25), at(0.72 * side, -1.0, -0.35)
            solid.cone(a, b, 0.045 * size, 0.035 * size, "head", look.hair)
    elif look.hair_style == "tail":
        solid.cone(
            at(0, 0.5, -1.1), at(0, -0.7, -1.6), 0.035 * size, 0.02 * size, "head", look.hair
        )
    elif look.hair_style == "bun":
        solid.ball(at(0, 0.75, -0.9), frame, axes * (0.5, 0.35, 0.4), "head", look.hair)
    elif look.hair_style == "cap":
        solid.ball(at(0, 0.34, -0.06), frame, axes * (1.1, 0.74, 1.1), "head", look.hat)
        solid.ball(at(0, 0.42, 1.05), frame, axes * (0.72, 0.07, 0.62), "head", look.hat)


def _arm(solid: Solid, side: str, arm: Limb, look: Look, thick: float) -> None:
    shoulder, elbow, wrist, tip = arm.points
    upper, fore, hand = f"{side} upper arm", f"{side} forearm", f"{side} hand"
    swell = elbow + 0.28 * (wrist - elbow)
    solid.cone(shoulder, elbow, 0.054 * thick, 0.041 * thick, upper, look.skin)
    solid.cone(elbow, swell, 0.041 * thick, 0.044 * thick, fore, look.skin)
    solid.cone(swell, wrist, 0.044 * thick, 0.028 * thick, fore, look.skin)
    if look.sleeve > 0:
        _covered(solid, shoulder, elbow, 0.0, min(look.sleeve, 1.0), (0.057, 0.05),
                 thick * look.loose, upper, look.sleeves)  # fmt: skip
    if look.sleeve > 1:
        _covered(solid, elbow, wrist, 0.0, look.sleeve - 1, (0.05, 0.037), thick * look.loose,
                 fore, look.sleeves)  # fmt: skip
    palm = wrist + 0.42 * (tip - wrist)
    frame = arm.frames[2]
    solid.ball(palm, frame, thick * np.array([0.022, 0.058, 0.043]), hand, look.skin)
    knuckle = wrist + 0.62 * (tip - wrist)
    bend = tip - 0.25 * (tip - wrist) + 0.12 * np.linalg.norm(tip - wrist) * frame[:, 2]
    for offset in (-0.018, 0.012):
        shift = thick * offset * frame[:, 2]
        end = 0.6 * tip + 0.4 * bend + shift
        solid.cone(knuckle + shift, end, 0.019 * thick, 0.013 * thick, hand, look.skin)
    thumb = palm + thick * 0.05 * frame[:, 2]
    solid.cone(palm, thumb, 0.018 * thick, 0.012 * thick, hand, look.skin)


def _leg(solid: Solid, side: str, leg: Limb, look: Look, thick: float) -> None:
    hip, knee, ankle, heel, ball, toe = leg.points
    thigh, shin, foot = f"{side} thigh", f"{side} shin", f"{side} foot"
    calf = knee + 0.3 * (ankle - knee) - 0.012 * thick * leg.frames[1][:, 2]
    solid.cone(hip, knee, 0.087 * thick, 0.056 * thick, thigh, look.skin)
    solid.cone(knee, calf, 0.054 * thick, 0.058 * thick, shin, look.skin)
    solid.cone(calf, ankle, 0.058 * thick, 0.036 * thick, shin, look.skin)
    loose = thick * (0.4 + 0.6 * look.loose)
    if not look.skirt:
        _covered(
            solid, hip, knee, 0.0, min(look.leg, 1.0), (0.099, 0.069), loose, thigh, look.trousers
        )
        if look.leg > 1:
            _covered(
                solid, knee, ankle, 0.0, look.leg - 1, (0.08, 0.054), loose, shin, look.trousers
            )
    if look.sock > 0 and look.leg < 1.6:
        _covered(solid, ankle, knee, 0.0, look.sock, (0.041, 0.06), thick, shin, look.socks)
    solid.cone(heel, ball, 0.038 * thick, 0.037 * thick, foot, look.shoes)
    solid.cone(ball, toe, 0.038 * thick, 0.027 * thick, foot, look.shoes)
    solid.cone(heel, ankle, 0.038 * thick, 0.04 * thick, foot, look.shoes)


def _covered(
    solid: Solid,
    a: np.ndarray,
    b: np.ndarray,
    start: float,
    end: float,
    radii: tuple[float, float],
    thick: float,
    part: str,
    paint: int,
) -> None:
    """Cloth over a share of a bone: a slightly wider cone that ends in a hem."""
    ra, rb = radii
    first, last = a + start * (b - a), a + end * (b - a)
    solid.cone(first, last, ra * thick, (ra + (rb - ra) * end) * thick, part, paint)
