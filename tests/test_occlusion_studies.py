"""Before and after an occluder, against closed forms and models known on paper."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from posekit.errors import BoxError, OcclusionError, SkeletonError, TraceError
from posekit.estimator import Estimator
from posekit.explain import explain
from posekit.explain.purity import Covers, purity
from posekit.found import Found, box_around
from posekit.geometry import Box, Crop
from posekit.layer_words import layer_marks, layer_words
from posekit.occlusion import (
    Occluder,
    Patch,
    Rectangle,
    Stroke,
    study,
    sweep_grid,
)
from posekit.occlusion.matching import matched
from posekit.occlusion.measure import covered_limbs, similarity
from posekit.occlusion.words import percent
from posekit.people import Person
from posekit.photo import Photo
from posekit.skeleton import COCO17
from posekit.trace import Trace
from posekit.zoo import PoseModel, load
from tests.linear_model import linear_model
from tests.occluded import ONES, PHOTO, WRIST, spots, stick_person
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model


def test_similarity_is_oks() -> None:
    before = stick_person().keypoints
    assert similarity(before, before, COCO17, 500.0) == 1.0
    moved = before + np.array([3.0, 4.0])
    sigmas = np.array(COCO17.sigmas)
    expected = np.exp(-25 / (2 * 500.0 * (2 * sigmas) ** 2)).mean()
    assert similarity(before, moved, COCO17, 500.0) == pytest.approx(expected, rel=1e-12)
    lost = before.copy()
    lost[:5] = np.nan
    assert similarity(before, lost, COCO17, 500.0) == pytest.approx(12 / 17)
    assert similarity(lost, before, COCO17, 500.0) == 1.0
    assert similarity(np.full((17, 2), np.nan), before, COCO17, 500.0) is None


def test_covered_share_of_a_limb() -> None:
    keypoints = np.full((17, 2), np.nan)
    keypoints[[7, 9]] = (10, 40), (50, 40)
    cover = Rectangle(Box.from_edges(19.5, 30.5, 29.5, 49.5)).cover(PHOTO)
    assert covered_limbs(cover, keypoints, [(7, 9)]) == pytest.approx(0.25)
    assert covered_limbs(cover, keypoints, [(5, 7)]) is None
    beyond = keypoints + np.array([40, 0])  # most of it outside the photo, where nothing is covered
    assert covered_limbs(np.ones((80, 60), bool), beyond, [(7, 9)]) == pytest.approx(9.5 / 40)


def test_the_share_of_a_map_made_by_hand() -> None:
    prediction = Estimator(tiny_model()).predict(noise_photo(160, 120))
    one = explain(prediction, WRIST).maps[-1]
    weights = np.zeros(one.grid.size, np.float32)
    weights[2, 2], weights[5, 3] = 0.25, 0.75
    made = replace(one, weights=weights)
    x, y = made.grid_to_photo.apply([3, 5])
    half = 0.5 * made.grid_to_photo.scale

    def on(mask: np.ndarray) -> float:
        return Covers([mask], 0).shares(made).own

    cover = Rectangle(Box.from_edges(x - half, y - half, x + half, y + half))
    assert on(cover.cover(prediction.photo)) == pytest.approx(0.75, abs=0.04)
    wider = Rectangle(Box.from_edges(x - half - 1, y - half - 1, x + half + 1, y + half + 1))
    assert on(wider.cover(prediction.photo)) == pytest.approx(0.75, abs=1e-6)
    assert on(np.ones((160, 120), bool)) == pytest.approx(1.0)
    assert on(np.zeros((160, 120), bool)) == 0


def test_a_linear_model_changes_by_exactly_what_is_covered() -> None:
    model = linear_model()
    hidden = Rectangle(Box(12, 30, 20, 25), (200, 30, 90))
    done = study(model, PHOTO, hidden, keypoint=9)
    crop = done.before.prediction.people[0].crop
    import torch

    def seen(photo: Photo) -> torch.Tensor:
        image = torch.from_numpy(crop.warp(photo.pixels)).permute(2, 0, 1)[None].float() / 255
        return model.entry.normalised(image)

    difference = seen(hidden.apply(PHOTO)) - seen(PHOTO)
    expected = float((difference[0] * model.module.weight[9]).sum().detach())  # type: ignore[union-attr]
    row = {one.key: one for one in done.changes}["confidence"]
    assert row.difference == pytest.approx(expected, abs=2e-5)
    assert abs(expected) > 0.01
    assert done.displacement[9] == pytest.approx(0, abs=1e-4)  # its peak stands still
    assert done.covered_person is None and not done.before.maps
    assert "no attention" in " ".join(done.sentences)


def test_the_keypoint_goes_where_the_next_brightest_spot_is() -> None:
    photo = spots((30, 40, 240), (60, 90, 160))
    model = pose_model(BlobFinder(), (64, 48))
    hidden = Stroke(((30, 40),), 44, (0, 0, 0))
    done = study(model, photo, hidden, keypoint=WRIST, truth=np.tile([30.0, 40.0], (17, 1)))
    assert done.displacement[9] == pytest.approx(math.hypot(30, 50), abs=2.5)
    rows = {row.key: row for row in done.changes}
    peaks = []
    for side in (done.before, done.after):
        trace = side.prediction.trace
        assert trace is not None and trace.heatmaps is not None
        peaks.append(float(trace.heatmaps[0, 9].max()))
    row = rows["confidence"]
    assert [row.before, row.after] == pytest.approx(peaks) and peaks[1] < 0.8 * peaks[0]
    assert row.difference == pytest.approx(peaks[1] - peaks[0])
    assert rows["off_truth"].after == pytest.approx(math.hypot(30, 50), abs=2.5)
    assert rows["moved"].difference == done.displacement[9] and rows["moved"].before is None
    assert done.keypoint_changes[0].covered and done.keypoint_changes[0].moved is not None
    assert done.title == "Left wrist behind a stroke of 44 px"
    with pytest.raises(OcclusionError, match="true keypoints"):
        study(model, photo, None, keypoint=WRIST, truth=np.zeros((3, 2)))


MASKS = (
    (np.arange(60) < 30) & np.ones((80, 1), bool),
    (np.arange(60) >= 30) & np.ones((80, 1), bool),
)


@pytest.mark.parametrize(
    "nothing",
    [None, Patch(Box(10, 10, 20, 20), (10, 10)), Rectangle(Box(0, 0, 2, 2), (255, 0, 0))],
    ids=["none", "a piece on itself", "outside the crop"],
)
def test_what_hides_nothing_changes_nothing(nothing: Occluder | None) -> None:
    model, boxes = tiny_model(), [Box(30, 40, 12, 16)]
    done = study(model, PHOTO, nothing, keypoint=WRIST, boxes=boxes, masks=MASKS)
    assert (done.displacement == 0).all() and done.oks == 1.0
    for row in done.changes:
        if not row.key.startswith(("covered", "on_occluder")):
            assert row.difference in (0.0, None), row
    assert done.before.purity == done.after.purity and len(done.before.purity) == 3
    for layer in done.layers:
        one, other = done.before.map(layer), done.after.map(layer)
        assert one is not None and other is not None and (one.weights == other.weights).all()


def test_purity_is_that_of_the_evaluation() -> None:
    model = tiny_model()
    done = study(model, PHOTO, ONES[0], keypoint=WRIST, masks=MASKS, layer="encoder.2")
    after = Estimator(model).predict(ONES[0].apply(PHOTO))
    front = ONES[0].cover(PHOTO)
    for one in explain(after, WRIST).maps:
        seen = purity(one, [mask & ~front for mask in MASKS], 0)
        found = done.after.purity[one.layer]
        assert (found.own, found.others) == (seen.own, seen.others)
        assert found.in_front == done.after.on_occluder[one.layer] > 0
        assert found.background == pytest.approx(seen.background - found.in_front)
    rows = {row.key: row for row in done.changes}
    names = ("on_person", "on_others", "on_background", "in_front")
    for side in ("before", "after"):
        parts = [getattr(rows[f"{name}.encoder.2"], side) for name in names]
        assert sum(parts) == pytest.approx(1.0)
    assert rows["in_front.encoder.2"].before == 0
    assert done.layer == "encoder.2" and 0 < done.after.on_occluder["encoder.2"] < 1
    assert done.covered_person == pytest.approx(ONES[0].cover(PHOTO)[:, :30].sum() / (30 * 80))
    with pytest.raises(OcclusionError, match="masks are"):
        study(model, PHOTO, None, keypoint=WRIST, masks=[np.ones((4, 4), bool)])
    # Layers are written as on the page, and shares as "59 %", which no line divides.
    text = next(one for one in done.sentences if one.startswith("In encoder layer 2, "))
    own = 100 * done.after.purity["encoder.2"].own
    assert f"after, {own:.0f}\u00a0% lies on what can be seen of them" in text
    assert "encoder.2" not in text
    assert rows["on_person.encoder.2"].name == "attention on this person, encoder layer 2"
    assert percent(0.594) == "59\u00a0%"
    levels = {"encoder": "encoder layer", "supervised": "supervised layer"}
    assert layer_words("encoder.3", "supervised", levels) == "supervised layer 3"


@pytest.mark.parametrize(
    ("words", "marks"),
    [
        (["Layer 1", "Layer 2", "Layer 3"], ["1", "2", "3"]),
        # Of the supervised model the number is the place, so it already matches the words.
        (["Encoder layer 1", "Supervised layer 2", "Encoder layer 3"], ["1", "2", "3"]),
        (["MHSA block 1"], ["1"]),
        (["MHSA block 1", "Encoder layer 1", "Encoder layer 2"], ["M1", "E1", "E2"]),
        (["Heatmap of stage 1", "Heatmap of stage 2", "Offset votes"], ["H1", "H2", "O"]),
        ([], []),
    ],
)
def test_a_layers_button_matches_its_words(words: list[str], marks: list[str]) -> None:
    assert layer_marks(words) == marks


def test_a_backbone_without_keypoints_is_studied_at_a_point() -> None:
    model = load("dino-btranspose-small")
    done = study(model, PHOTO, ONES[0], keypoint=(20.0, 30.0))
    assert done.keypoint is None and done.keypoint_changes == ()
    (said,) = [one for one in done.sentences if one.startswith("In ")]
    assert said.count("\u00a0%") == 2 and "lies on the" in said
    row = next(one for one in done.changes if one.key == "mean_confidence")
    assert row.before is None and row.after is None


def test_what_is_asked_after_is_asked_at_the_new_and_at_the_old_place() -> None:
    model = tiny_model()
    hidden = Rectangle(Box(0, 0, 60, 50), (0, 0, 0))
    done = study(model, PHOTO, hidden, keypoint=WRIST)
    assert done.before.query is not None and done.after.query is not None
    assert done.after.query.point == tuple(done.after.keypoints[9])
    assert done.after_there is not None and done.after_there.query is not None
    assert done.after_there.query.point == done.before.query.point
    free = study(model, PHOTO, hidden, keypoint=(20.0, 30.0))
    assert free.keypoint is None and free.after_there is None and free.before.confidence is None
    assert free.after.query is not None and free.after.query.point == (20.0, 30.0)
    assert free.title.startswith("Point (20, 30)") and free.changes and free.sentences


def test_what_was_found_before_is_not_sought_again() -> None:
    model = linear_model()
    before = Estimator(model).predict(PHOTO)
    module: Any = model.module
    module.batches.clear()
    study(model, PHOTO, ONES[0], keypoint=0, before=before)
    assert module.batches == [1]
    with pytest.raises(TraceError, match="another photo"):
        study(model, noise_photo(80, 60, seed=5), ONES[0], keypoint=0, before=before)


def test_questions_that_cannot_be_are_refused() -> None:
    model = linear_model()
    with pytest.raises(SkeletonError):
        study(model, PHOTO, None, keypoint="left wing")
    with pytest.raises(SkeletonError):
        study(model, PHOTO, None, keypoint=17)
    with pytest.raises(TraceError):
        study(model, PHOTO, None, keypoint=0, person=3)
    with pytest.raises(BoxError):
        study(model, PHOTO, None, keypoint=0, boxes=[Box(900, 900, 5, 5)])


def whole_photo_model() -> PoseModel:
    """Finds a person under every bright spot, brightest first: spread keypoints, some missing."""

    def find(model: PoseModel, photo: Photo, *, recorded: bool = False) -> Found:
        light = photo.pixels[..., 0].astype(float)
        people = []
        while light.max() > 60 and len(people) < 4:
            y, x = (int(v) for v in np.unravel_index(int(light.argmax()), light.shape))
            points = stick_person(scale=0.1).keypoints - (60, 14) + (x, y)
            points[15:] = np.nan
            scores = np.where(np.isfinite(points[:, 0]), light[y, x] / 255, 0.0)
            crop = Crop.of_box(Box.whole(photo.size), (64, 48), photo.size)
            box = box_around(points, photo.size)
            people.append(Person(box, points, scores, crop, score=float(scores.max())))
            light[max(0, y - 14) : y + 15, max(0, x - 14) : x + 15] = 0
        return Found(tuple(people), Crop.of_box(Box.whole(photo.size), (64, 48), photo.size),
                     Trace() if recorded else None)  # fmt: skip

    model = pose_model(BlobFinder(), (64, 48))
    return replace(model, entry=replace(model.entry, view="photo", find=find))


def test_a_person_is_the_same_person_when_the_order_changes() -> None:
    model, photo = whole_photo_model(), spots((20, 30, 240), (70, 90, 160))
    shade = Rectangle(Box(10, 20, 21, 4), (90, 90, 90))  # the first is now the fainter one
    done = study(model, photo, Stroke(((20, 30),), 30, (100, 100, 100)), keypoint="nose", person=1)
    assert done.before.person == 1 and done.after.person == 0
    assert done.oks == 1.0 and done.displacement[0] == 0.0
    assert math.isnan(done.displacement[15]) and done.keypoint_changes[-1].moved is None
    swapped = matched(done.before.prediction, done.after.prediction)
    assert swapped[1] == 0
    assert study(model, photo, shade, keypoint="nose", person=1).after.person is not None


def test_somebody_who_is_gone_is_said_to_be_gone() -> None:
    model, photo = whole_photo_model(), spots((20, 30, 240), (70, 90, 160))
    hidden = Stroke(((20, 30),), 60, (0, 0, 0))
    done = study(model, photo, hidden, keypoint="nose")
    assert done.after.person is None and done.oks == 0.0
    assert "does not find this person any more" in done.sentences[0]
    rows = {row.key: row for row in done.changes}
    assert rows["confidence"].after is None and rows["people"].difference == -1.0
    assert done.keypoint_changes[0].lost
    nobody = study(model, photo, Rectangle(Box(0, 0, 96, 128), (0, 0, 0)), keypoint="nose")
    assert "nobody any more" in nobody.sentences[0]
    for one in (done, nobody):
        for save in (one.save_json, one.save_npz, one.save_html):
            save(io.BytesIO())
    nobody.save_png(io.BytesIO())


def test_an_empty_photo_is_said_to_be_empty() -> None:
    model = whole_photo_model()
    done = study(model, spots((9, 9, 10)), ONES[0], keypoint="nose", masks="best")
    assert "found nobody in this photo" in done.sentences[0]
    assert done.oks is None and not done.after.maps
    assert study(model, spots((9, 9, 10)), None, keypoint=(3.0, 4.0)).sentences
    boxed = study(model, spots((9, 9, 10)), ONES[0], keypoint="nose", boxes=[Box(9, 9, 30, 30)])
    assert any("neither before nor after" in text for text in boxed.sentences)
    missing = study(model, spots((30, 40, 200)), ONES[0], keypoint="left ankle")
    assert missing.before.query is None and missing.sentences
    with pytest.raises(TraceError, match="found nobody"):
        sweep_grid(model, spots((9, 9, 10)), keypoint="nose")


def test_a_sweep_of_a_model_of_whole_photos() -> None:
    photo = spots((30, 40, 240), (70, 100, 160))
    square = Rectangle(Box(0, 0, 40, 40), (0, 0, 0))
    region = Box.whole(photo.size)
    done = sweep_grid(
        whole_photo_model(), photo, square, keypoint="nose", shape=(4, 3), region=region
    )
    assert done.drop.reshape(4, 3).argmax() == 3 and not done.found[3]  # its middle at (16, 48)
    assert done.confidence[3] == 0 and math.isnan(done.displacement[3])
    assert done.drop[11] == pytest.approx(0, abs=1e-9)
