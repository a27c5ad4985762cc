"""Folders of one's own models: what is said of them, and what a broken one answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.manual import ROOT

WELL = """
from dataclasses import replace
from pathlib import Path
from posekit.weights import WeightsFile
from posekit.zoo import entry, register

@register("mine")
def mine():
    weights = WeightsFile("shipped", str(Path(__file__).with_name("mine.safetensors")), note="mine")
    return replace(entry("transpose-r-small"), name="mine", title="Mine", weights=(weights,))
"""


def run(folder: Path | str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line with a folder of one's own models."""
    env = {**os.environ, "POSEKIT_MODELS": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'."),
        ("def (\n", "SyntaxError: "),
        (WELL + "\nraise ValueError('torn\\nin two')\n", "ValueError: torn in two."),
        (WELL.replace("def mine():", "def mine():\n    raise KeyError"), "KeyError."),
        (WELL.replace('"mine")\ndef', '"ssa-small")\ndef'), "'ssa-small' is registered already."),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "torn_zoo.py").write_text(text, "utf-8")
    done = run(tmp_path, "-m", "posekit", "models")
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    start = "posekit: torn_zoo.py, in a folder of POSEKIT_MODELS, cannot be read: "
    assert line.startswith(start) and said in line and line.endswith(".")


def test_a_second_try_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "torn_zoo.py").write_text(WELL + "\nraise ValueError('torn')\n", "utf-8")
    code = (
        "import posekit\n"
        "for _ in range(2):\n"
        "    try: posekit.list_models()\n"
        "    except posekit.errors.ModelError as error: print(error)\n"
    )
    first, second = run(tmp_path, "-c", code).stdout.splitlines()
    assert first == second and first.endswith("ValueError: torn.")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "gone", "-m", "posekit", "models")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"posekit: POSEKIT_MODELS names {str(tmp_path / 'gone')!r}, and there is no such folder."
    )


def test_a_model_of_ones_own_was_not_trained_by_posekit(tmp_path: Path) -> None:
    (tmp_path / "mine_zoo.py").write_text(WELL, "utf-8")
    code = (
        "from posekit import zoo\n"
        "from posekit.catalogue import state_of\n"
        "for name in ('mine', 'transpose-r-small'):\n"
        "    model = zoo.entry(name)\n"
        "    print(state_of(model, model.weights[0])['words'])\n"
    )
    assert run(tmp_path, "-c", code).stdout.splitlines() == [
        "Trained; its weights are here.",
        "Trained by PoseKit; the weights are here.",
    ]
