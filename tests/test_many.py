"""One question of many photographs, from Python and from the command line."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import posekit
from posekit.benchmark.cases import open_cases
from posekit.cli import app
from posekit.errors import DataError, ModelError, SkeletonError, TraceError
from posekit.explain import explain, numbers
from posekit.found import Found
from posekit.geometry import Box, Crop
from posekit.many import NUMBERS, PHOTOS, batch, left_out
from posekit.people import Person
from posekit.photo import Photo
from posekit.skeleton import COCO17
from posekit.unsure import unsure_words
from posekit.weights import WeightsFile
from posekit.zoo import PoseModel
from tests.test_top_down import finder
from tests.tiny_models import noise_photo, tiny_model


def finding(points: np.ndarray | None) -> PoseModel:
    """A model of whole photos that finds one person with these keypoints (17, 2), or nobody."""

    def find(model: PoseModel, photo: Photo, *, recorded: bool) -> Found:
        crop = Crop.of_box(Box.whole(photo.size), (64, 64), photo.size)
        if points is None:
            return Found((), crop, None)
        scores = np.where(np.isfinite(points).all(-1), 0.7, 0.0)
        return Found((Person(Box(5, 5, 40, 40), points, scores, crop, score=0.9),), crop, None)

    known = tiny_model()
    return replace(known, entry=replace(known.entry, view="photo", find=find))


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


def test_what_was_not_found_has_a_row(folder: Path) -> None:
    """A rate over the rows is one over all keypoints, and over all photographs."""
    points = np.full((17, 2), 30.0)
    points[4] = np.nan
    (one,) = batch(finding(points), folder, ["left wrist", "right ear"], limit=1)
    assert [row["keypoint"] for row in one.poses] == list(COCO17.keypoints)
    lost = one.poses[4]
    assert (lost["keypoint"], lost["x"], lost["y"], lost["score"]) == ("right ear", *[None] * 3)
    assert sum(row["x"] is None for row in one.poses) == 1
    _, ear = one.numbers
    assert ear["asked"] == "right ear" and ear["score"] is None
    assert "found no right ear of this person" in ear["refused"]
    (nobody,) = batch(finding(None), folder, limit=1)
    assert (nobody.poses, nobody.status) == ([], "nobody found")
    assert nobody.row == {
        "photo": "a.png",
        "width": 80,
        "height": 60,
        "status": "nobody found",
        "people": 0,
        "unsure_people": None,  # random weights: their confidence says nothing
    }


def test_a_photo_that_is_left_out_has_a_row_that_says_why(folder: Path) -> None:
    Image.new("RGB", (5, 5)).save(folder / "d.png")
    cases = open_cases(folder)
    list(batch(tiny_model(), cases))
    damaged, small = left_out(cases)
    assert damaged["photo"] == "c.png" and "c.png" in damaged["status"]
    assert small["status"] == "d.png is 5 x 5 pixels, but each side must have at least 16."
    assert list(small) == list(PHOTOS) and small["width"] is small["people"] is None


def coco(folder: Path, boxes: dict[str, list[list[float]]]) -> Path:
    """A COCO-format file: of each photograph the people's boxes; ids are not the names."""
    images: list[dict[str, object]] = []
    people: list[dict[str, object]] = []
    for number, (name, held) in enumerate(boxes.items(), start=71):
        images.append({"id": number, "file_name": name})
        for box in held:
            own = len(people)
            people.append({"id": own, "image_id": number, "category_id": 1, "bbox": box})
    names = [name.replace(" ", "_") for name in COCO17.keypoints]
    categories = [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}]
    path = folder / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": categories}))
    return path


def test_photos_of_a_json_file_go_by_their_names(folder: Path) -> None:
    here, crowd = [5, 5, 40, 50], [[n, 2, 20, 20] for n in range(33)]
    boxes = {"a.png": [here, [30, 5, 40, 50]], "b.png": crowd, "c.png": [here], "gone.png": [here]}
    Image.fromarray(noise_photo(40, 40).pixels).save(folder / "e.png")
    cases = open_cases(coco(folder, boxes | {"e.png": []}))
    two, many = batch(tiny_model(), cases, "nose", options={"layers": ["encoder.3"]})
    assert (two.name, many.name) == ("a.png", "b.png")
    assert [row["where"] for row in two.numbers] == ["in this person's box"] * 2
    assert {row["photo"] for row in (*two.poses, *two.numbers)} == {"a.png"}
    assert "At most 32 boxes" in many.status and many.row["people"] is None
    assert {row["photo"]: row["status"] for row in left_out(cases)} == {
        "gone.png": "The photograph is missing.",
        "c.png": "The photograph is damaged.",
        "e.png": "Nobody in this photograph is labelled.",
    }
    # With a limit only what the limit let in: the missing photo is of the rest of the file.
    few = open_cases(folder / "people.json", limit=1)
    list(batch(tiny_model(), few))
    assert left_out(few) == []


