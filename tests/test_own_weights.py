"""Weights of one's own on the page, beside the model they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import posekit
from app.shelf import Shelf
from posekit import zoo
from posekit.cli import app
from posekit.errors import ModelError, WeightsError
from posekit.own_weights import add_weights

SMALL = "transpose-r-small"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """The zoo without what a test adds."""
    posekit.list_models()
    before = dict(zoo._REGISTRY)
    yield
    zoo._REGISTRY.clear()
    zoo._REGISTRY.update(before)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The shipped weights, a little changed."""
    shipped = posekit.load(SMALL).weights.local
    assert shipped is not None
    state = {name: tensor.float() * 1.25 for name, tensor in load_file(shipped).items()}
    path = tmp_path / "Run 7, mine.safetensors"
    save_file(state, path)
    return path


def test_they_are_a_model_like_any_other(mine: Path) -> None:
    name = add_weights(SMALL, mine)
    assert name == f"{SMALL}-run-7-mine" and name in posekit.list_models()
    model, shipped = posekit.load(name), posekit.load(SMALL)
    assert model.entry.title == "TransPose-R-small (Run 7, mine.safetensors)"
    assert model.trained and model.weights.kind == "file"
    assert model.weights_sha256 != shipped.weights_sha256
    for key, tensor in model.module.state_dict().items():
        held = shipped.module.state_dict()[key]
        if tensor.is_floating_point() and "running" not in key:
            torch.testing.assert_close(tensor, held * 1.25, rtol=2e-3, atol=1e-6)
    assert model.entry.unsure is None and shipped.entry.unsure is not None


def test_the_page_offers_them_with_those_that_have_weights(mine: Path) -> None:
    name, shelf = add_weights(SMALL, mine), Shelf("cpu")
    names = shelf.names()
    assert shelf.has_weights(name) and "untrained" not in shelf.label(name)
    assert all(shelf.has_weights(one) for one in names[: names.index(name)])


def test_what_cannot_be_is_refused_at_once(mine: Path, tmp_path: Path) -> None:
    add_weights(SMALL, mine)
    with pytest.raises(ModelError, match="another name"):
        add_weights(SMALL, mine)
    with pytest.raises(WeightsError):
        add_weights("transpose-r-a3", mine)
    with pytest.raises(WeightsError, match="no weights file"):
        add_weights(SMALL, tmp_path / "none.pth")
    with pytest.raises(ModelError, match="no model"):
        add_weights("transpose-r-b9", mine)


def test_serve_takes_them(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, object] = {}
    monkeypatch.setattr("app.server.serve", lambda host, port, **options: served.update(options))
    done = CliRunner().invoke(app, ["serve", "--weights", f"{SMALL}={mine}"])
    assert done.exit_code == 0, done.output
    assert served["model"] == f"{SMALL}-run-7-mine"
    wrong = CliRunner().invoke(app, ["serve", "--weights", str(mine)])
    assert wrong.exit_code == 2 and "MODEL=FILE" in wrong.output
