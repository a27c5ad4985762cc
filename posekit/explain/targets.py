"""What is to be explained, as one number read off the heatmaps.

A classifier has a logit a class; a pose model has maps. A target says which number of the maps
is meant. It is a small function of the model's output, ``(B, K, h, w)`` heatmaps to ``(B,)``
numbers, so that gradients, perturbations and metrics all ask the same question. Places are
(x, y) in heatmap pixels, pixel centres at the integers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from posekit.errors import ModelError, TraceError
from posekit.skeleton import Skeleton

__all__ = [
    "KeypointConfidence",
    "KeypointCoordinate",
    "KeypointPair",
    "KeypointPeak",
    "MaskTarget",
    "PersonTarget",
    "Target",
]


class Target(ABC):
    """One number of a model's heatmaps.

    Attributes:
        piecewise_linear: whether the number is a sum of heatmap values (for a maximum, while its
            pixel stays the same one), so that it can be divided among what made those values.
    """

    piecewise_linear: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,), differentiable."""

    @abstractmethod
    def places(self, heatmaps: Tensor) -> Tensor:
        """Where the number is read on one crop's maps (K, h, w): (n, 2) float32."""

    @abstractmethod
    def label(self, skeleton: Skeleton) -> str:
        """What is explained, in words."""


@dataclass(frozen=True)
class KeypointPeak(Target):
    """The value of a keypoint's heatmap at one place that stays put.

    It is the target of a clicked keypoint: the place is the pixel where the map was greatest when
    the photo was predicted, and a perturbation that moves the maximum away lowers the value.

    Attributes:
        keypoint: index of the heatmap.
        point: (x, y); between pixels the value is bilinear.
    """

    keypoint: int
    point: tuple[float, float]

    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,).

        Raises:
            TraceError: the place is not on the map.
        """
        maps = one_map(heatmaps, self.keypoint)
        (left, right, across), (top, bottom, down) = (
            _neighbours(at, size)
            for at, size in zip(self.point, (maps.shape[-1], maps.shape[-2]), strict=True)
        )
        upper = maps[:, top, left] * (1 - across) + maps[:, top, right] * across
        lower = maps[:, bottom, left] * (1 - across) + maps[:, bottom, right] * across
        return upper * (1 - down) + lower * down

    def places(self, heatmaps: Tensor) -> Tensor:
        """The one place."""
        return torch.tensor([self.point], dtype=torch.float32)

    def label(self, skeleton: Skeleton) -> str:
        """``left wrist``."""
        return skeleton.keypoints[self.keypoint]


@dataclass(frozen=True)
class KeypointConfidence(Target):
    """The maximum of a keypoint's heatmap, wherever it lies: the score of the keypoint."""

    keypoint: int

    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,)."""
        return one_map(heatmaps, self.keypoint).flatten(1).max(dim=-1).values

    def places(self, heatmaps: Tensor) -> Tensor:
        """The map's greatest pixel."""
        x, y = greatest_pixel(heatmaps[self.keypoint])
        return torch.tensor([[x, y]], dtype=torch.float32)

    def label(self, skeleton: Skeleton) -> str:
        """``confidence of left wrist``."""
        return f"confidence of {skeleton.keypoints[self.keypoint]}"


@dataclass(frozen=True)
class KeypointCoordinate(Target):
    """A keypoint's x or y in heatmap pixels, as the soft-argmax of its map.

    The expected pixel under ``softmax(sharpness * h / max(h))``; the division makes a weak map as
    sharp as a strong one. Sun et al., "Integral Human Pose Regression", ECCV 2018, equation 3.

    Attributes:
        keypoint: index of the heatmap.
        axis: ``x`` (to the right) or ``y`` (down).
        sharpness: large values approach the plain maximum, whose gradient is zero; small ones let
            the empty rest of the map pull towards its middle.
    """

    keypoint: int
    axis: Literal["x", "y"] = "x"
    sharpness: float = 15.0

    piecewise_linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y") or not self.sharpness > 0:
            raise TraceError("A coordinate is 'x' or 'y', read with a sharpness above zero.")

    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,)."""
        maps = one_map(heatmaps, self.keypoint)
        greatest = maps.flatten(1).amax(-1).clamp_min(1e-6)[:, None, None]
        share = (self.sharpness * maps / greatest).flatten(1).softmax(-1).view_as(maps)
        line = share.sum(1 if self.axis == "x" else 2)  # (B, w) or (B, h)
        return line @ torch.arange(line.shape[1], device=maps.device, dtype=maps.dtype)

    def places(self, heatmaps: Tensor) -> Tensor:
        """The map's greatest pixel."""
        return KeypointConfidence(self.keypoint).places(heatmaps)

    def label(self, skeleton: Skeleton) -> str:
        """``x of left wrist``."""
        return f"{self.axis} of {skeleton.keypoints[self.keypoint]}"


