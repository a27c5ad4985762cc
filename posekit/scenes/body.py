"""A human figure in three dimensions: proportions, forward kinematics, keypoints.

World axes: x to the right of a camera that looks along -z, y up, z towards the camera, metres,
ground at y = 0. A figure with heading 0 faces the camera, so its left side is at positive x.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posekit.scenes.poses import Arm, Leg, Pose

KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear",
    "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
    "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
    "neck", "head top",
)  # fmt: skip
"""COCO's seventeen in COCO's order, then neck and head top."""


@dataclass(frozen=True)
class Build:
    """Proportions of one person. height in metres; the others are factors around 1."""

    height: float = 1.74
    girth: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0
    legs: float = 1.0
    head: float = 1.0

    @staticmethod
    def random(rng: np.random.Generator) -> Build:
        """A plausible adult, now and then a child (shorter, with a relatively larger head)."""
        if rng.random() < 0.12:
            height = rng.uniform(1.1, 1.45)
            return Build(height, rng.uniform(0.85, 1.05), 0.92, 0.95, 0.95, 1.95 - 0.55 * height)
        return Build(
            height=float(np.clip(rng.normal(1.72, 0.09), 1.5, 1.98)),
            girth=float(np.clip(rng.normal(1.03, 0.12), 0.84, 1.4)),
            shoulders=rng.uniform(0.92, 1.08),
            hips=rng.uniform(0.92, 1.12),
            legs=rng.uniform(0.97, 1.04),
            head=rng.uniform(0.95, 1.05),
        )


@dataclass(frozen=True, eq=False)
class Limb:
    """A chain of world points and the frame (3, 3) of each bone; columns are left, up, forward."""

    points: np.ndarray
    frames: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Skeleton3D:
    """A posed figure: the places and frames that the body's surface is hung on.

    keypoints: (19, 3) world metres in the order of KEYPOINTS. unit: metres per standard metre
    (1 for a person of 1.74 m). Frames have the columns left, up, forward.
    """

    build: Build
    unit: float
    pelvis: np.ndarray
    pelvis_frame: np.ndarray
    waist: np.ndarray
    chest: np.ndarray
    chest_frame: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    head_frame: np.ndarray
    head_axes: np.ndarray
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    keypoints: np.ndarray = field(repr=False)


def turn_x(degrees: float) -> np.ndarray:
    """Rotation about the left axis; positive tips 'up' forwards."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(degrees: float) -> np.ndarray:
    """Rotation about the up axis; positive turns 'forward' to the left."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(degrees: float) -> np.ndarray:
    """Rotation about the forward axis; positive turns 'left' upwards."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def posed(pose: Pose, build: Build, heading: float, place: tuple[float, float]) -> Skeleton3D:
    """Stand a figure with that pose and build at ground place (x, z), turned by heading degrees.

    The lowest part of the body touches the ground (or floats ``pose.lift`` above it).
    """
    unit = build.height / 1.74
    root = turn_y(heading) @ turn_x(pose.pitch) @ turn_z(-pose.roll)
    spine = turn_x(pose.bend / 2) @ turn_z(-pose.lean / 2) @ turn_y(pose.twist / 2)
    waist_frame = root @ spine
    chest_frame = waist_frame @ spine
    pelvis = np.zeros(3)
    waist = pelvis + unit * (root @ (0.0, 0.12, 0.005))
    chest = waist + unit * (waist_frame @ (0.0, 0.17, 0.0))
    shoulder_line = chest + unit * (chest_frame @ (0.0, 0.185, -0.01))
    neck = chest + unit * (chest_frame @ (0.0, 0.245, -0.005))
    head_frame = (
        chest_frame @ turn_y(pose.look) @ turn_x(pose.nod - 0.35 * pose.bend) @ turn_z(-pose.tilt)
    )
    half_turn = chest_frame @ turn_x(0.5 * (pose.nod - 0.35 * pose.bend) + 12)
    size = unit * build.head
    head_axes = size * np.array([0.077, 0.118, 0.098])
    head = neck + unit * (half_turn @ (0.0, 0.075, 0.0)) + size * (head_frame @ (0, 0.092, 0.018))

    arms = tuple(
        _arm(values, side, chest_frame, shoulder_line, unit, build)
        for values, side in ((pose.left_arm, 1), (pose.right_arm, -1))
    )
    legs = tuple(
        _leg(values, side, root, pelvis, unit, build)
        for values, side in ((pose.left_leg, 1), (pose.right_leg, -1))
    )
    arms = tuple(_outside_torso(arm, pelvis, chest, unit * build.girth) for arm in arms)

    def on_head(u: float, v: float, w: float) -> np.ndarray:
        return head + head_frame @ (head_axes * (u, v, w))

    eye_w = float(np.sqrt(1 - 0.36**2 - 0.06**2))
    ends = {
        "nose": on_head(0.0, -0.2, 1.08),
        "left eye": on_head(0.36, 0.06, eye_w),
        "right eye": on_head(-0.36, 0.06, eye_w),
        "left ear": on_head(1.0, -0.05, -0.08),
        "right ear": on_head(-1.0, -0.05, -0.08),
        "neck": neck,
        "head top": on_head(0.0, 0.9, 0.0),
    }
    for side, arm, leg in (("left", arms[0], legs[0]), ("right", arms[1], legs[1])):
        names = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
        for name, point in zip(names[0], arm.points[:3], strict=True):
            ends[f"{side} {name}"] = point
        for name, point in zip(names[1], leg.points[:3], strict=True):
            ends[f"{side} {name}"] = point
    keypoints = np.array([ends[name] for name in KEYPOINTS])

    lowest = min(
        min(float(leg.points[2:, 1].min()) - 0.045 * unit for leg in legs),
        min(float(leg.points[1, 1]) - 0.06 * unit for leg in legs),
        min(float(arm.points[:, 1].min()) - 0.03 * unit for arm in arms),
        float(pelvis[1]) - 0.13 * unit * build.girth,
        float(head[1] - head_axes[1]),
    )
    offset = np.array([place[0], pose.lift - lowest, place[1]])

    def moved(limb: Limb) -> Limb:
        return Limb(limb.points + offset, limb.frames)

    return Skeleton3D(
        build=build,
        unit=unit,
        pelvis=pelvis + offset,
        pelvis_frame=root,
        waist=waist + offset,
        chest=chest + offset,
        chest_frame=chest_frame,
        neck=neck + offset,
        head=head + offset,
        head_frame=head_frame,
        head_axes=head_axes,
        arms=(moved(arms[0]), moved(arms[1])),
        legs=(moved(legs[0]), moved(legs[1])),
        keypoints=keypoints + offset,
    )


