"""People cut out of photographs, and photographs to paste them into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from posekit.data.labelled import LabelledPerson
from posekit.data.pseudo_masks import PseudoMask
from posekit.errors import DataError
from posekit.photo import Photo
from posekit.scenes.backdrop import KINDS, backdrop
from posekit.scenes.camera import Camera
from posekit.scenes.scene import KEYPOINTS
from posekit.skeleton import Skeleton

__all__ = ["Background", "Cutout", "Leftover"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

_MARGIN = 3  # pixels kept round a cut-out, so that its outline can be blurred
_ALIASES = {"upper neck": "neck"}


def _mirrored_name(name: str) -> str:
    if name.startswith("left "):
        return "right " + name[5:]
    return "left " + name[6:] if name.startswith("right ") else name


_FLIP = [KEYPOINTS.index(_mirrored_name(name)) for name in KEYPOINTS]


@dataclass(frozen=True, eq=False)
class Cutout:
    """One person, ready to be pasted.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, the person and what was behind.
        mask: (h, w) bool, the person.
        points: (21, 2) cut-out pixels of ``scenes.KEYPOINTS``; NaN where not labelled.
        hidden: (21,) bool, labelled, but already hidden in the source photograph.
        colour: (2, 3) mean and standard deviation of the source photograph in OpenCV's Lab.
        name: of the source photograph.
    """

    pixels: Pixels = field(repr=False)
    mask: Mask = field(repr=False)
    points: Floats = field(repr=False)
    hidden: Mask = field(repr=False)
    colour: Floats = field(repr=False)
    name: str

    @classmethod
    def of(cls, person: LabelledPerson, mask: PseudoMask | Mask) -> Cutout:
        """Cut a person out with a pseudo-mask, or with a true one of the photo's size (H, W).

        Raises:
            DataError: the mask is empty or of another size.
        """
        full = mask.on_photo() if isinstance(mask, PseudoMask) else np.asarray(mask, dtype=bool)
        photo = person.photo
        if full.shape != photo.size:
            raise DataError(f"The mask of {photo.name} has another size than the photograph.")
        rows, cols = np.flatnonzero(full.any(1)), np.flatnonzero(full.any(0))
        if not len(rows):
            raise DataError(f"The mask of the person in {photo.name} is empty.")
        top, left = max(rows[0] - _MARGIN, 0), max(cols[0] - _MARGIN, 0)
        part = slice(top, rows[-1] + 1 + _MARGIN), slice(left, cols[-1] + 1 + _MARGIN)
        points, hidden = _points(person)
        return cls(
            photo.pixels[part].copy(), full[part].copy(), points - (left, top), hidden,
            _colour(photo.pixels), photo.name,
        )  # fmt: skip

    def flipped(self) -> Cutout:
        """The mirror image: left becomes right."""
        points = self.points * (-1, 1) + (self.mask.shape[1] - 1, 0)
        return Cutout(
            np.ascontiguousarray(self.pixels[:, ::-1]), np.ascontiguousarray(self.mask[:, ::-1]),
            points[_FLIP], self.hidden[_FLIP], self.colour, self.name,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Leftover:
    """Somebody who already is in a background.

    Attributes:
        mask: (H, W) bool, background pixels; everything that may be the person when not
            ``believed``.
        points: (21, 2) background pixels of ``scenes.KEYPOINTS``; NaN where not labelled.
        hidden: (21,) bool, labelled, but hidden in the photograph.
        believed: whether the mask is the person's rather than an estimate of where they may be.
    """

    mask: Mask = field(repr=False)
    points: Floats = field(repr=False)
    hidden: Mask = field(repr=False)
    believed: bool

    def flipped(self) -> Leftover:
        """The mirror image: left becomes right."""
        points = self.points * (-1, 1) + (self.mask.shape[1] - 1, 0)
        mask = np.ascontiguousarray(self.mask[:, ::-1])
        return Leftover(mask, points[_FLIP], self.hidden[_FLIP], self.believed)


@dataclass(frozen=True, eq=False)
class Background:
    """What people are pasted onto.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        leftovers: the labelled people who are in it. Unlabelled ones can not be known.
        colour: (2, 3) mean and standard deviation in OpenCV's Lab.
        name: of the photograph, or the kind of a rendered one.
    """

    pixels: Pixels = field(repr=False)
    leftovers: tuple[Leftover, ...]
    colour: Floats = field(repr=False)
    name: str

    @classmethod
    def of_photo(
        cls, photo: Photo, people: Sequence[tuple[LabelledPerson, PseudoMask | Mask]]
    ) -> Background:
        """A photograph, with all its labelled people and their pseudo-masks or true masks."""
        leftovers = []
        for person, mask in people:
            points, hidden = _points(person)
            if isinstance(mask, PseudoMask):
                believed = mask.quality.accepted
                full = mask.on_photo("mask" if believed else "limit")
                if mask.quality.known < 1:  # the rest of the body may be anywhere near
                    full = full | _neighbourhood(person)
            else:
                believed, full = True, np.asarray(mask, dtype=bool)
            leftovers.append(Leftover(full, points, hidden, believed))
        return cls(photo.pixels, tuple(leftovers), _colour(photo.pixels), photo.name)

    @classmethod
    def rendered(cls, seed: int, size: tuple[int, int] = (256, 256)) -> Background:
        """A rendered backdrop of (height, width) with nobody in it."""
        rng = np.random.default_rng(seed)
        kind = str(rng.choice(KINDS))
        height, width = size
        camera = Camera(
            height=rng.uniform(1.0, 2.2),
            pitch=rng.uniform(0, 14),
            focal=rng.uniform(1.0, 1.8) * max(size),
            centre=((width - 1) / 2, (height - 1) / 2),
        )
        picture, _ = backdrop(kind, size, camera, rng.uniform(4, 9), rng)
        pixels = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
        return cls(pixels, (), _colour(pixels), kind)

    def flipped(self) -> Background:
        """The mirror image."""
        return Background(
            np.ascontiguousarray(self.pixels[:, ::-1]),
            tuple(leftover.flipped() for leftover in self.leftovers), self.colour, self.name,
        )  # fmt: skip


def _points(person: LabelledPerson) -> tuple[Floats, Mask]:
    """Keypoints in the order of a scene (21, 2), and which are labelled but hidden (21,)."""
    points, hidden = np.full((len(KEYPOINTS), 2), np.nan), np.zeros(len(KEYPOINTS), bool)
    for i, place in enumerate(_places(person.skeleton)):
        if place is not None and person.labelled[i]:
            points[place] = person.keypoints[i]
            hidden[place] = person.visible is not None and not person.visible[i]
    return points, hidden


def _places(skeleton: Skeleton) -> list[int | None]:
    names = [_ALIASES.get(name, name) for name in skeleton.keypoints]
    return [KEYPOINTS.index(name) if name in KEYPOINTS else None for name in names]


def _neighbourhood(person: LabelledPerson) -> Mask:
    """The person's box, grown on every side by 0.35 of its longer side."""
    mask = np.zeros(person.photo.size, bool)
    left, top, right, bottom = person.box.edges
    room = 0.35 * max(person.box.width, person.box.height)
    rows = slice(max(round(top - room), 0), max(round(bottom + room) + 1, 0))
    mask[rows, max(round(left - room), 0) : max(round(right + room) + 1, 0)] = True
    return mask


def _colour(pixels: Pixels) -> Floats:
    step = max(1, max(pixels.shape[:2]) // 128)
    lab = cv2.cvtColor(np.ascontiguousarray(pixels[::step, ::step]), cv2.COLOR_RGB2LAB)
    mean, deviation = cv2.meanStdDev(lab)
    return np.stack([mean[:, 0], deviation[:, 0]])
