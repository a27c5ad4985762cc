"""The page with models of whole photos and with a backbone: what the server tells it."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from gradio.data_classes import DataWithFiles
from PIL import Image

from app.calls import spoken
from app.explore import Explorer
from posekit.models.ssa_zoo import ENTRIES
from posekit.weights import RANDOM
from posekit.zoo import PoseModel
from tests.querypose_official import TINY, as_pose_model, tiny_querypose
from tests.test_photo_models import PEOPLE, SIZE, WRIST, Knows

BACKBONE = "dino-btranspose-small"


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    """With a network of the OpenPose line that knows where three people are."""
    made = Explorer(device="cpu", model="transpose-r-small")
    network = Knows((PEOPLE + 0.5) * (192 / max(SIZE)) - 0.5).eval()
    knowing = PoseModel(ENTRIES["ssa-small"], network, RANDOM, torch.device("cpu"))
    made.shelf._models["ssa-small"] = knowing
    return made


def upload(token: str, model: str, boxes: list[list[float]] | None = None) -> DataWithFiles:
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format="PNG")
    fields = {"token": token, "model": model, "boxes": json.dumps(boxes or [])}
    return DataWithFiles(data=fields, files=[("photo", buffer.getvalue())])


@pytest.fixture(scope="module")
def opened(explorer: Explorer) -> dict[str, Any]:
    token = explorer.start({})["token"]
    view = explorer.analyse(upload(token, "ssa-small"))
    return {"token": token, "view": view["id"], "reply": view}


def weights(layer: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(layer["weights"]), "<f4").reshape(layer["rows"], -1)


def test_everybody_is_on_the_page_without_a_box(opened: dict[str, Any]) -> None:
    view = opened["reply"]
    assert view["whole"] and view["finds"] and not view["columns"] and not view["live"]
    assert len(view["people"]) == 3
    titles = [layer["title"] for layer in view["layers"]]
    assert {"Heatmap of stage 1", "Offset votes", "Limb ends", "Synthesised heatmap"} <= set(titles)
    json.dumps(view, allow_nan=False)


def test_a_click_is_answered_with_the_maps_about_the_nearest_keypoint(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    x, y = PEOPLE[1][WRIST] + 2.0
    answer = explorer.explain(
        {"token": opened["token"], "view": opened["view"], "person": None,
         "point": [float(x), float(y)], "direction": "row"}
    )  # fmt: skip
    assert answer["query"]["keypoint"] == WRIST and answer["query"]["token"] == -1
    assert len(answer["layers"]) == len(opened["reply"]["layers"])
    heat = weights(answer["layers"][0])
    a, b, c, d, e, f = answer["layers"][0]["toPhoto"]
    row, col = np.unravel_index(int(heat.argmax()), heat.shape)
    peak = np.array([a * col + b * row + c, d * col + e * row + f])
    assert np.linalg.norm(PEOPLE[:, WRIST] - peak, axis=1).min() < 8 * max(SIZE) / 192
    assert "grid" in answer["layers"][0]["legends"][0]
    json.dumps(answer, allow_nan=False)


def test_the_inside_of_a_model_that_joins_limbs(explorer: Explorer, opened: dict[str, Any]) -> None:
    assert opened["reply"]["inside"]
    reply = explorer.inside(
        {"token": opened["token"], "view": opened["view"], "person": 2, "keypoint": WRIST}
    )
    assert reply["film"] == reply["matrices"] == []
    (join,) = reply["joins"]
    assert join["limb"] == "left wrist > left elbow" and len(join["ends"]) == 2
    assert reply["votes"] and reply["fields"][0]["arrows"]
    pair = reply["pair"]
    h, s, apart = (weights(pair[name]) for name in ("predicted", "synthesised", "apart"))
    np.testing.assert_allclose(apart, np.abs(h - s), atol=1e-5)
    assert (
        pair["predicted"]["top"]
        == pair["synthesised"]["top"]
        == pytest.approx(max(h.max(), s.max()))
    )
    assert pair["apart"]["top"] == pytest.approx(apart.max(), rel=1e-5)
    assert 0 < pair["mean"] < apart.max() and 0 <= pair["contradiction"] <= 2
    said = reply["agreement"]
    assert "offset and limbs" in said["words"] and not said["contradicted"] and said["worth"]
    assert [one["stage"] for one in reply["weights"]] == [
        "limb fields, stage 1",
        "heatmaps, stage 1",
    ]
    for one in reply["weights"]:
        assert one["meaning"].startswith("an estimate")
        assert weights(one).mean() == pytest.approx(1.0, abs=1e-3)
    json.dumps(reply, allow_nan=False)


def test_a_matrix_is_a_plotly_figure_once_it_is_asked_for(explorer: Explorer) -> None:
    network = tiny_querypose()
    with torch.no_grad():  # sure of everybody, so that random weights find people
        for stage in range(TINY.stages):
            network.head.of_stage(stage)[0].class_logits.bias.fill_(4.0)
    sure = as_pose_model(network)
    explorer.shelf._models[sure.name] = sure
    token = explorer.start({})["token"]
    view = explorer.analyse(upload(token, sure.name))
    assert view["inside"] and view["people"]
    ask = {"token": token, "view": view["id"], "person": 0, "keypoint": 0}
    listed = {one["name"]: one for one in explorer.inside(ask)["matrices"]}
    query = listed["query.1"]
    assert query["title"] == "Queries, stage 1" and len(query["boxes"]) == TINY.queries
    values = np.frombuffer(base64.b64decode(query["values"]), "<f4").reshape(TINY.queries, -1)
    figure = explorer.inside_matrix({**ask, "name": "query.1", "palette": "viridis"})["figure"]
    (heat,) = figure["data"]
    assert heat["type"] == "heatmap" and heat["y"] == query["rows"] and heat["x"] == query["cols"]
    np.testing.assert_allclose(np.array(heat["z"]) / 100, values, atol=1e-5)
    reply = spoken(explorer.inside_matrix)({**ask, "name": "query.99"})
    assert "There is no matrix 'query.99'" in reply["error"] and "query.1" in reply["error"]
    assert "error" in spoken(explorer.inside_matrix)({**ask, "person": 99, "name": "query.1"})


def test_the_page_is_told_what_its_model_has_inside(explorer: Explorer) -> None:
    """Of TransPose all of it is about the person, so that another keypoint need not ask again."""
    token = explorer.start({})["token"]
    assert explorer.analyse(upload(token, "dino-btranspose-small"))["inside"] is None
    view = explorer.analyse(upload(token, "transpose-r-small"))
    assert view["inside"] == "person"
    ask = {"token": token, "view": view["id"], "person": 0}
    one, other = (explorer.inside({**ask, "keypoint": k}) for k in (0, 6))
    assert one["matrices"] == other["matrices"] and one["matrices"]
    assert {matrix["kind"] for matrix in one["matrices"]} == {"keypoint"}


def test_a_keypoint_that_was_not_found_is_null_and_asking_for_it_is_a_sentence(
    explorer: Explorer,
) -> None:
    token = explorer.start({})["token"]
    view = explorer.analyse(upload(token, "ssa-small", [[0, 0, 14, 14]]))
    (nobody,) = view["people"]
    assert nobody["keypoints"] == [None] * 14 and not any(nobody["scores"])
    ask = {"token": token, "view": view["id"], "person": 0, "keypoint": 3, "direction": "row"}
    reply = spoken(explorer.explain)(ask)
    assert "found no" in reply["error"]


def test_the_second_direction_is_refused_in_a_sentence(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    reply = spoken(explorer.explain)({"token": opened["token"], "view": opened["view"], "person": 0,
                  "keypoint": WRIST, "direction": "column"})  # fmt: skip
    assert "one direction" in reply["error"]


@pytest.mark.parametrize(
    ("base", "other"),
    [("transpose-r-small", "ssa-small"), ("ssa-small", "transpose-r-small")],
)
def test_models_of_both_kinds_are_compared_person_by_person(
    explorer: Explorer, base: str, other: str
) -> None:
    token = explorer.start({})["token"]
    first = explorer.analyse(upload(token, base))
    second = explorer.comparer.compare_open(
        {"token": token, "view": first["id"], "model": other, "boxes": []}
    )
    assert len(second["people"]) == len(first["people"])
    ask = {"token": token, "views": [first["id"], second["id"]], "person": 0}
    ranked = explorer.comparer.compare_ranking(ask)["keypoints"]
    assert len(ranked) == 14 and all(one["maps"] is not None for one in ranked)
    reply = explorer.comparer.compare({**ask, "keypoint": "left wrist"})
    panels = reply["answer"]["panels"]
    assert all(panel["map"] is not None for panel in panels), [p["note"] for p in panels]
    json.dumps(reply, allow_nan=False)


def test_the_page_hears_which_model_does_not_find_a_keypoint(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    """Of the network that finds nothing in a corner and one that always puts every keypoint."""
    token = explorer.start({})["token"]
    corner = [[0, 0, 14, 14]]
    first = explorer.analyse(upload(token, "ssa-small", corner))
    second = explorer.comparer.compare_open(
        {"token": token, "view": first["id"], "model": "transpose-r-small", "boxes": corner}
    )
    assert second["people"][0]["keypoints"] != [None] * 14
    ask = {"token": token, "views": [first["id"], second["id"]], "person": 0}
    ranked = explorer.comparer.compare_ranking(ask)["keypoints"]
    assert len(ranked) == 14
    words = f"only {second['title']} finds it"
    assert all(one["missed"] == words and one["px"] is None for one in ranked)
    answered = explorer.comparer.compare({**ask, "keypoint": "left wrist"})["answer"]["panels"]
    assert answered[0]["figures"]["confidence"] is None
    assert answered[1]["figures"]["confidence"] is not None
    json.dumps([ranked, answered], allow_nan=False)


def test_a_backbone_has_attention_and_no_keypoints(explorer: Explorer) -> None:
    assert BACKBONE in explorer.shelf.names()
    assert explorer.shelf.label(BACKBONE).endswith("no keypoints")
    token = explorer.start({})["token"]
    view = explorer.analyse(upload(token, BACKBONE))
    assert view["people"][0]["keypoints"] == [] and view["columns"] and view["live"]
    assert [layer["title"] for layer in view["layers"]] == ["MHSA block 1"]
    answer = explorer.explain(
        {"token": token, "view": view["id"], "person": 0, "point": [200.0, 150.0],
         "direction": "row"}
    )  # fmt: skip
    assert answer["query"]["keypoint"] is None
    assert weights(answer["layers"][0]).size % (answer["layers"][0]["cols"]) == 0
    assert answer["layers"][0]["numbers"][0]["entropy_nats"] > 0
