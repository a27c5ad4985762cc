"""Whole photos with everybody in them: what models learn from that find people by themselves.

One form for photographs with labels, for rendered scenes and for composites. A person is an outline
rather than a box: when a photo is turned, the box around the turned outline still fits, while the
box around a turned box is too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from posekit.data.composites import Composite
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.errors import DataError
from posekit.geometry import Box
from posekit.scenes import OUTSIDE, UNKNOWN, VISIBLE, Scene
from posekit.scenes.backdrop import KINDS
from posekit.skeleton import Skeleton

__all__ = ["CORNERS", "UNKNOWN_OWNER", "CrowdPhoto", "Kind", "Somebody", "of_photo", "of_scene"]

CORNERS = 16
"""Points of an outline: the farthest in as many directions."""
UNKNOWN_OWNER = 255
"""Whose pixel it is nobody said: that of a crowd labelled as one region."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEAST_SEEN = 0.12
"""Of whom less than this share is seen is not to be found; nor is finding them a mistake."""
_MARGIN = 0.05
"""How far a body reaches past its labelled keypoints, as a share of the longer side of the box
around them: the middle of what 140 pseudo-masks of LSPET show is 0.03 to 0.05 on each side."""

_TURNS = 2 * np.pi * np.arange(CORNERS) / CORNERS
_DIRECTIONS = np.round(np.stack([np.cos(_TURNS), np.sin(_TURNS)], -1), 12)  # (16, 2)


class Kind:
    """What a place in a list of people holds."""

    NOBODY, PERSON, IGNORE = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Somebody:
    """A person, or a region to ignore, in photo pixels.

    Attributes:
        outline: (16, 2), whose bounding box is the box to be found (its outer edges).
        keypoints: (K, 2), meaningful where ``visibility`` is not 0.
        visibility: (K,) as COCO has it: 0 not labelled or not in the photo, 1 hidden by somebody or
            something else, 2 seen. What the own body hides counts as seen where that is known,
            since most data sets do not tell.
        ignore: nobody to find, and no mistake to find.
    """

    outline: Floats
    keypoints: Floats
    visibility: npt.NDArray[np.int8]
    ignore: bool = False

    @property
    def kind(self) -> int:
        """As :class:`Kind` counts."""
        return Kind.IGNORE if self.ignore else Kind.PERSON


@dataclass(frozen=True, eq=False)
class CrowdPhoto:
    """A photo with everybody in it.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        people: regions to ignore included.
        complete: whether everybody is labelled; where not, finding somebody away from those who
            are may be right.
        owners: (H, W) uint8, whose pixel it is: ``n + 1`` is that of ``people[n]``, 0 that of
            nobody whose mask is known, :data:`UNKNOWN_OWNER` must not be asked about. None where
            no mask is known.
    """

    pixels: npt.NDArray[np.uint8] = field(repr=False)
    people: tuple[Somebody, ...]
    complete: bool = True
    owners: npt.NDArray[np.uint8] | None = field(default=None, repr=False)


def of_photo(
    photo: LabelledPhoto,
    skeleton: Skeleton,
    *,
    complete: bool = True,
    masks: Sequence[Mask | None] | None = None,
) -> CrowdPhoto:
    """A labelled photograph, its people with a model's keypoints.

    Crowds and people to ignore become regions to ignore.

    Args:
        photo: with its people.
        skeleton: the model's keypoints; those that the data set lacks count as not labelled.
        complete: see :class:`CrowdPhoto`.
        masks: better ones than the people's own, (H, W) each, where there are.
    """
    known = [
        person.mask.array if mask is None and person.mask is not None else mask
        for person, mask in zip(photo.people, masks or [None] * len(photo.people), strict=True)
    ]
    people = tuple(
        _labelled(person, skeleton, mask) for person, mask in zip(photo.people, known, strict=True)
    )
    return CrowdPhoto(photo.photo.pixels, people, complete, _owners(photo, known))


