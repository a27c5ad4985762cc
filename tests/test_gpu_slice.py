"""The script for a lent machine: slices go on from one another, and what they give back."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posekit.data.lsp import HELD_OUT, VALIDATION

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "training/gpu-slice.sh"
RECIPE = """
model = "transpose-r-small"
warm_up = 1
bf16 = false
[[stages]]
input_size = [32, 24]
steps = {steps}
batch = 2
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three photographs of each part; the others that it takes to have parts are missing."""
    folder = tmp_path / "lsp"
    folder.mkdir()
    names = [f"p{n}.jpg" for n in range(HELD_OUT + VALIDATION + 3)]
    order = sorted(names, key=lambda name: hashlib.sha1(name.encode()).hexdigest())
    rng = np.random.default_rng(0)
    for start in (0, HELD_OUT, HELD_OUT + VALIDATION):
        for name in order[start : start + 3]:
            Image.fromarray(rng.integers(0, 255, (90, 80, 3), dtype=np.uint8)).save(folder / name)
    joints = np.concatenate(
        [rng.uniform(5, 75, (len(names), 14, 2)), np.ones((len(names), 14, 1))], -1
    )
    np.savez(folder / "joints.npz", image=np.array(names), joints=joints)
    return folder


def run(*words: object) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


def test_slices_go_on_and_a_finished_run_is_measured(data: Path, tmp_path: Path) -> None:
    recipe, back = tmp_path / "short.toml", tmp_path / "back"
    weights, card = back / "transpose-r-small.safetensors", back / "transpose-r-small.json"
    recipe.write_text(RECIPE.format(steps=1))
    done = run(recipe, data, tmp_path / "run", back, 9, "--device", "cpu")
    assert done.returncode == 0 and "step 1 of 1" in done.stderr, done.stderr[-2000:]
    (figures,) = json.loads(card.read_text())["measured"].values()
    assert f"PCK@0.2 {figures['PCK@0.2']}" in done.stdout
    with (back / "short.csv").open() as log:
        assert [row["step"] for row in csv.DictReader(log)] == ["1"]
    weights.unlink()
    recipe.write_text(RECIPE.format(steps=3))
    more = run(recipe, data, tmp_path / "run", back, 1e-6, "--device", "cpu")
    assert more.returncode == 0 and "step 1 of 3" in more.stderr, more.stderr[-2000:]
    assert weights.is_file() and json.loads(card.read_text())["measured"] == {}


def test_wrong_words_are_answered_with_how_to_call_it(tmp_path: Path) -> None:
    answer = run("recipe.toml")
    assert answer.returncode == 2
    assert "training/gpu-slice.sh RECIPE DATA RUN BACK" in answer.stderr
    missing = run(tmp_path / "none.toml", tmp_path, tmp_path / "run", tmp_path / "back")
    assert missing.returncode == 1 and "There is no recipe at" in missing.stderr
