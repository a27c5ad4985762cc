"""Methods on the page: choose, watch, cancel, weigh, download, and what has no such control."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from posekit.estimator import Estimator
from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor, asked_for
from tests.tiny_models import noise_photo, tiny_btranspose

Visit = Callable[..., Visitor]


class Reader:
    """What the method's part of the page shows."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page = visitor, visitor.page

    def choose(self, method: str) -> None:
        self.page.select_option('[data-slot="method"]', method)

    def computed(self) -> None:
        """Wait until the chosen method's map lies on the photo."""
        self.page.wait_for_selector('[data-slot="work"]', state="hidden", timeout=60_000)
        self.page.wait_for_timeout(150)

    def map(self) -> np.ndarray:
        return self.visitor.canvas(".pk-map")

    def shows(self, slot: str) -> bool:
        shown: bool = self.page.is_visible(f'[data-slot="{slot}"]')
        return shown


@pytest.fixture
def opened(visit: Visit) -> Reader:
    visitor = visit()
    visitor.settle()
    return Reader(visitor)


@pytest.fixture
def slow(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Methods wait in each forward pass of the network until the test lets them go on."""
    module = explorer.shelf.get(explorer.default_model).module
    forward, steps = type(module).forward, threading.Semaphore(0)

    def held(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread().name == "posekit-jobs":
            assert steps.acquire(timeout=30)
        return forward(module, *arguments, **named)

    monkeypatch.setattr(module, "forward", held)
    yield steps
    for token in list(explorer.methods.jobs._jobs):
        explorer.methods.jobs.stop(token, "gone")
    steps.release(5000)
    explorer.methods.jobs.start("last", "nothing", lambda progress: None).ended.wait(30)


def test_attention_comes_first_and_methods_are_grouped_by_cost(opened: Reader) -> None:
    groups = opened.page.eval_on_selector_all(
        '[data-slot="method"] optgroup',
        "nodes => nodes.map(n => [n.label, [...n.children].map(o => o.value)])",
    )
    assert [label for label, _ in groups] == ["Instant", "Gradients", "Many passes"]
    assert groups[0][1][0] == "attention"
    assert sum(len(names) for _, names in groups) >= 14
    assert "looks at" in opened.visitor.text("method-line")
    assert not opened.shows("why") and not opened.shows("work")


@pytest.mark.parametrize(
    ("method", "direction", "layers", "heads"),
    [
        ("rollout", False, False, True),
        ("flow", False, True, True),
        ("contribution", False, True, True),
        ("grad-cam", False, False, False),
    ],
)
def test_a_method_shows_its_own_map_and_the_controls_it_has(
    opened: Reader, method: str, direction: bool, layers: bool, heads: bool
) -> None:
    before = opened.map()
    opened.choose(method)
    opened.computed()
    assert not np.array_equal(before, opened.map())
    shown = [opened.shows(slot) for slot in ("direction", "layers", "heads")]
    assert shown == [direction, layers, heads]
    why = opened.visitor.text("why")
    assert ("direction" in why, "layer" in why, "head" in why) == (
        not direction, not layers, not heads,
    )  # fmt: skip
    title = opened.page.locator(f'[data-slot="method"] option[value="{method}"]').inner_text()
    assert title in opened.visitor.text("legend") and title in opened.visitor.text("query")
    opened.page.keyboard.press("Escape")  # back to attention
    opened.page.wait_for_timeout(200)
    assert opened.shows("direction") and not opened.shows("why")
    np.testing.assert_array_equal(before, opened.map())
    assert opened.visitor.trouble == []


def test_signed_maps_are_green_and_violet_with_their_delta(opened: Reader) -> None:
    opened.choose("contribution")
    opened.computed()
    drawn = opened.map().astype(int)
    strong = drawn[drawn[..., 3] > 150]
    green = (strong[:, 1] > strong[:, 0]) & (strong[:, 1] > strong[:, 2])
    violet = (strong[:, 2] > strong[:, 1]) & (strong[:, 0] > strong[:, 1])
    assert len(strong) and (green | violet).mean() > 0.95
    assert "against" in opened.visitor.text("bar-text")
    assert "convergence delta" in opened.visitor.text("legend")
    assert opened.page.locator(".pk-number").count() == 4
    numbers = opened.visitor.text("numbers").replace("\n", " ").replace("\u00a0", " ")
    assert "% of the value left over" in numbers.replace(" %", "%")
    assert "spread" in numbers and "px peak distance" in numbers and "nats of spread" not in numbers
    assert opened.page.is_disabled('[data-slot="palette"]')
    assert opened.visitor.trouble == []


def test_layer_and_head_of_a_method_are_computed_anew_and_then_kept(opened: Reader) -> None:
    opened.choose("contribution")
    opened.computed()
    seen = [opened.map()]
    for press in (".pk-layers .pk-thumb:nth-child(1)", ".pk-heads .pk-thumb:nth-child(2)"):
        with opened.page.expect_response(asked_for("compute")):
            opened.page.click(press)
        opened.computed()
        assert not np.array_equal(opened.map(), seen[-1])
        seen.append(opened.map())
    with opened.page.expect_response(asked_for("compute")) as reply:
        opened.page.click(".pk-heads .pk-thumb:nth-child(1)")
    assert "answer" in reply.value.json()  # at once: it was kept


def test_what_each_head_is_worth_stands_under_it(opened: Reader) -> None:
    page = opened.page
    page.locator('.pk-chips .pk-chip:has-text("left elbow")').first.click()
    opened.visitor.settle()
    with page.expect_response(asked_for("heads_worth")):
        page.click('[data-do="heads-worth"]')
    page.wait_for_selector(".pk-heads .pk-thumb small", timeout=60_000)

    def figures() -> list[str]:
        found: list[str] = page.locator(".pk-heads .pk-thumb small").all_inner_texts()
        return found

    left = figures()
    assert len(left) == 4 and all(len(one.lstrip("+−")) == 4 for one in left)
    assert "left elbow" in opened.visitor.text("heads-worth")
    falls = page.locator(".pk-heads .pk-thumb small").first.get_attribute("title")
    assert falls.startswith("Without head 1 the heatmap at the left elbow")

    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.post_data or ""))
    page.locator('.pk-chips .pk-chip:has-text("right elbow")').first.click()
    opened.visitor.settle()
    assert figures() != left and "right elbow" in opened.visitor.text("heads-worth")
    page.click(".pk-layers .pk-thumb:nth-child(1)")
    assert len(figures()) == 4
    assert not any("heads_worth" in one for one in asked)  # it came with the first answer
    opened.choose("rollout")
    opened.computed()
    assert not opened.shows("heads-worth")
    assert opened.visitor.trouble == []


def test_progress_is_shown_and_cancel_stops_the_work(
    opened: Reader, slow: threading.Semaphore, explorer: Any
) -> None:
    opened.choose("integrated-gradients")
    slow.release(3)
    opened.page.wait_for_function(
        "() => /Pass [1-9]/.test(document.querySelector('[data-slot=work]').innerText)"
    )
    assert "%" in opened.visitor.text(
        "work"
    ) and "Computing Integrated gradients" in opened.visitor.text("work")
    assert opened.map()[..., 3].max() == 0  # no map of anything else stands in for it
    share = opened.page.eval_on_selector(".pk-work progress", "p => p.value / p.max")
    assert 0 < share < 1
    # The page stays usable: the look can be changed, and the help opens.
    opened.page.keyboard.press("?")
    opened.page.keyboard.press("Escape")
    opened.page.click(".pk-work [data-do=cancel]")
    assert opened.visitor.text("work").startswith("Integrated gradients was stopped.")
    slow.release(1)
    jobs = explorer.methods.jobs._jobs
    for _ in range(50):
        if all(job.state != "running" for job in jobs.values()):
            break
        opened.page.wait_for_timeout(100)
    assert all(job.state != "running" for job in jobs.values())
    slow.release(2000)
    opened.page.click(".pk-work [data-do=compute]")
    opened.computed()
    assert opened.map()[..., 3].max() > 0 and "Integrated gradients" in opened.visitor.text(
        "legend"
    )
    assert opened.visitor.trouble == []


def test_another_click_drops_the_old_question(opened: Reader, slow: threading.Semaphore) -> None:
    opened.choose("integrated-gradients")
    opened.page.wait_for_selector(".pk-work progress")
    with opened.page.expect_response(asked_for("cancel")):
        answer = opened.visitor.click(0.5, 0.3)
    slow.release(5000)
    opened.computed()
    assert answer["query"]["label"] in opened.visitor.text("legend")
    assert opened.visitor.trouble == []


def test_a_look_at_the_other_pages_does_not_stop_it(
    opened: Reader, slow: threading.Semaphore
) -> None:
    page = opened.page
    opened.choose("rise")
    slow.release(2)
    page.wait_for_selector(".pk-work progress")
    pages = {"compare": ".pk-rank", "occlusion": '[data-slot="oc-after-facts"] dd'}
    for name, answered in pages.items():
        page.click(f'[data-page-link="{name}"]')
        page.wait_for_selector(answered, timeout=60_000)
        page.wait_for_timeout(400)
    page.click('[data-page-link="explore"]')
    page.wait_for_selector(".pk-work progress")
    slow.release(5000)
    opened.computed()
    assert "RISE" in opened.visitor.text("legend") and opened.map()[..., 3].max() > 0
    assert opened.visitor.trouble == []


def test_a_new_photo_stops_it_and_says_so(
    opened: Reader, slow: threading.Semaphore, portrait: Image.Image
) -> None:
    opened.choose("rise")
    opened.page.wait_for_selector(".pk-work progress")
    opened.visitor.upload(jpeg(portrait))
    opened.page.wait_for_selector(".pk-told")
    assert "changed, so RISE was stopped" in opened.visitor.text("work")
    assert opened.map()[..., 3].max() == 0
    with opened.page.expect_response(asked_for("compute")):
        opened.page.click(".pk-work [data-do=compute]")
    assert opened.visitor.trouble == []


def test_a_forgotten_visit_sends_the_photo_again(
    opened: Reader, portrait: Image.Image, slow: threading.Semaphore, explorer: Any
) -> None:
    opened.visitor.upload(jpeg(portrait))
    opened.choose("rise")
    opened.page.wait_for_selector(".pk-work progress")
    with opened.page.expect_response(asked_for("analyse")):
        for token in list(explorer.methods.jobs._jobs):
            explorer.sessions.close(token)
    opened.page.wait_for_selector(".pk-told")
    assert "sent again" in opened.visitor.text("work")
    assert opened.visitor.trouble == []


def test_how_faithful_is_measured_and_stands_in_the_legend(opened: Reader) -> None:
    opened.choose("rollout")
    opened.computed()
    with opened.page.expect_response(asked_for("trust")):
        opened.page.click("[data-do=trust]")
    opened.page.wait_for_selector(
        ".pk-trust:not([data-verdict='']):not(:has(progress))", timeout=90_000
    )
    assert "chance" in opened.visitor.text("trust")
    assert "faithfulness" in opened.visitor.text("legend")
    assert "random maps" in opened.visitor.text("legend")
    with opened.page.expect_download() as png:
        opened.page.click('[data-do="png"]')
    picture = Image.open(png.value.path())
    about = json.loads(picture.text["PoseKit"])  # type: ignore[attr-defined]
    assert about["method"] == "rollout" and "score" in about["faithfulness"]
    with opened.page.expect_download() as npz:
        opened.page.click('[data-do="npz"]')
    with np.load(io.BytesIO(npz.value.path().read_bytes())) as maps:
        assert maps["values"].sum() == pytest.approx(1, abs=1e-4)
    opened.choose("attention")
    opened.page.wait_for_timeout(200)
    assert "faithfulness" not in opened.visitor.text("legend")  # it belonged to the other map
    assert opened.visitor.trouble == []


def test_a_refusal_is_a_sentence_in_place(opened: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    from posekit.errors import ModelError

    def refuse(*_: object, **__: object) -> None:
        raise ModelError("There is not enough memory for this explanation.")

    monkeypatch.setattr("app.methods.explain", refuse)
    opened.choose("saliency")
    opened.page.wait_for_selector(".pk-told")
    assert opened.visitor.text("work").startswith("There is not enough memory")
    assert not opened.shows("alert")
    monkeypatch.undo()
    opened.page.click(".pk-work [data-do=compute]")
    opened.computed()
    assert opened.map()[..., 3].max() > 0
    assert opened.visitor.trouble == []


def test_parts_are_offered_where_a_layer_has_them(
    visit: Visit, explorer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small model with two kinds of layers in the place of the one that is asked for."""
    model = tiny_btranspose()
    Estimator(model).predict(noise_photo())
    monkeypatch.setattr(explorer.shelf, "get", lambda name: model)
    monkeypatch.setattr(explorer, "_opened", type(explorer._opened)())
    visitor = visit()
    visitor.settle()
    reader = Reader(visitor)
    layers = visitor.page.locator(".pk-layers .pk-thumb b").all_inner_texts()
    assert len(set(layers)) == len(layers) == 4
    assert not reader.shows("parts")  # the last layer is one piece
    visitor.page.keyboard.press("1")
    assert visitor.page.locator('[data-slot="parts"] [data-part]').all_inner_texts() == [
        "all",
        "content",
        "position",
    ]
    before = reader.map()
    answer = visitor.ask(lambda: visitor.page.click('[data-slot="parts"] [data-part="position"]'))
    assert answer["layers"][0]["part"] == "position" and answer["layers"][-1]["part"] is None
    assert not np.array_equal(before, reader.map())
    assert "position part alone" in visitor.text("legend")
    visitor.ask(lambda: visitor.page.keyboard.press("ArrowRight"))  # round to the whole again
    assert "alone" not in visitor.text("legend")
    visitor.page.keyboard.press("4")
    assert not reader.shows("parts")
    assert visitor.trouble == []


@pytest.mark.parametrize("width", [390, 1024])
def test_it_fits(visit: Visit, width: int) -> None:
    phone = {"has_touch": True, "is_mobile": True} if width < 600 else {}
    visitor = visit(width, 844, **phone)
    visitor.settle()
    reader = Reader(visitor)
    for method in ("contribution", "rollout"):
        reader.choose(method)
        reader.computed()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visitor.trouble == []
