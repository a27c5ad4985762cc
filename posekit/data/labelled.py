"""What every reader of a data set yields: labelled people, alone or by the photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.data.mask import InstanceMask
from posekit.errors import BoxError, DataError
from posekit.geometry import Box
from posekit.people import MIN_BOX_SIDE
from posekit.photo import Photo
from posekit.skeleton import LSP14, Skeleton

__all__ = ["LabelledPerson", "LabelledPhoto", "box_around", "boxable", "inside", "reaches_into"]

MASK_SHARE = 0.53
"""Of a box the person covers about so much: CrowdPose's yardstick, whose file has no areas."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelledPerson:
    """One person of a data set.

    Attributes:
        photo: the photograph.
        keypoints: (K, 2) photo pixels, meaningful where ``labelled``.
        labelled: (K,) bool.
        skeleton: names the keypoints.
        visible: (K,) bool, labelled and seen; None where the data set does not tell.
        given_box: the data set's own box, None where it has none.
        mask: which pixels are the person's, None where the data set does not tell.
        area: square pixels of the person, by which OKS scales, None where it is not given.
        crowd: a region of many people rather than one; never trained on, never missed.
        ignore: a person whom measuring passes over.
        image_id: the data set's own name for the photograph.
    """

    photo: Photo
    keypoints: Floats
    labelled: Bools
    skeleton: Skeleton = LSP14
    visible: Bools | None = None
    given_box: Box | None = None
    mask: InstanceMask | None = None
    area: float | None = None
    crowd: bool = False
    ignore: bool = False
    image_id: int | str | None = None

    @property
    def label_box(self) -> Box:
        """The smallest box around the labelled keypoints.

        Raises:
            DataError: no keypoint is labelled.
        """
        return box_around(self.keypoints, self.labelled)

    @property
    def box(self) -> Box:
        """The data set's own box, or else the one around the labelled keypoints."""
        return self.label_box if self.given_box is None else self.given_box

    @property
    def oks_area(self) -> float:
        """The area that OKS scales by: the person's own, or 0.53 of the box as CrowdPose has it."""
        return self.area if self.area is not None else MASK_SHARE * self.box.area

    @property
    def single(self) -> bool:
        """Whether this is one person to learn from or to measure on."""
        return not (self.crowd or self.ignore)


@dataclass(frozen=True, eq=False)
class LabelledPhoto:
    """A photograph with everybody labelled in it, crowds and people to ignore included.

    Attributes:
        photo: the photograph.
        people: perhaps nobody.
        skeleton: names the keypoints.
        image_id: the data set's own name for it.
    """

    photo: Photo
    people: tuple[LabelledPerson, ...]
    skeleton: Skeleton
    image_id: int | str | None = None


def box_around(keypoints: Floats, labelled: Bools) -> Box:
    """The smallest box around the labelled keypoints; at least two pixels wide and high.

    Raises:
        DataError: no keypoint is labelled.
    """
    known = keypoints[labelled]
    if not len(known):
        raise DataError("A person without labelled keypoints has no box around them.")
    low, high = known.min(0), known.max(0)
    # One labelled keypoint, or several on a line, leave no area; a crop needs some.
    short = np.maximum(MIN_BOX_SIDE - 1 - (high - low), 0) / 2
    return Box.from_corners(*(low - short), *(high + short))


def inside(keypoints: Floats, photo_size: tuple[int, int]) -> Bools:
    """Which of (..., 2) points lie on a photo of (height, width), up to a pixel off its edge.

    Labels at x = width are usual: rounding, or counting from 1.
    """
    height, width = photo_size
    return np.asarray(((keypoints >= -1) & (keypoints <= (width, height))).all(-1))


def reaches_into(box: Box, photo_size: tuple[int, int]) -> bool:
    """Whether enough of a box lies on the photo to look at it; see ``check_boxes``."""
    try:
        clipped = box.clipped(photo_size)
    except BoxError:
        return False
    return min(clipped.width, clipped.height) >= MIN_BOX_SIDE


def boxable(keypoints: Floats, labelled: Bools, photo_size: tuple[int, int]) -> bool:
    """Whether the labels of a person make a box that can be looked at."""
    return bool(labelled.any()) and reaches_into(box_around(keypoints, labelled), photo_size)
