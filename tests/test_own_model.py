"""The page "Add your own model", followed word by word by somebody with an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.manual import ROOT, blocks

PAGE = ROOT / "docs" / "add-your-own-model.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies there after the page was followed."""
    here = tmp_path_factory.mktemp("own")
    env = {k: v for k, v in os.environ.items() if k not in ("POSEKIT_MODELS", "PWD")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.manual", str(PAGE)],
        cwd=here, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (here / "said.txt").write_text(done.stdout, "utf-8")
    return here


def test_the_list_says_what_the_page_says(folder: Path) -> None:
    listing = next(text for language, text in blocks(PAGE) if not language)
    said = [line.split() for line in (folder / "said.txt").read_text("utf-8").splitlines()]
    for line in listing.splitlines():
        assert line.split() in said


def test_the_saved_rows_sum_to_one_and_point_where_they_were_told(folder: Path) -> None:
    """Not by the page's own words, but by the file that the command line wrote."""
    with np.load(folder / "lamps-map.npz") as kept:
        weights = next(kept[name] for name in kept.files if kept[name].shape[-2:] == (12, 12))
    (row,) = weights.reshape(-1, 12, 12)
    assert row.sum() == pytest.approx(1, abs=1e-5)
    peak = np.array(np.unravel_index(row.argmax(), row.shape))
    # The green lamp at (130, 70) of a photo 192 pixels wide, in a crop a quarter wider: its cell.
    cell = np.floor((np.array([70, 130]) + 0.125 * 192) / 20).astype(int)
    assert tuple(cell - peak) == (0, 3)


def test_the_pictures_are_there(folder: Path) -> None:
    for name in ("lamps.png", "lamps-map.png", "lamps-rollout.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 150
    assert "Lamps" in (folder / "lamps.html").read_text("utf-8")


def test_this_process_knows_nothing_of_it() -> None:
    import posekit

    assert "lamps" not in posekit.list_models()
