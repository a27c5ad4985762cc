"""What a model costs: parameters, multiply-accumulates, milliseconds."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from posekit.device import autocast
from posekit.zoo import PoseModel, entry


@dataclass(frozen=True)
class Cost:
    """One person through a model.

    Attributes:
        parameters: numbers in the network, its position table included.
        macs: multiply-accumulates of convolutions, linear layers and attention.
        milliseconds: median time of a forward pass, nothing recorded.
        device: where that was timed.
        threads: how many CPU threads it had.
    """

    parameters: int
    macs: int
    milliseconds: float
    device: str
    threads: int


def macs(name: str) -> int:
    """Multiply-accumulates of one crop through the model ``name``, counted without computing."""
    about = entry(name)
    with torch.device("meta"):
        module = about.build().eval().requires_grad_(False)  # else the counter follows gradients
        image = torch.empty(1, 3, *about.input_size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(image)
    return counter.get_total_flops() // 2


def cost(model: PoseModel, repeats: int = 10) -> Cost:
    """Measure a loaded model on its device, after a warm-up.

    Args:
        model: see :func:`posekit.load`.
        repeats: timed passes; their median counts.
    """
    image = torch.zeros(1, 3, *model.entry.input_size, device=model.device)
    seconds = []
    with torch.inference_mode(), autocast(model.device):
        for _ in range(repeats + 2):
            start = time.perf_counter()
            model.module(image)
            if model.device.type == "cuda":
                torch.cuda.synchronize(model.device)
            seconds.append(time.perf_counter() - start)
    return Cost(
        parameters=sum(p.numel() for p in model.module.parameters()),
        macs=macs(model.name),
        milliseconds=round(1000 * statistics.median(seconds[2:]), 1),
        device=str(model.device),
        threads=torch.get_num_threads(),
    )
