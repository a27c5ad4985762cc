"""Ground and walls: flat textures seen in perspective."""

from __future__ import annotations

import cv2
import numpy as np

from posekit.scenes.camera import Camera
from posekit.scenes.texture import noise_field, piece, rgb


def ground(
    kind: str, rows: tuple[int, int], width: int, camera: Camera, rng: np.random.Generator
) -> np.ndarray:
    """Rows first..last - 1 of the ground in the photo, (last - first, width, 3) float32 RGB."""
    side, metres = 256, 6.0
    grain = 0.6 * piece(noise_field(1.0), (side, side), rng) + 0.5 * noise_field(6.0)[:side, :side]
    if kind == "field":
        colour = rgb(rng.uniform(0.2, 0.34), rng.uniform(0.25, 0.5), rng.uniform(0.35, 0.62))
        if rng.random() < 0.25:
            colour = rgb(rng.uniform(0.07, 0.12), rng.uniform(0.25, 0.5), rng.uniform(0.55, 0.8))
        tile = colour * (1 + 0.17 * grain[..., None])
    elif kind == "street":
        colour = rgb(rng.random(), 0.05, rng.uniform(0.4, 0.68))
        tile = colour * (1 + 0.08 * grain[..., None])
        tile[:: side // int(rng.choice([4, 8])), :] *= 0.72
        tile[:, :: side // int(rng.choice([4, 8]))] *= 0.72
    elif kind == "room":
        colour = rgb(rng.uniform(0.05, 0.11), rng.uniform(0.3, 0.55), rng.uniform(0.45, 0.75))
        planks = 1 + 0.09 * rng.normal(size=(1, 16, 1)).repeat(side // 16, axis=1)
        tile = colour * planks * (1 + 0.04 * grain[..., None])
        tile[:, :: side // 16] *= 0.75
    else:
        colour = rgb(
            rng.choice([0.05, 0.08, 0.3, 0.55, 0.6]), rng.uniform(0.3, 0.6), rng.uniform(0.45, 0.75)
        )
        tile = colour * (1 + 0.04 * grain[..., None])
        line = slice(100, 106)
        tile[line, :] = 238
        if rng.random() < 0.6:
            tile[:, line] = 238
    tile = np.clip(tile, 0, 255).astype(np.uint8)
    step = metres / side
    shift = rng.uniform(-3, 3, size=2)
    turn = np.radians(rng.uniform(-35, 35))
    c, s = np.cos(turn) * step, np.sin(turn) * step
    to_ground = np.array([[c, -s, shift[0]], [s, c, shift[1]], [0, 0, 1]])
    seen = _warped(tile, camera.ground_to_photo() @ to_ground, rows, width)
    # Far away the texture is finer than the pixels: fade it into its mean.
    below = np.arange(*rows, dtype=np.float32)[:, None, None] - np.float32(camera.horizon)
    near = np.clip(below / np.float32(0.35 * rows[1]), 0, 1)
    mean = np.array(cv2.mean(tile)[:3], np.float32)
    return np.asarray((mean + (seen - mean) * near) * (np.float32(0.88) + np.float32(0.17) * near))


def wall(
    kind: str,
    rows: tuple[int, int],
    width: int,
    camera: Camera,
    distance: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The same rows of a wall ``distance`` metres away that faces the camera, uint8 RGB."""
    side, metres = 256, 5.0
    colour = rgb(rng.random(), rng.uniform(0.02, 0.4), rng.uniform(0.35, 0.92))
    grain = noise_field(6.0)[:side, :side, None]
    tile = np.broadcast_to(colour, (side, side, 3)) * (1 + 0.025 * grain)
    if kind == "street" and rng.random() < 0.6:
        brick = rgb(rng.uniform(0.01, 0.09), rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.7))
        shade = 1 + 0.1 * rng.normal(size=(32, 16))
        tile = brick * shade.repeat(8, 0).repeat(16, 1)[..., None] * (1 + 0.06 * grain)
        tile[::8] = tile[::8] * 0.5 + 95
        for r in range(32):
            tile[8 * r : 8 * r + 8, (8 * (r % 2)) :: 16] = 0.55 * tile.mean() + 75
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.integers(0, side, 2)
        w, h = rng.integers(18, 90), rng.integers(20, 110)
        paint = rgb(rng.random(), rng.uniform(0.0, 0.6), rng.uniform(0.15, 0.95))
        tile = np.ascontiguousarray(tile, np.float32)
        cv2.rectangle(tile, (int(x), int(y)), (int(x + w), int(y + h)), (paint * 0.55).tolist(), -1)
        cv2.rectangle(
            tile, (int(x) + 3, int(y) + 3), (int(x + w) - 3, int(y + h) - 3), paint.tolist(), -1
        )
    step = metres / side
    to_wall = np.array([[step, 0, rng.uniform(-3, 3)], [0, -step, metres], [0, 0, 1]])
    texture = np.clip(tile, 0, 255).astype(np.uint8)
    return _warped(texture, camera.wall_to_photo(distance) @ to_wall, rows, width)


def _warped(tile: np.ndarray, matrix: np.ndarray, rows: tuple[int, int], width: int) -> np.ndarray:
    up = np.array([[1.0, 0, 0], [0, 1.0, -rows[0]], [0, 0, 1.0]])
    return cv2.warpPerspective(
        tile, up @ matrix, (width, rows[1] - rows[0]), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
