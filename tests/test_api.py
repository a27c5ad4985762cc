"""The HTTP API and its MCP tools, as programs meet them: over the wire, and as docs/api.md says."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app.api import Api
from app.api_pictures import Pictures
from app.blocks import Page
from app.examples import FOLDER
from app.explore import Explorer
from app.server import MAX_BODY, serve
from app.uploads import Uploads, photo_bytes
from posekit.compare import compare, describe, predict_alike
from posekit.errors import PackageError, PhotoError
from posekit.estimator import Estimator
from posekit.explain import explain, list_methods, numbers
from posekit.photo import read_photo
from posekit.zoo import entry, load

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "api.md"
CALLS = {"/models", "/predict", "/explain", "/compare"}
MODEL = "transpose-r-small"
HAS_MCP = find_spec("mcp") is not None
needs_mcp = pytest.mark.skipif(not HAS_MCP, reason="The package mcp is not installed.")

Json = dict[str, Any]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page as it is served, with MCP tools where they can be had."""
    with pytest.MonkeyPatch.context() as patch, socket.socket() as free:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        served = serve(port=port, block=False, explorer=Explorer(device="cpu"), mcp=HAS_MCP)
        yield served
        served.close()


@pytest.fixture(scope="module")
def address(page: Page) -> str:
    return str(page.local_url).rstrip("/")


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("fetched")))


@pytest.fixture(scope="module")
def person() -> Path:
    """A photo of several people, one of whom fills a box."""
    return FOLDER / "crowd.jpg"


@pytest.fixture(scope="module")
def prediction(person: Path) -> Any:
    return Estimator(load(MODEL, device="cpu")).predict(read_photo(person))


@pytest.fixture
def empty(page: Page) -> Iterator[None]:
    """Nothing of anybody is on the server, before and after."""
    assert left(page) == []
    yield
    deadline = time.monotonic() + 10
    while left(page) and time.monotonic() < deadline:
        time.sleep(0.05)  # a picture goes after the last byte of it was sent
    assert left(page) == []


def left(page: Page) -> list[str]:
    """What is on the server of those who called: uploads, files, what sessions hold."""
    folder = Path(page.GRADIO_CACHE)
    found = [str(path) for path in folder.rglob("*") if path.is_file()]
    if page.api.uploads.nbytes:
        found.append(f"{page.api.uploads.nbytes} bytes of uploads")
    for state in page.state_holder.session_data.values():
        for one in state.components:
            value = one.get("props", {}).get("value")
            if one.get("type") == "api" and value not in (None, False, True, 0, "row", "attention"):
                found.append(f"a session remembers {value!r:.60}")
    return found


def code(language: str) -> str:
    """The one block of docs/api.md in that language."""
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(found)


def at(address: str, text: str) -> str:
    """A code block, for the server under test."""
    assert "http://127.0.0.1:7860" in text
    return text.replace("http://127.0.0.1:7860", address)


def events(text: str) -> tuple[str, Any]:
    """The last event of a stream, and its data."""
    name, data = re.findall(r"^event: (\w+)\ndata: (.*)$", text, re.MULTILINE)[-1]
    return name, json.loads(data)


def ask(address: str, call: str, body: Json | list[Any]) -> tuple[str, Any]:
    """A call as plain HTTP, arguments by name or as a list."""
    version, sent = ("v2/", body) if isinstance(body, dict) else ("", {"data": body})
    begun = httpx.post(f"{address}/gradio_api/call/{version}{call}", json=sent, timeout=60)
    assert begun.status_code == 200, begun.text
    event = begun.json()["event_id"]
    return events(httpx.get(f"{address}/gradio_api/call/{call}/{event}", timeout=120).text)


# -- what there is ------------------------------------------------------------------------------


def test_the_four_calls_and_nothing_else_are_public(client: Client) -> None:
    info = client.view_api(return_format="dict", print_info=False)
    assert set(info["named_endpoints"]) == CALLS
    assert not info["unnamed_endpoints"]
    for call in info["named_endpoints"].values():
        assert call["description"].endswith(".")
        assert all(one["python_type"]["type"] not in ("", "Any") for one in call["parameters"])


