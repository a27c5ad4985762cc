"""The Compare page as a visitor meets it: one cursor, several models."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.visitor import CALL, Visitor, asked_for

Visit = Callable[..., Visitor]

SMALL, LARGE, BOTTLENECK = "transpose-r-small", "transpose-r-a3", "btranspose-small"
STATE = f"#compare?models={SMALL},{LARGE}&keypoint=left+knee"


class Comparing(Visitor):
    """A visitor who opens the Compare page right away, by a link."""

    def arrived(self) -> None:
        """Both models have answered."""
        answered(self)


@pytest.fixture
def comparing(window: Callable[..., Any], address: str) -> Callable[..., Visitor]:
    """Opens the Compare page and waits until both models have answered."""

    def open_page(fragment: str = "#compare", **options: Any) -> Visitor:
        return Comparing(window(**options), address + fragment)

    return open_page


def answered(visitor: Visitor, panels: int = 2) -> None:
    visitor.page.wait_for_function(
        "n => document.querySelectorAll('.pk-panel[data-state=ready]').length === n"
        " && document.querySelectorAll('[data-figure=parameters] td').length === n"
        " && document.querySelector('.pk-rank')",
        arg=panels,
        timeout=60_000,
    )
    visitor.settle()


def maps(visitor: Visitor) -> list[np.ndarray]:
    count = visitor.page.locator(".pk-panel").count()
    return [visitor.canvas(f".pk-panel:nth-child({n}) .pk-map") for n in range(1, count + 1)]


def changed(before: list[np.ndarray], after: list[np.ndarray]) -> list[bool]:
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def spot(visitor: Visitor, panel: int, x: float, y: float) -> tuple[float, float]:
    """Screen position of a fraction of one panel's photo."""
    frame = visitor.page.locator(".pk-panel .pk-frame").nth(panel).bounding_box()
    return frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]


def compared(visitor: Visitor, do: Callable[[], object]) -> dict[str, Any]:
    """Do something that asks all models; returns the one answer."""
    with visitor.page.expect_response(asked_for("compare")) as reply:
        do()
    visitor.page.wait_for_timeout(200)
    found: dict[str, Any] = reply.value.json()
    return found.get("answer", found)


def test_random_weights_are_said_above_their_panel(comparing: Callable[..., Visitor]) -> None:
    page = comparing(STATE).page
    assert not page.locator(".pk-cwarn").nth(0).is_visible()
    warning = page.locator(".pk-cwarn").nth(1)
    assert warning.is_visible() and "random numbers" in warning.inner_text()


def test_one_cursor_drives_all_panels_and_one_request_pins_them(
    comparing: Callable[..., Visitor],
) -> None:
    visitor = comparing()
    page = visitor.page
    assert page.locator(".pk-panel").count() == 2
    models = page.locator(".pk-panel header select")
    assert models.nth(0).input_value() == SMALL  # the one with trained weights comes first
    assert not page.locator(".pk-cwarn:visible").count()  # the next one is trained as well
    assert all(one[..., 3].max() > 0 for one in maps(visitor)[:1])

    asked = len(visitor.requests)
    page.mouse.move(*spot(visitor, 1, 0.45, 0.35))  # over the second panel
    page.wait_for_timeout(150)
    first = maps(visitor)
    page.mouse.move(*spot(visitor, 1, 0.55, 0.6))
    page.wait_for_timeout(150)
    second = maps(visitor)
    assert changed(first, second) == [True, True]
    assert len(visitor.requests) == asked  # the server was not asked
    stars = [page.locator(".pk-panel .pk-star").nth(n).get_attribute("d") for n in (0, 1)]
    assert stars[0] == stars[1]
    assert "the same in every panel" in visitor.text("compare-bar-text")

    reply = compared(visitor, lambda: page.mouse.click(*spot(visitor, 0, 0.5, 0.55)))
    calls = [url for url in visitor.requests[asked:] if CALL in url]
    assert len(calls) <= 2  # the answer, and the list of keypoints if the person changed
    assert len(reply["panels"]) == 2
    assert reply["panels"][0]["point"] == reply["panels"][1]["point"]
    pinned = maps(visitor)
    page.mouse.move(*spot(visitor, 1, 0.4, 0.3))
    page.wait_for_timeout(150)
    assert changed(pinned, maps(visitor)) == [False, False]
    page.keyboard.press("Escape")
    page.mouse.move(*spot(visitor, 1, 0.45, 0.35))
    page.wait_for_timeout(150)
    assert changed(pinned, maps(visitor)) == [True, True]
    assert visitor.trouble == []


