"""The zoo: names, entries, which weights are taken, and the model cards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import posekit
from app.shelf import Shelf
from posekit import zoo
from posekit.cards import model_card, parameter_count
from posekit.download import checksum_file
from posekit.errors import ModelError, WeightsError
from posekit.explain.evidence import evidence_of
from posekit.photo import Photo
from posekit.weights import RANDOM, WeightsFile, save_safetensors
from tests.file_server import serving

PUBLISHED = {  # parameters and AP on COCO val2017 with detected boxes, from the paper's tables
    "transpose-r-a3": (5_195_345, 71.7),
    "transpose-r-a4": (5_985_105, 72.6),
    "transpose-h-s": (8_019_281, 74.2),
    "transpose-h-a4": (17_306_129, 75.3),
    "transpose-h-a6": (17_455_697, 75.8),
}
SMALL = "transpose-r-small"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Checkpoints and downloads in empty folders."""
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def ship(places: Path, card: object = None) -> Path:
    """A checkpoint of the small model, all weights 0.25, as if it came with PoseKit."""
    module = zoo.entry(SMALL).build()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.25)
    path = save_safetensors(module, places / "checkpoints" / f"{SMALL}.safetensors")
    if card is not None:
        path.with_suffix(".json").write_text(card if isinstance(card, str) else json.dumps(card))
    return path


def test_every_model_of_the_paper_is_listed() -> None:
    assert {SMALL, *PUBLISHED} <= set(posekit.list_models())
    assert posekit.list_models("transpose-h*") == [
        "transpose-h-s",
        "transpose-h-a4",
        "transpose-h-a6",
    ]
    assert posekit.list_models("nothing*") == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_entries_hold_the_papers_numbers(name: str) -> None:
    entry = zoo.entry(name)
    parameters, ap = PUBLISHED[name]
    assert parameter_count(entry) == parameters
    assert entry.paper_figures["COCO val2017"]["AP"] == ap
    assert entry.input_size == (256, 192)
    assert (entry.skeleton.name, entry.skeleton.size) == ("coco17", 17)
    official = entry.weights_of("official")
    assert official.url is not None and official.url.endswith(f"/{official.path}")
    assert model_card(entry, official)["trained_on"] == "COCO train2017"
    assert official.url.startswith("https://github.com/yangsenius/TransPose/releases/download/Hub/")


@pytest.mark.parametrize("name", posekit.list_models(view="crop"))
def test_every_entry_fits_its_network(name: str) -> None:
    entry = zoo.entry(name)
    assert entry.find is None
    module = entry.build().eval()
    with torch.inference_mode(), posekit.record(module) as trace:
        heatmaps = module(torch.zeros(1, 3, 64, 64))  # any size will do, a small one is quick
    assert entry.name == name
    assert heatmaps.shape[1] == entry.skeleton.size
    assert module.config.input_size == entry.input_size
    kinds = {attention.kind for attention in trace.attentions.values()}
    assert kinds and kinds <= entry.levels.keys()


def test_an_unknown_model_is_refused_with_a_hint() -> None:
    with pytest.raises(ModelError, match=r"'transpose-r-a5'; did you mean transpose-r-a\d\?"):
        posekit.load("transpose-r-a5")
    with pytest.raises(ModelError, match=r"'resnet'; there are: transpose-r-small, "):
        zoo.entry("resnet")


def test_a_name_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_REGISTRY", dict(zoo._REGISTRY))
    make = zoo.register("a-new-model")(lambda: zoo.entry(SMALL))
    assert posekit.list_models("a-new*") == ["a-new-model"]
    with pytest.raises(ModelError, match="registered already"):
        zoo.register("a-new-model")(make)


def test_without_any_weights_a_model_is_random_and_says_so() -> None:
    model = posekit.load("transpose-r-a3", device="cpu")
    assert not model.trained and model.weights is RANDOM
    assert not model.module.training
    assert model.card["trained"] is False
    assert model.card["status"].startswith("Untrained: its weights are random")
    assert "posekit weights download transpose-r-a3" in model.card["status"]
    assert model.card["trained_on"] == "nothing"


def test_random_weights_are_the_same_every_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = posekit.load(SMALL, weights="random", device="cpu").module.state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = posekit.load(SMALL, weights="random", device="cpu").module.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("weights", ["auto", "shipped", "path"])
def test_shipped_weights_are_taken(places: Path, weights: str) -> None:
    path = ship(places, {"measured": {"500 photos": {"PCK@0.2": 12.5}}, "epochs": 7})
    model = posekit.load(SMALL, weights=path if weights == "path" else weights, device="cpu")
    assert model.trained
    assert model.weights.kind == ("file" if weights == "path" else "shipped")
    assert all(torch.all(p == 0.25) for p in model.module.parameters())
    assert all(p.dtype == torch.float32 for p in model.module.parameters())
    assert model.card["measured"] == {"500 photos": {"PCK@0.2": 12.5}}
    assert model.card["epochs"] == 7


