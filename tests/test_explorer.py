"""The page's calls without a browser: what is answered, what is refused, and how it is served."""

from __future__ import annotations

import base64
import io
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from gradio.data_classes import DataWithFiles
from PIL import Image

from app.api import Api
from app.calls import SURPRISE, boxes_of, spoken
from app.examples import FOLDER
from app.explore import Explorer
from app.server import MAX_BODY, build, serve
from posekit.errors import BoxError, ModelError, PhotoError
from posekit.explain import explain
from posekit.geometry import Box
from posekit.opening import first_person, opening
from posekit.report import live
from tests.api.calls import CALLS

MODEL = "transpose-r-small"


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(device="cpu", model=MODEL)


@pytest.fixture(scope="module")
def opened(explorer: Explorer) -> dict[str, Any]:
    """A visitor with a photo: {token, view, and the whole reply}."""
    token = explorer.start({})["token"]
    reply = explorer.analyse(upload(token, picture()))
    return {"token": token, "view": reply["id"], "reply": reply}


def picture(size: tuple[int, int] = (150, 200)) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format="PNG")
    return buffer.getvalue()


def upload(token: str, data: bytes, boxes: str = "[]", model: str = MODEL) -> DataWithFiles:
    fields = {"token": token, "model": model, "boxes": boxes}
    return DataWithFiles(data=fields, files=[("photo", data)])


def asked(opened: dict[str, Any], **more: Any) -> dict[str, Any]:
    question = {"person": 0, "keypoint": 3, "direction": "row"}
    return {"token": opened["token"], "view": opened["view"], **question, **more}


