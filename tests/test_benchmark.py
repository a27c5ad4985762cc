"""`posekit benchmark`: figures against plain loops and closed forms, and runs that break off."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posekit import zoo
from posekit.benchmark import METRICS, Report, Settings, run
from posekit.benchmark.cases import Case, Subject, open_cases
from posekit.benchmark.entrants import BASELINES, entrants, split_list
from posekit.benchmark.measure import Measured, Outcome
from posekit.benchmark.report import report_of
from posekit.benchmark.settings import COLUMNS
from posekit.benchmark.writing import as_csv, as_json, as_markdown, as_text_rows, write
from posekit.cli import app
from posekit.data.problems import Problems
from posekit.errors import DataError, ModelError, SkeletonError, TraceError
from posekit.estimator import Estimator
from posekit.explain.faithfulness import (
    deletion,
    edge_map,
    infidelity,
    insertion,
    iou_of_mass,
    mass_in_box,
    max_sensitivity,
    pointing_game,
    spearman,
)
from posekit.explain.methods import explain
from posekit.explain.targets import KeypointPeak
from posekit.geometry import Box
from posekit.photo import Photo
from posekit.skeleton import COCO17
from posekit.weights import save_safetensors
from tests.linear_model import Stop, linear_model
from tests.test_evaluation import write_lsp
from tests.tiny_models import noise_photo, tiny_model

NAMES = ("nose", "left wrist", "right knee")
FEW = ["attention", "saliency"]
SMALL = "transpose-r-small"


class Photos:
    """Cases out of memory; each one person in a box."""

    name = "noise"

    def __init__(self, *photos: Photo, box: Box | None = None) -> None:
        self.photos, self.problems = photos, Problems()
        self.box = box or Box(10, 20, 90, 120)

    def __len__(self) -> int:
        return len(self.photos)

    def __iter__(self) -> Iterator[Case]:
        for photo in self.photos:
            yield Case(photo.name, photo, (Subject(self.box, boxed=True),))


def photos(count: int = 3) -> Photos:
    return Photos(*(noise_photo(seed=n, name=f"photo {n}") for n in range(count)))


def settings(*metrics: str, **changes: object) -> Settings:
    few: dict[str, object] = {"keypoints": NAMES, "steps": 3, "samples": 6, "noisy": 2}
    return Settings(metrics=metrics or ("deletion",), **(few | changes))  # type: ignore[arg-type]


def figures(report: Report) -> list[dict[str, object]]:
    """A report's rows without the milliseconds."""
    return [{**one, "milliseconds": 0} for one in report.as_dict()["rows"]]


# --- what takes part --------------------------------------------------------------------------


def test_methods_are_read_as_a_person_types_them():
    assert split_list("a, b(x=1,y=2),c") == ["a", "b(x=1,y=2)", "c"]
    plain, one, two = entrants(
        ["rollout", "attention(layer=encoder.1)", "occlusion(window=16, baseline=blur)"]
    )
    assert (plain.name, plain.options, plain.layer) == ("rollout", {}, None)
    assert one.layer == "encoder.1" and not one.options
    assert two.options == {"window": 16, "baseline": "blur"}
    assert two.name == "occlusion(window=16, baseline=blur)"
    assert entrants(["flow(layer=-2)"])[0].layer == -2
    (own,) = entrants(["contribution(layer=-2)"])  # an option of the method itself
    assert own.options == {"layer": -2} and own.layer is None
    assert "integrated-gradients" in [every.name for every in entrants()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rolout"], "did you mean 'rollout'"),
        (
            ["rollout(steps=3)"],
            "method rollout has no option 'steps': it takes start=0, head=mean, residual=0.5",
        ),
        (["rollout(residual)"], "written key=value, such as steps=32; not 'residual'"),
        (["rollout", "rollout"], "rollout is listed twice"),
        (["a b"], "'a b' is not a method"),
        ([], "no method to measure"),
    ],
)
def test_methods_that_cannot_be_read(words, said):
    with pytest.raises(TraceError, match=said):
        entrants(words)


