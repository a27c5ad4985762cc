"""Where models disagree about a person: keypoint by keypoint, the most interesting first.

Two models can differ in where they put a keypoint, and in what they look at for it. Both are
measured here for all keypoints at once; nothing runs again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from posekit.compare.grid import CommonGrid
from posekit.compare.layers import Layers, head_or_none, layer_at, layer_for
from posekit.errors import PoseKitError, TraceError
from posekit.explain.evidence import Evidence, evidence_map
from posekit.explain.maps import Direction
from posekit.explain.query import keypoint_query
from posekit.geometry import TokenGrid
from posekit.trace import Attention

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Disagreement", "disagreements", "models_with", "shared_keypoints"]

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Disagreement:
    """How far apart the models are about one keypoint.

    Attributes:
        keypoint: its name in the first model that has it.
        distance_px: the largest distance between two models' predictions, in photo pixels; None
            where only one panel has it.
        distance: the same divided by the longer side of the person's box.
        farthest: the two panels it lies between; one that found the keypoint and one that did not
            where only one panel has it.
        maps: 1 minus the overlap of the two attention maps that overlap least, 0 to 1; None where
            fewer than two of the models have attention to show.
        interest: what the list is sorted by, 0 to 4, see :func:`disagreements`.
        points: (x, y) per panel in photo pixels, None for a model that does not know the keypoint
            or did not find it.
        scores: confidence per panel, likewise.
        missed: the panels whose model knows the keypoint and did not find it, while another did.
    """

    keypoint: str
    distance_px: float | None
    distance: float | None
    farthest: tuple[int, int]
    maps: float | None
    interest: float
    points: tuple[tuple[float, float] | None, ...]
    scores: tuple[float | None, ...]
    missed: tuple[int, ...] = ()


def shared_keypoints(predictions: Sequence[Prediction]) -> list[tuple[str, tuple[int | None, ...]]]:
    """Keypoints that at least two models have: the name, and the index in each skeleton.

    In the order of the first skeleton, then of the next; a place with two names (LSP's neck, MPII's
    upper neck) is one keypoint.
    """
    skeletons = [one.skeleton for one in predictions]
    seen: set[tuple[int, int]] = set()
    found = []
    for first, skeleton in enumerate(skeletons):
        mappings = [skeleton.mapping_to(other) for other in skeletons]
        for keypoint, name in enumerate(skeleton.keypoints):
            if (first, keypoint) in seen:
                continue
            indices = tuple(mapping[keypoint] for mapping in mappings)
            held = {(n, index) for n, index in enumerate(indices) if index is not None}
            seen |= held
            if len(held) > 1:
                found.append((name, indices))
    return found


def models_with(one: Disagreement, predictions: Sequence[Prediction]) -> int:
    """How many models found the keypoint; one that stands in several panels counts once.

    One alone puts it in one place whatever layer it shows: only its maps can differ, not positions.
    """
    found = zip(predictions, one.points, strict=True)
    return len({id(prediction.model) for prediction, point in found if point is not None})


def disagreements(
    predictions: Sequence[Prediction],
    *,
    person: int = 0,
    layer: Layers = None,
    head: int | None = None,
    direction: Direction = "row",
) -> tuple[Disagreement, ...]:
    """All keypoints that at least two models share, the most interesting first.

    The map compared is the attention of each model's own token for the keypoint (its last layer, or
    the one named, where it has it), whatever method the panels show: it is there without another
    pass. Two maps overlap by the histogram intersection of their masses on a common grid.

    A keypoint that one model found and another, which knows it, did not, comes before all others;
    one that nobody found is left out.

    Sorted by ``interest``: the distance divided by the largest distance of any keypoint, plus the
    map disagreement divided by the largest of those, plus 2 for what only some found. So the
    keypoint on top of those that all found is the one the models put farthest apart, unless
    another, nearly as far apart, is also looked up elsewhere. Ties keep the order of the skeleton.
    """
    shared = shared_keypoints(predictions)
    if not shared:
        return ()
    points = np.full((len(predictions), len(shared), 2), np.nan)
    scores = np.full(points.shape[:2], np.nan)
    for n, one in enumerate(predictions):
        indices = [held[n] for _, held in shared]
        at = [k for k, index in enumerate(indices) if index is not None]
        own = [index for index in indices if index is not None]
        points[n, at] = one.people[person].keypoints[own]
        scores[n, at] = one.people[person].scores[own]
    pairs = list(combinations(range(len(predictions)), 2))
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    apart = np.linalg.norm(points[first] - points[second], axis=-1)  # (pairs, keypoints)
    apart = np.where(np.isnan(apart), -1.0, apart)
    found = np.isfinite(points).all(axis=-1)  # (predictions, keypoints)
    missed = ~np.isnan(scores) & ~found & found.any(axis=0)
    # About what one model alone knows, and what nobody found, nobody disagrees.
    told = (apart.max(axis=0, initial=-1.0) >= 0) | missed.any(axis=0)
    if not told.any():
        return ()
    shared = [held for held, there in zip(shared, told, strict=True) if there]
    apart, points, scores = apart[:, told], points[:, told], scores[:, told]
    found, missed = found[:, told], missed[:, told]
    distance = apart.max(axis=0)
    asked = [[indices[n] for _, indices in shared] for n in range(len(predictions))]
    maps = _map_disagreement(predictions, points, asked, pairs, person, layer, head, direction)
    interest = _of_largest(np.maximum(distance, 0.0)) + _of_largest(np.nan_to_num(maps))
    interest += 2.0 * missed.any(axis=0)
    box = predictions[0].people[person].box
    longer = max(box.width, box.height)
    order = np.argsort(-interest, kind="stable")
    ranked = []
    for k in order:
        far = float(distance[k]) if distance[k] >= 0 else None
        a, b = pairs[int(apart[:, k].argmax())]
        if far is None:
            a, b = sorted((int(found[:, k].argmax()), int(missed[:, k].argmax())))
        there = [bool(one) for one in found[:, k]]
        ranked.append(
            Disagreement(
                keypoint=shared[k][0],
                distance_px=far,
                distance=None if far is None else far / longer,
                farthest=(a, b),
                maps=None if np.isnan(maps[k]) else float(maps[k]),
                interest=float(interest[k]),
                points=tuple(
                    (float(x), float(y)) if has else None
                    for (x, y), has in zip(points[:, k], there, strict=True)
                ),
                scores=tuple(
                    float(score) if has else None
                    for score, has in zip(scores[:, k], there, strict=True)
                ),
                missed=tuple(int(n) for n in np.flatnonzero(missed[:, k])),
            )
        )
    return tuple(ranked)


def _of_largest(values: Floats) -> Floats:
    """Shares of the largest; all 0 where that is only a rounding error (pixels, or 1 - overlap)."""
    top = values.max()
    return values / top if top > _ROUNDING else np.zeros_like(values)


def _map_disagreement(
    predictions: Sequence[Prediction],
    points: Floats,
    asked: Sequence[Sequence[int | None]],
    pairs: Sequence[tuple[int, int]],
    person: int,
    layer: Layers,
    head: int | None,
    direction: Direction,
) -> Floats:
    """The largest 1 - overlap over the pairs, per keypoint; NaN where no pair has two maps."""
    held: dict[int, tuple[Floats, TokenGrid]] = {}
    for n, one in enumerate(predictions):
        try:
            found, _ = layer_at(one, layer_for(layer, n))
            if isinstance(found, Attention):
                held[n] = _maps(one, found, points[n], person, head, direction)
            elif direction == "row":
                held[n] = _evidence(one, found, asked[n], person)
        except PoseKitError:
            continue  # no layer to show, or nobody was found
    if not held:
        return np.full(points.shape[1], np.nan)
    grids = {
        n: (grid, predictions[n].people[person].crop.to_photo @ grid.to_input)
        for n, (_, grid) in held.items()
    }
    common = CommonGrid.over(list(grids.values()), predictions[0].people[person].box)
    masses: dict[int, Floats] = {}
    for n, (weights, grid) in held.items():
        masses[n] = common.masses(weights.reshape(-1, *grid.size), grids[n][1])
    largest = np.full(points.shape[1], np.nan)
    for a, b in pairs:
        if a in masses and b in masses:
            overlap = np.minimum(masses[a], masses[b]).sum(axis=(1, 2))  # NaN where one has none
            largest = np.fmax(largest, 1.0 - overlap)
    return np.clip(largest, 0.0, 1.0)


@torch.inference_mode()
def _maps(
    prediction: Prediction,
    attention: Attention,
    points: Floats,
    person: int,
    head: int | None,
    direction: Direction,
) -> tuple[Floats, TokenGrid]:
    """(keypoints, cells) float64 shares of all keypoints' maps; NaN for a keypoint not there."""
    grid = attention.query_grid if direction == "row" else attention.key_grid
    assert isinstance(grid, TokenGrid)
    there = np.flatnonzero(np.isfinite(points).all(axis=-1))
    to_token = (prediction.people[person].crop.to_photo @ grid.to_input).inverse()
    at = np.floor(to_token.apply(points[there]) + 0.5).astype(int)
    # As for a click: a keypoint refined to just beyond the border asks the token it came from.
    column, row = np.clip(at, 0, [grid.cols - 1, grid.rows - 1]).T
    tokens = (row * grid.cols + column).tolist()
    item = prediction.people[person].item
    if direction == "row":
        weights = attention.rows(tokens, item=item)  # (heads, n, keys)
    else:
        weights = attention.columns(tokens, item=item).transpose(1, 2)  # (heads, n, queries)
    head = head_or_none(attention, head)
    chosen = weights.mean(0) if head is None else weights[head]
    shares = chosen.double().cpu().numpy()
    found = np.full((len(points), shares.shape[1]), np.nan)
    found[there] = shares / shares.sum(axis=1, keepdims=True)
    on = attention.key_grid if direction == "row" else attention.query_grid
    assert isinstance(on, TokenGrid)
    return found, on


def _evidence(
    prediction: Prediction, layer: Evidence, keypoints: Sequence[int | None], person: int
) -> tuple[Floats, TokenGrid]:
    """The same of a layer of maps by keypoint, whose maps of one person lie on one grid."""
    made = {}
    for place, keypoint in enumerate(keypoints):
        if keypoint is not None and prediction.people[person].found[keypoint]:
            query = keypoint_query(prediction, person, keypoint)
            made[place] = evidence_map(prediction, query, layer)
    if not made:
        raise TraceError("None of these keypoints was found.")
    grid = next(iter(made.values())).grid
    found = np.full((len(keypoints), grid.tokens), np.nan)
    for place, one in made.items():
        if one.total > 0:
            found[place] = one.weights.ravel() / one.total
    return found, grid
