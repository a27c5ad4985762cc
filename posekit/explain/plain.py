"""Numbers as JSON has them: lists of rounded ones, and None for what is not known."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

__all__ = ["finite", "plain"]

DIGITS = 5


def plain(values: npt.ArrayLike) -> Any:
    """An array of any shape as nested lists; NaN, which JSON does not know, is None."""
    return _rounded(getattr(values, "tolist", lambda: values)())


def finite(value: float) -> float | None:
    """A number as it is; None where it is not known."""
    return float(value) if math.isfinite(value) else None


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(float(value), DIGITS) if math.isfinite(value) else None
