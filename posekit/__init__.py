"""PoseKit: click a keypoint and see what a pose transformer looks at.

The usual path, from a photo to a picture of what the model looked at::

    model = posekit.load("transpose-r-small")
    prediction = posekit.Estimator(model).predict(posekit.read_photo("photo.jpg"))
    explanation = posekit.explain(prediction, "left wrist")

The names below are imported when they are first used, so that ``import posekit`` stays instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posekit.compare.ask import compare
    from posekit.errors import PoseKitError
    from posekit.estimator import Estimator
    from posekit.explain.dependencies import dependencies
    from posekit.explain.heads import heads
    from posekit.explain.methods import explain
    from posekit.geometry import Box
    from posekit.many import batch
    from posekit.occlusion import occlude
    from posekit.photo import read_photo
    from posekit.report.live_report import live
    from posekit.top_down import TopDown
    from posekit.trace import record
    from posekit.zoo import list_models, load

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Estimator",
    "PoseKitError",
    "TopDown",
    "__version__",
    "batch",
    "compare",
    "dependencies",
    "explain",
    "heads",
    "list_models",
    "live",
    "load",
    "occlude",
    "read_photo",
    "record",
]

_HOME = {
    "Box": "posekit.geometry",
    "Estimator": "posekit.estimator",
    "PoseKitError": "posekit.errors",
    "TopDown": "posekit.top_down",
    "batch": "posekit.many",
    "dependencies": "posekit.explain.dependencies",
    "heads": "posekit.explain.heads",
    "list_models": "posekit.zoo",
    "live": "posekit.report.live_report",
    "load": "posekit.zoo",
    "occlude": "posekit.occlusion",
    "read_photo": "posekit.photo",
    "record": "posekit.trace",
}


def __getattr__(name: str) -> Any:
    if name in ("compare", "explain"):  # a package and a function: the package can be called
        return import_module(f"posekit.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'posekit' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
