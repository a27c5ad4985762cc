"""The other ways for a photo to come in: paste, drop, camera, examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor, asked_for, held_back, wait_for_held

Visit = Callable[..., Visitor]

PICTURE = """
const canvas = document.createElement('canvas');
[canvas.width, canvas.height] = [300, 200];
canvas.getContext('2d').fillRect(20, 20, 90, 90);
const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
const carried = new DataTransfer();
carried.items.add(new File([blob], 'a private name.png', { type: 'image/png' }));
"""


@pytest.mark.parametrize(
    "how",
    [
        "document.dispatchEvent(new ClipboardEvent('paste', "
        "{ clipboardData: carried, bubbles: true, cancelable: true }))",
        "document.querySelector('.pk-stage').dispatchEvent(new DragEvent('drop', "
        "{ dataTransfer: carried, bubbles: true, cancelable: true }))",
    ],
    ids=["paste", "drop"],
)
def test_a_picture_can_be_pasted_or_dropped(visit: Visit, how: str) -> None:
    visitor = visit()
    with visitor.page.expect_response(asked_for("analyse")) as reply:
        visitor.page.evaluate(f"async () => {{ {PICTURE} {how}; }}")
    photo = reply.value.json()["photo"]
    assert (photo["width"], photo["height"]) == (300, 200)
    visitor.page.wait_for_selector('.pk-skeleton[viewBox="-0.5 -0.5 300 200"]')
    assert visitor.trouble == []


def test_the_camera_takes_a_picture(visit: Visit) -> None:
    visitor = visit(permissions=["camera"])
    page = visitor.page
    page.click('[data-do="camera"]')
    page.wait_for_function("document.querySelector('[data-slot=video]').videoWidth > 0")
    with page.expect_response(asked_for("analyse")) as reply:
        page.click('[data-do="shoot"]')
    assert reply.value.json()["photo"]["width"] >= 320
    page.wait_for_selector('[data-slot="camera"]', state="hidden")
    assert visitor.trouble == []


def test_every_example_shows_its_people(visit: Visit) -> None:
    visitor = visit()
    for button in visitor.page.locator(".pk-example:visible").all()[1:]:
        with visitor.page.expect_response(asked_for("analyse_example")) as reply:
            button.click()
        view = reply.value.json()
        count = len(view["people"])
        visitor.page.wait_for_function(
            "count => document.querySelectorAll('.pk-person').length === count", arg=count
        )
        visitor.settle()
        assert button.get_attribute("aria-pressed") == "true"
        assert visitor.text("caption") != ""
    assert visitor.trouble == []


@pytest.mark.parametrize("held_up", ["start", "analyse_example"])
def test_a_photo_chosen_while_the_page_loads_is_analysed(
    window: Callable[..., Any], address: str, quarters: Image.Image, held_up: str
) -> None:
    """Before the server answered at all, and while it looks at the first example."""
    page = window()
    held = held_back(page, held_up)
    page.goto(address)
    wait_for_held(page, held)
    photo = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": jpeg(quarters)}
    page.set_input_files('[data-slot="file"]', photo)
    page.wait_for_timeout(100)
    assert "your photo comes next" in page.text_content('[data-slot="busy-text"]')
    with page.expect_response(asked_for("analyse")) as reply:
        for route in held:
            route.continue_()
    assert reply.value.json()["photo"]["width"] == quarters.width
    page.wait_for_selector(f'.pk-skeleton[viewBox="-0.5 -0.5 {quarters.width} {quarters.height}"]')
    page.wait_for_load_state("networkidle")
    assert page.locator(".pk-example[aria-pressed=true]").count() == 0
    viewbox = page.locator('[data-slot="skeleton"]').get_attribute("viewBox")
    assert viewbox == f"-0.5 -0.5 {quarters.width} {quarters.height}"
    assert page.is_hidden('[data-slot="alert"]')


def test_a_bad_file_chosen_while_the_page_loads_is_refused_in_words(
    window: Callable[..., Any], address: str
) -> None:
    page = window()
    held = held_back(page, "start")
    page.goto(address)
    wait_for_held(page, held)
    bad = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"this is no picture"}
    page.set_input_files('[data-slot="file"]', bad)
    held.pop().continue_()
    page.wait_for_selector(".pk-number")  # the example stands there all the same
    page.wait_for_selector('[data-slot="alert"]:visible')
    assert page.inner_text('[data-slot="alert-text"]').startswith("This file")
