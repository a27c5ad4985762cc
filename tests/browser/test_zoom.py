"""Zoom and pan: everything stays where it belongs on the photo, and clicks stay exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.style import STATIC
from tests.browser.conftest import jpeg
from tests.browser.test_compare import STATE, Comparing, compared, maps
from tests.browser.test_occlusion import Hiding
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]
EXPLORE, PANELS = '[data-page="explore"] .pk-frame', ".pk-panels .pk-frame"
SIDES = ".pk-oc-side .pk-frame"


def part_of(page: Any, frame: str, nth: int = 0) -> np.ndarray:
    """x, y, width, height of the part of the photo that a frame shows, between outer edges."""
    box = page.locator(f"{frame} .pk-skeleton").nth(nth).get_attribute("viewBox")
    return np.array([float(number) for number in box.split()])


def screen_of(page: Any, frame: str, point: tuple[float, float], nth: int = 0) -> tuple[Any, Any]:
    """Where a photo point is on the screen."""
    box, (x, y, width, height) = (
        page.locator(frame).nth(nth).bounding_box(),
        part_of(page, frame, nth),
    )
    return (
        box["x"] + (point[0] - x) / width * box["width"],
        box["y"] + (point[1] - y) / height * box["height"],
    )


def photo_of(page: Any, frame: str, x: float, y: float, nth: int = 0) -> np.ndarray:
    """The photo point at a fraction of a frame's width and height."""
    left, top, width, height = part_of(page, frame, nth)
    return np.array([left + x * width, top + y * height])


def photo_under(page: Any, frame: str, screen: tuple[float, float], nth: int = 0) -> np.ndarray:
    """The photo point at a place of the screen."""
    box = page.locator(frame).nth(nth).bounding_box()
    fraction = ((screen[0] - box["x"]) / box["width"], (screen[1] - box["y"]) / box["height"])
    return photo_of(page, frame, *fraction, nth)


def at(page: Any, frame: str, x: float, y: float, nth: int = 0) -> tuple[float, float]:
    """Screen position of a fraction of a frame."""
    box = page.locator(frame).nth(nth).bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def roll(page: Any, by: float, *, ctrl: bool = False) -> None:
    """Turn the wheel where the mouse is; negative is away from the hand."""
    if ctrl:
        page.keyboard.down("Control")
    page.mouse.wheel(0, by)
    page.wait_for_timeout(120)
    if ctrl:
        page.keyboard.up("Control")
        page.wait_for_timeout(30)


def exact(answer: dict[str, Any], wanted: np.ndarray) -> None:
    """The asked point is the one clicked, to a photo pixel, and it snapped to no keypoint."""
    assert answer["query"]["keypoint"] is None
    np.testing.assert_allclose(answer["query"]["point"], wanted, atol=1.0)


def free_spot(page: Any, frame: str, answer: dict[str, Any]) -> tuple[float, float]:
    """A fraction of the frame far from every keypoint on show."""
    people = [point for one in answer["people"] for point in one["keypoints"] if point]
    best = max(
        ((x / 10, y / 10) for x in range(2, 9) for y in range(2, 9)),
        key=lambda spot: min(np.hypot(*(photo_of(page, frame, *spot) - point)) for point in people),
    )
    return best


@pytest.fixture
def viewport(window: Callable[..., Any]) -> Any:
    """An empty page that knows canvas.js, with one viewport: 400 x 300 photo, 800 x 400 room."""
    page = window()
    page.add_script_tag(content=(STATIC / "canvas.js").read_text() + "; window.Viewport = Viewport")
    page.evaluate(
        "() => { window.v = new Viewport();"
        " v.fit({width: 400, height: 300}, {width: 800, height: 400});"
        " window.said = []; v.addEventListener('change', (e) => said.push(e.detail.scaled)); }"
    )
    return page


