"""The calls: what there is, that answers are the library's, that docs/api.md runs."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from app.api import Api
from app.blocks import Page
from posekit import occlusion
from posekit.compare import compare, describe, predict_alike
from posekit.draw.legend import even_words
from posekit.explain import explain, list_methods, numbers
from posekit.explain.dependencies import dependencies
from posekit.explain.heads import heads
from posekit.geometry import Box
from posekit.occlusion import Rectangle, limb_band, study
from posekit.photo import read_photo
from posekit.zoo import entry, load
from tests.api.calls import CALLS, DOCUMENT, MODEL, ask, at, code, events

# -- what there is ------------------------------------------------------------------------------


def test_the_calls_and_nothing_else_are_public(client: Client) -> None:
    info = client.view_api(return_format="dict", print_info=False)
    assert set(info["named_endpoints"]) == CALLS
    assert not info["unnamed_endpoints"]
    for call in info["named_endpoints"].values():
        assert call["description"].endswith(".")
        assert all(one["python_type"]["type"] not in ("", "Any") for one in call["parameters"])


def test_the_document_names_every_argument_and_every_method() -> None:
    text = DOCUMENT.read_text("utf-8")
    for name in CALLS:
        call = getattr(Api, name[1:])
        section = text.split(f"### `{name}`")[1].split("\n<a id")[0].split("\n## ")[0]
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
    # Where this head looks from says nothing, and that is said.
    assert answer["numbers"]["nearly_even"] == even_words(measured.entropy_share) != ""
    assert answer["people_by"] is None
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
    assert answer["numbers"]["nearly_even"] is None
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
    assert found.pop("people_by") is None
    assert found.keys() == ours.keys()
    for one, other in zip(found["panels"], ours["panels"], strict=True):
        assert (one["title"], one["remarks"]) == (other["title"], other["remarks"])
        for key in ("entropy_nats", "on_person", "overlap"):
            assert one["figures"][key] == pytest.approx(other["figures"][key], abs=1e-3)
    assert found["overlaps"][0]["panels"] == [0, 1]


def test_occlude_answers_what_posekit_occlude_prints(
    client: Client, person: Path, empty: None
) -> None:
    box = [250.0, 180.0, 80.0, 90.0]
    occluder = {"kind": "rectangle", "box": box, "colour": "knockout"}
    found, picture = client.predict(
        photo=handle_file(person), model=MODEL, keypoint="left wrist", occluder=occluder,
        layer="encoder.2", picture=True, api_name="/occlude",
    )  # fmt: skip
    ours = occlusion.describe(
        study(
            load(MODEL, device="cpu"), read_photo(person), Rectangle(Box(*box), "knockout"),
            keypoint="left wrist", layer="encoder.2", masks="best",
        )
    )  # fmt: skip
    assert found.pop("notes") == []  # sure of the pose
    assert found.pop("people_by") is None
    assert found.keys() == ours.keys()
    assert found["occluder"] == occluder and found["covered_pixels"] == 80 * 90
    assert found["sentences"] == ours["sentences"] and found["layer"] == "encoder.2"
    for one, other in zip(found["changes"], ours["changes"], strict=True):
        assert one["difference"] == pytest.approx(other["difference"], abs=1e-3)
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 200


def test_a_limb_is_covered_as_far_as_asked(client: Client, person: Path, prediction: Any) -> None:
    found, picture = client.predict(
        photo=handle_file(person), model=MODEL, keypoint="left wrist", limb="left elbow", share=0.5,
        colour=[10, 20, 30], api_name="/occlude",
    )  # fmt: skip
    assert picture is None
    ours = limb_band(prediction, "left elbow", "left wrist", 0.5, colour=(10, 20, 30))
    assert ours is not None
    sent, own = found["occluder"], ours.to_dict()
    assert sent.keys() == own.keys() and sent["colour"] == [10, 20, 30]
    np.testing.assert_allclose(sent["points"], own["points"], atol=0.05)


def test_dependencies_and_heads_answer_what_the_library_finds(
    client: Client, person: Path, prediction: Any
) -> None:
    asked = {"photo": handle_file(person), "model": MODEL}
    found = client.predict(**asked, layer="encoder.2", head=1, api_name="/dependencies")
    ours = dependencies(prediction, "encoder.2", head=1)
    assert (found["layer"], found["head"], found["person"]) == ("encoder.2", 1, 0)
    shares = np.array(found["shares"], dtype=float)  # null is NaN
    np.testing.assert_allclose(shares, ours.shares, atol=1e-4)
    np.testing.assert_allclose(np.array(found["even_map"], dtype=float), ours.chance, atol=1e-4)

    told = client.predict(**asked, layer="encoder.3", api_name="/heads")
    worth = heads(prediction, layers=["encoder.3"])
    assert [(one["layer"], one["head"]) for one in told["heads"]] == [
        ("encoder.3", head) for head in range(4)
    ]
    falls = np.array([one["falls"] for one in told["heads"]], dtype=float)
    np.testing.assert_allclose(falls, worth.falls, atol=1e-4)
    assert told["trained"] is True


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
    assert "confidence" in said
    with Image.open(re.findall(r"^before and after are in (.+)$", said, re.MULTILINE)[0]) as p:
        assert p.format == "PNG"
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
