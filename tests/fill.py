"""Deterministic weights, so that a model can be compared with the official code without a download.

Every tensor gets values that depend only on its key and its shape: one numpy generator a key,
seeded with the key's CRC-32. The fixtures were made by the official code under the same fill.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn

FIXED_BY_CONSTRUCTION = ("pos_embedding",)


def fill_array(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64 values for one floating-point tensor named ``key``."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if len(shape) >= 2:
        return rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    if key.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    draw = 0.1 * rng.standard_normal(shape)
    return 1.0 + draw if key.endswith(".weight") else draw


def fill_module(module: nn.Module) -> nn.Module:
    """Fill a module in place and return it in eval mode."""
    filled: dict[str, Tensor] = {}
    for key, old in module.state_dict().items():
        if key in FIXED_BY_CONSTRUCTION:
            filled[key] = old.clone()
        elif old.is_floating_point():
            filled[key] = torch.from_numpy(np.asarray(fill_array(key, tuple(old.shape)))).to(
                old.dtype
            )
        else:
            filled[key] = torch.zeros_like(old)
    module.load_state_dict(filled, strict=True)
    return module.eval()


def reference_input(shape: tuple[int, ...] = (1, 3, 256, 192), seed: int = 7) -> Tensor:
    """The standard-normal float32 network input that the fixtures were made with."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype("float32"))