def of_scene(scene: Scene, skeleton: Skeleton) -> CrowdPhoto:
    """A rendered scene, or a composite with its regions to ignore.

    In a photograph that a composite is pasted on may be people whom nobody labelled.
    """
    people: list[Somebody] = []
    owners = np.zeros(scene.size, np.uint8)
    for person in scene.people:
        keypoints = person.keypoints_in(skeleton)
        hidden_by = person.hidden_by_in(skeleton)
        seen = (hidden_by == VISIBLE) | (hidden_by == person.index)
        gone = (hidden_by == OUTSIDE) | (hidden_by == UNKNOWN) | ~np.isfinite(keypoints).all(-1)
        visibility = np.where(gone, 0, np.where(seen, 2, 1)).astype(np.int8)
        keypoints = np.where(gone[:, None], 0.0, keypoints)
        _fill_neck(skeleton, keypoints, visibility)
        if not person.visible_mask.any():
            continue
        owners[person.visible_mask] = len(people) + 1
        people.append(
            Somebody(
                _around_mask(person.visible_mask),
                keypoints,
                visibility,
                ignore=1 - person.hidden_share < _LEAST_SEEN,
            )
        )
    complete = True
    if isinstance(scene, Composite):
        complete = scene.background in KINDS
        nothing = np.zeros((skeleton.size, 2)), np.zeros(skeleton.size, np.int8)
        people += [
            Somebody(_around_mask(region.mask), *nothing, ignore=True) for region in scene.ignore
        ]
    return CrowdPhoto(scene.pixels, tuple(people), complete, owners)


def _owners(photo: LabelledPhoto, masks: Sequence[Mask | None]) -> npt.NDArray[np.uint8] | None:
    """Whose pixels they are; where masks overlap, those of the smaller one: it lies in front.

    A crowd's region leaves the pixels of everybody labelled by themselves alone.
    """
    known = [(n, mask) for n, mask in enumerate(masks) if mask is not None and mask.any()]
    if not known:
        return None
    owners = np.zeros(photo.photo.size, np.uint8)

    def depth(one: tuple[int, Mask]) -> tuple[bool, int]:
        return photo.people[one[0]].single, -int(one[1].sum())

    for n, mask in sorted(known, key=depth):
        owners[mask] = min(n + 1, UNKNOWN_OWNER) if photo.people[n].single else UNKNOWN_OWNER
    return owners


def _labelled(person: LabelledPerson, skeleton: Skeleton, mask: Mask | None) -> Somebody:
    places = skeleton.mapping_to(person.skeleton)
    visibility = np.zeros(skeleton.size, np.int8)
    keypoints = np.zeros((skeleton.size, 2))
    for index, place in enumerate(places):
        if place is not None and person.labelled[place]:
            keypoints[index] = person.keypoints[place]
            seen = person.visible is None or person.visible[place]
            visibility[index] = 2 if seen else 1
    _fill_neck(skeleton, keypoints, visibility)
    return Somebody(_outline(person, mask), keypoints, visibility, ignore=not person.single)


def _fill_neck(skeleton: Skeleton, keypoints: Floats, visibility: npt.NDArray[np.int8]) -> None:
    """An unlabelled neck is the middle of two labelled shoulders, as OpenPose has it; in place."""
    if not skeleton.middle_neck:
        return
    neck, *shoulders = map(skeleton.index, ("neck", "left shoulder", "right shoulder"))
    if not visibility[neck] and visibility[shoulders].all():
        keypoints[neck] = keypoints[shoulders].mean(0)
        visibility[neck] = visibility[shoulders].min()


def _outline(person: LabelledPerson, mask: Mask | None) -> Floats:
    """Round the mask, else the data set's box, else somewhat more than the labelled keypoints."""
    if mask is not None and mask.any():
        return _around_mask(mask)
    if person.given_box is not None:
        return _around_box(person.given_box)
    if not person.labelled.any():
        raise DataError("A person needs a mask, a box or a labelled keypoint.")
    box = person.label_box
    reach = _MARGIN * max(box.width, box.height)
    return _farthest(person.keypoints[person.labelled]) + reach * _DIRECTIONS


def _around_mask(mask: Mask) -> Floats:
    rows, cols = np.nonzero(mask)
    points = np.stack([cols, rows], -1).astype(np.int32)
    hull = cv2.convexHull(points)[:, 0].astype(np.float64)
    # A pixel reaches half its width past its centre.
    return _farthest(hull) + 0.5 * np.sign(_DIRECTIONS)


def _around_box(box: Box) -> Floats:
    left, top, right, bottom = box.edges
    return _farthest(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))


def _farthest(points: Floats) -> Floats:
    """Of (n, 2) points the farthest in each direction: (16, 2)."""
    return points[(points @ _DIRECTIONS.T).argmax(0)]