# --- the figures are those of the plain functions ---------------------------------------------


def test_figures_are_the_mean_over_keypoints_of_each_maps_own():
    model, data = tiny_model(), photos(1)
    every = settings(*METRICS)
    report = run(data, [model], ["saliency", "rollout", "attention(layer=0)"], settings=every)
    prediction = Estimator(model).predict(data.photos[0], [data.box])
    maps = {
        "saliency": [explain(prediction, name, method="saliency") for name in NAMES],
        "rollout": [explain(prediction, name, method="rollout") for name in NAMES],
        "attention(layer=0)": [explain(prediction, name).layer(0) for name in NAMES],
    }
    indices = [COCO17.index(name) for name in NAMES]
    common = {"steps": 3, "power": 2.0, "level": "cells"}
    for name, own in maps.items():
        cells = report.row("tiny", name).cells
        # A loop over keypoints, one call each.
        down = [
            deletion(prediction, [k], [m], **common)[0].share
            for k, m in zip(indices, own, strict=True)
        ]
        up = [
            insertion(prediction, [k], [m], **common)[0].share
            for k, m in zip(indices, own, strict=True)
        ]
        where = prediction.people[0].keypoints
        hits = [pointing_game(m, where[k]) for k, m in zip(indices, own, strict=True)]
        inside = [mass_in_box(m, data.box) for m in own]
        others = [other for other in maps if other != name]
        ranks = [np.mean([spearman(m, maps[o][n]) for o in others]) for n, m in enumerate(own)]
        tops = [np.mean([iou_of_mass(m, maps[o][n]) for o in others]) for n, m in enumerate(own)]
        expected = {
            "deletion": down, "insertion": up, "pointing": hits, "box mass": inside,
            "agreement": ranks, "top 10 %": tops,
        }  # fmt: skip
        for column, values in expected.items():
            some = [value for value in values if value is not None]  # None: nothing to lose
            assert cells[column].mean == pytest.approx(np.mean(some), rel=1e-4, abs=1e-6), column
            assert cells[column].keypoints == len(some) and cells[column].low is None
        assert sum(value is None for value in down + up) == sum(
            times for said, times in report.row("tiny", name).refused.items() if "lost" in said
        )
    away = infidelity_by_hand(prediction, maps["saliency"], report)
    assert report.row("tiny", "saliency").cells["infidelity"].mean == pytest.approx(away, rel=1e-3)
    pair = np.mean([spearman(a, b) for a, b in zip(maps["saliency"], maps["rollout"], strict=True)])
    assert report.pairs["tiny"]["saliency"]["rollout"] == pytest.approx(pair, abs=1e-6)


def infidelity_by_hand(prediction, maps, report) -> float:
    """One map at a time, over the infidelity of a map that is 0 everywhere."""
    seed = np.random.SeedSequence([0, _crc("photo 0")]).generate_state(1)[0]
    shares = []
    for name, one in zip(NAMES, maps, strict=True):
        nothing = replace(one, values=np.zeros_like(one.values))
        own, fall = (
            infidelity(prediction, [name], [m], samples=6, seed=int(seed))[0]
            for m in (one, nothing)
        )
        shares.append(own / fall)
    return float(np.mean(shares))


def _crc(name: str) -> int:
    import zlib

    return zlib.crc32(name.encode())


