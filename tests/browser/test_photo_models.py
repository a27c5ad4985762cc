"""The page with a backbone and with a model of whole photos, both with their shipped weights."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from posekit.top_down import finders
from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor, asked_for
from tests.test_photo_bad_input import FINDER, photo

Visit = Callable[..., Visitor]


def choose(visitor: Visitor, model: str) -> dict[str, Any]:
    """Pick a model from the list; returns the server's reply about the photo."""
    with visitor.page.expect_response(
        lambda reply: asked_for("again")(reply) or asked_for("analyse_example")(reply)
    ) as reply:
        visitor.page.select_option('[data-slot="model"]', model)
    answer: dict[str, Any] = reply.value.json()
    visitor.settle()
    return answer


def test_a_backbone_attends_without_keypoints(visit: Visit) -> None:
    visitor = visit()
    view = choose(visitor, "dino-btranspose-small")
    assert view["skeleton"]["keypoints"] == []
    page = visitor.page
    assert page.locator(".pk-point").count() == 0
    assert page.locator(".pk-layers .pk-thumb").count() == 1
    answer = visitor.click(0.5, 0.4)
    assert answer["query"]["keypoint"] is None and len(answer["layers"]) == 1
    assert visitor.text("query").startswith("This spot")
    assert visitor.canvas(".pk-map")[..., 3].max() > 0
    # On Occlusion, what needs a keypoint is off and says why.
    page.click('[data-do="occlusion-open"]')
    page.wait_for_selector('[data-slot="oc-layers"] .pk-oc-layer', timeout=60_000)
    needs = ('[data-tool="limb"]', '[data-do="oc-limb-sweep"]', '[data-do="oc-grid-sweep"]')
    titles = [page.get_attribute(button, "title") for button in needs]
    assert all(page.locator(button).is_disabled() for button in needs)
    assert all("predicts no keypoints" in title for title in titles)
    with page.expect_response(asked_for("occlusion_open")):
        page.select_option('[data-slot="oc-model"]', "transpose-r-small")
    page.wait_for_selector('[data-do="oc-limb-sweep"]:enabled', timeout=60_000)
    assert all(page.locator(button).is_enabled() for button in needs)
    assert "grows along the limb" in page.get_attribute(needs[1], "title")
    assert visitor.trouble == []


@pytest.mark.parametrize("kind", ["black", "street", "one person", "fifteen people"])
def test_whom_it_found_is_said_on_explore_and_on_occlusion(visit: Visit, kind: str) -> None:
    """Nobody, a street, one person and fifteen: the page says what it found, and works."""
    visitor = visit()
    page = visitor.page
    choose(visitor, FINDER)
    buffer = io.BytesIO()
    Image.fromarray(photo(kind)).save(buffer, format="PNG")
    view = visitor.upload(buffer.getvalue(), "photo.png", "image/png")
    found = [person for person in view["people"] if any(person["keypoints"])]
    assert view["found"] in visitor.text("people")
    chips = page.locator('[data-slot="people"] .pk-chip').count()
    assert chips == (len(view["people"]) if len(view["people"]) > 1 else 0)
    if kind == "black":
        assert not found and "found nobody" in page.locator('[role="alert"]:visible').inner_text()
    with page.expect_response(asked_for("occlusion_study"), timeout=60_000) as reply:
        page.click('[data-page-link="occlusion"]')
        page.wait_for_selector(".pk-oc-case")
        if "Your photo" not in visitor.text("oc-title"):
            page.click('.pk-oc-case[data-case=""]')
        page.wait_for_function(
            "document.querySelector('[data-slot=oc-title]').textContent.startsWith('Your photo')",
            timeout=60_000,
        )
    page.wait_for_selector(
        ".pk:not(.pk-oc-again):not(.pk-oc-opening)", timeout=60_000, state="attached"
    )
    assert reply.value.ok
    assert view["found"] in visitor.text("oc-question")
    if found:
        page.wait_for_selector('[data-slot="oc-layers"] .pk-oc-layer', timeout=60_000)
        assert visitor.text("oc-layers-title") == "Supervised against naive"
        with page.expect_response(asked_for("occlusion_study"), timeout=60_000) as reply:
            page.click('[data-tool="rectangle"]')
        assert reply.value.json()["occluder"]["kind"] == "rectangle"
        pressed = page.locator('.pk-oc-layer[aria-pressed="true"] b').inner_text()
        assert pressed.startswith("Supervised")
    else:
        assert "found nobody" in visitor.text("oc-chips")
        page.click('[data-tool="rectangle"]')  # there is nobody to ask about; it is said, no more
        visitor.settle()
    assert visitor.trouble == []


def test_somebody_who_was_not_found_is_not_shown_first(visit: Visit) -> None:
    """Explore begins with whom the model found; Compare holds nobody against an empty map."""
    visitor = visit()
    page = visitor.page
    page.click('[data-example="crowd"]')
    visitor.settle()
    view = choose(visitor, "querypose-small")
    found = [any(person["keypoints"]) for person in view["people"]]
    assert len(found) == 6 and not all(found) and any(found)
    assert view["person"] == found.index(True)
    page.wait_for_selector(f'.pk-point.pk-here[data-person="{view["person"]}"]', state="attached")
    page.click('[data-do="compare-open"]')
    page.wait_for_selector('[data-figure="overlap"] td', timeout=60_000)
    visitor.settle()
    cells = page.locator('[data-figure="overlap"] td')
    assert cells.all_inner_texts()[0] == "the first"
    with page.expect_response(asked_for("compare")):
        page.click(f'[data-slot="compare-people"] .pk-chip:nth-child({found.index(False) + 1})')
    page.wait_for_function("document.querySelector('[data-figure=overlap] td').textContent === '–'")
    assert cells.all_inner_texts()[1] == "the first with a map"
    assert page.locator(".pk-panel").nth(1).get_by_text("like the first").count() == 0
    assert visitor.trouble == []


