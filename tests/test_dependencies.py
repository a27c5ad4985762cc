"""Which keypoints look at which: against sums over cells, closed forms, and what is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit.cli import app
from posekit.draw.dependencies import draw_dependencies
from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.evaluation.dependencies import survey_dependencies
from posekit.evaluation.survey import intervals
from posekit.explain import explain, numbers
from posekit.explain.around import REACH, surroundings
from posekit.explain.dependencies import Dependencies, dependencies, mean_dependencies
from posekit.explain.inside import matrices_of, matrix_figure
from posekit.explain.numbers import around_words
from posekit.geometry import Box
from posekit.people import DRAWN
from posekit.percents import percent
from posekit.skeleton import COCO17
from posekit.trace import Attention, Trace
from tests.tiny_models import noise_photo, tiny_model

BOXES = (Box(20, 20, 72, 96), Box(130, 60, 72, 96))
"""Both have the shape of a crop; a cell of its 8 x 6 grid is 15 pixels wide (a margin is added)."""
SHAPE = (200, 240)
RUNNER = str(Path(__file__).resolve().parents[1] / "assets" / "examples" / "runner.jpg")
LEFT, RIGHT, NOSE = (COCO17.index(name) for name in ("left wrist", "right wrist", "nose"))


def posed(prediction: Prediction, *poses: dict[int, tuple[float, float]]) -> Prediction:
    """The prediction with keypoints put somewhere, surely; all others are not drawn."""
    people = []
    for person, pose in zip(prediction.people, poses, strict=True):
        keypoints, scores = np.zeros((COCO17.size, 2)), np.zeros(COCO17.size)
        for keypoint, place in pose.items():
            keypoints[keypoint], scores[keypoint] = place, 0.9
        people.append(replace(person, keypoints=keypoints, scores=scores))
    return replace(prediction, people=tuple(people))


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    """Two people side by side, the second with two keypoints, each in its box."""
    made = Estimator(tiny_model()).predict(noise_photo(*SHAPE), BOXES)
    first = {NOSE: (55, 40), LEFT: (38, 80), RIGHT: (75, 95)}
    return posed(made, first, {NOSE: (165, 85), LEFT: (180, 120)})


def cells_near(prediction: Prediction, person: int, layer: str, place: np.ndarray) -> np.ndarray:
    """Which cells are a keypoint's, by the definition."""
    one = explain(prediction, "nose", person=person, layers=[layer]).maps[0]
    box = prediction.people[person].box
    reach = max(REACH * max(box.width, box.height), one.grid_to_photo.scale / np.sqrt(2))
    return np.hypot(*(one.token_centres - place).T) <= reach


# --- against the maps -------------------------------------------------------------------------


@pytest.mark.parametrize("head", [None, 2])
@pytest.mark.parametrize("layer", ["encoder.1", "encoder.3"])
def test_a_share_is_the_sum_of_the_map_around_the_keypoint(prediction, layer, head):
    found = dependencies(prediction, layer, head=head)
    person = prediction.people[0]
    assert (found.layer, found.head) == (layer, head)
    for looks in (NOSE, LEFT, RIGHT):
        asked = explain(prediction, looks, person=0, layers=[layer], head=head).maps[0]
        for at in (NOSE, LEFT, RIGHT):
            near = cells_near(prediction, 0, layer, person.keypoints[at])
            assert 1 <= near.sum() <= 4
            expected = asked.weights.ravel()[near].sum()
            assert found.shares[looks, at] == pytest.approx(expected, abs=1e-6)
            assert found.chance[at] == pytest.approx(near.mean())
    assert np.isfinite(found.shares).sum() == 9 and found.people.sum() == 9


def test_a_row_sums_to_one_with_what_lies_on_others_and_elsewhere(prediction):
    close = {NOSE: (55, 40), LEFT: (90, 70)}
    beside = posed(prediction, close, {NOSE: (96, 78), LEFT: (180, 120)})
    found = dependencies(beside, -1)
    total = np.nansum(found.shares, axis=1) + found.others + found.elsewhere
    np.testing.assert_allclose(total[[NOSE, LEFT]], 1.0, atol=1e-6)
    assert found.others[NOSE] > 0 and np.isnan(found.others[RIGHT])
    alone = dependencies(posed(prediction, close, {}), -1)
    assert alone.others[NOSE] == 0 and alone.shares[NOSE, LEFT] > found.shares[NOSE, LEFT]


