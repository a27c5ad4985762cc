"""How the tests call the API, and what they look for on the server afterwards."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from app.blocks import Page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
CALLS = {
    "/models", "/predict", "/explain", "/compare", "/occlude", "/dependencies", "/heads",
}  # fmt: skip
MODEL = "transpose-r-small"
DEFAULTS = None, False, True, 0, "row", "attention", "mean"
HAS_MCP = find_spec("mcp") is not None

Json = dict[str, Any]


def left(page: Page) -> list[str]:
    """What is on the server of those who called: uploads, files, what sessions hold."""
    folder = Path(page.GRADIO_CACHE)
    found = [str(path) for path in folder.rglob("*") if path.is_file()]
    if page.api.uploads.nbytes:
        found.append(f"{page.api.uploads.nbytes} bytes of uploads")
    for state in page.state_holder.session_data.values():
        for one in state.components:
            value = one.get("props", {}).get("value")
            if one.get("type") == "api" and value not in DEFAULTS:
                found.append(f"a session remembers {value!r:.60}")
    return found


def code(language: str) -> str:
    """The one block of docs/api.md in that language."""
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(found)


def at(address: str, text: str) -> str:
    """A code block, for the server under test."""
    assert "http://127.0.0.1:7860" in text
    return text.replace("http://127.0.0.1:7860", address)


def events(text: str) -> tuple[str, Any]:
    """The last event of a stream, and its data."""
    name, data = re.findall(r"^event: (\w+)\ndata: (.*)$", text, re.MULTILINE)[-1]
    return name, json.loads(data)


def ask(address: str, call: str, body: Json | list[Any]) -> tuple[str, Any]:
    """A call as plain HTTP, arguments by name or as a list."""
    version, sent = ("v2/", body) if isinstance(body, dict) else ("", {"data": body})
    begun = httpx.post(f"{address}/gradio_api/call/{version}{call}", json=sent, timeout=60)
    assert begun.status_code == 200, begun.text
    event = begun.json()["event_id"]
    return events(httpx.get(f"{address}/gradio_api/call/{call}/{event}", timeout=120).text)
