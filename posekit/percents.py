"""A share as a percentage, one rule for files and commands; ``app/static/dom.js`` has the same."""

from __future__ import annotations

import math

__all__ = ["percent"]

NOTHING = 1e-6
"""Of a whole: sums of 32-bit numbers are no more exact."""


def percent(share: float) -> str:
    """A share as a short percentage with two significant digits: ``1.3%``, ``0.033%``.

    ``100%`` is all of it and ``0%`` none: what is nearly so keeps a digit that says it.
    """
    if abs(share) < NOTHING:
        return "0%"
    digits = max(0, 1 - math.floor(math.log10(abs(share) * 100)))
    text = f"{share * 100:.{digits}f}%"
    if text == "100%" and 1.0 - share > NOTHING:
        return f"{min(share * 100, 99.9):.1f}%"
    return text
