"""The live report in a browser without a server: maps follow the pointer, a click holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posekit
from posekit.estimator import Estimator
from posekit.explain import explain
from posekit.photo import read_photo
from tests.browser.visitor import Visitor

Window = Callable[..., Any]
Visit = Callable[..., Visitor]
EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"

MAP = """() => {
  const c = document.querySelector('[data-slot=map]'), all = [0, 0, c.width, c.height];
  return [c.width, c.height, Array.from(c.getContext('2d').getImageData(...all).data)];
}"""


class Reader:
    """Somebody who opened a file; what went wrong or was asked of a network is in ``trouble``."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.trouble = page, list[str]()
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._said)
        page.on("request", lambda one: self._asked(one.url))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-state=ready]")
        self.settle()

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.trouble.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith(("data:", "file:", "blob:")):
            self.trouble.append(url)

    def settle(self) -> None:
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def words(self) -> str:
        said: str = self.page.inner_text('[data-slot="asked"]')
        return said

    def map(self) -> np.ndarray:
        """Opacity of the map on the photo, (rows, cols)."""
        wide, high, values = self.page.evaluate(MAP)
        return np.array(values, dtype=np.uint8).reshape(high, wide, 4)[..., 3]

    def point(self, x: float, y: float) -> None:
        """Move the mouse to a photo point, in pixels of the photo."""
        box = self.page.locator('[data-slot="frame"]').bounding_box()
        size = self.page.evaluate(
            "JSON.parse(document.querySelector('[data-slot=data]').textContent).photo"
        )
        self.page.mouse.move(
            box["x"] + (x + 0.5) / size["width"] * box["width"],
            box["y"] + (y + 0.5) / size["height"] * box["height"],
        )
        self.settle()


@pytest.fixture(scope="module")
def runner() -> Any:
    return Estimator(posekit.load("transpose-r-small")).predict(read_photo(EXAMPLES / "runner.jpg"))