def told(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        "() => ({x: v.x, y: v.y, width: v.width, height: v.height, zoom: v.zoom, shown: v.shown,"
        " place: v.placeOf([310, 40])})"
    )
    return found


def test_a_viewport_keeps_its_point_in_place_and_stays_inside_the_photo(viewport: Any) -> None:
    whole = told(viewport)
    assert (whole["x"], whole["y"], whole["width"], whole["height"]) == (-0.5, -0.5, 400, 300)
    assert whole["shown"] == {"width": 533, "height": 400}
    viewport.evaluate("v.zoomTo(4, [310, 40])")
    near = told(viewport)
    assert near["shown"] == {"width": 800, "height": 400}  # all of the room is used
    np.testing.assert_allclose(near["place"], whole["place"], atol=0.6)
    assert near["width"] == pytest.approx(800 / (4 * 400 / 300))
    viewport.evaluate("v.pan(1e5, -1e5)")
    far = told(viewport)
    assert far["x"] + far["width"] == pytest.approx(399.5) and far["y"] == -0.5
    viewport.evaluate("v.reveal([10, 290])")
    there = told(viewport)
    assert there["x"] <= 10 <= there["x"] + there["width"]
    assert there["y"] <= 290 <= there["y"] + there["height"]
    viewport.evaluate("v.zoomTo(99)")
    assert told(viewport)["zoom"] == viewport.evaluate("MOST_ZOOM")
    viewport.evaluate("v.reset()")
    assert told(viewport) == whole
    assert viewport.evaluate("said") == [True, False, False, True, True]


def test_another_room_keeps_the_middle_where_it_was(viewport: Any) -> None:
    viewport.evaluate("v.zoomTo(3, [200, 150])")
    before = told(viewport)
    viewport.evaluate("v.fit({width: 400, height: 300}, {width: 500, height: 500})")
    after = told(viewport)
    for side, start in (("width", "x"), ("height", "y")):
        middle = [one[start] + one[side] / 2 for one in (before, after)]
        assert middle[0] == pytest.approx(middle[1], abs=1e-6)
    assert after["zoom"] == 3


def test_clicks_are_exact_at_every_zoom_and_all_layers_move_together(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    reply = visitor.upload(jpeg(portrait))
    assert part_of(page, EXPLORE).tolist() == [-0.5, -0.5, *portrait.size]
    mouse = at(page, EXPLORE, 0.6, 0.3)
    page.mouse.move(*mouse)
    roll(page, -100, ctrl=True)
    roll(page, -100, ctrl=True)  # from here on the photo is larger than its room on every side
    under = photo_under(page, EXPLORE, mouse)
    roll(page, -40, ctrl=True)
    zoomed = part_of(page, EXPLORE)
    assert zoomed[2] < portrait.width and zoomed[3] < 0.5 * portrait.height
    np.testing.assert_allclose(photo_under(page, EXPLORE, mouse), under, atol=0.5)
    for _ in range(3):
        spot = free_spot(page, EXPLORE, reply)
        wanted = photo_of(page, EXPLORE, *spot)
        exact(visitor.ask(lambda s=spot: page.mouse.click(*at(page, EXPLORE, *s))), wanted)
        star = page.locator('[data-slot="star"]').bounding_box()
        middle = (star["x"] + star["width"] / 2, star["y"] + star["height"] / 2)
        # The star is a little higher than wide; a pixel and a half is its own shape.
        np.testing.assert_allclose(middle, at(page, EXPLORE, *spot), atol=1.6)
        roll(page, -60)  # a plain wheel zooms what is zoomed already
    # The photo's pixels are where the skeleton's coordinates say.
    x, y, width, height = part_of(page, EXPLORE)
    seen = visitor.canvas(f"{EXPLORE} .pk-photo")[..., :3].astype(int)
    own = np.array(portrait, dtype=int)
    for fx, fy in ((0.2, 0.2), (0.5, 0.6), (0.8, 0.8)):
        shown = seen[int(fy * seen.shape[0]), int(fx * seen.shape[1])]
        col, row = round(x + fx * width), round(y + fy * height)
        near = own[row - 2 : row + 3, col - 2 : col + 3].reshape(-1, 3)
        assert (shown >= near.min(0) - 25).all() and (shown <= near.max(0) + 25).all()
    assert visitor.trouble == []


def test_a_drag_moves_a_zoomed_photo_and_asks_nothing(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.post_data or ""))
    page.mouse.move(*at(page, EXPLORE, 0.5, 0.5))
    roll(page, 200)
    assert page.evaluate("scrollY") > 0  # nothing is zoomed: the page scrolls
    page.evaluate("scrollTo(0, 0)")
    page.click('[data-slot="zoom"] [data-zoom="in"]')
    page.click('[data-slot="zoom"] [data-zoom="in"]')
    before, drawn = part_of(page, EXPLORE), visitor.canvas(f"{EXPLORE} .pk-map")
    x, y = at(page, EXPLORE, 0.5, 0.5)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.move(x + 80, y + 60, steps=4)
    page.mouse.up()
    page.wait_for_timeout(200)
    after = part_of(page, EXPLORE)
    unit = before[2] / page.locator(EXPLORE).bounding_box()["width"]
    np.testing.assert_allclose(before[:2] - after[:2], [80 * unit, 60 * unit], atol=0.6)
    assert after[2:].tolist() == before[2:].tolist()
    assert not np.array_equal(drawn, visitor.canvas(f"{EXPLORE} .pk-map"))
    assert not any('"explain"' in body for body in asked)
    assert "point" in visitor.ask(lambda: page.mouse.click(x, y))["query"]  # a click still asks
    assert visitor.trouble == []


