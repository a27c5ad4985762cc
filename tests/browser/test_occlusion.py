"""The Occlusion page as a visitor meets it: something in front, and what the model makes of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.visitor import Visitor, asked_for

SMALL = "transpose-r-small"
CASE = "somebody steps in"


class Hiding(Visitor):
    """A visitor who opens the Occlusion page right away, by a link."""

    def arrived(self) -> None:
        """The first question is answered."""
        self.answered()

    def answered(self) -> None:
        """Wait until the newest question is answered and drawn."""
        self.page.wait_for_selector('[data-slot="oc-after-facts"] dd', timeout=60_000)
        self.page.wait_for_selector(
            ".pk:not(.pk-oc-again):not(.pk-oc-opening)", timeout=60_000, state="attached"
        )
        self.page.wait_for_timeout(200)

    def study(self, do: Callable[[], Any]) -> dict[str, Any]:
        """Do something that asks what an occluder changes; the answer to the newest question."""
        with self.page.expect_response(
            lambda one: asked_for("occlusion_study")(one) and "stale" not in one.json(),
            timeout=60_000,
        ) as reply:
            do()
        self.answered()
        answer: dict[str, Any] = reply.value.json()
        return answer

    def facts(self, side: str) -> dict[str, str]:
        """The figures under a photo, by their words."""
        found: dict[str, str] = self.page.evaluate(
            "s => Object.fromEntries(Array.from(document.querySelectorAll("
            "`[data-slot=oc-${s}-facts] > div`), d => [d.querySelector('dt').textContent,"
            " d.querySelector('dd').textContent]))",
            side,
        )
        return found

    def layers(self, side: str) -> list[np.ndarray]:
        """What is drawn on a side: the photo, the masks, the map."""
        return [
            self.canvas(f'[data-side="{side}"] [data-piece="{part}"]')
            for part in ("photo", "masks", "map")
        ]

    def thing(self) -> dict[str, float]:
        """Where the occluder's frame is on the screen, on the side after."""
        frame = self.page.locator('[data-side="after"] .pk-oc-frame')
        frame.scroll_into_view_if_needed()
        box: dict[str, float] = frame.bounding_box()
        return box

    def drag(self, dx: float, dy: float) -> None:
        """Take the occluder by its middle and let go of it further on."""
        box = self.thing()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx / 2, y + dy / 2, steps=4)
        self.page.mouse.move(x + dx, y + dy, steps=4)
        self.page.mouse.up()

    def wide(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        found: bool = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with a case library in a temporary folder."""
    from app.explore import Explorer
    from app.server import serve
    from posekit.occlusion import CaseLibrary

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        explorer = Explorer(device="cpu", model=SMALL, library=CaseLibrary(folder))
        page = serve(port=port, block=False, explorer=explorer)
        yield f"http://127.0.0.1:{port}/"
        page.close()


@pytest.fixture
def hiding(window: Callable[..., Any], place: str) -> Callable[..., Hiding]:
    def open_page(fragment: str = "#occlusion", **options: Any) -> Hiding:
        return Hiding(window(**options), place + fragment)

    return open_page


def test_a_case_is_opened_a_keypoint_clicked_and_a_rectangle_dragged(
    hiding: Callable[..., Hiding],
) -> None:
    visitor = hiding()
    page = visitor.page
    assert page.locator(".pk-oc-case").count() == 13  # twelve cases and one's own photo
    assert "Somebody steps in" in visitor.text("oc-title")
    assert visitor.facts("after")["confidence"] < visitor.facts("before")["confidence"]

    answer = visitor.study(lambda: page.click('[data-slot="oc-chips"] [data-keypoint="11"]'))
    assert answer["label"] == "left wrist"
    before, told = visitor.layers("before"), visitor.facts("before")

    put = visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    assert put["occluder"]["kind"] == "rectangle"
    first = visitor.facts("after"), visitor.layers("after")
    moved = visitor.study(lambda: visitor.drag(60, -110))
    was, now = put["occluder"]["box"], moved["occluder"]["box"]
    assert now[0] > was[0] and now[1] < was[1] and now[2:] == was[2:]
    assert moved["before"] == put["before"]  # to the last bit: it was not asked again
    assert moved["after"]["confidence"] != put["after"]["confidence"]
    second = visitor.facts("after"), visitor.layers("after")
    assert first[0] != second[0]
    assert not np.array_equal(first[1][0], second[1][0])  # the occluder is elsewhere
    # The side before shows what it did: only the map's scale follows what is strongest in both.
    assert np.array_equal(before[0], visitor.layers("before")[0])
    for words in ("confidence", "on this person", "on others", "background"):
        assert visitor.facts("before")[words] == told[words]
    assert page.locator("[data-slot=oc-table] tbody tr").count() >= 12
    # Nothing in this model was supervised, so nothing is said to be.
    assert visitor.text("oc-layers-title") == "Every layer, before and after"
    assert "upervised" not in page.inner_text(".pk-occlusion")
    assert "left wrist" in visitor.text("oc-said")
    assert "case=somebody+steps+in" in page.url and "keypoint=left+wrist" in page.url
    assert visitor.trouble == []


def test_a_drag_asks_once_and_says_that_it_looks_again(hiding: Callable[..., Hiding]) -> None:
    visitor = hiding()
    page = visitor.page
    visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    kept, asked = visitor.facts("after"), []
    page.on("request", lambda one: "occlusion_study" in (one.post_data or "") and asked.append(one))
    box = visitor.thing()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 16):
        page.mouse.move(x - 4 * step, y - 2 * step)
    assert visitor.text("oc-state") == "Looking again …"
    assert visitor.facts("after") == kept  # nothing is lost while it looks
    visitor.study(page.mouse.up)
    assert 1 <= len(asked) <= 4
    numbers = [json.loads(one.post_data)["data"]["number"] for one in asked]
    assert numbers == sorted(numbers)
    assert visitor.text("oc-state") == ""
    assert visitor.facts("after") != kept


def test_keys_move_size_and_remove_the_occluder_and_walk_the_keypoints(
    hiding: Callable[..., Hiding],
) -> None:
    visitor = hiding()
    page = visitor.page
    put = visitor.study(lambda: page.click('[data-tool="rectangle"]'))["occluder"]["box"]
    thing = page.locator('[data-side="after"] .pk-oc-thing')
    thing.focus()
    assert "Arrow keys move it" in thing.get_attribute("aria-label")
    right = visitor.study(lambda: page.keyboard.press("ArrowRight"))["occluder"]["box"]
    assert right[0] > put[0] and right[1:] == put[1:]
    high = visitor.study(lambda: page.keyboard.press("Shift+ArrowDown"))["occluder"]["box"]
    assert high[3] > put[3] and high[:3] == right[:3]
    assert page.evaluate("document.activeElement.classList.contains('pk-oc-thing')")
    gone = visitor.study(lambda: page.keyboard.press("Delete"))
    assert gone["occluder"] is None and page.locator(".pk-oc-thing").count() == 0
    page.focus('[data-slot="oc-chips"] [aria-pressed="true"]')
    walked = visitor.study(lambda: page.keyboard.press("ArrowRight"))
    assert walked["label"] == page.evaluate(
        "document.activeElement.querySelector('span').textContent"
    )
    page.focus('[data-tool="brush"]')
    dot = visitor.study(lambda: page.keyboard.press("Enter"))["occluder"]
    assert dot["kind"] == "stroke" and len(dot["points"]) == 1  # a hand that cannot paint
    assert visitor.trouble == []


def test_brush_piece_person_and_limb(hiding: Callable[..., Hiding]) -> None:
    visitor = hiding()
    page = visitor.page
    frame = page.locator('[data-side="before"] .pk-frame').bounding_box()

    def across(start: tuple[float, float], end: tuple[float, float]) -> None:
        (x0, y0), (x1, y1) = (
            (frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
            for x, y in (start, end)
        )
        page.mouse.move(x0, y0)
        page.mouse.down()
        page.mouse.move(x1, y1, steps=8)
        page.mouse.up()

    page.click('[data-tool="brush"]')
    stroke = visitor.study(lambda: across((0.25, 0.55), (0.45, 0.75)))["occluder"]
    assert stroke["kind"] == "stroke" and len(stroke["points"]) > 3
    page.click('[data-tool="brush"]')  # put the brush down
    page.click('[data-tool="patch"]')
    patch = visitor.study(lambda: across((0.05, 0.2), (0.2, 0.35)))["occluder"]
    assert patch["kind"] == "patch" and patch["source"][2] > 40
    page.click('[data-tool="cutout"]')
    person = visitor.study(lambda: page.click('[data-slot="oc-options"] .pk-chip >> nth=1'))
    assert person["occluder"]["kind"] == "cutout"
    limb = visitor.study(lambda: page.click('[data-tool="limb"]'))["occluder"]
    slider = page.locator('[data-slot="oc-options"] input[type="range"]')
    more = visitor.study(lambda: slider.fill("90"))["occluder"]
    length = [np.hypot(*np.subtract(*one["points"])) for one in (limb, more)]
    assert length[1] == pytest.approx(1.5 * length[0], rel=0.02)  # 60 % and 90 %
    page.check('[data-slot="oc-masks"]')
    assert visitor.canvas('[data-side="before"] [data-piece="masks"]')[..., 3].any()
    page.uncheck('[data-slot="oc-map"]')
    assert not visitor.canvas('[data-side="after"] [data-piece="map"]')[..., 3].any()
    chosen = visitor.study(lambda: page.click("[data-oc-layer] >> nth=0"))
    assert chosen["layer"] == "encoder.1"
    assert visitor.trouble == []


def test_a_sweep_shows_its_progress_can_be_cancelled_and_is_drawn(
    hiding: Callable[..., Hiding],
) -> None:
    visitor = hiding()
    page = visitor.page
    page.select_option('[data-slot="oc-grid"]', "fine")
    page.click('[data-do="oc-grid-sweep"]')
    page.wait_for_function(
        "/Tried \\d+ of 154/.test(document.querySelector('[data-slot=oc-work-text]').textContent)",
        timeout=30_000,
    )
    page.click('[data-do="oc-sweep-stop"]')
    page.wait_for_selector('[data-slot="oc-work"]', state="hidden", timeout=30_000)
    assert "stopped" in visitor.text("alert-text")
    assert page.locator('[data-slot="oc-swept"]').is_hidden()

    page.select_option('[data-slot="oc-grid"]', "coarse")
    page.click('[data-do="oc-grid-sweep"]')
    page.wait_for_selector('[data-slot="oc-heat"]:not([hidden])', timeout=90_000)
    assert page.locator("[data-slot=oc-sweep-table] tbody tr").count() == 30
    page.wait_for_selector('[data-slot="oc-plot"] .scatterlayer', state="attached", timeout=60_000)
    # One curve an axis, confidence and attention, each with its own layer of marks.
    marks = page.locator('[data-slot="oc-plot"] .scatterlayer').first.locator(".trace").first
    assert marks.locator(".point").count() == 30
    assert visitor.canvas('[data-slot="oc-heat-map"]')[..., 3].any()
    put = visitor.study(
        lambda: page.click('[data-slot="oc-heat-map"]', position={"x": 60, "y": 60})
    )
    assert put["occluder"]["kind"] == "cutout"  # what was in front, where the map was clicked
    with page.expect_download(timeout=60_000) as file:
        page.click('[data-do="oc-plotly"]')
    assert b"Plotly.newPlot" in Path(file.value.path()).read_bytes()
    assert visitor.trouble == []


def test_a_case_is_saved_reopened_exported_and_deleted(
    hiding: Callable[..., Hiding], folder: Path
) -> None:
    visitor = hiding()
    page = visitor.page
    assert "until somebody deletes" in visitor.text("oc-library-words")
    put = visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    page.fill('[data-slot="oc-case-title"]', "A wrist <i>away</i>")
    page.fill('[data-slot="oc-case-note"]', "Look at the hip.")
    page.click('[data-do="oc-save"]')
    page.wait_for_selector(".pk-oc-saved li")
    assert "A wrist <i>away</i>" in page.inner_text(".pk-oc-saved b")  # text, not markup
    assert len([one for one in folder.iterdir() if one.is_dir()]) == 1

    later = hiding()
    later.page.wait_for_selector(".pk-oc-saved li")
    again = later.study(lambda: later.page.click(".pk-oc-reopen"))
    assert again["occluder"] == put["occluder"] and again["label"] == put["label"]
    assert "A wrist" in later.text("oc-title") and "Look at the hip." in later.text("oc-question")
    assert later.facts("before") == visitor.facts("before")
    with later.page.expect_download(timeout=60_000) as file:
        later.page.click('.pk-oc-saved [aria-label^="Export"]')
    assert b"Look at the hip." in Path(file.value.path()).read_bytes()
    delete = later.page.locator('.pk-oc-saved [aria-label^="Delete"]')
    delete.click()
    assert delete.inner_text() == "Really delete?"
    assert len([one for one in folder.iterdir() if one.is_dir()]) == 1
    delete.click()
    later.page.wait_for_selector(".pk-oc-saved li", state="detached")
    assert [one for one in folder.iterdir() if one.is_dir()] == []
    assert visitor.trouble == later.trouble == []


def test_ones_own_photo_comes_along_and_an_untrained_model_is_announced(
    hiding: Callable[..., Hiding],
) -> None:
    visitor = hiding()
    page = visitor.page
    page.click('[data-page-link="explore"]')
    page.wait_for_selector(".pk-number")
    own = visitor.study(lambda: page.click('[data-do="occlusion-open"]'))
    assert own["occluder"] is None and "Your photo" in visitor.text("oc-title")
    shown = page.evaluate("document.querySelector('.pk-skeleton').getAttribute('viewBox')")
    assert page.locator('[data-side="before"] .pk-skeleton').get_attribute("viewBox") == shown
    visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    other = visitor.study(lambda: page.select_option('[data-slot="oc-model"]', "transpose-r-a3"))
    assert other["trained"] is False and other["occluder"]["kind"] == "rectangle"
    assert "Untrained weights" in visitor.text("oc-untrained")
    visitor.study(lambda: page.select_option('[data-slot="oc-model"]', SMALL))
    assert page.locator('[data-slot="oc-untrained"]').is_hidden()
    # Forgetting the photo takes it off this page as well.
    forgotten = visitor.study(lambda: page.click('[data-do="forget"]'))
    assert forgotten["occluder"] is None
    assert visitor.trouble == []


def test_an_expired_visit_is_renewed_and_the_question_answered(
    hiding: Callable[..., Hiding],
) -> None:
    visitor = hiding()
    page = visitor.page
    with page.expect_request(lambda one: "occlusion_study" in (one.post_data or "")) as sent:
        put = visitor.study(lambda: page.click('[data-tool="rectangle"]'))
    token = sent.value.post_data_json["data"]["token"]
    assert visitor.call("forget", {"token": token}) == {"forgotten": True}
    with page.expect_response(
        lambda one: asked_for("occlusion_study")(one) and "before" in one.json(), timeout=60_000
    ) as reply:
        page.click('[data-slot="oc-chips"] [data-keypoint="8"]')
    visitor.answered()
    answer = reply.value.json()
    assert answer["keypoint"] == 8 and answer["occluder"] == put["occluder"]
    assert page.locator('[data-slot="alert"]').is_hidden()
    assert visitor.trouble == []


def test_on_a_phone_it_fits_and_works_by_touch(hiding: Callable[..., Hiding]) -> None:
    visitor = hiding(width=390, height=844, has_touch=True, is_mobile=True)
    page = visitor.page
    assert not visitor.wide()
    boxes = [page.locator(f'[data-side="{one}"]').bounding_box() for one in ("before", "after")]
    assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"] - 2  # under each other
    assert boxes[0]["width"] == pytest.approx(390, abs=2)
    put = visitor.study(lambda: page.tap('[data-tool="rectangle"]'))
    assert put["occluder"]["kind"] == "rectangle"
    assert not visitor.wide()
    frame = page.locator('[data-side="before"] .pk-frame')
    frame.scroll_into_view_if_needed()
    tapped = visitor.study(lambda: frame.tap(position={"x": 200, "y": 30}))
    assert tapped["keypoint"] is None  # a free spot
    assert visitor.trouble == []


def test_a_server_without_a_library_says_so(chromium: Any, address: str, tmp_path: Path) -> None:
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    try:
        visitor = Hiding(context.new_page(), address + "#occlusion?case=in+full+view")
        page = visitor.page
        assert "In full view" in visitor.text("oc-title")
        assert "off on this server" in visitor.text("oc-library-words")
        assert page.locator('[data-do="oc-save"]').is_hidden()
        refused = visitor.call("occlusion_save", {"token": "x", "view": "y"})
        assert set(refused) == {"error", "expired"}
        with page.expect_download(timeout=60_000) as file:
            page.click('[data-do="oc-html"]')
        assert b"Left wrist behind" in Path(file.value.path()).read_bytes()
        report = context.new_page()
        file.value.save_as(tmp_path / "report.html")  # a browser goes by the name
        report.goto((tmp_path / "report.html").as_uri())
        seen = report.evaluate(
            "Array.from(document.images, one => [one.alt, getComputedStyle(one).opacity,"
            " one.naturalWidth, one.getBoundingClientRect().height > 100])"
        )
        assert {"pose before", "pose after", "map before", "map after"} <= {one[0] for one in seen}
        assert all(one[1:] == ["1", 640, True] for one in seen), seen
        assert visitor.trouble == []
        assert all(one.startswith((address, "data:", "blob:")) for one in visitor.requests)
    finally:
        context.close()