def _arm(
    arm: Arm, side: int, chest: np.ndarray, shoulder_line: np.ndarray, unit: float, build: Build
) -> Limb:
    # The shoulder girdle follows a raised arm: up and a little inwards.
    raised = np.clip((max(arm.raise_, arm.abduct) - 60) / 110, 0, 1)
    shoulder = shoulder_line + unit * (
        chest @ (side * (0.178 - 0.035 * raised) * build.shoulders, 0.055 * raised, 0.0)
    )
    upper = chest @ turn_x(-arm.raise_) @ turn_z(side * arm.abduct) @ turn_y(-side * arm.turn)
    fore = upper @ turn_x(-arm.elbow)
    hand = fore @ turn_x(-8)
    elbow = shoulder + unit * 0.295 * -upper[:, 1]
    wrist = elbow + unit * 0.245 * -fore[:, 1]
    tip = wrist + unit * 0.165 * -hand[:, 1]
    return Limb(np.array([shoulder, elbow, wrist, tip]), (upper, fore, hand))


def _leg(
    leg: Leg, side: int, root: np.ndarray, pelvis: np.ndarray, unit: float, build: Build
) -> Limb:
    hip = pelvis + unit * (root @ (side * 0.092 * build.hips, -0.01, 0.0))
    upper = root @ turn_z(side * leg.abduct) @ turn_x(-leg.raise_) @ turn_y(side * leg.turn)
    lower = upper @ turn_x(leg.knee)
    foot = lower @ turn_x(leg.point)
    knee = hip + unit * build.legs * 0.425 * -upper[:, 1]
    ankle = knee + unit * build.legs * 0.415 * -lower[:, 1]
    heel = ankle + unit * (foot @ (0.0, -0.045, -0.045))
    ball = ankle + unit * (foot @ (0.0, -0.06, 0.125))
    toe = ankle + unit * (foot @ (0.0, -0.062, 0.17))
    return Limb(np.array([hip, knee, ankle, heel, ball, toe]), (upper, lower, foot))


def _outside_torso(arm: Limb, pelvis: np.ndarray, chest: np.ndarray, size: float) -> Limb:
    """Push elbow, wrist and hand out of the trunk (a capsule from pelvis to chest)."""
    axis = chest - pelvis
    points = arm.points.copy()
    for i, radius in ((1, 0.17), (2, 0.165), (3, 0.15)):
        share = np.clip((points[i] - pelvis) @ axis / (axis @ axis), -0.2, 1.1)
        away = points[i] - (pelvis + share * axis)
        distance = float(np.linalg.norm(away))
        if 1e-6 < distance < radius * size:
            points[i:] += away * (radius * size / distance - 1)
    return Limb(points, arm.frames)
