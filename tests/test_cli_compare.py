"""``posekit compare`` as a user types it: the table, the files, and the one sentence."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import posekit
from posekit import zoo
from posekit.cli import app
from posekit.compare import compare
from posekit.weights import save_safetensors
from tests.tiny_models import noise_photo

SMALL = "transpose-r-small"
TWO = f"{SMALL},{SMALL}=random"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, and a checkpoint of the small model."""
    folder = tmp_path_factory.mktemp("compare")
    Image.fromarray(noise_photo(200, 150).pixels).save(folder / "holiday.png")
    model = zoo.entry(SMALL)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = model.build()  # other numbers than the random weights of the zoo
    save_safetensors(module, folder / "checkpoints" / f"{SMALL}.safetensors")
    return folder


@pytest.fixture
def posekit_(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs ``posekit compare holiday.png`` with further words, and checks the exit code."""
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(home / "checkpoints"))
    monkeypatch.setenv("POSEKIT_CACHE", str(home / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(home)
    torch.set_num_threads(1)

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["compare", "holiday.png", "--device", "cpu", *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_whose_pose_is_doubted_is_said(posekit_) -> None:
    done = posekit_("--models", TWO, "-k", "left wrist", "--json")
    trained, untrained = json.loads(done.stdout)["panels"]
    assert "of 14 keypoints have a confidence below 0.4, so" in trained["unsure"]
    assert untrained["unsure"] is None
    assert f"posekit: {trained['title']}: {trained['unsure']}\n" in done.stderr


def test_the_table(posekit_) -> None:
    done = posekit_("--models", TWO, "-k", "left wrist")
    title, head, first, second, even, gap, apart, *ranked = done.stdout.splitlines()
    assert title == "Left wrist looks at:"
    assert head.split()[:2] == ["MODEL", "LAYER"] and "INSIDE THE PHOTO" in head
    assert "DELETION" not in head
    assert first.startswith("TransPose-R-small (shipped weights)") and "encoder.3" in first
    assert second.startswith("TransPose-R-small (untrained)") and "1.2 M" in second
    assert even.endswith("nearly even: no place is looked at much more than another")
    assert gap == "" and apart.split() == ["KEYPOINT", "FARTHEST", "APART", "MAPS", "DIFFER", "BY"]
    assert len(ranked) == 14
    assert "Untrained" in done.stderr


def test_json_is_what_python_finds(posekit_, home: Path) -> None:
    words = ("--point", "70,90", "--box", "10,20,100,150", "--layer", "encoder.2", "--json")
    held = json.loads(posekit_("--models", TWO, *words, "--direction", "column").stdout)
    photo, boxes = posekit.read_photo(home / "holiday.png"), [posekit.Box(10, 20, 100, 150)]
    models = [posekit.load(SMALL, weights=kind, device="cpu") for kind in ("shipped", "random")]
    predictions = [posekit.Estimator(model).predict(photo, boxes) for model in models]
    found = compare(predictions, (70.0, 90.0), layer="encoder.2", direction="column")
    for panel, row in zip(held["panels"], found.table, strict=True):
        assert panel["figures"]["layer"] == "encoder.2"
        assert panel["figures"]["on_person"] == pytest.approx(row.on_person, rel=1e-4)
        assert panel["point"] == [70.0, 90.0]
    assert held["box"] == [10, 20, 100, 150]


def test_every_kind_of_file(posekit_, home: Path) -> None:
    for kind in ("png", "html", "json", "npz"):
        posekit_("--models", TWO, "-k", "neck", "--out", f"out.{kind}", "--no-photo")
    with Image.open(home / "out.png") as picture:
        assert json.loads(picture.text["PoseKit"])["keypoint"] == "neck"
    assert "the photo itself is left out" in (home / "out.html").read_text("utf-8")
    assert json.loads((home / "out.json").read_text("utf-8"))["asked"] == "neck"
    with np.load(io.BytesIO((home / "out.npz").read_bytes())) as held:
        assert held["density"].shape[0] == 2
    for path in home.glob("out.*"):
        assert b"holiday" not in path.read_bytes()


def test_another_method_and_faithfulness(posekit_) -> None:
    words = ("-k", "left wrist", "--method", "rollout", "--faithfulness", "--same-place", "--json")
    done = posekit_("--models", TWO, *words)
    held = json.loads(done.stdout)
    assert held["method"] == "rollout"
    assert held["panels"][0]["point"] == held["panels"][1]["point"]
    assert "Asked at the place where TransPose-R-small (shipped weights) puts" in done.stderr
    for panel in held["panels"]:
        figures, remarks = panel["figures"], " ".join(panel["remarks"])
        told = "nothing can be lost or regained" in remarks
        assert told == (figures["deletion"] is None or figures["insertion"] is None)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--models", SMALL, "-k", "neck"), 1, "takes 2 to 5 models, and 1 model was chosen"),
        (("--models", ",".join([SMALL] * 6), "-k", "neck"), 1, "6 models were chosen: leave some"),
        (("--models", f"{SMALL},transpose-r-smal", "-k", "neck"), 1, "did you mean"),
        (("--models", TWO, "-k", "tail"), 1, 'None of these models has a keypoint "tail"'),
        (("--models", TWO, "-k", "neck", "--method", "rolout"), 1, "did you mean 'rollout'"),
        (("--models", TWO, "-k", "neck", "--person", "1"), 1, "There is no person 1"),
        (("--models", TWO), 2, "--keypoint"),
        (("--models", TWO, "-k", "neck", "--point", "1,2"), 2, "--keypoint"),
        (("--models", TWO, "-k", "neck", "--out", "x.gif"), 2, "--out writes"),
        (("--models", TWO, "-k", "neck", "--out", "no/x.png"), 2, "does not exist"),
    ],
)
def test_refusals(posekit_, words: tuple[str, ...], code: int, sentence: str) -> None:
    done = posekit_(*words, code=code)
    assert sentence in done.stderr and done.stdout == ""
