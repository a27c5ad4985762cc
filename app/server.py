"""Building the page and serving it."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from app import style
from app.api import Api
from app.api_door import CALL, CallDoor
from app.api_pictures import FILE, PictureDoor
from app.blocks import Page
from app.explore import Explorer
from app.occlusion_library import FORWARDED
from app.picture import assets
from app.plotly_script import PlotlyScript
from app.tools import check_installed, mend_answers
from app.uploads import ADDRESS as UPLOAD
from app.uploads import UploadDoor
from posekit.errors import PoseKitError
from posekit.occlusion import CaseLibrary
from posekit.photo import PhotoLimits

MAX_BODY = PhotoLimits().max_bytes + 2**20  # a photo, and the few words that travel with it
SWEEP_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PROXIED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
PERSONAL = ("component_server", CALL, "/gradio_api/queue/", FILE, UPLOAD)
"""Addresses whose replies are about somebody's photo."""
PAGES = ("explore", "compare", "occlusion", "models")
FAVICON = assets() / "favicon.ico"

HEADERS = {
    # Nothing on the page comes from, or goes to, another server; a photo cannot leak through it
    # either.
    b"content-security-policy": (
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:;"
        b" object-src 'none'; base-uri 'self'"
    ),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"permissions-policy": b"camera=(self), clipboard-read=(self), microphone=(), geolocation=()",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Guard:
    """ASGI middleware: bodies have a size limit, replies carry the headers above.

    Replies to calls are also kept out of every cache: they are about people's photos. A request
    that came through a proxy is marked as such.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], max_body: int = MAX_BODY) -> None:
        self.app = app
        self.max_body = max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it announces, or turns out to have, too long a body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        FORWARDED.set(any(name.lower() in PROXIED for name, _ in scope["headers"]))
        came = 0

        async def receive_so_much() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return message if came <= self.max_body else {"type": "http.disconnect"}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (k, v) for k, v in message.get("headers", ()) if k.lower() not in HEADERS
                ]
                headers.extend(HEADERS.items())
                if any(part in scope["path"] for part in PERSONAL):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self.max_body:
            await send_with_headers({"type": "http.response.start", "status": 413})
            await send({"type": "http.response.body", "body": b"This request is too large."})
            return
        await self.app(scope, receive_so_much, send_with_headers)


def build(api: Api) -> Page:
    """The page and the API as Gradio Blocks.  Launch them with :func:`launch_options`."""
    with Page(
        title="PoseKit · see where a pose model looks",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(600, 1800),
    ) as page:
        api.explorer.component()
        api.expose()
    page.api = api
    # The page's calls do not pass through Gradio's queue (they have a line of their own, app.gate);
    # those of the API do. It is bounded, and closed to requests that would skip it.
    page.queue(api_open=False, max_size=16, default_concurrency_limit=1)
    return page


def launch_options(api: Api, *, mcp: bool = False) -> dict[str, Any]:
    """What every launch must say: nothing kept, nothing shared, nothing from elsewhere."""
    return {
        "theme": style.theme(),
        "css": style.FRAME,
        "favicon_path": FAVICON if FAVICON.is_file() else None,
        "footer_links": [],
        "run_history": False,
        "show_error": False,
        "share": False,
        "max_file_size": MAX_BODY,
        "state_session_capacity": 64,
        "strict_cors": True,
        "ssr_mode": False,
        "enable_monitoring": False,
        "mcp_server": mcp,
        "quiet": True,
        "app_kwargs": {
            "middleware": [
                Middleware(Guard),
                Middleware(PlotlyScript),
                Middleware(UploadDoor, uploads=api.uploads),
                Middleware(PictureDoor, pictures=api.pictures),
                Middleware(CallDoor, api=api),
            ],
            "routes": [Route(f"/{name}", _to_fragment) for name in PAGES],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
    }


async def _to_fragment(request: Request) -> RedirectResponse:
    """All pages are one document: ``/compare``, as people type it, is ``/#compare``."""
    return RedirectResponse(f"./#{request.url.path.rsplit('/', 1)[-1]}")


def serve(
    host: str = "127.0.0.1",
    port: int | None = 7860,
    *,
    device: str = "auto",
    model: str | None = None,
    block: bool = True,
    explorer: Explorer | None = None,
    cases: str | Path | None = None,
    mcp: bool = False,
) -> Page:
    """Serve the page and print its address; ``port`` None takes a free one.

    ``cases`` is a folder that occlusion cases may be saved in by everybody who can open the page.
    Without it there is a library only on a page that this machine alone can open: the usual one
    (:func:`posekit.occlusion.library_dir`), and only for visitors who come through no proxy.

    ``mcp`` offers the calls of the API as MCP tools too, which needs the package mcp.

    With ``block`` False it returns while the page is served, and ``close()`` of the result ends it.

    Raises:
        PackageError: the package mcp is not installed.
    """
    if mcp:
        check_installed()
    private_folder()
    if explorer is None:
        local = cases is None and host in LOOPBACK
        library = CaseLibrary(cases) if cases is not None or local else None
        explorer = Explorer(device=device, model=model, library=library, local=local)
    api = Api(explorer)
    page = build(api)
    _, address, _ = page.launch(
        server_name=host, server_port=port, prevent_thread_lock=True, **launch_options(api, mcp=mcp)
    )
    if mcp:
        mend_answers(page)
    _sweep_now_and_then(explorer, api)
    threading.Thread(target=_warm, args=[explorer], name="posekit-warm", daemon=True).start()
    print(f"PoseKit is at {address}  (Ctrl + C ends it)", flush=True)
    if block:
        end_cleanly()
        page.block_thread()
    return page


def end_cleanly() -> None:
    """Let a polite kill, such as a container's stop, leave nothing behind in temporary folders."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # runs what atexit holds


def private_folder() -> str:
    """Give Gradio a temporary folder of our own, readable by nobody else, unless one is set."""
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="posekit-page-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["GRADIO_TEMP_DIR"] = folder
    return os.environ["GRADIO_TEMP_DIR"]


def _warm(explorer: Explorer) -> None:
    """Have the first photo ready; should that go wrong, visitors are told when they come."""
    with suppress(PoseKitError):
        explorer.warm()


def _sweep_now_and_then(explorer: Explorer, api: Api) -> None:
    """Forget stale sessions, uploads and pictures even when nobody comes by."""

    def sweep() -> None:
        pause = threading.Event()
        while not pause.wait(SWEEP_SECONDS):
            explorer.sessions.sweep()
            api.sweep()

    threading.Thread(target=sweep, name="posekit-sweep", daemon=True).start()