def test_keypoints_at_one_place_share_its_cells_evenly(prediction):
    crossed = posed(prediction, {NOSE: (55, 40), LEFT: (75, 95), RIGHT: (75, 95)}, {})
    found, alone = dependencies(crossed), dependencies(prediction)
    np.testing.assert_array_equal(found.shares[:, LEFT], found.shares[:, RIGHT])
    together = found.shares[NOSE, LEFT] + found.shares[NOSE, RIGHT]
    assert together == pytest.approx(alone.shares[NOSE, RIGHT], abs=1e-9)
    assert found.chance[LEFT] == pytest.approx(alone.chance[RIGHT] / 2)


def test_attention_on_one_keypoint_is_all_on_it(prediction):
    """Every token attends to the left wrist's cell alone."""
    real = prediction.trace.attentions["encoder.1"]
    grid, wrist = real.key_grid, prediction.people[0].keypoints[LEFT]
    centres = prediction.people[0].crop.to_photo.apply(grid.centres())
    there = int(np.argmin(np.hypot(*(centres - wrist).T)))
    q, k = torch.ones(1, 1, 48, 4), torch.zeros(1, 1, 48, 4)
    k[0, 0, there] = 60.0
    trace = Trace({"encoder.1": Attention("encoder.1", "encoder", q, k, grid, grid)})
    one = replace(prediction, trace=trace, people=prediction.people[:1])
    found = dependencies(one)
    drawn = [NOSE, LEFT, RIGHT]
    np.testing.assert_allclose(found.shares[drawn, LEFT], 1.0)
    np.testing.assert_allclose(found.elsewhere[drawn], 0.0, atol=1e-9)
    assert found.strongest("nose") == [("left wrist", 1.0), ("right wrist", 0.0)]
    (around, *_) = numbers(explain(one, "nose").maps[0], one).around
    assert (around.keypoint, around.share) == ("left wrist", pytest.approx(1.0))
    assert around.even == pytest.approx(found.chance[LEFT])


def test_numbers_name_the_most_and_leave_out_the_keypoint_asked_about(prediction):
    found = dependencies(prediction, "encoder.2")
    around = numbers(explain(prediction, "nose", layers=["encoder.2"]).maps[0], prediction).around
    assert [(one.keypoint, pytest.approx(one.share, abs=1e-6)) for one in around] == (
        found.strongest("nose")
    )
    free = explain(prediction, (55.0, 70.0), person=0, layers=["encoder.2"]).maps[0]
    assert {one.keypoint for one in numbers(free, prediction).around} == {
        "nose", "left wrist", "right wrist",
    }  # fmt: skip
    measured = numbers(free, prediction)
    elsewhere = 1 - sum(one.share for one in measured.around)
    assert measured.around_elsewhere == pytest.approx(elsewhere) and 0 < elsewhere < 1
    assert around_words(measured).endswith(f" ({percent(elsewhere)} elsewhere)")
    assert around_words(numbers(free, posed(prediction, {}, {}))) == ""
    nobody = posed(prediction, {}, {})
    assert numbers(free, nobody).around == ()


def test_every_cell_is_shared_out_once(prediction):
    centres = np.stack(np.meshgrid(np.arange(0, 240, 5.0), np.arange(0, 200, 5.0)), -1)
    around = surroundings(prediction, 0, centres.reshape(-1, 2), 5.0)
    assert around.drawn.tolist() == sorted([NOSE, LEFT, RIGHT])
    total = around.own.sum(1) + around.others + around.nobodys
    np.testing.assert_allclose(total, 1.0)
    assert around.others.any() and around.own.any(0).all() and around.nobodys.any()


# --- means ------------------------------------------------------------------------------------


def test_a_mean_is_over_those_of_whom_both_are_drawn(prediction):
    first, second = (dependencies(prediction, -1, person) for person in (0, 1))
    mean = mean_dependencies([first, second])
    both, one = (NOSE, LEFT), (NOSE, RIGHT)
    assert mean.shares[both] == pytest.approx((first.shares[both] + second.shares[both]) / 2)
    assert mean.shares[one] == first.shares[one]
    assert (mean.people[both], mean.people[one], mean.people[0, 1]) == (2, 1, 0)
    assert np.isnan(mean.shares[0, 1])
    assert mean.even_others == pytest.approx((first.even_others + second.even_others) / 2)


def test_heads_average_to_their_mean(prediction):
    heads = [dependencies(prediction, head=head).shares for head in range(4)]
    np.testing.assert_allclose(np.mean(heads, axis=0), dependencies(prediction).shares, atol=1e-6)
    assert np.nanmax(np.ptp(heads, axis=0)) > 0.01


def test_different_layers_have_no_mean(prediction):
    parts = [dependencies(prediction, layer) for layer in ("encoder.1", "encoder.2")]
    with pytest.raises(TraceError, match="Only one layer"):
        mean_dependencies(parts)
    with pytest.raises(TraceError, match="Of nobody"):
        mean_dependencies([])


