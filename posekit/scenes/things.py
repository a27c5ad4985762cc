"""Objects that stand in front of people, and what they sit on."""

from __future__ import annotations

import colorsys

import numpy as np

from posekit.scenes.body import turn_y
from posekit.scenes.shapes import Solid
from posekit.scenes.wardrobe import STEPS

# What may stand in front of somebody; "screen" is kept for those whom nothing else hides.
THINGS = ("post", "bush", "ball", "crate", "board", "table", "sacks")


def thing_table(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Colours (2, STEPS, 3) float32 of an object: main and second."""
    if kind == "bush":
        hue, saturation, value = (
            rng.uniform(0.2, 0.38),
            rng.uniform(0.35, 0.7),
            rng.uniform(0.2, 0.5),
        )
    else:
        hue, saturation, value = rng.random(), rng.uniform(0.05, 0.75), rng.uniform(0.4, 0.92)
    if kind == "sacks":
        hue, saturation, value = 0.1, rng.uniform(0.1, 0.4), rng.uniform(0.35, 0.75)
    first = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 250
    second = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.2, 0.9)))
    table = np.repeat(np.array([first, second * 250])[:, None], STEPS, axis=1)
    if kind == "bush":
        table[1] = table[0] * 0.7
    if kind in ("post", "ball") and rng.random() < 0.5:
        table[0, (np.arange(STEPS) // 4) % 2 == 1] = second * 250
    return table.astype(np.float32)


def thing(kind: str, place: tuple[float, float], size: float, rng: np.random.Generator) -> Solid:
    """An object on the ground at (x, z); size in metres is about its larger extent."""
    solid = Solid()
    x, z = place

    def at(dx: float, y: float, dz: float = 0.0) -> np.ndarray:
        return np.array([x + dx, y, z + dz])

    if kind == "post":
        width = rng.uniform(0.07, 0.2) * max(size, 0.6)
        solid.cone(at(0, -0.2), at(0, 3.2), width * 1.08, width, "thing", 0)
    elif kind == "ball":
        solid.ball(at(0, size / 2), turn_y(30), np.full(3, size / 2), "thing", 0)
    elif kind == "crate":
        frame = turn_y(rng.uniform(-40, 40))
        half = size * np.array([rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.5), 0.3])
        solid.block(at(0, half[1]), frame, half, "thing", 0)
        solid.block(at(0, half[1] * 2), frame, half * (1.04, 0.06, 1.04), "thing", 1)
    elif kind == "bush":
        for _ in range(60):
            angle, out = rng.uniform(0, np.pi), np.sqrt(rng.random())
            dx, dy = 0.48 * out * np.cos(angle), 0.75 * out * np.sin(angle)
            radius = size * rng.uniform(0.05, 0.11)
            spot = at(size * dx, size * dy, 0.12 * size * rng.normal())
            solid.ball(spot, turn_y(rng.uniform(0, 90)), radius * rng.uniform(0.7, 1.2, 3), "thing",
                       int(rng.random() < 0.45))  # fmt: skip
    elif kind == "board":
        width, height = size * rng.uniform(0.3, 0.6), size * rng.uniform(0.3, 0.5)
        frame = turn_y(rng.uniform(-25, 25))
        solid.block(at(0, height + 0.05), frame, (width, height, 0.02), "thing", 1)
        solid.block(at(0, height + 0.05), frame, (width * 0.92, height * 0.9, 0.026), "thing", 0)
    elif kind == "table":
        frame = turn_y(rng.uniform(-20, 20))
        width, deep = 0.62 * size, 0.26 * size
        solid.block(at(0, 0.74), frame, (width, 0.025, deep), "thing", 0)
        for sx in (-0.9, 0.9):
            for sz in (-0.85, 0.85):
                foot = at(0, 0.36) + frame @ (sx * width, 0, sz * deep)
                solid.block(foot, frame, (0.03, 0.36, 0.03), "thing", 1)
        solid.block(at(0, 0.5), frame, (0.9 * width, 0.22, 0.8 * deep), "thing", 1)
    elif kind == "screen":
        solid.block(at(0, 1.3), turn_y(rng.uniform(-12, 12)), (1.1, 1.3, 0.03), "thing", 0)
    else:
        places = ((-0.25, 0.14), (0.25, 0.14), (0.0, 0.14), (-0.12, 0.38), (0.14, 0.38), (0, 0.58))
        for dx, y in places:
            axes = size * np.array([0.24, 0.14, 0.2])
            spot = at(size * dx, size * y, rng.normal(0, 0.03))
            solid.ball(spot, turn_y(rng.uniform(-40, 40)), axes, "thing", 0)
    return solid


def stool(under: np.ndarray) -> Solid:
    """A seat whose top is at ``under`` (3,), with one leg and a foot."""
    solid = Solid()
    x, y, z = under
    level = np.eye(3)
    solid.ball(np.array([x, y - 0.04, z]), level, (0.2, 0.045, 0.2), "thing", 0)
    solid.cone(np.array([x, y - 0.05, z]), np.array([x, 0.03, z]), 0.035, 0.04, "thing", 1)
    solid.ball(np.array([x, 0.02, z]), level, (0.2, 0.025, 0.2), "thing", 1)
    return solid
