"""What stands behind the people: sky, trees, walls, courts, clutter."""

from __future__ import annotations

import cv2
import numpy as np

from posekit.scenes.camera import Camera
from posekit.scenes.planes import ground, wall
from posekit.scenes.texture import noise_field, piece, rgb

KINDS = ("field", "court", "street", "room", "studio", "clutter")


def backdrop(
    kind: str, size: tuple[int, int], camera: Camera, far: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Picture without people (H, W, 3) float32 RGB, and where its ground is, (H, W) float32 0..1.

    far: distance in metres of the farthest thing that stands on the ground.
    """
    if kind == "studio":
        return _studio(size, camera, far, rng)
    if kind == "clutter":
        return _clutter(size, rng), np.zeros(size, np.float32)
    height, width = size
    distance = far + rng.uniform(0.6, 4.0) if kind in ("room", "court", "street") else 60.0
    edge = camera.project(np.array([[-1.0, 0.0, -distance], [1.0, 0.0, -distance]]))[0, 1]
    rows = np.arange(height, dtype=np.float32)[:, None]
    floor = np.broadcast_to(np.clip(rows - np.float32(edge) + 0.5, 0, 1), size)
    first, last = int(np.clip(edge - 1, 0, height)), int(np.clip(edge + 2, 0, height))
    picture = np.empty((height, width, 3), np.float32)
    if last > 0:
        picture[:last] = (
            _sky(size, edge, rng)[:last]
            if kind == "field"
            else wall(kind, (0, last), width, camera, distance, rng)
        )
    if first < height:
        below = ground(kind, (first, height), width, camera, rng)
        picture[last:] = below[last - first :]
        share = floor[first:last, :, None]
        picture[first:last] += (below[: last - first] - picture[first:last]) * share
    return picture, np.ascontiguousarray(floor)


def _sky(size: tuple[int, int], edge: float, rng: np.random.Generator) -> np.ndarray:
    height, width = size
    top = rgb(rng.uniform(0.54, 0.62), rng.uniform(0.1, 0.55), rng.uniform(0.65, 0.95))
    low = top * 0.35 + 0.65 * np.array([236, 236, 232], np.float32)
    if rng.random() < 0.3:
        top = low = np.full(3, rng.uniform(170, 235), np.float32)
    rows = np.clip(np.arange(height, dtype=np.float32)[:, None, None] / max(edge, 1.0), 0, 1)
    cloud = cv2.resize(piece(noise_field(6.0), (80, 107), rng), (width, height))
    sky = top + (low - top) * rows + 9 * cloud[..., None]
    # A band of trees or houses stands on the horizon.
    band = rng.uniform(0.08, 0.5) * height
    green = rng.random() < 0.7
    colour = (
        rgb(rng.uniform(0.2, 0.38), rng.uniform(0.2, 0.5), rng.uniform(0.18, 0.45))
        if green
        else rgb(rng.random(), rng.uniform(0.03, 0.18), rng.uniform(0.35, 0.7))
    )
    outline = piece(noise_field(6.0), (1, 107), rng)[0] if green else rng.normal(size=14)
    method = cv2.INTER_CUBIC if green else cv2.INTER_NEAREST
    outline = cv2.resize(outline.astype(np.float32)[None], (width, 1), interpolation=method)[0]
    crest = edge - band * np.clip(0.75 + 0.25 * outline, 0.2, 1.2)
    inside = np.clip(np.arange(height)[:, None] - crest[None, :], 0, 1)[..., None]
    leaf = cv2.resize(piece(noise_field(1.0), (120, 160), rng), (width, height))[..., None]
    if green:
        trees = colour * (1 + 0.22 * leaf + 0.12 * cloud[..., None])
    else:
        panes = (np.arange(height)[:, None] * 30 // height) % 2
        panes = panes * ((np.arange(width)[None] * 56 // width) % 2)
        trees = colour * (1 + 0.03 * leaf - 0.2 * panes[..., None])
    return np.asarray(sky + (trees - sky) * inside)


def _studio(
    size: tuple[int, int], camera: Camera, far: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    height, width = size
    colour = rgb(rng.random(), rng.uniform(0.0, 0.35), rng.uniform(0.4, 0.95))
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    centre = rng.uniform(-0.5, 0.5, 2)
    glow = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / rng.uniform(0.8, 2.5))
    edge = camera.project(np.array([0.0, 0.0, -far - 1.0]))[1]
    ground = np.clip((np.arange(height, dtype=np.float32)[:, None] - edge) / (0.1 * height), 0, 1)
    ground = np.broadcast_to(ground, size)
    picture = colour * (0.6 + 0.45 * glow - 0.12 * ground)[..., None]
    return picture.astype(np.float32), np.ascontiguousarray(ground)


def _clutter(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = size
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = rgb(rng.random(), rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.9))
    for _ in range(int(rng.integers(8, 26))):
        colour = rgb(rng.random(), rng.uniform(0.0, 0.8), rng.uniform(0.1, 0.95)).tolist()
        x, y = int(rng.integers(-20, width)), int(rng.integers(-20, height))
        w, h = (int(rng.uniform(0.04, 0.4) * width), int(rng.uniform(0.05, 0.6) * height))
        if rng.random() < 0.5:
            cv2.rectangle(canvas, (x, y), (x + w, y + h), colour, -1)
        else:
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(canvas, (x, y), (w // 2 + 2, h // 3 + 2), angle, 0, 360, colour, -1)
    soft = cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.004, 0.03)) * width)
    return np.asarray(soft * (1 + 0.05 * piece(noise_field(1.0), size, rng)[..., None]))
