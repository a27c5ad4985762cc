"""What the Models page and Explore's files are made of, without a browser."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from app import payload
from app.calls import spoken
from app.downloads import FORMATS
from app.explore import Explorer
from app.models import Models
from app.shelf import Shelf
from posekit import list_models
from posekit.cli import app
from posekit.errors import WeightsError
from posekit.weights import RANDOM
from posekit.zoo import PoseModel, entry

CPU = torch.device("cpu")

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


@pytest.fixture(scope="module")
def page_cards() -> dict[str, Any]:
    """Every card of the page by the model's name, with what is said of its system."""
    systems = Models(Shelf("cpu")).models({})["systems"]
    return {
        card["name"]: {**card, "system": group["words"]}
        for group in systems
        for card in group["models"]
    }


def test_a_figure_says_where_it_stands(page_cards: dict[str, Any]) -> None:
    wanted = {
        "transpose-r-a3": "in the paper",
        "querypose-hrnet-w32": "in the authors' README, light model",
        "querypose-hrnet-w48": "in the authors' README, light model",
        "instance-attention-r50": "in the paper's abstract",
        "ssa-openpose-2017": "in the README of the first author's earlier code",
    }
    for name, words in wanted.items():
        assert page_cards[name]["figures_from"] == words and page_cards[name]["paper_figures"]
    table = CliRunner().invoke(app, ["models", "querypose-hrnet-*"], env={"COLUMNS": "300"}).output
    assert table.count("in the authors' README, light model") == 2 and "in the paper" not in table
    model = entry("querypose-hrnet-w32")
    told = payload.card(PoseModel(model, nn.Identity(), RANDOM, CPU))
    facts = dict(one[:2] for one in told["facts"])
    assert facts["In the authors' README, light model, COCO val2017"] == "AP 69.8"


def test_a_paper_that_nobody_read_is_not_said_to_give_no_figure(
    page_cards: dict[str, Any],
) -> None:
    for name, one in page_cards.items():
        if one["paper_figures"]:
            continue
        ours = name.endswith(("-small", "-lsp"))
        gives_none = one["no_figures"] == "The paper gives no figure for this model."
        assert gives_none == ours, name
        assert ours or "only the abstract was read" in one["no_figures"]
    assert "the authors' README has no figure" in page_cards["querypose-r50"]["no_figures"]


def test_weights_to_be_fetched_by_hand_are_a_state_of_their_own(
    page_cards: dict[str, Any],
) -> None:
    for name, one in page_cards.items():
        by_hand = one["state"]["kind"] == "by hand"
        assert by_hand == name.startswith("querypose-hrnet"), name
        if by_hand:
            assert one["state"]["command"] == f"posekit serve --weights {name}=FILE"
            assert "PoseKit cannot download" in one["state"]["words"]
            assert "No weights" not in one["closed"]
    assert page_cards["querypose-r50"]["closed"].startswith("No weights can be had for it")
    with pytest.raises(WeightsError, match="is read with --weights FILE"):
        entry("querypose-hrnet-w32").weights_of("official")
    with pytest.raises(WeightsError, match=r"has no official weights\.$"):
        entry("instance-attention-r50").weights_of("official")


def test_every_system_says_how_it_differs(page_cards: dict[str, Any]) -> None:
    said = {one["system"] for one in page_cards.values()}
    assert len(said) == 5 and all(re.fullmatch(r"Looks at [^.]+\.", words) for words in said)
    for name, one in page_cards.items():
        crop = "one person's crop" in one["system"]
        assert crop == (entry(name).view != "photo") and ("whole photo" in one["system"]) != crop
    told = json.loads(CliRunner().invoke(app, ["models", "ssa-*", "--json"]).output)
    assert {one["system_words"] for one in told} == {page_cards["ssa-small"]["system"]}
    assert "no place attends to another" in page_cards["ssa-small"]["system"]


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
