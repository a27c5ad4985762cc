"""Attention purity: on whom the attention of one person's keypoint lies.

The share of a row's mass on the person's own mask, on other people's, on what was put in front of
them, and on the background, at the resolution of the tokens (Instance Attention's measure, and as
good for a model that was never shown a mask).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.errors import TraceError
from posekit.explain.maps import AttentionMap
from posekit.geometry import token_cover

__all__ = ["Covers", "Purity", "mean_purity", "purity"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Purity:
    """Shares of one map's mass, 0 to 1; they sum to 1.

    Attributes:
        own: on the person asked about, where masks overlap too.
        others: on somebody else and not on this person.
        background: on nobody, pixels outside the photo included.
        in_front: on what was put in front of the photo; 0 where nothing was.
    """

    own: float
    others: float
    background: float
    in_front: float = 0.0


def purity(attention: AttentionMap, masks: Sequence[npt.ArrayLike], person: int) -> Purity:
    """The shares of one map; a column is scaled to sum 1 first.

    Args:
        attention: a map of :func:`posekit.explain.attention.explain`.
        masks: (H, W) for everybody in the photo, in photo pixels.
        person: which of them the query belongs to.

    Raises:
        TraceError: there is no mask of that person, one is not of the photo's size, or the map
            holds no attention.
    """
    return Covers(masks, person).shares(attention)


def mean_purity(parts: Sequence[Purity]) -> Purity:
    """The mean over maps, each counting the same.

    Raises:
        TraceError: there are none.
    """
    if not parts:
        raise TraceError("There is no map to average.")
    rows = [(p.own, p.others, p.background, p.in_front) for p in parts]
    return Purity(*(float(value) for value in np.mean(rows, axis=0)))


class Covers:
    """How much of each token's cell one person covers, and others do: worked out once a grid.

    Args:
        masks: (H, W) for everybody in the photo, in photo pixels.
        person: which of them is asked about.
        in_front: (H, W), what was put in front of the photo: its pixels are nobody's, whatever lies
            under them; None is nothing.

    Raises:
        TraceError: there is no mask of that person, or the masks are of several sizes.
    """

    def __init__(
        self,
        masks: Sequence[npt.ArrayLike],
        person: int,
        in_front: npt.ArrayLike | None = None,
    ) -> None:
        arrays = [np.asarray(mask, dtype=bool) for mask in masks]
        if not 0 <= person < len(arrays):
            raise TraceError(f"There are masks of {len(arrays)} people; number {person} has none.")
        front = np.zeros_like(arrays[person]) if in_front is None else np.asarray(in_front, bool)
        if len({array.shape for array in (*arrays, front)}) > 1:
            raise TraceError("The masks of one photo must have one size.")
        arrays = [array & ~front for array in arrays]
        self.own, self.others, self.in_front = arrays[person], np.zeros_like(front), front
        for index, array in enumerate(arrays):
            if index != person:
                self.others |= array & ~self.own
        self._known: dict[tuple[object, ...], tuple[Floats, ...]] = {}

    def shares(self, attention: AttentionMap) -> Purity:
        """The shares of one map; a column is scaled to sum 1 first.

        Raises:
            TraceError: the masks are not of the photo's size, or the map holds no attention.
        """
        if self.own.shape != attention.crop.photo_size:
            raise TraceError(
                f"A mask of shape {self.own.shape} does not fit a photo of shape "
                f"{attention.crop.photo_size}."
            )
        weights = attention.weights.astype(np.float64)
        total = weights.sum()
        if not total > 0:
            raise TraceError("This map holds no attention.")
        grid, to_photo = attention.grid.size, attention.grid_to_photo
        key = (*grid, to_photo.matrix.tobytes())
        if key not in self._known:  # the layers of an encoder share one grid
            self._known[key] = tuple(
                token_cover(part, to_photo, grid) if part.any() else np.zeros(grid)
                for part in (self.own, self.others, self.in_front)
            )
        mine, theirs, front = (float((weights * c).sum() / total) for c in self._known[key])
        return Purity(mine, theirs, max(0.0, 1.0 - mine - theirs - front), front)
