"""What a layer is called where a person reads it: ``layer 3``, ``supervised layer 4``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["layer_marks", "layer_words"]


def layer_words(name: str, kind: str, levels: Mapping[str, str]) -> str:
    """``encoder.3`` as ``layer 3``, or as ``encoder layer 3`` of a model with other kinds as well.

    Args:
        name: in the trace.
        kind: of the layer.
        levels: the zoo entry's words for its kinds.
    """
    words = levels.get(kind, kind) if len(levels) > 1 else "layer"
    return f"{words} {name.rpartition('.')[2]}" if "." in name else words


def layer_marks(words: Sequence[str]) -> list[str]:
    """What fits on a small button: ``1``, ``2``, ``3``, or ``M1``, ``E1``, ``E2``, ``E3``.

    A layer's own number alone where it is also its place in the model; where other kinds are
    counted before it, with the initial of its words, so that button and words never differ.

    Args:
        words: of every layer of one model, in forward order, see :func:`layer_words`.
    """
    numbers = [last if last.isdigit() else "" for last in (one.split()[-1] for one in words)]
    if numbers == [str(place) for place in range(1, len(words) + 1)]:
        return numbers
    return [f"{one[0].upper()}{number}" for one, number in zip(words, numbers, strict=True)]
