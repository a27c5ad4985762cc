"""Instance masks as COCO writes them, decoded when somebody looks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.data.cocotools import cocotools
from posekit.errors import DataError

__all__ = ["InstanceMask"]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class InstanceMask:
    """The pixels of one person in a photo of ``size`` (height, width).

    Attributes:
        segmentation: polygons ``[[x, y, x, y, ...], ...]`` in photo pixels, or run lengths
            ``{"size": [height, width], "counts": [...] or "..."}``.
        size: of the photo.

    Raises:
        DataError: it is neither, or of another size than the photo.
    """

    segmentation: Any
    size: Size

    def __post_init__(self) -> None:
        if not (self._is_polygons() or self._is_runs()):
            raise DataError(
                "A mask is a list of polygons of at least three corners, or run lengths for the "
                f"whole photo of {self.size[1]} x {self.size[0]} pixels."
            )

    @classmethod
    def of_array(cls, mask: npt.ArrayLike) -> InstanceMask:
        """From an (H, W) mask, truthy inside.

        Raises:
            PackageError: pycocotools is not installed.
        """
        array = np.asfortranarray(np.asarray(mask, dtype=bool).astype(np.uint8))
        runs = cocotools("mask").encode(array)
        return cls(runs, (array.shape[0], array.shape[1]))

    @cached_property
    def runs(self) -> dict[str, Any]:
        """Compressed run lengths, pycocotools' own form.

        Raises:
            DataError: the run lengths are damaged.
            PackageError: pycocotools is not installed.
        """
        tools, (height, width) = cocotools("mask"), self.size
        if self._is_polygons():
            parts = tools.frPyObjects([list(map(float, p)) for p in self.segmentation], *self.size)
            return dict(tools.merge(parts))
        counts = self.segmentation["counts"]
        if isinstance(counts, list | tuple):
            runs = {"size": [height, width], "counts": list(counts)}
            return dict(tools.frPyObjects(runs, height, width))
        counts = counts.encode("ascii") if isinstance(counts, str) else counts
        return {"size": [height, width], "counts": counts}

    @cached_property
    def array(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool, read-only.

        Raises:
            DataError: the run lengths are damaged.
            PackageError: pycocotools is not installed.
        """
        try:
            with warnings.catch_warnings():  # pycocotools is older than NumPy 2's copy rules
                warnings.simplefilter("ignore", DeprecationWarning)
                mask = np.asarray(cocotools("mask").decode(self.runs), dtype=bool)
        except (ValueError, TypeError) as error:
            raise DataError(f"The run lengths of a mask are damaged: {error}.") from error
        mask.setflags(write=False)
        return mask

    @property
    def area(self) -> float:
        """Square pixels inside."""
        return float(self.array.sum())

    def _is_polygons(self) -> bool:
        parts = self.segmentation
        return (
            isinstance(parts, Sequence)
            and not isinstance(parts, str | bytes)
            and len(parts) > 0
            and all(
                isinstance(part, Sequence)
                and len(part) >= 6
                and len(part) % 2 == 0
                and all(isinstance(v, int | float) and math.isfinite(v) for v in part)
                for part in parts
            )
        )

    def _is_runs(self) -> bool:
        runs = self.segmentation
        if not isinstance(runs, Mapping) or list(runs.get("size", ())) != list(self.size):
            return False
        counts = runs.get("counts")
        if isinstance(counts, list | tuple):
            whole = all(isinstance(count, int) and count >= 0 for count in counts)
            return whole and sum(counts) == self.size[0] * self.size[1]
        return isinstance(counts, str | bytes) and len(counts) > 0
