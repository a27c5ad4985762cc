"""Explore's link and files, the Models page, the first visit's hint and the help on numbers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]

STATE = """() => ({
  query: document.querySelector('[data-slot=query] b').innerText,
  model: document.querySelector('[data-slot=model]').value,
  layer: document.querySelector('[data-layer][aria-pressed=true]').dataset.layer,
  head: document.querySelector('button[data-head][aria-pressed=true]').dataset.head,
  direction: document.querySelector('[data-direction][aria-checked=true]').dataset.direction,
  opacity: document.querySelector('[data-slot=opacity]').value,
  example: document.querySelector('.pk-hero .pk-example[aria-pressed=true]')?.dataset.example,
})"""
PASSING = "model=btranspose-small&photo=passing&person=2"
HEAD = "layer=encoder.1&head=2&direction=column&opacity=40"


def open_link(visitor: Visitor, fragment: str) -> None:
    """Put a link into the address bar of the page that is open."""
    visitor.page.evaluate("hash => { location.hash = hash; }", fragment)
    visitor.page.wait_for_timeout(300)
    visitor.settle()


def alert(visitor: Visitor) -> str:
    visitor.page.wait_for_selector('[data-slot="alert"]')
    return visitor.text("alert-text")


def test_a_link_restores_the_question_and_the_way_back_does_too(visit: Visit) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    before = page.evaluate(STATE)
    assert page.evaluate("location.hash") == ""  # nobody has asked anything yet
    page.click('[data-keypoint="12"]')
    page.wait_for_function("location.hash.includes('keypoint=neck')")
    open_link(visitor, f"#explore?{PASSING}&keypoint=left+knee&{HEAD}")
    wanted = {"query": "Left knee", "model": "btranspose-small", "example": "passing"}
    wanted |= {"head": "1", "direction": "column", "opacity": "40"}
    there = page.evaluate(STATE)
    assert there == {**there, **wanted}
    title = page.inner_text('[data-layer][aria-pressed="true"] b')
    assert page.is_hidden('[data-slot="alert"]')
    page.click('[data-do="link"]')
    page.wait_for_function("document.querySelector('[data-slot=link-text]').innerText === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "keypoint=left+knee" in copied and "layer=encoder.1" in copied and "person=2" in copied
    page.go_back()
    page.wait_for_function("document.querySelector('[data-slot=query] b')?.innerText === 'Neck'")
    visitor.settle()
    assert page.evaluate(STATE)["model"] == before["model"]
    page.go_forward()
    page.wait_for_function(
        "document.querySelector('[data-slot=query] b')?.innerText === 'Left knee'"
    )
    visitor.settle()
    # The copied link in a window of its own: the same again.
    page.goto("about:blank")
    page.goto(copied)
    page.wait_for_function(
        "document.querySelector('[data-slot=query] b')?.innerText === 'Left knee'"
    )
    visitor.settle()
    assert page.evaluate(STATE) == there
    assert page.inner_text('[data-layer][aria-pressed="true"] b') == title
    assert visitor.trouble == []


def test_wrong_and_hostile_links_are_sentences(visit: Visit) -> None:
    visitor = visit()
    evil = quote("<img src=x onerror=alert(1)>")
    names = ("model", "photo", "keypoint", "at", "layer", "head", "direction", "method", "colours")
    open_link(visitor, "#explore?" + "&".join(f"{name}={evil}" for name in names))
    said = alert(visitor)
    assert "There is no model “<img src=x onerror=alert(1)>” here." in said
    assert "TransPose-R-small knows no keypoint “<img" in said and "has no layer" in said
    assert visitor.page.locator("img[src=x]").count() == 0
    open_link(visitor, "#explore?model=__proto__&opacity=%E0%A4%A&person=0&boxes=1,2&head=1e9")
    assert "There is no model “__proto__” here." in alert(visitor)
    open_link(visitor, "#explore?at=99999,-99999")
    assert "lies outside" in alert(visitor)
    assert visitor.trouble == []


def test_an_uploaded_photo_is_not_in_the_link_but_the_question_waits(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.upload(jpeg(portrait))
    page.click('[data-keypoint="13"]')
    page.wait_for_function("/photo=own&keypoint=head\\+top/.test(location.hash)")
    link = page.evaluate("location.href")
    assert "boxes" not in link and len(link) < 300
    page.goto("about:blank")
    page.goto(link)
    assert alert(visitor).startswith("The link holds the question, not the photo")
    visitor.settle()
    visitor.upload(jpeg(portrait))
    page.wait_for_function(
        "document.querySelector('[data-slot=query] b')?.innerText === 'Head top'"
    )
    assert visitor.trouble == []


def test_files_of_explore(visit: Visit, tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.page
    files: dict[str, bytes] = {}
    for kind in ("svg", "json", "html"):
        with page.expect_download(timeout=60_000) as file:
            page.click(f'[data-do="{kind}"]')
        path = tmp_path / file.value.suggested_filename
        file.value.save_as(path)
        assert path.suffix == f".{kind}"
        files[kind] = path.read_bytes()
    assert ET.fromstring(files["svg"]).tag.endswith("svg")
    assert json.loads(files["json"])["asked"]["label"] == "right wrist"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(files["html"].decode())
    assert page.inner_text("h1") == "Right wrist looks at"
    assert page.evaluate("Array.from(document.images).every(i => i.complete && i.naturalWidth)")
    assert not [url for url in asked if not url.startswith("data:")]


def test_models_page_and_its_links(visit: Visit) -> None:
    visitor = visit(width=390, height=844, has_touch=True)
    page = visitor.page
    page.click('[data-page-link="models"]')
    page.wait_for_selector(".pk-zoo-card", timeout=60_000)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 390
    for summary in page.locator(".pk-more summary").all():
        summary.click()
    assert page.evaluate(wide) <= 390
    for fact in ("one person's crop", "the whole photo"):
        assert page.locator(".pk-differs", has_text=fact.replace("'", "’")).count() >= 2
    by_hand = page.locator('[data-model="querypose-hrnet-w32"]')
    assert "In the authors’ README, light model" in by_hand.inner_text()
    command = by_hand.locator(".pk-command code").inner_text()
    assert command == "posekit serve --weights querypose-hrnet-w32=FILE"
    card: Any = page.locator('[data-model="btranspose-small"]')
    assert "Trained by PoseKit" in card.inner_text() and "LSPET" in card.inner_text()
    open_in = card.locator('a:has-text("Open in Compare")').get_attribute("href")
    assert open_in.startswith("#compare?models=") and open_in.endswith("btranspose-small")
    mark = card.locator("[data-help]").first
    mark.tap()
    assert "torso" in page.inner_text(".pk-pop")
    page.keyboard.press("Escape")
    assert page.is_hidden(".pk-pop")
    card.locator('a:has-text("Open in Explore")').click()
    page.wait_for_function(
        "document.querySelector('[data-slot=model]').value === 'btranspose-small'"
    )
    assert page.is_visible('[data-page="explore"]')
    assert visitor.trouble == []


def test_the_first_visits_hint_goes_and_stays_away(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    assert page.is_visible('[data-slot="welcome"]')
    visitor.click(0.5, 0.4)
    assert page.is_hidden('[data-slot="welcome"]')
    page.goto("about:blank")
    page.goto(visitor.address)
    page.wait_for_selector(".pk-number")
    assert page.is_hidden('[data-slot="welcome"]')
    assert page.evaluate("localStorage.getItem('posekit-met')") == "1"
    # Help by keyboard: it opens on focus and closes with Escape, which then lets go of nothing.
    page.focus('[data-do="link"]')
    page.keyboard.press("Shift+Tab")
    for _ in range(40):
        if page.evaluate("document.activeElement.dataset.help") == "keep":
            break
        page.keyboard.press("Shift+Tab")
    assert "share of the attention" in page.inner_text(".pk-pop")
    page.keyboard.press("Escape")
    assert page.is_hidden(".pk-pop")
    for slot in ("caption", "model-line"):
        cut = "s => { const n = document.querySelector(`[data-slot=${s}]`);"
        assert page.evaluate(cut + " return n.scrollWidth <= n.clientWidth; }", slot)
