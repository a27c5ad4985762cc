"""A call of the API as Gradio wants it, with errors as sentences."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from posekit.errors import PoseKitError

log = logging.getLogger("posekit.app")

SURPRISE = "Something went wrong on the server; please try again, or with another photo."


def told(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call as Gradio wants it: a function with real types, whose errors are sentences."""
    signature = inspect.signature(call, eval_str=True)

    @wraps(call)
    def run(*sent: Any) -> Any:
        try:
            arguments = signature.bind(*sent)
        except TypeError:
            raise _error(usage(call)) from None
        try:
            return call(*arguments.args)
        except PoseKitError as error:
            raise _error(str(error)) from None
        except Exception:
            log.exception("a call of the API failed: %s", call.__name__)
            raise _error(SURPRISE) from None

    del run.__wrapped__  # a bound method; Gradio marks what it serves, and it cannot be marked
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    return run


def usage(call: Callable[..., Any]) -> str:
    """What a call takes, in a sentence."""
    needed = [n for n, p in inspect.signature(call).parameters.items() if p.default is p.empty]
    known = [name for name in inspect.signature(call).parameters if name not in needed]
    words = f"{', '.join(needed) or 'nothing'}{', and perhaps ' if known else ''}{', '.join(known)}"
    return f"/{call.__name__} takes {words}, in this order or by name."


def _error(sentence: str) -> gr.Error:
    return gr.Error(sentence, print_exception=False)