def test_official_weights_are_fetched_when_asked_and_found_again(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = zoo.entry(SMALL)
    torch.save(entry.build().state_dict(), places / "official.pth")
    with serving((places / "official.pth").read_bytes()) as server:
        from dataclasses import replace

        file = WeightsFile("official", "small.pth", url=server.url)
        monkeypatch.setitem(zoo._REGISTRY, SMALL, lambda: replace(entry, weights=(file,)))
        assert not posekit.load(SMALL, device="cpu").trained  # auto never goes to the network
        assert server.asked == []
        assert posekit.load(SMALL, weights="official", device="cpu", progress=False).trained
    again = posekit.load(SMALL, device="cpu")
    assert again.trained and again.weights.kind == "official"
    assert again.weights.checked
    assert again.weights.local is not None
    checksum_file(again.weights.local).unlink()  # as if somebody had put the file there
    assert not again.weights.checked


def test_kinds_a_model_does_not_have_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"TransPose-R-A3 has no shipped weights"):
        posekit.load("transpose-r-a3", weights="shipped")
    with pytest.raises(WeightsError, match="is not there; it should be in"):
        posekit.load(SMALL, weights="shipped")


def test_another_models_file_is_refused(places: Path) -> None:
    with pytest.raises(WeightsError, match=r"not for TransPose-R-A3: they know 14 keypoints"):
        posekit.load("transpose-r-a3", weights=ship(places), device="cpu")


def test_the_checkpoints_card_cannot_change_what_the_zoo_knows(places: Path) -> None:
    ship(places, {"parameters": 1, "trained": False, "trained_on": "8,000 photos"})
    card = posekit.load(SMALL, device="cpu").card
    assert card["parameters"] == parameter_count(zoo.entry(SMALL))
    assert card["trained"] is True
    assert card["trained_on"] == "8,000 photos"


@pytest.mark.parametrize(("text", "words"), [("[1]", "not a JSON object"), ("{", "cannot be read")])
def test_a_damaged_card_is_named(places: Path, text: str, words: str) -> None:
    ship(places, text)
    with pytest.raises(WeightsError, match=rf"{SMALL}\.json.*{words}"):
        _ = posekit.load(SMALL, device="cpu").card


@pytest.mark.parametrize("name", posekit.list_models())
def test_every_card_is_plain_json(name: str) -> None:
    card = model_card(zoo.entry(name), RANDOM)
    assert json.loads(json.dumps(card)) == card


def test_the_shipped_checkpoint_loads_and_has_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSEKIT_CHECKPOINTS")
    file = zoo.entry(SMALL).weights_of("shipped")
    assert file.local is not None and file.present
    assert file.local.stat().st_size <= 16 * 2**20
    model = posekit.load(SMALL, device="cpu")
    assert model.trained
    assert model.card["measured"] and model.card["trained_on"]


def test_the_large_lsp_model_joins_the_page_with_its_weights(places: Path) -> None:
    """Untrained it would only clutter; a finished run, exported, needs no further line of code."""
    name = "transpose-r-a3-lsp"
    shelf = Shelf("cpu")
    assert zoo.entry(name).weights == () and name not in shelf.names()
    with pytest.raises(WeightsError, match="has no shipped weights"):
        posekit.load(name, weights="shipped")
    save_safetensors(zoo.entry(name).build(), places / "checkpoints" / f"{name}.safetensors")
    assert shelf.names()[0] == name
    assert posekit.load(name, device="cpu").trained
    assert zoo.entry(name).skeleton == zoo.entry(SMALL).skeleton


def test_importing_posekit_is_light() -> None:
    code = "import posekit, sys; print(sorted({'torch', 'cv2', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"load", "explain", "Estimator"} <= set(dir(posekit))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        posekit.lod  # type: ignore[attr-defined]  # noqa: B018


def test_a_crop_is_normalised_channel_by_channel() -> None:
    model = zoo.entry(SMALL)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (model.mean, model.std))
    torch.testing.assert_close(model.normalised(mean.expand(2, 3, 4, 5)), torch.zeros(2, 3, 4, 5))
    torch.testing.assert_close(model.normalised(mean + 2 * std), torch.full((1, 3, 1, 1), 2.0))


@pytest.mark.parametrize("name", posekit.list_models("*-small", view="photo"))
def test_models_of_whole_photos_find_people_by_themselves(name: str) -> None:
    entry = zoo.entry(name)
    assert entry.find is not None and name in posekit.list_models()
    assert name not in posekit.list_models(view="crop")
    model = posekit.load(name, weights="random", device="cpu")
    photo = Photo(np.zeros((40, 50, 3), np.uint8), "black")
    made = posekit.Estimator(model).predict(photo)
    assert made.trace is not None
    layers = [*made.trace.spatial, *evidence_of(made.trace)]
    assert {layer.kind for layer in layers} <= entry.levels.keys()
