"""RISE's masks: coarse random cells, enlarged smoothly and shifted, drawn from a seed.

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation", BMVC 2018, section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.errors import TraceError

__all__ = ["RandomMasks"]

Size = tuple[int, int]

_CHUNK = 64  # masks enlarged at a time


@dataclass(frozen=True, eq=False)
class RandomMasks:
    """Masks kept as what they were drawn from, a few bits each, and enlarged when asked for.

    Attributes:
        size: (H, W) of a mask.
        cells: (N, rows + 1, cols + 1) float32, 1 for an open cell.
        shift: (N, 2) long, by how many pixels (down, across) each enlarged grid is moved.
        pixels: (down, across) pixels of a cell.
    """

    size: Size
    cells: Tensor
    shift: Tensor
    pixels: Size

    @classmethod
    def draw(cls, size: Size, count: int, cells: int, keep: float, seed: int) -> Self:
        """``count`` masks of ``size`` with ``cells`` cells on the longer side.

        Raises:
            TraceError: a count below 1, more cells than pixels, or a share not between 0 and 1.
        """
        if count < 1:
            raise TraceError(f"RISE needs at least one mask, not {count}.")
        if not 1 <= cells <= max(size):
            raise TraceError(f"A mask of {cells} cells a side does not fit a crop of {size}.")
        if not 0.0 < keep < 1.0:
            raise TraceError(f"The share of open cells lies between 0 and 1, not {keep!r}.")
        side = max(size) / cells
        rows, cols = (max(1, round(length / side)) for length in size)
        pixels = (-(-size[0] // rows), -(-size[1] // cols))
        dice = torch.Generator().manual_seed(seed)
        opened = (torch.rand(count, rows + 1, cols + 1, generator=dice) < keep).float()
        down = torch.randint(pixels[0], (count,), generator=dice)
        across = torch.randint(pixels[1], (count,), generator=dice)
        return cls(size, opened, torch.stack([down, across], dim=1), pixels)

    def __len__(self) -> int:
        return len(self.cells)

    def masks(self, part: slice) -> Tensor:
        """Some of the masks, enlarged: (B, H, W) float32 in 0 .. 1."""
        cells = self.cells[part]
        (down, across), (height, width) = self.pixels, self.size
        large = F.interpolate(
            cells[:, None],
            size=(cells.shape[1] * down, cells.shape[2] * across),
            mode="bilinear",
            align_corners=False,
        )[:, 0]
        return torch.stack(
            [
                one[y : y + height, x : x + width]
                for one, (y, x) in zip(large, self.shift[part].tolist(), strict=True)
            ]
        )

    def weighted_mean(self, values: Tensor) -> np.ndarray:
        """The mean of values (N, n) at each pixel, weighted by the masks: (n, H, W) float64."""
        total = torch.zeros(values.shape[1], self.size[0] * self.size[1], dtype=torch.float64)
        weight = torch.zeros(total.shape[1], dtype=torch.float64)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(self)))
            masks = self.masks(part).flatten(1).double()
            total += values[part].double().T @ masks
            weight += masks.sum(0)
        mean = total / weight.clamp_min(1e-12)
        return np.asarray(mean.unflatten(1, self.size).numpy())
