"""A method's options as a person types them: ``steps=64`` becomes ``{"steps": 64}``.

What a method takes is read off its function, so that a new method or option needs nothing here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from posekit.errors import TraceError
from posekit.explain.methods import Method

__all__ = ["option_words", "read_options", "settable"]

_NOT_TYPED = ("person", "progress")
"""Taken by methods, but no matter of taste: who is asked about, and whom to tell how far it is."""


def settable(method: Method) -> Mapping[str, Any]:
    """The options a person may set, and their defaults."""
    return {name: value for name, value in method.options.items() if name not in _NOT_TYPED}


def option_words(method: Method) -> str:
    """``steps=32, baseline=mean``: the options and their defaults in one line."""
    held = settable(method).items()
    return ", ".join(f"{name}={'none' if value is None else value}" for name, value in held)


def read_options(method: Method, words: Sequence[str]) -> dict[str, Any]:
    """Options from ``key=value`` words, each as the type its default has.

    Raises:
        TraceError: a word without ``=``, an option that the method does not have, one named
            twice, or a value of another type.
    """
    found: dict[str, Any] = {}
    known = settable(method)
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise TraceError(f"An option is written key=value, such as steps=32; not {word!r}.")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {option_words(method)}."
            if not known:
                hint = "it takes none."
            raise TraceError(f"The method {method.name} has no option {name!r}: {hint}")
        if name in found:
            raise TraceError(f"The option {name!r} is given twice.")
        found[name] = _value(method, name, text.strip())
    return found


def _value(method: Method, name: str, text: str) -> Any:
    default = settable(method)[name]
    annotation = str(inspect.signature(method.function).parameters[name].annotation)
    wanted = {part.strip() for part in annotation.split("|")}
    if text.lower() == "none" and (default is None or "None" in wanted):
        return None
    if "Sequence" in annotation:
        return [part.strip() for part in text.split(",")]
    if isinstance(default, bool):
        if text.lower() in ("true", "yes", "1"):
            return True
        if text.lower() in ("false", "no", "0"):
            return False
        raise _wrong(method, name, "true or false", text)
    if isinstance(default, float):
        try:
            return float(text)
        except ValueError:
            raise _wrong(method, name, "a number", text) from None
    try:
        return text if wanted == {"str"} else int(text)
    except ValueError:
        if wanted == {"int"}:
            raise _wrong(method, name, "a whole number", text) from None
        return text


def _wrong(method: Method, name: str, form: str, text: str) -> TraceError:
    default = settable(method)[name]
    return TraceError(
        f"The option {name} of {method.name} is {form} such as {default}, not {text!r}."
    )
