"""Candidates for keypoints: maxima of the heatmaps on the grid, put right by the offsets.

Snapping to a grid of stride 8 costs 3.3 pixels root mean square; the offset at the block brings
them back (specification 8.6 [ours]; the public code never decodes its offsets).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from posekit.decode.paf_grid import PafGrid
from posekit.decode.paf_people import Peak, Vote

__all__ = ["PeakOptions", "find_peaks", "local_maxima"]

Floats = npt.NDArray[np.float32]
_AROUND = [(0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


@dataclass(frozen=True)
class PeakOptions:
    """How peaks are found.

    Attributes:
        threshold: a maximum no higher than this is no candidate [code: 0.1].
        place: ``"block"`` restores the position from the offset at the maximum's block; ``"wide"``
            takes the mean, weighted by heat, of what the nine blocks around it say, for networks
            trained so; ``"centre"`` leaves it at the block's centre; ``"upsampled"`` looks for
            maxima in the maps enlarged bicubically [code] and smoothed a little [ours], for
            networks without offsets.
        most: candidates kept of each keypoint, the strongest; bounds the work on a noisy map.
    """

    threshold: float = 0.1
    place: Literal["block", "wide", "centre", "upsampled"] = "block"
    most: int = 60


def local_maxima(maps: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """Which cells of (K, h, w) top their 3 x 3 neighbourhood and the threshold.

    Of equal neighbours the last in reading order counts: a keypoint on the edge between two blocks
    belongs to the right or lower one.
    """
    count, rows, cols = maps.shape
    framed = np.full((count, rows + 2, cols + 2), -np.inf, maps.dtype)
    framed[:, 1:-1, 1:-1] = maps
    peak = maps > threshold
    for dy, dx in _AROUND[1:]:
        other = framed[:, 1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + cols]
        peak &= maps > other if (dy, dx) > (0, 0) else maps >= other
    return peak


def find_peaks(
    heat: Floats, offset: Floats | None, grid: PafGrid, options: PeakOptions
) -> tuple[Peak, ...]:
    """All candidates, keypoint by keypoint, the strongest first.

    Args:
        heat: (K, h, w), without background.
        offset: (2 K, h, w) in cells; only read where ``options.place`` needs it.
        grid: how cells lie on the input.
        options: see there.
    """
    maps, stride, first = heat, float(grid.stride), grid.first
    if options.place == "upsampled":
        rows, cols = heat.shape[1] * grid.stride, heat.shape[2] * grid.stride
        maps = np.stack([_enlarged(each, (cols, rows)) for each in heat])
        stride, first = 1.0, 0.0
    keypoint, row, col = np.nonzero(local_maxima(maps, options.threshold))
    score = maps[keypoint, row, col]
    strongest = np.lexsort((-score, keypoint))
    rank = np.arange(len(score)) - np.searchsorted(keypoint, keypoint)  # within the keypoint
    keep = strongest[rank < options.most]
    keypoint, row, col, score = keypoint[keep], row[keep], col[keep], score[keep]

    around = np.array(_AROUND if options.place == "wide" else _AROUND[:1])
    rows = row[:, None] + around[:, 0]  # (n, 1 or 9) the blocks that vote
    cols = col[:, None] + around[:, 1]
    inside = (rows >= 0) & (rows < maps.shape[1]) & (cols >= 0) & (cols < maps.shape[2])
    at = np.where(inside, rows, row[:, None]), np.where(inside, cols, col[:, None])
    weight = np.where(inside, maps[keypoint[:, None], *at], 0.0)
    centre = np.stack([at[1], at[0]], axis=-1) * stride + first  # (n, 1 or 9, 2)
    point = centre.astype(np.float64)
    if offset is not None and options.place in ("block", "wide"):
        # An offset that points farther than it can have learnt to is noise.
        reach = 1.5 if options.place == "wide" else 0.75
        shift = np.stack([offset[2 * keypoint[:, None] + axis, *at] for axis in (0, 1)], axis=-1)
        point = centre + stride * np.clip(shift, -reach, reach)
    # Who points elsewhere than the maximum's own block speaks of somebody else.
    near = np.abs(point - point[:, :1]).max(-1) <= 0.75 * stride
    votes = inside & near & (weight > options.threshold)
    votes[:, 0] = True
    share = np.where(votes, weight, 0.0)
    place = (share[..., None] * point).sum(1) / share.sum(1, keepdims=True)
    return tuple(
        Peak(
            keypoint=int(keypoint[n]),
            point=(float(place[n, 0]), float(place[n, 1])),
            score=float(score[n]),
            votes=tuple(
                Vote(
                    column=int(cols[n, v]),
                    row=int(rows[n, v]),
                    centre=(float(centre[n, v, 0]), float(centre[n, v, 1])),
                    point=(float(point[n, v, 0]), float(point[n, v, 1])),
                    weight=float(weight[n, v]),
                )
                for v in np.flatnonzero(votes[n])
            ),
        )
        for n in range(len(keypoint))
    )


def _enlarged(heat: Floats, size: tuple[int, int]) -> Floats:
    """One map at (width, height); smoothing takes the ripples that a cubic makes round a peak."""
    large = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), sigmaX=3.0), dtype=np.float32)
