"""The API as MCP tools, by Gradio's own server, whose answers are mended here in two ways.

A tool that answers with several things came as one text of a Python tuple, the picture among them a
path; and what is JSON came as Python spells it, with ``None`` and single quotes.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr

from posekit.errors import PackageError

Run = Callable[..., Awaitable[list[Any]]]


def check_installed() -> None:
    """Refuse to go on without the package mcp (PackageError)."""
    if importlib.util.find_spec("mcp") is None:
        raise PackageError(
            "MCP tools need the package mcp, which is not installed: pip install 'posekit[mcp]'."
        )


def mend_answers(page: gr.Blocks) -> None:
    """Have the tools of a launched page answer with JSON, and with pictures as pictures."""
    server: Any = page.mcp_server_obj
    if server is None:
        raise PackageError(str(page.mcp_error or "The MCP tools could not be set up."))
    for name in ("_execute_tool_without_progress", "_execute_tool_with_progress"):
        setattr(server, name, _mended(getattr(server, name)))


def _mended(run: Run) -> Run:
    async def mended(*arguments: Any) -> list[Any]:
        found = await run(*arguments)
        if len(found) == 1 and isinstance(found[0], tuple):
            found = list(found[0])
        return [
            one if _is_file(one) else json.dumps(one, ensure_ascii=False)
            for one in found
            if one is not None
        ]

    return mended


def _is_file(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("meta") == {"_type": "gradio.FileData"}
