"""Pictures that the API was asked for: files for a few minutes, gone once they were fetched.

Clients of Gradio expect a picture to be a file they download, and its MCP server shows only what is
one.  These lie in the page's private folder under a name that nobody can guess.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Receive, Scope, Send

FILE = "/gradio_api/file="


class Pictures:
    """Pictures by path.  Every method is safe to call from several threads.

    Args:
        ttl_seconds: a picture that nobody fetched is deleted after so long.
        clock: seconds that never run backwards (tests pass their own).
    """

    def __init__(
        self, ttl_seconds: float = 120.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ttl_seconds, self._clock = ttl_seconds, clock
        self._lock = threading.Lock()
        self._held: OrderedDict[str, float] = OrderedDict()

    def save(self, write: Callable[[Path], None]) -> str:
        """Have a picture written, and return where it is."""
        self.sweep()
        root = Path(get_upload_folder())
        root.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix="picture-", dir=root)) / "explanation.png"
        with self._lock:
            self._held[str(path)] = self._clock()
        write(path)
        return str(path)

    def drop(self, path: str) -> None:
        """Delete a picture; a path that is none of them is left alone."""
        with self._lock:
            known = self._held.pop(path, None) is not None
        if known:
            shutil.rmtree(Path(path).parent, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what nobody fetched in time."""
        oldest_kept = self._clock() - self.ttl_seconds
        with self._lock:
            stale = [path for path, since in self._held.items() if since < oldest_kept]
        for path in stale:
            self.drop(path)

    def __len__(self) -> int:
        with self._lock:
            return len(self._held)


class PictureDoor:
    """ASGI middleware: a picture that was sent in full is deleted."""

    def __init__(self, app: ASGIApp, pictures: Pictures) -> None:
        self.app, self.pictures = app, pictures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass and look at its address afterwards."""
        await self.app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "GET" and FILE in scope["path"]:
            self.pictures.drop(unquote(scope["path"].partition(FILE)[2]))