def test_the_document_names_every_argument_and_every_method() -> None:
    text = DOCUMENT.read_text("utf-8")
    for call in (Api.models, Api.predict, Api.explain, Api.compare):
        section = text.split(f"### `/{call.__name__}`")[1].split("\n## ")[0]
        for name in list(signature(call).parameters)[1:]:
            assert f"`{name}`" in section, (call.__name__, name)
    assert set(re.findall(r"\| `method` \|.*\| (.*) \|", text)[0].split()) == {
        f"`{one.name}`" for one in list_methods()
    }


def test_models_are_those_of_the_page_in_its_order(page: Page, client: Client) -> None:
    found = client.predict(api_name="/models")
    assert [one["name"] for one in found] == page.api.explorer.shelf.names()
    first = next(one for one in found if one["name"] == MODEL)
    known = entry(MODEL)
    assert first["keypoints"] == list(known.skeleton.keypoints)
    assert first["trained"] and "rained" in first["weights"]
    assert first["paper"]["url"] == known.paper.url
    assert first["levels"] == dict(known.levels)
    assert not any("file" in one or "training" in one for one in found)


# -- the answers are those of the library -------------------------------------------------------


def test_predict_answers_what_the_library_finds(
    client: Client, person: Path, prediction: Any
) -> None:
    found = client.predict(photo=handle_file(person), model=MODEL, api_name="/predict")
    assert found["photo_size"] == list(prediction.photo.size)
    (someone,) = found["people"]
    names = prediction.skeleton.keypoints
    assert list(someone["keypoints"]) == list(names)
    ours = np.array([[k["x"], k["y"], k["score"]] for k in someone["keypoints"].values()])
    np.testing.assert_allclose(ours[:, :2], prediction.people[0].keypoints, atol=0.02)
    np.testing.assert_allclose(ours[:, 2], prediction.people[0].scores, atol=1e-4)
    assert [one["name"] for one in found["layers"]] == [a.name for a in prediction.trace.spatial]


def test_boxes_are_people_and_coordinates_are_those_of_the_photo_as_sent(
    client: Client, person: Path, tmp_path: Path
) -> None:
    """Also of a photo that is larger than the page would show it."""
    large = tmp_path / "large.png"
    with Image.open(person) as small:
        small.resize((small.width * 2, small.height * 2), Image.Resampling.BICUBIC).save(large)
    box = [100.0, 80.0, 300.0, 500.0]
    one, two = (
        client.predict(photo=handle_file(path), model=MODEL, boxes=[sent], api_name="/predict")
        for path, sent in ((person, box), (large, [2 * value for value in box]))
    )
    assert two["photo_size"] == [2 * side for side in one["photo_size"]]
    assert one["people"][0]["box"] == box
    near = [
        np.array([[k["x"], k["y"]] for k in found["people"][0]["keypoints"].values()])
        for found in (one, two)
    ]
    assert np.median(np.linalg.norm(near[1] / 2 - near[0], axis=1)) < 3


def test_explain_answers_the_map_its_numbers_and_its_place(
    client: Client, person: Path, prediction: Any, empty: None
) -> None:
    answer, picture = client.predict(
        photo=handle_file(person), model=MODEL, keypoint="left wrist", layer="encoder.2", head=1,
        direction="column", picture=True, api_name="/explain",
    )  # fmt: skip
    ours = explain(prediction, "left wrist", direction="column", head=1).layer("encoder.2")
    np.testing.assert_allclose(answer["values"], ours.weights, atol=1e-5)
    np.testing.assert_allclose(answer["grid_to_photo"], ours.grid_to_photo.matrix)
    measured = numbers(ours, prediction)
    assert answer["numbers"]["mass_in_box"] == pytest.approx(measured.mass_in_box, abs=1e-4)
    assert answer["numbers"]["entropy_nats"] == pytest.approx(measured.entropy_nats, abs=1e-3)
    assert (answer["layer"], answer["head"], answer["direction"]) == ("encoder.2", 1, "column")
    assert answer["grid"] == list(np.shape(answer["values"]))
    assert answer["layers"] == [one.name for one in prediction.trace.spatial]
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 200
        assert "encoder" in drawn.text["PoseKit"]  # type: ignore[attr-defined]


