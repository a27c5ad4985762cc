"""How well people come out of attention: purity, grouping, masks, and what supervision is worth.

What "Attend to Who You Are" claims is a difference: the same figures of a network whose attention
was supervised with masks and of one whose was not. All of them are measured at *true* keypoints or
with true keypoints as candidates, apart from mask AP and mean IoU of what was found, where a wrong
pose counts too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from posekit.decode.instance import affinities
from posekit.decode.instance_masks import person_masks
from posekit.decode.instance_people import View
from posekit.decode.paf_people import Peak, Vote
from posekit.errors import DataError, ModelError
from posekit.evaluation.instance_sets import CrowdTruth
from posekit.evaluation.masks import MaskScore, mask_iou, mask_score
from posekit.evaluation.purity import Covers, Purity, mean_purity, token_cover
from posekit.explain.keypoint_rows import rows_at
from posekit.explain.maps import AttentionMap
from posekit.explain.query import Query
from posekit.models.instance import InstanceAttention
from posekit.models.instance_photo import (
    MASK_THRESHOLD,
    InstancePeople,
    decoder_for,
    find_people,
)
from posekit.zoo import PoseModel

__all__ = ["InstanceScore", "PhotoScore", "evaluate_instance", "grouped_right", "look_at"]

LEAST_TOKENS = 1.0
"""Whoever covers fewer tokens in all is too small to be asked about; mask AP counts them."""
_DEALS = 50

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
VIEWS: tuple[View, ...] = get_args(View)


@dataclass(frozen=True, eq=False)
class PhotoScore:
    """What was measured on one photo.

    Attributes:
        group: of the photo.
        layers: of each visible point the shares in each layer.
        hidden: of each hidden keypoint the shares in the supervised layer.
        right: of each view (right, all): keypoints given to the right person, hidden ones left out.
        right_of_all: the same with hidden ones among the candidates.
        chance: keypoints right when each kind's candidates are dealt out to people at random, on
            average; hidden ones left out.
        ious: of each person the IoU of the mask that the rows at true points make.
        found: (P, H, W) masks found, with their scores.
        scores: (P,).
        seconds: of the whole pass: network, grouping, masks.
    """

    group: str
    layers: list[dict[str, Purity]]
    hidden: list[Purity]
    right: dict[View, tuple[int, int]]
    right_of_all: dict[View, tuple[int, int]]
    chance: float
    ious: list[float]
    found: npt.NDArray[np.bool_] = field(repr=False)
    scores: list[float]
    seconds: float


@dataclass(frozen=True)
class InstanceScore:
    """How well people come out of attention, on a set of photos.

    Attributes:
        supervised: name of the supervised layer.
        layers: mean shares of the rows of visible points, by layer.
        hidden: mean shares in the supervised layer of hidden keypoints; None when there are none.
        grouping: per cent of the true visible keypoints given to the right person, by view; empty
            where nobody has keypoints.
        grouping_of_all: the same with hidden keypoints among the candidates.
        chance: per cent right when each kind's candidates are dealt out at random: half is easily
            right where there are two people. None where nobody has keypoints.
        points_iou: mean IoU of the masks made at true points, per cent.
        masks: AP and mean IoU of the masks found.
        groups: the main figures by group of photos.
        people: how many were measured.
        keypoints: how many visible points.
        photos: how many photos.
        milliseconds: median time of a photo.
    """

    supervised: str
    layers: dict[str, Purity]
    hidden: Purity | None
    grouping: dict[View, float]
    grouping_of_all: dict[View, float]
    chance: float | None
    points_iou: float
    masks: MaskScore
    groups: dict[str, dict[str, float]]
    people: int
    keypoints: int
    photos: int
    milliseconds: float

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows, per cent."""
        figures = {"attention purity": _per_cent(self.layers[self.supervised].own)}
        figures |= {f"grouping, {view}": value for view, value in self.grouping.items()}
        if self.chance is not None:
            figures["grouping, by chance"] = self.chance
        return figures | {"IoU at true points": self.points_iou} | self.masks.figures

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps."""
        parts = {name: _shares(part) for name, part in self.layers.items()}
        details: dict[str, Any] = {
            "people": self.people,
            "photographs": self.photos,
            "points": self.keypoints,
            "supervised layer": self.supervised,
            "purity by layer": parts,
        }
        if self.hidden is not None:
            details["purity of hidden keypoints"] = _shares(self.hidden)
        if self.grouping_of_all:
            details["grouping, hidden keypoints too"] = dict(self.grouping_of_all)
        if len(self.groups) > 1:
            details["by group"] = self.groups
        return details | {"milliseconds a photo": self.milliseconds}


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
    return _score(seen, truth, f"encoder.{model.module.config.supervised_layer}")


def look_at(model: PoseModel, truth: CrowdTruth) -> PhotoScore:
    """Measure one photo."""
    config = cast(InstanceAttention, model.module).config
    started = time.perf_counter()
    people = find_people(model, truth.photo, recorded=True)
    seconds = time.perf_counter() - started
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
        MASK_THRESHOLD,
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
        seconds,
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


def _query(truth: CrowdTruth, person: int, point: int) -> Query:
    x, y = (float(value) for value in truth.points[person, point])
    return Query(person, (x, y), int(point) if truth.keypoints else None)


def _scaled(maps: Sequence[AttentionMap]) -> Floats:
    """(n, rows, cols), each row over its maximum."""
    rows = np.array([one.weights for one in maps], dtype=np.float64)
    return np.asarray(rows / rows.max((1, 2), keepdims=True).clip(1e-6))


def _score(seen: Sequence[PhotoScore], truth: Sequence[CrowdTruth], layer: str) -> InstanceScore:
    points = [one for photo in seen for one in photo.layers]
    if not points:
        raise DataError("Nobody in these photos has a mask that is large enough to be measured.")
    hidden = [one for photo in seen for one in photo.hidden]
    groups = sorted({photo.group for photo in seen})
    parts = {group: [n for n, photo in enumerate(seen) if photo.group == group] for group in groups}
    return InstanceScore(
        supervised=layer,
        layers={name: mean_purity([one[name] for one in points]) for name in points[0]},
        hidden=mean_purity(hidden) if hidden else None,
        grouping=_grouping([photo.right for photo in seen]),
        grouping_of_all=_grouping([photo.right_of_all for photo in seen]),
        chance=_by_chance(seen),
        points_iou=_per_cent(float(np.mean([iou for photo in seen for iou in photo.ious]))),
        masks=_masks(seen, truth),
        groups={
            group: _main([seen[n] for n in some], [truth[n] for n in some], layer)
            for group, some in parts.items()
        },
        people=sum(len(photo.masks) for photo in truth),
        keypoints=len(points),
        photos=len(seen),
        milliseconds=round(1000 * float(np.median([photo.seconds for photo in seen])), 1),
    )


def _main(seen: Sequence[PhotoScore], truth: Sequence[CrowdTruth], layer: str) -> dict[str, float]:
    """The main figures of some of the photos."""
    own = [one[layer].own for photo in seen for one in photo.layers]
    ious = [iou for photo in seen for iou in photo.ious]
    figures = {"attention purity": _per_cent(float(np.mean(own)))} if own else {}
    grouping = _grouping([photo.right for photo in seen])
    figures |= {f"grouping, {view}": value for view, value in grouping.items()}
    chance = _by_chance(seen)
    figures |= {"grouping, by chance": chance} if chance is not None else {}
    figures |= {"IoU at true points": _per_cent(float(np.mean(ious)))} if ious else {}
    return figures | _masks(seen, truth).figures


def _masks(seen: Sequence[PhotoScore], truth: Sequence[CrowdTruth]) -> MaskScore:
    return mask_score(
        [np.concatenate([one.masks, one.crowds]) for one in truth],
        [photo.found for photo in seen],
        [photo.scores for photo in seen],
        [[False] * len(one.masks) + [True] * len(one.crowds) for one in truth],
    )


def _grouping(photos: Sequence[dict[View, tuple[int, int]]]) -> dict[View, float]:
    """Per cent, of photos that have keypoints."""
    counts = {view: [photo[view] for photo in photos if view in photo] for view in VIEWS}
    return {
        view: _per_cent(sum(right for right, _ in some) / max(1, sum(n for _, n in some)))
        for view, some in counts.items()
        if some
    }


def _by_chance(photos: Sequence[PhotoScore]) -> float | None:
    counted = [photo for photo in photos if photo.right]
    total = sum(photo.right[VIEWS[0]][1] for photo in counted)
    return _per_cent(sum(photo.chance for photo in counted) / max(1, total)) if counted else None


def _shares(part: Purity) -> dict[str, float]:
    shares = (part.own, part.others, part.background)
    return dict(zip(("own", "others", "background"), map(_per_cent, shares), strict=True))


def _per_cent(share: float) -> float:
    return round(100 * share, 2)
