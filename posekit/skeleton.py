"""Keypoint sets: their names, limbs, left-right pairs, and the widths OKS measures them with.

``sigmas`` follow COCO: OKS = mean exp(-d^2 / (2 area (2 sigma)^2)). Official values exist for COCO
and CrowdPose only. LSP and MPII were never scored with OKS, so here each of their keypoints takes
the official value of the same body part; the pelvis takes that of the hips, and thorax, neck and
head top that of CrowdPose's head and neck.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from posekit.errors import SkeletonError

__all__ = [
    "COCO17",
    "CROWDPOSE14",
    "LSP14",
    "MPII16",
    "NO_KEYPOINTS",
    "OPENPOSE18",
    "SKELETONS",
    "Skeleton",
    "skeleton",
]

Pairs = tuple[tuple[int, int], ...]

# One place on the body under two names: LSP labels at the top of the neck, as MPII's upper neck.
_SAME_PLACE = {"upper neck": "neck"}


@dataclass(frozen=True)
class Skeleton:
    """A keypoint set, in the order of its data set.

    Attributes:
        keypoints: lower-case words, such as "left wrist".
        limbs: pairs of keypoints to join with a line.
        flip_pairs: pairs that change places when the photo is mirrored.
        sigmas: OKS constants, COCO convention (see the module).
        torso: (left shoulder, right hip), whose distance scales PCK.
        middle_neck: the neck is the middle of both shoulders where a data set labels none.

    Raises:
        SkeletonError: names repeat, or an index or the number of sigmas does not fit the names.
    """

    name: str
    title: str
    keypoints: tuple[str, ...]
    limbs: Pairs
    flip_pairs: Pairs
    sigmas: tuple[float, ...]
    torso: tuple[int, int] | None
    middle_neck: bool = False

    def __post_init__(self) -> None:
        if len(set(self.keypoints)) != self.size:
            raise SkeletonError(f"The skeleton {self.name} names a keypoint twice.")
        if len(self.sigmas) != self.size or min(self.sigmas, default=1) <= 0:
            raise SkeletonError(
                f"The skeleton {self.name} needs one positive sigma for each keypoint."
            )
        pairs = (*self.limbs, *self.flip_pairs, *([self.torso] if self.torso else []))
        if any(not 0 <= index < self.size for pair in pairs for index in pair):
            raise SkeletonError(
                f"A pair in the skeleton {self.name} points outside its {self.size} keypoints."
            )
        flipped = [i for pair in self.flip_pairs for i in pair]
        if len(set(flipped)) != len(flipped):
            raise SkeletonError(f"The skeleton {self.name} flips a keypoint twice.")

    @property
    def size(self) -> int:
        """Number of keypoints."""
        return len(self.keypoints)

    def index(self, name: str) -> int:
        """Index of a keypoint by name, however it is cased or joined ("Left_Wrist").

        Raises:
            SkeletonError: there is none of that name.
        """
        wanted = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
        if wanted not in self.keypoints:
            raise SkeletonError(
                f'There is no keypoint "{name}" in {self.title}; '
                f"it has {', '.join(self.keypoints)}."
            )
        return self.keypoints.index(wanted)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Where each keypoint's mirror image stands: the permutation that swaps left and right."""
        order = list(range(self.size))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    def side(self, index: int) -> Literal["left", "right", "middle"]:
        """Which side of the body a keypoint is on, from the person's own point of view."""
        word = self.keypoints[index].split()[0]
        return "left" if word == "left" else "right" if word == "right" else "middle"

    def mapping_to(self, other: Skeleton) -> tuple[int | None, ...]:
        """For each keypoint of this skeleton its index in the other, None where that has none."""
        at = {_SAME_PLACE.get(name, name): index for index, name in enumerate(other.keypoints)}
        return tuple(at.get(_SAME_PLACE.get(name, name)) for name in self.keypoints)


def skeleton(name: str) -> Skeleton:
    """The skeleton of that name; SkeletonError, listing the names, when there is none."""
    if name not in SKELETONS:
        raise SkeletonError(f'There is no skeleton "{name}"; choose {", ".join(SKELETONS)}.')
    return SKELETONS[name]


# Official constants of COCO; neck and head top are CrowdPose's. Those for MPII's pelvis and thorax
# are this project's choice (see the module).
_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
    "neck": 0.079,
    "upper neck": 0.079,
    "head top": 0.079,
    "thorax": 0.079,
    "pelvis": 0.107,
}


