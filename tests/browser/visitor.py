"""What a visitor does on the page, in the words of the tests."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

CALL = "component_server"


class Visitor:
    """One open page.  ``trouble`` collects script errors, ``requests`` every address asked for."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.trouble: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)
        self.arrived()

    def arrived(self) -> None:
        """Wait until the page that the address opens is there."""
        self.page.wait_for_selector('.pk[data-state="ready"]')
        self.page.wait_for_selector(".pk-number")

    def upload(
        self, data: bytes, name: str = "photo.jpg", mime: str = "image/jpeg"
    ) -> dict[str, Any]:
        """Choose a file; returns the server's reply."""
        with self.page.expect_response(asked_for("analyse")) as reply:
            self.page.set_input_files(
                '[data-slot="file"]', {"name": name, "mimeType": mime, "buffer": data}
            )
        answer: dict[str, Any] = reply.value.json()
        if "error" not in answer:
            size = [answer["photo"]["width"], answer["photo"]["height"]]
            self.page.wait_for_function(
                "size => document.querySelector('.pk-skeleton').getAttribute('viewBox')"
                " === [-0.5, -0.5, ...size].join(' ')",
                arg=size,
            )
            self.settle()
        return answer

    def settle(self) -> None:
        """Wait until nothing is under way and the last frame is drawn."""
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_selector(".pk:not(.pk-working)")
        self.page.wait_for_timeout(120)

    def ask(self, do: Any) -> dict[str, Any]:
        """Do something that asks a question; returns the server's answer."""
        with self.page.expect_response(asked_for("explain")) as reply:
            do()
        answer: dict[str, Any] = reply.value.json()
        self.page.wait_for_timeout(120)
        return answer

    def click(self, x: float, y: float) -> dict[str, Any]:
        """Click the photo at a fraction of its width and height, as a hand would."""
        self.page.evaluate("scrollTo(0, 0)")
        frame = self.page.locator('[data-slot="frame"]').bounding_box()
        return self.ask(
            lambda: self.page.mouse.click(
                frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]
            )
        )

    def canvas(self, selector: str) -> np.ndarray:
        """(h, w, 4) uint8 of a canvas."""
        url = self.page.evaluate("s => document.querySelector(s).toDataURL('image/png')", selector)
        picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        return np.array(picture.convert("RGBA"))

    def colour(self, x: float, y: float) -> np.ndarray:
        """RGB of the photo as shown, at a fraction of its width and height."""
        rgb = self.page.evaluate(
            "([x, y]) => { const c = document.querySelector('.pk-photo'); return Array.from("
            "c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data.slice(0, 3)); }",
            [x, y],
        )
        return np.array(rgb)

    def call(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Call a function of the server by hand, as somebody who pokes at it would."""
        reply: dict[str, Any] = self.page.evaluate(
            "async ([name, data]) => { const us = window.gradio_config.components.find("
            "c => c.props.elem_id === 'posekit').id;"
            " const reply = await fetch('gradio_api/component_server/', { method: 'POST',"
            " headers: {'Content-Type': 'application/json'}, body: JSON.stringify({ data,"
            " component_id: us, fn_name: name, session_hash: 'by-hand' }) });"
            " return await reply.json(); }",
            [name, data],
        )
        return reply

    def text(self, slot: str) -> str:
        """What a part of the page says."""
        said: str = self.page.inner_text(f'[data-slot="{slot}"]')
        return said


def asked_for(name: str) -> Any:
    """Picks the reply to one of the page's calls."""

    def match(response: Any) -> bool:
        if CALL not in response.url:
            return False
        if "multipart" in response.request.headers.get("content-type", ""):
            return name == "analyse"  # the only call that carries a file
        return f'"fn_name":"{name}"'.encode() in (response.request.post_data_buffer or b"")

    return match


def held_back(page: Any, name: str) -> list[Any]:
    """From now on calls of that name wait; the list holds them, to be continued."""
    held: list[Any] = []

    def hold(route: Any) -> None:
        if f'"fn_name":"{name}"'.encode() in (route.request.post_data_buffer or b""):
            held.append(route)
        else:
            route.continue_()

    page.route(lambda url: CALL in url, hold)
    return held


def wait_for_held(page: Any, held: list[Any]) -> None:
    """Until a call waits."""
    for _ in range(400):
        if not held:
            page.wait_for_timeout(50)
    assert held
