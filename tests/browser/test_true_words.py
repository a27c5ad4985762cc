"""Words of Explore that have to be true of the map and the model on show."""

from __future__ import annotations

from collections.abc import Callable

from posekit.percents import percent
from tests.browser.test_explore import answered_with
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]


def test_all_and_nothing_are_said_of_all_and_nothing_alone(visit: Visit) -> None:
    visitor = visit()
    page, inside = visitor.page, 0.9968
    answered_with(page, lambda: {"mass_in_box": inside, "mass_outside": 1 - inside})
    for inside, words in ((0.9968, "99.7 %"), (0.99996, "99.9 %"), (1.0, "100 %")):
        visitor.ask(lambda: page.click('.pk-points [data-keypoint="3"]'))
        said = page.locator(".pk-number b").first.inner_text()
        assert said == words == f"{percent(inside)[:-1]} %"  # the page's rule is that of files
    assert "0 % in nobody’s" in visitor.text("numbers")


def test_the_help_tells_of_the_model_that_is_open(visit: Visit) -> None:
    page = visit().page
    page.click('[data-do="help"]')
    assert "cuts the person out" in page.inner_text('[data-slot="reading"]')
    assert page.locator(".pk-by-keys").is_visible()


def test_a_finger_presses_no_button_for_good_and_has_no_keys(visit: Visit) -> None:
    page = visit(390, 844, has_touch=True, is_mobile=True).page
    assert not page.locator(".pk-by-keys").is_visible()
    button = page.locator(".pk-get [data-do=png]")
    paper = button.evaluate("node => getComputedStyle(node).backgroundColor")
    button.hover()  # what a tap leaves behind
    page.wait_for_timeout(300)  # colours change slowly
    assert button.evaluate("node => getComputedStyle(node).backgroundColor") == paper
