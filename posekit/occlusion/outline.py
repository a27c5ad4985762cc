"""The outline of what an occluder covers, in photo pixels: as rings, and as an SVG path."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posekit.draw.contours import rings
from posekit.geometry import Affine

__all__ = ["outline_path", "outline_rings"]

Floats = npt.NDArray[np.float64]


def outline_path(cover: npt.NDArray[np.bool_]) -> str:
    """The rings round a cover (H, W) as an SVG path; empty where nothing is covered."""
    return "".join(
        "M" + "L".join(f"{x:g} {y:g}" for x, y in np.round(ring, 1)) + "Z"
        for ring in outline_rings(cover)
    )


def outline_rings(cover: npt.NDArray[np.bool_]) -> tuple[Floats, ...]:
    """The rings (N, 2) round a cover (H, W), holes included; none where nothing is covered."""
    rows, cols = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    if not len(rows):
        return ()
    # The cover alone, and a pixel round it where the photo has one: a photo is far larger.
    top, left = max(0, rows[0] - 1), max(0, cols[0] - 1)
    part = cover[top : rows[-1] + 2, left : cols[-1] + 2]
    found = rings(part.astype(np.float64), 0.5, Affine.scaling((1.0, 1.0), (left, top)))
    return tuple(_corners(ring) for ring in found)


def _corners(ring: Floats) -> Floats:
    """A ring (N, 2) without the points that lie straight between their neighbours."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    return ring[turns]
