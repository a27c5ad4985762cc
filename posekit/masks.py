"""Where people's masks come from, and how far each source can be believed.

Purity needs to know whose pixel is whose. That is exact in a rendered scene, as good as the hand
that drew it in a polygon or a file, the model's own belief in a model that segments people, and an
estimate when it is drawn round keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from posekit.errors import OcclusionError
from posekit.geometry import Affine, Box
from posekit.photo import Photo, read_photo
from posekit.run_lengths import decoded, encoded

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person
    from posekit.photo import Source
    from posekit.scenes import Scene

__all__ = [
    "MOST_MASKS",
    "SOURCES",
    "PersonMasks",
    "Segmented",
    "best_masks",
    "masks_by_another",
    "masks_of_file",
    "masks_of_limbs",
    "masks_of_model",
    "masks_of_polygons",
    "masks_of_scene",
]

Mask = npt.NDArray[np.bool_]

SOURCES = {
    "given": "masks as they were given",
    "scene": "exact masks of a rendered scene",
    "drawn": "masks drawn by hand",
    "file": "masks from a file",
    "model": "the model's own masks",
    "other": "masks by another model",
    "limbs": "an estimate: capsules of average width round the model's keypoints",
}
"""Where masks come from, in words."""

MOST_MASKS = 32
_LEAST_SCORE = 0.2  # keypoints below it say too little to draw a body round


@dataclass(frozen=True, eq=False)
class PersonMasks:
    """Masks of the people in one photo.

    Attributes:
        masks: (H, W) bool each, in photo pixels; they may overlap, and one may be empty.
        source: a key of :data:`SOURCES`.
        in_order: whether mask n is the n-th person of the prediction; otherwise a person's mask is
            the one whose box overlaps theirs most.

    Raises:
        OcclusionError: there are none, more than 32, or they differ in size.
    """

    masks: tuple[Mask, ...] = field(repr=False)
    source: str = "given"
    in_order: bool = True

    def __post_init__(self) -> None:
        arrays = tuple(np.asarray(mask, dtype=bool) for mask in self.masks)
        if not 1 <= len(arrays) <= MOST_MASKS:
            raise OcclusionError(
                f"A photo has masks of 1 to {MOST_MASKS} people, not {len(arrays)}."
            )
        if arrays[0].ndim != 2 or len({array.shape for array in arrays}) > 1:
            raise OcclusionError("The masks of one photo are (height, width) and of one size.")
        if self.source not in SOURCES:
            raise OcclusionError(f"Masks come from one of {', '.join(SOURCES)}, not {self.source}.")
        object.__setattr__(self, "masks", arrays)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.masks[0].shape[0], self.masks[0].shape[1]

    @property
    def words(self) -> str:
        """Where they come from."""
        return SOURCES[self.source]

    def own(self, person: Person, index: int) -> int | None:
        """Which mask is a person's, the ``index``-th of the prediction; None when none is."""
        if self.in_order:
            return index if index < len(self.masks) and self.masks[index].any() else None
        overlaps = [_overlap(mask, person.box) for mask in self.masks]
        best = int(np.argmax(overlaps))
        return best if overlaps[best] > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """They as plain values; the masks as run lengths."""
        return {
            "source": self.source,
            "in_order": self.in_order,
            "masks": [encoded(mask) for mask in self.masks],
        }

    @classmethod
    def from_dict(cls, data: Any) -> PersonMasks:
        """The masks of :meth:`to_dict`; OcclusionError when the values are something else."""
        if not isinstance(data, dict) or not isinstance(data.get("masks"), list):
            raise OcclusionError('Masks are written as {"source": ..., "masks": [run lengths]}.')
        if len(data["masks"]) > MOST_MASKS:
            raise OcclusionError(f"A photo has masks of at most {MOST_MASKS} people.")
        masks = tuple(decoded(mask) for mask in data["masks"])
        return cls(masks, str(data.get("source", "given")), data.get("in_order") is not False)


class Segmented(Protocol):
    """What a model that segments people hands out; a Prediction of such a model is one."""

    @property
    def masks(self) -> Sequence[Mask] | None:
        """(H, W) bool in photo pixels, one a person, in the order of the people."""


def masks_of_scene(scene: Scene, *, hidden: bool = True) -> PersonMasks:
    """The exact masks of a rendered scene.

    Args:
        scene: see :func:`posekit.scenes.render_scene`.
        hidden: with what something else hides of a person, which is on that person too; without,
            only what is seen.
    """
    masks = tuple(one.mask if hidden else one.visible_mask for one in scene.people)
    return PersonMasks(masks, "scene", in_order=False)


