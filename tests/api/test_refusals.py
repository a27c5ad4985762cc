"""What goes wrong with a call is told in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.api.calls import MODEL, Json, ask

RECTANGLE = {"kind": "rectangle", "box": [10, 10, 50, 50]}
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
    ("occlude", {"keypoint": "neck"}, r"either an occluder, or the limb to cover"),
    (
        "occlude",
        {"keypoint": "neck", "occluder": {"kind": "x"}},
        r"one of rectangle, stroke",
    ),
    ("occlude", {"keypoint": "neck", "occluder": RECTANGLE, "limb": "neck"}, r"either an occluder"),
    ("occlude", {"keypoint": "neck", "occluder": RECTANGLE, "share": 0.5}, r"are of a limb"),
    ("occlude", {"point": [9, 9], "limb": "neck"}, r"ask about one, not about a point"),
    ("occlude", {"keypoint": "left wrist", "limb": "left elbow", "share": 2}, r"0 to 1, not 2"),
    (
        "occlude",
        {"keypoint": "left wrist", "limb": "left elbow", "colour": "red"},
        r"The colour",
    ),
    ("dependencies", {"layer": "x.1"}, r"no layer 'x.1'"),
    ("dependencies", {"person": 4}, r"There is no person 4"),
    ("heads", {"layer": "x.1"}, r"no layer 'x.1'"),
    ("heads", {"model": "querypose-small"}, r"makes no heatmaps|attention"),
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
    assert reply.json()["detail"].endswith("dependencies, heads.")
    reply = post("call/v2/predict", {"model": MODEL, "foto": "x"})
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("/predict takes photo, model, and perhaps boxes")
    assert ask(address, "models", ["too", "many"])[0] == "error"
    for path in ("run/predict", "api/predict"):
        assert post(path, {"data": ["data:,", MODEL, None]}).status_code == 404
