"""Where a map's mass lies: its peak, and its share in a box or an instance mask.

These say whether an explanation points at the person, not whether the model used what it points
at; a model may look elsewhere and be explained well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from posekit.errors import TraceError
from posekit.explain.faithfulness.grids import Map, cell_means, in_box, shares, values
from posekit.explain.maps import resample
from posekit.geometry import Box

__all__ = ["mass_in_box", "mass_in_mask", "pointing_game"]


def mass_in_box(map_: Map, box: Box) -> float:
    """Share of the map's positive mass on cells whose centre lies in a box of the photo, 0 to 1.

    Raises:
        TraceError: the map has no positive value.
    """
    return min(1.0, float(_mass(map_)[in_box(map_, box)].sum()))


def mass_in_mask(map_: Map, mask: npt.ArrayLike) -> float:
    """Share of the map's positive mass on a mask (H, W) of the photo, 0 to 1.

    A cell that the mask covers in part counts by that part.

    Raises:
        TraceError: the map has no positive value, or the mask another size than the photo.
    """
    inside = np.asarray(mask)
    if inside.shape != map_.crop.photo_size:
        raise TraceError(
            f"The mask has {inside.shape} pixels and the photo {map_.crop.photo_size}."
        )
    on_crop = resample(inside.astype(bool).astype(np.float32), map_.crop.to_crop, map_.crop.size)
    covered = np.clip(cell_means(on_crop, map_.grid), 0.0, 1.0)
    return float((_mass(map_) * covered).sum())


def pointing_game(
    map_: Map, point: Sequence[float] | npt.ArrayLike, tolerance: float | None = None
) -> bool:
    """Whether the heaviest cell lies at a place: a hit of the pointing game.

    Zhang and others, "Top-down Neural Attention by Excitation Backprop", ECCV 2016, section 4.1.

    Args:
        map_: the map.
        point: (x, y) in photo pixels, such as where the keypoint truly is.
        tolerance: how far away, in photo pixels, still is a hit; None is a tenth of the longer
            side of the crop on the photo, and at least half a cell.

    Raises:
        TraceError: the map has no positive value, or the point is not two finite numbers.
    """
    xy = np.asarray(point, dtype=np.float64)
    if xy.shape != (2,) or not np.isfinite(xy).all():
        raise TraceError("The pointing game needs a point: two finite numbers (x, y).")
    _mass(map_)
    scale = map_.crop.to_photo.scale
    if tolerance is None:
        tolerance = scale * max(0.1 * max(map_.crop.size), 0.5 * max(map_.grid.cell))
    peak = int(np.argmax(values(map_)))
    at = map_.crop.to_photo.apply(map_.grid.centres()[peak])
    return bool(np.hypot(*(at - xy)) <= tolerance)


def _mass(map_: Map) -> npt.NDArray[np.float64]:
    share = shares(map_)
    if not share.any():
        raise TraceError("This map holds no evidence for its target: no value is above zero.")
    return share