def test_keys_and_buttons_zoom_and_say_so(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    page = visitor.page
    buttons = page.locator('[data-slot="zoom"] button')
    assert [one.get_attribute("aria-disabled") for one in buttons.all()] == [
        "false",
        "true",
        "true",
    ]
    whole = part_of(page, EXPLORE)
    page.keyboard.press("+")
    page.keyboard.press("+")
    near = part_of(page, EXPLORE)
    assert near[3] < whole[3] / 2
    said = page.locator('[data-slot="zoom"] [role="status"]')
    assert said.inner_text() == "Zoomed to 225 %"
    page.keyboard.press("-")
    assert part_of(page, EXPLORE)[3] > near[3]
    page.keyboard.press("0")
    assert part_of(page, EXPLORE).tolist() == whole.tolist()
    assert said.inner_text() == "The whole photo"
    buttons.nth(0).focus()
    page.keyboard.press("Enter")
    assert part_of(page, EXPLORE)[3] < whole[3]
    buttons.nth(2).focus()
    page.keyboard.press("Enter")
    assert part_of(page, EXPLORE).tolist() == whole.tolist()
    for name in ("Zoom in", "Zoom out", "Show the whole photo"):
        assert page.get_by_role("button", name=re.compile(f"^{name}")).count() >= 1


def test_a_keypoint_out_of_sight_comes_into_view_and_a_new_photo_starts_whole(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    visitor.settle()
    page = visitor.page
    for _ in range(4):
        page.keyboard.press("+")
    for name in ("head top", "left ankle"):
        answer = visitor.ask(
            lambda n=name: page.locator(f'.pk-chips .pk-chip:has-text("{n}")').first.click()
        )
        x, y, width, height = part_of(page, EXPLORE)
        px, py = answer["query"]["point"]
        assert x <= px <= x + width and y <= py <= y + height
    page.select_option('[data-slot="model"]', "btranspose-small")
    page.wait_for_function("document.querySelectorAll('.pk-layers .pk-thumb').length === 4")
    assert part_of(page, EXPLORE)[2] == width  # the same photo: it stays as near
    page.set_input_files(
        '[data-slot="file"]',
        {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": jpeg(portrait)},
    )
    page.wait_for_function(
        "size => document.querySelector('.pk-skeleton').getAttribute('viewBox')"
        " === [-0.5, -0.5, ...size].join(' ')",
        arg=list(portrait.size),
    )
    assert visitor.trouble == []


def test_a_link_brings_back_the_part_on_show(visit: Visit, window: Callable[..., Any]) -> None:
    visitor = visit()
    visitor.settle()
    page = visitor.page
    visitor.ask(lambda: page.locator('.pk-chips .pk-chip:has-text("left knee")').first.click())
    page.mouse.move(*at(page, EXPLORE, 0.5, 0.5))
    roll(page, -100, ctrl=True)
    roll(page, -100)
    page.wait_for_function("location.hash.includes('zoom=')")
    page.wait_for_timeout(400)  # the address follows a moment later
    other = Visitor(window(), page.url)
    other.settle()
    np.testing.assert_allclose(part_of(other.page, EXPLORE), part_of(page, EXPLORE), rtol=0.01)
    assert other.text("query").startswith("Left knee")
    page.goto(visitor.address + "#explore?keypoint=left+knee&zoom=900,1,1")
    page.wait_for_selector('[data-slot="alert"]:visible')
    assert "zoom" in visitor.text("alert-text")
    assert visitor.trouble == other.trouble == []


def test_a_box_is_drawn_where_the_hand_is_on_a_zoomed_photo(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.upload(jpeg(portrait))
    page.click('[data-do="box"]')
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.press("+")
    page.keyboard.press("+")
    corners = [photo_of(page, EXPLORE, *one) for one in ((0.2, 0.1), (0.8, 0.9))]
    page.mouse.move(*at(page, EXPLORE, 0.2, 0.1))
    page.mouse.down()
    page.mouse.move(*at(page, EXPLORE, 0.8, 0.9), steps=4)
    page.mouse.up()
    page.wait_for_selector(".pk-remove")
    visitor.settle()
    box = page.locator(".pk-box")
    drawn = [float(box.get_attribute(name)) for name in ("x", "y", "width", "height")]
    np.testing.assert_allclose(drawn, [*corners[0], *(corners[1] - corners[0])], atol=1.0)
    assert visitor.trouble == []


def test_two_fingers_zoom_the_photo_and_one_moves_it(visit: Visit) -> None:
    visitor = visit(390, 844, has_touch=True, is_mobile=True)
    visitor.settle()
    page = visitor.page
    page.locator(EXPLORE).scroll_into_view_if_needed()
    fingers = page.context.new_cdp_session(page)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.post_data or ""))

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)],
            },
        )

    x, y = at(page, EXPLORE, 0.5, 0.5)
    whole, middle = part_of(page, EXPLORE), photo_of(page, EXPLORE, 0.5, 0.5)
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    for apart in (40, 60, 75, 90):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    page.wait_for_timeout(200)
    near = part_of(page, EXPLORE)
    assert near[3] < 0.5 * whole[3]
    np.testing.assert_allclose(screen_of(page, EXPLORE, tuple(middle)), (x, y), atol=2)
    assert page.evaluate("visualViewport.scale") == 1  # the page itself was not zoomed
    touch("touchStart", (x, y))
    for step in (8, 20, 40):
        touch("touchMove", (x - step, y - step))
    touch("touchEnd")
    page.wait_for_timeout(200)
    moved = part_of(page, EXPLORE)
    assert (moved[:2] > near[:2]).all() and moved[2:].tolist() == near[2:].tolist()
    assert not any('"explain"' in body for body in asked)
    assert visitor.trouble == []


