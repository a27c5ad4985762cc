"""What the Models page and Explore's files are made of, without a browser."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from app.calls import spoken
from app.downloads import FORMATS
from app.explore import Explorer
from app.models import Models
from app.shelf import Shelf
from posekit import list_models
from posekit.zoo import entry

MODEL = "transpose-r-small"
LOOK = {"palette": "magma", "opacity": 0.8, "dim": 0.4, "keep": 1.0}


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(device="cpu", model=MODEL)


@pytest.fixture(scope="module")
def asked(explorer: Explorer) -> dict[str, Any]:
    """A question about a bundled photo, as the page sends it."""
    token = explorer.start({})["token"]
    example = explorer.examples[0].id
    view = explorer.analyse_example({"token": token, "model": MODEL, "example": example})
    return {"token": token, "view": view["id"], "person": 0, "keypoint": 6, "direction": "row"}


def test_every_model_has_a_card_that_says_what_it_has_learnt() -> None:
    shelf = Shelf("cpu")
    found = json.loads(json.dumps(Models(shelf).models({}), allow_nan=False))
    cards = {card["name"]: card for group in found["systems"] for card in group["models"]}
    assert set(cards) == {*list_models(), *list_models(view="backbone")}
    for name, card in cards.items():
        facts = dict(card["facts"])
        height, width = entry(name).input_size
        assert facts["Input"] == f"{width} × {height} px"
        assert facts["Has seen"] and facts["Parameters"].endswith("million")
        assert card["opens"] == (name in shelf.names())
        if card["state"]["kind"] == "download":
            assert card["state"]["command"] == f"posekit weights download {name}"
            assert "the authors’ weights: " in facts["Has seen"]
        wanted = {
            (data, figure, str(value))
            for data, figures in entry(name).paper_figures.items()
            for figure, value in figures.items()
        }
        shown = {
            (one["data"], figure, value)
            for one in card["paper_figures"]
            for figure, value, _ in one["figures"]
        }
        assert shown == wanted
        for one in (*card["paper_figures"], *card["our_figures"]):
            assert all(found["meanings"][figure] for figure, *_ in one["figures"])
    for group in found["systems"]:
        assert all(paper["label"].startswith("arXiv ") for paper in group["papers"])
        assert all(paper["url"].startswith("https://arxiv.org/abs/") for paper in group["papers"])


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_file_of_explore(explorer: Explorer, asked: dict[str, Any], kind: str) -> None:
    reply = explorer.download({**asked, **LOOK, "format": kind, "layer": "encoder.2"})
    data = base64.b64decode(reply["bytes"])
    assert reply["name"] == f"posekit-{MODEL}-right-wrist-row.{kind}"
    assert reply["type"] == FORMATS[kind]
    first = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!doctype html", "npz": b"PK"}
    assert data.startswith(first.get(kind, b"{"))
    if kind == "json":
        assert len(json.loads(data)["layers"][0]["heads"]) == 4
    if kind == "svg":
        assert ET.fromstring(data).tag.endswith("svg")
    if kind in ("svg", "html"):
        bare = explorer.download({**asked, **LOOK, "format": kind, "photo": False})
        assert len(bare["bytes"]) < len(reply["bytes"])


def test_a_method_can_be_taken_home_too(explorer: Explorer, asked: dict[str, Any]) -> None:
    question = {**asked, "method": "rollout"}
    explorer.methods.compute(question)
    for kind in ("svg", "html", "json"):
        reply = explorer.download({**question, **LOOK, "format": kind})
        assert reply["name"] == f"posekit-{MODEL}-right-wrist-rollout.{kind}"


def test_an_unknown_format_is_a_sentence(explorer: Explorer, asked: dict[str, Any]) -> None:
    reply = spoken(explorer.download)({**asked, **LOOK, "format": "exe"})
    assert reply["error"] == "There is no format 'exe': choose one of png, svg, html, json, npz."