def test_a_point_is_taken_as_it_is_and_cells_can_be_left_out(client: Client, person: Path) -> None:
    answer, picture = client.predict(
        photo=handle_file(person), model=MODEL, point=[300, 200], values=False, api_name="/explain"
    )
    assert answer["query_point"] == [300.0, 200.0]
    assert answer["values"] is None and picture is None
    assert answer["layer"] == answer["layers"][-1]


def test_other_methods_and_faithfulness(client: Client, person: Path) -> None:
    answer, _ = client.predict(
        photo=handle_file(person), model=MODEL, keypoint="left knee", method="grad-cam",
        faithfulness=True, api_name="/explain",
    )  # fmt: skip
    assert answer["method"] == "grad-cam"
    assert np.shape(answer["values"]) == tuple(answer["grid"])
    assert set(answer["faithfulness"]) >= {"words", "score", "chance"}
    flow, _ = client.predict(
        photo=handle_file(person), model=MODEL, keypoint="left knee", method="flow",
        layer="encoder.1", api_name="/explain",
    )  # fmt: skip
    assert flow["layer"] == "encoder.1"


def test_compare_answers_what_posekit_compare_prints(client: Client, person: Path) -> None:
    names = [MODEL, "btranspose-small"]
    found = client.predict(
        photo=handle_file(person), models=names, keypoint="left wrist", api_name="/compare"
    )
    models = [load(name, device="cpu") for name in names]
    ours = describe(compare(predict_alike(models, read_photo(person)), "left wrist"))
    assert found.keys() == ours.keys()
    for one, other in zip(found["panels"], ours["panels"], strict=True):
        assert (one["title"], one["remarks"]) == (other["title"], other["remarks"])
        for key in ("entropy_nats", "on_person", "overlap"):
            assert one["figures"][key] == pytest.approx(other["figures"][key], abs=1e-3)
    assert found["overlaps"][0]["panels"] == [0, 1]


def test_a_keypoint_that_was_not_found_is_null(page: Page, address: str, tmp_path: Path) -> None:
    """Also in the event stream, whose JSON knows no NaN."""
    shelf = page.api.explorer.shelf
    finder = next(n for n in shelf.names() if entry(n).view == "photo" and shelf.has_weights(n))
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    data = base64.b64encode((tmp_path / "noise.png").read_bytes()).decode()
    photo = f"data:image/png;base64,{data}"
    state, (found,) = ask(
        address, "predict", {"photo": photo, "model": finder, "boxes": [[40, 40, 90, 90]]}
    )
    assert state == "complete"
    keypoints = found["people"][0]["keypoints"]
    assert list(keypoints) == list(entry(finder).skeleton.keypoints)
    assert None in keypoints.values()
    state, (found,) = ask(
        address, "compare", {"photo": photo, "models": [MODEL, finder], "point": [160, 120]}
    )
    assert state == "complete", found
    assert any(one["x"] is None for one in found["panels"][1]["pose"])


# -- the examples of the document ---------------------------------------------------------------