@dataclass(frozen=True)
class KeypointPair(Target):
    """Two keypoints at once, such as the ends of a limb: the sum of their values."""

    first: KeypointPeak
    second: KeypointPeak

    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,)."""
        return self.first(heatmaps) + self.second(heatmaps)

    def places(self, heatmaps: Tensor) -> Tensor:
        """The two places."""
        return torch.cat([self.first.places(heatmaps), self.second.places(heatmaps)])

    def label(self, skeleton: Skeleton) -> str:
        """``left elbow and left wrist``."""
        return f"{self.first.label(skeleton)} and {self.second.label(skeleton)}"


@dataclass(frozen=True)
class PersonTarget(Target):
    """A whole person: the mean value of several keypoints, each at its own place."""

    peaks: tuple[KeypointPeak, ...]

    def __post_init__(self) -> None:
        if not self.peaks:
            raise TraceError("A person is explained by at least one keypoint, and there is none.")

    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,)."""
        return torch.stack([peak(heatmaps) for peak in self.peaks]).mean(0)

    def places(self, heatmaps: Tensor) -> Tensor:
        """The place of each keypoint."""
        return torch.cat([peak.places(heatmaps) for peak in self.peaks])

    def label(self, skeleton: Skeleton) -> str:
        """``the person (14 keypoints)``."""
        return f"the person ({len(self.peaks)} keypoints)"


@dataclass(frozen=True, eq=False)
class MaskTarget(Target):
    """What the heatmaps hold on an instance: their mean over a mask.

    Attributes:
        mask: (h, w) share of each heatmap pixel that the instance covers, 0 to 1.
        keypoint: one heatmap; None is the sum over all of them.
        name: what the mask shows, in words.
    """

    mask: np.ndarray
    keypoint: int | None = None
    name: str = "mask"
    _total: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        mask = np.array(self.mask, dtype=np.float32)
        total = float(mask.sum())
        if mask.ndim != 2 or not np.isfinite(mask).all() or mask.min() < 0 or not total > 0:
            raise TraceError("A mask is a grid of shares from 0 to 1 and covers some pixel.")
        mask.flags.writeable = False
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "_total", total)

    def __call__(self, heatmaps: Tensor) -> Tensor:
        """(B, K, h, w) -> (B,).

        Raises:
            TraceError: the mask has another size than the maps.
        """
        maps = heatmaps.sum(1) if self.keypoint is None else one_map(heatmaps, self.keypoint)
        if maps.shape[-2:] != self.mask.shape:
            raise TraceError(
                f"A mask of {self.mask.shape} does not fit heatmaps of {tuple(maps.shape[-2:])}."
            )
        weight = torch.tensor(self.mask, device=maps.device, dtype=maps.dtype)
        return (maps * weight).sum((-2, -1)) / self._total

    def places(self, heatmaps: Tensor) -> Tensor:
        """The pixels more than half covered; every covered one when there are none such."""
        chosen = self.mask > 0.5 if (self.mask > 0.5).any() else self.mask > 0
        y, x = np.nonzero(chosen)
        return torch.tensor(np.stack([x, y], axis=-1), dtype=torch.float32)

    def label(self, skeleton: Skeleton) -> str:
        """``left wrist on the mask`` or ``all keypoints on the mask``."""
        what = "all keypoints" if self.keypoint is None else skeleton.keypoints[self.keypoint]
        return f"{what} on the {self.name}"


def one_map(heatmaps: Tensor, keypoint: int) -> Tensor:
    """One keypoint's map of each crop: (B, K, h, w) -> (B, h, w).

    Raises:
        ModelError: the model's output is not a stack of heatmaps.
        TraceError: it holds no such keypoint.
    """
    if heatmaps.ndim != 4:
        raise ModelError("This target reads keypoint heatmaps, which this model does not make.")
    if not 0 <= keypoint < heatmaps.shape[1]:
        raise TraceError(
            f"There is no keypoint {keypoint}: the model makes {heatmaps.shape[1]} heatmaps."
        )
    return heatmaps[:, keypoint]


def greatest_pixel(heatmap: Tensor) -> tuple[int, int]:
    """(x, y) of the greatest value of one map (h, w)."""
    index = int(heatmap.flatten().argmax())
    return index % heatmap.shape[-1], index // heatmap.shape[-1]


def _neighbours(at: float, size: int) -> tuple[int, int, float]:
    """The two pixels about a coordinate and the share of the second."""
    if not 0 <= at <= size - 1:
        raise TraceError(f"The place {at:g} does not lie on a heatmap of {size} pixels.")
    low = min(int(at), max(size - 2, 0))
    return low, min(low + 1, size - 1), at - low
