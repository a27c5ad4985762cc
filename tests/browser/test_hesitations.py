"""What made a newcomer hesitate (docs/walk.md) and must not again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from app.explore import Explorer
from app.shelf import Shelf
from posekit.models.querypose_zoo import ENTRIES
from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor
from tests.querypose_official import as_pose_model

Visit = Callable[..., Visitor]
FINDS = "querypose-small"
FIRST = ".pk-panel:first-child"


def test_another_photo_is_not_asked_about_what_it_hardly_shows(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ask(lambda: page.click('.pk-points [data-keypoint="0"]'))
    asked = page.locator(".pk-points [data-keypoint][aria-pressed=true]")
    assert asked.get_attribute("data-keypoint") == "0"
    view = visitor.upload(jpeg(portrait))
    someone = view["people"][0]
    assert someone["scores"][0] < 0.2 <= someone["scores"][someone["opening"]]
    assert int(asked.get_attribute("data-keypoint")) == someone["opening"]
    # What it shows stays the question when a photo follows that shows it, too.
    visitor.ask(lambda: page.click('.pk-points [data-keypoint="12"]'))
    page.click(".pk-example:visible >> nth=0")
    visitor.settle()
    assert asked.get_attribute("data-keypoint") == "12"
    assert visitor.trouble == []


def test_an_unsure_pose_and_its_map_are_told_alike_on_every_page(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    assert page.is_hidden('[data-slot="unsure"]')  # the runner's pose is sure enough
    view = visitor.upload(Path("assets/examples/astronaut.jpg").read_bytes())
    said = view["unsure"]
    assert said.startswith("TransPose-R-small is not sure of this pose: ")
    assert visitor.text("unsure") == said and page.is_visible('[data-slot="unsure"]')
    # Each doubtful keypoint is a ring, which the key explains, and says why when it is asked about.
    doubts = view["people"][0]["doubts"]
    places = [k for k, why in enumerate(doubts) if why]
    assert page.locator(".pk-skeleton .pk-hole").count() == len(places) > 0
    assert page.is_visible('[data-slot="rings"]')
    visitor.ask(lambda: page.click(f'.pk-points [data-keypoint="{places[0]}"]'))
    page.click('[data-slot="query"] .pk-doubt button')
    assert page.inner_text(".pk-pop") == doubts[places[0]]
    visitor.ask(lambda: page.click('.pk-points [data-keypoint="9"]'))
    share = page.inner_text(".pk-number b")
    assert page.inner_text(".pk-number dt span") == "inside the photo"

    page.click('[data-do="compare-open"]')
    page.wait_for_selector(f"{FIRST}[data-state=ready] .pk-cfacts b", timeout=60_000)
    visitor.settle()
    assert page.inner_text(f"{FIRST} .pk-cwarn") == said
    page.wait_for_function("document.querySelector('.pk-rank')", timeout=60_000)
    facts = page.inner_text(f"{FIRST} .pk-cfacts").split("\n")[0]
    assert facts.startswith(f"{share} inside the photo")
    row = page.inner_text('[data-figure="on_person"]')
    assert row.startswith("Attention inside the photo") and share in row

    page.click('[data-do="compare-back"]')
    page.click('[data-do="occlusion-open"]')
    page.wait_for_selector('[data-slot="oc-table"] [data-key="mass_in_box"]', timeout=60_000)
    page.wait_for_selector(".pk:not(.pk-oc-again):not(.pk-oc-opening)", state="attached")
    assert visitor.text("oc-question").startswith(said)
    cells = page.locator('[data-slot="oc-table"] [data-key="mass_in_box"] > *').all_inner_texts()
    told = [cell.replace("\xa0", " ") for cell in cells[:3]]
    assert told == ["attention inside the photo", share, share]
    # Measured on a mask, and one that is only an estimate: another number under another name.
    assert "on this person, estimated" in visitor.text("oc-before-facts").replace("\n", " ")
    assert visitor.trouble == []


@pytest.fixture
def unlearnt(tmp_path: Path) -> Iterator[str]:
    """A page whose QueryPose-small lost its weights: before training it is sure of nobody."""
    from app.server import serve

    torch.manual_seed(0)
    explorer = Explorer(device="cpu", model="transpose-r-small")
    explorer.shelf._models[FINDS] = as_pose_model(ENTRIES[FINDS].build())
    held = Shelf.has_weights
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shelf, "has_weights", lambda self, name: name != FINDS and held(self, name))
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        page = serve(port=port, block=False, explorer=explorer)
        yield f"http://127.0.0.1:{port}/"
        page.close()


def test_random_weights_that_find_nobody_are_not_blamed_on_the_photo(
    window: Callable[..., Any], unlearnt: str
) -> None:
    visitor = Visitor(window(), unlearnt)
    page = visitor.page
    page.evaluate("model => { location.hash = '#explore?model=' + model; }", FINDS)
    page.wait_for_selector('[data-slot="untrained"]:visible', timeout=60_000)
    visitor.settle()
    assert "random numbers" in visitor.text("untrained")
    assert page.locator(".pk-point").count() == 0
    said = visitor.text("alert-text")
    assert "found nobody" in said and "weights are random numbers" in said
    assert "try another photo" not in said
    assert "nothing to ask about" in visitor.text("hint")
    assert visitor.text("points-note") == "none of these was found"
    assert page.is_hidden('[data-slot="scale"]') and page.is_hidden('[data-slot="legend"]')
    assert visitor.trouble == []
