"""Case studies ready to look at: rendered scenes with exact truth, from easy to cruel.

Every case says what to look at and why. Scenes are rendered when asked for: the same name and size
give the same pixels, masks and keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from posekit.errors import OcclusionError
from posekit.geometry import Box
from posekit.masks import PersonMasks, masks_of_scene
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.painted import Stroke
from posekit.occlusion.pasted import Cutout
from posekit.photo import Photo
from posekit.scenes import KEYPOINTS, Scene
from posekit.scenes.gallery import NamedScene, named_scene
from posekit.skeleton import Skeleton

__all__ = ["CASES", "LEVELS", "Case", "PreparedCase", "case_of", "prepared_case"]

Level = Literal["easy", "medium", "hard", "cruel"]
LEVELS: tuple[Level, ...] = ("easy", "medium", "hard", "cruel")
SIZE = (480, 480)

_BAND = 0.22  # width of a suggested band, in units of the trunk from shoulder to hip
_KEPT = 6  # rendered scenes in memory
_RENDERED: dict[str, tuple[str, tuple[int, int]]] = {}  # name and size by the photo's digest


@dataclass(frozen=True, eq=False)
class Case:
    """One case study.

    Attributes:
        title: what to call it.
        question: what to find out.
        level: how hard it is for a model.
        keypoint: name of the keypoint to look at, which COCO and Leeds Sports Pose both have.
        scene: what is rendered.
        person: whose keypoint, index of the scene's people.
        band: two keypoints of that person; an occluder to begin with covers the limb between them.
        paste: a person of the scene whose copy, moved by shares (dx, dy) of the photo's width and
            height, is the occluder to begin with.
    """

    title: str
    question: str
    level: Level
    keypoint: str
    scene: NamedScene
    person: int = 0
    band: tuple[str, str] | None = None
    paste: tuple[int, float, float] | None = None

    def prepare(self, size: tuple[int, int] = SIZE) -> PreparedCase:
        """Render it at a size of (height, width)."""
        return _prepared(self, size)


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case with its pixels and all that is true about it.

    Attributes:
        case: what it is.
        photo: the picture.
        scene: who is where, who hides whom.
        masks: exact, of everybody, with what is hidden of them.
        boxes: round everybody's whole body, in the scene's order.
        occluder: one to begin with; None where the scene itself hides enough.
    """

    case: Case
    photo: Photo = field(repr=False)
    scene: Scene = field(repr=False)
    masks: PersonMasks = field(repr=False)
    boxes: tuple[Box, ...]
    occluder: Occluder | None

    def truth(self, skeleton: Skeleton, person: int | None = None) -> npt.NDArray[np.float64]:
        """(K, 2) true keypoints of a person, the case's own if None; NaN where not known."""
        return self.scene.people[self.case.person if person is None else person].keypoints_in(
            skeleton
        )

    @property
    def hidden_by(self) -> str:
        """What hides the keypoint in the scene itself: ``nobody``, ``an object``, ``person 1``."""
        return self.scene.who_hides(self.case.person, self.case.keypoint)


def prepared_case(name: str, size: tuple[int, int] = SIZE) -> PreparedCase:
    """A case of :data:`CASES`, rendered.

    Raises:
        OcclusionError: there is none of that name.
        DataError: the size is none that a scene can have.
    """
    if name not in CASES:
        raise OcclusionError(f"There is no case {name!r}; there are {', '.join(CASES)}.")
    ready = CASES[name].prepare(size)
    _RENDERED[ready.photo.digest] = name, size
    return ready


def case_of(photo: Photo) -> tuple[str, tuple[int, int]] | None:
    """The name of the case that a photo is, and its size.

    None where :func:`prepared_case` has not rendered it since the program started.
    """
    return _RENDERED.get(photo.digest)