def test_the_python_example_runs(
    address: str,
    person: Path,
    prediction: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(person, tmp_path / "person.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(at(address, code("python")), str(DOCUMENT), "exec"), {})
    said = capsys.readouterr().out
    x, y = prediction.people[0].keypoints[prediction.skeleton.index("left wrist")]
    assert f"left wrist at {x:.0f}, {y:.0f}" in said
    assert f"{MODEL} - " in said
    assert "of the attention lies inside the photo" in said
    with Image.open(re.findall(r"^the map over the photo is in (.+)$", said, re.MULTILINE)[0]) as p:
        assert min(p.size) > 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="There is no curl on this machine.")
def test_the_curl_example_runs(
    address: str, person: Path, prediction: Any, tmp_path: Path, empty: None
) -> None:
    shutil.copy(person, tmp_path / "person.jpg")
    script = f"set -euo pipefail\n{at(address, code('bash'))}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    state, (found,) = events(done.stdout)
    assert state == "complete"
    x, y = prediction.people[0].keypoints[prediction.skeleton.index("left wrist")]
    wrist = found["people"][0]["keypoints"]["left wrist"]
    assert (wrist["x"], wrist["y"]) == pytest.approx((x, y), abs=0.02)


def test_arguments_may_come_as_a_list_and_a_photo_as_a_data_url(address: str, person: Path) -> None:
    data = base64.b64encode(person.read_bytes()).decode()
    state, (found,) = ask(address, "predict", [f"data:image/jpeg;base64,{data}", MODEL])
    assert state == "complete"
    assert len(found["people"]) == 1


# -- what goes wrong is a sentence --------------------------------------------------------------

WRONG: list[tuple[str, Json, str]] = [
    ("predict", {"model": "transpose-x"}, r"no model named 'transpose-x': choose one of .*small"),
    ("predict", {"model": 7}, r"no model named 7"),
    ("predict", {"boxes": [[1, 2, 3]]}, r"Boxes are a list of \[x, y, width, height\]"),
    ("predict", {"boxes": [[9000, 2, 3, 3]]}, r"lies outside the photo"),
    ("explain", {"keypoint": "left ear"}, r'no keypoint "left ear" .* right ankle, right knee'),
    ("explain", {"keypoint": "neck", "person": 3}, r"There is no person 3: .* holds 1 person"),
    ("explain", {"keypoint": "neck", "person": 0.5}, r"person is a whole number"),
    ("explain", {"keypoint": "neck", "layer": "x.1"}, r"no layer 'x.1': choose one of encoder.1"),
    ("explain", {"keypoint": "neck", "head": 99}, r"There is no head 99"),
    ("explain", {"keypoint": "neck", "direction": "up"}, r"row or column, not 'up'"),
    ("explain", {"keypoint": "neck", "method": "magic"}, r"no method 'magic': choose one of atten"),
    ("explain", {"keypoint": "neck", "method": "rollout", "layer": "encoder.1"}, r"no layer to ch"),
    ("explain", {}, r"either a keypoint, such as .left wrist., or a point"),
    ("explain", {"point": [1, "2"]}, r"A point is \[x, y\]"),
    ("compare", {"models": [MODEL], "keypoint": "neck"}, r"takes 2 to 5 models, and 1 model was"),
    ("compare", {"models": [MODEL, "b"], "keypoint": "neck"}, r"no model named 'b': choose one"),
    ("compare", {"models": MODEL, "keypoint": "neck"}, r"a list of two to five names"),
]


@pytest.mark.parametrize(("call", "more", "said"), WRONG)
def test_a_wrong_argument_is_told_in_one_sentence(
    client: Client, person: Path, empty: None, call: str, more: Json, said: str
) -> None:
    needed = {} if call == "compare" else {"model": MODEL}
    with pytest.raises(AppError, match=said) as caught:
        client.predict(photo=handle_file(person), api_name=f"/{call}", **{**needed, **more})
    assert "Traceback" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        (lambda whole: whole[: len(whole) // 2], r"damaged or incomplete"),
        (lambda whole: b"just a few words", r"not a picture, or is damaged; use a JPEG"),
        (lambda whole: b"", r"is empty"),
    ],
)
def test_a_bad_photo_is_told_in_one_sentence(
    client: Client, person: Path, tmp_path: Path, empty: None,
    photo: Callable[[bytes], bytes], said: str,
) -> None:  # fmt: skip
    (tmp_path / "photo.jpg").write_bytes(photo(person.read_bytes()))
    with pytest.raises(AppError, match=said):
        client.predict(photo=handle_file(tmp_path / "photo.jpg"), model=MODEL, api_name="/predict")


@pytest.mark.parametrize("photo", [None, 3, {"path": None}, {"name": "x"}, ["x"]])
def test_no_photo_at_all(address: str, photo: Any) -> None:
    state, data = ask(address, "predict", {"photo": photo, "model": MODEL})
    assert state == "error"
    assert data["error"].startswith("There is no photo: send it as a data: URL")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "http://127.0.0.1:9/x.jpg", "https://example.org/photo.jpg", __file__],
)
def test_no_file_of_the_server_and_no_other_address_is_read(address: str, path: str) -> None:
    meta = {"_type": "gradio.FileData"}
    for sent in (path, {"path": path, "meta": meta}, {"path": path, "url": path, "meta": meta}):
        state, data = ask(address, "predict", {"photo": sent, "model": MODEL})
        assert state == "error"
        assert data["error"].startswith("This server fetches no photo from another address")


