"""What a layer is called where a person reads it: ``layer 3``, ``supervised layer 4``."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["layer_words"]


def layer_words(name: str, kind: str, levels: Mapping[str, str]) -> str:
    """``encoder.3`` as ``layer 3``, or as ``encoder layer 3`` of a model with other kinds as well.

    Args:
        name: in the trace.
        kind: of the layer.
        levels: the zoo entry's words for its kinds.
    """
    words = levels.get(kind, kind) if len(levels) > 1 else "layer"
    return f"{words} {name.rpartition('.')[2]}" if "." in name else words
