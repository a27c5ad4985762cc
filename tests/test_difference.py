"""Two measurements of the same photographs, compared; and ``posekit evaluate --rows``."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from posekit import zoo
from posekit.cli import app
from posekit.errors import DataError
from posekit.evaluation import Rows, difference
from posekit.weights import save_safetensors
from tests.test_evaluation import jpeg, write_lsp
from tests.test_intervals import pck_rows

RNG = np.random.default_rng(5)
RIGHT = RNG.integers(0, 10, 80).astype(float)


def test_a_measurement_does_not_differ_from_itself() -> None:
    rows = pck_rows(list(RIGHT), [10.0] * 80)
    (one,) = difference(rows, rows).values()
    assert (one.difference, one.interval) == (0.0, (0.0, 0.0))
    assert one.first == one.second == rows.figures["PCK@0.2"]


def test_what_is_hard_for_both_cancels() -> None:
    """One keypoint of ten more in every photograph: ten points, whichever photographs are drawn."""
    before, after = pck_rows(list(RIGHT), [10.0] * 80), pck_rows(list(RIGHT + 1), [10.0] * 80)
    low, high = before.intervals()["PCK@0.2"]
    assert high - low > 5
    (one,) = difference(before, after).values()
    assert (one.difference, one.interval) == (10.0, (10.0, 10.0))
    (back,) = difference(after, before).values()
    assert (back.difference, back.interval) == (-10.0, (-10.0, -10.0))


def test_the_order_of_rows_does_not_matter() -> None:
    before, after = pck_rows(list(RIGHT), [10.0] * 80), pck_rows(list(RIGHT[::-1]), [10.0] * 80)
    order = RNG.permutation(80)
    shuffled = Rows(
        after.metric,
        [after.photos[n] for n in order],
        [0] * 80,
        {name: values[order] for name, values in after.columns.items()},
    )
    assert difference(before, after) == difference(before, shuffled)


def test_the_standard_error_of_a_difference_is_that_of_the_differences() -> None:
    """A mean of paired differences d has the standard error std(d) / sqrt(n)."""
    n = 500
    before = RNG.integers(0, 2, n).astype(float)
    after = np.where(RNG.random(n) < 0.2, 1.0, before)
    (one,) = difference(
        pck_rows(list(before), [1.0] * n), pck_rows(list(after), [1.0] * n)
    ).values()
    assert one.interval is not None
    width = 100 * 2 * 1.96 * (after - before).std() / np.sqrt(n)
    assert one.interval[1] - one.interval[0] == pytest.approx(width, rel=0.08)


def test_measurements_that_are_not_of_the_same_are_refused(tmp_path: Path) -> None:
    rows = pck_rows([1, 2], [4, 4], ["a.jpg", "b.jpg"])
    other = Rows("PCKh@0.5", rows.photos, rows.people, rows.columns)
    with pytest.raises(DataError, match=r"the first is of PCK@0\.2 and the second of PCKh@0\.5"):
        difference(rows, other)
    more = pck_rows([1, 2, 3], [4, 4, 4], ["a.jpg", "b.jpg", "c.jpg"])
    with pytest.raises(DataError, match=r"the second has 1 that the first lacks, such as c\.jpg"):
        difference(rows, more)
    rows.save_csv(tmp_path / "one.csv")
    more.save_csv(tmp_path / "more.csv")
    with pytest.raises(DataError, match=r"more\.csv has 1 that one\.csv lacks, such as c\.jpg"):
        difference(tmp_path / "more.csv", str(tmp_path / "one.csv"))
    fewer = pck_rows([1, 2], [4, 3], ["a.jpg", "b.jpg"])
    with pytest.raises(DataError, match=r"of b\.jpg the first has 4 keypoints measured and the s"):
        difference(rows, fewer)


def test_people_answered_are_the_models_own() -> None:
    def found(matched: float, answered: float) -> Rows:
        values = {"people labelled": 3, "people matched": matched, "people answered": answered}
        values |= {"keypoints right": 0, "keypoints measured": 0}
        columns = {name: np.array([value, value], float) for name, value in values.items()}
        return Rows("people", ["a", "b"], [None, None], columns)

    result = difference(found(1, 2), found(3, 4))
    assert list(result) == ["person recall", "precision"]  # no keypoint, so no PCK
    assert result["person recall"].difference == 66.67
    assert result["precision"].interval == (25.0, 25.0)


def test_a_single_photograph_has_no_interval() -> None:
    (one,) = difference(pck_rows([1], [4]), pck_rows([2], [4])).values()
    assert (one.difference, one.interval) == (25.0, None)


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture
def posekit_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``posekit`` in a folder with three labelled photographs and two random checkpoints."""
    torch.set_num_threads(1)
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("transpose-r-small", "other")):
        torch.manual_seed(seed)
        save_safetensors(
            zoo.build(zoo.entry("transpose-r-small")), tmp_path / f"{name}.safetensors"
        )
    rng = np.random.default_rng(0)
    joints = np.concatenate([rng.uniform(5, 45, (3, 14, 2)), np.ones((3, 14, 1))], -1)
    joints[2, 8:10, 2] = 0  # the shoulders: no yardstick
    names = [f"im{n}.jpg" for n in range(3)]
    (tmp_path / "lsp").mkdir()
    write_lsp(tmp_path / "lsp", joints, names)
    for name in names:
        (tmp_path / "lsp" / name).write_bytes(jpeg((60, 50)))

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def lines_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


