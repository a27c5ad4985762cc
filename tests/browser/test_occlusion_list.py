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
    assert said.startswith(f"About the {before} of person") and "asked before" in said
    assert f"the {after} of person" in said
    page.click(f'[data-slot="oc-chips"] .pk-chip:has-text("{before}")')
    assert page.is_hidden('[data-slot="oc-sweep-old"]')
    visitor.answered()
    assert visitor.trouble == []