def masks_of_polygons(
    polygons: Sequence[Sequence[Sequence[float]]], size: tuple[int, int]
) -> PersonMasks:
    """Masks drawn by hand, one polygon a person.

    Args:
        polygons: each at least three corners (x, y) in photo pixels.
        size: (height, width) of the photo.

    Returns:
        The pixels whose centres lie inside, by the even-odd rule.

    Raises:
        OcclusionError: a polygon has too few corners, is not finite, or holds no pixel.
    """
    masks = []
    for polygon in polygons:
        try:
            corners = np.asarray(polygon, dtype=np.float64)
        except (TypeError, ValueError):
            corners = np.empty(0)
        if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= 4096:
            raise OcclusionError("A drawn mask has 3 to 4096 corners (x, y) in photo pixels.")
        if not (np.abs(corners) <= 1e6).all():
            raise OcclusionError("The corners of a drawn mask are pixels, below a million.")
        masks.append(_filled(corners, size))
        if not masks[-1].any():
            raise OcclusionError("A drawn mask holds no pixel of the photo: draw it larger.")
    return PersonMasks(tuple(masks), "drawn", in_order=False)


def masks_of_file(source: Source, photo: Photo) -> PersonMasks:
    """Masks painted in a picture: black is nobody, every other colour is one person.

    A picture in more than 32 colours counts as one mask if it is grey: what is at least half bright
    is the person. A picture of another size but the same aspect is scaled to the photo.

    Args:
        source: a file, its bytes, or an array (see :func:`posekit.read_photo`).
        photo: what the masks are of.

    Raises:
        OcclusionError: the aspect differs, it is all black, or it has too many colours.
        PhotoError: it is no picture.
    """
    pixels = read_photo(source, name="The mask").pixels
    height, width = pixels.shape[:2]
    if abs(height * photo.width - width * photo.height) > max(photo.size) + max(height, width):
        raise OcclusionError(
            f"The mask is {width} x {height} pixels, which does not fit a photo of "
            f"{photo.width} x {photo.height}."
        )
    scaled = cv2.resize(pixels, (photo.width, photo.height), interpolation=cv2.INTER_NEAREST)
    pixels = np.asarray(scaled, dtype=np.uint8)
    code = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    colours = [int(value) for value in np.unique(code) if value]
    if not colours:
        raise OcclusionError("The mask is all black: paint the person in any other colour.")
    if len(colours) <= MOST_MASKS:
        return PersonMasks(tuple(code == value for value in colours), "file", in_order=False)
    if (pixels[..., :1] != pixels).any():
        raise OcclusionError(
            f"The mask has {len(colours)} colours: paint each person in one colour and save it as "
            "PNG, which keeps colours as they are."
        )
    return PersonMasks((pixels[..., 0] >= 128,), "file", in_order=False)


def masks_of_model(found: Segmented) -> PersonMasks | None:
    """The masks of a model that segments people; None when it does not, or found nobody."""
    masks = found.masks
    if not masks:
        return None
    return PersonMasks(tuple(masks[:MOST_MASKS]), "model")


def masks_by_another(found: Segmented) -> PersonMasks | None:
    """The masks that another model made of the same photo, for one that segments nobody.

    Each belongs to the person whose box it overlaps most. None when nobody was found.
    """
    held = masks_of_model(found)
    return None if held is None else PersonMasks(held.masks, "other", in_order=False)


def masks_of_limbs(prediction: Prediction) -> PersonMasks | None:
    """Capsules of average width round the keypoints found: an estimate, and labelled as one.

    Somebody of whom too little was found has an empty mask. None when that is everybody.
    """
    from posekit.data.body_parts import body_of

    size = prediction.photo.size
    masks = []
    for person in prediction.people[:MOST_MASKS]:
        known = person.found & (person.scores >= _LEAST_SCORE)
        body = body_of(person.keypoints, known, prediction.skeleton)
        empty = np.zeros(size, dtype=bool)
        masks.append(empty if body is None else body.draw(size, Affine.identity()))
    return PersonMasks(tuple(masks), "limbs") if any(mask.any() for mask in masks) else None


def best_masks(prediction: Prediction) -> PersonMasks | None:
    """The model's own masks if it has any, else those estimated from its keypoints, else None."""
    return masks_of_model(prediction) or masks_of_limbs(prediction)


def _filled(corners: npt.NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """The pixels whose centres are inside a polygon: an edge flips all that lie right of it."""
    inside = np.zeros(size, dtype=bool)
    x = np.arange(size[1])
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        low, high = min(y0, y1), max(y0, y1)
        rows = np.arange(max(0, int(np.ceil(low))), max(0, min(size[0], int(np.ceil(high)))))
        if len(rows):
            crossing = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
            inside[rows] ^= x >= crossing[:, None]
    return inside


def _overlap(mask: Mask, box: Box) -> float:
    """IoU of a mask's box with a box; 0 when the mask is empty."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0
    corners = (float(v) for v in (cols[0], rows[0], cols[-1], rows[-1]))
    return Box.from_corners(*corners).overlap(box)
