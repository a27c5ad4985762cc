"""From attention weights to the 0 to 1 that a colour map takes, and what the colours then mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from posekit.draw.legend import FINE, SCALE_WORDS, Scale, amount
from posekit.errors import PoseKitError
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap


@dataclass(frozen=True, eq=False)
class Scaled:
    """A map ready to be coloured.

    Attributes:
        map: the attention map with weights 0 to 1.
        ticks: places on the colour bar, 0 to 1, with their text.
        unit: what the ticks count.
    """

    map: AttentionMap
    ticks: tuple[tuple[float, str], ...]
    unit: str


def scaled(maps: Sequence[AttentionMap], scale: Scale = "own") -> list[Scaled]:
    """Bring maps to 0 to 1.

    ``own``: each by its own maximum. ``shared``: all by the largest of their maxima, so that
    colours compare between maps of one grid. ``mass``: a cell's value is the share of the map's
    mass in cells no heavier than it, so that colours compare between any layers and models: above
    0.5 are the cells that hold half of the attention.

    Raises:
        PoseKitError: an unknown scale.
    """
    if scale == "mass":
        shares = tuple((at, f"{at:.0%}") for at in (0.0, 0.5, 1.0))
        return [Scaled(_with(one, mass_rank(one.weights)), shares, "of the mass") for one in maps]
    if scale not in SCALE_WORDS:
        raise PoseKitError(f"There is no scale {scale!r}: choose one of {', '.join(SCALE_WORDS)}.")
    peaks = [float(one.weights.max()) for one in maps]
    top = max(peaks, default=0.0)
    result = []
    for one, peak in zip(maps, peaks, strict=True):
        limit = (peak if scale == "own" else top) or 1.0  # an empty map stays 0
        ticks = tuple((at, amount(at * limit, one)) for at in (0.0, 0.5, 1.0))
        unit = "per cell"
        result.append(Scaled(_with(one, one.weights / np.float32(limit)), ticks, unit))
    return result


def mass_rank(weights: np.ndarray) -> np.ndarray:
    """For each cell the share of the mass in cells no heavier: (rows, cols) float32, 0 to 1."""
    flat = weights.ravel().astype(np.float64)
    order = np.argsort(flat, kind="stable")
    mass = np.cumsum(flat[order])
    if not mass[-1] > 0.0:
        return np.zeros(weights.shape, dtype=np.float32)
    # Equal cells share the mass up to the last of them, so that the order of ties does not show.
    last = np.searchsorted(flat[order], flat, side="right") - 1
    return (mass[last] / mass[-1]).reshape(weights.shape).astype(np.float32)


def colour_limit(heat: HeatMap) -> float:
    """The magnitude at which the colours of a method's map are full.

    Its largest, or, for a map as fine as the crop's pixels, the one that 99.5 % of them do not
    exceed: a few single pixels would leave the others without colour. 1 for a map of zeros.
    """
    if heat.grid.tokens <= FINE:
        return heat.limit or 1.0
    return float(np.quantile(np.abs(heat.values), 0.995)) or heat.limit or 1.0


def _with(one: AttentionMap, weights: np.ndarray) -> AttentionMap:
    return replace(one, weights=weights.astype(np.float32))
