"""Where to paste somebody so that a wanted share of somebody else is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["place"]

Mask = npt.NDArray[np.bool_]

_CELL = 2  # pixels; places are tried on this raster
_OUTSIDE = 0.15  # share of a person that may fall outside the picture without cost
_SLACK = 0.012  # places this close to the best count as equally good


def place(
    newcomer: Mask,
    masks: Sequence[Mask],
    visible: Sequence[Mask],
    anchor: int | None,
    share: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[int, int, float]:
    """Top row and left column for a newcomer who is nearer than everybody else, and the miss.

    The miss is how much of the wanted share is lacking there, or too much; 0 without an anchor.

    All places are tried at once by correlating silhouettes.

    Args:
        newcomer: (h, w) silhouette.
        masks: everybody's whole mask, (H, W) each.
        visible: what is still seen of each.
        anchor: who should be hidden by ``share`` in the end; None for nobody.
        share: wanted share of the anchor's mask. The others should not be hidden any further.
        size: (height, width) of the picture.
        rng: chooses among places that are equally good.
    """
    small = _shrunk(newcomer)
    rows, cols = -(-size[0] // _CELL), -(-size[1] // _CELL)
    pad_y, pad_x = small.shape[0] // 3, small.shape[1] // 3
    # Somebody larger than the picture still has to have places to be tried.
    pad_y = max(pad_y, small.shape[0] - rows + 1)
    pad_x = max(pad_x, small.shape[1] - cols + 1)

    def covered(mask: Mask) -> npt.NDArray[np.float32]:
        padded = cv2.copyMakeBorder(
            _shrunk(mask), pad_y, pad_y, pad_x, pad_x, cv2.BORDER_CONSTANT, value=0
        )
        return np.asarray(cv2.matchTemplate(padded, small, cv2.TM_CCORR), dtype=np.float32)

    inside = covered(np.ones(size, bool)) / max(float(small.sum()), 1e-6)
    cost = 3 * np.maximum(1 - _OUTSIDE - inside, 0)
    miss = np.zeros_like(inside)
    for i, (mask, seen) in enumerate(zip(masks, visible, strict=True)):
        whole = max(float(_shrunk(mask).sum()), 1e-6)
        more = covered(seen) / whole
        if i == anchor:
            before = 1 - float(_shrunk(seen).sum()) / whole
            miss = np.abs(before + more - max(share, before))
            cost += 4 * miss
        else:
            cost += 3 * np.maximum(more - 0.01, 0)
    good = np.flatnonzero(cost <= cost.min() + _SLACK)
    row, col = divmod(int(rng.choice(good)), cost.shape[1])
    return (row - pad_y) * _CELL, (col - pad_x) * _CELL, float(miss[row, col])


def _shrunk(mask: Mask) -> npt.NDArray[np.float32]:
    """Share of each cell that the mask covers."""
    rows, cols = -(-mask.shape[0] // _CELL), -(-mask.shape[1] // _CELL)
    full = cv2.copyMakeBorder(
        mask.astype(np.float32), 0, rows * _CELL - mask.shape[0], 0, cols * _CELL - mask.shape[1],
        cv2.BORDER_CONSTANT, value=0,
    )  # fmt: skip
    small = cv2.resize(full, (cols, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)
