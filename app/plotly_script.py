"""plotly's script, from this server: for the views that draw with it, when one is opened.

The script comes with the Python package, so the two always fit, and no other server is asked.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

from plotly import __version__ as VERSION
from plotly.offline import get_plotlyjs

PATH = "/posekit/plotly.js"
ADDRESS = f"{PATH.removeprefix('/')}?v={VERSION}"
"""Relative to the page; the version is part of it, so a browser may keep the file for good."""

Message = MutableMapping[str, Any]


class PlotlyScript:
    """ASGI middleware: answers :data:`PATH`, and passes on everything else."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Send the script, packed for browsers that can unpack it."""
        if scope["type"] != "http" or not scope["path"].endswith(PATH):
            await self.app(scope, receive, send)
            return
        packed = b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b"")
        body = await asyncio.to_thread(_script, packed)
        headers = [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"vary", b"accept-encoding"),
        ]
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}
        )


@cache
def _script(packed: bool) -> bytes:
    text: bytes = get_plotlyjs().encode("utf-8")
    return gzip.compress(text, 6) if packed else text