def test_of_a_linear_model_the_truth_wins():
    """Integrated gradients are the truth of a linear model: nothing deletes or inserts better."""
    data = Photos(*(noise_photo(80, 60, n, f"photo {n}") for n in range(4)), box=Box(0, 0, 60, 80))
    chosen = settings("deletion", "insertion", "infidelity", steps=12, power=1.0)
    methods = ["integrated-gradients(steps=2)", "saliency", "attention"]
    report = run(data, [linear_model(bias=20.0)], methods, settings=chosen)
    truth, wrong = (report.row("tiny", name) for name in methods[:2])
    assert truth.cells["infidelity"].mean < 1e-5 < wrong.cells["infidelity"].mean
    for name in ("saliency", "random map", "edge map", "spot map"):
        other = report.row("tiny", name)
        assert truth.cells["deletion"].mean < other.cells["deletion"].mean
    verdicts = {(d.column, d.baseline): d.verdict for d in truth.differences}
    assert verdicts["deletion", "random map"] == verdicts["infidelity", "edge map"] == "better"
    assert {d.baseline for d in truth.differences} == {one.name for one in BASELINES}
    # A model without attention: a sentence for every keypoint, and nothing else.
    refused = report.row("tiny", "attention")
    assert refused.maps == 0 and not refused.cells and refused.milliseconds is None
    assert list(refused.refused.values()) == [12]
    assert "recorded no attention" in next(iter(refused.refused))
    assert "- attention (12): This model recorded no attention" in as_markdown(report)


def test_randomisation_tells_what_reads_the_model_from_what_reads_the_photo():
    report = run(photos(2), [tiny_model()], FEW, settings=settings("randomisation"))
    edges, chance = report.row("tiny", "edge map"), report.row("tiny", "random map")
    for row in (edges, chance):
        assert row.cells["all random"].mean == pytest.approx(1)
    # Attention is computed before the output layer, so it cannot know of that.
    attention = report.row("tiny", "attention").cells
    assert attention["output random"].mean == pytest.approx(1)
    assert attention["all random"].mean < 0.6
    assert report.row("tiny", "saliency").cells["output random"].mean < 0.95


def test_sensitivity_is_captums_of_the_same_questions():
    data = photos(1)
    report = run(data, [tiny_model()], ["saliency"], settings=settings("sensitivity"))
    prediction = Estimator(tiny_model()).predict(data.photos[0], [data.box])
    heatmaps = prediction.trace.heatmaps[0]
    targets = []
    for name in NAMES:
        k = COCO17.index(name)
        y, x = divmod(int(heatmaps[k].argmax()), heatmaps.shape[-1])
        targets.append(KeypointPeak(k, (float(x), float(y))))
    seed = int(np.random.SeedSequence([0, _crc("photo 0")]).generate_state(1)[0])
    expected = max_sensitivity(
        prediction,
        lambda other: [explain(other, target, method="saliency") for target in targets],
        samples=2,
        seed=seed,
    )
    found = report.row("tiny", "saliency").cells["sensitivity"].mean
    assert found == pytest.approx(expected.mean(), rel=1e-4)
    assert report.row("tiny", "random map").cells["sensitivity"].mean == 0


def test_the_true_place_counts_where_it_is_labelled(tmp_path):
    """Labels in the corners of the photo: no map of the pose in its middle points there."""
    joints = np.zeros((1, 14, 3))
    joints[0, :3] = [[0, 0, 1], [119, 0, 1], [0, 159, 1]]
    (tmp_path / "lsp").mkdir()
    write_lsp(tmp_path / "lsp", joints, ["corner.png"])
    Image.fromarray(noise_photo().pixels).save(tmp_path / "lsp" / "corner.png")
    (case,) = open_cases(tmp_path / "lsp")
    (subject,) = case.people
    truth = subject.truth(COCO17)
    known = [name for name, point in zip(COCO17.keypoints, truth, strict=True) if point is not None]
    assert known == ["right hip", "right knee", "right ankle"]
    np.testing.assert_array_equal(truth[COCO17.index("right knee")], [119, 0])
    chosen = settings("pointing", keypoints=("right knee", "left wrist"))
    report = run(tmp_path / "lsp", [tiny_model()], ["rollout"], settings=chosen)
    for row in report.rows:
        assert row.maps == 2 and row.cells["pointing"].keypoints == 1 and not row.refused
    spot = next(row for row in report.rows if row.method == "spot map")
    assert spot.cells["pointing"].mean in (0.0, 1.0)


# --- means and intervals ----------------------------------------------------------------------

