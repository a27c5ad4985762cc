"""One layer's whole attention in 8 bits: small enough for a browser, good enough to follow a mouse.

A click is answered with exact weights; while the mouse only moves, a preview is enough. Per layer
that is the head-averaged matrix, one row per query token, each row scaled to its own maximum. Of a
model whose maps are about keypoints it is one row per keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from posekit.errors import TraceError
from posekit.explain.attention import explain
from posekit.explain.query import resolve
from posekit.geometry import Affine, TokenGrid

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.trace import Attention

__all__ = [
    "MOST_KEYS",
    "KeypointPreview",
    "Preview",
    "keypoint_previews",
    "preview",
    "preview_bytes",
]

MOST_KEYS = 1024
"""Key cells of a preview; finer grids are pooled 2 x 2 until they fit."""


@dataclass(frozen=True, eq=False)
class Preview:
    """The head-averaged attention of one layer of one person, in bytes.

    Attributes:
        layer: name of the attention in the trace.
        cells: (query tokens, key cells) uint8: ``round(255 * weight / scale[query])``.
        scale: (query tokens,) float32, the largest weight of each row; of a pooled grid, the
            largest sum of a pooled cell.
        query_size: (rows, cols) of the query grid.
        key_size: (rows, cols) of the key cells, after pooling.
        query_to_photo: query cells (column, row), centres at integers, to photo pixels.
        key_to_photo: the same for the key cells.
    """

    layer: str
    cells: np.ndarray
    scale: np.ndarray
    query_size: tuple[int, int]
    key_size: tuple[int, int]
    query_to_photo: Affine
    key_to_photo: Affine


@dataclass(frozen=True, eq=False)
class KeypointPreview:
    """One layer's maps about the keypoints of one person, in bytes.

    Attributes:
        layer: its name in the trace.
        cells: (keypoints, cells) uint8: ``round(255 * weight / scale[keypoint])``; zeros for a
            keypoint that was not found.
        scale: (keypoints,) float32, the largest weight of each map.
        key_size: (rows, cols) of a map.
        key_to_photo: its cells (column, row), centres at integers, to photo pixels.
    """

    layer: str
    cells: np.ndarray
    scale: np.ndarray
    key_size: tuple[int, int]
    key_to_photo: Affine


def preview(prediction: Prediction, layer: str, person: int = 0, *, chunk: int = 256) -> Preview:
    """Quantise one layer's attention of one person; ``chunk`` rows are in memory at a time.

    Raises:
        TraceError: nothing was recorded, no such layer or person, or its tokens have no place.
    """
    attention, queries, keys = _spatial(prediction, layer)
    if not 0 <= person < len(prediction.people):
        raise TraceError(f"There is no person {person} in this prediction.")
    factor = _pooled_by(keys)
    size = (keys.rows // factor, keys.cols // factor)
    cells = np.empty((queries.tokens, size[0] * size[1]), dtype=np.uint8)
    scale = np.empty(queries.tokens, dtype=np.float32)
    for part, weights in attention.walk(prediction.people[person].item, chunk):
        rows = weights.mean(0)  # (n, keys)
        rows = rows.reshape(-1, size[0], factor, size[1], factor).sum((2, 4)).flatten(1)
        top = rows.amax(1)
        index = part.numpy()
        scale[index] = top.numpy()
        cells[index] = (rows / top[:, None] * 255).round().to(torch.uint8).numpy()
    to_photo = prediction.people[person].crop.to_photo
    pooled = Affine.scaling((factor, factor), ((factor - 1) / 2, (factor - 1) / 2))
    return Preview(
        layer=layer,
        cells=cells,
        scale=scale,
        query_size=queries.size,
        key_size=size,
        query_to_photo=to_photo @ queries.to_input,
        key_to_photo=to_photo @ keys.to_input @ pooled,
    )


def preview_bytes(attention: Attention) -> int:
    """How many cells a preview of a layer has, and so bytes, before anything packs them."""
    keys = attention.key_grid
    assert isinstance(keys, TokenGrid)  # of a layer between places
    return attention.q.shape[2] * (keys.tokens // _pooled_by(keys) ** 2)


def _pooled_by(keys: TokenGrid) -> int:
    """How many key cells along each side become one."""
    factor = 1
    while (
        keys.tokens // factor**2 > MOST_KEYS
        and keys.rows % (2 * factor) == keys.cols % (2 * factor) == 0
    ):
        factor *= 2
    return factor


def keypoint_previews(prediction: Prediction, person: int = 0) -> tuple[KeypointPreview, ...]:
    """Quantise every layer's maps about one person's keypoints; none if no keypoint was found.

    For a model that has no attention between places of the photo (:mod:`posekit.explain.evidence`).

    Raises:
        TraceError: nothing was recorded, no such person, or there are no maps about keypoints.
    """
    found = np.flatnonzero(prediction.people[person].found)
    asked = [explain(prediction, resolve(prediction, int(k), person)).maps for k in found]
    previews = []
    for maps in zip(*asked, strict=True):
        first = maps[0]
        weights = np.zeros((prediction.skeleton.size, first.weights.size), dtype=np.float32)
        weights[found] = np.stack([one.weights.ravel() for one in maps])
        top = weights.max(axis=1)
        cells = np.rint(weights / np.maximum(top, np.finfo(np.float32).tiny)[:, None] * 255)
        previews.append(
            KeypointPreview(
                layer=first.layer,
                cells=cells.astype(np.uint8),
                scale=top,
                key_size=first.grid.size,
                key_to_photo=first.grid_to_photo,
            )
        )
    return tuple(previews)


def _spatial(prediction: Prediction, layer: str) -> tuple[Attention, TokenGrid, TokenGrid]:
    """The attention of that name and its two token grids."""
    if prediction.trace is None:
        raise TraceError(
            "Nothing was recorded for this prediction: call predict(photo, record=True) first."
        )
    attention = prediction.trace.attentions.get(layer)
    if attention is None:
        raise TraceError(
            f"There is no layer {layer!r}: choose one of {', '.join(prediction.trace.attentions)}."
        )
    queries, keys = attention.query_grid, attention.key_grid
    if not isinstance(queries, TokenGrid) or not isinstance(keys, TokenGrid):
        raise TraceError(f"The tokens of {layer} have no place on the photo.")
    return attention, queries, keys
