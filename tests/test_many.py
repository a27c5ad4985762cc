"""One question of many photographs, from Python and from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit.benchmark.cases import open_cases
from posekit.cli import app
from posekit.errors import DataError, SkeletonError
from posekit.explain import explain, numbers
from posekit.many import batch
from tests.tiny_models import noise_photo, tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photographs and one that is cut off."""
    made = tmp_path / "photos"
    made.mkdir()
    for name, size in (("a.png", (60, 80)), ("b.png", (90, 50))):
        Image.fromarray(noise_photo(*size).pixels).save(made / name)
    (made / "c.png").write_bytes((made / "a.png").read_bytes()[:200])
    return made


def test_rows_are_what_each_photo_alone_says(folder: Path) -> None:
    model, cases = tiny_model(), open_cases(folder)
    first, second = batch(model, cases, "left wrist", options={"layers": ["encoder.1"]})
    assert (first.name, second.name) == ("a.png", "b.png")
    assert "1 photograph is damaged (c.png)" in cases.problems.summary()
    alone = posekit.Estimator(model).predict(posekit.read_photo(folder / "b.png"))
    pose = {row["keypoint"]: row for row in second.poses}
    assert len(pose) == 17 and {row["person"] for row in second.poses} == {0}
    wrist = alone.skeleton.index("left wrist")
    assert pose["left wrist"]["x"] == pytest.approx(alone.people[0].keypoints[wrist, 0], abs=0.01)
    (row,) = second.numbers
    measured = numbers(explain(alone, "left wrist").layer("encoder.1"), alone)
    assert (row["layer"], row["asked"], row["method"]) == ("encoder.1", "left wrist", "attention")
    assert row["entropy_nats"] == pytest.approx(measured.entropy_nats, abs=1e-3)
    assert row["peak_distance_px"] == pytest.approx(measured.peak_distance_px, abs=0.01)
    assert row["score"] == pytest.approx(alone.people[0].scores[wrist], abs=1e-4)


def test_without_a_question_there_are_poses(folder: Path) -> None:
    found = list(batch(tiny_model(), folder, limit=1))
    assert [one.name for one in found] == ["a.png"]
    assert found[0].prediction.trace is None
    assert found[0].numbers == [] and len(found[0].poses) == 17


def test_who_cannot_be_asked_stops_nothing(folder: Path) -> None:
    found = list(batch(tiny_model(), folder, "nose", options={"layers": ["encoder.9"]}))
    assert len(found) == 2
    for one in found:
        assert one.findings == (None,) and "no layer 'encoder.9'" in str(one.refused[0])
    with pytest.raises(SkeletonError, match='no keypoint "tail"'):
        next(batch(tiny_model(), folder, "tail"))
    with pytest.raises(DataError, match="no folder of photographs"):
        next(batch(tiny_model(), folder / "nowhere", "nose"))


def test_the_command_fills_a_folder(folder: Path, tmp_path: Path) -> None:
    words = [
        "batch",
        str(folder),
        "-k",
        "left wrist",
        "--weights",
        "random",
        "--layer",
        "encoder.3",
    ]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out"), "--maps", "npz"])
    assert done.exit_code == 0, done.output
    assert "2 photographs, 28 keypoints, 2 maps of left wrist, 2 files" in done.stdout
    assert "1 photograph is damaged (c.png)" in done.stderr
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["a.npz", "b.npz", "numbers.csv", "poses.csv"]
    with (tmp_path / "out" / "numbers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == ["a.png", "b.png"]
    with np.load(tmp_path / "out" / "a.npz") as held:
        (weights,) = held["weights"]
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    share = -(weights[weights > 0] * np.log(weights[weights > 0])).sum()
    assert float(rows[0]["entropy_nats"]) == pytest.approx(share, abs=1e-3)
    plain = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out"), "--json"])
    assert len(json.loads(plain.stdout)["poses"]) == 28
