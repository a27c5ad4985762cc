"""Which weights an answer is by: files of one name are trained anew, and one's own look alike."""

from __future__ import annotations

import hashlib
import io
import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit import draw, zoo
from posekit.cli import app
from posekit.compare import describe as describe_comparison
from posekit.compare import predict_alike
from posekit.estimator import Estimator
from posekit.geometry import Box
from posekit.occlusion import Rectangle, study
from posekit.occlusion import describe as describe_study
from posekit.report import Findings, html_report, plain_values
from posekit.weights import save_safetensors
from posekit.zoo import PoseModel
from tests.tiny_models import noise_photo

SMALL = "transpose-r-small"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints of one model, two of one name."""
    home = tmp_path_factory.mktemp("holiday-of-anna")
    for seed, name in enumerate(("v1.safetensors", "v2.safetensors", "old/v1.safetensors")):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = zoo.entry(SMALL).build()
        save_safetensors(module, home / name)
    return home


@pytest.fixture(scope="module")
def models(folder: Path) -> list[PoseModel]:
    names = ("v1.safetensors", "v2.safetensors", "old/v1.safetensors")
    return [posekit.load(SMALL, weights=folder / name, device="cpu") for name in names]


def digits(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def test_a_loaded_model_knows_its_weights_by_their_checksum(
    folder: Path, models: list[PoseModel]
) -> None:
    assert models[0].weights_sha256 == digits(folder / "v1.safetensors")
    assert len({model.weights_sha256 for model in models}) == 3
    assert models[1].origin == {
        "model": SMALL,
        "weights": "file",
        "weights_sha256": digits(folder / "v2.safetensors"),
        "trained": True,
    }
    assert posekit.load(SMALL, weights="random", device="cpu").weights_sha256 is None


def test_shipped_weights_trained_anew_are_told_apart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path))
    for name in ("v1.safetensors", "v2.safetensors"):
        (tmp_path / f"{SMALL}.safetensors").write_bytes((folder / name).read_bytes())
        model = posekit.load(SMALL, device="cpu")
        assert model.weights.kind == "shipped"
        assert model.weights_sha256 == digits(folder / name)


def test_every_file_about_an_answer_says_the_checksum(
    folder: Path, models: list[PoseModel]
) -> None:
    known = digits(folder / "v1.safetensors")
    estimator = Estimator(models[0])
    prediction = estimator.predict(noise_photo(90, 70))
    found = posekit.explain(prediction, "neck")
    values = plain_values(Findings(found))
    assert values["weights"] == "file" and values["weights_sha256"] == known
    buffer = io.BytesIO()
    draw.save_npz(found, buffer)
    with np.load(io.BytesIO(buffer.getvalue())) as kept:
        assert json.loads(str(kept["metadata"]))["weights_sha256"] == known
    page = html_report(Findings(found))
    text = unescape(re.sub(r"<[^>]*>", " ", page))
    assert f"v1.safetensors, SHA-256 {known}…" in text
    assert "weights='v1.safetensors'" in text and "--weights v1.safetensors" in text
    assert folder.name not in page
    done = study(estimator, prediction.photo, Rectangle(Box(5, 5, 20, 20), "grey"), keypoint="neck")
    assert describe_study(done)["weights_sha256"] == known


def test_a_comparison_names_ones_own_weights_by_their_files(
    folder: Path, models: list[PoseModel]
) -> None:
    found = posekit.compare(predict_alike(models[:2], noise_photo(90, 70)), "neck")
    title = zoo.entry(SMALL).title
    assert [panel.title for panel in found.panels] == [
        f"{title} (v1.safetensors)",
        f"{title} (v2.safetensors)",
    ]
    panels = describe_comparison(found)["panels"]
    assert [panel["weights_sha256"] for panel in panels] == [
        digits(folder / name) for name in ("v1.safetensors", "v2.safetensors")
    ]
    buffer = io.BytesIO()
    found.save_html(buffer)
    page = buffer.getvalue().decode()
    assert folder.name not in page
    for name in ("v1.safetensors", "v2.safetensors"):
        assert f"{name}, SHA-256 {digits(folder / name)}…" in page


def test_files_of_one_name_are_told_apart_by_their_checksums(
    folder: Path, models: list[PoseModel]
) -> None:
    found = posekit.compare(predict_alike([models[0], models[2]], noise_photo(90, 70)), "neck")
    names = ("v1.safetensors", "old/v1.safetensors")
    assert [panel.title for panel in found.panels] == [
        f"{zoo.entry(SMALL).title} (v1.safetensors, {digits(folder / name)})" for name in names
    ]
    assert all(folder.name not in panel.title for panel in found.panels)


def test_predict_says_it_too(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(noise_photo(90, 70).pixels).save(tmp_path / "photo.png")
    path = folder / "v2.safetensors"
    words = ["predict", str(tmp_path / "photo.png"), "--weights", str(path), "--json"]
    done = CliRunner().invoke(app, words)
    said = json.loads(done.stdout)
    assert said["weights"] == "file" and said["weights_sha256"] == digits(path)
    assert folder.name not in done.stdout
