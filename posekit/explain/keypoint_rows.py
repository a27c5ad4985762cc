"""The rows of many keypoints at once, and on whom each of them lies.

A click asks every layer about one place; here one layer is asked about all keypoints of everybody,
with one product a photo instead of one a keypoint. Only the rows asked for are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from posekit.errors import TraceError
from posekit.explain.attention import attentions_of, check_head
from posekit.explain.maps import AttentionMap
from posekit.explain.purity import Covers, Purity, mean_purity
from posekit.explain.query import Query
from posekit.geometry import Crop, TokenGrid
from posekit.masks import PersonMasks, best_masks
from posekit.trace import Attention

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["KeypointPurity", "keypoint_maps", "mean_by_layer", "purity_of", "rows_at"]


@dataclass(frozen=True)
class KeypointPurity:
    """On whom the attention of one keypoint lies.

    Attributes:
        person: index into the prediction's people.
        keypoint: its name.
        layers: the shares in each layer, by its name.
    """

    person: int
    keypoint: str
    layers: dict[str, Purity]


@torch.inference_mode()
def rows_at(
    attention: Attention,
    crop: Crop,
    queries: Sequence[Query],
    item: int = 0,
    head: int | None = None,
) -> tuple[AttentionMap, ...]:
    """One layer's rows of many queries about one crop.

    Args:
        attention: a layer whose queries and keys are tokens of the image.
        crop: what the batch item shows.
        queries: where, in photo pixels; a place beside the crop is the nearest token's.
        item: of the batch.
        head: index of one head; None is the mean over heads.

    Raises:
        TraceError: the layer has no such head.
    """
    if not queries:
        return ()
    check_head(attention, head)
    from_, to = attention.query_grid, attention.key_grid
    assert isinstance(from_, TokenGrid) and isinstance(to, TokenGrid)
    points = np.array([query.point for query in queries], dtype=np.float64)
    place = (crop.to_photo @ from_.to_input).inverse().apply(points)  # (n, 2) column, row
    column, row = np.clip(np.rint(place), 0, (from_.cols - 1, from_.rows - 1)).astype(np.int64).T
    tokens = row * from_.cols + column
    heads = attention.rows(torch.from_numpy(tokens), item=item)  # (heads, n, keys)
    weights = heads.mean(0) if head is None else heads[head]
    values = weights.cpu().numpy().astype(np.float32).reshape(len(queries), *to.size)
    return tuple(
        AttentionMap(
            layer=attention.name,
            kind=attention.kind,
            direction="row",
            head=head,
            weights=one,
            grid=to,
            crop=crop,
            query_token=int(token),
            query=query,
            heads=attention.heads,
        )
        for one, token, query in zip(values, tokens, queries, strict=True)
    )


def keypoint_maps(prediction: Prediction, layer: str | int) -> tuple[AttentionMap, ...]:
    """One layer's rows of every keypoint found of everybody, person by person.

    Raises:
        TraceError: nothing was recorded, there is no such layer, or the model has no attention
            between places of the photo.
    """
    (attention,) = attentions_of(prediction, [layer])
    asked: dict[int, list[Query]] = {}
    for number, person in enumerate(prediction.people):
        for keypoint in np.flatnonzero(person.found):
            x, y = (float(value) for value in person.keypoints[keypoint])
            asked.setdefault(person.item, []).append(Query(number, (x, y), int(keypoint)))
    maps = [
        one
        for item, queries in asked.items()
        for one in rows_at(attention, prediction.people[queries[0].person].crop, queries, item)
    ]
    return tuple(sorted(maps, key=lambda one: one.query.person))


def purity_of(
    prediction: Prediction,
    masks: PersonMasks | None = None,
    layers: Sequence[str | int] | None = None,
) -> tuple[KeypointPurity, ...]:
    """On whom the attention of every keypoint found lies, layer by layer.

    Args:
        prediction: recorded, of a model with attention between places of the photo.
        masks: whose pixels are whose; None is the model's own belief where it segments people, and
            else an estimate from its keypoints (:func:`posekit.masks.best_masks`).
        layers: names or positions; None is all of them.

    Returns:
        Of people who have a mask, person by person.

    Raises:
        TraceError: see :func:`keypoint_maps`; or nobody's mask is known.
    """
    known = best_masks(prediction) if masks is None else masks
    if known is None:
        raise TraceError("Nobody's mask is known in this photo, so nobody's attention is measured.")
    own = [known.own(person, n) for n, person in enumerate(prediction.people)]
    covers = [None if index is None else Covers(known.masks, index) for index in own]
    found: dict[tuple[int, int], dict[str, Purity]] = {}
    for attention in attentions_of(prediction, layers):
        for one in keypoint_maps(prediction, attention.name):
            cover, keypoint = covers[one.query.person], one.query.keypoint
            if cover is not None and keypoint is not None:
                key = one.query.person, keypoint
                found.setdefault(key, {})[one.layer] = cover.shares(one)
    names = prediction.skeleton.keypoints
    return tuple(KeypointPurity(person, names[k], parts) for (person, k), parts in found.items())


def mean_by_layer(parts: Sequence[KeypointPurity], person: int | None = None) -> dict[str, Purity]:
    """The mean over keypoints, of one person or of everybody.

    Raises:
        TraceError: there are none.
    """
    chosen = [part.layers for part in parts if person is None or part.person == person]
    if not chosen:
        raise TraceError("No keypoint of this person was asked about.")
    return {layer: mean_purity([one[layer] for one in chosen]) for layer in chosen[0]}
