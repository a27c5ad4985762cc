"""How well people come out of attention: purity, grouping, masks, and what supervision is worth.

What "Attend to Who You Are" claims is a difference: the same figures of a network whose attention
was supervised with masks and of one whose was not. All of them are measured at *true* keypoints or
with true keypoints as candidates, apart from mask AP and mean IoU of what was found, where a wrong
pose counts too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from posekit.decode.instance import affinities
from posekit.decode.instance_masks import person_masks
from posekit.decode.instance_people import View
from posekit.decode.paf_people import Peak, Vote
from posekit.errors import ModelError
from posekit.evaluation.instance_figures import VIEWS, InstanceScore, PhotoScore, gathered
from posekit.evaluation.instance_sets import CrowdTruth
from posekit.evaluation.masks import mask_iou
from posekit.explain.keypoint_rows import rows_at
from posekit.explain.maps import AttentionMap
from posekit.explain.purity import Covers, Purity
from posekit.explain.query import Query
from posekit.geometry import token_cover
from posekit.models.instance import InstanceAttention, InstanceConfig
from posekit.models.instance_photo import InstancePeople, decoder_for, find_people
from posekit.zoo import PoseModel

__all__ = ["InstanceScore", "PhotoScore", "evaluate_instance", "grouped_right", "look_at"]

LEAST_TOKENS = 1.0
"""Whoever covers fewer tokens in all is too small to be asked about; mask AP counts them."""
_DEALS = 50

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def evaluate_instance(model: PoseModel, photos: Iterable[CrowdTruth]) -> InstanceScore:
    """Measure a model of instance attention.

    Args:
        model: one of :mod:`posekit.models.instance_zoo`.
        photos: one after the other.

    Raises:
        ModelError: the model is another.
        DataError: nobody can be measured.
        PackageError: pycocotools is not installed.
    """
    if not isinstance(model.module, InstanceAttention):
        raise ModelError(
            f"{model.entry.title} does not make people from attention: measure its purity instead."
        )
    seen, truth = [], []
    for photo in photos:
        seen.append(look_at(model, photo))
        truth.append(photo)
    return gathered(seen, truth, f"encoder.{model.module.config.supervised_layer}")


def look_at(model: PoseModel, truth: CrowdTruth) -> PhotoScore:
    """Measure one photo."""
    config = cast(InstanceAttention, model.module).config
    started = time.perf_counter()
    people = find_people(model, truth.photo, recorded=True)
    seconds = time.perf_counter() - started
    grouping_seconds = {view: _seconds_to_group(people, config, view) for view in VIEWS}
    assert people.trace is not None
    supervised = next(one for one in people.trace.spatial if one.kind == "supervised")
    layers: list[dict[str, Purity]] = []
    hidden: list[Purity] = []
    chosen: list[int] = []
    values: list[Floats] = []
    for n, mask in enumerate(truth.masks):
        grid = supervised.key_grid
        to_photo = people.crop.to_photo @ config.tokens.to_input
        if token_cover(mask, to_photo, grid.size).sum() < LEAST_TOKENS:  # type: ignore[union-attr]
            continue
        covers = Covers([*truth.masks, *truth.crowds], n)
        known = np.flatnonzero(truth.seen[n])
        queries = [_query(truth, n, int(k)) for k in known]
        maps = [rows_at(layer, people.crop, queries) for layer in people.trace.spatial]
        layers += [
            {one.layer: covers.shares(one) for one in of_one} for of_one in zip(*maps, strict=True)
        ]
        asked = [_query(truth, n, int(k)) for k in np.flatnonzero(truth.hidden[n])]
        hidden += [covers.shares(one) for one in rows_at(supervised, people.crop, asked)]
        if queries:
            chosen.append(n)
            values.append(_scaled(rows_at(supervised, people.crop, queries)).mean(0))
    made = person_masks(
        np.array(values),
        [truth.points[n][truth.seen[n]] for n in chosen],
        config.tokens.to_input.inverse() @ people.crop.to_crop,
        truth.photo.size,
        config.least_mask,
    )
    ious = [
        float(mask_iou([one.array], [truth.masks[n]])[0, 0])
        for one, n in zip(made, chosen, strict=True)
    ]
    right: dict[View, tuple[int, int]] = {}
    of_all: dict[View, tuple[int, int]] = {}
    for view in VIEWS if truth.keypoints else ():
        right[view] = _right(model, people, truth, truth.seen, view)
        of_all[view] = _right(model, people, truth, truth.seen | truth.hidden, view)
    chance = _chance(truth) if truth.keypoints else 0.0
    return PhotoScore(
        truth.group, layers, hidden, right, of_all, chance, ious,
        np.array([mask.array for mask in people.masks], bool).reshape(-1, *truth.photo.size),
        [person.score for person in people.grouping.people],
        seconds, grouping_seconds, truth.hidden_share,
    )  # fmt: skip


def grouped_right(groups: Sequence[Sequence[int]], owners: Sequence[int]) -> int:
    """Candidates that lie in the group which stands for their person.

    Groups and people are matched one to one, so that as many as possible are right.

    Args:
        groups: candidates of each.
        owners: (U,) whose each candidate really is.
    """
    if not groups or not owners:
        return 0
    people = sorted(set(owners))
    table = np.array([[sum(owners[n] == who for n in one) for who in people] for one in groups])
    return int(table[linear_sum_assignment(-table)].sum())


def _chance(truth: CrowdTruth) -> float:
    """Keypoints right when each kind's candidates are dealt out to the people at random."""
    rng = np.random.default_rng(0)
    who, kind = np.nonzero(truth.seen)
    right = []
    for _ in range(_DEALS):
        groups: list[list[int]] = [[] for _ in truth.masks]
        for one in np.unique(kind):
            some = np.flatnonzero(kind == one)
            for candidate, group in zip(some, rng.permutation(len(groups)), strict=False):
                groups[group].append(int(candidate))
        right.append(grouped_right(groups, who.tolist()))
    return float(np.mean(right))


