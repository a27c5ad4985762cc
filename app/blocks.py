"""Gradio's Blocks, with API calls that leave nothing behind.

Gradio moves files that a call names into its cache, fetching them from any address on the way, and
keeps all inputs and outputs of a caller's session for an hour.  Here a call gets what was sent as
it is, reads it itself (:mod:`app.uploads`), and no session learns of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.state_holder import SessionState

if TYPE_CHECKING:
    from app.api import Api


class Page(gr.Blocks):
    """The page and the API around it: ``api`` is whose calls these are."""

    api: Api

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """The arguments of a call, as they were sent."""
        if block_fn.preprocess:  # a component's event; calls of the API have no component
            found: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
            return found
        return list(inputs)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[str, Any], state: Any
    ) -> list[Any]:
        """What a call answers; the session it came in does not keep it."""
        kept = state if block_fn.postprocess else None
        found: list[Any] = await super().postprocess_data(block_fn, predictions, kept)
        return found
