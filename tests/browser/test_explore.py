"""The page as a visitor meets it: upload, click, look, download."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.visitor import CALL, Visitor

Visit = Callable[..., Visitor]


def test_it_opens_with_a_photo_already_analysed(visit: Visit) -> None:
    visitor = visit()
    layers = visitor.page.locator(".pk-layers .pk-thumb").count()
    assert layers >= 2
    assert visitor.page.locator(".pk-point").count() >= 14
    assert visitor.canvas(".pk-map")[..., 3].max() > 0  # a map lies over the photo
    assert visitor.canvas(".pk-photo")[..., :3].std() > 10  # which is not a blank
    assert "see what the model looks at" in visitor.text("hint")
    assert visitor.trouble == []


def test_untrained_weights_are_announced_and_trained_ones_are_not(
    visit: Visit, explorer: Any
) -> None:
    visitor = visit()
    trained = explorer.shelf.has_weights(explorer.default_model)
    assert visitor.page.is_visible('[data-slot="untrained"]') is not trained
    if not trained:
        assert "learnt nothing" in visitor.text("untrained")
    random = next(name for name in explorer.shelf.names() if not explorer.shelf.has_weights(name))
    if random != explorer.default_model:
        visitor.page.select_option('[data-slot="model"]', random)
        visitor.page.wait_for_selector('[data-slot="untrained"]:visible')


def test_upload_pose_click_maps_download(visit: Visit, portrait: Image.Image) -> None:
    visitor = visit()
    page = visitor.page
    reply = visitor.upload(jpeg(portrait))
    assert (reply["photo"]["width"], reply["photo"]["height"]) == portrait.size
    assert page.locator(".pk-point").count() == len(reply["skeleton"]["keypoints"])
    assert page.locator(".pk-line").count() == len(reply["skeleton"]["limbs"])

    before = [visitor.canvas(f".pk-layers .pk-thumb:nth-child({n}) canvas") for n in (1, 2)]
    answer = visitor.click(0.52, 0.97)
    after = [visitor.canvas(f".pk-layers .pk-thumb:nth-child({n}) canvas") for n in (1, 2)]
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    named = answer["query"]["label"].replace("point (", "this spot (")
    assert visitor.text("query").lower().startswith(named)
    assert len(answer["layers"]) == page.locator(".pk-layers .pk-thumb").count()
    for words in (reply["title"], "layer", "head", "grid", "scaled"):
        assert words.lower() in visitor.text("legend").lower()
    for n in range(1, len(answer["layers"]) + 1):
        title = page.locator(f".pk-layers .pk-thumb:nth-child({n})").get_attribute("title")
        for words in (reply["title"], f"layer {n}", "head", "grid", "scaled"):
            assert words.lower() in title.lower()
    assert page.locator(".pk-number").count() == 3

    with page.expect_download() as png:
        page.click('[data-do="png"]')
    assert png.value.suggested_filename.endswith(".png")
    picture = Image.open(png.value.path())
    assert picture.format == "PNG" and min(picture.size) > 300
    assert json.loads(picture.text["PoseKit"])["direction"] == "row"  # type: ignore[attr-defined]

    with page.expect_download() as npz:
        page.click('[data-do="npz"]')
    with np.load(io.BytesIO(npz.value.path().read_bytes()), allow_pickle=False) as maps:
        weights = maps["weights"]
        np.testing.assert_allclose(weights.sum((1, 2)), 1, atol=1e-5)
        np.testing.assert_allclose(maps["query_point"], answer["query"]["point"])
        assert list(maps["photo_size"]) == [portrait.size[1], portrait.size[0]]
        # What the page drew and what it hands out are the same numbers.
        for layer, drawn in zip(weights, answer["layers"], strict=True):
            sent = np.frombuffer(_bytes(drawn["weights"]), "<f4").reshape(-1, *layer.shape)
            np.testing.assert_array_equal(sent[0], layer)
    assert visitor.trouble == []


def _bytes(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_click_lands_where_the_eye_sees_it_whatever_the_camera_noted(
    visit: Visit, quarters: Image.Image, orientation: int
) -> None:
    turned = _stored(quarters, orientation)
    visitor = visit()
    reply = visitor.upload(jpeg(turned, orientation))
    assert (reply["photo"]["width"], reply["photo"]["height"]) == quarters.size
    for x, y in ((0.2, 0.3), (0.8, 0.3), (0.2, 0.7), (0.8, 0.7)):
        wanted = (x * quarters.width - 0.5, y * quarters.height - 0.5)
        seen = np.array(quarters)[int(y * quarters.height), int(x * quarters.width)].astype(int)
        assert np.abs(visitor.colour(x, y) - seen).max() < 12
        query = visitor.click(x, y)["query"]
        if query["keypoint"] is None:
            np.testing.assert_allclose(query["point"], wanted, atol=1.0)
        else:  # it snapped, to something within a finger's width
            assert np.hypot(*np.subtract(query["point"], wanted)) < 0.06 * max(quarters.size)
    assert visitor.trouble == []


def _stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels a camera would store so that this EXIF orientation shows ``upright``."""
    turn = Image.Transpose
    undo = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    return upright.transpose(undo[orientation]) if orientation in undo else upright


