"""Another model for the same photo: the question stays, and the old model is not heard any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.test_photo_models import choose
from tests.browser.visitor import CALL, Visitor, held_back, wait_for_held
from tests.test_photo_bad_input import FINDER

Visit = Callable[..., Visitor]
OTHER = "btranspose-small"
ASKED = ".pk-points [data-keypoint][aria-pressed=true]"


def asks(visitor: Visitor, model: str) -> dict[str, Any]:
    """Switch the model; the newest answer about a spot."""
    answers: list[Any] = []
    visitor.page.on(
        "response",
        lambda one: answers.append(one) if b'"explain"' in _body(one) else None,
    )
    choose(visitor, model)
    found: dict[str, Any] = answers[-1].json()
    return found


def _body(response: Any) -> bytes:
    return response.request.post_data_buffer or b"" if CALL in response.url else b""


def test_a_free_spot_and_its_pin_outlive_the_model(visit: Visit) -> None:
    visitor = visit()
    clicked = visitor.click(0.2, 0.15)["query"]
    assert clicked["keypoint"] is None
    visitor.settle()
    again = asks(visitor, OTHER)["query"]
    assert again["keypoint"] is None
    np.testing.assert_allclose(again["point"], clicked["point"])
    assert visitor.text("query").startswith("This spot")
    assert visitor.text("hint").startswith("Pinned")
    assert visitor.trouble == []


def test_a_pinned_keypoint_stays_pinned_under_another_model(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ask(lambda: page.click('.pk-points .pk-chip:has-text("left knee")'))
    choose(visitor, OTHER)
    assert "left knee" in page.inner_text(ASKED)
    assert visitor.text("hint").startswith("Pinned")
    frame = page.locator('[data-slot="frame"]').bounding_box()
    page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 3)
    page.wait_for_timeout(200)
    assert page.locator(".pk.pk-live").count() == 0
    assert visitor.text("query").startswith("Left knee")
    # A skeleton of another set has the same name at another place of its list.
    coco = next(one for one in _models(visitor) if one.startswith("transpose-r-a3"))
    choose(visitor, coco)
    assert "left knee" in page.inner_text(ASKED)
    page.keyboard.press("Escape")
    choose(visitor, OTHER)
    assert "left knee" in page.inner_text(ASKED)
    assert not visitor.text("hint").startswith("Pinned")  # nor was it before
    assert visitor.trouble == []


def test_a_keypoint_that_the_new_model_lacks_gives_way(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ask(lambda: page.click('.pk-points .pk-chip:has-text("head top")'))
    coco = next(one for one in _models(visitor) if one == "transpose-r-a3")
    view = choose(visitor, coco)
    opening = view["people"][view["person"]]["opening"]
    assert page.locator(ASKED).get_attribute("data-keypoint") == str(opening)
    assert not visitor.text("hint").startswith("Pinned")
    assert visitor.trouble == []


def _models(visitor: Visitor) -> list[str]:
    names: list[str] = visitor.page.eval_on_selector_all(
        '[data-slot="model"] option', "nodes => nodes.map(node => node.value)"
    )
    return names


@pytest.mark.parametrize("name", ["explain", "inside"])
def test_a_late_answer_of_the_old_model_does_not_land_on_the_new_one(
    visit: Visit, portrait: Image.Image, name: str
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.upload(jpeg(portrait))
    held = held_back(page, name)
    if name == "explain":
        page.click('.pk-points [data-keypoint="12"]')
    else:
        page.select_option('[data-slot="model"]', OTHER)
    wait_for_held(page, held)
    page.select_option('[data-slot="model"]', FINDER)
    page.wait_for_selector('.pk[data-shown="explore"] [data-slot="people"]:has-text("nobody")')
    for route in held:
        route.continue_()
    page.wait_for_timeout(800)
    assert visitor.text("query") == "Nothing to ask about"
    assert page.locator('[data-slot="star"]').evaluate("node => node.style.display") == "none"
    assert "nothing to ask about" in visitor.text("hint")
    assert page.locator(".pk-number").count() == 0 and page.is_hidden('[data-slot="inside"]')
    # There is nothing to take along, and the buttons say so instead of complaining when pressed.
    for kind in ("html", "live-report", "png", "svg", "json", "npz", "link"):
        button = page.locator(f'.pk-get [data-do="{kind}"]')
        assert button.is_disabled() and "found nobody" in button.get_attribute("title")
    assert visitor.trouble == []
