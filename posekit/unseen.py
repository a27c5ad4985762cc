"""A part of the photo that no token may look at: a knockout drawn on the photo.

Which tokens lie there depends on the crop and on each layer's grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from posekit.errors import ModelError, OcclusionError
from posekit.geometry import Crop, TokenGrid, token_cover
from posekit.knockout import Looks, forbid
from posekit.trace import Attention

__all__ = ["Unseen", "tokens_under"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Unseen:
    """Tokens that nobody may look at, in every attention between places of the photo.

    Attributes:
        keys: (N, tokens) bool for N crops, by the path of the attention layer in the network.
    """

    keys: Mapping[str, Tensor]

    @classmethod
    def of(
        cls,
        network: nn.Module,
        layers: Mapping[str, tuple[nn.Module, Attention]],
        crops: Sequence[Crop],
        masks: Sequence[Mask | None],
    ) -> Unseen:
        """The tokens under masks.

        Args:
            network: what attends.
            layers: see :func:`posekit.knockout.attention_modules`.
            crops: where each crop lies in its photo.
            masks: (H, W) in photo pixels, one for each crop; None hides nothing.

        Raises:
            ModelError: no layer attends between places of the photo.
            OcclusionError: a mask hides every token, so that nothing would be left to look at.
        """
        paths = {module: path for path, module in network.named_modules()}
        known: dict[tuple[object, ...], Tensor] = {}  # layers of an encoder share one grid
        keys = {}
        for module, attention in layers.values():
            grid = attention.key_grid
            if not isinstance(grid, TokenGrid) or not isinstance(attention.query_grid, TokenGrid):
                continue
            key = (*grid.size, grid.to_input.matrix.tobytes())
            if key not in known:
                rows = [
                    np.zeros(grid.tokens, dtype=bool)
                    if mask is None
                    else tokens_under(mask, crop, grid)
                    for crop, mask in zip(crops, masks, strict=True)
                ]
                known[key] = torch.from_numpy(np.stack(rows))
            keys[paths[module]] = known[key]
        if not keys:
            raise ModelError(
                "This model has no attention between places of the photo that could be blocked: "
                "cover the photo instead."
            )
        return cls(keys)

    def part(self, crops: slice) -> Unseen:
        """Of some of the crops."""
        return Unseen({path: keys[crops] for path, keys in self.keys.items()})

    @contextmanager
    def hidden(self, network: nn.Module) -> Iterator[None]:
        """Run the network, or a copy of it, without those looks.

        Raises:
            ModelError: a layer did not ask what is forbidden, so that nothing was blocked there.
        """
        device = next(network.parameters()).device
        looks = {
            network.get_submodule(path): Looks(None, keys.to(device))
            for path, keys in self.keys.items()
        }
        with forbid(looks) as ran:
            yield
        if len(ran) < len(looks):
            raise ModelError(
                "This model's attention cannot be blocked: its layers do not ask what is forbidden."
            )


def tokens_under(mask: Mask, crop: Crop, grid: TokenGrid) -> Mask:
    """Which tokens of a crop a mask hides: (tokens,) bool.

    Those whose cells it covers by half, or the one that it covers most where there are none.

    Args:
        mask: (H, W) in photo pixels.
        crop: where the crop lies in the photo.
        grid: where the tokens lie in the crop.

    Raises:
        OcclusionError: it hides every token, or does not have the photo's size.
    """
    if mask.shape != crop.photo_size:
        height, width = crop.photo_size
        raise OcclusionError(
            f"What is knocked out is a mask of the photo's {height} x {width} pixels, rows first; "
            f"this one has the shape {mask.shape}."
        )
    cover = token_cover(mask, crop.to_photo @ grid.to_input, grid.size).ravel()
    most = float(cover.max())
    if most <= 0:
        return np.zeros(grid.tokens, dtype=bool)
    hidden = cover >= 0.5 if most >= 0.5 else np.arange(grid.tokens) == cover.argmax()
    if hidden.all():
        raise OcclusionError(
            "Every token would be out of sight, and nothing left to look at: make it smaller."
        )
    return np.asarray(hidden)
