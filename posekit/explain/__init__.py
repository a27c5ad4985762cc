"""Explanations of a prediction: of what was recorded, of gradients, of perturbations.

The package can be called as the function it is about: ``posekit.explain(prediction, "nose")`` is
:func:`posekit.explain.methods.explain`. Attention is read from the trace; the network is never run
again for a click. :func:`list_methods` names the other methods and what each costs.
"""

import sys
from types import ModuleType
from typing import Any

from posekit.explain.asked import mask_of, pair_of, peak_of, person_of
from posekit.explain.attention import Explanation, head_grid
from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.maps import DIRECTION_WORDS, AttentionMap, Direction
from posekit.explain.methods import Method, explain, find_method, list_methods
from posekit.explain.numbers import MapNumbers, heat_numbers, numbers
from posekit.explain.query import Query, snap
from posekit.explain.targets import (
    KeypointConfidence,
    KeypointCoordinate,
    KeypointPair,
    KeypointPeak,
    MaskTarget,
    PersonTarget,
    Target,
)

__all__ = [
    "DIRECTION_WORDS",
    "AttentionMap",
    "Direction",
    "Explanation",
    "HeatMap",
    "KeypointConfidence",
    "KeypointCoordinate",
    "KeypointPair",
    "KeypointPeak",
    "MapNumbers",
    "MaskTarget",
    "Method",
    "PersonTarget",
    "Query",
    "Target",
    "explain",
    "find_method",
    "head_grid",
    "heat_numbers",
    "list_methods",
    "mask_of",
    "numbers",
    "pair_of",
    "peak_of",
    "person_of",
    "pixel_grid",
    "snap",
]


class _CallablePackage(ModuleType):
    """Lets ``posekit.explain`` be the verb as well as the place its parts live in."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return explain(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