@pytest.fixture(scope="module")
def runner_file(runner: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "runner.html"
    posekit.live(runner).save(path)
    return path


def test_the_map_follows_the_pointer_and_a_click_holds_it(
    window: Window, runner: Any, runner_file: Path
) -> None:
    reader = Reader(window(), runner_file)
    page, names = reader.page, runner.skeleton.keypoints
    assert page.evaluate("scrollY") == 0
    opened = reader.words()
    assert "wrist" in opened and "layer 3" in opened and "live" not in opened
    before = reader.map()
    knee = runner.people[0].keypoints[names.index("left knee")]
    reader.point(*knee)
    assert "Left knee" in reader.words() and "live" in reader.words()
    live = reader.map()
    assert (np.abs(live.astype(int) - before) > 60).mean() > 0.01
    assert page.inner_text('[data-slot="tip"]').startswith("left knee 0.")
    page.mouse.move(1, 1)
    reader.settle()
    assert reader.words() == opened  # what was held comes back
    np.testing.assert_array_equal(reader.map(), before)
    reader.point(*knee)
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(1, 1)
    reader.settle()
    assert "Left knee" in reader.words() and "live" not in reader.words()
    np.testing.assert_array_equal(reader.map(), live)
    assert reader.trouble == []


def test_layers_directions_and_places_are_those_of_explain(
    window: Window, runner: Any, runner_file: Path
) -> None:
    reader = Reader(window(), runner_file)
    page = reader.page
    page.click('[data-slot="keypoints"] button:has-text("right hip")')
    for layer in (1, 2, 3):
        page.keyboard.press(str(layer))
        reader.settle()
        exact = explain(runner, "right hip").maps[layer - 1]
        assert f"layer {layer} · looks at · mean of 4 heads" in reader.words()
        said = page.inner_text(f".layers button:nth-child({layer}) small")
        assert float(said.split()[1]) == pytest.approx(100 * exact.weights.max(), rel=0.06)
    page.click('[data-direction="column"]')
    reader.settle()
    column = explain(runner, "right hip", direction="column").maps[-1]
    assert "is looked at by" in reader.words()
    said = page.inner_text(".layers button:nth-child(3) small")
    assert float(said.split()[1]) == pytest.approx(100 * column.weights.max(), rel=0.06)
    reader.point(3, 3)  # a place of the photo that is no keypoint
    assert "This place" in reader.words()
    assert reader.trouble == []


def test_people_are_met_and_the_phone_has_room(window: Window, tmp_path: Path) -> None:
    model = posekit.load("querypose-small")
    crowd = Estimator(model).predict(read_photo(EXAMPLES / "crowd.jpg"))
    path = tmp_path / "crowd.html"
    posekit.live(crowd).save(path)
    reader = Reader(window(390, 844, has_touch=True, is_mobile=True), path)
    page = reader.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.is_hidden('[data-slot="directions"]')  # maps about keypoints have none
    first = reader.map()
    page.tap('[data-slot="people"] button:nth-child(2)')
    reader.settle()
    assert ", person 2," in reader.words() and "part map of stage 3" in reader.words()
    assert (np.abs(reader.map().astype(int) - first) > 60).mean() > 0.005
    # The photo came back into sight; somebody else's keypoint is tapped on it.
    page.wait_for_function(
        "document.querySelector('[data-slot=frame]').getBoundingClientRect().bottom > 100"
    )
    shoulder = crowd.people[0].keypoints[crowd.skeleton.keypoints.index("left shoulder")]
    box = page.locator('[data-slot="frame"]').bounding_box()
    scale = box["width"] / crowd.photo.size[1]
    page.touchscreen.tap(box["x"] + shoulder[0] * scale, box["y"] + shoulder[1] * scale)
    reader.settle()
    assert "person 1," in reader.words()
    for button in page.locator(".side button:visible").all():
        assert button.bounding_box()["height"] >= 36
    assert reader.trouble == []


def test_whoever_is_chosen_is_drawn_full_and_in_a_box(window: Window, tmp_path: Path) -> None:
    """Of a large box and a small one: no line of the other is wider, whoever is asked about."""
    photo = read_photo(EXAMPLES / "passing.jpg")
    boxes = [posekit.Box(1, 1, 700, 700), posekit.Box(282, 69, 230, 567)]
    found = Estimator(posekit.load("transpose-r-small")).predict(photo, boxes)
    path = tmp_path / "two.html"
    posekit.live(found).save(path)
    reader = Reader(window(), path)
    look = """() => Object.fromEntries(Array.from(document.querySelectorAll('.person'), (one) => [
      one.dataset.person, {
        pale: getComputedStyle(one).opacity !== '1',
        box: getComputedStyle(one.querySelector('.box')).display !== 'none',
        widest: Math.max(...Array.from(
          one.querySelectorAll('line'), (line) => Number(line.getAttribute('stroke-width')))),
        number: one.querySelector('.number')?.textContent,
        top: one.nextElementSibling.dataset.slot === 'mark',
      }]))"""
    own = {}
    for person in (1, 0, 1):
        reader.page.locator('[data-slot="people"] button').nth(person).click()
        reader.settle()
        drawn = reader.page.evaluate(look)
        mine, other = drawn[str(person)], drawn[str(1 - person)]
        assert mine["box"] and mine["top"] and not mine["pale"]
        assert other["pale"] and not other["box"] and not other["top"]
        assert other["widest"] <= mine["widest"] + 0.02
        assert own.setdefault(person, mine["widest"]) == pytest.approx(mine["widest"])
        assert {mine["number"], other["number"]} <= {"1", "2", None}
    assert own[0] > own[1]
    assert reader.trouble == []


def test_the_page_hands_it_over(visit: Visit, window: Window, tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.page
    page.select_option('[data-slot="palette"]', "viridis")
    page.uncheck('[data-slot="with-photo"]')
    with page.expect_download(timeout=60_000) as file:
        page.click('[data-do="live-report"]')
    assert file.value.suggested_filename == "posekit-transpose-r-small-live.html"
    path = tmp_path / "live.html"
    file.value.save_as(path)
    reader = Reader(window(), path)
    assert reader.page.input_value('[data-slot="palette"]') == "viridis"
    assert "the photo itself is left out" in reader.page.inner_text("body")
    assert reader.map().max() > 150
    assert reader.trouble == [] and visitor.trouble == []


def test_a_notebooks_frame_shows_it(window: Window, runner: Any) -> None:
    page = window(1000, 900)
    trouble: list[str] = []
    page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
    page.set_content(posekit.live(runner)._repr_html_())
    frame = page.frame_locator("iframe")
    frame.locator("body[data-state=ready]").wait_for()
    frame.locator('button:has-text("left knee")').click()
    assert "Left knee" in frame.locator('[data-slot="asked"]').inner_text()
    assert trouble == []


def test_a_browser_that_is_too_old_is_told(window: Window, runner_file: Path) -> None:
    page = window()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(runner_file.as_uri())
    page.wait_for_selector('[data-slot="hint"].warn')
    assert "newer one" in page.inner_text('[data-slot="hint"]')