def test_compare_zooms_all_panels_together_and_clicks_are_exact(
    window: Callable[..., Any], address: str
) -> None:
    visitor = Comparing(window(), address + STATE)
    page = visitor.page
    whole, drawn = part_of(page, PANELS), maps(visitor)
    page.mouse.move(*at(page, PANELS, 0.5, 0.4, nth=1))
    roll(page, -100, ctrl=True)
    roll(page, -100)
    parts = [part_of(page, PANELS, nth).tolist() for nth in (0, 1)]
    assert parts[0] == parts[1] and parts[0][3] < 0.6 * whole[3]
    assert all(not np.array_equal(a, b) for a, b in zip(drawn, maps(visitor), strict=True))
    for spot in ((0.12, 0.15), (0.85, 0.8)):
        wanted = photo_of(page, PANELS, *spot, nth=1)
        place = at(page, PANELS, *spot, nth=1)
        reply = compared(visitor, lambda xy=place: page.mouse.click(*xy))  # type: ignore[misc]
        if reply["query"]["keypoint"] is None:
            np.testing.assert_allclose(reply["panels"][0]["point"], wanted, atol=1.0)
        else:  # near a keypoint: within a finger's width, which is smaller on a zoomed photo
            assert np.hypot(*(reply["query"]["point"] - wanted)) < 0.06 * whole[3]
    page.keyboard.press("0")
    assert part_of(page, PANELS).tolist() == whole.tolist()
    page.click('[data-slot="compare-zoom"] [data-zoom="in"]')
    assert part_of(page, PANELS, 1)[3] < whole[3]
    assert visitor.trouble == []


