"""Links of Compare and Occlusion: zoom and occluder come back, and what is wrong is said."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.test_compare import BOTTLENECK, SMALL, Comparing, answered
from tests.browser.test_links_and_exports import alert
from tests.browser.test_occlusion import Hiding
from tests.browser.test_zoom import PANELS, SIDES, part_of

MAY_COPY = {"permissions": ["clipboard-read", "clipboard-write"]}
PANELS_LINK = f"#compare?models={SMALL},{BOTTLENECK}"
CASE = "#occlusion?case=in+full+view"


def put(page: Any, fragment: str) -> None:
    """Another link in the address bar of the page that is open."""
    page.evaluate("hash => { location.hash = hash; }", fragment)


def copied(page: Any, button: str, slot: str) -> str:
    page.click(f'[data-do="{button}"]')
    page.wait_for_function(f"document.querySelector('[data-slot={slot}]').innerText === 'Copied'")
    found: str = page.evaluate("navigator.clipboard.readText()")
    return found


def saved(page: Any, button: str, folder: Path) -> bytes:
    with page.expect_download(timeout=60_000) as file:
        page.click(f'[data-do="{button}"]')
    path = folder / file.value.suggested_filename
    file.value.save_as(path)
    return path.read_bytes()


def test_compares_link_holds_photo_and_zoom_and_says_what_is_wrong(
    window: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    link = f"{PANELS_LINK}&photo=passing&person=2&keypoint=left+knee&zoom=2.5,300,420"
    visitor = Comparing(window(**MAY_COPY), address + link)
    page = visitor.page
    assert page.evaluate("document.querySelector('.pk-frame.pk-zoomed') !== null")
    x, y, width, height = part = part_of(page, PANELS)
    assert part.tolist() == part_of(page, PANELS, 1).tolist()
    np.testing.assert_allclose([x + width / 2, y + height / 2], [300, 420], atol=1)
    assert visitor.text("compare-query").replace("\n", " ").startswith("Left knee")
    assert "person 2" in visitor.text("compare-query")
    page.keyboard.press("+")
    nearer = part_of(page, PANELS)
    address_held = copied(page, "compare-link", "compare-link-text")
    assert "photo=passing" in address_held and "zoom=3.75," in address_held
    drawn = ET.fromstring(saved(page, "compare-svg", tmp_path))
    assert len([one for one in drawn if one.tag.endswith("}svg")]) == 2

    wrong = f"#compare?models={SMALL},no-model,{BOTTLENECK}&photo=moon&zoom=900,1,1&head=x"
    put(page, wrong + "&direction=up&layers=encoder.9,last&keypoint=tail")
    answered(visitor)
    said = alert(visitor)
    for words in (
        "There is no model “no-model” here.", "There is no example photo “moon” here.",
        "The link’s zoom is “900,1,1”", "The link’s head is “x”", "The link’s direction is “up”",
        "TransPose-R-small has no layer “encoder.9”.", "knows a keypoint “tail”",
    ):  # fmt: skip
        assert words in said
    assert page.locator(".pk-frame.pk-zoomed:visible").count() == 0

    put(page, "#" + address_held.partition("#")[2])
    page.wait_for_function("document.querySelector('.pk-panel .pk-frame.pk-zoomed')")
    answered(visitor)
    np.testing.assert_allclose(part_of(page, PANELS), nearer, atol=1)
    assert page.is_hidden('[data-slot="alert"]')
    assert visitor.trouble == []


def occluder_of(visitor: Hiding, do: Callable[[], Any]) -> Any:
    return visitor.study(do)["occluder"]


def test_occlusions_link_holds_the_occluder_and_the_zoom(
    window: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    visitor = Hiding(window(**MAY_COPY), address + CASE)
    page = visitor.page
    visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    colour = page.locator('[aria-label="What the occluder is filled with"]')
    painted = occluder_of(visitor, lambda: colour.select_option("black"))
    page.locator(SIDES).first.scroll_into_view_if_needed()
    page.keyboard.press("+")
    page.keyboard.press("+")
    part = part_of(page, SIDES)
    link = copied(page, "oc-link", "oc-link-text")
    x, y, width, height = painted["box"]
    assert f"occluder=rectangle&colour=black&place={x:g},{y:g}&size={width:g},{height:g}" in link
    assert "zoom=2.25," in link and "base64" not in link and len(link) < 400
    drawn = ET.fromstring(saved(page, "oc-svg", tmp_path))
    assert [one for one in drawn.iter() if one.attrib.get("class") == "occluder"]

    facts = visitor.facts("after")
    other = Hiding(window(), link)
    assert other.facts("after") == facts  # the very same occluder: the very same numbers
    np.testing.assert_allclose(part_of(other.page, SIDES), part, atol=1)

    page = other.page
    whole = "&keypoint=left+wrist"
    for words, kind in (
        ("occluder=stroke&place=200,150;240,210;250,260&width=18&colour=grey", "stroke"),
        ("occluder=patch&from=20,20&size=60,40&place=210,180", "patch"),
        ("occluder=cutout&of=1&place=300,100", "cutout"),
    ):
        front = occluder_of(other, lambda w=words: put(page, f"{CASE}{whole}&{w}"))  # type: ignore[misc]
        assert front["kind"] == kind
        page.wait_for_function("w => location.hash.includes(w)", arg=words.partition("&")[0])
        again = dict(one.split("=") for one in page.url.partition("?")[2].split("&"))
        for name, value in (one.split("=") for one in words.split("&")):
            assert again[name] == value, name
    assert occluder_of(other, lambda: put(page, f"{CASE}&occluder=none")) is None

    bad = "&occluder=blob&zoom=99,1,1&keypoint=tail&layer=encoder.9&person=7"
    other.study(lambda: put(page, CASE + bad))
    said = alert(other)
    for words in (
        "There is no occluder “blob”.", "The link’s zoom is “99,1,1”", "no keypoint “tail”",
        "no layer “encoder.9”", "no person 7",
    ):  # fmt: skip
        assert words in said
    for words, complaint in (
        ("occluder=rectangle&place=9000,9000&size=10,10", "does not fit this photo"),
        ("occluder=rectangle&place=10,10", "is not whole"),
        ("occluder=stroke&place=1,2;x&width=3", "cannot be"),
        ("occluder=cutout&of=9&place=1,1", "no person 9 to cut out"),
        ("occluder=rectangle&place=100,100&size=20,20&colour=__proto__", "which cannot be"),
    ):
        other.study(lambda w=words: put(page, f"{CASE}&{w}"))  # type: ignore[misc]
        assert complaint in alert(other)
    assert visitor.trouble == other.trouble == []


def test_an_occluder_on_ones_own_photo_waits_for_the_photo(
    window: Callable[..., Any], address: str, portrait: Image.Image
) -> None:
    link = "#occlusion?photo=own&occluder=rectangle&place=100,120&size=50,40&zoom=2,256,300"
    visitor = Hiding(window(), address + link)
    page = visitor.page
    assert alert(visitor).startswith("The link holds the question, not the photo")
    assert page.locator(".pk-oc-thing").count() == 0  # those are places on another photo
    answer = visitor.study(
        lambda: page.set_input_files(
            '[data-slot="file"]',
            {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": jpeg(portrait)},
        )
    )
    assert answer["occluder"]["box"] == [100, 120, 50, 40]
    x, y, width, height = part_of(page, SIDES)
    np.testing.assert_allclose([x + width / 2, y + height / 2], [256, 300], atol=1)
    assert visitor.trouble == []


def test_a_page_typed_as_a_path_is_found(window: Callable[..., Any], address: str) -> None:
    page = window()
    page.goto(address + "models")
    page.wait_for_selector(".pk-zoo-card", timeout=60_000)
    assert page.url == address + "#models"
    assert page.request.get(address + "nothing").status == 404
