"""Figures of people from attention: of one photo, and gathered over many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from posekit.decode.instance_people import View
from posekit.errors import DataError
from posekit.evaluation.instance_sets import CrowdTruth
from posekit.evaluation.masks import MaskScore, mask_score
from posekit.explain.purity import Purity, mean_purity

__all__ = ["VIEWS", "InstanceScore", "PhotoScore", "gathered"]

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
        grouping_seconds: of each view, of grouping alone: candidates and affinities were there.
        hidden_share: of the person behind, what the one in front hides, 0 to 1; None where nobody
            knows.
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
    grouping_seconds: dict[View, float]
    hidden_share: float | None = None


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
        grouping_milliseconds: of which grouping alone, by view.
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
    grouping_milliseconds: dict[View, float]

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
        return details | {
            "milliseconds a photo": self.milliseconds,
            "milliseconds a photo, grouping alone": dict(self.grouping_milliseconds),
        }


def gathered(seen: Sequence[PhotoScore], truth: Sequence[CrowdTruth], layer: str) -> InstanceScore:
    """The figures of many photos; ``layer`` is the supervised one.

    Raises:
        DataError: nobody was measured.
        PackageError: pycocotools is not installed.
    """
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
        grouping_milliseconds={
            view: round(1000 * float(np.median([one.grouping_seconds[view] for one in seen])), 2)
            for view in VIEWS
        },
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
    hidden = [photo.hidden_share for photo in seen if photo.hidden_share is not None]
    figures |= {"hidden of the person behind": _per_cent(float(np.mean(hidden)))} if hidden else {}
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
