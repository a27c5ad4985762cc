"""What is kept of those who call (nothing), and who waits."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file

from app.api_pictures import Pictures
from app.blocks import Page
from app.server import MAX_BODY
from app.uploads import Uploads, photo_bytes
from posekit.errors import PhotoError
from tests.api.calls import MODEL, ask, left


def test_nothing_of_a_photo_is_left_nor_logged(
    page: Page, address: str, client: Client, person: Path, empty: None,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG, "posekit")
    data = f"data:image/jpeg;base64,{base64.b64encode(person.read_bytes()).decode()}"
    assert ask(address, "predict", {"photo": data, "model": MODEL})[0] == "complete"
    assert ask(address, "predict", {"photo": data, "model": "nothing"})[0] == "error"
    client.predict(photo=handle_file(person), model=MODEL, api_name="/predict")
    assert left(page) == []
    assert page._queue.event_ids_to_events == {}
    assert "crowd" not in caplog.text
    said = capfd.readouterr()
    assert "crowd" not in said.out + said.err and "Traceback" not in said.err


def test_an_upload_serves_one_call_and_nobody_can_fetch_it(
    page: Page, address: str, person: Path
) -> None:
    with person.open("rb") as file:
        sent = httpx.post(f"{address}/gradio_api/upload", files={"files": file}, timeout=30)
    (path,) = sent.json()
    assert page.api.uploads.nbytes == person.stat().st_size
    assert not any(one.is_file() for one in Path(page.GRADIO_CACHE).rglob("*"))
    assert httpx.get(f"{address}/gradio_api/file={path}").status_code in (403, 404)
    shown = f"{address}/gradio_api/file={path}"  # how MCP clients name it
    assert ask(address, "predict", {"photo": shown, "model": MODEL})[0] == "complete"
    assert page.api.uploads.nbytes == 0
    state, data = ask(address, "predict", {"photo": path, "model": MODEL})
    assert state == "error" and "no longer" in data["error"]


def test_the_same_photo_in_several_calls_at_once_is_several_uploads(
    page: Page, client: Client, person: Path, monkeypatch: pytest.MonkeyPatch, empty: None
) -> None:
    """They all succeed, and of them one is at the gate at a time."""
    explorer, lock = page.api.explorer, threading.Lock()
    running, most, predict = 0, 0, explorer.predict

    def watched(*arguments: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            time.sleep(0.02)
            return predict(*arguments)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(explorer, "predict", watched)
    jobs = [
        client.submit(photo=handle_file(person), api_name=name, **more)
        for name, more in (
            ("/predict", {"model": MODEL}),
            ("/explain", {"model": MODEL, "keypoint": "neck"}),
            ("/predict", {"model": MODEL}),
        )
    ]
    answers = [job.result(timeout=120) for job in jobs]
    assert answers[0]["people"] == answers[2]["people"]
    assert most == 1


def test_the_guard_stands_before_the_api_too(page: Page, address: str, empty: None) -> None:
    upload = f"{address}/gradio_api/upload"

    def without_length() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(MAX_BODY // 2**20 + 1):
            yield b"\0" * 2**20

    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert httpx.post(upload, content=b"x" * (MAX_BODY + 1), timeout=60).status_code == 413
    assert httpx.post(upload, content=without_length(), headers=kind, timeout=60).status_code == 413
    for bad in ({"content": b"abc"}, {"files": {"other": b"x"}}, {"data": {"files": "x"}}):
        reply = httpx.post(upload, timeout=30, **bad)  # type: ignore[arg-type]
        assert reply.status_code == 400 and reply.text.count(".") >= 1
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"].startswith("default-src 'self'")
    stranger = httpx.post(upload, headers={"origin": "https://example.org"}, files={"files": b"x"})
    assert "access-control-allow-origin" not in stranger.headers
    page.api.uploads.take(stranger.json()[0])


def test_uploads_are_bounded_and_forgotten() -> None:
    now = [0.0]
    uploads = Uploads(most_bytes=10, ttl_seconds=60, clock=lambda: now[0])
    first, second = uploads.put(b"12345", "../../x y.jpg"), uploads.put(b"6789", "b.jpg")
    assert first.endswith("/x%20y.jpg") and ".." not in first
    third = uploads.put(b"abc")
    with pytest.raises(PhotoError, match="no longer"):  # the oldest made room
        uploads.take(first)
    assert uploads.take(second) == b"6789"
    now[0] = 61
    uploads.sweep()
    assert uploads.nbytes == 0
    with pytest.raises(PhotoError, match="no longer"):
        uploads.take(third)
    for other in ("", "posekit-upload/short", "/etc/passwd"):
        with pytest.raises(PhotoError, match="reads no file of its own"):
            uploads.take(other)
    assert photo_bytes("data:image/png;base64,AAEC", uploads) == b"\0\1\2"
    for bad in ("data:image/png;base64,%%", "data:text/plain,hello"):
        with pytest.raises(PhotoError, match="not base64"):
            photo_bytes(bad, uploads)


def test_pictures_nobody_fetched_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    now = [0.0]
    pictures = Pictures(ttl_seconds=120, clock=lambda: now[0])
    path = Path(pictures.save(lambda where: where.write_bytes(b"picture") and None))
    other = tmp_path / "other.png"
    other.write_bytes(b"")
    pictures.drop(str(other))
    pictures.sweep()
    assert path.read_bytes() == b"picture" and other.exists()
    now[0] = 121
    pictures.sweep()
    assert not path.parent.exists() and len(pictures) == 0