def test_layers_heads_and_looks_need_no_server(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    page = visitor.page
    asked = len(visitor.requests)
    seen = [visitor.canvas(".pk-map")]

    def changed(do: Callable[[], object]) -> None:
        do()
        page.wait_for_timeout(150)
        seen.append(visitor.canvas(".pk-map"))
        assert not np.array_equal(seen[-1], seen[-2])

    changed(lambda: page.click(".pk-layers .pk-thumb:nth-child(1)"))
    changed(lambda: page.click(".pk-heads .pk-thumb:nth-child(3)"))
    changed(lambda: page.locator('[data-slot="keep"]').fill("40"))
    changed(lambda: page.locator('[data-slot="opacity"]').fill("30"))
    changed(lambda: page.select_option('[data-slot="palette"]', "viridis"))
    assert len(visitor.requests) == asked
    assert "40 %" in visitor.text("legend")


def test_the_other_direction_is_another_map(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    before = visitor.canvas(".pk-map")
    answer = visitor.ask(lambda: visitor.page.click('[data-direction="column"]'))
    assert answer["direction"] == "column"
    assert not np.array_equal(before, visitor.canvas(".pk-map"))
    assert "is looked at by" in visitor.text("query")


def test_the_map_follows_the_pointer_until_a_click_pins_it(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    page = visitor.page
    frame = page.locator('[data-slot="frame"]').bounding_box()
    asked = len(visitor.requests)

    def move(x: float, y: float) -> np.ndarray:
        page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
        page.wait_for_timeout(120)
        return visitor.canvas(".pk-map")

    first, second = move(0.45, 0.3), move(0.55, 0.6)
    assert page.locator(".pk.pk-live").count() == 1
    assert not np.array_equal(first, second)
    assert len(visitor.requests) == asked  # and the server was not asked
    visitor.click(0.5, 0.5)
    pinned = visitor.canvas(".pk-map")
    assert np.array_equal(pinned, move(0.4, 0.3))
    page.keyboard.press("Escape")
    assert not np.array_equal(pinned, move(0.45, 0.3))


def test_boxes_make_people(visit: Visit, portrait: Image.Image) -> None:
    visitor = visit()
    page = visitor.page
    visitor.upload(jpeg(portrait))
    page.click('[data-do="box"]')
    page.evaluate("scrollTo(0, 0)")
    frame = page.locator('[data-slot="frame"]').bounding_box()

    def drag(x0: float, y0: float, x1: float, y1: float) -> None:
        page.mouse.move(frame["x"] + x0 * frame["width"], frame["y"] + y0 * frame["height"])
        page.mouse.down()
        page.mouse.move(
            frame["x"] + x1 * frame["width"], frame["y"] + y1 * frame["height"], steps=4
        )
        page.mouse.up()

    drag(0.1, 0.1, 0.5, 0.9)
    page.wait_for_function("document.querySelectorAll('.pk-remove').length === 1")
    visitor.settle()
    drag(0.55, 0.1, 0.95, 0.9)
    page.wait_for_function("document.querySelectorAll('.pk-remove').length === 2")
    visitor.settle()
    page.click('[data-do="box"]')
    assert page.locator(".pk-person").count() == 2
    edges = page.locator(".pk-box").nth(0)
    drawn = [float(edges.get_attribute(name)) for name in ("x", "y", "width", "height")]
    wanted = [0.1 * 512 - 0.5, 0.1 * 600 - 0.5, 0.4 * 512, 0.8 * 600]
    np.testing.assert_allclose(drawn, wanted, atol=1.5)
    answer = visitor.ask(lambda: page.click(".pk-people .pk-chip:has-text('Person 1')"))
    assert answer["query"]["person"] == 0
    page.click('.pk-remove[aria-label="Remove the box of person 1"]')
    page.wait_for_function("document.querySelectorAll('.pk-remove').length === 1")
    visitor.settle()
    page.click("text=Use the whole photo")
    page.wait_for_function("document.querySelectorAll('.pk-remove').length === 0")
    assert visitor.trouble == []


@pytest.mark.parametrize(
    "data",
    [b"this is no picture", b"", b"\xff\xd8\xff\xe0 cut short", b"<svg xmlns='http://x'/>"],
    ids=["text", "empty", "truncated", "svg"],
)
def test_a_bad_upload_is_one_sentence_and_loses_nothing(
    visit: Visit, portrait: Image.Image, data: bytes
) -> None:
    visitor = visit()
    visitor.upload(jpeg(portrait))
    before, asked = visitor.canvas(".pk-photo"), visitor.text("query")
    reply = visitor.upload(data)
    visitor.page.wait_for_selector('[data-slot="alert"]:visible')
    said = visitor.text("alert-text")
    assert said == reply["error"]
    assert said.endswith(".") and len(said) < 200 and "Traceback" not in said
    assert np.array_equal(visitor.canvas(".pk-photo"), before)
    assert visitor.text("query") == asked
    assert "error" not in visitor.click(0.5, 0.5)
    assert not visitor.page.is_visible('[data-slot="alert"]')


def test_everything_important_works_by_keyboard(visit: Visit) -> None:
    visitor = visit()
    visitor.settle()
    page, keys = visitor.page, visitor.page.keyboard
    # Listening from the start: a listener added right before the key press can come too late.
    choosers: list[Any] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))

    def tab_to(test: str) -> None:
        for _ in range(80):
            keys.press("Tab")
            if page.evaluate(f"document.activeElement.matches('{test}')"):
                return
        raise AssertionError(f"Tab never reached {test}")

    tab_to(".pk-point")
    first = visitor.ask(lambda: keys.press("ArrowRight"))["query"]["keypoint"]
    second = visitor.ask(lambda: keys.press("ArrowRight"))["query"]["keypoint"]
    assert second == (first + 1) % page.locator(".pk-chips .pk-chip").count()
    assert page.evaluate("document.activeElement.dataset.keypoint") == str(second)
    assert visitor.ask(lambda: keys.press("Shift+ArrowDown"))["query"]["keypoint"] is None
    keys.press("1")
    assert page.get_attribute(".pk-layers .pk-thumb:nth-child(1)", "aria-pressed") == "true"
    assert visitor.ask(lambda: keys.press("d"))["direction"] == "column"
    tab_to('[data-do="upload"]')
    keys.press("Enter")
    for _ in range(100):
        if choosers:
            break
        page.wait_for_timeout(50)
    assert len(choosers) == 1
    tab_to(".pk-chips .pk-chip")
    picked = visitor.ask(lambda: keys.press("ArrowRight"))["query"]["label"]
    assert visitor.text("query").lower().startswith(picked)
    keys.press("b")
    keys.press("ArrowRight")
    keys.press("Enter")
    page.wait_for_selector(".pk-remove")
    visitor.settle()
    keys.press("Escape")
    keys.press("?")
    assert page.locator(".pk-help").is_visible()
    keys.press("Escape")
    assert not page.locator(".pk-help").is_visible()
    assert visitor.trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(visit: Visit, scheme: str) -> None:
    visitor = visit(390, 844, color_scheme=scheme, has_touch=True, is_mobile=True)
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator('[data-slot="frame"]').bounding_box()["width"] > 300
    for button in page.locator('[data-page="explore"] .pk-sources .pk-btn').all():
        assert button.bounding_box()["height"] >= 44
    frame = page.locator('[data-slot="frame"]').bounding_box()
    answer = visitor.ask(
        lambda: page.touchscreen.tap(
            frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
        )
    )
    assert "layers" in answer
    # Photo, model, answer, keypoints, and only then sliders and downloads: for eye and Tab key.
    order = ("stage", "sources", "model", "answer", "layers", "numbers", "points", "look", "get")
    parts = [page.locator(f'[data-page="explore"] .pk-{name}').first for name in order]
    tops = [part.bounding_box()["y"] for part in parts]
    assert tops == sorted(tops)
    assert page.evaluate(
        "names => { const nodes = names.map(n => document.querySelector("
        "`[data-page=explore] .pk-${n}`)); return nodes.every((node, n) => !n ||"
        " nodes[n - 1].compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING); }",
        list(order),
    )
    bottoms = [part.bounding_box()["y"] + part.bounding_box()["height"] for part in parts]
    cards = [n for n, name in enumerate(order) if name not in ("layers", "sources", "stage")]
    assert all(bottoms[a] <= tops[b] for a, b in pairwise(cards))
    assert visitor.trouble == []


@pytest.mark.parametrize("width", [1440, 1180, 1024, 390, 360])
def test_no_button_sticks_out_of_its_card(visit: Visit, width: int) -> None:
    page = visit(width, 800).page
    beyond = page.eval_on_selector_all(
        ".pk-get .pk-btn",
        "nodes => nodes.filter(node => node.getBoundingClientRect().right >"
        " node.closest('.pk-card').getBoundingClientRect().right - 8"
        " || node.scrollWidth > node.clientWidth).map(node => node.innerText)",
    )
    assert beyond == []


def test_the_keypoints_stand_below_the_photo_where_there_are_two_columns(visit: Visit) -> None:
    page = visit(1440, 900).page
    points = page.locator(".pk-points").bounding_box()
    hero = page.locator(".pk-hero").bounding_box()
    assert points["x"] == hero["x"] and points["y"] >= hero["y"] + hero["height"]
    page.set_viewport_size({"width": 800, "height": 900})  # the same page, made narrow
    page.wait_for_function("document.querySelector('.pk-points').parentElement.matches('.pk-side')")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function("document.querySelector('.pk-points').parentElement.matches('.pk-main')")


def answered_with(page: Any, changed: Callable[[], dict[str, Any]]) -> None:
    """From here on the page is handed other numbers of every map."""

    def handle(route: Any) -> None:
        if b'"fn_name":"explain"' not in (route.request.post_data_buffer or b""):
            return route.continue_()
        reply = route.fetch()
        answer = reply.json()
        for layer in answer["layers"]:
            for numbers in layer["numbers"]:
                assert numbers["even"] == ""  # a trained model's maps are not
                numbers.update(changed())
        route.fulfill(response=reply, json=answer)

    page.route(lambda url: CALL in url, handle)


def test_shares_too_small_to_tell_are_not_printed_raw(visit: Visit) -> None:
    visitor = visit()
    page, share = visitor.page, 1.1e-16
    answered_with(page, lambda: {"mass_outside": share})
    for share, words in ((1.1e-16, "0 % in nobody’s"), (3e-6, "< 0.01 % in nobody’s")):
        visitor.ask(lambda: page.click('.pk-points [data-keypoint="3"]'))
        assert words in visitor.text("numbers"), share


def test_a_map_that_is_nearly_even_is_said_to_be(visit: Visit) -> None:
    """Only the server knows from where on: the page says what it is handed."""
    visitor = visit()
    page, words = visitor.page, "nearly even: no place is looked at much more than another"
    assert "early even" not in visitor.text("numbers")
    answered_with(page, lambda: {"even": words})
    visitor.ask(lambda: page.click('.pk-points [data-keypoint="3"]'))
    assert "N" + words[1:] + "." in visitor.text("numbers")


def test_each_page_has_a_title_of_its_own(visit: Visit) -> None:
    page = visit().page
    assert page.title() == "Explore · PoseKit"
    for name in ("compare", "occlusion", "models", "explore"):
        page.click(f'[data-page-link="{name}"]')
        # The browser tells of a new fragment a moment after the click.
        page.wait_for_function(
            "title => document.title === title", arg=f"{name.capitalize()} · PoseKit"
        )


def test_the_last_layer_stays_the_last_when_the_model_changes(visit: Visit) -> None:
    page = visit().page
    chosen = page.locator(".pk-layers [aria-pressed=true] b")
    layers = page.locator(".pk-layers .pk-thumb")
    assert layers.count() == 3 and chosen.inner_text() == "Layer 3"
    page.select_option('[data-slot="model"]', "btranspose-small")
    page.wait_for_function("document.querySelectorAll('.pk-layers .pk-thumb').length === 4")
    assert chosen.inner_text() == "Encoder layer 3"