EVALUATE = ("evaluate", "transpose-r-small", "--device", "cpu", "--data", "lsp")


def test_rows_are_written_and_add_up(posekit_: Callable[..., Result]) -> None:
    text = posekit_(*EVALUATE, "--rows", "one.csv").stdout
    printed = re.match(r"PCK@0\.2 ([\d.]+) \(([\d.]+) to ([\d.]+)\) on 2 people", text)
    assert printed is not None and "95 % interval" in text.splitlines()[-1]
    lines = lines_of("one.csv")
    assert [line["photograph"] for line in lines] == ["im0.jpg", "im1.jpg", "im2.jpg"]
    right = sum(int(line["keypoints right"]) for line in lines)
    measured = [int(line["keypoints measured"]) for line in lines]
    assert measured == [14, 14, 0]
    assert round(100 * right / sum(measured), 2) == float(printed[1])
    score = json.loads(posekit_(*EVALUATE, "--json").stdout)
    low, high = score["intervals"]["PCK@0.2"]
    assert [f"{low:.1f}", f"{high:.1f}"] == [printed[2], printed[3]]
    assert not {"rows", "ranking"} & set(score) and score["mean"] == float(printed[1])


@pytest.mark.parametrize(
    ("words", "metric", "columns"),
    [
        (["--metric", "pckh"], "PCKh@0.5", ["person", "keypoints right", "keypoints measured"]),
        (["--metric", "oks"], "OKS", ["person", "people", "best OKS", "recall"]),
    ],
)
def test_each_metric_has_its_rows(
    posekit_: Callable[..., Result], words: list[str], metric: str, columns: list[str]
) -> None:
    if metric == "OKS":
        pytest.importorskip("pycocotools")
    posekit_(*EVALUATE, *words, "--rows", "one.csv")
    lines = lines_of("one.csv")
    assert {line["metric"] for line in lines} == {metric} and len(lines) == 3
    assert list(lines[0]) == ["metric", "photograph", *columns]


def test_two_files_are_compared(posekit_: Callable[..., Result]) -> None:
    posekit_(*EVALUATE, "--rows", "one.csv")
    posekit_(*EVALUATE, "--weights", "other.safetensors", "--rows", "other.csv")
    said = posekit_("difference", "other.csv", "one.csv").stdout.splitlines()
    assert said[0] == "one.csv minus other.csv, on 3 photographs:"
    assert said[1].split() == ["FIGURE", "A", "B", "B", "-", "A", "95", "%", "INTERVAL"]
    found = json.loads(posekit_("difference", "other.csv", "one.csv", "--json").stdout)
    assert (found["first"], found["second"], found["photographs"]) == ("other.csv", "one.csv", 3)
    one = found["figures"]["PCK@0.2"]
    assert one["difference"] == pytest.approx(one["second"] - one["first"], abs=0.006)
    assert one["interval"][0] <= one["difference"] <= one["interval"][1]
    same = json.loads(posekit_("difference", "one.csv", "one.csv", "--json").stdout)
    assert same["figures"]["PCK@0.2"]["interval"] == [0.0, 0.0]


def test_what_cannot_be_compared_or_written_is_one_sentence(
    posekit_: Callable[..., Result],
) -> None:
    posekit_(*EVALUATE, "--rows", "one.csv")
    posekit_(*EVALUATE, "--limit", "2", "--rows", "two.csv")
    refused = posekit_("difference", "one.csv", "two.csv", code=1)
    (line,) = refused.stderr.strip().splitlines()
    assert "one.csv has 1 that two.csv lacks, such as im2.jpg" in line and refused.stdout == ""
    refused = posekit_("difference", "one.csv", "absent.csv", code=1)
    assert "absent.csv cannot be read" in refused.stderr
    refused = posekit_(*EVALUATE, "--rows", "one.txt", code=2)
    assert "--rows writes .csv" in refused.stderr
    assert "does not exist" in posekit_(*EVALUATE, "--rows", "no/one.csv", code=2).stderr
