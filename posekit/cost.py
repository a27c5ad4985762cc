"""What a model costs: parameters, multiply-accumulates, milliseconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from posekit.device import autocast
from posekit.zoo import PoseModel, entry

LONGEST = 20.0
"""Seconds after which no further pass is timed: a large network on a CPU takes seconds for one."""


@dataclass(frozen=True)
class Cost:
    """One input through a model: a person's crop, or a whole photo of the model's own input size.

    Of a network that reads poses query by query, all are read, which is the most it can cost: on a
    photo only those of the people found are.

    Attributes:
        of: ``"person"`` for a model of crops, ``"photo"`` for one of whole photos.
        parameters: numbers in the network, its position table included.
        macs: multiply-accumulates of convolutions, linear layers and attention.
        milliseconds: median time of a forward pass, nothing recorded.
        passes: how many were timed.
        input_size: (height, width) in pixels.
        device: where that was timed.
        threads: how many CPU threads it had.
    """

    of: str
    parameters: int
    macs: int
    milliseconds: float
    passes: int
    input_size: tuple[int, int]
    device: str
    threads: int

    @property
    def figures(self) -> Mapping[str, float]:
        """The figures that a model card shows."""
        return {f"milliseconds a {self.of}": self.milliseconds, "GMACs": round(self.macs / 1e9, 2)}

    @property
    def details(self) -> Mapping[str, Any]:
        """What else a model card keeps."""
        return {"passes": self.passes, "threads": self.threads, "input": list(self.input_size)}


def macs(name: str) -> int:
    """Multiply-accumulates of one crop or photo through a model, counted without computing."""
    about = entry(name)
    with torch.device("meta"):
        module = about.build().eval().requires_grad_(False)  # else the counter follows gradients
        image = torch.empty(1, 3, *about.input_size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(image)
    return counter.get_total_flops() // 2


def cost(model: PoseModel, repeats: int = 10, longest: float = LONGEST) -> Cost:
    """Measure a loaded model on its device, after a warm-up.

    Args:
        model: see :func:`posekit.load`.
        repeats: timed passes; their median counts.
        longest: seconds; once they are over no further pass is begun, but one is always timed.
    """
    image = torch.zeros(1, 3, *model.entry.input_size, device=model.device)
    seconds: list[float] = []
    with torch.inference_mode(), autocast(model.device):
        timed_pass(model, image)  # warms up
        began = time.perf_counter()
        while not seconds or (
            len(seconds) < repeats and time.perf_counter() - began + seconds[-1] < longest
        ):
            seconds.append(timed_pass(model, image))
    return Cost(
        of="photo" if model.entry.view == "photo" else "person",
        parameters=sum(p.numel() for p in model.module.parameters()),
        macs=macs(model.name),
        milliseconds=round(1000 * statistics.median(seconds), 1),
        passes=len(seconds),
        input_size=model.entry.input_size,
        device=str(model.device),
        threads=torch.get_num_threads(),
    )


def timed_pass(model: PoseModel, image: torch.Tensor) -> float:
    """Seconds that one forward pass takes."""
    start = time.perf_counter()
    model.module(image)
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    return time.perf_counter() - start