DELETION = next(column for column in COLUMNS if column.name == "deletion")


def measured(photo: str, **values: list[float | None]) -> Measured:
    outcomes = {
        name: Outcome(maps=len(own), seconds=0.5, columns={"deletion": own})
        for name, own in values.items()
    }
    return Measured(photo, "m", 1, outcomes)


def summed(parts: list[Measured], methods: list[str], seed: int = 0) -> Report:
    return report_of(parts, ["m"], methods, ["chance"], (DELETION,), {}, seed)


def test_the_mean_is_over_keypoints_and_the_interval_over_photographs():
    """Of two photographs drawn twice come 00, 01, 10 and 11: the interval is the whole range."""
    parts = [
        measured("a", ours=[0.0, None, 0.0], chance=[0.5, 0.5, 0.5]),
        measured("b", ours=[1.0], chance=[0.5]),
    ]
    cell = summed(parts, ["ours"]).row("m", "ours").cells["deletion"]
    assert cell.mean == pytest.approx(1 / 3) and cell.keypoints == 3 and cell.photos == 2
    assert (cell.low, cell.high) == (0.0, 1.0)
    assert summed(parts, ["ours"]).row("m", "ours").milliseconds == pytest.approx(1000 / 4)


def test_the_interval_is_the_standard_error_of_many_photographs():
    dice = np.random.default_rng(0)
    values = dice.normal(0.4, 0.1, 400)
    parts = [measured(f"{n}", ours=[v], chance=[0.4]) for n, v in enumerate(values)]
    cell = summed(parts, ["ours"]).row("m", "ours").cells["deletion"]
    half = 1.96 * values.std() / 20
    assert cell.low == pytest.approx(values.mean() - half, abs=0.002)
    assert cell.high == pytest.approx(values.mean() + half, abs=0.002)


def test_the_draws_are_those_that_recorded_tables_were_made_with():
    """docs/faithfulness.md prints intervals: other draws would change their last digit."""
    values = np.array([0.1, 0.9, 0.4, 0.2, 0.7])
    parts = [measured(f"{n}", ours=[v], chance=[0.4]) for n, v in enumerate(values)]
    cell = summed(parts, ["ours"], seed=3).row("m", "ours").cells["deletion"]
    drawn = np.random.default_rng(3).integers(0, 5, (2000, 5))
    expected = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    assert (cell.low, cell.high) == pytest.approx(tuple(expected))


def test_a_difference_is_taken_keypoint_by_keypoint():
    """Photographs differ far more than methods do; paired, the small difference still shows."""
    dice = np.random.default_rng(1)
    parts = []
    for n in range(20):
        level = dice.normal(0, 10)
        slip = dice.normal(0, 0.01)
        parts.append(
            measured(
                f"{n}",
                ours=[level - 0.1 + slip, None, 99.0],
                worse=[level + 0.1, level + 0.1, None],
                level=[level + slip, None, None],
                chance=[level, level, None],
            )
        )
    report = summed(parts, ["ours", "worse", "level"])
    (ours,) = report.row("m", "ours").differences
    assert ours.cell.mean == pytest.approx(-0.1, abs=0.01) and ours.verdict == "better"
    assert ours.cell.keypoints == 20  # those that both have
    assert report.row("m", "worse").differences[0].verdict == "worse"
    assert report.row("m", "level").differences[0].verdict == "no different"
    again = summed(list(reversed(parts)), ["ours", "worse", "level"])
    assert again == report  # whatever the order in which photographs came


