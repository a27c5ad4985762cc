"""Where half precision is not enough: coordinates in pixels, logarithms of spreads."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A block in which autocast leaves tensors on the device of ``x`` as they are."""
    if x.is_meta:  # counted, not computed; autocast knows no such device
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)
