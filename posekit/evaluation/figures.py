"""What every measurement has in common, so that a model card can take any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Measurement"]


class Measurement(Protocol):
    """PCK, OKS, masks: figures for people to compare, and what they were measured on."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Figures by name, the one people compare first."""

    @property
    def details(self) -> Mapping[str, Any]:
        """How many people, which keypoints, and finer figures."""
