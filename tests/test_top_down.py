"""Top-down with people found by another model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import posekit
from posekit import top_down
from posekit.cli import app
from posekit.errors import ModelError
from posekit.estimator import Estimator
from posekit.found import Found
from posekit.geometry import Box, Crop
from posekit.people import MAX_BOXES, Person
from posekit.photo import Photo
from posekit.top_down import TopDown, boxes_by, crowd_words, finders
from posekit.weights import WeightsFile
from posekit.zoo import PoseModel
from tests.tiny_models import BlobFinder, noise_photo, pose_model

SPOTS = ((30.0, 40.0), (90.0, 25.0))
BOXES = (Box(10, 15, 40, 50), Box(75, 0, 30, 50))


def photo_of_spots() -> Photo:
    """Two bright spots on black, one in each box, so that every keypoint is there."""
    y, x = np.mgrid[:80, :120]
    light = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) for cx, cy in SPOTS)
    pixels = np.repeat(np.uint8(np.clip(255 * light, 0, 255))[..., None], 3, axis=2)
    return Photo(pixels)


def finder(boxes: tuple[Box, ...], scores: tuple[float, ...]) -> PoseModel:
    """A model of whole photos that finds somebody in each of these boxes."""

    def find(model: PoseModel, photo: Photo, *, recorded: bool) -> Found:
        crop = Crop.of_box(Box.whole(photo.size), (64, 64), photo.size)
        nothing = np.full((17, 2), np.nan), np.zeros(17)
        people = tuple(
            Person(box, *nothing, crop, score=score)
            for box, score in zip(boxes, scores, strict=True)
        )
        return Found(people, crop, None)

    known = pose_model(BlobFinder(), (64, 48))
    return replace(known, entry=replace(known.entry, view="photo", find=find))


def test_each_person_is_looked_at_in_the_box_that_was_found() -> None:
    photo, model = photo_of_spots(), pose_model(BlobFinder(), (64, 48))
    seen = TopDown(model, finder(BOXES, (0.9, 0.5))).predict(photo)
    given = Estimator(model).predict(photo, list(BOXES))
    assert [person.box for person in seen.people] == list(BOXES)
    for person, same, spot, sure in zip(seen.people, given.people, SPOTS, (0.9, 0.5), strict=True):
        np.testing.assert_allclose(person.keypoints, same.keypoints)
        np.testing.assert_allclose(person.keypoints, np.tile(spot, (17, 1)), atol=0.35)
        assert person.score == pytest.approx(sure * person.scores.mean())
    assert seen.trace is not None and seen.seconds["total"] >= seen.seconds["find"] >= 0


def test_who_is_hardly_seen_is_left_out_and_nobody_is_nobody() -> None:
    photo, model = photo_of_spots(), pose_model(BlobFinder(), (64, 48))
    assert len(TopDown(model, finder(BOXES, (0.9, 0.5)), least=0.6).predict(photo).people) == 1
    assert TopDown(model, finder((), ())).predict(photo, record=False).people == ()
    crowd = tuple(Box(n, 0, 20, 20) for n in range(40))
    people = TopDown(model, finder(crowd, (0.5,) * 40)).predict(photo, record=False).people
    assert [person.box for person in people] == list(crowd[:MAX_BOXES])


def test_the_two_models_are_not_taken_for_one_another() -> None:
    crops, whole = pose_model(BlobFinder(), (64, 48)), finder((), ())
    with pytest.raises(ModelError, match="needs no other model"):
        TopDown(whole, whole)
    with pytest.raises(ModelError, match="finds nobody by itself"):
        TopDown(crops, crops)


def test_a_photo_of_several_people_is_no_crop_of_one() -> None:
    photo, model = photo_of_spots(), pose_model(BlobFinder(), (64, 48))

    def words(*boxes: Box) -> str | None:
        found = Estimator(model).predict(photo, list(boxes))
        return crowd_words(found, model.entry)

    several, small = words(*BOXES), words(BOXES[0])
    title = model.entry.title
    assert several is not None and several.startswith(f"{title} finds 2 people here, and {title}")
    assert small is not None and "one person in a part of this photo" in small
    assert words(Box(0, 0, 120, 40)) is None  # half of the photo
    nobody = Estimator(finder((), ())).predict(photo)
    assert crowd_words(nobody, model.entry) is None


def test_finders_stand_in_the_order_of_whom_they_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recalls = {"querypose-small": 40.0, "ssa-small": 70.0, "instance-attention-small": 60.0}
    few, many = "14 photographs", "500 photographs"

    def card(weights: WeightsFile) -> dict[str, object]:
        name = str(weights.path).removesuffix(".safetensors")
        return {
            "measured": {few: {"person recall": 99.0 - recalls[name]}, many: measured(name)},
            "measured_details": {
                few: {"person recall": {"photographs": 14}},
                many: {"person recall": {"photographs": 500}, "PCK": {}},
            },
        }

    def measured(name: str) -> dict[str, float]:
        return {"person recall": recalls[name]}

    shipped = {name: WeightsFile(kind="shipped", path=f"{name}.safetensors") for name in recalls}
    none = WeightsFile(kind="random")
    monkeypatch.setattr(top_down, "choose_weights", lambda e: shipped.get(e.name, none))
    monkeypatch.setattr(top_down, "read_card", card)
    assert finders() == ["ssa-small", "instance-attention-small", "querypose-small"]
    shipped.clear()
    assert finders() == []


def test_the_command_line_lets_a_model_find_the_people(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "noise.png"
    Image.fromarray(noise_photo(96, 80).pixels).save(path)
    run = CliRunner().invoke
    by = ["--people-by", "instance-attention-small"]
    done = run(app, ["predict", str(path), "--model", "transpose-r-small", *by, "--json"])
    assert done.exit_code == 0, done.output
    whole = posekit.Estimator(posekit.load("instance-attention-small"))
    found = whole.predict(posekit.read_photo(path), record=False).people
    told = json.loads(done.stdout)["people"]
    assert len(told) == len(found)
    both = run(app, ["predict", str(path), "--box", "0,0,9,9", *by])
    assert both.exit_code != 0 and "not both" in both.output


def test_occlude_and_compare_take_the_people_that_a_model_finds(tmp_path: Path) -> None:
    from PIL import Image

    from app.examples import bundled

    crowd = next(one for one in bundled() if one.id == "crowd").read()[0]
    path = tmp_path / "crowd.png"
    Image.fromarray(crowd.pixels).save(path)
    photo, best = posekit.read_photo(path), finders()[0]
    boxes = boxes_by(posekit.load(best), photo)
    assert len(boxes) > 1
    given = [word for b in boxes for word in ("--box", f"{b.x},{b.y},{b.width},{b.height}")]
    run = CliRunner().invoke
    compare = ["compare", str(path), "-m", "transpose-r-small,btranspose-small", "--json"]
    occlude = ["occlude", str(path), "--limb", "left hip", "--json"]
    for command in (compare, occlude):
        asked = [*command, "-k", "left knee", "--person", str(len(boxes) - 1)]
        one, other = run(app, [*asked, *given]), run(app, [*asked, "--people-by", "best"])
        assert one.exit_code == other.exit_code == 0, other.output
        told, wanted = json.loads(other.stdout), json.loads(one.stdout)
        if command is compare:
            assert told["box"] == wanted["box"] and len(told["panels"]) == 2
            poses = [[panel["pose"] for panel in found["panels"]] for found in (told, wanted)]
            assert poses[0] == poses[1]
        else:
            assert told["before"]["people"] == len(boxes)
            assert told["before"] == wanted["before"] and told["after"] == wanted["after"]
    refused = run(app, [*compare, "-k", "left knee", "--people-by", "transpose-r-small"])
    assert refused.exit_code == 1 and "finds nobody by itself" in refused.output


@pytest.mark.parametrize("command", ["explain", "live", "compare", "predict"])
def test_a_photo_of_nobody_is_told_of_whoever_looked(tmp_path: Path, command: str) -> None:
    """The model asked about never saw it; `predict` has no question, and so an answer: nobody."""
    path, best = tmp_path / "grey.png", posekit.load(finders()[0])
    assert cv2.imwrite(str(path), np.full((80, 96, 3), 128, np.uint8))
    more = {
        "explain": ["-k", "neck"],
        "live": ["-o", str(tmp_path / "live.html")],
        "compare": ["-m", "transpose-r-small,btranspose-small", "-k", "neck"],
        "predict": [],
    }[command]
    done = CliRunner().invoke(app, [command, str(path), *more, "--people-by", "best"])
    said = f"{best.entry.title} found nobody in this photo"
    assert done.exit_code == (0 if command == "predict" else 1)
    assert said in " ".join(done.output.split())
