"""Many occluders one after another, and the prepared cases."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pytest

import posekit
from posekit.errors import OcclusionError
from posekit.estimator import Estimator
from posekit.explain import explain
from posekit.geometry import Box
from posekit.occlusion import (
    CASES,
    Rectangle,
    limb_band,
    prepared_case,
    study,
    sweep_grid,
    sweep_limb,
)
from posekit.occlusion.measure import covered_limbs
from posekit.skeleton import COCO17
from tests.linear_model import Stop, linear_model, stop_at_once
from tests.occluded import PHOTO, WRIST, found, spots, stick_person
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model


def test_a_band_covers_exactly_its_share() -> None:
    prediction = found(stick_person())
    for share in (0.25, 0.5, 0.9):
        band = limb_band(prediction, "left knee", "left ankle", share, width=9)
        assert band is not None
        got = covered_limbs(
            band.cover(prediction.photo), prediction.people[0].keypoints, [(13, 15)]
        )
        assert got == pytest.approx(share, abs=0.03)  # whole pixels of 26
    assert limb_band(prediction, "left knee", "left ankle", 0) is None
    whole = limb_band(prediction, None, "left ankle")
    assert whole is not None
    x, y = prediction.people[0].keypoints[15]
    assert whole.cover(prediction.photo)[int(y) - 1 : int(y) + 4, int(x)].all()
    with pytest.raises(OcclusionError):
        limb_band(prediction, "left knee", "left knee")
    with pytest.raises(OcclusionError):
        limb_band(prediction, "left knee", "left ankle", 1.5)


def test_a_sweep_along_a_limb_grows_from_nothing_to_all() -> None:
    model, photo = tiny_model(seed=3), noise_photo(160, 120)
    boxes, halves = [Box(40, 40, 40, 60)], [np.ones((160, 120), bool)] * 2
    halves = [half & (np.indices((160, 120))[1] // 60 == n) for n, half in enumerate(halves)]
    places = Estimator(model).predict(photo, boxes).people[0].keypoints
    far = int(np.hypot(*(places - places[9]).T).argmax())
    seen: list[tuple[int, int]] = []
    done = sweep_limb(
        Estimator(model, batch_size=4), photo, keypoint=WRIST, start=far, steps=9, masks=halves,
        boxes=boxes, width=12, progress=lambda *at: seen.append(at),
    )  # fmt: skip
    assert seen == [(4, 9), (8, 9), (9, 9)]
    assert done.share[0] == 0 and (np.diff(done.share) > 0).all() and done.occluders[0] is None
    assert done.share == pytest.approx(np.linspace(0, 1, 9), abs=0.04)  # whole pixels
    assert done.confidence[0] == pytest.approx(done.before.confidence, abs=1e-5)
    assert done.displacement[0] == pytest.approx(0, abs=1e-3) and done.found.all()
    for layer in ("encoder.1", "encoder.2", "encoder.3"):
        assert done.purity[layer].sum(1) == pytest.approx(np.ones(9))
        expected = done.before.purity[layer]
        assert done.purity[layer][0, 0] == pytest.approx(expected.own, abs=1e-4)
    on = done.on_occluder["encoder.3"]
    assert math.isnan(on[0]) and on[-1] > on[1] >= 0
    # Each step is what a study of the same occluder says.
    one = study(model, photo, done.occluders[5], keypoint=WRIST, masks=halves, boxes=boxes)
    assert one.after.confidence == pytest.approx(done.confidence[5], abs=1e-5)
    assert one.displacement[9] == pytest.approx(done.displacement[5], abs=1e-2)
    assert {"confidence", "on this person", "displacement"} <= {t.name for t in done.figure().data}


def test_a_sweep_over_a_grid_finds_what_the_keypoint_hangs_on() -> None:
    photo = spots((30, 40, 240), (60, 90, 160))
    model = pose_model(BlobFinder(), (64, 48))
    square = Rectangle(Box(0, 0, 25, 25), (0, 0, 0))
    done = sweep_grid(
        model, photo, square, keypoint=WRIST, shape=(8, 6), region=Box.whole((128, 96))
    )
    drop = done.drop.reshape(8, 6)
    assert np.unravel_index(drop.argmax(), drop.shape) == (2, 1)  # middle at (23.5, 39.5)
    assert drop[6:, 4:] == pytest.approx(np.zeros((2, 2)), abs=1e-5)
    assert done.to_photo is not None and done.to_photo.apply([1, 2]) == pytest.approx([23.5, 39.5])
    heat = done.heat
    assert heat.signed and heat.grid_to_photo.apply([1, 2]) == pytest.approx([23.5, 39.5])
    plot = json.loads(done.figure().to_json())
    assert plot["layout"]["images"][0]["source"].startswith("data:image/jpeg;base64,")
    buffer = io.BytesIO()
    done.save_npz(buffer)
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as arrays:
        assert (arrays["drop"] == done.drop).all() and tuple(arrays["shape"]) == (8, 6)
        assert json.loads(str(arrays["metadata"]))["keypoint"] == WRIST
    assert len(done.describe()["rows"]) == 48


def test_a_sweep_can_be_stopped_and_is_bounded() -> None:
    module: Any = (model := linear_model()).module
    with pytest.raises(Stop):
        sweep_grid(model, PHOTO, keypoint=0, shape=(9, 9), progress=stop_at_once)
    assert module.batches == [1, 8]
    for shape in ((0, 4), (99, 99)):
        with pytest.raises(OcclusionError, match="places"):
            sweep_grid(model, PHOTO, keypoint=0, shape=shape)
    with pytest.raises(OcclusionError, match="steps"):
        sweep_limb(model, PHOTO, keypoint=0, steps=1)
    with pytest.raises(OcclusionError, match="shorter than a pixel"):
        sweep_limb(model, PHOTO, keypoint=0)  # all its keypoints lie in one place
    with pytest.raises(OcclusionError, match="Only a sweep over a grid"):
        _ = sweep_limb(tiny_model(), PHOTO, keypoint=WRIST, start="nose", steps=2).heat


def test_several_photos_at_once_are_as_one_by_one() -> None:
    estimator = Estimator(tiny_model(), batch_size=3)
    photos = [noise_photo(80, 60, seed=n) for n in range(4)]
    two = [Box(5, 5, 30, 60), Box(25, 10, 30, 60)]
    together = estimator.predict_each(photos, two)
    for photo, one in zip(photos, together, strict=True):
        alone = estimator.predict(photo, two)
        for a, b in zip(one.people, alone.people, strict=True):
            assert a.keypoints == pytest.approx(b.keypoints, abs=1e-3)
        rows = [explain(x, WRIST, person=1).maps[-1].weights for x in (one, alone)]
        assert rows[0] == pytest.approx(rows[1], abs=1e-5)
    assert estimator.predict_each([]) == ()


def test_every_case_is_ready_and_true() -> None:
    assert len(CASES) >= 8 and {case.level for case in CASES.values()} >= {"easy", "cruel"}
    for name, case in CASES.items():
        ready = prepared_case(name, (160, 160))
        assert ready.case is case and case.question.endswith("?")
        mask = ready.masks.masks[case.person]
        assert len(ready.masks.masks) == len(ready.boxes) == len(ready.scene.people)
        truth = ready.truth(COCO17)
        x, y = truth[COCO17.index(case.keypoint)]
        inside = 0 <= x < 159 and 0 <= y < 159
        assert inside == (ready.hidden_by != "the photo's edge"), name
        assert not inside or mask[round(y), round(x)], name
        if ready.occluder is not None:
            assert ready.occluder.cover(ready.photo)[round(y), round(x)], name
    overlaps = [prepared_case(n, (160, 160)).scene.people[0].hidden_share
                for n in ("passing by", "one behind another", "nearly hidden")]  # fmt: skip
    assert overlaps == pytest.approx([0.3, 0.5, 0.7], abs=0.05)
    assert prepared_case("crowd", (160, 160)) is prepared_case("crowd", (160, 160))
    with pytest.raises(OcclusionError, match="no case"):
        prepared_case("elephants")


def test_the_package_offers_it() -> None:
    assert posekit.occlude is study