def test_an_interval_is_that_of_the_mean_over_photographs(prediction):
    """Close to the normal one, for shares that are all alike but for noise of a known size."""
    one = dependencies(prediction)
    noise = 0.01 * np.random.default_rng(1).standard_normal(400)
    low, high = intervals([[one.shares + each] for each in noise])
    middle = one.shares[NOSE, LEFT] + noise.mean()
    half = 1.96 * noise.std() / np.sqrt(400)
    assert low[NOSE, LEFT] == pytest.approx(middle - half, abs=0.1 * half)
    assert high[NOSE, LEFT] == pytest.approx(middle + half, abs=0.1 * half)
    assert np.isnan(low[0, 1])
    # Two people of one photo are one observation: drawn together, they leave nothing to vary.
    low, _ = intervals([[one.shares, one.shares]])
    assert np.isnan(low).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"person": 2}, "There is no person 2"),
        ({"layer": "encoder.9"}, "There is no layer 'encoder.9'"),
        ({"head": 4}, "There is no head 4: layer encoder.3 has 4 heads, from 0."),
    ],
)
def test_what_is_not_there_is_refused(prediction, words, said):
    with pytest.raises(TraceError, match=said):
        dependencies(prediction, **words)


def test_one_keypoint_alone_looks_at_no_other(prediction):
    lone = posed(prediction, {NOSE: (55, 40)}, {})
    with pytest.raises(TraceError, match="sure of fewer than two keypoints"):
        dependencies(lone)
    with pytest.raises(TraceError, match="There is no keypoint 'tail'"):
        dependencies(prediction).strongest("tail")
    unrecorded = Estimator(tiny_model()).predict(noise_photo(), record=False)
    with pytest.raises(TraceError, match="record=True"):
        dependencies(unrecorded)


# --- shown ------------------------------------------------------------------------------------


def test_the_table_has_what_is_known(prediction):
    rows, cols, shares = dependencies(prediction).table()
    assert rows == ("nose", "left wrist", "right wrist", "an even map")
    assert cols == ("nose", "left wrist", "right wrist", "elsewhere")
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-6)
    beside = posed(prediction, {NOSE: (55, 40), LEFT: (90, 70)}, {NOSE: (96, 78)})
    rows, cols, shares = dependencies(beside).table()
    assert cols == ("nose", "left wrist", "other people", "elsewhere")
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-6)
    assert dependencies(beside).table(rest=False)[1] == cols[:2]


def test_the_picture_holds_every_name_and_figure(prediction):
    found = dependencies(prediction)
    figure = draw_dependencies(found, "A title", words="and words")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(found.table()[0])
    assert [label.get_text() for label in axes.get_xticklabels()] == list(found.table()[1])
    share = found.shares[NOSE, LEFT]
    at = {text.get_position(): text.get_text() for text in axes.texts}
    assert float(at[(1, 0)]) == pytest.approx(100 * share, abs=0.5)


def test_a_matrix_for_each_layer_stands_inside_the_model(prediction):
    found = matrices_of(prediction, 0)
    assert [one.name for one in found] == [f"keypoints.encoder.{n}" for n in (1, 2, 3)]
    assert found[2].title == "Keypoints, encoder layer 3"
    rows, cols, shares = dependencies(prediction, "encoder.3").table(rest=False)
    assert (found[2].rows, found[2].cols) == (rows, cols)
    np.testing.assert_array_equal(found[2].values, shares)
    (heat,) = matrix_figure(found[2]).data
    np.testing.assert_allclose(heat.z, 100 * shares, atol=1e-4)
    assert matrices_of(posed(prediction, {NOSE: (55, 40)}, {}), 0) == ()


# --- many photographs, and the command line ---------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(3):
        Image.fromarray(noise_photo(160, 120, seed).pixels).save(folder / f"{seed}.png")
    (folder / "9.png").write_bytes(b"no picture")
    return folder


def test_a_survey_is_the_mean_over_everybody(photos: Path) -> None:
    model = tiny_model()
    steps: list[tuple[int, int]] = []
    found = survey_dependencies(
        model, photos, "encoder.2", progress=lambda done, total: steps.append((done, total))
    )
    parts: list[Dependencies] = []
    for seed in range(3):
        made = Estimator(model).predict(noise_photo(160, 120, seed))
        assert (made.people[0].scores >= DRAWN).sum() >= 2
        parts.append(dependencies(made, "encoder.2"))
    mean = mean_dependencies(parts)
    np.testing.assert_allclose(found.mean.shares, mean.shares, atol=1e-9)
    assert (found.photos, found.people, dict(found.left_out)) == (3, 3, {})
    assert "1 damaged" in found.problems or "9.png" in found.problems
    assert steps[-1] == (3, 4)
    known = mean.people > 1
    assert known.any() and (found.low <= mean.shares)[known].all()
    assert (mean.shares <= found.high)[known].all() and np.isnan(found.low[~known]).all()
    asked: list[int] = []
    with pytest.raises(TraceError, match="There is no layer"):
        survey_dependencies(model, photos, "encoder.9", progress=lambda n, _: asked.append(n))
    assert not asked  # said at the first photograph


