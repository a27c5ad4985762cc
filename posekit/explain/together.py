"""Several questions about one person, answered by one sweep of the network.

A perturbed crop yields the heatmaps of all keypoints at once, so asking about fourteen keypoints
together costs little more than asking about one. Methods that gain from it are written for several
questions and register that form with :func:`together`; :func:`explain_each` uses it where it
exists and asks one by one where it does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.asked import Asked, ask, crop_input
from posekit.explain.attention import Explanation
from posekit.explain.heat import HeatMap
from posekit.explain.methods import explain, find_method
from posekit.explain.query import AnyQuery
from posekit.explain.targets import Target
from posekit.geometry import Crop, TokenGrid

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Questions", "explain_each", "questions", "together"]

Several = TypeVar("Several", bound=Callable[..., tuple[HeatMap, ...]])

_TOGETHER: dict[str, Callable[..., tuple[HeatMap, ...]]] = {}


@dataclass(frozen=True, eq=False)
class Questions:
    """Several questions about the same crop.

    Attributes:
        prediction: what they are about.
        asked: one each, at least one, all of the same person.
    """

    prediction: Prediction
    asked: tuple[Asked, ...]
    began: float = field(default_factory=time.perf_counter)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The numbers to explain."""
        return tuple(one.target for one in self.asked)

    @property
    def person(self) -> int:
        """Index of the person into ``prediction.people``."""
        return self.asked[0].person

    @property
    def crop(self) -> Crop:
        """Where the person's crop lies in the photo."""
        return self.prediction.people[self.person].crop

    def image(self) -> Tensor:
        """What the network saw: (1, 3, H, W) float32, normalised, on its device."""
        return crop_input(self.prediction, self.person)

    def answers(
        self,
        method: str,
        values: np.ndarray,
        grid: TokenGrid,
        *,
        signed: bool,
        options: Mapping[str, Any],
        deltas: Sequence[float] | None = None,
    ) -> tuple[HeatMap, ...]:
        """One map a question, of values (n, rows, cols); each counts its share of the time."""
        seconds = (time.perf_counter() - self.began) / len(self.asked)
        return tuple(
            HeatMap(
                method=method,
                values=value,
                grid=grid,
                crop=self.crop,
                signed=signed,
                options=options,
                seconds=seconds,
                delta=None if deltas is None else float(deltas[n]),
                target=one.label,
                person=one.person,
                prediction=self.prediction,
            )
            for n, (one, value) in enumerate(zip(self.asked, values, strict=True))
        )


def questions(
    prediction: Prediction, targets: Sequence[AnyQuery | Target], person: int | None = None
) -> Questions:
    """Make questions of anything ``explain`` accepts.

    Raises:
        TraceError: there are none, they are about several people, a keypoint was not found, or no
            such person or place.
        SkeletonError: no such keypoint.
    """
    began = time.perf_counter()
    asked = tuple(ask(prediction, target, person) for target in targets)
    if not asked:
        raise TraceError("There is nothing to explain: name at least one keypoint or target.")
    if len({one.person for one in asked}) > 1:
        raise TraceError("Questions that share a sweep are about one person: name it with person=.")
    return Questions(prediction, asked, began)


def together(name: str) -> Callable[[Several], Several]:
    """Register a function ``(prediction, targets, *, person, **options)`` for several questions."""

    def add(function: Several) -> Several:
        _TOGETHER[name] = function
        return function

    return add


def explain_each(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    *,
    method: str,
    person: int | None = None,
    **options: Any,
) -> tuple[HeatMap | Explanation, ...]:
    """As :func:`posekit.explain.methods.explain`, for several targets of one person.

    Returns:
        One answer a target, in order; equal to asking one by one.
    """
    chosen = find_method(method)
    if method in _TOGETHER and all(name in chosen.options for name in options):
        return _TOGETHER[method](prediction, targets, person=person, **options)
    return tuple(
        explain(prediction, target, method=method, person=person, **options) for target in targets
    )
