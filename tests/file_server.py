"""A small HTTP server that can be told to misbehave, for the tests of downloading."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """Serves one file under every path but /missing.

    Attributes:
        content: the file.
        etag: its version tag; None sends none.
        ranges: whether it honours Range.
        cuts: for each of the next requests, after how many bytes of the answer to hang up.
        lie: send this Content-Length instead of the true one.
        status: answer everything with this status instead.
        asked: (Range header, If-Range header) of every request so far.
    """

    content: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    lie: int | None = None
    status: int | None = None
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """Run a server on a free local port for the length of a block."""
    state = FileServer(content)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked, if_range = self.headers.get("Range"), self.headers.get("If-Range")
            state.asked.append((asked, if_range))
            if self.path == "/missing" or state.status:
                self.send_response(state.status or 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, status = 0, 200
            stale = if_range is not None and if_range != state.etag
            if asked and state.ranges and not stale:
                found = re.fullmatch(r"bytes=(\d+)-", asked)
                assert found is not None
                start, status = int(found[1]), 206
            if start >= len(state.content) and status == 206:
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = state.content[start:]
            self.send_response(status)
            self.send_header("Content-Length", str(state.lie or len(body)))
            if status == 206:
                last = len(state.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            cut = state.cuts.pop(0) if state.cuts else None
            self.wfile.write(body[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/weights.pth"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