def _build(
    name: str, title: str, keypoints: str, *chains: str, middle_neck: bool = False
) -> Skeleton:
    """A skeleton from its names, and from chains of names that limbs join one to the next."""
    names = tuple(keypoints.split(", "))
    at = {word: index for index, word in enumerate(names)}
    links = [chain.split(" > ") for chain in chains]
    return Skeleton(
        name=name,
        title=title,
        keypoints=names,
        limbs=tuple((at[a], at[b]) for chain in links for a, b in pairwise(chain)),
        flip_pairs=tuple(
            (at[word], at[word.replace("left", "right")]) for word in names if "left" in word
        ),
        sigmas=tuple(_SIGMAS[word.removeprefix("left ").removeprefix("right ")] for word in names),
        torso=(at["left shoulder"], at["right hip"]),
        middle_neck=middle_neck,
    )


_ARM_TO_ARM = "left wrist > left elbow > left shoulder > right shoulder > right elbow > right wrist"
_LEG_TO_LEG = "left ankle > left knee > left hip > right hip > right knee > right ankle"
_SIDES = ("left shoulder > left hip", "right shoulder > right hip")

COCO17 = _build(
    "coco17",
    "COCO (17 keypoints)",
    "nose, left eye, right eye, left ear, right ear, left shoulder, right shoulder, left elbow, "
    "right elbow, left wrist, right wrist, left hip, right hip, left knee, right knee, "
    "left ankle, right ankle",
    _ARM_TO_ARM,
    _LEG_TO_LEG,
    *_SIDES,
    "left shoulder > left ear > left eye > right eye > right ear > right shoulder",
    "left eye > nose > right eye",
)

LSP14 = _build(
    "lsp14",
    "Leeds Sports Pose (14 keypoints)",
    "right ankle, right knee, right hip, left hip, left knee, left ankle, right wrist, "
    "right elbow, right shoulder, left shoulder, left elbow, left wrist, neck, head top",
    "left wrist > left elbow > left shoulder > neck > right shoulder > right elbow > right wrist",
    _LEG_TO_LEG,
    *_SIDES,
    "neck > head top",
)

CROWDPOSE14 = _build(
    "crowdpose14",
    "CrowdPose (14 keypoints)",
    "left shoulder, right shoulder, left elbow, right elbow, left wrist, right wrist, left hip, "
    "right hip, left knee, right knee, left ankle, right ankle, head top, neck",
    "left wrist > left elbow > left shoulder > neck > right shoulder > right elbow > right wrist",
    _LEG_TO_LEG,
    *_SIDES,
    "neck > head top",
)

MPII16 = _build(
    "mpii16",
    "MPII Human Pose (16 keypoints)",
    "right ankle, right knee, right hip, left hip, left knee, left ankle, pelvis, thorax, "
    "upper neck, head top, right wrist, right elbow, right shoulder, left shoulder, left elbow, "
    "left wrist",
    "left wrist > left elbow > left shoulder > thorax > right shoulder > right elbow > right wrist",
    "left ankle > left knee > left hip > pelvis > right hip > right knee > right ankle",
    "pelvis > thorax > upper neck > head top",
)

OPENPOSE18 = _build(
    "openpose18",
    "OpenPose (COCO and a neck, 18 keypoints)",
    "nose, neck, right shoulder, right elbow, right wrist, left shoulder, left elbow, left wrist, "
    "right hip, right knee, right ankle, left hip, left knee, left ankle, right eye, left eye, "
    "right ear, left ear",
    # The order of the part affinity fields in OpenPose's networks, which weights depend on.
    "neck > right hip > right knee > right ankle",
    "neck > left hip > left knee > left ankle",
    "neck > right shoulder > right elbow > right wrist",
    "right shoulder > right ear",
    "neck > left shoulder > left elbow > left wrist",
    "left shoulder > left ear",
    "neck > nose > right eye",
    "nose > left eye",
    "right eye > right ear",
    "left eye > left ear",
    middle_neck=True,
)

NO_KEYPOINTS = Skeleton("none", "no keypoints", (), (), (), (), None)
"""Of networks that attend but predict no pose, such as a pre-trained backbone."""

SKELETONS = {each.name: each for each in (COCO17, LSP14, CROWDPOSE14, MPII16, OPENPOSE18)}
