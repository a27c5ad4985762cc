"""Every method by name: one verb, whatever answers the question.

A method is a function ``(prediction, target, *, person=None, **options)`` that returns an
:class:`~posekit.explain.attention.Explanation` (a map a layer) or a
:class:`~posekit.explain.heat.HeatMap` (one map). It joins by a decorator, in any module of
``posekit/explain``:

    @method("rollout", needs="attention", description="...")
    def rollout(prediction, target, *, person=None, head="mean"): ...
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from posekit.errors import ModelError, TraceError
from posekit.explain import attention as of_attention
from posekit.explain.attention import Explanation
from posekit.explain.heat import HeatMap
from posekit.explain.maps import Direction
from posekit.explain.query import AnyQuery
from posekit.explain.targets import Target

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Method", "Needs", "explain", "find_method", "list_methods", "method"]

Needs = Literal["attention", "gradient", "perturbation"]
"""What a method costs: the recorded attention only, a pass with gradients, or many passes."""

Answer = Explanation | HeatMap
Function = TypeVar("Function", bound=Callable[..., Answer])


@dataclass(frozen=True)
class Method:
    """One way to explain.

    Attributes:
        name: what ``explain(method=...)`` takes.
        function: called with (prediction, target, **options).
        needs: what it costs.
        description: one sentence for a person who chooses.
        title: its name as people write it, such as ``Grad-CAM``.
    """

    name: str
    function: Callable[..., Answer]
    needs: Needs
    description: str
    title: str = ""

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", self.name.replace("-", " ").capitalize())

    @property
    def options(self) -> Mapping[str, Any]:
        """Its options and their defaults, in order; ``person`` among them."""
        return _options_of(self.function)


@cache
def _options_of(function: Callable[..., Answer]) -> Mapping[str, Any]:
    """Kept, since a click on the page asks every method for its options."""
    return MappingProxyType(
        {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
    )


_METHODS: dict[str, Method] = {}


def method(
    name: str, *, needs: Needs, description: str, title: str = ""
) -> Callable[[Function], Function]:
    """Make the decorated function answer to ``explain(method=name)``.

    Without a ``title`` the method goes by its name, with spaces: ``Integrated gradients``.

    Raises:
        ModelError: another function has that name.
    """

    def add(function: Function) -> Function:
        held = _METHODS.get(name)
        if held is not None and held.function.__qualname__ != function.__qualname__:
            raise ModelError(f"A method named {name!r} is registered already.")
        _METHODS[name] = Method(name, function, needs, description, title)
        return function

    return add


method(
    "attention",
    needs="attention",
    description="Which places the model looks at for the keypoint, layer by layer, or which look "
    "at it: the row or the column of the keypoint's token in the attention matrix.",
)(of_attention.explain)


@cache
def _discover() -> None:
    """Import every module of this package once; those that hold methods register them."""
    package = import_module("posekit.explain")
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")


def list_methods(needs: Needs | None = None) -> tuple[Method, ...]:
    """All methods, or those of one cost: the cheap first, each group by name."""
    _discover()
    order = ["attention", "gradient", "perturbation"]
    chosen = [m for m in _METHODS.values() if needs in (None, m.needs)]
    # The name sorts within its group; attention itself comes before all.
    return tuple(
        sorted(chosen, key=lambda m: (order.index(m.needs), m.name != "attention", m.name))
    )


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        TraceError: there is none; the sentence names the nearest, or all.
    """
    if name not in _METHODS:
        _discover()
    if name in _METHODS:
        return _METHODS[name]
    names = [m.name for m in list_methods()]
    near = get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}."
    raise TraceError(f"There is no method {name!r}: {hint}")


@overload
def explain(
    prediction: Prediction,
    target: AnyQuery,
    *,
    method: Literal["attention"] = ...,
    person: int | None = ...,
    direction: Direction = ...,
    head: int | None = ...,
    layers: Sequence[str | int] | None = ...,
    part: str | None = ...,
) -> Explanation: ...


@overload
def explain(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    method: str,
    person: int | None = ...,
    **options: Any,
) -> Answer: ...


def explain(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    method: str = "attention",
    person: int | None = None,
    **options: Any,
) -> Answer:
    """Why the model put a keypoint where it did, by any method.

    Args:
        prediction: what a model found in a photo.
        target: a keypoint's name or index, an (x, y) point in photo pixels, a
            :class:`~posekit.explain.query.Query`, or, for all methods but ``attention``, a
            :class:`~posekit.explain.targets.Target`.
        method: a name from :func:`list_methods`.
        person: index of the person; None is the first one, or the one the point belongs to.
        options: the method's own, see ``find_method(method).options``.

    Returns:
        A map per layer (:class:`Explanation`) or one map (:class:`HeatMap`).

    Raises:
        TraceError: no such method, option, layer or person, or this model leaves nothing that the
            method could read.
        ModelError: the model does not make what the target measures.
        SkeletonError: no such keypoint.
    """
    chosen = find_method(method)
    unknown = [name for name in options if name not in chosen.options]
    if unknown:
        raise TraceError(
            f"The method {method!r} has no option {unknown[0]!r}: "
            f"it takes {', '.join(chosen.options)}."
        )
    if method == "attention" and isinstance(target, Target):
        raise TraceError(
            "The method 'attention' answers for a keypoint or a point of the photo, not for "
            f"{target.label(prediction.skeleton)}: choose 'rollout' or a method with gradients."
        )
    return chosen.function(prediction, target, person=person, **options)
