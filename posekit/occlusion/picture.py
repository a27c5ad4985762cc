"""Both sides of a study as pixels: poses, maps on one scale, people as coloured masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from posekit.doubts import doubts_of
from posekit.draw.colours import OUTLINE
from posekit.draw.legend import amount, legend_lines, shares
from posekit.draw.masks import draw_masks
from posekit.draw.overlay import overlay
from posekit.draw.panels import COVERED, GREY, Window, blended
from posekit.draw.skeleton import draw_skeleton, left_out_words, mark_words
from posekit.occlusion.result import Study
from posekit.occlusion.side import Side
from posekit.people import Person
from posekit.unsure import unsure_words

__all__ = ["StudyPictures", "Which"]

Pixels = npt.NDArray[np.uint8]
Which = Literal["before", "after"]

_OPACITY, _DIM = 0.75, 0.4  # of a map, and of the photo's light under it


@dataclass(frozen=True, eq=False)
class StudyPictures:
    """Draws a study at a width; before and after in the same window and on the same scale.

    Attributes:
        study: what to draw.
        width: of a picture, in pixels.
        photo: False leaves the photo out: what is drawn lies on plain grey, the occluder is plain.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``.
    """

    study: Study
    width: int = 640
    photo: bool = True
    colour_map: str = "magma"

    @cached_property
    def window(self) -> Window:
        """The whole photo."""
        return Window.of(self.study.photo.size, self.width)

    def side(self, which: Which) -> Side:
        """One side of the study."""
        return self.study.before if which == "before" else self.study.after

    def base(self, which: Which) -> Pixels:
        """The photo, without or with the occluder."""
        if not self.photo:
            plain = np.full((*self.window.size, 3), GREY, np.uint8)
            if which == "after":
                plain[self._scaled(self.study.cover) > 0] = COVERED
            return plain
        photo = self.study.photo if which == "before" else self.study.shown
        return self.window.pixels_of(photo.pixels).astype(np.uint8, copy=False)

    def pose(self, which: Which) -> Pixels:
        """Everybody found; the person asked about alone when there is one."""
        side = self.side(which)
        doubts = doubts_of(side.prediction)
        drawn = draw_skeleton(
            self.base(which),
            self._people(which),
            side.prediction.skeleton,
            to_picture=self.window.to_drawn,
            doubted=doubts if side.person is None else doubts[side.person : side.person + 1],
        )
        return self._starred(drawn, which)

    def map(self, which: Which, layer: str | None = None) -> Pixels:
        """Where the keypoint looks, both sides on one scale; the bare photo without a map."""
        one = self.side(which).map(layer or self.study.layer)
        if one is None:
            return self.base(which)
        top = self.study.scale(one.layer).top(one) or 1.0  # an empty map stays 0
        values = self.window.values_of(one) / np.float32(top)
        drawn = overlay(
            self.base(which), values, colour_map=self.colour_map, opacity=_OPACITY, dim=_DIM
        )
        return self._starred(drawn, which)

    def colours(self, which: Which) -> Pixels:
        """(256, 3): the scale as it looks over the mean of the darkened photo."""
        return blended(self.base(which), self.colour_map, _OPACITY, _DIM)

    def ticks(self, which: Which) -> list[tuple[float, str]]:
        """Places on the colour bar of a side's map, 0 to 1, with their text; none without a map.

        The last one says what they count.
        """
        one = self.side(which).map(self.study.layer)
        if one is None:
            return []
        top = self.study.scale(one.layer).top(one)
        words = [(at, amount(at * top, one)) for at in (0.0, 0.5, 1.0)]
        counted = f"of the {self.study.mass} per cell" if shares(one) else "per cell"
        words[-1] = (1.0, f"{words[-1][1]} {counted}")
        return words

    def pose_lines(self, which: Which) -> list[str]:
        """What is to be said under a pose: its colours, keypoints not drawn, doubts before."""
        side = self.side(which)
        asked = None if side.someone is None else 0
        missing = left_out_words(self._people(which), side.prediction.skeleton, asked)
        # After, doubts are what the study is about, and its sentences tell of them.
        doubt = unsure_words(side.prediction) if which == "before" else None
        said = (
            (mark_words(side.prediction), missing, doubt) if side.prediction.skeleton.size else ()
        )
        return [text for text in said if text]

    def map_lines(self, which: Which) -> list[str]:
        """What is to be said under a map: direction, heads and grid, and its scale."""
        one = self.side(which).map(self.study.layer)
        if one is None:
            gone = "no map" if self.side(which).someone else "this person is not found"
            return [self.side(which).note or gone]
        lines = legend_lines(one, self.side(which).prediction.model)[1:-1]
        return [*lines, "one colour scale before and after"]

    def _people(self, which: Which) -> Sequence[Person]:
        """The person asked about alone when there is one, else everybody."""
        side = self.side(which)
        return side.prediction.people if side.someone is None else (side.someone,)

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
