"""Which layer and head of a model answer, when the one asked for may be another model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posekit.errors import TraceError
from posekit.explain.attention import layers_of
from posekit.layer_words import layer_words

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain.evidence import Evidence
    from posekit.trace import Attention

__all__ = ["Layers", "head_or_none", "layer_at", "layer_for", "layer_title"]

Layers = str | Sequence[str | None] | None
"""One layer's name for all models, or one a model; None is a model's last."""


def layer_for(layer: Layers, panel: int) -> str | None:
    """The layer asked of one panel; panels beyond a sequence show their last."""
    if layer is None or isinstance(layer, str):
        return layer
    return layer[panel] if panel < len(layer) else None


def layer_at(prediction: Prediction, layer: str | None) -> tuple[Attention | Evidence, str]:
    """The layer of that name, else the model's last one, with a sentence when it is another.

    Raises:
        TraceError: nothing was recorded, or the model has no layer to show.
    """
    held = {one.name: one for one in layers_of(prediction)}
    last = list(held.values())[-1]
    if layer is None or layer in held:
        return held.get(layer or "", last), ""
    return last, f"This model has no layer {layer}: its last, {last.name}, is shown."


def layer_title(prediction: Prediction, layer: str | None) -> str | None:
    """What :func:`layer_at` gives in words, ``MHSA block 2``; None for a model without layers."""
    try:
        found, _ = layer_at(prediction, layer)
    except TraceError:
        return None
    return layer_words(found.name, found.kind, prediction.model.entry.levels)


def head_or_none(attention: Attention | Evidence, head: int | None) -> int | None:
    """The head if the layer has it, else None, the mean over heads."""
    return head if head is not None and 0 <= head < attention.heads else None
