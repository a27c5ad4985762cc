"""What a perturbation is laid on: the photo that enters the network, or the tokens after the CNN.

A mask of cells says how much of each cell stays (1) and how much gives way to a baseline (0). On
the photo the whole network runs again for every mask. On the tokens the CNN runs once; only the
encoder and the head run again. Occlusion, RISE, deletion and insertion are all sets of masks and
know nothing of models.

A model joins by two methods (:class:`TokenModel`); one without them still works on the photo.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from posekit.affine import Affine
from posekit.device import autocast
from posekit.errors import ModelError, TraceError
from posekit.explain.asked import heatmaps_from, network_of
from posekit.explain.batches import Progress, in_batches
from posekit.explain.heat import pixel_grid
from posekit.explain.targets import Target
from posekit.explain.together import Questions
from posekit.geometry import TokenGrid

__all__ = [
    "PHOTO_BASELINES",
    "TOKEN_BASELINES",
    "Maskable",
    "Surface",
    "TokenModel",
    "photo_baseline",
    "photo_surface",
    "read",
    "square_grid",
    "token_grid",
    "token_surface",
]

Size = tuple[int, int]

PHOTO_BASELINES = ("mean", "black", "blur")
"""What can stand in for the photo: the mean colour the model was trained with, black, a blur."""

TOKEN_BASELINES = ("mean", "zero", "blank")
"""What can stand in for a token: the crop's mean token, zeros, or that place of an empty photo."""

BLUR = 0.06
"""Sigma of the blur in units of the crop's longer side: no limb survives it."""


@runtime_checkable
class TokenModel(Protocol):
    """A model whose forward pass is ``read_tokens(make_tokens(images), input_size)``."""

    def make_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, T, d), in the order of the token grid."""

    def read_tokens(self, tokens: Tensor, input_size: Size) -> Tensor:
        """(B, T, d) -> heatmaps (B, K, h, w)."""

    def token_grid(self, input_size: Size) -> TokenGrid:
        """Where the tokens lie on the crop."""


class Maskable(ABC):
    """Something that masks can close parts of: the photo, tokens, or looks at tokens.

    Attributes:
        grid: the cells that masks speak of.
    """

    grid: TokenGrid

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it lies."""

    @abstractmethod
    def values(self, masks: Tensor, targets: Sequence[Target]) -> Tensor:
        """The targets behind masks (B, rows, cols) in 0 .. 1: (B, n) float32, in main memory."""

    def sweep(
        self,
        masks: Callable[[slice], Tensor],
        count: int,
        targets: Sequence[Target],
        batch_size: int,
        progress: Progress | None = None,
    ) -> Tensor:
        """The targets behind ``count`` masks, made a batch at a time: (count, n) float32."""
        parts = in_batches(
            lambda part: self.values(masks(part), targets),
            count,
            batch_size,
            self.device,
            progress,
        )
        return torch.cat([values for _, values in parts])


@dataclass(frozen=True, eq=False)
class Surface(Maskable):
    """What a network sees, with masks that hide parts of it.

    Attributes:
        base: what the network sees, (1, C, rows, cols): the crop's pixels, or its tokens.
        baseline: what stands in for it, same shape.
        run: (B, C, rows, cols) -> heatmaps (B, K, h, w).
        grid: the cells that masks speak of.
        cell: (rows, cols) of ``base``, long: the index of the cell that each place belongs to,
            ``grid.tokens`` for a place that belongs to none and therefore always stays. None when
            every place is its own cell.
    """

    base: Tensor
    baseline: Tensor
    run: Callable[[Tensor], Tensor]
    grid: TokenGrid
    cell: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.base.device

    def masked(self, masks: Tensor) -> Tensor:
        """What the network would see behind masks (B, rows, cols): (B, C, rows, cols)."""
        masks = masks.to(self.base)
        if self.cell is not None:
            open_ended = torch.cat([masks.flatten(1), masks.new_ones(len(masks), 1)], dim=1)
            masks = open_ended[:, self.cell.flatten()].unflatten(1, tuple(self.cell.shape))
        return torch.lerp(self.baseline, self.base, masks[:, None])

    @torch.inference_mode()
    def values(self, masks: Tensor, targets: Sequence[Target]) -> Tensor:
        """The targets behind masks (B, rows, cols) in 0 .. 1: (B, n) float32, in main memory."""
        with autocast(self.device):
            heatmaps = self.run(self.masked(masks)).float()
        return torch.stack([target(heatmaps) for target in targets], dim=1).cpu()


