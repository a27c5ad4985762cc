"""The Compare page's calls without a browser: one question, several models, the core's numbers."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from gradio.data_classes import DataWithFiles
from PIL import Image

from app import payload
from app.calls import spoken
from app.compare import Comparer, asked, question_key
from app.explore import Explorer
from app.style import SCRIPTS, part
from posekit.compare import compare
from posekit.errors import ModelError, TraceError
from posekit.estimator import Estimator
from posekit.explain import Query, explain
from tests.tiny_models import noise_photo, tiny_btranspose

SMALL, LARGE = "transpose-r-small", "transpose-r-a3"
BOXES = [[9.5, 9.5, 119.5, 149.5]]


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(device="cpu", model=SMALL)


@pytest.fixture(scope="module")
def comparer(explorer: Explorer) -> Comparer:
    return explorer.comparer


@pytest.fixture(scope="module")
def opened(explorer: Explorer) -> dict[str, Any]:
    """A visitor whose photo two models have seen, with one person boxed."""
    noise = np.random.default_rng(0).integers(0, 255, (160, 130, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format="PNG")
    token = explorer.start({})["token"]
    fields = {"token": token, "model": SMALL, "boxes": json.dumps(BOXES)}
    first = explorer.analyse(DataWithFiles(data=fields, files=[("photo", buffer.getvalue())]))
    second = explorer.comparer.compare_open(
        {"token": token, "view": first["id"], "model": LARGE, "boxes": BOXES}
    )
    return {"token": token, "replies": [first, second], "views": [first["id"], second["id"]]}


def sent(opened: dict[str, Any], **more: Any) -> dict[str, Any]:
    request = {"person": 0, "keypoint": "left wrist", "direction": "row", "anchor": "point"}
    return {"token": opened["token"], "views": opened["views"], **request, **more}


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def predictions(explorer: Explorer, opened: dict[str, Any]) -> list[Any]:
    return [explorer.sessions.get(opened["token"], view) for view in opened["views"]]


def test_a_panel_is_the_same_photo_and_boxes_through_another_model(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    first, second = predictions(explorer, opened)
    assert second.photo is first.photo  # nothing was uploaded, nothing was copied
    assert [p.box for p in second.people] == [p.box for p in first.people]
    assert opened["replies"][1]["photo"]["src"] is None
    assert opened["replies"][1]["model"] == LARGE


def test_one_request_answers_for_all_panels_with_the_cores_numbers(
    explorer: Explorer, comparer: Comparer, opened: dict[str, Any]
) -> None:
    reply = comparer.compare(sent(opened))["answer"]
    both = predictions(explorer, opened)
    exact = compare(both, "left wrist", anchor="point")
    assert reply["query"]["keypoint"] == "left wrist"
    for panel, one, wanted in zip(reply["panels"], both, exact.panels, strict=True):
        grid = panel["map"]
        weights = floats(grid["weights"]).reshape(grid["rows"], grid["cols"])
        row = explain(one, Query(0, tuple(panel["point"]), None)).maps[-1].weights
        np.testing.assert_allclose(weights, row / row.sum(), rtol=1e-5)
        assert panel["figures"]["on_person"] == wanted.figures.on_person
        assert panel["figures"]["parameters"] == sum(
            p.numel() for p in one.model.module.parameters()
        )
    assert reply["panels"][0]["point"] == reply["panels"][1]["point"]  # the same spot for both
    assert [panel["trained"] for panel in reply["panels"]] == [True, False]
    difference = floats(reply["pair"]["values"])
    np.testing.assert_allclose(difference, exact.difference(0, 1).ravel(), rtol=1e-5, atol=1e-8)
    assert reply["pair"]["overlap"] == pytest.approx(exact.overlap(0, 1).intersection)
    # The strongest colour means the same density of attention in every panel.
    tops = [
        panel["map"]["top"] * one.density_factor
        for panel, one in zip(reply["panels"], exact.panels, strict=True)
    ]
    assert tops == pytest.approx([exact.scale.limit] * 2)
    json.dumps(reply, allow_nan=False)


def test_each_model_may_be_asked_at_its_own_keypoint(
    explorer: Explorer, comparer: Comparer, opened: dict[str, Any]
) -> None:
    reply = comparer.compare(sent(opened, anchor="keypoint"))["answer"]
    for panel, one in zip(reply["panels"], predictions(explorer, opened), strict=True):
        own = one.people[0].keypoints[one.skeleton.index("left wrist")]
        np.testing.assert_allclose(panel["point"], own)


def test_every_panel_may_show_a_layer_of_its_own(
    comparer: Comparer, opened: dict[str, Any]
) -> None:
    layers = ["encoder.1", "encoder.2"]
    reply = comparer.compare(sent(opened, layers=layers))["answer"]
    assert [panel["figures"]["layer"] for panel in reply["panels"]] == layers
    last = comparer.compare(sent(opened))["answer"]
    assert [panel["figures"]["layer"] for panel in last["panels"]] == ["encoder.3"] * 2


def test_both_levels_of_one_model_answer_one_click_side_by_side(explorer: Explorer) -> None:
    """BTranspose in two panels: its bottleneck's row beside its encoder's, or the position part."""
    guest = explorer.start({})["token"]
    found = Estimator(tiny_btranspose()).predict(noise_photo())
    view = explorer._keep(guest, found, True, nbytes=0, notes=[])["id"]
    request = {"token": guest, "views": [view, view], "person": 0, "point": [60, 80], "on": 0}
    layers = ["mhsa.1", "encoder.2"]
    reply = explorer.comparer.compare({**request, "layers": layers})["answer"]
    assert [panel["figures"]["layer"] for panel in reply["panels"]] == layers
    assert reply["panels"][0]["point"] == reply["panels"][1]["point"]
    for panel, layer in zip(reply["panels"], layers, strict=True):
        row = explain(found, Query(0, tuple(panel["point"]), None), layers=[layer]).maps[0].weights
        np.testing.assert_allclose(
            floats(panel["map"]["weights"]), row.ravel() / row.sum(), rtol=1e-4, atol=1e-7
        )
    assert reply["pair"]["overlap"] < 0.99
    titles = [
        "Tiny-TransPose (untrained), MHSA block 1",
        "Tiny-TransPose (untrained), encoder layer 2",
    ]
    assert [panel["title"] for panel in reply["panels"]] == titles
    kinds = [one["kind"] for one in payload.view(found, view_id=view, whole=True)["layers"]]
    assert kinds == ["mhsa", "mhsa", "encoder", "encoder"]
    marks = [one["mark"] for one in payload.view(found, view_id=view, whole=True)["layers"]]
    assert marks == ["M1", "M2", "E1", "E2"]  # what the buttons say: no "4" for encoder layer 2

    asked = {**request, "keypoint": "left wrist", "layers": layers}
    ranked = explorer.comparer.compare_ranking(asked)["keypoints"]
    assert all(one["px"] is None and one["share"] is None for one in ranked)  # one pose
    shares = [one["maps"] for one in ranked]
    assert shares == sorted(shares, reverse=True) and shares[-1] > 0.01
    explorer.comparer.compare(asked)
    name = explorer.comparer.compare_download({**asked, "format": "png", "panel": 0})["name"]
    assert name.endswith("-tiny-mhsa.1.png")


def test_one_head_of_every_model_may_be_shown(
    explorer: Explorer, comparer: Comparer, opened: dict[str, Any]
) -> None:
    mean = comparer.compare(sent(opened))["answer"]["panels"]
    panels = comparer.compare(sent(opened, head=1))["answer"]["panels"]
    for panel, whole, one in zip(panels, mean, predictions(explorer, opened), strict=True):
        row = explain(one, Query(0, tuple(panel["point"]), None), head=1).maps[-1].weights
        shown = floats(panel["map"]["weights"])
        np.testing.assert_allclose(shown, (row / row.sum()).ravel(), rtol=1e-5)
        assert not np.allclose(shown, floats(whole["map"]["weights"]), rtol=1e-2)
        assert "head 2 of" in panel["legend"]
    # Who asks for a head that a model lacks sees its mean, and is told so.
    beyond = comparer.compare(sent(opened, head=60))["answer"]["panels"]
    assert beyond[0]["map"]["weights"] == mean[0]["map"]["weights"]
    assert "their mean is shown" in beyond[0]["note"]
    assert question_key(sent(opened)) != question_key(sent(opened, head=1))
    maps = [
        {one["keypoint"]: one["maps"] for one in comparer.compare_ranking(request)["keypoints"]}
        for request in (sent(opened), sent(opened, head=1))
    ]
    assert maps[0].keys() == maps[1].keys() and maps[0] != maps[1]


def test_a_click_means_the_keypoint_of_the_panel_it_fell_on(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    both = predictions(explorer, opened)
    for panel, one in enumerate(both):
        wrist = one.people[0].keypoints[one.skeleton.index("right ankle")]
        found = asked(both, {"point": list(wrist + 0.5), "on": panel, "person": 0})
        assert isinstance(found, Query) and found.keypoint is not None
        assert both[0].skeleton.keypoints[found.keypoint] == "right ankle"
        np.testing.assert_allclose(found.point, wrist)
    again = asked(both, {"point": [60, 70], "person": 0, "free": True})
    assert again == Query(0, (60.0, 70.0))
    repeated = asked(both, {"keypoint": "left wrist", "point": [60, 70], "person": 0, "free": True})
    assert repeated == Query(0, (60.0, 70.0), both[0].skeleton.index("left wrist"))
    # A keypoint that the first model lacks stays a name, and the core asks who knows it.
    assert asked(both, {"keypoint": "nose", "point": [60, 70], "person": 0}) == "nose"


@pytest.mark.parametrize("direction", ["row", "column"])
def test_hovering_shows_the_density_that_a_click_gives(
    explorer: Explorer, comparer: Comparer, opened: dict[str, Any], direction: Any
) -> None:
    exact = compare(predictions(explorer, opened), "left wrist", direction=direction)
    for view, panel in zip(opened["views"], exact.panels, strict=True):
        live = comparer.compare_live(
            {"token": opened["token"], "view": view, "person": 0, "layer": "encoder.3"}
        )
        assert live["factors"][direction] == pytest.approx(panel.density_factor)
        if direction == "row":
            assert panel.mass is not None
            strongest = floats(live["scale"])[panel.mass.query_token]
            assert strongest == pytest.approx(panel.mass.weights.max(), rel=1e-5)


def test_keypoints_come_sorted_by_disagreement(comparer: Comparer, opened: dict[str, Any]) -> None:
    found = comparer.compare_ranking(sent(opened))["keypoints"]
    interest = [one["interest"] for one in found]
    assert interest == sorted(interest, reverse=True) and len(found) >= 12
    assert {one["side"] for one in found} == {"left", "right"}
    assert "nose" not in {one["keypoint"] for one in found}  # only one of the two models has it


def wait(comparer: Comparer, reply: dict[str, Any], opened: dict[str, Any]) -> dict[str, Any]:
    ask = {"token": opened["token"], "view": opened["views"][0], "job": reply.get("job")}
    until = time.monotonic() + 60
    while "job" in reply and time.monotonic() < until:
        reply = comparer.explorer.methods.progress(ask)
    return reply


def test_faithfulness_is_measured_on_request_and_kept(
    comparer: Comparer, opened: dict[str, Any]
) -> None:
    quick = comparer.explorer.again(  # the small model twice: the large one would take its time
        {"token": opened["token"], "view": opened["views"][0], "model": SMALL, "boxes": BOXES}
    )
    request = sent(opened, keypoint="right knee", views=[opened["views"][0], quick["id"]])
    assert comparer.compare(request)["answer"]["trusted"] is False
    reply = wait(comparer, comparer.compare({**request, "faithfulness": True}), opened)
    assert reply["answer"]["trusted"] is True
    figures = [panel["figures"] for panel in reply["answer"]["panels"]]
    assert figures[0]["deletion"] is not None
    assert figures[0]["deletion"] == pytest.approx(figures[1]["deletion"])
    # The same question again has the figures at once, without another job.
    assert comparer.compare(request)["answer"]["panels"][0]["figures"] == figures[0]
    assert comparer.compare({**request, "faithfulness": True})["answer"]["trusted"] is True
    assert question_key(request) == question_key({**request, "faithfulness": True, "pair": [1, 0]})


def test_other_methods_answer_for_all_panels_too(
    comparer: Comparer, opened: dict[str, Any]
) -> None:
    reply = wait(comparer, comparer.compare(sent(opened, method="rollout")), opened)["answer"]
    assert reply["method"] == "rollout"
    for panel in reply["panels"]:
        assert floats(panel["map"]["weights"]).sum() == pytest.approx(1, abs=1e-4)
        assert panel["map"]["token"] == -1


@pytest.mark.parametrize("kind", ["html", "json", "npz", "png"])
def test_it_can_be_taken_home_and_leaves_nothing_behind(
    comparer: Comparer,
    opened: dict[str, Any],
    kind: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reply = comparer.compare_download(sent(opened, format=kind))
    data = base64.b64decode(reply["bytes"])
    assert reply["name"] == f"posekit-compare-left-wrist-attention.{kind}"
    assert list(tmp_path.iterdir()) == []
    assert opened["token"].encode() not in data and opened["views"][0].encode() not in data
    if kind == "json":
        assert [one["model"] for one in json.loads(data)["panels"]] == [SMALL, LARGE]
    elif kind == "npz":
        with np.load(io.BytesIO(data), allow_pickle=False) as maps:
            assert maps["density"].shape[0] == 2
    elif kind == "png":
        assert Image.open(io.BytesIO(data)).format == "PNG"
    else:
        text = re.sub(r"data:image/[a-z]+;base64,[^\"']+", "", data.decode())  # letters by chance
        assert "left wrist" in text.lower() and not re.search(r"=[\"']?http", text)


def test_one_panel_can_be_taken_home_as_a_picture(
    comparer: Comparer, opened: dict[str, Any]
) -> None:
    whole = comparer.compare_download(sent(opened, format="png"))
    sizes = []
    for panel, model in enumerate((SMALL, LARGE)):
        reply = comparer.compare_download(sent(opened, format="png", panel=panel))
        assert reply["name"] == f"posekit-compare-left-wrist-attention-{model}.png"
        sizes.append(Image.open(io.BytesIO(base64.b64decode(reply["bytes"]))).size)
    all_of_it = Image.open(io.BytesIO(base64.b64decode(whole["bytes"]))).size
    assert max(width for width, _ in sizes) < all_of_it[0] / 2
    with pytest.raises(TraceError, match="no panel 2"):
        comparer.compare_download(sent(opened, format="png", panel=2))


def test_what_cannot_be_compared_is_a_sentence(comparer: Comparer, opened: dict[str, Any]) -> None:
    one = sent(opened, views=opened["views"][:1])
    with pytest.raises(ModelError, match="2 to 5 models"):
        comparer.compare(one)
    with pytest.raises(TraceError, match="two models"):
        comparer.compare(sent(opened, views=[]))
    with pytest.raises(TraceError, match="format"):
        comparer.compare_download(sent(opened, format="exe"))
    assert "no method" in spoken(comparer.compare)(sent(opened, method="guess"))["error"]
    assert "person" in spoken(comparer.compare)(sent(opened, person=7))["error"]
    assert "keypoint" in spoken(comparer.compare)(sent(opened, keypoint="third eye"))["error"]


def test_a_stranger_sees_nothing(
    explorer: Explorer, comparer: Comparer, opened: dict[str, Any]
) -> None:
    stranger = explorer.start({})["token"]
    more = {"view": opened["views"][0], "model": SMALL, "layer": "encoder.1", "format": "json"}
    for call in comparer.calls:
        reply = spoken(call)({**sent(opened), **more, "token": stranger})
        assert set(reply) == {"error", "expired"}, call


def test_panels_count_as_views_and_as_bytes(explorer: Explorer, comparer: Comparer) -> None:
    token = explorer.start({})["token"]
    before = explorer.sessions.nbytes
    example = explorer.examples[0].id
    base = explorer.analyse_example({"token": token, "model": SMALL, "example": example})
    other = {"token": token, "view": base["id"], "model": SMALL, "boxes": [[9.5, 9.5, 99.5, 99.5]]}
    assert explorer.sessions.nbytes == before  # bundled photos are held for everybody
    panel = comparer.compare_open(other)
    assert panel["photo"]["src"] is None
    own = explorer.again(other)
    prediction = explorer.sessions.get(token, own["id"])
    grown = explorer.sessions.nbytes - before
    assert grown == prediction.photo.pixels.nbytes + prediction.trace.nbytes
    limit = explorer.sessions.limits.max_views
    assert limit > 5  # Explore's own photo and five panels


def test_no_two_scripts_of_the_page_declare_the_same_name() -> None:
    # They share one scope: a second function of a name would silently take the place of the first.
    pattern = re.compile(r"^(?:async )?(?:function|const|let) (\w+)", re.MULTILINE)
    names = [name for script in SCRIPTS for name in pattern.findall(part(script))]
    assert [name for name, count in Counter(names).items() if count > 1] == []