def test_the_numbers_and_the_list_are_those_of_the_server(
    comparing: Callable[..., Visitor],
) -> None:
    visitor = comparing()
    page = visitor.page
    shares = page.locator(".pk-rank-bar").evaluate_all(
        "bars => bars.map(bar => Number(bar.style.getPropertyValue('--pk-share')))"
    )
    assert shares == sorted(shares, reverse=True) and shares[0] == 1
    name = page.locator(".pk-rank b").nth(3).inner_text()
    reply = compared(visitor, lambda: page.locator(".pk-rank").nth(3).click())
    assert reply["query"]["keypoint"] == name
    assert visitor.text("compare-query").lower().startswith(name)
    cells = page.locator("[data-figure=confidence] td").all_inner_texts()
    assert cells == [f"{panel['figures']['confidence']:.2f}" for panel in reply["panels"]]
    assert "the same spot in every panel" in visitor.text("compare-query")
    peak = page.locator("[data-figure=peak_distance_px]").inner_text()
    assert peak.startswith("Peak distance")
    assert "all of it" not in page.inner_text("[data-slot=figures]")
    assert "{:.1f} M".format(reply["panels"][1]["figures"]["parameters"] / 1e6) in (
        page.locator("[data-figure=parameters]").inner_text()
    )
    # Arrow keys walk the list and drive all panels.
    before = maps(visitor)
    page.locator(".pk-rank").nth(3).focus()
    walked = compared(visitor, lambda: page.keyboard.press("ArrowDown"))
    assert walked["query"]["keypoint"] == page.locator(".pk-rank b").nth(4).inner_text()
    assert any(changed(before, maps(visitor)))
    assert visitor.trouble == []


def test_layers_direction_and_scale(comparing: Callable[..., Visitor]) -> None:
    visitor = comparing()
    page = visitor.page
    page.select_option('[data-slot="compare-scale"]', "own")
    page.wait_for_timeout(100)
    before = maps(visitor)
    reply = compared(visitor, lambda: page.locator(".pk-clayers").nth(0).get_by_text("1").click())
    assert [p["figures"]["layer"] for p in reply["panels"]] == ["encoder.1", "encoder.3"]
    assert changed(before, maps(visitor)) == [True, False]
    assert page.input_value('[data-slot="compare-layers"]') == "own"
    reply = compared(visitor, lambda: page.select_option('[data-slot="compare-layers"]', "last"))
    assert [p["figures"]["layer"] for p in reply["panels"]] == ["encoder.3", "encoder.3"]
    reply = compared(visitor, lambda: page.keyboard.press("d"))
    assert reply["direction"] == "column"
    assert page.get_attribute('[data-way="column"]', "aria-checked") == "true"
    before = maps(visitor)
    page.select_option('[data-slot="compare-scale"]', "one")
    page.wait_for_timeout(100)
    assert any(changed(before, maps(visitor)))
    assert visitor.trouble == []