def test_many_keypoints_cost_one_run_of_the_network(folder: Path) -> None:
    model, runs = tiny_model(), []
    model.module.register_forward_hook(lambda *_: runs.append(1))
    every = list(batch(model, folder, "all", options={"layers": ["encoder.1", "encoder.3"]}))
    assert len(runs) == 2 and [len(one.numbers) for one in every] == [34, 34]
    assert [row["asked"] for row in every[0].numbers[::2]] == list(COCO17.keypoints)
    several = list(batch(model, folder, ["nose", "Left_Wrist", "left wrist"]))
    assert several[0].asked == ("nose", "left wrist")  # each once
    (alone, _) = batch(model, folder, "left wrist")
    assert alone.numbers == [row for row in several[0].numbers if row["asked"] == "left wrist"]


def test_a_row_of_numbers_says_what_it_is_of(folder: Path) -> None:
    model = tiny_model()
    one, _ = batch(model, folder, ["left wrist", "nose"], options={"layers": ["encoder.1"]})
    row, _ = one.numbers
    assert list(row) == list(NUMBERS)
    measured = numbers(explain(one.prediction, "left wrist").layer("encoder.1"), one.prediction)
    assert (row["model"], row["weights"], row["where"]) == ("tiny", "random", "inside the photo")
    assert row["mass_in_box"] + row["mass_in_other_boxes"] + row["mass_outside"] == pytest.approx(
        1, abs=1e-4
    )
    for n, near in enumerate(measured.around, start=1):
        assert row[f"around_{n}"] == near.keypoint
        assert row[f"around_{n}_share"] == pytest.approx(near.share, abs=1e-4)
    file = WeightsFile("file", "runs/mine.safetensors")
    own = replace(model, weights=file, weights_sha256="0123456789ab")
    (mine, _) = batch(own, folder, "nose")
    told = {(row["weights"], row["weights_sha256"]) for row in mine.numbers}
    assert told == {("file", "0123456789ab")}  # not the path, which is private
    (none, _) = batch(model, folder, "nose", options={"layers": ["encoder.9"]})
    (why,) = none.numbers
    assert "no layer 'encoder.9'" in why["refused"] and why["mass_in_box"] is None
    with pytest.raises(TraceError, match="no method 'roll'"):
        next(batch(model, folder, "nose", method="roll"))


def test_who_is_unsure_is_in_the_rows(folder: Path) -> None:
    model = tiny_model()
    assert {row["unsure"] for one in batch(model, folder) for row in one.poses} == {None}
    trained = replace(model, weights=replace(model.weights, kind="shipped"))
    for least, said in ((2.0, "yes"), (-1.0, "no")):
        entry = replace(trained.entry, unsure=least)
        one, _ = batch(replace(trained, entry=entry), folder)
        assert {row["unsure"] for row in one.poses} == {said}
        assert one.row["unsure_people"] == (said == "yes")
        assert (unsure_words(one.prediction) is not None) == (said == "yes")


def test_another_model_may_find_the_people(folder: Path) -> None:
    boxes = (Box(5, 5, 30, 40), Box(40, 5, 30, 40))
    model = tiny_model()
    one, _ = batch(model, folder, "nose", people_by=finder(boxes, (0.9, 0.5)))
    assert [person.box for person in one.prediction.people] == list(boxes)
    assert {row["where"] for row in one.numbers} == {"in this person's box"}
    assert {row["person"] for row in one.numbers} == {0, 1}
    nobody, _ = batch(model, folder, "nose", people_by=finder((), ()))
    assert nobody.status == "nobody found" and nobody.numbers == []
    with pytest.raises(ModelError, match="finds nobody by itself"):
        next(batch(model, folder, people_by=model))


