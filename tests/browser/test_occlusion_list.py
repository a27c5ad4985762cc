"""Occlusion's list of cases as it opens, and a sweep that outlives its question."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.browser.test_occlusion import Hiding


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_chosen_case_and_ones_own_photo_are_in_sight(
    window: Callable[..., Any], address: str, width: int
) -> None:
    visitor = Hiding(window(width, 844), address + "#occlusion")
    page = visitor.page
    room = page.locator('[data-slot="oc-cases"]').bounding_box()

    def inside(box: dict[str, float]) -> bool:
        right, bottom = box["x"] + box["width"], box["y"] + box["height"]
        return (
            room["x"] <= box["x"]
            and right <= room["x"] + room["width"]
            and room["y"] <= box["y"]
            and bottom <= room["y"] + room["height"]
        )

    def apart(one: dict[str, float], other: dict[str, float]) -> bool:
        return one["x"] + one["width"] <= other["x"] or one["y"] + one["height"] <= other["y"]

    own = page.locator('.pk-oc-case[data-case=""]')
    names = page.eval_on_selector_all(
        ".pk-oc-case[data-case]:not([data-case=''])", "nodes => nodes.map(n => n.dataset.case)"
    )
    opened = page.locator(".pk-oc-case[aria-pressed=true]")
    for name in (None, names[0], names[len(names) // 2]):
        if name is not None:
            visitor.study(partial(page.click, f'.pk-oc-case[data-case="{name}"]'))
            page.wait_for_timeout(300)
            assert opened.get_attribute("data-case") == name
        chosen = opened.bounding_box()
        assert inside(chosen) and inside(own.bounding_box())
        assert apart(own.bounding_box(), chosen)
    assert not visitor.wide() and visitor.trouble == []


def test_a_sweep_that_ends_about_another_keypoint_says_so(
    window: Callable[..., Any], address: str
) -> None:
    visitor = Hiding(window(), address + "#occlusion")
    page = visitor.page
    page.select_option('[data-slot="oc-grid"]', "coarse")
    asked = page.locator('[data-slot="oc-chips"] [aria-pressed=true]')
    before = asked.locator("span").inner_text()
    page.click('[data-do="oc-grid-sweep"]')
    page.locator('[data-slot="oc-chips"] .pk-chip[aria-pressed=false]:enabled').first.click()
    after = asked.locator("span").inner_text()
    assert before != after
    page.wait_for_selector('[data-slot="oc-heat"]:not([hidden])', timeout=90_000)
    said = visitor.text("oc-sweep-old")
    assert said.startswith(f"Of an earlier study: about the {before} of person")
    assert f"the {after} of person" in said
    page.click(f'[data-slot="oc-chips"] .pk-chip:has-text("{before}")')
    assert page.is_hidden('[data-slot="oc-sweep-old"]')
    visitor.answered()
    assert visitor.trouble == []


def test_a_sweep_says_so_when_another_kind_of_thing_is_in_front(
    window: Callable[..., Any], address: str
) -> None:
    visitor = Hiding(window(), address + "#occlusion")
    page, old = visitor.page, '[data-slot="oc-sweep-old"]'
    page.select_option('[data-slot="oc-grid"]', "coarse")
    page.click('[data-do="oc-grid-sweep"]')
    page.wait_for_selector('[data-slot="oc-swept"]:not([hidden])', timeout=90_000)
    assert visitor.text("oc-sweep-title").startswith("Left wrist, cut-out over a grid of 6 x 5")
    assert not page.is_visible(old)
    visitor.study(lambda: visitor.drag(20, -20))  # the same thing elsewhere is the same kind
    assert not page.is_visible(old)
    visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    said = page.inner_text(old)
    assert said.startswith("Of an earlier study: about the left wrist")
    assert "and a cut-out; the rest of the page is about" in said
    assert said.endswith("and a rectangle of the photo's mean colour.")
    fill = page.locator('[aria-label="What the occluder is filled with"]')
    visitor.study(lambda: fill.select_option("grey"))
    assert page.inner_text(old).endswith("and a grey rectangle.")
    for deed, name in (("oc-csv", "left-wrist.csv"), ("oc-sweep-csv", "left-wrist-sweep.csv"),
                       ("oc-paper", "left-wrist-paper.svg")):  # fmt: skip
        with page.expect_download(timeout=60_000) as file:
            page.click(f'[data-do="{deed}"]')
        assert file.value.suggested_filename == f"posekit-occlusion-{name}"
    assert visitor.trouble == []


def test_the_occluders_true_outline_is_drawn_and_moves_with_it(
    window: Callable[..., Any], address: str
) -> None:
    visitor = Hiding(window(), address + "#occlusion")
    page = visitor.page
    outline = '[data-side="after"] .pk-oc-outline path'
    assert visitor.facts("after")["on what was put in front"] == "35 %"
    assert visitor.facts("after")["its best guess moved"] == "112 px"
    drawn = page.locator(outline).last.get_attribute("d")
    assert len(drawn.split("L")) > 40  # a person, no box
    put = visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    x, y, w, h = put["occluder"]["box"]
    box = page.locator(outline).last.evaluate(
        "p => { const b = p.getBBox(); return [b.x, b.y, b.width, b.height]; }"
    )
    assert box == pytest.approx([x - 0.5, y - 0.5, w, h], abs=0.01)
    # While it is dragged the outline goes along.
    thing = visitor.thing()
    page.mouse.move(thing["x"] + thing["width"] / 2, thing["y"] + thing["height"] / 2)
    page.mouse.down()
    page.mouse.move(thing["x"] + thing["width"] / 2 + 40, thing["y"] + thing["height"] / 2, steps=4)
    on, frame = (
        page.locator(which).last.bounding_box()
        for which in (outline, '[data-side="after"] .pk-oc-frame')
    )
    assert on["x"] == pytest.approx(frame["x"], abs=3)
    visitor.study(page.mouse.up)
    assert visitor.trouble == []