def test_an_upload_of_several_people_is_told_and_the_hint_costs_nobody_the_photo(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crowd among the examples, sent as a visitor would send it."""
    token = explorer.start({})["token"]
    crowd = (FOLDER / "crowd.jpg").read_bytes()
    told = explorer.analyse(upload(token, crowd))["notes"]
    assert any("finds" in one and "takes the whole photo for one" in one for one in told)
    boxed = explorer.analyse(upload(token, crowd, boxes="[[20, 20, 200, 300]]"))["notes"]
    assert not any("takes the whole photo" in one for one in boxed)

    def fail(*_: object) -> None:
        raise ModelError("There is not enough memory.")

    monkeypatch.setattr(explorer.shelf.get("querypose-small").module, "detect", fail)
    assert explorer.analyse(upload(token, crowd))["people"]


def test_an_answer_holds_the_mean_and_every_head_of_every_layer_exactly(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    answer = explorer.explain(asked(opened))
    prediction = explorer.sessions.get(opened["token"], opened["view"])
    for plane, head in enumerate([None, 0, 1, 2, 3]):
        exact = explain(prediction, 3, head=head)
        for sent, wanted in zip(answer["layers"], exact.maps, strict=True):
            planes = np.frombuffer(base64.b64decode(sent["weights"]), "<f4")
            planes = planes.reshape(-1, sent["rows"], sent["cols"])
            np.testing.assert_array_equal(planes[plane], wanted.weights)
            np.testing.assert_allclose(sent["toPhoto"], wanted.grid_to_photo.matrix.ravel())
            assert 0 <= sent["numbers"][plane]["mass_in_box"] <= 1
    assert answer["query"]["label"] == prediction.skeleton.keypoints[3]
    json.dumps(answer, allow_nan=False)


def test_a_click_does_not_run_the_model(
    explorer: Explorer, opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(explorer.shelf.get(MODEL).module, "forward", never)
    for direction in ("row", "column"):
        answer = explorer.explain(asked(opened, keypoint=None, point=[70, 90], direction=direction))
        assert answer["direction"] == direction
    explorer.live(asked(opened, layer="encoder.1"))


def test_a_click_near_a_keypoint_snaps_and_a_free_one_does_not(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    x, y = opened["reply"]["people"][0]["keypoints"][3]
    near = [x + 1.0, y + 1.0]
    snapped = explorer.explain(asked(opened, keypoint=None, person=None, point=near))
    assert snapped["query"]["keypoint"] is not None
    free = explorer.explain(asked(opened, keypoint=None, point=[75, 100], free=True))
    assert (free["query"]["keypoint"], free["query"]["point"]) == (None, [75.0, 100.0])


def test_downloads_leave_nothing_behind(
    explorer: Explorer, opened: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    look = {"head": 1, "palette": "viridis", "opacity": 0.8, "dim": 0.4, "keep": 0.5}
    png = explorer.download(asked(opened, format="png", **look))
    assert Image.open(io.BytesIO(base64.b64decode(png["bytes"]))).format == "PNG"
    npz = explorer.download(asked(opened, format="npz", **look))
    with np.load(io.BytesIO(base64.b64decode(npz["bytes"]))) as maps:
        assert maps["weights"].shape[0] == len(opened["reply"]["layers"])
    assert list(tmp_path.iterdir()) == []


def test_a_live_report_that_would_be_too_much_holds_the_person_on_show(
    explorer: Explorer, opened: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = [[9.5, 19.5, 69.5, 119.5], [50, 20, 140, 180]]
    two = explorer.again({**asked(opened), "model": MODEL, "boxes": edges})
    look = {"photo": True, "palette": "viridis", "opacity": 0.8}
    wanted = {"token": opened["token"], "view": two["id"], "person": 1, **look}

    def held() -> list[bool]:
        html = base64.b64decode(explorer.live_report(wanted)["bytes"]).decode()
        data = html.split('data-slot="data">')[1].split("</script>")[0]
        return [person["held"] for person in json.loads(data)["people"]]

    assert held() == [True, True]
    one = live(explorer.sessions.get(opened["token"], two["id"]), people=[0]).nbytes
    monkeypatch.setattr("posekit.report.live_report.MOST_BYTES", one)
    assert held() == [False, True]
    monkeypatch.setattr("posekit.report.live_report.MOST_BYTES", one - 1)
    refused = spoken(explorer.live_report)(wanted)
    assert set(refused) == {"error"} and "live report" in refused["error"]
    assert spoken(explorer.live_report)({**wanted, "token": "guess"})["expired"] is True


def test_boxes_come_as_edges_and_make_people(explorer: Explorer, opened: dict[str, Any]) -> None:
    edges = [[9.5, 19.5, 69.5, 119.5], [50, 20, 140, 180]]
    assert boxes_of(edges[:1]) == [Box(10, 20, 60, 100)]
    reply = explorer.again({**asked(opened), "model": MODEL, "boxes": edges})
    assert [person["edges"] for person in reply["people"]] == edges
    assert reply["whole"] is False and reply["photo"]["src"] is None
    with pytest.raises(BoxError, match="four numbers"):
        boxes_of([[1, 2]])


def test_refusals_are_sentences_and_surprises_hide_their_cause(explorer: Explorer) -> None:
    token = explorer.start({})["token"]
    refused = spoken(explorer.analyse)(upload(token, b"no picture"))
    assert set(refused) == {"error"} and refused["error"].endswith(".")
    gone = spoken(explorer.explain)({"token": "guess", "view": "x"})
    assert gone["expired"] is True
    with pytest.raises(PhotoError):
        explorer.analyse(DataWithFiles(data={}, files=[]))
    assert spoken(explorer.explain)({"token": token}) == {"error": SURPRISE}
    unknown = spoken(explorer.analyse)(upload(token, picture(), model="no-such-model"))
    assert "no-such-model" in unknown["error"]


def test_an_unknown_example_is_refused(explorer: Explorer) -> None:
    token = explorer.start({})["token"]
    for wanted in ("../../etc/passwd", "", None):
        reply = spoken(explorer.analyse_example)(
            {"token": token, "model": MODEL, "example": wanted}
        )
        assert "example" in reply["error"]


def test_every_example_opens(explorer: Explorer) -> None:
    start = explorer.start({})
    assert len(start["examples"]) >= 1
    for example in start["examples"]:
        sent = {"token": start["token"], "model": MODEL, "example": example["id"]}
        reply = explorer.analyse_example(sent)
        assert reply["people"] and reply["photo"]["src"].startswith("data:image/jpeg;base64,")


def test_the_first_photo_is_ready_before_the_first_visitor(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.warm()

    def never(*_: object) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(explorer.shelf.get(MODEL).module, "forward", never)
    token = explorer.start({})["token"]
    first = {"token": token, "example": explorer.examples[0].id, "model": MODEL}
    assert explorer.analyse_example(first)["people"]


def test_gradio_offers_the_calls_of_the_api_and_no_other(explorer: Explorer) -> None:
    page = build(Api(explorer))
    offered = page.get_config_file()["dependencies"]
    assert {f"/{one['api_name']}" for one in offered} == CALLS
    assert page.analytics_enabled is False


@pytest.fixture(scope="module")
def address(explorer: Explorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        page = serve(port=port, block=False, explorer=explorer)
        yield f"http://127.0.0.1:{port}"
        page.close()


def test_replies_carry_the_safety_headers(address: str) -> None:
    headers = httpx.get(address).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    for closed in ("/docs", "/openapi.json"):
        assert httpx.get(address + closed).status_code == 404


def test_run_history_is_off_and_nothing_is_sent_elsewhere(address: str) -> None:
    config = httpx.get(f"{address}/config").json()
    assert config["run_history"] is False
    assert config["analytics_enabled"] is False


def test_too_large_a_body_is_refused_before_it_is_read(address: str) -> None:
    url = f"{address}/gradio_api/component_server/"
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        request = f"POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
        line.sendall(request.encode())
        assert b" 413 " in line.recv(64)


@pytest.mark.parametrize(
    ("left", "right", "neck", "first"),
    [(0.3, 0.5, 0.9, "right wrist"), (0.2, 0.1, 0.9, "neck"), (0.8, 0.7, 0.1, "left wrist")],
)
def test_the_first_question_is_about_a_wrist_unless_it_is_doubtful(
    explorer: Explorer,
    opened: dict[str, Any],
    left: float,
    right: float,
    neck: float,
    first: str,
) -> None:
    prediction = explorer.sessions.get(opened["token"], opened["view"])
    names = list(prediction.skeleton.keypoints)
    scores = np.full(len(names), 0.05)
    for name, score in (("left wrist", left), ("right wrist", right), ("neck", neck)):
        scores[names.index(name)] = score
    person = replace(prediction.people[0], scores=scores)
    assert names[opening(person, prediction.skeleton)] == first


def test_somebody_who_was_not_found_is_not_asked_about_first(
    explorer: Explorer, opened: dict[str, Any]
) -> None:
    """Of two boxes the model found somebody in the second alone."""
    prediction = explorer.sessions.get(opened["token"], opened["view"])
    there = prediction.people[0]
    absent = replace(there, keypoints=np.full_like(there.keypoints, np.nan))
    for people, expected in (((absent, there), 1), ((there, absent), 0), ((absent,), 0), ((), 0)):
        assert first_person(replace(prediction, people=people)) == expected
