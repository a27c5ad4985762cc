"""Explanations read from a trace: the network is never run again for a click.

The package can be called as the function it is about: ``posekit.explain(prediction, "nose")`` is
:func:`posekit.explain.attention.explain`.
"""

import sys
from types import ModuleType
from typing import Any

from posekit.explain.attention import Explanation, explain, head_grid
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap, Direction
from posekit.explain.numbers import MapNumbers, numbers
from posekit.explain.query import Query, snap

__all__ = [
    "DIRECTION_WORDS",
    "AttentionMap",
    "Direction",
    "Explanation",
    "MapNumbers",
    "Query",
    "explain",
    "head_grid",
    "numbers",
    "snap",
]


class _CallablePackage(ModuleType):
    """Lets ``posekit.explain`` be the verb as well as the place its parts live in."""

    def __call__(self, *args: Any, **options: Any) -> Explanation:
        return explain(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
