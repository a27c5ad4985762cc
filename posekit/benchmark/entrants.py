"""What takes part: methods as a person types them, and the maps that all have to beat.

``integrated-gradients(steps=8)`` is a method with an option. Of a method that answers with a map a
layer the last one's is measured; ``attention(layer=encoder.1)`` names another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.errors import TraceError
from posekit.explain.attention import Explanation
from posekit.explain.faithfulness.baselines import edge_map, random_map, spot_map
from posekit.explain.faithfulness.grids import Map
from posekit.explain.methods import find_method, list_methods
from posekit.explain.options import read_options
from posekit.explain.query import AnyQuery
from posekit.explain.targets import Target
from posekit.explain.together import explain_each

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["BASELINES", "Baseline", "Entrant", "MethodEntrant", "entrants", "split_list"]


@dataclass(frozen=True)
class Entrant:
    """One row of the table.

    Attributes:
        name: what it is called there.
    """

    name: str

    def maps(
        self,
        prediction: Prediction,
        targets: Sequence[AnyQuery | Target],
        person: int,
        batch_size: int,
        seed: int,
    ) -> Sequence[Map]:
        """One map a target, in one sweep where there is one.

        Raises:
            PoseKitError: it cannot answer; the sentence says why.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class MethodEntrant(Entrant):
    """A method of :mod:`posekit.explain` with options.

    Attributes:
        method: its name.
        options: those that were named.
        layer: whose map is measured when it answers with one a layer; None is the last.
    """

    method: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    layer: str | int | None = None

    def maps(
        self,
        prediction: Prediction,
        targets: Sequence[AnyQuery | Target],
        person: int,
        batch_size: int,
        seed: int,
    ) -> Sequence[Map]:
        """Errors as :func:`posekit.explain.together.explain_each`."""
        known = find_method(self.method).options
        # Every draw of the benchmark hangs on its one seed, and memory on its one batch size.
        shared = {"seed": seed, "batch_size": batch_size}
        given = {name: value for name, value in shared.items() if name in known}
        answers = explain_each(
            prediction, targets, method=self.method, person=person, **{**given, **self.options}
        )
        return [
            answer.layer(-1 if self.layer is None else self.layer)
            if isinstance(answer, Explanation)
            else answer
            for answer in answers
        ]


@dataclass(frozen=True)
class Baseline(Entrant):
    """A map that knows nothing of how the model works."""

    make: Callable[..., Map] = random_map

    def maps(
        self,
        prediction: Prediction,
        targets: Sequence[AnyQuery | Target],
        person: int,
        batch_size: int,
        seed: int,
    ) -> Sequence[Map]:
        """One map a target; the random one is drawn once for a person."""
        if self.make is not random_map:
            return [self.make(prediction, target, person=person) for target in targets]
        own = int(np.random.SeedSequence([seed, person]).generate_state(1)[0])
        return [random_map(prediction, target, person=person, seed=own) for target in targets]


BASELINES = (
    Baseline("random map", random_map),
    Baseline("edge map", edge_map),
    Baseline("spot map", spot_map),
)
"""Chance; the photo without the model; the model's answer without its ways."""


def entrants(methods: Sequence[str] | None = None) -> tuple[MethodEntrant, ...]:
    """Methods by what a person types; None is every method there is, as it comes.

    Raises:
        TraceError: no such method or option, one listed twice, or something that cannot be read.
    """
    words = [one.name for one in list_methods()] if methods is None else list(methods)
    if not words:
        raise TraceError("There is no method to measure: name at least one.")
    found = tuple(_entrant(word) for word in words)
    for n, one in enumerate(found):
        if one.name in (other.name for other in found[:n]):
            raise TraceError(f"The method {one.name} is listed twice.")
    return found


def split_list(text: str) -> list[str]:
    """``"a,b(x=1,y=2)"`` as ``["a", "b(x=1,y=2)"]``: commas within brackets do not part."""
    return [word for part in re.split(r",(?![^()]*\))", text) if (word := part.strip())]


def _entrant(text: str) -> MethodEntrant:
    match = re.fullmatch(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", text)
    if match is None:
        raise TraceError(
            f"{text!r} is not a method: write 'rollout' or 'integrated-gradients(steps=8)'."
        )
    method = find_method(match[1])
    words = [re.sub(r"\s*=\s*", "=", word) for word in split_list(match[2] or "")]
    label = method.name + (f"({', '.join(words)})" if words else "")
    layer: str | int | None = None
    if "layer" not in method.options:
        for word in [word for word in words if word.startswith("layer=")]:
            words.remove(word)
            name = word.removeprefix("layer=")
            layer = int(name) if re.fullmatch(r"-?\d+", name) else name
    return MethodEntrant(label, method.name, read_options(method, words), layer)
