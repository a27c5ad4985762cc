"""How a method of Captum is run: within memory, with progress, and through noise when asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.asked import network_of
from posekit.explain.batches import Progress, within_memory
from posekit.explain.differentiable import Numbers, private_copy, seeded, with_gradients
from posekit.explain.together import Questions

__all__ = ["GRADIENT_BATCH", "Attribute", "Noise", "Tunnel", "run"]

Tunnel = Literal["smoothgrad", "smoothgrad_sq", "vargrad"]

GRADIENT_BATCH = 8
"""Passes at once: one that keeps its graph takes several times the memory of one without."""

Attribute = Callable[[Numbers, Tensor, Tensor, int], tuple[Tensor, float | None]]
"""(numbers, image (1, 3, H, W), which (1,), passes at once) -> attribution (1, 3, H, W), delta."""


class Noise:
    """Captum's noise tunnel, or none: how often a method is asked and with what noise."""

    def __init__(self, samples: int, noise: float, tunnel: str, seed: int) -> None:
        if samples < 0 or not noise >= 0:
            raise TraceError("A noise tunnel has 0 or more samples, and noise of 0 or more.")
        if tunnel not in ("smoothgrad", "smoothgrad_sq", "vargrad"):
            raise TraceError(
                f"There is no noise tunnel {tunnel!r}: use smoothgrad, smoothgrad_sq or vargrad."
            )
        self.samples, self.noise, self.tunnel, self.seed = samples, noise, tunnel, seed

    @property
    def options(self) -> dict[str, Any]:
        """What belongs into the map's options."""
        if not self.samples:
            return {}
        names = ("noise_samples", "noise", "tunnel", "seed")
        return dict(zip(names, (self.samples, self.noise, self.tunnel, self.seed), strict=True))

    def passes(self, once: int) -> int:
        """Passes in all, when the method takes ``once`` on one crop."""
        return once * max(1, self.samples)

    def around(self, kind: Callable[[Numbers], Any], **arguments: Any) -> Attribute:
        """One of Captum's methods, with the noise tunnel about it when there is one."""
        from captum.attr import NoiseTunnel

        def compute(
            numbers: Numbers, image: Tensor, which: Tensor, size: int
        ) -> tuple[Tensor, float | None]:
            captum = kind(numbers)
            given = {"additional_forward_args": (which,), **arguments}
            complete = bool(captum.has_convergence_delta())
            at_once = size
            if complete:  # integrated gradients: the points of one line are the batch
                given |= {"internal_batch_size": size, "return_convergence_delta": True}
                at_once = 1
            if not self.samples:
                found = captum.attribute(image, **given)
            else:
                with seeded(self.seed, image.device):
                    found = NoiseTunnel(captum).attribute(
                        image,
                        nt_type=self.tunnel,
                        nt_samples=self.samples,
                        nt_samples_batch_size=at_once,
                        stdevs=float(self.noise),
                        **given,
                    )
            if complete:
                return found[0], float(found[1].mean())
            return found, None

        return compute


def run(
    asked: Questions,
    compute: Attribute,
    passes: int,
    batch_size: int,
    progress: Progress | None = None,
) -> tuple[np.ndarray, list[float] | None]:
    """Attributions (n, 3, H, W) float32 of each question and, where the method has them, deltas."""
    targets = asked.targets
    with with_gradients():
        image = asked.image()
        network = private_copy(network_of(asked.prediction, asked.person))
        numbers = Numbers(network, targets, progress, passes * len(targets))
        values, deltas = [], []
        for n in range(len(targets)):
            which = torch.tensor([n], device=image.device)

            def attempt(size: int, which: Tensor = which) -> tuple[Tensor, float | None]:
                return compute(numbers, image.clone().requires_grad_(), which, size)

            value, delta = within_memory(attempt, batch_size, image.device)
            values.append(value.detach()[0].cpu().numpy())
            if delta is not None:
                deltas.append(delta)
    return np.stack(values), deltas or None
