"""A rendered picture of people and everything that is true about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posekit.errors import DataError
from posekit.geometry import Box
from posekit.skeleton import COCO17, Skeleton

KEYPOINTS = (*COCO17.keypoints, "neck", "head top", "pelvis", "thorax")
"""Every place known exactly: COCO's seventeen first, then four that other skeletons need."""

OBJECT = -1
VISIBLE = -2
OUTSIDE = -3
UNKNOWN = -4
"""Values of ``ScenePerson.hidden_by`` beside a person's index (the own one: hides itself).

UNKNOWN never occurs in a rendered scene: it marks keypoints that a photograph's labels leave out.
"""

# The same place under other names.
_ALIASES = {"upper neck": "neck"}


@dataclass(frozen=True, eq=False)
class ScenePerson:
    """One person of a scene.

    index: place in ``Scene.people``. points: (21, 2) float64 photo pixels of ``KEYPOINTS``, also
    where they are hidden or outside the photo. hidden_by: (21,) int, who hides each: VISIBLE,
    OBJECT, OUTSIDE, or a person's index. mask: (H, W) bool, the whole body as if nothing stood in
    front (cut at the photo's edges); visible_mask: what is seen of it. A pixel is in a mask when
    its centre is on the body. distance: metres from the camera to the middle of the body.
    pose: name of the pose; heading: degrees turned from facing the camera.
    """

    index: int
    points: np.ndarray
    hidden_by: np.ndarray
    mask: np.ndarray = field(repr=False)
    visible_mask: np.ndarray = field(repr=False)
    distance: float
    pose: str
    heading: float

    @property
    def keypoints(self) -> np.ndarray:
        """(17, 2) photo pixels in COCO's order."""
        return self.points[: COCO17.size]

    @property
    def visible(self) -> np.ndarray:
        """(17,) bool in COCO's order."""
        return np.asarray(self.hidden_by[: COCO17.size] == VISIBLE)

    @property
    def box(self) -> Box:
        """Smallest box round the whole body inside the photo."""
        return _box_of(self.mask)

    @property
    def visible_box(self) -> Box:
        """Smallest box round what is seen; DataError when nothing is."""
        return _box_of(self.visible_mask)

    @property
    def hidden_share(self) -> float:
        """Share of the body's pixels that something else hides."""
        return 1.0 - float(self.visible_mask.sum()) / max(float(self.mask.sum()), 1.0)

    def keypoints_in(self, skeleton: Skeleton) -> np.ndarray:
        """(skeleton.size, 2) photo pixels; NaN for keypoints that a scene does not know."""
        return self._in(self.points, skeleton, np.nan)

    def hidden_by_in(self, skeleton: Skeleton) -> np.ndarray:
        """(skeleton.size,) int as ``hidden_by``; OUTSIDE for keypoints that are not known."""
        return self._in(self.hidden_by, skeleton, OUTSIDE)

    def _in(self, values: np.ndarray, skeleton: Skeleton, missing: float) -> np.ndarray:
        result = np.full((skeleton.size, *values.shape[1:]), missing, dtype=values.dtype)
        for i, name in enumerate(skeleton.keypoints):
            name = _ALIASES.get(name, name)
            if name in KEYPOINTS:
                result[i] = values[KEYPOINTS.index(name)]
        return result


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with exact truth.

    pixels: (H, W, 3) uint8 RGB. owner: (H, W) int8, whose pixel it is: a person's index, OBJECT,
    or VISIBLE (-2) where only the background is seen.
    """

    pixels: np.ndarray = field(repr=False)
    people: tuple[ScenePerson, ...]
    owner: np.ndarray = field(repr=False)
    seed: int
    background: str

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def who_hides(self, person: int, keypoint: int | str) -> str:
        """Say who hides a keypoint.

        One of "nobody", "an object", "the person's own body", "person 2", "the photo's edge",
        "not known".

        Raises:
            DataError: there is no such person or keypoint.
        """
        if not 0 <= person < len(self.people):
            raise DataError(f"The scene has no person {person}; it shows {len(self.people)}.")
        if isinstance(keypoint, str):
            if keypoint not in KEYPOINTS:
                raise DataError(f"A scene knows no keypoint called {keypoint!r}.")
            keypoint = KEYPOINTS.index(keypoint)
        hider = int(self.people[person].hidden_by[keypoint])
        words = {
            VISIBLE: "nobody",
            OBJECT: "an object",
            OUTSIDE: "the photo's edge",
            UNKNOWN: "not known",
        }
        words[person] = "the person's own body"
        return words.get(hider, f"person {hider}")


def _box_of(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise DataError("Nothing of this person lies inside the photo.")
    return Box.from_corners(float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))
