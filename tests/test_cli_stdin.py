"""A photo by standard input: the same answer as from a file, and one sentence where it is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from posekit import zoo
from posekit.cli import app
from posekit.weights import save_safetensors
from tests.tiny_models import noise_photo

SMALL = "transpose-r-small"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo in a folder with a checkpoint of the small model in ``checkpoints``."""
    folder = tmp_path_factory.mktemp("stdin")
    Image.fromarray(noise_photo(200, 150).pixels).save(folder / "photo.png")
    module = zoo.build(zoo.entry(SMALL))
    save_safetensors(module, folder / "checkpoints" / f"{SMALL}.safetensors")
    return folder / "photo.png"


@pytest.fixture(autouse=True)
def small_model(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, also those of other processes, find that checkpoint and run in a folder of ours."""
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(photo.parent / "checkpoints"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


def run(*words: str, sent: bytes | None = None, code: int = 0) -> Result:
    """A command, with what comes on its standard input."""
    done = CliRunner().invoke(app, list(words), input=sent)
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.mark.parametrize(
    "words",
    [
        ("predict",),
        ("explain", "-k", "left wrist"),
        ("live", "--out", "sent.html"),
        ("dependencies",),
        ("heads", "--layer", "encoder.3"),
        ("people", "--model", SMALL),
        ("compare", "-m", f"{SMALL},{SMALL}=random", "-k", "left wrist"),
        ("occlude", "-k", "left wrist", "--limb", "left elbow"),
    ],
    ids=lambda words: words[0],
)
def test_a_photo_may_come_by_standard_input(photo: Path, words: tuple[str, ...]) -> None:
    command, *options = words
    sent = run(command, "-", *options, "--json", sent=photo.read_bytes())
    read = run(command, str(photo), *options, "--json")
    one, other = (timeless(json.loads(done.stdout)) for done in (sent, read))
    assert one == other
    assert sent.stderr == read.stderr
    assert "- reads it from standard input" in " ".join(run(command, "--help").stdout.split())


def timeless(values: object) -> object:
    """Plain values without what was timed."""
    if isinstance(values, dict):
        timed = ("seconds", "predict_ms", "explain_ms")
        return {name: timeless(one) for name, one in values.items() if name not in timed}
    return [timeless(one) for one in values] if isinstance(values, list) else values


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "photo is empty."),
        (b"%PDF-1.7", "photo is a PDF document, which is not supported"),
        (b"\x89PNG\r\n\x1a\n and no more", "photo is"),
    ],
)
def test_what_is_no_photo_on_standard_input_is_one_sentence(sent: bytes, said: str) -> None:
    done = run("predict", "-", sent=sent, code=1)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"posekit: {said}") and done.stdout == ""


def test_standard_input_is_read_once(photo: Path) -> None:
    """A second ``-`` names a file, which is not there."""
    sent = photo.read_bytes()
    done = run("people", "-", "--model", SMALL, "--masks", "-", "--purity", sent=sent, code=1)
    assert "There is no picture file at -." in done.stderr
    run("predict", "-", "-", sent=sent, code=2)


@pytest.mark.skipif(sys.platform == "win32", reason="There are no pseudo-terminals.")
def test_a_terminal_and_a_closed_standard_input_are_told() -> None:
    import pty

    command = [sys.executable, "-m", "posekit", "predict", "-"]
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("posekit: - reads the photo from standard input, which is a term")
    assert done.stderr.count("\n") == 1
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    done = subprocess.run(closed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "which is closed here" in done.stderr


def test_a_pipe_gives_the_photo_to_a_command(photo: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "posekit", "predict", "-", "--json", "--out", "piped.png"]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["people"]
    (wanted,) = json.loads(run("predict", str(photo), "--json").stdout)["people"]
    assert found["box"] == wanted["box"]
    # Another process may have other threads, and so sums in another order.
    for one, same in zip(found["keypoints"], wanted["keypoints"], strict=True):
        assert one["name"] == same["name"]
        assert one["score"] == pytest.approx(same["score"], abs=1e-4)
        assert (one["x"], one["y"]) == pytest.approx((same["x"], same["y"]), abs=0.01)
    with Image.open(tmp_path / "piped.png") as picture:
        assert picture.size == (150, 200)