def run(*words: str, code: int = 0) -> str:
    torch.set_num_threads(1)
    result = CliRunner().invoke(app, ["dependencies", *words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output if code else result.stdout


def test_the_command_writes_what_python_finds(tmp_path: Path) -> None:
    model = posekit.load("transpose-r-small")
    made = Estimator(model).predict(posekit.read_photo(RUNNER))
    expected = posekit.dependencies(made, "encoder.2", head=1)
    words = [RUNNER, "--layer", "encoder.2", "--head", "1"]
    held = json.loads(run(*words, "--json", "--out", str(tmp_path / "out.csv")))
    known = np.isfinite(expected.shares)
    shares = np.array(held["shares"], dtype=np.float64)
    np.testing.assert_allclose(shares[known], expected.shares[known], atol=1e-5)
    assert held["layer"] == "encoder.2" and held["head"] == 1
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    names = [*expected.keypoints, "other people", "elsewhere"]
    drawn = int(np.isfinite(expected.elsewhere).sum())
    assert len(lines) == drawn * (drawn + 2)
    sums = {line["keypoint"]: 0.0 for line in lines}
    for line in lines:
        assert line["looks_at"] in names
        sums[line["keypoint"]] += float(line["share"])
    np.testing.assert_allclose(list(sums.values()), 1.0, atol=1e-4)
    assert held["trained"] is True
    said = run(*words, "--out", str(tmp_path / "out.png"))
    assert said.splitlines()[0] == (
        "Shares of each keypoint's attention in encoder.2 (of person 0, counted from 0); in "
        "brackets: what an even map has around that keypoint."
    )
    strongest, share = expected.strongest("left elbow")[0]
    (row,) = [line for line in said.splitlines() if line.startswith("left elbow")]
    assert f"{strongest} {share:.1%}" in row
    with Image.open(tmp_path / "out.png") as picture:
        assert min(picture.size) > 600
    run(*words, "--out", str(tmp_path / "out.svg"))
    assert (tmp_path / "out.svg").read_text("utf-8").lstrip().startswith("<?xml")


def test_the_table_says_over_whom_it_is_a_mean(tmp_path: Path) -> None:
    for name in ("runner", "dancer"):
        (tmp_path / f"{name}.jpg").write_bytes(Path(RUNNER).read_bytes())
    first = run(str(tmp_path)).splitlines()[0]
    assert first.startswith("Shares of each keypoint's attention in encoder.3 (mean over 2 people")
    assert f"in 2 photos of {tmp_path.name}, mean over heads); in brackets" in first


def test_a_picture_says_of_whom_it_is_and_that_weights_are_random(tmp_path: Path) -> None:
    crowd = Path(RUNNER).with_name("crowd.jpg")
    words = [str(crowd), "--model", "instance-attention-small", "--layer", "encoder.3"]
    run(*words, "--out", str(tmp_path / "trained.svg"))
    held = json.loads(run(RUNNER, "--weights", "random", "--json"))
    assert (held["trained"], held["weights"]) == (False, "random")
    run(RUNNER, "--weights", "random", "--out", str(tmp_path / "random.svg"))
    titles = [(tmp_path / f"{name}.svg").read_text("utf-8") for name in ("trained", "random")]
    assert "<!-- Instance-Attention-small, supervised layer 3, mean over heads -->" in titles[0]
    assert "<!-- TransPose-R-small (untrained), layer 3, mean over heads -->" in titles[1]


def test_a_folder_of_damaged_photographs_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert "a.png" in run(str(tmp_path), code=1)


def test_the_command_over_a_folder(photos: Path) -> None:
    held = json.loads(run(str(photos), "--limit", "2", "--json"))
    assert held["photos"] == 2 and 1 <= held["people"] <= 2
    assert np.array(held["people_per_share"]).max() <= 2
    assert {"low", "high"} <= held.keys()


def test_what_the_command_cannot_do_is_one_sentence(photos: Path) -> None:
    photo = str(photos / "0.png")
    for source in (RUNNER, str(photos)):
        said = run(source, "--model", "ssa-small", code=1)
        assert "no attention between places" in said
    assert "--person" in run(str(photos), "--person", "1", code=2)
    assert ".png or .svg or .csv or .json" in run(photo, "--out", "x.txt", code=2)
    assert "There is no weights" in run(photo, "--weights", "gone.pth", code=1)
