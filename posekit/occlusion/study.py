"""Before and after: the same model, the same person, the same question, and something in front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from posekit.errors import OcclusionError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.query import Query, as_point, check_person, resolve
from posekit.geometry import Box
from posekit.masks import PersonMasks, best_masks
from posekit.occlusion.matching import matched
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.result import Study
from posekit.occlusion.side import Watch, look
from posekit.photo import Photo

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["MaskChoice", "as_estimator", "chosen_masks", "study"]

Floats = npt.NDArray[np.float64]
MaskChoice = PersonMasks | Sequence[npt.ArrayLike] | Literal["best"] | None
"""Masks to measure purity with: given, ``"best"`` (the model's own, else estimated from its
keypoints; :func:`posekit.occlusion.best_masks`), or none."""


def study(
    model: PoseModel | Estimator,
    photo: Photo,
    occluder: Occluder | None,
    *,
    keypoint: str | int | Query | Sequence[float],
    person: int = 0,
    boxes: Sequence[Box] | None = None,
    layer: str | None = None,
    masks: MaskChoice = None,
    truth: npt.ArrayLike | None = None,
    before: Prediction | None = None,
    after: Prediction | None = None,
) -> Study:
    """Put something in front of a photo, and see what it changes.

    Args:
        model: a loaded model, or an estimator of one.
        photo: the photo.
        occluder: what to put in front; None puts nothing there. One of the fill ``"knockout"``
            leaves the photo as it is and keeps every token from looking there.
        keypoint: a name, an index, a Query (see :func:`posekit.explain.snap`; it brings its own
            person), or any point (x, y) in photo pixels. A keypoint is asked about where it is
            found on each side, a point at the same place on both.
        person: index of the person before.
        boxes: of people, as for :meth:`Estimator.predict`.
        layer: the layer to show; None, or one the model does not have, is the one that masks
            supervised, which is where people are told apart, or else the last.
        masks: whose pixels are whose in the photo as it is, for the purity of the attention; what
            the occluder hides of them is taken off for the side after.
        truth: (K, 2) where the keypoints really are, in the model's skeleton, NaN where not known.
        before: what this model found in this photo with these boxes, when that is known already;
            made with ``record=True``.
        after: likewise, of the photo with the occluder in front: another keypoint then costs no
            pass of the network.

    Returns:
        A :class:`Study`. Nobody found on either side, or a keypoint that is not found, is said in
        its sentences.

    Raises:
        OcclusionError: the occluder covers nothing, or knocks everything out; masks or truth do
            not fit.
        ModelError: a knockout of a model without attention between places of the photo.
        SkeletonError: no such keypoint.
        TraceError: no such person although there are people, or ``before`` or ``after`` is of
            something else.
        BoxError: a box is empty or lies outside the photo.
    """
    estimator = as_estimator(model)
    if before is None:
        before = estimator.predict(photo, boxes)
    elif before.photo.digest != photo.digest:
        raise TraceError("What was found before is of another photo: predict on this one.")
    index, point, who = _asked(before, keypoint, person)
    cover = np.zeros(photo.size, dtype=bool)
    if occluder is None:
        occluded, after = photo, before
    else:
        cover, occluded = occluder.drawn(photo)
        out = cover if occluder.knocks_out else None
        if after is None:
            after = estimator.predict(occluded, boxes, knocked_out=out)
        elif not _same(after.knocked_out, out):
            raise TraceError("What was found after has another knockout: predict with this one.")
        elif after.photo.digest != occluded.digest:
            raise TraceError("What was found after is of another photo: predict on this one.")
    there = who
    if who is not None and boxes is None and estimator.model.entry.find is not None:
        there = matched(before, after)[who]
    known = chosen_masks(masks, before, photo)
    own = None if known is None or who is None else known.own(before.people[who], who)
    everybody, covered = () if known is None else known.masks, cover if cover.any() else None
    one = look(before, who, index, point, Watch.of(everybody, own, covered))
    # Blocked attention hides nothing: the photo is as it was, and so is everybody in it.
    hides = occluder is not None and not occluder.knocks_out
    watch = Watch.of(everybody, own, covered, in_front=hides)
    other = look(after, there, index, point, watch)
    same_place = None
    if index is not None and one.query is not None and there is not None:
        same_place = look(after, there, index, one.query.point, watch)
    shown = one.map(layer) or one.map(None) or other.map(layer) or other.map(None)
    return Study(
        photo=photo,
        occluded=occluded,
        occluder=occluder,
        cover=cover,
        before=one,
        after=other,
        after_there=same_place,
        layer=None if shown is None else shown.layer,
        masks=known,
        own=own,
        truth=_truth(truth, before.skeleton.size),
        boxes=None if boxes is None else tuple(boxes),
    )


def as_estimator(model: PoseModel | Estimator) -> Estimator:
    """The estimator itself, or one of the model."""
    return model if isinstance(model, Estimator) else Estimator(model)


def chosen_masks(masks: MaskChoice, before: Prediction, photo: Photo) -> PersonMasks | None:
    """The masks asked for, or None.

    Raises:
        OcclusionError: they do not have the photo's size.
    """
    if masks is None:
        return None
    if isinstance(masks, str):
        return best_masks(before)
    if not isinstance(masks, PersonMasks):
        masks = PersonMasks(tuple(np.asarray(mask, dtype=bool) for mask in masks))
    if masks.size != photo.size:
        raise OcclusionError(
            f"The masks are {masks.size[1]} x {masks.size[0]} pixels and the photo {photo.width} x "
            f"{photo.height}."
        )
    return masks


def _same(one: npt.NDArray[np.bool_] | None, other: npt.NDArray[np.bool_] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _asked(
    before: Prediction, keypoint: str | int | Query | Sequence[float], person: int
) -> tuple[int | None, tuple[float, float] | None, int | None]:
    """Index of the keypoint, or a point; and the person, None when nobody was found."""
    skeleton = before.skeleton
    index: int | None = None
    point: tuple[float, float] | None = None
    if isinstance(keypoint, Query):
        person, index = keypoint.person, keypoint.keypoint
        point = keypoint.point if index is None else None
    elif isinstance(keypoint, str):
        index = skeleton.index(keypoint)
    elif isinstance(keypoint, int | np.integer):
        index = int(keypoint)
    else:
        x, y = as_point(keypoint)
        point = float(x), float(y)
    if index is not None and not 0 <= index < skeleton.size:
        resolve(before, index, 0)  # has the sentence for it
    if not before.people:
        return index, point, None
    return index, point, check_person(before, person)


def _truth(truth: npt.ArrayLike | None, keypoints: int) -> Floats | None:
    if truth is None:
        return None
    places = np.asarray(truth, dtype=np.float64)
    if places.shape != (keypoints, 2):
        raise OcclusionError(
            f"The true keypoints have the shape {places.shape}; this model has {keypoints}, so "
            f"({keypoints}, 2) is needed."
        )
    return places
