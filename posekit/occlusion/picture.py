"""Both sides of a study as pixels: poses, maps on one scale, people as coloured masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from posekit.draw.colours import OUTLINE
from posekit.draw.masks import draw_masks
from posekit.draw.overlay import overlay
from posekit.draw.panels import Window
from posekit.draw.skeleton import draw_skeleton
from posekit.explain.maps import AttentionMap
from posekit.occlusion.result import Study
from posekit.occlusion.side import Side

__all__ = ["StudyPictures", "Which"]

Pixels = npt.NDArray[np.uint8]
Which = Literal["before", "after"]


@dataclass(frozen=True, eq=False)
class StudyPictures:
    """Draws a study at a width; before and after in the same window and on the same scale.

    Attributes:
        study: what to draw.
        width: of a picture, in pixels.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
    """

    study: Study
    width: int = 640
    colour_map: str = "magma"

    @cached_property
    def window(self) -> Window:
        """The whole photo."""
        height, width = self.study.photo.size
        rows = max(1, round(self.width * height / width))
        return Window(0, 0, width, height, (rows, self.width))

    def side(self, which: Which) -> Side:
        """One side of the study."""
        return self.study.before if which == "before" else self.study.after

    def base(self, which: Which) -> Pixels:
        """The photo, without or with the occluder."""
        photo = self.study.photo if which == "before" else self.study.shown
        return self.window.pixels_of(photo.pixels).astype(np.uint8, copy=False)

    def pose(self, which: Which) -> Pixels:
        """Everybody found; the person asked about alone when there is one."""
        side = self.side(which)
        people = side.prediction.people if side.someone is None else (side.someone,)
        drawn = draw_skeleton(
            self.base(which), people, side.prediction.skeleton, to_picture=self.window.to_drawn
        )
        return self._starred(drawn, which)

    def map(self, which: Which, layer: str | None = None) -> Pixels:
        """Where the keypoint looks, both sides on one scale; the bare photo without a map."""
        one = self.side(which).map(layer or self.study.layer)
        if one is None:
            return self.base(which)
        values = self._density(one) / self._limit(layer or self.study.layer)
        return self._starred(overlay(self.base(which), values, colour_map=self.colour_map), which)

    def masks(self, which: Which) -> Pixels:
        """The people's masks, as they were given, over either side."""
        base = self.base(which)
        if self.study.masks is None:
            return base
        return draw_masks(
            base, [self._scaled(one) for one in self.study.masks.masks], own=self.study.own
        )

    def model_masks(self, which: Which) -> Pixels:
        """The people as the model itself segments them on a side; the bare photo when it does not.

        Everybody has one colour on both sides.
        """
        base, found = self.base(which), self.study.model_masks
        if found is None:
            return base
        masks = found[0 if which == "before" else 1]
        empty = np.zeros(base.shape[:2], np.uint8)
        scaled = [empty if one is None else self._scaled(one) for one in masks]
        return draw_masks(base, scaled, own=self.study.before.person)

    def _scaled(self, mask: npt.NDArray[np.bool_]) -> Pixels:
        size = (self.window.size[1], self.window.size[0])
        scaled = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(scaled, dtype=np.uint8)

    def _density(self, one: AttentionMap) -> npt.NDArray[np.float32]:
        """The map in the window, as weight per square photo pixel: grids may differ in cells."""
        cell = abs(float(np.linalg.det(one.grid_to_photo.matrix[:, :2])))
        return np.asarray(self.window.values_of(one) / np.float32(cell), dtype=np.float32)

    def _limit(self, layer: str | None) -> float:
        found = [side.map(layer) for side in (self.study.before, self.study.after)]
        most = [float(self._density(one).max()) for one in found if one is not None]
        return max([*most, 1e-12])

    def _starred(self, pixels: Pixels, which: Which) -> Pixels:
        """A ring round the place asked about."""
        query = self.side(which).query
        if query is None:
            return pixels
        canvas = np.array(pixels, order="C")
        x, y = np.clip(self.window.to_drawn.apply(query.point), -(2**15), 2**15)
        centre, radius = (round(float(x)), round(float(y))), max(4, self.width // 70)
        cv2.circle(canvas, centre, radius, OUTLINE, 4, cv2.LINE_AA)
        cv2.circle(canvas, centre, radius, (255, 255, 255), 2, cv2.LINE_AA)
        return canvas
