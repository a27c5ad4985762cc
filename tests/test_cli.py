"""The command line as a user types it: results, files, exit codes and the one sentence."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import posekit
from posekit import zoo
from posekit.cli import app
from posekit.draw.legend import even_words
from posekit.weights import read_metadata, read_state_dict, save_safetensors
from tests.tiny_models import noise_photo

SMALL = "transpose-r-small"
KEYPOINTS = zoo.entry(SMALL).skeleton.keypoints


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, and a checkpoint of the small model in ``checkpoints``."""
    folder = tmp_path_factory.mktemp("cli")
    Image.fromarray(noise_photo(200, 150).pixels).save(folder / "photo.png")
    module = zoo.build(zoo.entry(SMALL))
    path = save_safetensors(module, folder / "checkpoints" / f"{SMALL}.safetensors")
    path.with_suffix(".json").write_text('{"measured": {"kept out": {"PCK@0.2": 71.5}}}')
    return folder


@pytest.fixture
def posekit_(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs ``posekit`` with the given words, inside ``home``, and checks the exit code."""
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(home / "checkpoints"))
    monkeypatch.setenv("POSEKIT_CACHE", str(home / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(home)
    torch.set_num_threads(1)

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def sentence(result: Result) -> str:
    """What a refusal said: one line on standard error, nothing on standard output."""
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("posekit: ") and line.endswith((".", "?"))
    return line.removeprefix("posekit: ")


def test_models_tells_what_is_trained(posekit_) -> None:
    lines = posekit_("models").stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "WEIGHTS", "HERE"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert list(rows) == [*posekit.list_models(), *posekit.list_models(view="backbone")]
    assert "shipped" in rows[SMALL] and "PCK@0.2 71.5 on kept out, measured by us" in rows[SMALL]
    assert "none: untrained" in rows["transpose-r-a3"] and "5.2 M" in rows["transpose-r-a3"]
    assert "AP 71.7 on COCO val2017, in the paper" in rows["transpose-r-a3"]


def test_a_file_that_no_download_left_is_not_called_the_authors(
    posekit_, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = zoo.entry("transpose-r-a3").weights_of("official").path
    assert name is not None
    (tmp_path / name).write_bytes(b"anything")
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    assert "official, not checked" in posekit_("models", "transpose-r-a3").stdout
    (line,) = [line for line in posekit_("weights", "list").stdout.splitlines() if name in line]
    assert "here, not checked" in line
    (tmp_path / f"{name}.sha256").write_text("0" * 64 + f"  {name}\n")
    assert "not checked" not in posekit_("models", "transpose-r-a3").stdout


def test_models_as_json_are_the_cards(posekit_) -> None:
    cards = json.loads(posekit_("models", "transpose-r-*", "--json").stdout)
    assert [card["name"] for card in cards] == posekit.list_models("transpose-r-*")
    trained = [card["name"] for card in cards if card["trained"]]
    assert trained[0] == SMALL and len(trained) < len(cards)  # the authors' are to be downloaded
    assert "No model matches 'x*'" in sentence(posekit_("models", "x*", code=1))


def test_what_models_cost_goes_into_the_cards_of_shipped_ones(posekit_, home: Path) -> None:
    path = home / "checkpoints" / f"{SMALL}.json"
    before = path.read_text()
    try:
        (row,) = posekit_("models", SMALL, "--cost").stdout.splitlines()[1:]
        assert re.search(r" 0\.75 +[\d.]+ a person ", row) and path.read_text() == before
        posekit_("models", SMALL, "--cost", "--card")
        card = json.loads(path.read_text())
    finally:
        path.write_text(before)
    name = "cost of one person, 144 x 192, CPU, 1 thread"
    assert list(card["measured"]) == ["kept out", name]
    assert card["measured"][name]["GMACs"] == 0.75
    how = card["measured_details"][name]["milliseconds a person"]
    assert how["command"] == f"posekit models {SMALL} --cost --card" and how["threads"] == 1
    assert "goes with --cost" in posekit_("models", SMALL, "--card", code=2).output


def test_predict_prints_every_keypoint(posekit_) -> None:
    lines = posekit_("predict", "photo.png", "--device", "cpu").stdout.splitlines()
    assert len(lines) == 1 + len(KEYPOINTS)
    for name, line in zip(KEYPOINTS, lines[1:], strict=True):
        assert re.fullmatch(rf"0 +{name} +-?[\d.]+ +-?[\d.]+ +-?[\d.]+", line)


def test_predict_writes_json_and_a_picture(posekit_, home: Path) -> None:
    boxes = ["--box", "10,20,60,120", "--box", "70,10,70.5,150"]
    done = posekit_("predict", "photo.png", *boxes, "--json", "--out", "pose.png", "--flip-test")
    result = json.loads(done.stdout)
    assert result["photo_size"] == [200, 150]
    assert result["trained"] is True and result["model"] == SMALL
    assert [person["box"] for person in result["people"]] == [
        [10, 20, 60, 120],
        [70, 10, 70.5, 150],
    ]
    for person in result["people"]:
        assert [k["name"] for k in person["keypoints"]] == list(KEYPOINTS)
    with Image.open(home / "pose.png") as picture:
        assert picture.size == (150, 200)


def test_predict_and_python_agree(posekit_, home: Path) -> None:
    done = json.loads(posekit_("predict", "photo.png", "--box", "10,20,60,120", "--json").stdout)
    model = posekit.load(SMALL, device="cpu")
    prediction = posekit.Estimator(model).predict(
        posekit.read_photo(home / "photo.png"), [posekit.Box(10, 20, 60, 120)], record=False
    )
    found = [[k["x"], k["y"]] for k in done["people"][0]["keypoints"]]
    np.testing.assert_allclose(found, prediction.people[0].keypoints, atol=1e-3)


def test_explain_prints_a_line_for_every_layer(posekit_) -> None:
    lines = posekit_("explain", "photo.png", "-k", "left wrist").stdout.splitlines()
    assert lines[0] == "Left wrist looks at:"
    assert [line.split()[0] for line in lines[2:5]] == ["encoder.1", "encoder.2", "encoder.3"]
    # Random weights: maps that show nothing.
    assert lines[5:] == [f"encoder.1 · encoder.2 · encoder.3: {even_words(1.0)}"]
    assert all("nats" in line and "px away" in line for line in lines[2:5])


def test_explain_as_json_is_python_s_answer(posekit_, home: Path) -> None:
    words = ["--point", "70.5,90", "--layer", "encoder.2", "--head", "1", "--direction", "column"]
    result = json.loads(posekit_("explain", "photo.png", *words, "--json").stdout)
    prediction = posekit.Estimator(posekit.load(SMALL, device="cpu")).predict(
        posekit.read_photo(home / "photo.png")
    )
    explanation = posekit.explain(
        prediction, (70.5, 90), layers=["encoder.2"], head=1, direction="column"
    )
    assert result["query_point"] == [70.5, 90.0]
    assert (result["direction"], result["head"]) == ("column", 1)
    (layer,) = result["layers"]
    assert layer["layer"] == "encoder.2" and layer["grid"] == [24, 18]
    assert layer["total"] == pytest.approx(explanation.maps[0].total, rel=1e-4)


def test_explain_writes_a_picture_or_the_raw_maps(posekit_, home: Path) -> None:
    posekit_("explain", "photo.png", "-k", "left wrist", "--out", "map.png")
    with Image.open(home / "map.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 200
        assert "left wrist" in picture.text["PoseKit"]  # type: ignore[attr-defined]
    posekit_("explain", "photo.png", "-k", "left wrist", "--out", "map.npz")
    with np.load(home / "map.npz") as arrays:
        assert arrays["weights"].shape == (3, 24, 18)
        np.testing.assert_allclose(arrays["weights"].sum((1, 2)), 1.0, atol=1e-4)


def test_random_weights_are_announced(posekit_) -> None:
    done = posekit_("predict", "photo.png", "--weights", "random", "--json")
    assert done.stderr.startswith("posekit: Untrained: its weights are random")
    assert json.loads(done.stdout)["trained"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "nothing.jpg"], "nothing.jpg"),
        (["predict", "checkpoints/transpose-r-small.json"], "not a"),
        (["predict", "photo.png", "-m", "transpose-r-smal"], "did you mean transpose-r-small"),
        (["predict", "photo.png", "--device", "tpu"], "There is no device 'tpu'"),
        (["predict", "photo.png", "--weights", "x.pth"], "There is no weights file 'x.pth'"),
        (["predict", "photo.png", "--weights", "photo.png"], "photo.png is not a checkpoint"),
        (["predict", "photo.png", "--box", "500,500,9,9"], "outside"),
        (["predict", "photo.png", "--box", "1,1,0,9"], "box"),
        (["explain", "photo.png", "-k", "left elbwo"], "no keypoint"),
        (["explain", "photo.png", "--point", "9000,9000"], "outside"),
        (["explain", "photo.png", "-k", "neck", "--head", "8"], "no head 8"),
        (["explain", "photo.png", "-k", "neck", "--layer", "encoder.9"], "no layer 'encoder.9'"),
        (["explain", "photo.png", "-k", "neck", "--person", "3"], "no person 3"),
        (["weights", "download", SMALL], "no official weights."),
        (["weights", "download", "querypose-hrnet-w32"], "is read with --weights FILE"),
        (["weights", "verify", "transpose-h-s"], "no weights of transpose-h-s on this machine"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_code_1(posekit_, words: list[str], said: str) -> None:
    assert said in sentence(posekit_(*words, code=1))


@pytest.mark.parametrize(
    "words",
    [
        ["predict"],
        ["predict", "photo.png", "--box", "1,2,3"],
        ["predict", "photo.png", "--box", "a,b,c,d"],
        ["predict", "photo.png", "--out", "pose.pdf"],
        ["predict", "photo.png", "--out", "no/such/folder/pose.png"],
        ["explain", "photo.png"],
        ["explain", "photo.png", "-k", "neck", "--point", "1,2"],
        ["explain", "photo.png", "--point", "1"],
        ["explain", "photo.png", "-k", "neck", "--direction", "up"],
        ["weights", "convert", "a.pth", "b.bin", "-m", SMALL],
        ["serve", "--port", "0"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_exit_code_2(posekit_, words: list[str]) -> None:
    assert posekit_(*words, code=2).stdout == ""


def test_an_output_that_cannot_be_written_is_one_sentence(posekit_, home: Path) -> None:
    (home / "taken.png").mkdir(exist_ok=True)
    done = posekit_("explain", "photo.png", "-k", "neck", "--out", "taken.png", code=1)
    assert sentence(done) == "'taken.png' cannot be written: Is a directory."


def test_weights_list_names_every_file(posekit_) -> None:
    files = json.loads(posekit_("weights", "list", "--json").stdout)
    with_files = {name for name in posekit.list_models() if zoo.entry(name).weights}
    assert {file["model"] for file in files} == with_files
    assert [file["model"] for file in files if file["present"]] == [SMALL]
    lines = posekit_("weights", "list").stdout.splitlines()
    assert len(lines) == 1 + len(files)


def test_weights_convert_and_verify(posekit_, home: Path) -> None:
    state = zoo.entry(SMALL).build().state_dict()
    torch.save(state, home / "trained.pth")
    done = posekit_("weights", "convert", "trained.pth", "trained.safetensors", "-m", SMALL)
    assert "trained.safetensors is ready" in done.stderr
    converted = read_state_dict(home / "trained.safetensors")
    assert all(torch.equal(state[name], converted[name]) for name in state)
    assert read_metadata(home / "trained.safetensors")["model"] == SMALL
    done = posekit_("weights", "verify", "trained.safetensors", "--model", SMALL)
    assert f"{len(state)} tensors, all finite, fit TransPose-R-small" in done.stdout
    posekit_("predict", "photo.png", "--weights", "trained.safetensors")
    refused = posekit_("weights", "verify", "trained.safetensors", "-m", "transpose-r-a3", code=1)
    assert "they know 14 keypoints" in sentence(refused)
    wrong = ["--sha256", "0" * 64]
    refused = posekit_("weights", "verify", "trained.safetensors", *wrong, code=1)
    assert "not what it should be" in sentence(refused)


def test_weights_verify_looks_at_the_shipped_file(posekit_) -> None:
    assert "fit TransPose-R-small" in posekit_("weights", "verify", SMALL).stdout


def test_serve_on_a_taken_port_is_one_sentence(posekit_) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = posekit_("serve", "--port", str(port), "--device", "cpu", code=1)
    assert f"cannot be served at 127.0.0.1:{port}" in sentence(done)


def test_the_program_starts_fast_and_stays_quiet(home: Path) -> None:
    """As a real process: --help without torch, and no traceback in what a refusal prints."""
    root = Path(posekit.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    code = (
        "import sys; from posekit.cli import app\n"
        "try: app(['--help'])\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0 and done.stderr.strip() == "False"
    assert all(name in done.stdout for name in ("models", "predict", "explain", "weights", "serve"))
    done = subprocess.run(
        [sys.executable, "-c", "from posekit.cli import app; app(['predict', 'no.jpg'])"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("posekit: ") and len(done.stderr.splitlines()) == 1


# --- methods ----------------------------------------------------------------------------------


def test_list_methods_needs_no_photo(posekit_) -> None:
    from posekit.explain import list_methods

    lines = posekit_("explain", "--list-methods").stdout.splitlines()
    assert lines[0].split()[:2] == ["METHOD", "COST"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert list(rows) == [method.name for method in list_methods()]
    assert "instant" in rows["rollout"] and "residual=0.5" in rows["rollout"]
    assert "many passes" in rows["rise"] and "random masks" in rows["rise"]
    listed = json.loads(posekit_("explain", "--list-methods", "--json").stdout)
    assert {one["name"] for one in listed} == set(rows)
    assert next(one for one in listed if one["name"] == "saliency")["cost"] == "gradients"


def test_a_method_prints_what_it_found(posekit_, home: Path) -> None:
    words = ["-k", "left wrist", "--method", "integrated-gradients", "--option", "steps=3"]
    lines = posekit_("explain", "photo.png", *words).stdout.splitlines()
    assert lines[0] == "Left wrist by Integrated gradients:"
    rows = dict(line.split("  ", 1) for line in lines[1:])
    assert rows["steps"].strip() == "3" and rows["baseline"].strip() == "mean"
    assert {"convergence delta", "inside the photo", "peak"} <= set(rows)
    result = json.loads(posekit_("explain", "photo.png", *words, "--json").stdout)
    prediction = posekit.Estimator(posekit.load(SMALL, device="cpu")).predict(
        posekit.read_photo(home / "photo.png")
    )
    heat = posekit.explain(prediction, "left wrist", method="integrated-gradients", steps=3)
    assert result["total"] == pytest.approx(heat.total, rel=1e-3, abs=1e-5)
    assert result["delta"] == pytest.approx(heat.delta, rel=1e-3, abs=1e-5)
    assert result["numbers"]["mass_in_box"] <= 1


def test_a_method_s_files(posekit_, home: Path) -> None:
    words = ["-k", "left wrist", "--method", "contribution", "--layer", "encoder.2", "--head", "1"]
    posekit_("explain", "photo.png", *words, "--out", "heat.png")
    with Image.open(home / "heat.png") as picture:
        assert picture.text["Method"] == "contribution"  # type: ignore[attr-defined]
    posekit_("explain", "photo.png", *words, "--out", "heat.npz")
    posekit_("explain", "photo.png", *words, "--out", "heat.json")
    written = json.loads((home / "heat.json").read_text())
    assert written["options"]["layer"] == "encoder.2" and written["options"]["head"] == 1
    with np.load(home / "heat.npz") as arrays:
        (one,) = written["maps"]
        np.testing.assert_allclose(one["values"], arrays["values"], atol=1e-6)
        np.testing.assert_allclose(one["grid_to_photo"], arrays["grid_to_photo"])
    posekit_("explain", "photo.png", "-k", "neck", "--out", "layers.json")
    layers = json.loads((home / "layers.json").read_text())
    assert len(layers["maps"]) == len(layers["layers"]) == 3
    assert np.sum(layers["maps"][0]["values"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("target", "said"), [("x", "x of neck"), ("confidence", "confidence of")])
def test_a_target_is_more_than_the_peak(posekit_, target: str, said: str) -> None:
    words = ["-k", "neck", "--method", "saliency", "--target", target, "--json"]
    result = json.loads(posekit_("explain", "photo.png", *words).stdout)
    assert result["query"].startswith(said)
    assert np.isfinite(result["query_point"]).all()  # the place of the keypoint all the same


def test_faithfulness_is_printed_and_written(
    posekit_, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posekit.explain.faithfulness import chance_of, faithfulness_of

    for function in (chance_of, faithfulness_of):  # fewer passes say as much here
        monkeypatch.setitem(function.__kwdefaults__, "steps", 2)
    monkeypatch.setitem(chance_of.__kwdefaults__, "maps", 1)
    words = ["-k", "neck", "--layer", "encoder.3", "--faithfulness", "--out", "trusted.png"]
    done = posekit_("explain", "photo.png", *words, "--json")
    trust = json.loads(done.stdout)["faithfulness"]["encoder.3"]
    assert trust["score"] == pytest.approx((trust["insertion"] + 1 - trust["deletion"]) / 2)
    with Image.open(home / "trusted.png") as picture:
        assert json.loads(picture.text["PoseKit"])["faithfulness"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "rize"], "did you mean 'rise'"),
        (["--method", "rise", "--option", "mask=3"], "did you mean masks"),
        (["--method", "rise", "--option", "masks=x"], "a whole number such as 1000"),
        (["--method", "rise", "--option", "masks=0"], "RISE"),
        (["--method", "rise", "--direction", "column"], "has no direction to choose"),
        (["--method", "rise", "--head", "1"], "has no head to choose"),
        (["--method", "rise", "--part", "content"], "has no part to choose"),
        (["--method", "contribution", "--layer", "a", "--layer", "b"], "takes one layer, not 2"),
        (["--method", "contribution", "--target", "x"], "cannot be divided"),
        (["--part", "content"], "its dot product is one piece"),
        (["--target", "y"], "'attention' answers for a keypoint or a point"),
        (["--method", "rollout", "--target", "x"], "followed from where a keypoint lies"),
        (["--method", "grad-cam", "--layer", "encoder.1"], "no module 'encoder.1'"),
    ],
)
def test_what_a_method_cannot_do_is_one_sentence(posekit_, words: list[str], said: str) -> None:
    assert said in sentence(posekit_("explain", "photo.png", "-k", "neck", *words, code=1))


def test_the_photo_is_never_written_over(posekit_, home: Path) -> None:
    before = (home / "photo.png").read_bytes()
    for words in (
        ["predict", "photo.png", "--out", "photo.png"],
        ["explain", "photo.png", "-k", "neck", "--out", "../" + home.name + "/photo.png"],
        ["heads", "photo.png", "--out", "photo.png"],
        ["occlude", "photo.png", "-k", "neck", "--limb", "head top", "--out", "photo.png"],
    ):
        assert "is the photo itself" in " ".join(posekit_(*words, code=2).stderr.split())
    assert (home / "photo.png").read_bytes() == before


def test_what_a_model_is_not_sure_of_is_said(posekit_) -> None:
    done = posekit_("predict", "photo.png", "--json")
    said = json.loads(done.stdout)["unsure"]
    assert "not sure of this pose: 14 of 14 keypoints" in said and said in done.stderr
    assert said in posekit_("explain", "photo.png", "-k", "neck").stderr
    two = posekit_("predict", "photo.png", "--box", "0,0,90,150", "--box", "90,0,90,150")
    assert "PERSON, FROM 0" in two.stdout
    assert "of the poses of persons 0 and 1 (counted from 0): of each" in two.stderr
    assert said in posekit_("occlude", "photo.png", "-k", "neck", "--rectangle", "5,5,60,60").stderr


def test_a_flow_says_that_it_is_one(posekit_) -> None:
    flow = posekit_("explain", "photo.png", "-k", "neck", "--method", "flow").stdout
    assert flow.startswith("Neck looks at, through this layer and all after it:\n")
    assert posekit_("explain", "photo.png", "-k", "neck").stdout.startswith("Neck looks at:\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rectangle", "5,5,60,60", "--share", "0.5"], "--share goes with --limb"),
        (["--rectangle", "5,5,60,60", "--grid", "2,2"], "--grid goes with --sweep grid"),
        (["--limb", "head top", "--steps", "4"], "--steps goes with --sweep limb"),
        (["--occluder", "x.json", "--colour", "grey"], "--colour goes with a rectangle or a limb"),
    ],
)
def test_options_of_occlude_that_would_change_nothing(posekit_, words, said: str) -> None:
    refused = posekit_("occlude", "photo.png", "-k", "neck", *words, code=2)
    assert said in " ".join(refused.stderr.split())


def test_a_point_has_no_coordinate_of_its_own(posekit_) -> None:
    words = ["--point", "60,90", "--method", "saliency", "--target", "x"]
    assert "needs a --keypoint" in sentence(posekit_("explain", "photo.png", *words, code=1))
