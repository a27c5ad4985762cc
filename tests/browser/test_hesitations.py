"""What made a newcomer hesitate (docs/walk.md) and must not again."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from tests.browser.conftest import jpeg
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]
FIRST = ".pk-panel:first-child"


def test_an_unsure_pose_and_its_map_are_told_alike_on_every_page(
    visit: Visit, portrait: Image.Image
) -> None:
    visitor = visit()
    page = visitor.page
    assert page.is_hidden('[data-slot="unsure"]')  # the runner's pose is sure enough
    view = visitor.upload(jpeg(portrait))
    said = view["unsure"]
    assert said.startswith("TransPose-R-small is not sure of this pose: ")
    assert visitor.text("unsure") == said and page.is_visible('[data-slot="unsure"]')
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
    assert cells[:3] == ["attention inside the photo", *[share.replace("\u202f", " ")] * 2]
    # Measured on a mask, and one that is only an estimate: another number under another name.
    assert "on this person, estimated" in visitor.text("oc-before-facts").replace("\n", " ")
    assert visitor.trouble == []
