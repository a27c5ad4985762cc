"""The same occluder at many places, or growing along a limb: confidence by what is covered.

Zeiler and Fergus ("Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2)
slide a grey square over a picture and watch the class; here any occluder goes over a person, and
what is watched is a keypoint: its confidence, its place, and on whom its attention lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from posekit.affine import Affine
from posekit.errors import OcclusionError
from posekit.estimator import Estimator, Prediction
from posekit.explain.batches import Progress
from posekit.explain.query import resolve
from posekit.geometry import Box
from posekit.occlusion.limb import limb_band, limb_start
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.painted import Fill, Rectangle
from posekit.occlusion.study import MaskChoice
from posekit.occlusion.sweep_result import Sweep
from posekit.occlusion.sweep_run import begin, run
from posekit.photo import Photo

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["MOST_STEPS", "sweep_grid", "sweep_limb"]

MOST_STEPS = 1024
"""Passes of the network for one sweep."""


def sweep_grid(
    model: PoseModel | Estimator,
    photo: Photo,
    occluder: Occluder | None = None,
    *,
    keypoint: str | int,
    person: int = 0,
    boxes: Sequence[Box] | None = None,
    layer: str | None = None,
    masks: MaskChoice = None,
    shape: tuple[int, int] = (10, 8),
    region: Box | None = None,
    before: Prediction | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """One occluder with its middle at every place of a grid.

    Args:
        model: a loaded model, or an estimator of one.
        photo: the photo.
        occluder: None is a square of the photo's mean colour, a sixth of the box's longer side.
        keypoint: name or index of the keypoint to watch.
        person: index of the person.
        boxes: of people, as for :meth:`Estimator.predict`.
        layer: the layer to show; None, or one the model does not have, as :func:`study` has it.
        masks: as for :func:`posekit.occlusion.study`.
        shape: (rows, cols) of the grid, whose cells fill the region.
        region: in photo pixels; None is the person's box.
        before: see :func:`posekit.occlusion.study`.
        progress: called with (done, total); what it raises ends the work.

    Returns:
        A :class:`Sweep` whose ``heat`` is the map of the confidence's drop.

    Raises:
        OcclusionError: too many places, or the keypoint is not found before anything is covered.
        SkeletonError: no such keypoint.
        TraceError: no such person.
        BoxError: a box or the region lies outside the photo.
    """
    rows, cols = shape
    if not (rows >= 1 and cols >= 1 and rows * cols <= MOST_STEPS):
        raise OcclusionError(f"A grid has 1 to {MOST_STEPS} places, not {rows} x {cols}.")
    start = begin(model, photo, keypoint, person, boxes, layer, masks, before)
    box = (start.box if region is None else region).clipped(photo.size)
    if occluder is None:
        side = max(2.0, round(max(start.box.width, start.box.height) / 6))
        occluder = Rectangle(Box(0, 0, side, side))
    left, top, _, _ = box.edges
    step = box.width / cols, box.height / rows
    to_photo = Affine.scaling(step, (left + step[0] / 2, top + step[1] / 2))
    row, col = np.divmod(np.arange(rows * cols), cols)
    middle = np.array(occluder.box.centre)
    places = to_photo.apply(np.stack([col, row], axis=-1)) - middle
    moved = [occluder.moved(float(x), float(y)) for x, y in places]
    words = "the person's mask" if start.own is not None else "the person's limbs"
    return run(start, moved, None, words, progress, shape, to_photo)


def sweep_limb(
    model: PoseModel | Estimator,
    photo: Photo,
    *,
    keypoint: str | int,
    start: str | int | None = None,
    person: int = 0,
    boxes: Sequence[Box] | None = None,
    layer: str | None = None,
    masks: MaskChoice = None,
    steps: int = 13,
    width: float | None = None,
    colour: Fill = "mean",
    before: Prediction | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """A band that grows along a limb towards the keypoint, from nothing to all of it.

    The band is cut off straight; at the full length it goes on for half its width, so that the
    keypoint itself is hidden. Further arguments and errors as :func:`sweep_grid`.

    Args:
        model: a loaded model, or an estimator of one.
        photo: the photo.
        keypoint: where the limb ends: the keypoint to watch.
        start: the keypoint at which the band begins; None is the first limb of the skeleton at
            ``keypoint`` whose other end was found.
        person: index of the person.
        boxes: of people.
        layer: the layer to show.
        masks: as for :func:`posekit.occlusion.study`.
        steps: shares covered, evenly from 0 to 1.
        width: of the band in photo pixels; None is 0.3 torsos, twice a forearm's thickness.
        colour: of the band.
        before: see :func:`posekit.occlusion.study`.
        progress: called with (done, total); what it raises ends the work.

    Raises:
        OcclusionError: also when the limb's start was not found.
    """
    if not 2 <= steps <= MOST_STEPS:
        raise OcclusionError(f"A sweep along a limb has 2 to {MOST_STEPS} steps, not {steps}.")
    at = begin(model, photo, keypoint, person, boxes, layer, masks, before)
    prediction, names = at.side.prediction, at.side.prediction.skeleton.keypoints
    begins = limb_start(prediction, at.keypoint, at.person) if start is None else start
    first = resolve(prediction, begins, at.person).keypoint
    assert first is not None  # a name or an index always is one
    bands = [
        limb_band(
            prediction, first, at.keypoint, float(share),
            person=at.person, width=width, colour=colour,
        )
        for share in np.linspace(0.0, 1.0, steps)
    ]  # fmt: skip
    words = f"the way from {names[first]} to {names[at.keypoint]}"
    return run(at, bands, (first, at.keypoint), words, progress)
