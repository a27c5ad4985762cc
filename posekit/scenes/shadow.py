"""Shadows of people and objects on the ground."""

from __future__ import annotations

import cv2
import numpy as np

from posekit.scenes.camera import Camera
from posekit.scenes.shapes import Solid


def shadow(solid: Solid, camera: Camera, size: tuple[int, int], sun: np.ndarray) -> np.ndarray:
    """Share of the light that a solid takes from the ground, (H, W) float32 0..1."""
    height, width = size
    half = (height // 2, width // 2)
    cast, under = np.zeros(half, np.uint8), np.zeros(half, np.uint8)
    drift = -sun[[0, 2]] / max(float(sun[1]), 0.25)
    round_ones = [*solid.balls, *solid.blocks]
    ends = np.array([c[:2] for c in solid.cones] + [(b[0], b[0]) for b in round_ones])
    radii = np.array(
        [max(c[2], c[3]) for c in solid.cones] + [0.8 * np.abs(b[1]).max() for b in round_ones]
    )
    lift = ends[..., 1:2]
    for target, drop in ((cast, drift), (under, np.zeros(2))):
        places = ends[..., [0, 2]] + lift * drop
        flat = np.stack([places[..., 0], np.zeros_like(lift[..., 0]), places[..., 1]], axis=-1)
        depth = np.maximum(camera.to_camera(flat)[..., 2], 0.3)
        spots = np.clip(camera.project(flat) * 4, -99999, 99999).astype(np.int32)  # shift=3, halved
        thick = np.clip(0.65 * radii * camera.focal / depth.mean(axis=1), 1, 120).astype(int)
        keep = (depth.min(axis=1) > 0.5) & ((target is cast) | (lift.min(axis=(1, 2)) < 0.7))
        for i in np.flatnonzero(keep):
            a, b = spots[i].tolist()
            cv2.line(target, a, b, 255, int(thick[i]), cv2.LINE_8, 3)
    soft = max(height, width) / 400
    total = cv2.addWeighted(
        cv2.GaussianBlur(cast, (0, 0), 1.2 * soft), 0.42,
        cv2.GaussianBlur(under, (0, 0), 2.2 * soft), 0.4, 0,
    )  # fmt: skip
    full = cv2.resize(total, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.minimum(full, 190).astype(np.float32) * np.float32(1 / 255))