@lru_cache(maxsize=_KEPT)
def _prepared(case: Case, size: tuple[int, int]) -> PreparedCase:
    scene = case.scene.render(size)
    photo = Photo(scene.pixels, "scene")
    return PreparedCase(
        case=case,
        photo=photo,
        scene=scene,
        masks=masks_of_scene(scene),
        boxes=tuple(one.box for one in scene.people),
        occluder=_suggested(case, scene),
    )


def _suggested(case: Case, scene: Scene) -> Occluder | None:
    if case.paste is not None:
        person, dx, dy = case.paste
        by = round(dx * scene.size[1]), round(dy * scene.size[0])
        return Cutout.of_mask(scene.people[person].visible_mask, by)
    if case.band is None:
        return None
    points = scene.people[case.person].points
    ends = [points[KEYPOINTS.index(name)] for name in case.band]
    trunk = np.hypot(*(points[KEYPOINTS.index("thorax")] - points[KEYPOINTS.index("pelvis")]))
    a, b = ((round(float(x), 1), round(float(y), 1)) for x, y in ends)
    return Stroke((a, b), max(6.0, round(_BAND * float(trunk), 1)))


_CASES = {
    "in full view": Case(
        "In full view",
        "Nothing hides this runner. Cover the forearm: how far does the wrist wander?",
        "easy",
        "left wrist",
        named_scene("runner"),
        band=("left elbow", "left wrist"),
    ),
    "arms up": Case(
        "Arms up, from behind",
        "No face says which side is which. Cover one forearm: does the wrist change sides?",
        "easy",
        "right wrist",
        named_scene("from behind"),
        band=("right elbow", "right wrist"),
    ),
    "sitting": Case(
        "Sitting",
        "The thighs point at the camera. Cover a shin: what tells the model where the ankle is?",
        "medium",
        "left ankle",
        named_scene("sitting"),
        band=("left knee", "left ankle"),
    ),
    "crossed arms": Case(
        "Crossed arms",
        "Each forearm lies on the other: does a wrist look along its own arm or the other one?",
        "medium",
        "left wrist",
        named_scene("crossed arms"),
    ),
    "behind an object": Case(
        "Behind an object",
        "The legs are out of sight: from what does the model guess the knee, and how surely?",
        "medium",
        "left knee",
        named_scene("desk"),
    ),
    "behind a pillar": Case(
        "Behind a pillar",
        "One side of the body is missing: does the hidden wrist lean on the side that is seen?",
        "hard",
        "left wrist",
        named_scene("pillar"),
    ),
    "cut by the border": Case(
        "Cut by the border",
        "The photo ends before the legs do: where does the ankle go that is not in the picture?",
        "medium",
        "left ankle",
        NamedScene(
            "Cut by the border",
            "A person nearer to the camera than the photo is high.",
            29,
            {"pose": "hands on hips", "heading": 10.0, "fill": 1.7},
        ),
    ),
    "passing by": Case(
        "Passing by, 30 % hidden",
        "A second person hides a third of the first: whose elbow does the model find?",
        "hard",
        "right elbow",
        named_scene("passing"),
    ),
    "one behind another": Case(
        "One behind another, 50 % hidden",
        "Half of the person behind is hidden: does the attention stay on its own person?",
        "hard",
        "right knee",
        named_scene("one behind another"),
    ),
    "nearly hidden": Case(
        "Nearly hidden, 70 % hidden",
        "Only edges of the person behind can be seen: is anything of this pose still theirs?",
        "cruel",
        "left hip",
        named_scene("nearly hidden"),
    ),
    "crowd": Case(
        "Crowd",
        "Six people who hide parts of each other: whose ankle is it?",
        "cruel",
        "right ankle",
        named_scene("crowd"),
    ),
    "somebody steps in": Case(
        "Somebody steps in",
        "A copy of the one upside down steps in front of the one who kneels: whose wrist is it?",
        "cruel",
        "left wrist",
        named_scene("gymnasts"),
        person=0,
        paste=(1, -0.25, 0.0),
    ),
}

CASES: Mapping[str, Case] = MappingProxyType(_CASES)
"""Cases worth studying, by name."""
