"""What every occluder can do: say what it covers, be drawn, be moved, be written down.

Everything is in photo pixels, pixel centres at the integers. A pixel is covered when its centre is,
wholly or not at all, so that what an occluder hides can be counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from posekit.errors import OcclusionError
from posekit.geometry import Box
from posekit.photo import Photo

__all__ = ["Mask", "Occluder", "Pixels", "Point", "check_near", "inside", "numbers_of"]

Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Point = tuple[float, float]

_FARTHEST = 1e6  # px: where no photo reaches


class Occluder(ABC):
    """Something in front of a photo; immutable.

    Attributes:
        kind: its name in JSON.
    """

    kind: ClassVar[str]

    @property
    def knocks_out(self) -> bool:
        """Whether it leaves the photo as it is, and what it covers may not be looked at."""
        return False

    @property
    def sort(self) -> str:
        """Its kind in words, such as ``knocked-out rectangle``."""
        kind = {"patch": "piece", "cutout": "cut-out"}.get(self.kind, self.kind)
        return f"knocked-out {kind}" if self.knocks_out else kind

    @property
    def filled(self) -> str:
        """Its kind and what it is made of, such as ``grey rectangle`` or ``piece of the photo``."""
        return {"patch": "piece of the photo"}.get(self.kind, self.sort)

    @property
    @abstractmethod
    def box(self) -> Box:
        """The smallest box round it, which may reach beyond the photo."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What it is, such as ``rectangle of 40 x 30 px``."""

    @abstractmethod
    def moved(self, dx: float, dy: float) -> Occluder:
        """The same thing, so many pixels to the right and down."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """It as plain values; :func:`posekit.occlusion.occluder_from_dict` reads them."""

    @abstractmethod
    def _draw(self, photo: Photo) -> tuple[Mask, Pixels]:
        """(H, W) what is covered, and (H, W, 3) or (3,) what is seen there."""

    def cover(self, photo: Photo) -> Mask:
        """(H, W) bool, the pixels it covers.

        Raises:
            OcclusionError: no pixel of the photo is.
        """
        return self.drawn(photo)[0]

    def apply(self, photo: Photo) -> Photo:
        """The photo with this in front; pixels that are not covered stay as they are.

        Raises:
            OcclusionError: no pixel of the photo is covered.
        """
        return self.drawn(photo)[1]

    def drawn(self, photo: Photo) -> tuple[Mask, Photo]:
        """What :meth:`cover` and :meth:`apply` give, for the price of one.

        Raises:
            OcclusionError: no pixel of the photo is covered.
        """
        covered, seen = self._draw(photo)
        if not covered.any():
            raise OcclusionError(
                f"The {self.words} covers no pixel of the photo, which is {photo.width} x "
                f"{photo.height} pixels: move it into the photo or make it larger."
            )
        pixels = photo.pixels.copy()
        pixels[covered] = seen if seen.ndim == 1 else seen[covered]
        pixels.setflags(write=False)
        return covered, Photo(pixels, photo.name)


def inside(box: Box, size: tuple[int, int]) -> Mask:
    """(H, W) bool, the pixels whose centres lie within a box's outer edges."""
    left, top, right, bottom = box.edges
    x, y = np.arange(size[1]), np.arange(size[0])
    return ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))


def numbers_of(box: Box) -> list[float]:
    """A box as [x, y, width, height]."""
    return [box.x, box.y, box.width, box.height]


def check_near(*values: float) -> None:
    """Refuse numbers that are not finite or lie where no photo reaches."""
    if not all(np.isfinite(value) and abs(value) <= _FARTHEST for value in values):
        raise OcclusionError(
            "The places and sizes of an occluder are finite numbers of pixels, below a million."
        )
