"""Finds how far one silhouette must slide to hide a wanted share of another."""

from __future__ import annotations

import cv2
import numpy as np

from posekit.scenes.raster import Layer


def overlap_shift(
    back: Layer, front: Layer, share: float, rng: np.random.Generator
) -> tuple[int, float]:
    """How far to move ``front`` sideways (samples) so that it hides ``share`` of ``back``.

    Returns the shift and the share it reaches. All shifts are tried at once by correlating the
    two silhouettes row by row (at a quarter of the resolution).
    """
    cell = 4
    top, bottom = (
        min(back.top, front.top),
        max(back.top + back.depth.shape[0], front.top + front.depth.shape[0]),
    )
    rows = -(-(bottom - top) // cell)
    silhouettes = []
    for layer in (back, front):
        height, width = layer.depth.shape
        full = np.zeros((rows * cell, -(-width // cell) * cell), np.float32)
        full[layer.top - top : layer.top - top + height, :width] = layer.mask
        silhouettes.append(
            cv2.resize(full, (full.shape[1] // cell, rows), interpolation=cv2.INTER_AREA)
        )
    a, b = silhouettes
    length = a.shape[1] + b.shape[1]
    product = np.fft.rfft(a, length, axis=1) * np.conj(np.fft.rfft(b, length, axis=1))
    covered = np.fft.irfft(product.sum(axis=0), length) / max(float(a.sum()), 1.0)
    # covered[s] belongs to front's left edge at back's left edge + s cells, s modulo length.
    steps = np.arange(length)
    steps[steps >= a.shape[1]] -= length
    order = np.argsort(steps)
    steps, covered = steps[order], covered[order]
    peak = int(covered.argmax())
    sides = [slice(0, peak + 1), slice(peak, length)]
    side = sides[int(rng.integers(2))]
    pick = int(np.abs(covered[side] - share).argmin()) + (side.start or 0)
    shift = int(steps[pick]) * cell + back.left - front.left
    return shift, float(covered[pick])