# --- a run that breaks off, bad photographs ---------------------------------------------------


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    kept, chosen = tmp_path / "t.jsonl", settings("deletion", "agreement")
    whole = run(photos(), [tiny_model()], FEW, settings=chosen)
    rows = len(FEW) + len(BASELINES)
    calls: list[tuple[int, int]] = []

    def stop_in_the_second(done: int, total: int) -> None:
        calls.append((done, total))
        if done > rows:
            raise Stop

    with pytest.raises(Stop):
        run(
            photos(),
            [tiny_model()],
            FEW,
            settings=chosen,
            journal=kept,
            progress=stop_in_the_second,
        )
    assert calls[-1] == (rows + 1, 3 * rows)
    assert len(kept.read_text().splitlines()) == 2
    with kept.open("a") as file:
        file.write('{"photo": "photo 1", "model": "ti')  # as the machine went down
    seen: list[str] = []
    predict = Estimator.predict

    def counting(self, photo, *rest, **named):
        seen.append(photo.name)
        return predict(self, photo, *rest, **named)

    monkeypatch.setattr(Estimator, "predict", counting)
    report = run(photos(), [tiny_model()], FEW, settings=chosen, journal=kept)
    assert seen == ["photo 1", "photo 2"]
    assert figures(report) == figures(whole)
    seen.clear()
    more = run(photos(4), [tiny_model()], FEW, settings=chosen, journal=kept)
    assert seen == ["photo 3"] and more.photos == 4
    with pytest.raises(DataError, match=r"begun with other settings \(methods, seed\)"):
        run(photos(), [tiny_model()], FEW[:1], settings=replace(chosen, seed=1), journal=kept)
    with pytest.raises(DataError, match="cannot be used: Is a directory"):
        run(photos(), [tiny_model()], FEW, settings=chosen, journal=tmp_path)


def test_the_seed_makes_the_run(tmp_path):
    chosen = settings("deletion", "randomisation")
    first, again, other = (
        run(photos(2), [tiny_model()], ["saliency"], settings=replace(chosen, seed=seed))
        for seed in (3, 3, 4)
    )
    assert figures(first) == figures(again)
    chance = [one.row("tiny", "random map").cells["deletion"].mean for one in (first, other)]
    assert chance[0] != chance[1]


def test_bad_photographs_are_counted_and_stop_nothing(tmp_path):
    for n in range(2):
        Image.fromarray(noise_photo(seed=n).pixels).save(tmp_path / f"{n}.png")
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8 no more")
    (tmp_path / "notes.txt").write_text("not a picture")
    report = run(tmp_path, [tiny_model()], ["rollout"], settings=settings("box-mass"))
    assert report.photos == 2 and report.people == 2
    assert "1 photograph is damaged (damaged.jpg)" in report.problems
    assert report.row("tiny", "rollout").maps == 6


def test_what_the_data_lack_is_said_once_and_nothing_refused_it(tmp_path):
    """A folder of photographs says nowhere where people are; the box is then the whole photo."""
    for n in range(2):
        Image.fromarray(noise_photo(seed=n).pixels).save(tmp_path / f"{n}.png")
    chosen = settings("pointing", "box-mass")
    report = run(tmp_path, [tiny_model()], ["rollout"], settings=chosen)
    for row in report.rows:
        assert row.maps == 6 and list(row.cells) == ["pointing"] and not row.refused
    assert report.lacking == {"box mass": 2}
    said = "The column 'box mass' needs people's boxes, which this data set does not have."
    text = as_markdown(report)
    assert text.count(said) == 1 and "Refused" not in text
    assert re.search(r"^\| rollout \| \S+ \[.*\] \| – \| 6 \| 0 \|", text, re.MULTILINE)
    head, rows = as_text_rows(report)
    assert {row[head.index("BOX MASS")] for row in rows} == {"–"}
    assert {row[head.index("REFUSED")] for row in rows} == {"0"}


def test_people_whose_box_is_known_have_a_figure_beside_those_whose_is_not():
    class SomeBoxed(Photos):
        def __iter__(self) -> Iterator[Case]:
            for n, case in enumerate(super().__iter__()):
                (one,) = case.people
                whole = Subject(Box(0, 0, 120, 160), boxed=False)
                yield Case(case.name, case.photo, (one, whole) if n else (whole,))

    data = SomeBoxed(*photos(3).photos)
    report = run(data, [tiny_model()], ["rollout"], settings=settings("box-mass"))
    row = report.row("tiny", "rollout")
    assert row.maps == 15 and row.cells["box mass"].keypoints == 6 and not row.refused
    assert report.lacking == {"box mass": 3}
    assert "which this data set has of 2 of 5 people." in as_markdown(report)
    known = run(photos(3), [tiny_model()], ["rollout"], settings=settings("box-mass"))
    assert known.lacking == {} and "needs people" not in as_markdown(known)


