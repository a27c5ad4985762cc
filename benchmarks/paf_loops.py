"""The bottom-up decoder written the obvious way, one cell, pair and sample at a time."""

from __future__ import annotations

import math

import numpy as np

from posekit.decode.paf_grid import PafGrid, limbs_outward
from posekit.skeleton import Skeleton

Point = tuple[float, float]


def peaks_by_loops(
    heat: np.ndarray, offset: np.ndarray, grid: PafGrid, threshold: float = 0.1
) -> list[tuple[int, Point, float]]:
    """Keypoint, place and score of every maximum, keypoint by keypoint, the strongest first."""
    found = []
    count, rows, cols = heat.shape
    for k in range(count):
        mine = []
        for r in range(rows):
            for c in range(cols):
                here, best = heat[k, r, c], True
                if here <= threshold:
                    continue
                for dr in (-1, 0, 1):
                    for dc in (-1, 0, 1):
                        if (dr, dc) == (0, 0) or not (0 <= r + dr < rows and 0 <= c + dc < cols):
                            continue
                        other = heat[k, r + dr, c + dc]
                        best &= bool(here > other if (dr, dc) > (0, 0) else here >= other)
                if best:
                    x = grid.first + grid.stride * (c + float(offset[2 * k, r, c]))
                    y = grid.first + grid.stride * (r + float(offset[2 * k + 1, r, c]))
                    mine.append((k, (x, y), float(here)))
        found += sorted(mine, key=lambda peak: -peak[2])
    return found


def read(field: np.ndarray, x: float, y: float) -> float:
    """One map at a place between its cells."""
    rows, cols = field.shape
    x, y = min(max(x, 0), cols - 1), min(max(y, 0), rows - 1)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, cols - 1), min(top + 1, rows - 1)
    fx, fy = x - left, y - top
    above = (1 - fx) * float(field[top, left]) + fx * float(field[top, right])
    below = (1 - fx) * float(field[bottom, left]) + fx * float(field[bottom, right])
    return (1 - fy) * above + fy * below


def decode_by_loops(
    heat: np.ndarray,
    paf: np.ndarray,
    offset: np.ndarray,
    skeleton: Skeleton,
    grid: PafGrid,
    samples: int = 10,
) -> list[dict[int, Point]]:
    """The places of each person's keypoints, the best person first."""
    peaks = peaks_by_loops(heat, offset, grid)
    height = heat.shape[1] * grid.stride
    people: list[tuple[dict[int, int], float]] = []
    for limb in limbs_outward(skeleton):
        from_kind, to_kind = skeleton.limbs[limb]
        pairs = []
        for i, (kind, a, _) in enumerate(peaks):
            for j, (other, b, _) in enumerate(peaks):
                length = math.dist(a, b)
                if kind != from_kind or other != to_kind or length <= 1e-6:
                    continue
                ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
                total, agree = 0.0, 0
                for n in range(samples):
                    x = (a[0] + (b[0] - a[0]) * n / (samples - 1) - grid.first) / grid.stride
                    y = (a[1] + (b[1] - a[1]) * n / (samples - 1) - grid.first) / grid.stride
                    dot = ux * read(paf[2 * limb], x, y) + uy * read(paf[2 * limb + 1], x, y)
                    total += dot
                    agree += dot > 0.05
                score = total / samples + min(0.5 * height / length - 1, 0)
                if agree > 0.8 * samples and score > 0:
                    pairs.append((score, i, j))
        used: set[tuple[int, int]] = set()
        for score, i, j in sorted(pairs, key=lambda pair: -pair[0]):
            if (0, i) in used or (1, j) in used:
                continue
            used |= {(0, i), (1, j)}
            people = joined(people, peaks, i, j, score)
    kept = []
    for members, total in people:
        score = total + sum(peaks[n][2] for n in members.values())
        if len(members) >= 3 and score / len(members) >= 0.2:
            kept.append((score * len(members), {k: peaks[n][1] for k, n in members.items()}))
    return [members for _, members in sorted(kept, key=lambda person: -person[0])]


def joined(
    people: list[tuple[dict[int, int], float]], peaks: list, i: int, j: int, score: float
) -> list[tuple[dict[int, int], float]]:
    """The people after two candidates were joined."""
    ends = {peaks[i][0]: i, peaks[j][0]: j}
    mine = [p for p in people if any(p[0].get(kind) == n for kind, n in ends.items())]
    rest = [p for p in people if not any(p is one for one in mine)]
    if not mine:
        return [*people, (ends, score)]
    if len(mine) == 2:
        if mine[0][0].keys() & mine[1][0].keys():
            return people
        return [*rest, (mine[0][0] | mine[1][0], mine[0][1] + mine[1][1] + score)]
    members, total = mine[0]
    if any(members.get(kind, n) != n for kind, n in ends.items()):
        return people
    return [*rest, (members | ends, total + score)]
