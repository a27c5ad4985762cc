"""Two visitors at once, and what is left of a visitor afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor, asked_for

Visit = Callable[..., Visitor]


def plain(colour: tuple[int, int, int]) -> bytes:
    return jpeg(Image.new("RGB", (200, 260), colour))


def token_of(do: Callable[[], dict[str, Any]], visitor: Visitor) -> tuple[str, str]:
    """Token and view id as the visitor's own page sends them."""
    with visitor.page.expect_request(
        lambda r: (
            "component_server" in r.url and b'"fn_name":"explain"' in (r.post_data_buffer or b"")
        )
    ) as sent:
        do()
    data = sent.value.post_data_json["data"]
    return data["token"], data["view"]


def test_two_visitors_at_once_never_see_each_others_photo(visit: Visit) -> None:
    red, blue = visit(), visit()
    red.upload(plain((200, 30, 30)))
    blue.upload(plain((30, 30, 200)))
    for visitor, colour in ((red, (200, 30, 30)), (blue, (30, 30, 200)), (red, (200, 30, 30))):
        assert "error" not in visitor.click(0.5, 0.5)
        assert np.abs(visitor.colour(0.5, 0.5) - colour).max() < 12

    red_token, red_view = token_of(lambda: red.click(0.4, 0.4), red)
    blue_token, _ = token_of(lambda: blue.click(0.4, 0.4), blue)
    assert red_token != blue_token
    question = {"view": red_view, "person": 0, "keypoint": 0, "direction": "row"}
    for call in ("explain", "live", "download", "again"):
        more = {"layer": "encoder.1", "format": "npz", "head": None, "model": "transpose-r-small"}
        for token in (blue_token, "guess", "", red_token[:-1] + "x"):
            reply = blue.call(call, {"token": token, **question, **more})
            assert set(reply) == {"error", "expired"}, (call, reply)
    # Whoever holds the token is the visitor: the same question then has an answer.
    assert "layers" in blue.call("explain", {"token": red_token, **question})


def test_a_photo_never_becomes_a_file_or_an_address(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(plain((10, 120, 60)))
    visitor.click(0.5, 0.5)
    with visitor.page.expect_download():
        visitor.page.click('[data-do="npz"]')
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert not any("/file=" in url or "/upload" in url for url in visitor.requests)


def test_nothing_is_asked_of_another_server(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    home = urlsplit(visitor.address).netloc
    asked = {urlsplit(url).netloc for url in visitor.requests if url.startswith("http")}
    assert asked == {home}


def test_closing_the_page_forgets_the_visitor(visit: Visit, explorer: Any) -> None:
    visitor = visit()
    visitor.upload(plain((90, 90, 20)))
    visitor.settle()
    before = len(explorer.sessions)
    visitor.page.goto("about:blank")
    for _ in range(50):
        if len(explorer.sessions) < before:
            break
        visitor.page.wait_for_timeout(100)
    assert len(explorer.sessions) == before - 1


def test_forget_it_now(visit: Visit) -> None:
    visitor = visit()
    visitor.upload(plain((20, 90, 90)))
    token, view = token_of(lambda: visitor.click(0.5, 0.5), visitor)
    with visitor.page.expect_response(asked_for("analyse_example")):
        visitor.page.click('[data-do="forget"]')
    visitor.settle()
    question = {"person": 0, "keypoint": 0, "direction": "row"}
    assert "error" in visitor.call("explain", {"token": token, "view": view, **question})
    assert np.abs(visitor.colour(0.5, 0.5) - (20, 90, 90)).max() > 20


def test_an_expired_visit_sends_the_photo_again_by_itself(visit: Visit, explorer: Any) -> None:
    visitor = visit()
    visitor.upload(plain((120, 30, 140)))
    token, _ = token_of(lambda: visitor.click(0.5, 0.5), visitor)
    explorer.sessions.close(token)
    with visitor.page.expect_response(asked_for("analyse")):
        frame = visitor.page.locator('[data-slot="frame"]').bounding_box()
        visitor.page.mouse.click(
            frame["x"] + 0.3 * frame["width"], frame["y"] + 0.3 * frame["height"]
        )
    visitor.settle()
    assert np.abs(visitor.colour(0.5, 0.5) - (120, 30, 140)).max() < 12
    assert "layers" in visitor.click(0.6, 0.6)
    assert not visitor.page.is_visible('[data-slot="alert"]')
