"""A model as Captum wants it: private, with frozen weights, and one number a crop.

Captum hooks layers, and hooks on a model are seen by everyone who uses it. So the gradient methods
work on a copy of the modules that shares the weights: nothing is left behind on the real one, two
threads do not meet, and no memory is spent on gradients of weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from posekit.errors import ModelError
from posekit.explain.asked import heatmaps_from
from posekit.explain.batches import Progress
from posekit.explain.targets import Target

__all__ = ["Numbers", "private_copy", "seeded", "with_gradients"]


class Numbers(nn.Module):
    """A network and several targets: which target is meant is chosen crop by crop.

    Args:
        module: the network.
        targets: the numbers to choose from.
        progress: called with (passes begun, ``total``) at every pass.
        total: passes expected.
    """

    def __init__(
        self,
        module: nn.Module,
        targets: Sequence[Target],
        progress: Progress | None = None,
        total: int = 0,
    ) -> None:
        super().__init__()
        self.network = module
        self.targets = tuple(targets)
        self.progress = progress
        self.total = total
        self.done = 0

    def forward(self, images: Tensor, which: Tensor) -> Tensor:
        """Crops (B, 3, H, W) and the index (B,) of the target meant for each -> (B,).

        Raises:
            ModelError: the model makes no heatmaps, or the target has no gradient.
        """
        heatmaps = heatmaps_from(self.network, images)
        values = torch.stack([target(heatmaps) for target in self.targets], dim=1)
        chosen = values.gather(1, which[:, None])[:, 0]
        if torch.is_grad_enabled() and not chosen.requires_grad:
            raise ModelError(
                "No gradient leads from this model's heatmaps back to the photo: "
                "use a perturbation method instead."
            )
        self.done = min(self.done + len(images), self.total)
        if self.progress is not None:
            self.progress(self.done, self.total)
        return chosen


def private_copy(module: nn.Module) -> nn.Module:
    """The same network, the same weights in the same memory, in modules of its own.

    The weights of the copy take no gradient.
    """
    memo: dict[int, object] = {
        id(weight): nn.Parameter(weight.detach(), requires_grad=False)
        for weight in module.parameters()
    }
    memo.update({id(buffer): buffer.detach() for buffer in module.buffers()})
    copied: nn.Module = copy.deepcopy(module, memo)
    return copied.eval()


@contextmanager
def with_gradients() -> Iterator[None]:
    """Gradients on, also inside a caller's ``inference_mode`` or ``no_grad``."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Captum draws its noise from the global generators: set them, and put them back after."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)
