"""Nothing jumps while a page loads: cumulative layout shift, as browsers measure it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

GOOD = 0.1  # web.dev/cls: up to here a page counts as good

WATCH = """(() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
})()"""

PAGES = {
    "explore": ".pk-number",
    "compare": ".pk-rank",
    "occlusion": '[data-slot="oc-after-facts"] dd',
    "models": ".pk-zoo-card",
}
"""What is on a page when it has loaded."""


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_stays_still_while_it_loads(
    window: Callable[..., Any], address: str, name: str, width: int
) -> None:
    page = window(width, 900, has_touch=width < 400, is_mobile=width < 400)
    page.add_init_script(WATCH)
    page.goto(f"{address}#{name}")
    page.wait_for_selector(PAGES[name], timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifts") < GOOD
