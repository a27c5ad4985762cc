"""What a study holds: both sides, the masks, and everything that can be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.draw.legend import mass_word
from posekit.files import FileTarget
from posekit.geometry import Box
from posekit.layer_words import layer_words
from posekit.masks import PersonMasks
from posekit.occlusion.changes import Change, KeypointChange, changes_of, keypoint_changes_of
from posekit.occlusion.hatch import hatched
from posekit.occlusion.matching import matched
from posekit.occlusion.measure import (
    covered_keypoints,
    covered_limbs,
    limbs_at,
    pose_area,
    similarity,
    torso_of,
)
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.scale import StudyScale
from posekit.occlusion.side import Side
from posekit.photo import Photo

if TYPE_CHECKING:
    from posekit.occlusion.sweep_result import Sweep

__all__ = ["Study"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
FoundMasks = tuple[Mask | None, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """One occluder, one question, and what it changed.

    Attributes:
        photo: as it was.
        occluded: with the occluder in front; as it was, where attention alone is knocked out.
        occluder: None when nothing was put in front.
        cover: (H, W) bool, the pixels it covers.
        before: what the model makes of the photo.
        after: what it makes of the occluded photo, asked at the keypoint's new place.
        after_there: the same, asked at the place where the keypoint was before; None when it was
            not found before, or somebody is gone.
        layer: the layer that is shown; None when the model has no maps.
        masks: of the people; None when they are not known.
        own: which of the masks is the person's; None when none is.
        truth: (K, 2) where the keypoints really are, NaN where that is not known; or None.
        boxes: those given for both sides, in photo pixels; None when none were.
    """

    photo: Photo = field(repr=False)
    occluded: Photo = field(repr=False)
    occluder: Occluder | None
    cover: Mask = field(repr=False)
    before: Side
    after: Side
    after_there: Side | None
    layer: str | None
    masks: PersonMasks | None
    own: int | None
    truth: Floats | None = None
    boxes: tuple[Box, ...] | None = None

    @property
    def keypoint(self) -> int | None:
        """Index of the keypoint asked about; None for a free point."""
        return self.before.keypoint

    @property
    def label(self) -> str:
        """What was asked about: ``left wrist``, or ``point (120, 64)``."""
        skeleton = self.before.prediction.skeleton
        if self.keypoint is not None:
            return skeleton.keypoints[self.keypoint]
        query = self.before.query
        return "a point" if query is None else query.label(skeleton)

    @property
    def title(self) -> str:
        """``Left wrist behind a stroke of 12 px``."""
        return f"{self.label[0].upper()}{self.label[1:]} {self.where}"

    @property
    def where(self) -> str:
        """``behind a stroke of 12 px``, or ``with a knocked-out stroke of 12 px``."""
        if self.occluder is None:
            return "behind nothing"
        return f"{'with' if self.occluder.knocks_out else 'behind'} a {self.occluder.words}"

    @property
    def hides(self) -> bool:
        """Whether something lies in front on the side after; blocked attention hides nothing."""
        return self.occluder is not None and not self.occluder.knocks_out

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that either side has a map of, in forward order."""
        return self.before.layers or self.after.layers

    def layer_words(self, layer: str | None) -> str:
        """``layer 3`` for ``encoder.3``, as every page calls it."""
        held = self.before.map(layer) or self.after.map(layer)
        if held is None:
            return layer or "no attention map"
        return layer_words(held.layer, held.kind, self.before.prediction.model.entry.levels)

    def scale(self, layer: str | None) -> StudyScale:
        """The colour scale that the maps of a layer share, before and after."""
        return StudyScale.of((self.before.map(layer), self.after.map(layer)))

    @property
    def mass(self) -> str:
        """What the maps' mass is called: ``attention``, or ``evidence`` where they are none."""
        one = next(iter((*self.before.maps, *self.after.maps)), None)
        return "attention" if one is None else mass_word(one)

    @property
    def map_title(self) -> str:
        """``left wrist looks at, layer 3``, or ``evidence for left wrist, offset votes``."""
        what = f"{self.label} looks at"
        if self.mass == "evidence":
            what = f"evidence for {self.label}"
        return f"{what}, {self.layer_words(self.layer)}"

    @cached_property
    def model_masks(self) -> tuple[FoundMasks, FoundMasks] | None:
        """Everybody's mask as the model itself has it, before and after, in the order before.

        None for somebody who is not found on that side; None of a model that segments nobody.
        """
        before, after = self.before.prediction, self.after.prediction
        if before.masks is None or after.masks is None:
            return None
        order: Sequence[int | None] = range(len(before.people))
        if self.boxes is None:
            order = matched(before, after)
        found = [None if n is None or n >= len(after.masks) else after.masks[n] for n in order]
        return tuple(before.masks), tuple(found)

    @cached_property
    def shown(self) -> Photo:
        """The side after as it is drawn: what is knocked out is hatched, as nothing covers it."""
        if self.occluder is None or self.hides:
            return self.occluded
        return Photo(hatched(self.photo.pixels, self.cover), self.photo.name)

    @cached_property
    def displacement(self) -> Floats:
        """(K,) how far each keypoint moved, in photo pixels; NaN when not found on either side."""
        return np.asarray(np.hypot(*(self.after.keypoints - self.before.keypoints).T))

    @cached_property
    def torso(self) -> float | None:
        """Left shoulder to right hip before, in pixels."""
        return torso_of(self.before.keypoints, self.before.prediction.skeleton)

    @property
    def box_side(self) -> float | None:
        """The longer side of the person's box before, in pixels."""
        someone = self.before.someone
        return None if someone is None else max(someone.box.width, someone.box.height)

    @cached_property
    def oks(self) -> float | None:
        """Similarity of the pose after to the pose before, 0 to 1; 0 when the person is gone.

        None when there was no pose before. Scaled by the person's mask where that is known rather
        than estimated, else by 0.53 of the box round the keypoints before.
        """
        known = self.masks is not None and self.masks.source != "limbs" and self.own is not None
        area = (
            float(self.masks.masks[self.own].sum())
            if known and self.masks is not None and self.own is not None
            else pose_area(self.before.keypoints, self.photo.size)
        )
        skeleton = self.before.prediction.skeleton
        return similarity(self.before.keypoints, self.after.keypoints, skeleton, area)

    @cached_property
    def covered_keypoints(self) -> Mask:
        """(K,) bool, which keypoints, where they were before, the occluder covers."""
        return covered_keypoints(self.cover, self.before.keypoints)

    @cached_property
    def covered_limb(self) -> float | None:
        """Share of the length of the keypoint's limbs that is covered, 0 to 1."""
        if self.keypoint is None:
            return None
        limbs = limbs_at(self.keypoint, self.before.prediction.skeleton)
        return covered_limbs(self.cover, self.before.keypoints, limbs)

    @cached_property
    def covered_person(self) -> float | None:
        """Share of the person's mask that is covered, 0 to 1; None without a mask."""
        if self.masks is None or self.own is None:
            return None
        mask = self.masks.masks[self.own]
        return float((self.cover & mask).sum() / mask.sum())

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What changed in numbers: a table of names, before, after, difference."""
        return changes_of(self)

    @cached_property
    def keypoint_changes(self) -> tuple[KeypointChange, ...]:
        """Every keypoint before and after, the most changed first."""
        return keypoint_changes_of(self)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What happened, in words; what could not be measured, and why, included."""
        from posekit.occlusion.words import sentences_of

        return sentences_of(self)

    def save_html(
        self,
        target: FileTarget,
        *,
        note: str = "",
        sweep: Sweep | None = None,
        photo: bool = True,
    ) -> None:
        """Write one self-contained HTML file, see :func:`posekit.occlusion.html.html_page`."""
        from posekit.occlusion.html import save_html

        save_html(self, target, note=note, sweep=sweep, photo=photo)

    def save_png(self, target: FileTarget, *, photo: bool = True, paper: bool = False) -> None:
        """Write both sides as one picture, see :func:`posekit.occlusion.figure.draw_study`.

        ``paper`` draws :func:`posekit.occlusion.paper.draw_paper` instead: one column, no prose.
        """
        from posekit.occlusion.figure import save_study
        from posekit.occlusion.paper import save_paper_png

        (save_paper_png if paper else save_study)(self, target, photo=photo)

    def _repr_png_(self) -> bytes:
        from posekit.notebook import png_of

        return png_of(self)

    def save_svg(self, target: FileTarget, *, photo: bool = True, paper: bool = False) -> None:
        """Write both sides as vectors, see :func:`posekit.occlusion.svg.svg_text`.

        ``paper`` draws :func:`posekit.occlusion.paper.draw_paper` instead: one column, no prose.
        """
        from posekit.occlusion.paper import save_paper_svg
        from posekit.occlusion.svg import save_svg

        if paper:
            save_paper_svg(self, target, photo=photo)
        else:
            save_svg(self, target, photo=photo)

    def save_json(self, target: FileTarget) -> None:
        """Write :func:`posekit.occlusion.export.describe`."""
        from posekit.occlusion.export import save_json

        save_json(self, target)

    def save_csv(self, target: FileTarget) -> None:
        """Write what changed and every keypoint, see :mod:`posekit.occlusion.tables`."""
        from posekit.occlusion.tables import save_study_csv

        save_study_csv(self, target)

    def save_npz(self, target: FileTarget) -> None:
        """Write maps, cover and poses, see :func:`posekit.occlusion.export.save_npz`."""
        from posekit.occlusion.export import save_npz

        save_npz(self, target)