def test_what_cannot_begin_is_told_and_the_queue_cannot_be_skipped(address: str) -> None:
    def post(path: str, body: Json) -> httpx.Response:
        return httpx.post(f"{address}/gradio_api/{path}", json=body, timeout=30)

    reply = post("call/nothing", {"data": []})
    assert reply.status_code == 404
    assert reply.json()["detail"].endswith("choose one of models, predict, explain, compare.")
    reply = post("call/v2/predict", {"model": MODEL, "foto": "x"})
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("/predict takes photo, model, and perhaps boxes")
    assert ask(address, "models", ["too", "many"])[0] == "error"
    for path in ("run/predict", "api/predict"):
        assert post(path, {"data": ["data:,", MODEL, None]}).status_code == 404


# -- what is kept, and who waits ----------------------------------------------------------------


def test_nothing_of_a_photo_is_left_nor_logged(
    page: Page, address: str, client: Client, person: Path, empty: None,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG, "posekit")
    data = f"data:image/jpeg;base64,{base64.b64encode(person.read_bytes()).decode()}"
    assert ask(address, "predict", {"photo": data, "model": MODEL})[0] == "complete"
    assert ask(address, "predict", {"photo": data, "model": "nothing"})[0] == "error"
    client.predict(photo=handle_file(person), model=MODEL, api_name="/predict")
    assert left(page) == []
    assert page._queue.event_ids_to_events == {}
    assert "crowd" not in caplog.text
    said = capfd.readouterr()
    assert "crowd" not in said.out + said.err and "Traceback" not in said.err


def test_an_upload_serves_one_call_and_nobody_can_fetch_it(
    page: Page, address: str, person: Path
) -> None:
    with person.open("rb") as file:
        sent = httpx.post(f"{address}/gradio_api/upload", files={"files": file}, timeout=30)
    (path,) = sent.json()
    assert page.api.uploads.nbytes == person.stat().st_size
    assert not any(one.is_file() for one in Path(page.GRADIO_CACHE).rglob("*"))
    assert httpx.get(f"{address}/gradio_api/file={path}").status_code in (403, 404)
    shown = f"{address}/gradio_api/file={path}"  # how MCP clients name it
    assert ask(address, "predict", {"photo": shown, "model": MODEL})[0] == "complete"
    assert page.api.uploads.nbytes == 0
    state, data = ask(address, "predict", {"photo": path, "model": MODEL})
    assert state == "error" and "no longer" in data["error"]


