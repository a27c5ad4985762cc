"""The README keeps its word: its Python runs, its commands exist, its table is the zoo."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit.cards import parameter_count
from posekit.cli import app
from posekit.zoo import entry

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^posekit (.+?)(?: {2,}#.*)?$", README, flags=re.MULTILINE)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "README.md", "README.md", 0)
    assert len(test.examples) > 8
    said: list[str] = []
    failed, tried = doctest.DocTestRunner().run(test, out=said.append)
    assert (failed, tried) == (0, len(test.examples)), "".join(said)
    with Image.open(tmp_path / "left-shoulder.png") as picture:
        assert min(picture.size) > 200


def test_there_are_commands_to_check() -> None:
    assert {shlex.split(command)[0] for command in COMMANDS} == {
        "models",
        "predict",
        "explain",
        "batch",
        "live",
        "dependencies",
        "heads",
        "compare",
        "occlude",
        "cases",
        "people",
        "benchmark",
        "train",
        "evaluate",
        "difference",
        "weights",
        "serve",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_exists(command: str) -> None:
    words = shlex.split(command)
    # --help as the last word: everything before it is parsed, nothing is run.
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
    subcommand = [word for word in words[:2] if word.isalpha()]
    text = CliRunner().invoke(app, [*subcommand, "--help"], env={"COLUMNS": "200"}).output
    for option in (word for word in words if word.startswith("-")):
        assert option in text


def test_the_table_of_models_is_the_zoo() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| (\d+), .*? \| ([\d.]+) M \| .*? \| (.*?) \|$", README, re.M
    )
    assert [row[0] for row in rows] == posekit.list_models()
    for name, keypoints, parameters, ap in rows:
        model = entry(name)
        assert int(keypoints) == model.skeleton.size
        assert parameters == f"{parameter_count(model) / 1e6:.1f}"
        figures = model.paper_figures.get("COCO val2017")
        if figures:
            elsewhere = "" if model.figures_from == "in the paper" else f", {model.figures_from}"
            assert ap == f"{figures['AP']}{elsewhere}"
        else:  # the paper has none of our own models, and is not known where it may have others
            known = model.no_figures.startswith("The paper") and not model.paper_figures
            assert ap == ("not a model of the paper" if known else "not known here"), name


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", README):
        assert (ROOT / target).is_file(), target
