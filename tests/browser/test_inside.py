"""Inside the model, on the page: a QueryPose that is sure of everybody, and an OpenPose that knows.

Trained weights would do as well, but these networks are small, always here, and certain to find
people, so that everything there is to see is seen.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.explore import Explorer
from posekit.models.ssa_zoo import ENTRIES
from posekit.weights import RANDOM
from posekit.zoo import PoseModel
from tests.browser.test_photo_models import choose
from tests.browser.visitor import Visitor, asked_for
from tests.querypose_official import TINY, as_pose_model, tiny_querypose
from tests.test_photo_models import PEOPLE, SIZE, WRIST, Knows

FINDS = "querypose-small"
KNOWS = "ssa-small"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page whose two models of whole photos are these networks."""
    from app.server import serve

    explorer = Explorer(device="cpu", model="transpose-r-small")
    network = tiny_querypose()
    with torch.no_grad():  # sure of everybody, so that random weights find people
        for stage in range(TINY.stages):
            network.head.of_stage(stage)[0].class_logits.bias.fill_(4.0)
    knows = Knows((PEOPLE + 0.5) * (192 / max(SIZE)) - 0.5).eval()
    explorer.shelf._models[FINDS] = as_pose_model(network)
    explorer.shelf._models[KNOWS] = PoseModel(ENTRIES[KNOWS], knows, RANDOM, torch.device("cpu"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        page = serve(port=port, block=False, explorer=explorer)
        yield f"http://127.0.0.1:{port}/"
        page.close()


@pytest.fixture
def opened(visit: Callable[..., Visitor]) -> Callable[[str], tuple[Visitor, dict[str, Any]]]:
    """A visitor with a photo of their own, analysed by one of the two."""

    def open_with(model: str) -> tuple[Visitor, dict[str, Any]]:
        visitor = visit()
        visitor.page.set_default_timeout(90_000)
        choose(visitor, model)
        noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, format="PNG")
        return visitor, visitor.upload(buffer.getvalue(), "noise.png", "image/png")

    return open_with


def click_keypoint(visitor: Visitor, person: int, keypoint: int) -> tuple[dict, dict]:
    """Ask about a keypoint; the answer, and what there is inside."""
    point = visitor.page.locator(f'.pk-point[data-at="{person}:{keypoint}"]')
    with visitor.page.expect_response(asked_for("inside")) as reply:
        answer = visitor.ask(lambda: point.dispatch_event("click", {"detail": 0}))
    visitor.settle()
    return answer, reply.value.json()


def rectangle(visitor: Visitor, name: str) -> list[float]:
    """Edges, in photo pixels, of a box that the inside draws on the photo."""
    node = visitor.page.locator(f".pk-inside-layer .{name}").first
    x, y, wide, high = (float(node.get_attribute(one)) for one in ("x", "y", "width", "height"))
    return [x, y, x + wide, y + high]


def test_a_keypoint_shows_its_parts_map_at_every_stage_in_that_stages_box(opened: Any) -> None:
    visitor, view = opened(FINDS)
    assert view["people"] and view["inside"]
    answer, found = click_keypoint(visitor, 0, WRIST)
    stages = range(1, TINY.stages + 1)
    titles = visitor.page.locator(".pk-layers .pk-thumb b").all_inner_texts()
    assert len(titles) == len(answer["layers"]) == TINY.stages
    assert [title[-1] for title in titles] == [str(stage) for stage in stages]
    for layer, frame in zip(answer["layers"], found["film"][1:], strict=True):
        a, b, c, d, e, f = layer["toPhoto"]
        ends = [-0.5, layer["cols"] - 0.5], [-0.5, layer["rows"] - 0.5]
        corners = [(a * x + b * y + c, d * x + e * y + f) for x, y in zip(*ends, strict=True)]
        np.testing.assert_allclose(np.ravel(corners), frame["box"], atol=0.1)
    assert visitor.canvas(".pk-map")[..., 3].max() > 0
    assert visitor.trouble == []


def test_the_film_goes_from_the_learned_start_to_the_person(opened: Any) -> None:
    visitor, view = opened(FINDS)
    _, found = click_keypoint(visitor, 0, WRIST)
    page, film = visitor.page, found["film"]
    slider = page.locator('[data-slot="film-stage"]')
    assert slider.get_attribute("max") == str(TINY.stages) and len(film) == TINY.stages + 1

    def show(stage: int) -> None:
        slider.evaluate(
            "(node, stage) => { node.value = stage; node.dispatchEvent(new Event('input')); }",
            stage,
        )

    show(0)
    assert "nothing has been looked at yet" in visitor.text("film-line")
    np.testing.assert_allclose(rectangle(visitor, "pk-frame-box"), film[0]["box"], atol=0.01)
    assert page.locator(".pk-inside-layer .pk-sigma").count() == 0
    for stage in range(1, TINY.stages):
        show(stage)
        frame = film[stage]
        np.testing.assert_allclose(rectangle(visitor, "pk-frame-box"), frame["box"], atol=0.01)
        limbs = page.locator(".pk-inside-layer .pk-joined")
        assert limbs.count() == len(view["skeleton"]["limbs"]) > 10
        ellipses = page.locator(".pk-inside-layer .pk-sigma")
        assert ellipses.count() == len(frame["sigmas"]) == 14
        one = ellipses.nth(WRIST)
        drawn = [float(one.get_attribute(name)) for name in ("cx", "cy", "rx", "ry")]
        assert drawn == [*frame["keypoints"][WRIST], *frame["sigmas"][WRIST]]
        assert f"What stage {stage} says" in visitor.text("film-line")
        assert "sure of a person" in visitor.text("film-line")
        assert visitor.text("film-out") == f"{stage} of {TINY.stages}"
    show(TINY.stages)  # the last stage is the answer itself, which is drawn anyway
    assert page.locator(".pk-inside-layer .pk-frame-box").count() == 0
    assert page.locator(".pk-inside-layer .pk-sigma").count() == 14
    filled = page.locator(".pk-inside-layer .pk-sigma").evaluate_all(
        "all => all.map((one, k) => getComputedStyle(one).fill === 'none' ? -1 : k)"
    )
    assert [k for k in filled if k >= 0] == [WRIST]  # fourteen would be fog over the photo
    assert visitor.trouble == []


def test_a_query_of_the_matrix_is_a_box_on_the_photo(opened: Any) -> None:
    visitor, _ = opened(FINDS)
    _, found = click_keypoint(visitor, 0, WRIST)
    page = visitor.page
    names = [one["name"] for one in found["matrices"]]
    stages = range(1, TINY.stages + 1)
    assert set(names) == {f"{kind}.{t}" for kind in ("query", "part", "gates") for t in stages}
    page.click('.pk-matrix-pick[data-matrix="query.2"]')
    page.wait_for_selector('[data-slot="matrix-figure"] .heatmaplayer image', state="attached")
    assert "Click a cell" in visitor.text("matrix-line")
    matrix = next(one for one in found["matrices"] if one["name"] == "query.2")
    # A click in the middle of row 4, column 1.
    plot = page.locator('[data-slot="matrix-figure"] .nsewdrag')
    plot.scroll_into_view_if_needed()
    area = plot.bounding_box()
    side = TINY.queries
    at = area["x"] + 1.5 / side * area["width"], area["y"] + 4.5 / side * area["height"]
    page.mouse.move(*at)
    page.mouse.click(*at)
    page.wait_for_selector(".pk-inside-layer .pk-query-box", state="attached")
    assert visitor.text("matrix-line").startswith(f"{matrix['rows'][4]} → {matrix['cols'][1]}: ")
    drawn = page.locator(".pk-inside-layer .pk-query-box")
    assert drawn.count() == 2
    solid = page.locator(".pk-inside-layer .pk-query-box:not(.pk-key-box)")
    edges = [float(solid.get_attribute(name)) for name in ("x", "y", "width", "height")]
    left, top, right, bottom = matrix["boxes"][4]
    np.testing.assert_allclose(edges, [left, top, right - left, bottom - top], atol=0.01)
    np.testing.assert_allclose(rectangle(visitor, "pk-key-box"), matrix["boxes"][1], atol=0.01)
    # The same by the keyboard: the table's rows have buttons.
    page.click('[data-slot="matrix-numbers"] summary')
    page.locator('[data-slot="matrix-table"] tbody tr').nth(2).locator("button").press("Enter")
    assert page.locator(".pk-inside-layer .pk-query-box").count() == 1
    np.testing.assert_allclose(rectangle(visitor, "pk-query-box"), matrix["boxes"][2], atol=0.01)
    assert visitor.trouble == []


@pytest.mark.parametrize("name", ["part.3", "gates.3"])
def test_parts_and_gates_are_drawn_by_plotly(opened: Any, name: str) -> None:
    visitor, _ = opened(FINDS)
    _, found = click_keypoint(visitor, 0, WRIST)
    page = visitor.page
    page.click(f'.pk-matrix-pick[data-matrix="{name}"]')
    page.wait_for_selector('[data-slot="matrix-figure"] .heatmaplayer image', state="attached")
    matrix = next(one for one in found["matrices"] if one["name"] == name)
    ticks = page.locator('[data-slot="matrix-figure"] .yaxislayer-above text').all_text_contents()
    assert matrix["rows"] == [part for part, _ in TINY.parts]
    assert ticks[::-1] == matrix["rows"]  # from the bottom up
    across = page.locator('[data-slot="matrix-figure"] .xaxislayer-above text').all_text_contents()
    assert across == matrix["cols"]
    assert matrix["meaning"] in visitor.text("matrix-meaning")
    page.click('[data-slot="matrix-numbers"] summary')
    rows = page.locator('[data-slot="matrix-table"] tbody tr')
    rows.first.wait_for()  # the table is filled once its fold has opened
    assert rows.count() == len(matrix["rows"])
    assert page.locator(".pk-inside-layer .pk-query-box").count() == 0
    assert visitor.trouble == []


def test_votes_fields_joins_and_heatmaps_of_a_keypoint(opened: Any) -> None:
    visitor, view = opened(KNOWS)
    assert len(view["people"]) == 3
    _, found = click_keypoint(visitor, 1, WRIST)
    page = visitor.page
    counts = {
        "line.pk-vote": len(found["votes"]),
        "line.pk-arrow": sum(len(field["starts"]) for field in found["fields"]),
        "line.pk-joined": len(found["joins"]),
    }
    for name, count in counts.items():
        assert page.locator(f".pk-inside-layer {name}").count() == count > 0, name
    for words in ("votes", "limb field", "joined limbs"):  # each can be taken off
        page.locator('[data-slot="overlays"] button', has_text=words).click()
    assert page.locator(".pk-inside-layer line").count() == 0
    assert "left wrist > left elbow" in visitor.text("joins-table")
    titles = page.locator('[data-slot="heat-pair-maps"] b').all_inner_texts()
    assert titles == ["Predicted, H", "Synthesised, S", "Contradiction, |H − S|"]
    said = visitor.text("agreement")
    assert found["agreement"]["words"] in said and found["agreement"]["worth"] in said
    assert "offset and limbs" in said and "Doubtful" not in said
    # What stands for the loss's weight says that it is an estimate, in every caption and below.
    assert "Estimated spatial weights" in visitor.text("weights-title")
    captions = page.locator('[data-slot="weights-maps"] small').all_inner_texts()
    assert captions and all(caption.startswith("estimate") for caption in captions)
    assert "An estimate." in page.locator('[data-slot="weights"]').inner_text()
    assert visitor.trouble == []


def test_who_a_keypoint_looks_at_can_be_asked_next(visit: Callable[..., Visitor]) -> None:
    """By the names under the numbers, and by the rows of the matrix between keypoints."""
    visitor = visit()
    page = visitor.page
    before = page.locator('.pk-chips .pk-chip[aria-pressed="true"]').inner_text()
    named = page.locator(".pk-around .pk-link")
    assert named.count() == 3
    *shares, rest = page.locator(".pk-around span").all_inner_texts()
    values = [float(text.split()[-2]) for text in shares]
    assert values == sorted(values, reverse=True) and values[-1] > 0
    assert rest.endswith(" % elsewhere")
    assert float(rest.split()[1]) == pytest.approx(100 - sum(values), abs=2)
    nearest = named.first.inner_text()
    answer = visitor.ask(named.first.click)
    assert answer["query"]["label"] == nearest and nearest not in before
    (around, *_) = answer["layers"][-1]["numbers"][0]["around"]
    assert page.locator(".pk-around .pk-link").first.inner_text() == around["keypoint"]

    with page.expect_response(asked_for("inside_matrix")) as reply:
        page.locator(".pk-matrix-pick").last.click()
    figure = reply.value.json()["figure"]
    plot = page.locator('[data-slot="matrix-figure"] .nsewdrag')
    plot.wait_for(state="attached")
    plot.scroll_into_view_if_needed()
    heat, area = figure["data"][0], plot.bounding_box()
    rows = heat["y"]
    assert rows[-1] == "an even map" and heat["x"] == rows[:-1]
    row = (rows.index(nearest) + 3) % (len(rows) - 1)
    at = area["x"] + 0.5 * area["width"], area["y"] + (row + 0.5) / len(rows) * area["height"]
    page.mouse.move(*at)
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.post_data or ""))
    answer = visitor.ask(lambda: page.mouse.click(*at))
    assert answer["query"]["label"] == rows[row]
    assert visitor.text("matrix-line").startswith(f"{rows[row]} → ")
    frame = page.evaluate(
        "() => document.querySelector('[data-slot=\"matrix-figure\"]').layout.shapes[0]"
    )
    assert (frame["y0"], frame["y1"]) == (row - 0.5, row + 0.5)
    assert not any('"fn_name":"inside' in sent for sent in asked)  # the matrices are the same
    assert visitor.trouble == []
