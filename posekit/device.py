"""Where a model runs: CUDA, Apple's MPS or the CPU, and in which precision."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from posekit.errors import ModelError

__all__ = [
    "autocast",
    "choose_device",
    "cpu_copy",
    "is_out_of_memory",
    "multiplies_bf16",
    "release_memory",
]


def choose_device(device: str | torch.device | None = "auto") -> torch.device:
    """The device to run on.

    Args:
        device: ``"auto"`` or None for the fastest one present; otherwise a device as torch names
            it: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises:
        ModelError: this machine does not have the device that was asked for, or torch knows no
            device of that name.
    """
    if device is None or device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        wanted = None
    if wanted is None or wanted.type not in ("cpu", "cuda", "mps"):
        raise ModelError(f"There is no device {str(device)!r}; use auto, cpu, cuda or mps.")
    if wanted.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise ModelError("This machine has no CUDA GPU that torch can use; choose auto or cpu.")
        if (wanted.index or 0) >= count:
            raise ModelError(
                f"There is no GPU number {wanted.index}; this machine has {count}, counted from 0."
            )
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("This machine has no MPS device that torch can use; choose auto or cpu.")
    return wanted


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Half precision on a CUDA GPU; full precision everywhere else, where half gains nothing sure.

    Softmax and normalisation layers stay in float32 inside torch's autocast.
    """
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.float16)
    return nullcontext()


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 itself.

    A CPU that has to emulate it was 40 times slower in it than in float32 (AVX2).
    """
    if device.type != "cpu":
        return True
    has = torch.cpu.get_capabilities()
    return any(here for name, here in has.items() if name.endswith("bf16"))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out; mps and cuBLAS say so in a bare RuntimeError."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "alloc_failed")
    )


def release_memory(device: torch.device) -> None:
    """Give cached blocks back to the driver, so that a smaller batch finds room."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def cpu_copy(module: nn.Module) -> nn.Module:
    """A copy in main memory that takes no further memory where the module lies."""
    memo: dict[int, object] = {
        id(weight): nn.Parameter(weight.detach().cpu(), requires_grad=weight.requires_grad)
        for weight in module.parameters()
    }
    memo.update({id(buffer): buffer.detach().cpu() for buffer in module.buffers()})
    return copy.deepcopy(module, memo)
