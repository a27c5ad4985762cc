"""The MCP tools: the calls for programs that talk to language models."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.blocks import Page
from app.server import serve
from posekit.errors import PackageError
from posekit.explain import explain, numbers
from tests.api.calls import CALLS, HAS_MCP, MODEL, at, code

needs_mcp = pytest.mark.skipif(not HAS_MCP, reason="The package mcp is not installed.")


async def with_tools(address: str, do: Callable[[Any], Any]) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    url = json.loads(at(address, code("json")))["mcpServers"]["posekit"]["url"]
    async with (
        streamable_http_client(url) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await do(session)


def by_tools(address: str, do: Callable[[Any], Any]) -> Any:
    """In a thread of its own: the browser's tests keep an event loop running in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(with_tools(address, do))).result()


@needs_mcp
def test_the_tools_are_the_calls_and_say_what_they_take(address: str) -> None:
    found = by_tools(address, lambda session: session.list_tools()).tools
    assert {f"/{tool.name}" for tool in found} == CALLS
    for tool in found:
        assert len(tool.description) > 20
        for name, one in tool.inputSchema["properties"].items():
            assert one["description"].endswith((".", "...")), (tool.name, name)


@needs_mcp
def test_a_tool_answers_with_json_and_a_picture(
    page: Page, address: str, person: Path, prediction: Any
) -> None:
    photo = f"data:image/jpeg;base64,{base64.b64encode(person.read_bytes()).decode()}"

    async def call(session: Any) -> Any:
        asked = {"photo": photo, "model": MODEL, "keypoint": "neck", "values": False}
        return (
            await session.call_tool("explain", {**asked, "picture": True}),
            await session.call_tool("explain", {**asked, "keypoint": "tail"}),
        )

    good, bad = by_tools(address, call)
    assert not good.isError
    answer, image = good.content[:2]
    ours = numbers(explain(prediction, "neck").maps[-1], prediction)
    assert json.loads(answer.text)["numbers"]["mass_in_box"] == pytest.approx(
        ours.mass_in_box, abs=1e-4
    )
    assert image.type == "image" and base64.b64decode(image.data)[1:4] == b"PNG"
    assert bad.isError and 'no keypoint "tail"' in bad.content[0].text
    assert page.api.uploads.nbytes == 0


def test_without_the_package_the_flag_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.__main__ import main

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PackageError, match=r"pip install 'posekit\[mcp\]'"):
        serve(mcp=True)
    assert main(["--mcp"]) == 1
    assert "pip install 'posekit[mcp]'" in capsys.readouterr().err
