"""The grid of the OpenPose line: what a cell is, how wide targets are, which way limbs point.

Liu, Luo, Du, Ikenaga, "Self-Supervision and Spatial-Sequential Attention Loss", 2021,
arXiv 2110.10734, of which only the abstract is known here. The conventions are those of the public
code of the same author's earlier work ([code]), or this project's ([ours]), as the tags say.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from posekit.affine import Affine
from posekit.geometry import TokenGrid
from posekit.skeleton import Skeleton

__all__ = ["PafGrid", "limbs_outward"]

Size = tuple[int, int]


@dataclass(frozen=True)
class PafGrid:
    """How pixels of the network's input relate to the cells of its output.

    Cell (u, v), column and row, is a block of ``stride`` x ``stride`` pixels; with stride 8 its
    centre is (8 u + 3.5, 8 v + 3.5) [code].

    Attributes:
        stride: pixels a cell covers along each side.
        sigma: of the heatmaps' Gaussians, input pixels [code: 7].
        band: how far to each side of a limb its field reaches, input pixels [code: 8].
        overshoot: how far beyond a limb's ends its field reaches, input pixels [ours].
        band_shape: ``"projection"`` ends the field square to the limb [ours]; ``"box"`` at the
            limb's bounding box grown by ``band``, whose ends are slanted [code].
        wide: the eight blocks around a keypoint's own carry an offset to it as well [ours].
    """

    stride: int = 8
    sigma: float = 7.0
    band: float = 8.0
    overshoot: float = 4.0
    band_shape: Literal["projection", "box"] = "projection"
    wide: bool = False

    @property
    def first(self) -> float:
        """Pixel coordinate of the first cell's centre, on both axes."""
        return (self.stride - 1) / 2

    @property
    def to_input(self) -> Affine:
        """The map from cell coordinates (column, row) to input pixels."""
        return Affine.scaling((self.stride, self.stride), (self.first, self.first))

    def tokens(self, size: Size) -> TokenGrid:
        """Where the cells of maps of (h, w) lie on the input."""
        return TokenGrid(size[0], size[1], self.to_input)

    def centres(self, size: Size, like: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel coordinates of the cells' centres: x (w,) and y (h,), on the device of ``like``."""
        y, x = (
            torch.arange(count, device=like.device, dtype=torch.float32) * self.stride + self.first
            for count in size
        )
        return x, y


@cache
def limbs_outward(skeleton: Skeleton) -> tuple[int, ...]:
    """Indices of a skeleton's limbs from the neck outward, the order people are assembled in.

    [code] assembles along the skeleton from the neck; here any skeleton, breadth first from its
    neck, or from its first keypoint when it has none [ours]. Limbs that close a cycle come when
    their second end is reached.
    """
    names = skeleton.keypoints
    root = next((i for i, name in enumerate(names) if name in ("neck", "upper neck")), 0)
    order: list[int] = []
    seen, queue = {root}, deque([root])
    while queue:
        here = queue.popleft()
        for index, limb in enumerate(skeleton.limbs):
            if here in limb and index not in order:
                order.append(index)
                other = limb[1] if limb[0] == here else limb[0]
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
    order += [i for i in range(len(skeleton.limbs)) if i not in order]  # not joined to the root
    return tuple(order)