def photo_surface(
    asked: Questions, baseline: str | Tensor = "mean", grid: TokenGrid | None = None
) -> Surface:
    """The crop of a person, in cells of ``grid`` (None: every pixel for itself).

    Raises:
        TraceError: no such baseline.
    """
    image, network = asked.image(), network_of(asked.prediction, asked.person)
    size = (image.shape[-2], image.shape[-1])
    with torch.inference_mode():
        base = photo_baseline(asked, image, baseline)
    cell = None
    if grid is not None:
        pixels = pixel_grid(size).centres()
        index = grid.token_at(pixels)  # -1 outside every cell
        places = np.where(index < 0, grid.tokens, index).reshape(size)
        cell = torch.from_numpy(places).to(image.device)
    run = _heatmaps(network)
    return Surface(image, base, run, pixel_grid(size) if grid is None else grid, cell)


def token_surface(asked: Questions, baseline: str | Tensor = "mean") -> Surface:
    """The tokens of a person's crop: the CNN has run, the encoder and the head run again.

    Raises:
        ModelError: the model cannot be entered between its CNN and its encoder.
        TraceError: no such baseline.
    """
    module = asked.prediction.model.module
    if not isinstance(module, TokenModel):
        raise ModelError(
            "This model cannot be run from its tokens on, because it has none between a CNN and an "
            "encoder: occlude the photo instead."
        )
    image = asked.image()
    size = (image.shape[-2], image.shape[-1])
    grid = module.token_grid(size)

    def places(tokens: Tensor) -> Tensor:  # (B, T, d) -> (B, d, rows, cols)
        return tokens.float().transpose(1, 2).unflatten(-1, grid.size)

    def run(features: Tensor) -> Tensor:
        return module.read_tokens(features.flatten(2).transpose(1, 2), size)

    with torch.inference_mode(), autocast(image.device):
        base = places(module.make_tokens(image))
        if isinstance(baseline, Tensor):
            chosen = baseline.to(base).expand_as(base)
        elif baseline == "mean":
            chosen = base.mean((-2, -1), keepdim=True).expand_as(base)
        elif baseline == "zero":
            chosen = torch.zeros_like(base)
        elif baseline == "blank":
            chosen = places(module.make_tokens(torch.zeros_like(image)))
        else:
            raise _unknown(baseline, TOKEN_BASELINES)
    return Surface(base, chosen, run, grid)


def photo_baseline(asked: Questions, image: Tensor, name: str | Tensor) -> Tensor:
    """What stands in for a crop (1, 3, H, W), normalised as the network wants it.

    Raises:
        TraceError: no such baseline.
    """
    if isinstance(name, Tensor):
        return name.to(image).expand_as(image)
    if name == "mean":
        return torch.zeros_like(image)
    if name == "black":
        return asked.prediction.model.entry.normalised(torch.zeros_like(image))
    if name == "blur":
        pixels = image[0].permute(1, 2, 0).cpu().numpy()
        sigma = BLUR * max(image.shape[-2:])
        blurred = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return torch.from_numpy(blurred).permute(2, 0, 1)[None].to(image).contiguous()
    raise _unknown(name, PHOTO_BASELINES)


def read(surface: Surface, targets: Sequence[Target]) -> tuple[Tensor, Tensor]:
    """The targets with everything in place and with nothing: two times (n,) float32."""
    rows, cols = surface.grid.size
    masks = torch.stack([torch.ones(rows, cols), torch.zeros(rows, cols)])
    full, empty = surface.sweep(lambda part: masks[part], 2, targets, 2)
    return full, empty


def square_grid(size: Size, side: int) -> TokenGrid:
    """Squares of ``side`` pixels that cover a crop of ``size``, from its top-left corner.

    Raises:
        TraceError: the side is not a whole number of pixels within the crop.
    """
    if side != int(side) or not 1 <= side <= min(size):
        raise TraceError(f"A square of {side} pixels does not fit a crop of {size[1]} x {size[0]}.")
    rows, cols = -(-size[0] // side), -(-size[1] // side)
    middle = (side - 1) / 2
    return TokenGrid(rows, cols, Affine.scaling((side, side), (middle, middle)))


def token_grid(asked: Questions, otherwise: int = 8) -> TokenGrid:
    """The model's token grid on the crop; squares of some pixels for a model without one."""
    module: nn.Module = asked.prediction.model.module
    size = asked.crop.size
    make = getattr(module, "token_grid", None)
    grid = make(size) if callable(make) else None
    return grid if isinstance(grid, TokenGrid) else square_grid(size, otherwise)


def _heatmaps(module: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda images: heatmaps_from(module, images)


def _unknown(name: object, known: Sequence[str]) -> TraceError:
    return TraceError(f"There is no baseline {name!r}: choose one of {', '.join(known)}.")