def test_a_panel_that_one_scale_leaves_dark_says_so(comparing: Callable[..., Visitor]) -> None:
    """QueryPose's part map is one small bright spot; TransPose's attention pales beside it."""
    visitor = comparing(f"#compare?models={SMALL},querypose-small&keypoint=left+hip")
    page = visitor.page
    notes = page.locator(".pk-cnote").all_text_contents()
    assert "Faint: its strongest cell reaches" in notes[0] and "Faint" not in notes[1]
    page.select_option('[data-slot="compare-scale"]', "own")
    page.wait_for_timeout(100)
    assert "Faint" not in page.locator(".pk-cnote").first.text_content()
    assert visitor.trouble == []


def test_a_click_shows_the_live_maps_until_the_answer_is_there(
    comparing: Callable[..., Visitor],
) -> None:
    visitor = comparing()
    page = visitor.page
    compared(visitor, lambda: page.mouse.click(*spot(visitor, 0, 0.5, 0.55)))
    pinned, words = maps(visitor), visitor.text("compare-query")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route(f"**/*{CALL}*", hold)
    page.route(f"**/{CALL}/**", hold)
    page.mouse.click(*spot(visitor, 1, 0.4, 0.3))
    page.wait_for_function("() => document.querySelector('.pk.pk-live')")
    page.wait_for_timeout(100)
    live = maps(visitor)
    assert changed(pinned, live) == [True, True]
    page.mouse.move(*spot(visitor, 1, 0.6, 0.7))  # does not follow the pointer any more
    page.wait_for_timeout(100)
    assert changed(live, maps(visitor)) == [False, False]
    assert len(held) == 1
    held[0].fulfill(json={"error": "The server is busy."})  # what was there is there again
    page.wait_for_function("() => !document.querySelector('.pk.pk-live')")
    page.wait_for_timeout(100)
    assert changed(pinned, maps(visitor)) == [False, False]
    assert visitor.text("compare-query") == words
    page.unroute(f"**/*{CALL}*")
    page.unroute(f"**/{CALL}/**")
    compared(visitor, lambda: page.mouse.click(*spot(visitor, 1, 0.4, 0.3)))
    assert changed(pinned, maps(visitor)) == [True, True]
    assert "Live" not in page.locator(".pk-clegend").nth(1).inner_text()
    assert visitor.trouble == []


def test_a_head_is_chosen_for_all_and_a_panel_is_taken_home(
    comparing: Callable[..., Visitor],
) -> None:
    visitor = comparing(STATE)
    page = visitor.page
    before = maps(visitor)
    reply = compared(visitor, lambda: page.select_option('[data-slot="compare-head"]', label="2"))
    assert all("head 2 of" in panel["legend"] for panel in reply["panels"])
    assert changed(before, maps(visitor)) == [True, True]
    assert "&head=2&" in page.url
    other = comparing("#" + urlsplit(page.url).fragment)
    assert other.page.input_value('[data-slot="compare-head"]') == "1"
    assert changed(maps(visitor), maps(other)) == [False, False]
    with page.expect_download(timeout=60_000) as file:
        page.locator(".pk-cshown .pk-icon").nth(1).click()
    assert file.value.suggested_filename == f"posekit-compare-left-knee-attention-{LARGE}.png"
    visitor.settle()
    page.select_option('[data-slot="compare-method"]', "saliency")
    assert page.is_disabled('[data-slot="compare-head"]')
    assert visitor.trouble == [] and other.trouble == []