def test_occlusion_zooms_both_sides_and_the_occluder_stays_on_its_pixels(
    window: Callable[..., Any], address: str
) -> None:
    visitor = Hiding(window(), address + "#occlusion?case=in+full+view")
    page = visitor.page
    put = visitor.study(lambda: page.click('[data-tool="rectangle"]'))["occluder"]["box"]
    page.locator(SIDES).first.scroll_into_view_if_needed()
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.wait_for_timeout(100)
    assert part_of(page, SIDES, 0).tolist() == part_of(page, SIDES, 1).tolist()
    frame = page.locator('[data-side="after"] .pk-oc-frame').bounding_box()
    middle = (put[0] + put[2] / 2 - 0.5, put[1] + put[3] / 2 - 0.5)
    centre = (frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    np.testing.assert_allclose(screen_of(page, SIDES, middle, 1), centre, atol=1.5)
    # What is painted there is one colour, as wide as the frame says.
    photo = visitor.canvas('[data-side="after"] [data-piece="photo"]')
    x, y, width, height = part_of(page, SIDES, 1)
    col = int((middle[0] - x) / width * photo.shape[1])
    row = int((middle[1] - y) / height * photo.shape[0])
    half = int(0.4 * put[2] / width * photo.shape[1])
    assert photo[row, max(0, col - half) : col + half, :3].std(0).max() < 1

    visitor.study(lambda: visitor.drag(60, 0))
    moved = float(page.locator('[data-side="after"] .pk-oc-frame').get_attribute("x")) + 0.5
    unit = width / page.locator(SIDES).nth(1).bounding_box()["width"]
    assert moved - put[0] == pytest.approx(60 * unit, abs=1.0)
    assert part_of(page, SIDES, 1).tolist() == [x, y, width, height]  # the drag moved no photo

    spot = (0.06, 0.06)
    wanted = photo_of(page, SIDES, *spot)
    answer = visitor.study(lambda: page.mouse.click(*at(page, SIDES, *spot)))
    if answer["keypoint"] is None:
        np.testing.assert_allclose(answer["before"]["point"], wanted, atol=1.0)
    before = part_of(page, SIDES)
    page.mouse.move(*at(page, SIDES, 0.06, 0.06))
    page.mouse.down()
    page.mouse.move(*at(page, SIDES, 0.2, 0.15), steps=5)
    page.mouse.up()
    after = part_of(page, SIDES)
    assert (after[:2] < before[:2]).any() and part_of(page, SIDES, 1).tolist() == after.tolist()
    assert visitor.trouble == []
