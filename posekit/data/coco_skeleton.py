"""From the keypoint names of a COCO-format category to a skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posekit.errors import DataError, SkeletonError
from posekit.skeleton import SKELETONS, Skeleton

__all__ = ["known_or_custom", "skeleton_of_category"]

# Other spellings in use for keypoints that the known skeletons have.
_ALIASES = {"head": "head top", "top head": "head top", "top of head": "head top"}
_SIGMA = 0.079
"""For body parts without an official OKS constant: that of shoulders, neck and head."""


def skeleton_of_category(category: dict[str, Any]) -> Skeleton:
    """The skeleton of a category, in the order of its file.

    Names are matched however they are cased or joined ("Left_Wrist", "l_wrist"); OKS constants
    are official where the body part has one.

    Raises:
        DataError: the names are not words, or repeat.
    """
    names = category.get("keypoints")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("The category's keypoints must be a list of names.")
    keypoints = tuple(_plain(name) for name in names)
    pairs = [
        (keypoints.index(name), keypoints.index(name.replace("left", "right", 1)))
        for name in keypoints
        if "left" in name and name.replace("left", "right", 1) in keypoints
    ]
    official = {
        name: sigma
        for each in SKELETONS.values()
        for name, sigma in zip(each.keypoints, each.sigmas, strict=True)
    }
    torso = ("left shoulder", "right hip")
    try:
        return Skeleton(
            name=str(category.get("name", "custom")),
            title=f"{category.get('name', 'custom')} ({len(keypoints)} keypoints)",
            keypoints=keypoints,
            limbs=_limbs(category.get("skeleton"), len(keypoints)),
            flip_pairs=tuple(pairs),
            sigmas=tuple(official.get(name, _SIGMA) for name in keypoints),
            torso=(keypoints.index(torso[0]), keypoints.index(torso[1]))
            if set(torso) <= set(keypoints)
            else None,
        )
    except SkeletonError as error:
        raise DataError(f"The category's keypoints make no skeleton: {error}") from error


def known_or_custom(skeleton: Skeleton) -> Skeleton:
    """The known skeleton of the same keypoints in any order, else the one given."""
    for known in SKELETONS.values():
        same = None not in skeleton.mapping_to(known) and known.size == skeleton.size
        if same and None not in known.mapping_to(skeleton):
            # LSP and CrowdPose label the same places; the file's order tells which it is.
            return next((k for k in SKELETONS.values() if k.keypoints == skeleton.keypoints), known)
    return skeleton


def _plain(name: str) -> str:
    words = name.lower().replace("_", " ").replace("-", " ").split()
    if words and words[0] in ("l", "r"):
        words[0] = "left" if words[0] == "l" else "right"
    joined = " ".join(words)
    return _ALIASES.get(joined, joined)


def _limbs(pairs: object, size: int) -> tuple[tuple[int, int], ...]:
    """COCO's limbs, counted from 1; what does not point at a keypoint is passed over."""
    if not isinstance(pairs, Sequence):
        return ()
    return tuple(
        (pair[0] - 1, pair[1] - 1)
        for pair in pairs
        if isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(end, int) and 1 <= end <= size for end in pair)
    )