def test_a_link_brings_back_everything_but_the_photo(
    comparing: Callable[..., Visitor], portrait: Image.Image
) -> None:
    visitor = comparing(STATE + "&layers=encoder.2,encoder.1&direction=column&method=attention")
    page = visitor.page
    assert visitor.text("compare-query").startswith("Left knee")
    assert page.locator(".pk-clayers [aria-pressed=true]").all_inner_texts() == ["2", "1"]
    assert page.get_attribute('[data-way="column"]', "aria-checked") == "true"
    compared(visitor, lambda: page.locator('.pk-rank[data-keypoint="right hip"]').click())
    page.wait_for_function("location.hash.includes('keypoint=right+hip')")  # once there is time
    link = page.url
    assert "keypoint=right hip" in unquote_plus(link) and "direction=column" in link
    parts = urlsplit(link)
    assert parts.query == "" and len(parts.fragment) < 300  # nothing of it reaches the server

    # With a photo of their own, who opens the link sees the same question put to it.
    other = comparing("#" + parts.fragment)
    assert other.text("compare-query").startswith("Right hip")
    other.page.set_input_files(
        '[data-slot="file"]',
        {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": jpeg(portrait)},
    )
    other.page.wait_for_function(
        "() => document.querySelector('.pk-panel .pk-skeleton').getAttribute('viewBox')"
        " === '-0.5 -0.5 512 600'"
    )
    answered(other)
    assert other.text("compare-query").startswith("Right hip")
    assert other.page.url == link.replace("photo=runner", "photo=own")
    assert other.trouble == []


def test_explore_and_compare_share_photo_and_boxes_without_a_second_upload(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.upload(jpeg(portrait))
    page.keyboard.press("b")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".pk-remove")
    visitor.settle()
    page.keyboard.press("Escape")
    box = page.locator('section[data-page="explore"] .pk-box')
    edges = [box.get_attribute(name) for name in ("x", "y", "width", "height")]
    uploads: list[str] = []
    page.on(
        "request",
        lambda r: (
            uploads.append(r.url)
            if "multipart" in r.headers.get("content-type", "") else None
        ),
    )  # fmt: skip
    page.click('[data-do="compare-open"]')
    answered(visitor)
    for panel in (0, 1):
        own = page.locator(".pk-panel").nth(panel).locator(".pk-box")
        assert [own.get_attribute(name) for name in ("x", "y", "width", "height")] == edges
    canvas = visitor.canvas(".pk-panel .pk-photo")
    assert canvas[..., :3].std() > 10
    page.click('[data-do="compare-back"]')
    page.wait_for_selector('section[data-page="explore"]:not([hidden])')
    assert page.locator('section[data-page="explore"] .pk-box').count() == 1
    visitor.settle()
    assert visitor.canvas(".pk-map")[..., 3].max() > 0
    page.go_back()
    page.wait_for_selector('section[data-page="compare"]:not([hidden])')
    assert page.locator('.pk-panel[data-state="ready"]').count() == 2  # kept, not run again
    assert uploads == []
    assert visitor.trouble == []


def test_panels_are_added_changed_removed_and_fail_alone(
    comparing: Callable[..., Visitor],
) -> None:
    visitor = comparing()
    page = visitor.page
    broken = [True]

    def answer(route: Any) -> None:
        body = route.request.post_data or ""
        if broken[0] and '"fn_name":"compare_open"' in body:
            route.fulfill(json={"error": "There is not enough memory for this model."})
        else:
            route.continue_()

    page.route(f"**/*{CALL}*", answer)
    page.route(f"**/{CALL}/**", answer)
    page.click(".pk-add")
    page.wait_for_selector('.pk-panel[data-state="failed"]')
    assert "enough memory" in page.locator(".pk-cstate").nth(2).inner_text()
    assert page.locator('.pk-panel[data-state="ready"]').count() == 2  # the others stand
    assert visitor.canvas(".pk-panel .pk-map")[..., 3].max() > 0
    broken[0] = False
    page.click("text=Try again")
    answered(visitor, 3)
    page.locator(".pk-panel header .pk-icon").nth(2).click()
    answered(visitor, 2)
    assert page.locator(".pk-panel header .pk-icon:visible").count() == 0  # two stay
    # A model that is there already trades places.
    chosen = page.locator(".pk-panel header select")
    first, second = chosen.nth(0).input_value(), chosen.nth(1).input_value()
    assert first != second
    chosen.nth(0).select_option(second)
    answered(visitor, 2)
    assert [chosen.nth(n).input_value() for n in (0, 1)] == [second, first]
    assert visitor.trouble == []


def test_two_levels_of_one_model_answer_one_click_beside_each_other(
    comparing: Callable[..., Visitor],
) -> None:
    visitor = comparing(f"#compare?models={BOTTLENECK},{SMALL}&keypoint=left+knee")
    page = visitor.page
    opened: list[str] = []
    page.on("request", lambda r: opened.append(r.post_data or ""))
    beside = page.locator(".pk-beside").nth(0)
    assert beside.inner_text().startswith("+ MHSA block")
    buttons = page.locator(".pk-clayers").nth(0).locator("[aria-pressed]")
    assert buttons.all_inner_texts() == ["M1", "E1", "E2", "E3"]  # the legend's numbers, not 1 to 4
    assert buttons.nth(3).get_attribute("title") == "Encoder layer 3"
    assert buttons.nth(3).get_attribute("aria-pressed") == "true"
    assert "encoder layer 3" in page.locator(".pk-clegend").nth(0).inner_text()
    other = page.locator(".pk-clayers").nth(1).locator("[aria-pressed]")
    assert other.all_inner_texts() == ["1", "2", "3"]
    reply = compared(visitor, beside.click)
    answered(visitor, 3)
    levels = ["encoder", "mhsa", "encoder"]
    assert [p["figures"]["layer"].partition(".")[0] for p in reply["panels"]] == levels
    titles = [panel["title"] for panel in reply["panels"]]
    assert "encoder layer" in titles[0] and "MHSA block" in titles[1]
    assert not any('"fn_name":"compare_open"' in body for body in opened)  # one run serves both
    chosen = page.locator(".pk-panel header select")
    assert [chosen.nth(n).input_value() for n in range(3)] == [BOTTLENECK, BOTTLENECK, SMALL]
    assert page.locator("[data-slot=figures] thead th").all_inner_texts() == titles
    assert reply["pair"]["panels"] == [0, 1]
    assert page.locator('[data-figure="distance_px"] td').nth(1).inner_text() == "the same model"

    # One click, both levels, at one place; then each on a layer of its own.
    before = maps(visitor)
    reply = compared(visitor, lambda: page.mouse.click(*spot(visitor, 1, 0.5, 0.4)))
    assert reply["panels"][0]["point"] == reply["panels"][1]["point"]
    assert changed(before, maps(visitor))[:2] == [True, True]
    encoder, mhsa, _ = maps(visitor)
    assert not np.array_equal(encoder, mhsa)

    # Without a second model nothing is placed apart: the list is of maps alone.
    with page.expect_response(asked_for("compare_ranking")) as ranking:
        page.locator(".pk-panel header .pk-icon").nth(2).click()
    answered(visitor, 2)
    rows = ranking.value.json()["keypoints"]
    assert rows and all(row["px"] is None and row["maps"] > 0 for row in rows)
    assert "px" not in page.inner_text('[data-slot="ranks"]')
    assert "layers of this one model" in visitor.text("ranking-note")

    with page.expect_download(timeout=60_000) as file:
        page.locator(".pk-cshown .pk-icon").nth(1).click()
    assert f"-{BOTTLENECK}-mhsa." in file.value.suggested_filename
    other = comparing("#" + urlsplit(page.url).fragment)  # the link brings both panels back
    again = other.page.locator(".pk-panel header select")
    assert [again.nth(n).input_value() for n in (0, 1)] == [BOTTLENECK] * 2
    pressed = ".pk-clayers [aria-pressed=true]"
    assert other.page.locator(pressed).all_inner_texts() == page.locator(pressed).all_inner_texts()
    assert visitor.trouble == [] and other.trouble == []


def test_two_at_a_time_slider_and_difference(comparing: Callable[..., Visitor]) -> None:
    visitor = comparing()
    page = visitor.page
    left, right = (visitor.canvas(f'[data-slot="wipe-{side}"]') for side in ("left", "right"))
    assert not np.array_equal(left, right)
    slider = page.locator('[data-slot="wipe-at"]')
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    at = "document.querySelector('.pk-wipe').style.getPropertyValue('--pk-at')"
    assert page.evaluate(at) == "52%"
    assert slider.get_attribute("aria-valuetext").startswith("52 %")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    assert abs(float(page.evaluate(at).rstrip("%")) - 20) < 4
    before = visitor.canvas('[data-slot="diff"]')
    assert "rank correlation" in visitor.text("pair-note")
    first = compared(visitor, lambda: page.select_option('[data-slot="pair-a"]', "1"))
    assert first["pair"]["panels"] == [1, 0]
    assert not np.array_equal(before, visitor.canvas('[data-slot="diff"]'))  # the signs traded
    assert visitor.trouble == []


def test_it_is_taken_home(comparing: Callable[..., Visitor]) -> None:
    visitor = comparing(STATE)
    saved = {}
    for kind in ("html", "json", "npz", "png"):
        with visitor.page.expect_download(timeout=60_000) as file:
            visitor.page.click(f'[data-do="compare-{kind}"]')
        assert file.value.suggested_filename == f"posekit-compare-left-knee-attention.{kind}"
        saved[kind] = file.value.path().read_bytes()
        visitor.settle()
    assert [one["model"] for one in json.loads(saved["json"])["panels"]] == [SMALL, LARGE]
    page = visitor.page.context.new_page()  # the report opens by itself, without any server
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(saved["html"].decode())
    assert page.locator("img").count() >= 2
    assert all(url.startswith("data:") for url in asked)
    assert visitor.trouble == []


def test_when_the_server_forgot_the_photo_it_is_sent_again_once(
    comparing: Callable[..., Visitor], explorer: Any
) -> None:
    visitor = comparing()
    with explorer.sessions._lock:
        explorer.sessions._sessions.clear()
    opened: list[str] = []
    visitor.page.on("request", lambda r: opened.append(r.post_data or ""))
    with visitor.page.expect_response(asked_for("compare_open"), timeout=60_000):
        visitor.page.mouse.click(*spot(visitor, 0, 0.5, 0.5))
    answered(visitor)
    assert sum('"fn_name":"analyse_example"' in body for body in opened) == 1
    reply = compared(visitor, lambda: visitor.page.mouse.click(*spot(visitor, 0, 0.5, 0.5)))
    assert len(reply["panels"]) == 2
    assert visitor.trouble == []


def test_a_model_asked_at_its_own_keypoint_is_named(comparing: Callable[..., Visitor]) -> None:
    visitor = comparing("#compare?models=transpose-r-small,ssa-small")
    reply = compared(visitor, lambda: visitor.page.mouse.click(*spot(visitor, 0, 0.5, 0.4)))
    assert reply["panels"][0]["point"] != reply["panels"][1]["point"]
    words = "the same spot in 1 of 2 panels; SSA-small at its own keypoint"
    assert words in visitor.text("compare-query")
    assert "looks at, or found by …" in visitor.text("compare-query")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(comparing: Callable[..., Visitor], scheme: str) -> None:
    visitor = comparing(width=390, height=844, color_scheme=scheme, has_touch=True, is_mobile=True)
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    first, second = (page.locator(".pk-panel").nth(n).bounding_box() for n in (0, 1))
    assert first["width"] > 300 and second["x"] < 390  # the next one peeks in
    assert page.locator(".pk-panel .pk-frame").nth(0).bounding_box()["y"] < 300  # photo first
    for button in page.locator(".pk-cget .pk-btn, .pk-compare .pk-sources .pk-btn").all():
        assert button.bounding_box()["height"] >= 44
    reply = compared(visitor, lambda: page.touchscreen.tap(*spot(visitor, 0, 0.5, 0.5)))
    assert len(reply["panels"]) == 2
    assert visitor.trouble == []
