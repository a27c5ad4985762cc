"""What every sweep does: begin with one prediction, then look at occluded photos in batches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.affine import Affine
from posekit.errors import OcclusionError
from posekit.estimator import Estimator, Prediction
from posekit.explain.batches import Progress
from posekit.explain.query import resolve
from posekit.geometry import Box
from posekit.masks import PersonMasks
from posekit.occlusion.matching import matched
from posekit.occlusion.measure import covered_limbs, limbs_at
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.side import Side, Watch, look
from posekit.occlusion.study import MaskChoice, as_estimator, chosen_masks
from posekit.occlusion.sweep_result import PARTS, Sweep
from posekit.photo import Photo

if TYPE_CHECKING:
    from posekit.zoo import PoseModel

__all__ = ["Start", "begin", "run"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Start:
    """What a sweep begins with: arguments as they came, and the side without an occluder."""

    estimator: Estimator
    photo: Photo
    boxes: Sequence[Box] | None
    side: Side
    person: int
    keypoint: int
    layer: str | None
    masks: PersonMasks | None
    own: int | None

    @property
    def box(self) -> Box:
        """The person's."""
        return self.side.prediction.people[self.person].box


def begin(
    model: PoseModel | Estimator,
    photo: Photo,
    keypoint: str | int,
    person: int,
    boxes: Sequence[Box] | None,
    layer: str | None,
    masks: MaskChoice,
    before: Prediction | None,
) -> Start:
    """Predict once, find the keypoint, choose masks and layer; errors as the sweeps say."""
    estimator = as_estimator(model)
    before = estimator.predict(photo, boxes) if before is None else before
    query = resolve(before, keypoint, person)  # refuses what was not found, in a sentence
    assert query.keypoint is not None  # a name or an index always is one
    known = chosen_masks(masks, before, photo)
    own = None if known is None else known.own(before.people[query.person], query.person)
    watch = Watch.of(() if known is None else known.masks, own, None)
    side = look(before, query.person, query.keypoint, None, watch)
    shown = side.map(layer) or side.map(None)
    return Start(
        estimator, photo, boxes, side, query.person, query.keypoint,
        None if shown is None else shown.layer, known, own,
    )  # fmt: skip


def run(
    start: Start,
    occluders: Sequence[Occluder | None],
    limb: tuple[int, int] | None,
    share_words: str,
    progress: Progress | None,
    shape: tuple[int, int] | None = None,
    to_photo: Affine | None = None,
) -> Sweep:
    """Look at every occluded photo, a batch at a time, and keep the numbers only."""
    began = time.perf_counter()
    count, layers, keypoints = len(occluders), start.side.layers, start.side.keypoints
    near = limbs_at(start.keypoint, start.side.prediction.skeleton)
    share, covered_limb, displacement = (np.full(count, np.nan) for _ in range(3))
    confidence = np.zeros(count)
    there: list[Occluder | None] = []
    purity = {name: np.full((count, len(PARTS)), np.nan) for name in start.side.purity}
    on_occluder = {name: np.full(count, np.nan) for name in layers}
    whole = start.estimator.model.entry.find is not None
    size = 1 if whole else start.estimator.batch_size
    for first in range(0, count, size):
        part = slice(first, min(first + size, count))
        for n, (one_there, side, cover) in enumerate(_sides(start, occluders[part]), first):
            there.append(one_there)
            covered = covered_limbs(cover, keypoints, near)
            covered_limb[n] = np.nan if covered is None else covered
            share[n] = _share(start, cover, limb)
            if side.person is None:
                continue
            confidence[n] = float(side.scores[start.keypoint])
            moved = side.keypoints[start.keypoint] - keypoints[start.keypoint]
            displacement[n] = float(np.hypot(*moved))
            for name, one in side.purity.items():
                if name in purity:
                    purity[name][n] = [getattr(one, part) for part in PARTS]
            for name in layers:
                on_occluder[name][n] = side.on_occluder.get(name, np.nan)
        if progress is not None:
            progress(part.stop, count)
    return Sweep(
        kind="grid" if limb is None else "limb",
        before=start.side,
        keypoint=start.keypoint,
        layer=start.layer,
        occluders=tuple(there),
        share=share,
        share_words=share_words,
        covered_limb=covered_limb,
        confidence=confidence,
        displacement=displacement,
        found=np.isfinite(displacement),
        purity=purity,
        on_occluder=on_occluder,
        masks=None if start.masks is None or start.own is None else start.masks.words,
        shape=shape,
        to_photo=to_photo,
        seconds=time.perf_counter() - began,
    )


def _share(start: Start, cover: Mask, limb: tuple[int, int] | None) -> float:
    """What a sweep's share is: of the limb, of the person's mask, or of all limbs; NaN if none."""
    if limb is None and start.masks is not None and start.own is not None:
        mask = start.masks.masks[start.own]
        return float((cover & mask).sum() / mask.sum())
    limbs = start.side.prediction.skeleton.limbs if limb is None else (limb,)
    share = covered_limbs(cover, start.side.keypoints, limbs)
    return np.nan if share is None else share


def _sides(
    start: Start, occluders: Sequence[Occluder | None]
) -> list[tuple[Occluder | None, Side, Mask]]:
    """What the model makes of the photo behind each occluder, and what that covers; one batch."""
    drawn = [_drawn(one, start.photo) for one in occluders]
    whole = start.estimator.model.entry.find is not None
    # A model of crops need not look at the other people again.
    boxes = start.boxes if whole else [start.box]
    out = [cover if one is not None and one.knocks_out else None for one, cover, _ in drawn]
    found = start.estimator.predict_each([photo for _, _, photo in drawn], boxes, knocked_out=out)
    sides, masks = [], () if start.masks is None else start.masks.masks
    for (one, cover, _), after in zip(drawn, found, strict=True):
        person: int | None = start.person if whole else 0
        if whole and boxes is None:
            person = matched(start.side.prediction, after)[start.person]
        hides = one is not None and not one.knocks_out
        covered = None if one is None else cover
        watch = Watch.of(masks, start.own, covered, in_front=hides)
        sides.append((one, look(after, person, start.keypoint, None, watch), cover))
    return sides


def _drawn(occluder: Occluder | None, photo: Photo) -> tuple[Occluder | None, Mask, Photo]:
    """None where it covers no pixel of the photo: at its rim, or thinner than a pixel."""
    if occluder is not None:
        try:
            return occluder, *occluder.drawn(photo)
        except OcclusionError:
            pass
    return None, np.zeros(photo.size, dtype=bool), photo