def _right(
    model: PoseModel,
    seen: InstancePeople,
    truth: CrowdTruth,
    candidates: npt.NDArray[np.bool_],
    view: View,
) -> tuple[int, int]:
    """Group true keypoints, which score what their heatmaps say there: (right, all)."""
    assert seen.trace is not None and seen.trace.heatmaps is not None
    config = cast(InstanceAttention, model.module).config
    who, kind = np.nonzero(candidates)
    if not len(who):
        return 0, 0
    supervised = next(one for one in seen.trace.spatial if one.kind == "supervised")
    maps = rows_at(
        supervised,
        seen.crop,
        [_query(truth, int(n), int(k)) for n, k in zip(who, kind, strict=True)],
    )
    heat = seen.trace.heatmaps[0].float().cpu().numpy()
    points = seen.crop.to_crop.apply(truth.points[who, kind])
    cell = np.rint((points - config.heat.first) / config.heat.stride).astype(np.int64)
    col, row = np.clip(cell, 0, (heat.shape[2] - 1, heat.shape[1] - 1)).T
    peaks = [
        Peak(int(k), (x, y), score, (Vote(0, 0, (x, y), (x, y), score),))
        for k, (x, y), score in zip(
            kind, points.tolist(), heat[kind, row, col].clip(0.0).tolist(), strict=True
        )
    ]
    size = maps[0].grid.size
    table = affinities(_scaled(maps).reshape(len(maps), -1), points, config.tokens, size)
    # Everybody counts: what is measured is the grouping, not who is dropped afterwards.
    decoder = replace(
        decoder_for(config, view), seed=-1.0, least_parts=1, least_score=0.0, same=np.inf
    )
    people = decoder.group(peaks, table).people
    return grouped_right([one.members for one in people], who.tolist()), len(who)


def _seconds_to_group(people: InstancePeople, config: InstanceConfig, view: View) -> float:
    """What grouping the candidates that were found takes, once affinities are known."""
    decoder = decoder_for(config, view)
    started = time.perf_counter()
    decoder.group(people.grouping.peaks, people.affinity)
    return time.perf_counter() - started


def _query(truth: CrowdTruth, person: int, point: int) -> Query:
    x, y = (float(value) for value in truth.points[person, point])
    return Query(person, (x, y), int(point) if truth.keypoints else None)


def _scaled(maps: Sequence[AttentionMap]) -> Floats:
    """(n, rows, cols), each row over its maximum."""
    rows = np.array([one.weights for one in maps], dtype=np.float64)
    return np.asarray(rows / rows.max((1, 2), keepdims=True).clip(1e-6))
