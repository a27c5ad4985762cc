"""The Space and the container: their settings fit the repository, and what they copy is enough."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from tests.manual import ROOT, commands

PAGE = ROOT / "docs" / "spaces.md"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
FRONT = [
    {
        key: value.strip().strip('"')
        for key, value in re.findall(r"^(\w+):(.*)$", text, re.MULTILINE)
    }
    for text in re.findall(r"```yaml\n---\n(.*?)---\n```", PAGE.read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("front", FRONT, ids=lambda front: front["sdk"])
def test_the_settings_are_ones_that_spaces_take(front: dict[str, str]) -> None:
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert len(front["short_description"]) <= 60
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert front["license"] == project["license"].lower()
    if front["sdk"] == "gradio":
        assert (ROOT / front["app_file"]).is_file()
        assert f"gradio=={front['sdk_version']}\n" in (ROOT / "requirements.txt").read_text("utf-8")
        least = tuple(map(int, re.findall(r"\d+", project["requires-python"])))
        assert tuple(map(int, front["python_version"].split("."))) >= least
    else:
        assert f"EXPOSE {front['app_port']}" in (ROOT / "Dockerfile").read_text("utf-8")


def copied_to_space() -> list[str]:
    (copy,) = (one for one in commands(PAGE) if one.startswith("cp "))
    return [word for word in copy.split()[1:-1] if not word.startswith("-")]


def copied_to_container() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert lines[0] == "*"
    return [line[1:] for line in lines if line.startswith("!")]


def started(folder: Path, command: list[str]) -> tuple[subprocess.Popen[str], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("POSEKIT_", "PYTHONPATH"))}
    where = ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *command, *where],
        cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return process, port


def test_what_is_copied_serves_the_page(tmp_path: Path) -> None:
    """Both copies, in clean folders, by the commands that start them there."""
    run = re.search(r'^CMD \["python", (.*?), "--host"', (ROOT / "Dockerfile").read_text(), re.M)
    assert run is not None
    plans = {
        "space": (copied_to_space(), [next(f["app_file"] for f in FRONT if "app_file" in f)]),
        "container": (copied_to_container(), re.findall(r'"(.*?)"', run[1])),
    }
    processes = []
    for name, (files, command) in plans.items():
        (tmp_path / name).mkdir()
        for file in files:
            source, target = ROOT / file, tmp_path / name / file
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        processes.append((name, *started(tmp_path / name, command)))
    try:
        for name, process, port in processes:
            for _ in range(600):
                assert process.poll() is None, process.stdout and process.stdout.read()
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
                        assert "PoseKit" in reply.read().decode()
                        break
                except OSError:
                    time.sleep(0.2)
            else:
                raise AssertionError(f"{name} did not answer")
            # It is the copy that runs, not the installed package.
            opened = Path(f"/proc/{process.pid}/cwd")
            if opened.exists():
                assert opened.resolve() == (tmp_path / name).resolve()
    finally:
        for _, process, _ in processes:
            process.terminate()
            process.wait(timeout=20)