def test_the_command_fills_a_folder(folder: Path, tmp_path: Path) -> None:
    out, words = tmp_path / "out", ["batch", str(folder), "--weights", "random"]
    asked = ["-k", "left wrist", "-k", "neck", "--layer", "encoder.3"]
    done = CliRunner().invoke(app, [*words, *asked, "--out", str(out), "--maps", "npz"])
    assert done.exit_code == 0, done.output
    assert (
        "3 photographs (1 not looked at), 2 people, 28 keypoints, 4 maps of 2 keypoints, 4 files"
    ) in done.stdout
    assert "1 photograph is damaged (c.png)" in done.stderr
    assert "took 2 photographs whole for one person: with --people-by best" in done.stderr
    made = sorted(path.name for path in out.iterdir())
    maps = [f"{name}-{keypoint}.npz" for name in "ab" for keypoint in ("left-wrist", "neck")]
    assert made == [*maps, "numbers.csv", "photos.csv", "poses.csv"]
    rows = table(out / "numbers.csv")
    assert [(row["photo"], row["asked"]) for row in rows] == [
        (f"{name}.png", keypoint) for name in "ab" for keypoint in ("left wrist", "neck")
    ]
    with np.load(out / "a-left-wrist.npz") as held:
        (weights,) = held["weights"]
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    share = -(weights[weights > 0] * np.log(weights[weights > 0])).sum()
    assert float(rows[0]["entropy_nats"]) == pytest.approx(share, abs=1e-3)
    photos = table(out / "photos.csv")
    assert [row["photo"] for row in photos] == ["a.png", "b.png", "c.png"]
    assert [row["status"] for row in photos][:2] == ["ok", "ok"] and "c.png" in photos[2]["status"]
    assert len(table(out / "poses.csv")) == 28
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    again = CliRunner().invoke(app, [*words, "-k", "neck", "--out", str(out)])
    assert again.exit_code == 1 and "is not empty: name a new one" in again.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    plain = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "plain"), "--json"])
    assert len(json.loads(plain.stdout)["poses"]) == 28
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == [
        "photos.csv",
        "poses.csv",
    ]


def test_the_command_counts_nobody_and_the_unsure(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(model: PoseModel, name: str, *words: str, boxes: tuple[Box, ...] = ()) -> list[str]:
        module = sys.modules["posekit.cli.batch"]  # as an attribute it is the command
        monkeypatch.setattr(module, "load_model", lambda *_: model)
        monkeypatch.setattr(module, "load_finder", lambda *_: finder(boxes, (0.9,) * len(boxes)))
        out = ["--out", str(tmp_path / name)]
        done = CliRunner().invoke(app, ["batch", str(folder), *out, *words])
        assert done.exit_code == 0, done.output
        return [done.stdout, done.stderr]

    stdout, stderr = run(finding(None), "nobody", "-k", "all", "--maps", "none")
    assert "3 photographs (2 with nobody found, 1 not looked at), 0 people" in stdout
    # Tables without a row have their columns all the same.
    assert (tmp_path / "nobody" / "numbers.csv").read_text().strip() == ",".join(NUMBERS)
    assert "unsure" not in stderr and "whole" not in stderr
    model = tiny_model()
    weights, entry = replace(model.weights, kind="shipped"), replace(model.entry, unsure=2.0)
    doubtful = replace(model, weights=weights, entry=entry)
    _, stderr = run(doubtful, "unsure")
    assert "2 of 2 people are unsure: at least half of the keypoints" in stderr
    stdout, stderr = run(doubtful, "found", "--people-by", "best")
    assert "(2 with nobody found, 1 not looked at)" in stdout
    assert "whole for one person" not in stderr
    two, words = (Box(5, 5, 30, 40), Box(40, 5, 30, 40)), ["-k", "nose", "--maps", "npz"]
    stdout, _ = run(doubtful, "two", "--people-by", "best", *words, boxes=two)
    assert "4 people, 68 keypoints" in stdout
    assert sorted(path.stem for path in (tmp_path / "two").glob("*.npz")) == [
        f"{name}-person-{person}-nose" for name in "ab" for person in (0, 1)
    ]


def test_photos_that_differ_in_their_endings_have_maps_of_their_own(tmp_path: Path) -> None:
    made = tmp_path / "photos"
    made.mkdir()
    for name in ("a.jpg", "a.png"):
        Image.fromarray(noise_photo(60, 80).pixels).save(made / name)
    words = ["batch", str(made), "-k", "neck", "--maps", "npz", "--layer", "encoder.3"]
    out = tmp_path / "out"
    done = CliRunner().invoke(app, [*words, "--weights", "random", "--out", str(out)])
    assert "2 maps of neck, 2 files" in done.stdout, done.output
    assert sorted(path.name for path in out.glob("*.npz")) == ["a-neck.npz", "a.png-neck.npz"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
