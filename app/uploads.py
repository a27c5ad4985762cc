"""Photos sent to the HTTP API: in memory, for one call, and never a file.

Gradio would write an upload into a folder named by its content, serve it to whoever asks for it,
and tidy up half an hour later.  Here the same address, ``POST /gradio_api/upload``, answers with a
path that stands for bytes in memory.  A call takes them away; nothing else can.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from posekit.errors import PhotoError

ADDRESS = "/gradio_api/upload"
GONE = (
    "This photo is not here, or no longer: an upload serves one call within ten minutes, so please"
    " send the photo again."
)
ELSEWHERE = (
    "This server fetches no photo from another address and reads no file of its own: please send"
    f" the photo itself, as a data: URL or by POST {ADDRESS}."
)
_PATH = re.compile(r"posekit-upload/([\w-]{43})(?:/|$)")
_MOST_FILES = 8


class Uploads:
    """Bytes by a path that nobody can guess.  Every method is safe to call from several threads.

    Args:
        most_bytes: of all uploads together; the oldest make room.
        ttl_seconds: an upload that no call took is forgotten after so long.
        clock: seconds that never run backwards (tests pass their own).
    """

    def __init__(
        self,
        most_bytes: int = 256 << 20,
        ttl_seconds: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_bytes, self.ttl_seconds = most_bytes, ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def put(self, data: bytes, name: str = "") -> str:
        """Keep bytes for one call, and return the path to ask for them by."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._held[token] = self._clock(), data
            while self._nbytes() > self.most_bytes:
                self._held.popitem(last=False)
            self._sweep()
        # Clients read the kind of a file off the end of its path.
        return f"posekit-upload/{token}/{quote(PurePosixPath(name).name[-80:] or 'photo')}"

    def take(self, path: str) -> bytes:
        """The bytes behind a path, or behind an address that ends in it; gone from here by then.

        Raises:
            PhotoError: they are not here, or the path leads elsewhere.
        """
        found = _PATH.search(path)
        if found is None:
            raise PhotoError(ELSEWHERE)
        with self._lock:
            self._sweep()
            held = self._held.pop(found[1], None)
        if held is None:
            raise PhotoError(GONE)
        return held[1]

    def sweep(self) -> None:
        """Forget what nobody took in time."""
        with self._lock:
            self._sweep()

    @property
    def nbytes(self) -> int:
        """Bytes held at this moment."""
        with self._lock:
            return self._nbytes()

    def _nbytes(self) -> int:
        return sum(len(data) for _, data in self._held.values())

    def _sweep(self) -> None:
        oldest_kept = self._clock() - self.ttl_seconds
        while self._held and next(iter(self._held.values()))[0] < oldest_kept:
            self._held.popitem(last=False)


def photo_bytes(sent: Any, uploads: Uploads) -> bytes:
    """The file behind the ``photo`` of a call: an upload, or a ``data:`` URL.

    Args:
        sent: Gradio's description of a file (``{"path": ...}``), a path, an address or a data URL.
        uploads: where uploads lie.

    Raises:
        PhotoError: it is none of these, or not here.
    """
    path = sent.get("path") if isinstance(sent, dict) else sent
    if not isinstance(path, str) or not path:
        raise PhotoError(
            f"There is no photo: send it as a data: URL or by POST {ADDRESS}, with gradio_client as"
            " handle_file(path)."
        )
    if not path.startswith("data:"):
        return uploads.take(path)
    head, _, text = path.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise PhotoError("The data: URL of the photo is not base64.") from None


class _InMemory(MultiPartParser):
    """A form whose files never go to the disk; the Guard has bounded the whole request."""

    spool_max_size = 1 << 40


class UploadDoor:
    """ASGI middleware in front of Gradio's own upload address; see the top of this module."""

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self.app, self.uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the files of an upload; everything else passes."""
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith(ADDRESS):
            await self.app(scope, receive, send)
            return
        await (await self._reply(Request(scope, receive)))(scope, receive, send)

    async def _reply(self, request: Request) -> Response:
        if request.method != "POST":
            return PlainTextResponse("Send files by POST.", 405, {"allow": "POST"})
        try:
            parser = _InMemory(
                request.headers, request.stream(), max_files=_MOST_FILES, max_fields=_MOST_FILES
            )
            form = await parser.parse()
        except ClientDisconnect:  # the Guard ends a body that is too long in this way
            return PlainTextResponse("This request is too large.", 413)
        except (MultiPartException, KeyError):
            return PlainTextResponse('Send files as a form: curl -F "files=@photo.jpg".', 400)
        files = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
        if not files:
            return PlainTextResponse("There is no file in the field named files.", 400)
        return JSONResponse(
            [self.uploads.put(await one.read(), one.filename or "") for one in files]
        )
