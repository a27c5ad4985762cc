"""The manual keeps its word: links lead somewhere, commands exist, figures are the cards'."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import posekit
from posekit.cli import app
from posekit.download import sha256_of
from posekit.trace import record
from posekit.zoo import entry
from tests.manual import PAGES, ROOT, blocks, commands

SYSTEMS = {
    "transpose": "transpose-r-small",
    "btranspose": "btranspose-small",
    "instance-attention": "instance-attention-small",
    "ssa": "ssa-small",
    "querypose": "querypose-small",
}
OTHER_PROGRAMS = {"make", "git", "docker", "python", "pip", "export", "cp", "cd", "curl", "mkdir"}
LINK = re.compile(r'\[(?P<text>[^\]]*)\]\((?P<to>[^)\s"]+)(?: "(?P<title>[^"]*)")?\)')
TEXTS = {page: page.read_text("utf-8") for page in PAGES}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.finditer(prose(page)):
        if link["to"].startswith(("https://", "http://")):
            continue
        file, _, anchor = link["to"].partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link[0]
        assert target.is_relative_to(ROOT), link[0]
        if anchor:
            assert anchor in anchors(target), link[0]


def test_every_page_can_be_reached_from_the_index() -> None:
    seen, todo = set(), [ROOT / "docs" / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page not in TEXTS:
            continue
        seen.add(page)
        todo += [(page.parent / link["to"]).resolve() for link in LINK.finditer(prose(page))]
    assert set(PAGES) <= seen


def test_tables_that_a_command_wrote_are_of_the_weights_that_ship() -> None:
    """Which ones, `posekit benchmark` writes down: after training its tables are made anew."""
    pattern = re.compile(r"([a-z0-9-]+) \(sha256 ([0-9a-f]+)\)")
    said = {(page, *pair) for page, text in TEXTS.items() for pair in pattern.findall(text)}
    assert {model for page, model, _ in said if page.name == "faithfulness.md"}
    for page, model, digits in said:
        weights = entry(model).weights_of("shipped").local
        assert weights is not None and sha256_of(weights).startswith(digits), (page.name, model)


def test_every_picture_is_used_and_all_are_small() -> None:
    held = {*(ROOT / "docs" / "images").iterdir()}
    shown = {
        (page.parent / link["to"]).resolve()
        for page in PAGES
        for link in LINK.finditer(TEXTS[page])
        if "images/" in link["to"]
    }
    assert held == shown
    assert sum(picture.stat().st_size for picture in held) < 2.5e6


CALLS = [(page, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), CALLS, ids=[f"{name(p)}: {c}" for p, c in CALLS])
def test_every_command_and_option_exists(page: Path, command: str) -> None:
    words = shlex.split(command)
    while "=" in words[0]:  # HOST=0.0.0.0 make app
        words.pop(0)
    if words[0] != "posekit":
        assert words[0] in OTHER_PROGRAMS, command
        return
    # --help as the last word: everything before it is parsed, nothing is run.
    done = CliRunner().invoke(app, [*words[1:], "--help"])
    assert done.exit_code == 0, done.output
    asked = [word for word in words[1:3] if word.isalpha()]
    text = CliRunner().invoke(app, [*asked, "--help"], env={"COLUMNS": "200"}).output
    for option in (word.split("=")[0] for word in words if re.match("--?[a-z]", word)):
        assert option in text, option


FIGURES = [
    (page, link["text"], link["to"], link["title"])
    for page in PAGES
    for link in LINK.finditer(TEXTS[page])
    if "checkpoints/" in link["to"] and link["title"]
]


def test_there_are_figures_to_check() -> None:
    assert len(FIGURES) >= 11


@pytest.mark.parametrize(("page", "said", "card", "where"), FIGURES)
def test_a_figure_with_its_source_is_the_cards(
    page: Path, said: str, card: str, where: str
) -> None:
    found: Any = json.loads((page.parent / card).resolve().read_text("utf-8"))
    for key in where.split(" > "):
        found = found[key]
    assert abs(found - float(said)) <= 0.5 * 10 ** -len(said.partition(".")[2]) + 1e-9


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_page_says_what_ships(system: str) -> None:
    """When a checkpoint joins, its page has to say what it reaches, with the card as its source."""
    page = ROOT / "docs" / "systems" / f"{system}.md"
    section = re.search(r"^## Shipped checkpoint\n(.*?)^## ", TEXTS[page], re.DOTALL | re.MULTILINE)
    assert section is not None
    model = SYSTEMS[system]
    assert f"`{model}`" in section[1]
    ships = entry(model).weights_of("shipped").present
    sources = [one for one in LINK.finditer(section[1]) if one["title"]]
    assert ships == (f"checkpoints/{model}.json" in section[1]) == bool(sources)
    assert ships != ("no shipped weights" in section[1])
    table = re.search(rf"^\| `{model}` \|.*$", TEXTS[ROOT / "README.md"], re.MULTILINE)
    assert table is not None
    assert ("**trained, in this repository**" in table[0]) == ships


@cache
def recorded(model: str) -> set[str]:
    """What a model leaves in its trace, by name; of maps by keypoint the group."""
    held = posekit.load(model, weights="random", device="cpu")
    height, width = held.entry.input_size
    with torch.inference_mode(), record(held.module) as trace:
        held.module(torch.zeros(1, 3, height, width))
    return {*trace.attentions, *trace.tensors, *(one.group for one in trace.maps.values())}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_layers_a_page_names_are_in_the_trace(system: str) -> None:
    page = ROOT / "docs" / "systems" / f"{system}.md"
    rows = re.findall(r"^\|.*\| ([^|]*) \|$", prose(page), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z][a-z -]*\.[\dxy])`", row)}
    assert len(named) >= 1 and named <= recorded(SYSTEMS[system])


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_picture_of_a_page_is_drawn(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "systems" / f"{system}.md"
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, name(page), "exec"), {})
    drawn = list(tmp_path.glob("*.png"))
    if entry(SYSTEMS[system]).weights_of("shipped").present:
        assert len(drawn) == 1 and drawn[0].stat().st_size > 20_000


@pytest.mark.parametrize(("name", "least"), [("reading-attention", 20), ("knockout", 8)])
def test_what_a_page_says_of_the_shipped_model_is_so(
    name: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    page = ROOT / "docs" / f"{name}.md"
    sessions = "\n".join(text for language, text in blocks(page) if language == "python")
    test = doctest.DocTestParser().get_doctest(sessions, {}, page.name, str(page), 0)
    assert len(test.examples) > least
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append)
    assert result.failed == 0, "".join(said)