def test_the_same_photo_in_several_calls_at_once_is_several_uploads(
    page: Page, client: Client, person: Path, monkeypatch: pytest.MonkeyPatch, empty: None
) -> None:
    """They all succeed, and of them one is at the gate at a time."""
    explorer, lock = page.api.explorer, threading.Lock()
    running, most, predict = 0, 0, explorer.predict

    def watched(*arguments: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            time.sleep(0.02)
            return predict(*arguments)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(explorer, "predict", watched)
    jobs = [
        client.submit(photo=handle_file(person), api_name=name, **more)
        for name, more in (
            ("/predict", {"model": MODEL}),
            ("/explain", {"model": MODEL, "keypoint": "neck"}),
            ("/predict", {"model": MODEL}),
        )
    ]
    answers = [job.result(timeout=120) for job in jobs]
    assert answers[0]["people"] == answers[2]["people"]
    assert most == 1


def test_the_guard_stands_before_the_api_too(page: Page, address: str, empty: None) -> None:
    upload = f"{address}/gradio_api/upload"

    def without_length() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(MAX_BODY // 2**20 + 1):
            yield b"\0" * 2**20

    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert httpx.post(upload, content=b"x" * (MAX_BODY + 1), timeout=60).status_code == 413
    assert httpx.post(upload, content=without_length(), headers=kind, timeout=60).status_code == 413
    for bad in ({"content": b"abc"}, {"files": {"other": b"x"}}, {"data": {"files": "x"}}):
        reply = httpx.post(upload, timeout=30, **bad)  # type: ignore[arg-type]
        assert reply.status_code == 400 and reply.text.count(".") >= 1
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"].startswith("default-src 'self'")
    stranger = httpx.post(upload, headers={"origin": "https://example.org"}, files={"files": b"x"})
    assert "access-control-allow-origin" not in stranger.headers
    page.api.uploads.take(stranger.json()[0])


def test_uploads_are_bounded_and_forgotten() -> None:
    now = [0.0]
    uploads = Uploads(most_bytes=10, ttl_seconds=60, clock=lambda: now[0])
    first, second = uploads.put(b"12345", "../../x y.jpg"), uploads.put(b"6789", "b.jpg")
    assert first.endswith("/x%20y.jpg") and ".." not in first
    third = uploads.put(b"abc")
    with pytest.raises(PhotoError, match="no longer"):  # the oldest made room
        uploads.take(first)
    assert uploads.take(second) == b"6789"
    now[0] = 61
    uploads.sweep()
    assert uploads.nbytes == 0
    with pytest.raises(PhotoError, match="no longer"):
        uploads.take(third)
    for other in ("", "posekit-upload/short", "/etc/passwd"):
        with pytest.raises(PhotoError, match="reads no file of its own"):
            uploads.take(other)
    assert photo_bytes("data:image/png;base64,AAEC", uploads) == b"\0\1\2"
    for bad in ("data:image/png;base64,%%", "data:text/plain,hello"):
        with pytest.raises(PhotoError, match="not base64"):
            photo_bytes(bad, uploads)


def test_pictures_nobody_fetched_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    now = [0.0]
    pictures = Pictures(ttl_seconds=120, clock=lambda: now[0])
    path = Path(pictures.save(lambda where: where.write_bytes(b"picture") and None))
    other = tmp_path / "other.png"
    other.write_bytes(b"")
    pictures.drop(str(other))
    pictures.sweep()
    assert path.read_bytes() == b"picture" and other.exists()
    now[0] = 121
    pictures.sweep()
    assert not path.parent.exists() and len(pictures) == 0


# -- MCP ----------------------------------------------------------------------------------------


async def with_tools(address: str, do: Callable[[Any], Any]) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    url = json.loads(at(address, code("json")))["mcpServers"]["posekit"]["url"]
    async with (
        streamable_http_client(url) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await do(session)


def by_tools(address: str, do: Callable[[Any], Any]) -> Any:
    """In a thread of its own: the browser's tests keep an event loop running in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(with_tools(address, do))).result()


@needs_mcp
def test_the_tools_are_the_four_calls_and_say_what_they_take(address: str) -> None:
    found = by_tools(address, lambda session: session.list_tools()).tools
    assert {f"/{tool.name}" for tool in found} == CALLS
    for tool in found:
        assert len(tool.description) > 20
        for name, one in tool.inputSchema["properties"].items():
            assert one["description"].endswith((".", "...")), (tool.name, name)


@needs_mcp
def test_a_tool_answers_with_json_and_a_picture(
    page: Page, address: str, person: Path, prediction: Any
) -> None:
    photo = f"data:image/jpeg;base64,{base64.b64encode(person.read_bytes()).decode()}"

    async def call(session: Any) -> Any:
        asked = {"photo": photo, "model": MODEL, "keypoint": "neck", "values": False}
        return (
            await session.call_tool("explain", {**asked, "picture": True}),
            await session.call_tool("explain", {**asked, "keypoint": "tail"}),
        )

    good, bad = by_tools(address, call)
    assert not good.isError
    answer, image = good.content[:2]
    ours = numbers(explain(prediction, "neck").maps[-1], prediction)
    assert json.loads(answer.text)["numbers"]["mass_in_box"] == pytest.approx(
        ours.mass_in_box, abs=1e-4
    )
    assert image.type == "image" and base64.b64decode(image.data)[1:4] == b"PNG"
    assert bad.isError and 'no keypoint "tail"' in bad.content[0].text
    assert page.api.uploads.nbytes == 0


def test_without_the_package_the_flag_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.__main__ import main

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PackageError, match=r"pip install 'posekit\[mcp\]'"):
        serve(mcp=True)
    assert main(["--mcp"]) == 1
    assert "pip install 'posekit[mcp]'" in capsys.readouterr().err