def test_compare_asks_about_the_first_person_where_explore_found_nobody(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.upload(jpeg(portrait))
    view = choose(visitor, FINDER)
    assert not [person for person in view["people"] if any(person["keypoints"])]
    with page.expect_response(asked_for("compare"), timeout=60_000) as reply:
        page.click('[data-do="compare-open"]')
    page.wait_for_selector('[data-figure="overlap"] td', timeout=60_000)
    page.wait_for_function(
        "document.querySelector('[data-slot=ranking-note]').textContent.includes('found nobody')"
    )
    visitor.settle()
    query = reply.value.json()["answer"]["query"]
    small = page.evaluate("document.querySelectorAll('.pk-panel .pk-point').length")
    assert query["person"] == 0 and small > 0  # the other model's pose
    assert page.locator(".pk-panel[data-state=ready]").count() == 2
    assert page.is_hidden('[data-slot="alert"]')
    with page.expect_response(asked_for("compare")) as reply:
        page.click(".pk-panel:nth-child(2) .pk-skeleton", position={"x": 150, "y": 150})
    assert "answer" in reply.value.json()
    visitor.settle()
    page.click('[data-do="compare-back"]')  # to where nobody is: without a complaint
    page.wait_for_timeout(300)
    assert page.is_hidden('[data-slot="alert"]')
    assert visitor.trouble == []


def test_a_model_of_whole_photos_shows_whom_it_found(visit: Visit) -> None:
    visitor = visit()
    view = choose(visitor, FINDER)
    page = visitor.page
    found = [person for person in view["people"] if any(person["keypoints"])]
    shown = sum(at is not None for person in view["people"] for at in person["keypoints"])
    assert page.locator(".pk-point").count() == shown
    if not found:
        assert "found nobody" in page.locator('[role="alert"]:visible').inner_text()
        return
    person = view["people"].index(found[0])
    keypoint = next(k for k, at in enumerate(found[0]["keypoints"]) if at)
    point = page.locator(f'.pk-point[data-at="{person}:{keypoint}"]')
    answer = visitor.ask(lambda: point.dispatch_event("click", {"detail": 0}))
    assert (answer["query"]["person"], answer["query"]["keypoint"]) == (person, keypoint)
    titles = page.locator(".pk-layers .pk-thumb b").all_inner_texts()
    assert len(titles) == len(answer["layers"]) >= 4
    assert any("upervised" in title for title in titles)
    page.wait_for_selector('[data-slot="inside"]:visible')

    # A matrix is drawn large by plotly, whose script comes from this server when it is wanted.
    def scripts() -> list[str]:
        return [url for url in visitor.requests if "posekit/plotly.js" in url]

    assert page.locator(".pk-matrix-pick").count() >= 1 and not scripts()
    page.locator(".pk-matrix-pick").first.click()
    page.wait_for_selector('[data-slot="matrix-figure"] .heatmaplayer image', state="attached")
    assert len(scripts()) == 1 and scripts()[0].startswith(visitor.address)
    names = page.locator('[data-slot="matrix-figure"] .yaxislayer-above text').all_text_contents()
    assert any("person 1" in name for name in names)
    page.click('[data-slot="matrix-numbers"] summary')
    page.wait_for_selector('[data-slot="matrix-table"] tbody tr')  # told after it has opened
    assert page.locator('[data-slot="matrix-table"] tbody tr').count() >= len(names)
    with page.expect_download() as file:
        page.click('[data-do="matrix-svg"]')
    assert b"<svg" in Path(file.value.path()).read_bytes()[:200]
    assert visitor.trouble == []


def test_a_visitor_chooses_who_finds_the_people(visit: Visit) -> None:
    """The choice comes with the boxes, outlives another model, and leaves with them."""
    visitor = visit()
    page = visitor.page
    page.click('[data-example="crowd"]')
    visitor.settle()
    chips = page.locator('[data-slot="people"] .pk-chip:not(.pk-remove)')
    assert page.locator(".pk-finder").count() == 0
    with page.expect_response(asked_for("again")) as reply:
        page.click('[data-slot="find-people"]')
    first = reply.value.json()
    visitor.settle()
    choice = page.locator(".pk-finder select")
    assert choice.input_value() == first["finder"] == finders()[0]
    with page.expect_response(asked_for("again")) as reply:
        choice.select_option("ssa-small")
    second = reply.value.json()
    visitor.settle()
    assert second["finder"] == "ssa-small" == choice.input_value()
    assert chips.count() == len(second["people"])
    assert [one["edges"] for one in second["people"]] != [one["edges"] for one in first["people"]]
    view = choose(visitor, "btranspose-small")
    assert [one["edges"] for one in view["people"]] == [one["edges"] for one in second["people"]]
    assert choice.input_value() == "ssa-small"
    page.click("text=Use the whole photo")
    visitor.settle()
    assert page.locator(".pk-finder").count() == 0
    assert visitor.trouble == []
