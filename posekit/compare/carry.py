"""A target of one model's heatmaps, said in terms of another's.

Targets name keypoints by index and places in heatmap pixels; both belong to one model. The keypoint
is found again by its name, a place by where it lies on the photo, a mask by what it covers there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.errors import SkeletonError, TraceError
from posekit.explain.asked import recorded_heatmaps, to_heatmap
from posekit.explain.maps import resample
from posekit.explain.targets import (
    KeypointConfidence,
    KeypointCoordinate,
    KeypointPair,
    KeypointPeak,
    MaskTarget,
    PersonTarget,
    Target,
)

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["carried", "keypoint_of", "places_on_photo"]


def carried(target: Target, source: Prediction, other: Prediction, person: int) -> Target:
    """The target that asks of ``other`` what ``target`` asks of ``source``.

    A person's keypoints that the other model lacks are left out.

    Raises:
        SkeletonError: the other model has not the keypoint.
        TraceError: nothing was recorded, or the target is of a kind that cannot be carried over.
    """
    if source is other:
        return target
    if isinstance(target, KeypointPeak):
        return _peak(target, source, other, person)
    if isinstance(target, KeypointConfidence | KeypointCoordinate):
        return replace(target, keypoint=_index(target.keypoint, source, other))
    if isinstance(target, KeypointPair):
        first, second = (_peak(p, source, other, person) for p in (target.first, target.second))
        return KeypointPair(first, second)
    if isinstance(target, PersonTarget):
        mapping = source.skeleton.mapping_to(other.skeleton)
        shared = [peak for peak in target.peaks if mapping[peak.keypoint] is not None]
        return PersonTarget(tuple(_peak(peak, source, other, person) for peak in shared))
    if isinstance(target, MaskTarget):
        keypoint = target.keypoint
        index = None if keypoint is None else _index(keypoint, source, other)
        height, width = recorded_heatmaps(other, person).shape[-2:]
        between = to_heatmap(other, person) @ to_heatmap(source, person).inverse()
        covered = resample(target.mask, between, (height, width))
        return MaskTarget(np.clip(covered, 0.0, 1.0), index, target.name)
    raise TraceError(
        f"A target such as {target.label(source.skeleton)!r} belongs to one model and cannot be "
        "asked of another: name a keypoint or a point of the photo."
    )


def keypoint_of(target: Target) -> int | None:
    """The one keypoint a target is about, if it is about one."""
    if isinstance(target, KeypointPeak | KeypointConfidence | KeypointCoordinate):
        return target.keypoint
    return None


def places_on_photo(target: Target, prediction: Prediction, person: int) -> npt.NDArray[np.float64]:
    """Where a target is read, (n, 2) in photo pixels."""
    places = target.places(recorded_heatmaps(prediction, person)).numpy().astype(np.float64)
    return to_heatmap(prediction, person).inverse().apply(places)


def _peak(peak: KeypointPeak, source: Prediction, other: Prediction, person: int) -> KeypointPeak:
    on_photo = to_heatmap(source, person).inverse().apply(peak.point)
    height, width = recorded_heatmaps(other, person).shape[-2:]
    x, y = to_heatmap(other, person).apply(on_photo)
    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        raise TraceError(
            f"The point ({on_photo[0]:.0f}, {on_photo[1]:.0f}) lies outside what this model saw."
        )
    point = (float(np.clip(x, 0, width - 1)), float(np.clip(y, 0, height - 1)))
    return KeypointPeak(_index(peak.keypoint, source, other), point)


def _index(keypoint: int, source: Prediction, other: Prediction) -> int:
    index = source.skeleton.mapping_to(other.skeleton)[keypoint]
    if index is None:
        raise SkeletonError(
            f"This model does not know the {source.skeleton.keypoints[keypoint]}, "
            f"and a value of its heatmap was asked for."
        )
    return index
