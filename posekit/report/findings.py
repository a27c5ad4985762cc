"""One question, its answer, and all that a file about it needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from posekit.draw.figure import asked_of, prediction_of, trust_of
from posekit.draw.panels import Asked
from posekit.explain.attention import Explanation, head_grid
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import Method, find_method
from posekit.explain.numbers import MapNumbers, heat_numbers, numbers
from posekit.people import whole_photo_box

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain.faithfulness import Faithfulness
    from posekit.explain.query import Query

    Trust: TypeAlias = Faithfulness | Mapping[str, Faithfulness]

__all__ = ["Findings"]


@dataclass(frozen=True, eq=False)
class Findings:
    """An explanation with what it does not hold itself.

    Attributes:
        shown: the answer: one click in all layers, or the map of a method.
        given: the prediction, where a method's map needs it; see ``posekit.draw.draw_explanation``.
        query: the question of a method's map, where it is not the keypoint it names.
        faithfulness: of the map, or of layers by name, as far as it is known.
        by: the method, by its name, for an answer in layers; a method's map knows its own.
        options: what the method was asked with beside direction, head, part and layers; a method's
            map knows its own.
        target: what of the keypoint is explained: ``peak``, ``x``, ``y`` or ``confidence``.
    """

    shown: Explanation | HeatMap
    given: Prediction | None = None
    query: Query | None = None
    faithfulness: Trust | None = None
    by: str = "attention"
    options: Mapping[str, Any] = field(default_factory=dict)
    target: str = "peak"

    @cached_property
    def whole(self) -> bool:
        """Whether nobody drew a box, so that the person's box is all of the photo."""
        box = self.prediction.people[self.asked.person].box
        return box == whole_photo_box(self.prediction.photo)

    @cached_property
    def prediction(self) -> Prediction:
        """What is explained.

        Raises:
            PoseKitError: a method's map, and no prediction was given.
        """
        if isinstance(self.shown, HeatMap):
            return prediction_of(self.shown, self.given)
        return self.shown.prediction

    @cached_property
    def asked(self) -> Asked:
        """The question: words, person, keypoint and place."""
        return asked_of(self.shown, self.prediction, self.query)

    @property
    def method(self) -> Method:
        """How it was explained."""
        return find_method(self.shown.method if isinstance(self.shown, HeatMap) else self.by)

    @property
    def title(self) -> str:
        """``right wrist looks at``, ``right wrist by Occlusion``."""
        if isinstance(self.shown, HeatMap):
            return f"{self.shown.target} by {self.method.title}"
        by = "" if self.by == "attention" else f", by {self.method.title}"
        return self.shown.title + by

    @property
    def maps(self) -> tuple[AttentionMap | HeatMap, ...]:
        """One a layer, in forward order; or the one map of a method."""
        return (self.shown,) if isinstance(self.shown, HeatMap) else self.shown.maps

    @cached_property
    def heads(self) -> dict[str, tuple[AttentionMap, ...]]:
        """Every head's map by layer, where the answer is attention in several heads."""
        if isinstance(self.shown, HeatMap) or self.by != "attention":
            return {}
        return {
            one.layer: head_grid(
                self.prediction, self.shown.query, one.layer,
                direction=self.shown.direction, part=one.part,
            )
            for one in self.shown.maps
            if one.heads > 1
        }  # fmt: skip

    def trust(self, one: AttentionMap | HeatMap) -> Faithfulness | None:
        """How faithful a map is, where that was measured."""
        if isinstance(self.shown, HeatMap) or isinstance(one, HeatMap):
            return trust_of(self.faithfulness)
        return trust_of(self.faithfulness, self.shown).get(one.layer)

    def numbers(self, one: AttentionMap | HeatMap) -> MapNumbers | None:
        """A map's numbers; None where it holds nothing to measure, or no place was asked about."""
        if isinstance(one, AttentionMap):
            return numbers(one, self.prediction) if one.weights.any() else None
        if self.asked.point is None or not one.mass.any():
            return None
        return heat_numbers(one, self.prediction, self.asked.point)
