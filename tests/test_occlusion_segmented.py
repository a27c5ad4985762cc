"""Occlusion with a model whose attention masks supervise, and which segments people by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from app import occlusion_payload as told
from posekit.cli import app
from posekit.estimator import Estimator
from posekit.explain.instance import mean_by_layer, purity_of
from posekit.geometry import Box
from posekit.occlusion import (
    Rectangle,
    Study,
    html_page,
    masks_by_another,
    masks_of_polygons,
    masks_of_scene,
    study,
    sweep_limb,
)
from posekit.occlusion.picture import StudyPictures
from posekit.photo import read_photo
from posekit.scenes import named_scene
from posekit.zoo import PoseModel, load
from tests.tiny_instance import halves_masks, halves_model, halves_photo
from tests.tiny_models import noise_photo, tiny_model

DOT = Rectangle(Box(2, 2, 6, 6), "grey")
SHIPPED = ("transpose-r-small", "btranspose-small")


def studied(**more: object) -> Study:
    return study(halves_model(), halves_photo(), DOT, keypoint="left knee", **more)  # type: ignore[arg-type]


def test_the_supervised_layer_is_shown_unless_another_is_asked_for() -> None:
    assert studied().layer == "encoder.2" and studied().layers[-1] == "encoder.3"
    assert studied(layer="encoder.1").layer == "encoder.1"
    swept = sweep_limb(halves_model(), halves_photo(), keypoint="left knee", steps=2)
    assert swept.layer == "encoder.2"
    bare = study(tiny_model(), noise_photo(), DOT, keypoint="nose")
    assert bare.layer == "encoder.3"  # nothing is supervised: the last one
    answers = told.answer(studied()), told.answer(bare)
    assert [one["supervised"] for one in answers] == [True, False]


def test_the_models_own_masks_are_told_for_both_sides_in_one_order() -> None:
    done = studied()
    assert done.model_masks is not None
    for side in done.model_masks:
        assert [one is not None and bool((one == mask).all()) for one, mask in
                zip(side, halves_masks(), strict=True)] == [True, True]  # fmt: skip
    after = done.after.prediction
    assert after.masks is not None
    turned = replace(after, people=after.people[::-1], masks=after.masks[::-1])
    other = replace(done, after=replace(done.after, prediction=turned))
    assert other.model_masks is not None
    assert [one is not None and bool(one[0, 0]) for one in other.model_masks[1]] == [True, False]
    gone = replace(after, people=after.people[:1], masks=after.masks[:1])
    left = replace(done, after=replace(done.after, prediction=gone)).model_masks
    assert left is not None and left[1][0] is not None and left[1][1] is None
    sent = told.answer(done)["modelMasks"]
    assert sent["before"] == sent["after"] and len(sent["before"]) == 2
    bare = study(tiny_model(), noise_photo(), DOT, keypoint="nose")
    assert bare.model_masks is None and told.answer(bare)["modelMasks"] is None


def test_the_report_shows_whose_masks_are_whose() -> None:
    exact = masks_of_polygons(
        [
            [(-1, -1), (31.5, -1), (31.5, 70), (-1, 70)],
            [(31.5, -1), (70, -1), (70, 70), (31.5, 70)],
        ],
        (64, 64),
    )
    given, own = html_page(studied(masks=exact)), html_page(studied(masks="best"))
    for page in (given, own):
        assert page.count("as Instance-Attention-small sees them") == 2
    assert given.count("whose pixels are whose: masks drawn by hand") == 2
    assert "whose pixels are whose" not in own  # they are the model's: once is enough
    pictures = StudyPictures(studied(), width=64)
    for which in ("before", "after"):
        left, right = pictures.model_masks(which)[40, [10, 50]].astype(int)
        assert left[0] > left[2] and right[2] > right[0]  # orange and blue
    bare = StudyPictures(study(tiny_model(), noise_photo(), DOT, keypoint="nose"), width=64)
    assert (bare.model_masks("before") == bare.base("before")).all()


def test_a_keypoint_not_found_is_not_said_to_lack_a_mask() -> None:
    done = studied(masks="best")
    someone = done.after.prediction.people[0]
    points = np.array(someone.keypoints)
    points[done.keypoint] = np.nan
    lost = replace(done.after, prediction=replace(done.after.prediction,
                   people=(replace(someone, keypoints=points),)), maps=(), purity={},
                   on_occluder={}, query=None)  # fmt: skip
    rows = told.changes(replace(done, before=replace(done.before, purity={}), after=lost))
    assert not any(told.NO_MASK in row["cells"] for row in rows)
    rows = told.changes(replace(studied(), own=None))
    assert sum(told.NO_MASK in row["cells"] for row in rows) == 3


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> PoseModel:
    return load(request.param, device="cpu")


def test_models_that_segment_nobody_are_asked_the_same_with_any_known_masks(
    shipped: PoseModel,
) -> None:
    """From data, from a drawn polygon, and from the model that segments."""
    scene = named_scene("runner").render((160, 160))
    photo = read_photo(scene.pixels)
    prediction = Estimator(shipped).predict(photo, [scene.people[0].box])
    exact = masks_of_scene(scene)
    box = scene.people[0].box
    x0, y0, x1, y1 = box.edges
    drawn = masks_of_polygons([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], (160, 160))
    found = Estimator(load("instance-attention-small", device="cpu")).predict(photo)
    other = masks_by_another(found)
    assert other is not None and not other.in_order and other.words == "masks by another model"
    own = {}
    for name, masks in (("exact", exact), ("drawn", drawn), ("other", other)):
        layers = mean_by_layer(purity_of(prediction, masks))
        assert len(layers) >= 3
        for one in layers.values():
            assert one.own + one.others + one.background == pytest.approx(1, abs=1e-5)
            assert one.others == 0 or name == "other"
        own[name] = layers["encoder.1"].own
    assert own["drawn"] > own["exact"] > 0  # the box holds all of the person and more
    assert masks_by_another(replace(found, masks=())) is None


def test_masks_of_another_model_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves, plain = halves_model(), tiny_model()
    monkeypatch.setattr(
        "posekit.zoo.load", lambda name, *_, **__: plain if name == "plain" else halves
    )
    photo = tmp_path / "photo.png"
    Image.fromarray(halves_photo().pixels).save(photo)
    words = ["people", str(photo), "--model", "plain", "--masks-by"]
    done = CliRunner().invoke(app, [*words, "halves"])
    assert done.exit_code == 0, done.output
    assert "ON THE PERSON" in done.stdout and "encoder.3" in done.stdout
    nobody = CliRunner().invoke(app, [*words, "plain"])
    assert nobody.exit_code == 1 and "no mask of anybody" in nobody.stderr
    both = CliRunner().invoke(app, [*words, "halves", "--masks", str(photo)])
    assert both.exit_code == 2 and "not both" in both.stderr