def test_what_is_lacking_outlives_a_run_that_broke_off(tmp_path):
    Image.fromarray(noise_photo().pixels).save(tmp_path / "0.png")
    kept, chosen = tmp_path / "t.jsonl", settings("box-mass")
    once, again = (
        run(tmp_path, [tiny_model()], ["rollout"], settings=chosen, journal=kept) for _ in range(2)
    )
    assert once.lacking == again.lacking == {"box mass": 1}


def test_a_photograph_that_cannot_be_measured_is_counted():
    class Outside(Photos):
        def __iter__(self) -> Iterator[Case]:
            for case in super().__iter__():
                yield case
                beyond = Subject(Box(900, 900, 20, 20), boxed=True)
                yield Case(f"{case.name} again", case.photo, (beyond,))

    report = run(Outside(noise_photo()), [tiny_model()], ["rollout"], settings=settings())
    assert report.photos == 1 and list(report.failed.values()) == [1]
    with pytest.raises(DataError, match="No photograph could be measured"):
        run(Photos(noise_photo(), box=Box(900, 900, 9, 9)), [tiny_model()], settings=settings())


def test_keypoints_that_were_not_found_are_asked_of_nobody():
    data = Photos(noise_photo(80, 60), box=Box(0, 0, 60, 80))
    report = run(data, [linear_model(bias=0.0)], ["saliency"], settings=settings(keypoints=None))
    assert 0 < report.lost["tiny"] < 17
    assert report.row("tiny", "saliency").maps == 17 - report.lost["tiny"]


def test_what_cannot_be_is_one_sentence(tmp_path):
    with pytest.raises(TraceError, match="no metric 'beauty'"):
        settings("beauty")
    with pytest.raises(TraceError, match="nothing to measure"):
        Settings(metrics=())
    with pytest.raises(TraceError, match="number of steps is at least 1"):
        settings(steps=0)
    with pytest.raises(ModelError, match="no model"):
        run(photos(1), [])
    with pytest.raises(ModelError, match="named twice"):
        run(photos(1), [tiny_model(), tiny_model()])
    with pytest.raises(SkeletonError, match="tail"):
        run(photos(1), [tiny_model()], settings=settings(keypoints=("nose", "tail")))
    with pytest.raises(DataError, match="no folder of photographs"):
        run(tmp_path / "nowhere", [tiny_model()])
    with pytest.raises(DataError, match="holds no picture"):
        run(tmp_path, [tiny_model()])


# --- what is written --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report() -> Report:
    return run(photos(2), [tiny_model()], FEW, settings=settings("deletion", "agreement"))


