"""A band over a limb: from one keypoint of a person some of the way to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posekit.errors import OcclusionError
from posekit.explain.query import resolve
from posekit.occlusion.measure import limbs_at, torso_of
from posekit.occlusion.painted import Fill, Stroke

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["limb_band", "limb_start"]

_TORSOS = 0.3  # width: about twice a forearm's thickness


def limb_band(
    prediction: Prediction,
    start: str | int | None,
    end: str | int,
    share: float = 1.0,
    *,
    person: int = 0,
    width: float | None = None,
    colour: Fill = "mean",
) -> Stroke | None:
    """A straight band over a share of the way from one keypoint to another.

    It is cut off straight, so that it covers exactly that share of the way; at the full length it
    goes on for half its width, so that the keypoint at the end is hidden as well.

    Args:
        prediction: where the keypoints are.
        start: name or index; None is :func:`limb_start`.
        end: name or index.
        share: 0 to 1; None is returned for 0.
        person: index of the person.
        width: in photo pixels; None is 0.3 torsos, or half the limb where no torso is known.
        colour: see :data:`posekit.occlusion.Fill`.

    Raises:
        OcclusionError: a share outside 0 to 1, or ends less than a pixel apart.
        TraceError: no such person, or a keypoint that was not found.
        SkeletonError: no such keypoint.
    """
    if not 0 <= share <= 1:
        raise OcclusionError(f"The covered share of a limb is 0 to 1, not {share:g}.")
    last = resolve(prediction, end, person)
    assert last.keypoint is not None  # a name or an index always is one
    if start is None:
        start = limb_start(prediction, last.keypoint, person)
    a, b = (np.array(one.point) for one in (resolve(prediction, start, person), last))
    length = float(np.hypot(*(b - a)))
    if not length >= 1:
        raise OcclusionError("The limb is shorter than a pixel, so nothing can grow along it.")
    if width is None:
        torso = torso_of(prediction.people[last.person].keypoints, prediction.skeleton)
        width = max(4.0, 0.5 * length if torso is None else _TORSOS * torso)
    if share == 0:
        return None
    reach = share * length + (width / 2 if share == 1 else 0.0)
    tip = a + (b - a) * reach / length
    ends = ((float(a[0]), float(a[1])), (float(tip[0]), float(tip[1])))
    return Stroke(ends, width, colour, flat=True)


def limb_start(prediction: Prediction, keypoint: int, person: int = 0) -> int:
    """The other end of the skeleton's first limb at a keypoint whose other end was found.

    Raises:
        OcclusionError: there is none.
    """
    skeleton = prediction.skeleton
    for limb in limbs_at(keypoint, skeleton):
        other = limb[0] if limb[1] == keypoint else limb[1]
        if np.isfinite(prediction.people[person].keypoints[other]).all():
            return other
    raise OcclusionError(
        f"No limb that ends in the {skeleton.keypoints[keypoint]} has its other end found."
    )
