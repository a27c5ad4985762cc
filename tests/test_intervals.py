"""Intervals by bootstrap over photographs, and the rows that figures add up from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posekit.bootstrap import ends, interval, photo_draws
from posekit.errors import DataError
from posekit.evaluation import PersonTruth, Rows, ScoredPose, oks, pck
from posekit.evaluation.rows import ratios_of
from posekit.evaluation.sets import FoundSet, TrueSet, set_score
from posekit.geometry import Box
from posekit.skeleton import COCO17, LSP14


def pck_rows(right: list[float], measured: list[float], photos: list[str] | None = None) -> Rows:
    names = photos or [f"{n}.jpg" for n in range(len(right))]
    columns = {"keypoints right": np.array(right), "keypoints measured": np.array(measured)}
    return Rows("PCK@0.2", names, [0] * len(names), columns)


def test_draws_are_as_many_photographs_as_there_are_and_always_the_same() -> None:
    for photos in (1, 7, 3000):  # the last in pieces
        draws = np.concatenate(list(photo_draws(photos)))
        assert draws.shape == (2000, photos) and (draws.sum(1) == photos).all()
        np.testing.assert_array_equal(draws, np.concatenate(list(photo_draws(photos))))
    whole = np.random.default_rng(0).multinomial(3000, np.full(3000, 1 / 3000), size=2000)
    np.testing.assert_array_equal(draws, whole)  # however many pieces


def test_the_ends_hold_95_per_cent_of_each_figures_draws() -> None:
    values = np.stack([np.arange(1001.0), -np.arange(1001.0)], axis=1)
    values[:, 1] /= 1000
    np.testing.assert_allclose(ends(values), [[25, -0.975], [975, -0.025]])
    values[::2, 0] = np.nan  # draws that hold nothing are passed over: 1, 3, ..., 999 are left
    np.testing.assert_allclose(ends(values)[:, 0], [25.95, 974.05])
    assert interval(values[:, 1]) == (-97.5, -2.5)


def test_photographs_that_are_all_alike_leave_no_doubt() -> None:
    rows = pck_rows([3, 6, 9], [4, 8, 12])
    assert rows.figures == {"PCK@0.2": 75.0}
    assert rows.intervals() == {"PCK@0.2": (75.0, 75.0)}


def test_the_standard_error_of_a_mean_is_the_binomial_one() -> None:
    n, share = 400, 0.3
    rows = pck_rows([1.0] * int(n * share) + [0.0] * int(n * (1 - share)), [1.0] * n)
    expected = np.sqrt(share * (1 - share) / n)
    drawn = rows.drawn()["PCK@0.2"]
    # The standard error of a standard deviation of 2,000 draws is 1.6 %.
    assert drawn.std() == pytest.approx(expected, rel=0.06)
    assert drawn.mean() == pytest.approx(share, abs=4 * expected / np.sqrt(2000))
    low, high = rows.intervals()["PCK@0.2"]
    assert high - low == pytest.approx(100 * 2 * 1.96 * expected, rel=0.08)


def test_the_photograph_is_drawn_not_the_keypoint_nor_the_person() -> None:
    """Ten people who stand or fall together say no more than one of them."""
    photos = [f"{n}.jpg" for n in range(60)]
    right = [float(n % 3 == 0) for n in range(60)]
    one = pck_rows(right, [1.0] * 60, photos)
    keypoints = pck_rows([14 * r for r in right], [14.0] * 60, photos)
    people = pck_rows(right * 10, [1.0] * 600, photos * 10)
    assert one.intervals() == keypoints.intervals() == people.intervals()


def test_one_photograph_has_no_interval_and_nothing_measured_no_figure() -> None:
    assert pck_rows([3, 2], [4, 4], ["a", "a"]).intervals() == {}
    nothing = pck_rows([0, 0], [0, 0])
    assert (nothing.figures, nothing.intervals()) == ({}, {})
    assert interval(np.full(5, np.nan)) is None
    # Draws that miss the only photograph with anything measured are passed over.
    assert pck_rows([1, 0], [2, 0]).intervals() == {"PCK@0.2": (50.0, 50.0)}


def test_rows_of_pck_add_up_to_it() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 100, (9, 14, 2))
    labelled = rng.random((9, 14)) > 0.2
    labelled[:8, [LSP14.index("left shoulder"), LSP14.index("right hip")]] = True
    labelled[8, LSP14.index("right hip")] = False  # no yardstick
    photos = ["a", "a", "b", "c", "c", "c", "d", "e", "f"]
    score = pck(truth + rng.normal(0, 10, truth.shape), truth, labelled, photos=photos)
    rows = score.rows
    assert rows is not None and rows.figures == {"PCK@0.2": score.mean}
    assert rows.columns["keypoints measured"].sum() == score.keypoints
    assert rows.columns["keypoints measured"][8] == 0
    assert list(rows.people) == [0, 1, 0, 0, 1, 2, 0, 0, 0]
    low, high = score.intervals()["PCK@0.2"]
    assert low < score.mean < high


def people_and_poses(seed: int) -> tuple[list[list[PersonTruth]], list[list[ScoredPose]]]:
    """Photographs with nobody to five people, some ignored; poses off by more or less."""
    rng = np.random.default_rng(seed)
    truth: list[list[PersonTruth]] = []
    found: list[list[ScoredPose]] = []
    for number in range(12):
        truth.append([])
        found.append([])
        for n in range(number % 5):
            points = rng.uniform(0, 80, (17, 2)) + np.array([400 * n, 0])
            known = rng.random(17) > 0.3
            box = Box(400 * n, 0, 80, 80)
            truth[-1].append(PersonTruth(points, known, box, 3000.0, ignore=rng.random() < 0.2))
            if rng.random() < 0.8:
                off = points + rng.normal(0, rng.uniform(1, 9), points.shape)
                found[-1].append(ScoredPose(off, float(rng.random())))
        if rng.random() < 0.5:
            found[-1].append(ScoredPose(rng.uniform(0, 80, (17, 2)), float(rng.random())))
    return truth, found


def test_rows_of_oks_add_up_to_the_recall() -> None:
    pytest.importorskip("pycocotools")
    truth, found = people_and_poses(0)
    score = oks(truth, found, COCO17)
    rows = score.rows
    assert rows is not None and rows.figures["AR"] == score.AR > 0
    assert rows.columns["people"].sum() == score.people
    assert len(rows.unique_photos) == score.photos  # those without anybody have a row, too
    found_any = rows.columns["recall"] > 0
    assert (rows.columns["best OKS"][found_any] >= 0.5).all()
    perfect = [[ScoredPose(one.keypoints, 1.0) for one in people] for people in truth]
    best = oks(truth, perfect, COCO17)
    assert best.rows is not None and best.rows.figures == {"AR": 100.0, "mean OKS": 100.0}
    assert best.intervals() == dict.fromkeys(("OKS AP", "AP50", "AP75", "AR"), (100.0, 100.0))


@pytest.mark.parametrize("seed", range(4))
def test_ap_drawn_anew_is_that_of_pycocotools_on_the_photographs_drawn(seed: int) -> None:
    pytest.importorskip("pycocotools")
    truth, found = people_and_poses(seed)
    score = oks(truth, found, COCO17)
    assert score.ranking is not None
    every = score.ranking.average_precision(np.ones((1, len(truth))))
    assert 100 * every.mean() == pytest.approx(score.AP, abs=0.006)
    draws = next(photo_draws(len(truth), seed))[:5]
    for counts, shares in zip(draws, score.ranking.average_precision(draws), strict=True):
        again = [n for n, times in enumerate(counts) for _ in range(int(times))]
        drawn = oks([truth[n] for n in again], [found[n] for n in again], COCO17)
        expected = (drawn.AP, drawn.AP50, drawn.AP75)
        ours = 100 * np.array([shares.mean(), shares[0], shares[5]])
        np.testing.assert_allclose(ours, expected, atol=0.006)
    for name, (low, high) in score.intervals().items():
        assert low <= score.figures[name] <= high, name


def test_rows_of_people_add_up_to_the_figures() -> None:
    rng = np.random.default_rng(1)
    found, truth = [], []
    for number in range(10):
        points = (
            rng.uniform(0, 60, (number % 4, 14, 2)) + 100 * np.arange(number % 4)[:, None, None]
        )
        where = np.concatenate([points.min(1), points.max(1)], axis=1).reshape(-1, 4)
        truth.append(TrueSet(where, points, np.ones(points.shape[:2], bool), np.empty((0, 4))))
        seen = np.concatenate([where[:2], [[900.0, 900, 950, 950]]])
        poses = np.concatenate([points[:2] + 3, np.zeros((1, 14, 2))])
        found.append(FoundSet(seen, poses, rng.random(len(seen))))
    score = set_score(found, truth, LSP14)
    assert score.rows is not None and score.pck is not None
    assert score.rows.figures == {
        "person recall": score.recall,
        "precision": score.precision,
        "PCK@0.2": score.pck.mean,
    }
    assert score.rows.columns["keypoints measured"].sum() == score.keypoints
    ends = score.intervals()
    peopled = [str(n) for n in range(10) if n % 4]
    assert score.pck.rows is not None and score.pck.rows.unique_photos == peopled
    assert list(ends) == ["person recall", "precision", "PCK@0.2", "box AP50"]
    for name, value in {**score.rows.figures, "box AP50": score.box_ap50}.items():
        low, high = ends[name]
        assert low < value < high, name


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    """Whatever a photograph is called; a row of a photograph of nobody has no number."""
    columns = {"people": [1, 1, 0], "best OKS": [0.9123, 0, 0], "recall": [0.7, 0, 0]}
    rows = Rows(
        "OKS",
        ['a, "b".jpg', "Füße.jpg", "7"],
        [0, 3, None],
        {name: np.array(values, float) for name, values in columns.items()},
    )
    rows.save_csv(tmp_path / "rows.csv")
    back = Rows.read_csv(tmp_path / "rows.csv")
    assert (back.metric, back.photos, back.people) == (rows.metric, rows.photos, rows.people)
    assert back.figures == rows.figures and back.intervals() == rows.intervals()
    for name, values in rows.columns.items():
        np.testing.assert_array_equal(back.columns[name], values)


HEAD = "metric,photograph,person,keypoints right,keypoints measured\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no rows"),
        (HEAD, "holds no rows"),
        ("a,b\n1,2\n", "holds no rows"),
        (f"{HEAD}PCK@0.2,a,0,1,2\nPCKh@0.5,a,0,1,2\n", "several metrics"),
        (f"{HEAD}speed,a,0,1,2\n", "no rows of the metric 'speed'"),
        ("metric,photograph,keypoints right\nPCK@0.2,a,1\n", "lacks the column 'keypoints meas"),
        (f"{HEAD}PCK@0.2,a,0,one,2\n", "no number"),
        (f"{HEAD}PCK@0.2,a,0,1\n", "no number"),
        (f"{HEAD}PCK@0.2,a,0,nan,2\n", "not 0 or more"),
        (f"{HEAD}PCK@0.2,a,0,-1,2\n", "not 0 or more"),
        (f"{HEAD}PCK@0.2,a,1,1,2\nPCK@0.2,a,1,1,2\n", "a row twice: a, person 1"),
        (b"\xff\xfe\x00", "is not a CSV file"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError, match=said):
        Rows.read_csv(path)
    with pytest.raises(DataError, match="cannot be read"):
        Rows.read_csv(tmp_path / "absent.csv")


def test_metrics_name_their_columns() -> None:
    assert list(ratios_of("PCK@0.05")) == ["PCK@0.05"]
    assert list(ratios_of("close-ups below the waist")) == ["PCKh@0.5", "drawn beyond the photo"]
    for metric in ("purity", "", "PCK"):
        with pytest.raises(DataError, match="no rows of the metric"):
            ratios_of(metric)