def test_a_table_is_written_in_three_forms(report, tmp_path):
    lines = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert [line["method"] for line in lines] == [*FEW, *(one.name for one in BASELINES)]
    cell = report.row("tiny", "saliency").cells["deletion"]
    assert float(lines[1]["deletion"]) == pytest.approx(cell.mean)
    assert float(lines[1]["deletion, high"]) == pytest.approx(cell.high)
    assert lines[1]["deletion, than spot map"] in ("better", "worse", "no different")
    values = json.loads(as_json(report))
    assert values["rows"][1]["cells"]["deletion"]["mean"] == cell.mean
    assert values["what"]["models"] == {"tiny": {"kind": "random", "sha256": None}}
    text = as_markdown(report)
    assert f"| saliency | {cell.mean:.2f} [{cell.low:.2f}, {cell.high:.2f}] |" in text
    assert "Untrained, so that maps show nothing learnt: tiny." in text
    assert "sha256" not in text
    models = {"tiny": {"kind": "file", "sha256": "0123456789abcdef"}}
    trained = replace(report, what={**report.what, "models": models})
    assert "Weights: tiny (sha256 0123456789ab)." in as_markdown(trained)
    assert "- **deletion** (smaller is better):" in text
    for suffix in (".csv", ".md", ".json"):
        assert write(report, tmp_path / f"table{suffix}").stat().st_size > 200
    with pytest.raises(DataError, match=r"not as 'table\.xlsx'"):
        write(report, tmp_path / "table.xlsx")
    with pytest.raises(DataError, match="cannot be written"):
        write(report, tmp_path / "nowhere" / "table.md")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs ``posekit benchmark`` in a folder with two photos and a small random checkpoint."""
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    save_safetensors(zoo.build(zoo.entry(SMALL)), tmp_path / "checkpoints" / f"{SMALL}.safetensors")
    (tmp_path / "photos").mkdir()
    for n in range(2):
        Image.fromarray(noise_photo(seed=n).pixels).save(tmp_path / "photos" / f"{n}.png")

    def invoke(*words: str, code: int = 0):
        result = CliRunner().invoke(app, ["benchmark", *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


def test_the_command_writes_its_table_and_another_form_at_once(command, tmp_path, monkeypatch):
    words = ["photos", "-m", SMALL, "--methods", "rollout,attention(layer=0)", "--device", "cpu"]
    words += ["--keypoints", "neck,left wrist", "--steps", "2", "--metrics", "deletion,pointing"]
    done = command(*words, "--out", "table.csv")
    assert "needs people" not in done.stderr
    assert len(done.stdout.splitlines()) == 1 + 2 + len(BASELINES)
    lines = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [line["maps"] for line in lines] == ["4"] * 5
    monkeypatch.setattr("posekit.benchmark.sweep.measure_photo", None)  # would be called again
    command(*words, "--out", "table.md")
    assert "attention(layer=0)" in (tmp_path / "table.md").read_text()
    both = json.loads(command(*words, "--json", "--out", "table.json").stdout)
    assert both == json.loads((tmp_path / "table.json").read_text())


def test_the_command_says_above_the_table_what_the_data_lack(command):
    words = ["photos", "-m", SMALL, "--methods", "rollout", "--device", "cpu"]
    done = command(*words, "--keypoints", "neck", "--metrics", "box-mass")
    said = "The column 'box mass' needs people's boxes, which this data set does not have."
    assert done.stderr.count(said) == 1 and "refused" not in done.stderr
    head, *lines = done.stdout.splitlines()
    at = head.index("BOX MASS")
    assert {line[at:].split()[0] for line in lines} == {"–"}
    assert {line.split()[-1] for line in lines} == {"0"}


def test_the_command_refuses_in_a_sentence(command):
    said = command("photos", "-m", SMALL, "--methods", "magic", code=1).stderr
    assert said.splitlines()[-1].startswith("posekit: There is no method 'magic'")
    command("photos", "-m", SMALL, "--out", "table.pdf", code=2)
    command("photos", code=2)


def test_an_interrupted_command_says_how_to_go_on(command, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("posekit.benchmark.sweep.measure_photo", interrupted)
    words = ["photos", "-m", SMALL, "--methods", "rollout", "--out", "table.md"]
    said = command(*words, code=130).stderr
    assert "Stopped; the same command goes on from table.photos.jsonl." in said


def test_edge_map_by_hand_is_the_row():
    data = photos(1)
    row = run(data, [tiny_model()], ["rollout"], settings=settings()).row("tiny", "edge map")
    prediction = Estimator(tiny_model()).predict(data.photos[0], [data.box])
    shares = [
        deletion(prediction, [k], [edge_map(prediction, k)], steps=3, power=2.0, level="cells")[
            0
        ].share
        for k in NAMES
    ]
    assert row.cells["deletion"].mean == pytest.approx(np.mean(shares), rel=1e-4)
