"""Whose a keypoint is and why: hand-made affinities, attention of two blocks, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posekit.cli import app
from posekit.decode.instance import InstanceDecoder
from posekit.decode.instance_people import Grouping
from posekit.decode.paf_people import Peak
from posekit.draw.masks import PERSON_COLOURS, draw_number
from posekit.draw.people import draw_people
from posekit.errors import ModelError, SkeletonError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain
from posekit.explain.inside.matrices import matrices_of
from posekit.explain.instance import (
    NOBODY,
    affinity_of,
    keypoint_maps,
    masks_of,
    mean_by_layer,
    purity_of,
    why,
)
from posekit.explain.purity import purity
from posekit.found import box_around
from posekit.geometry import Box, Crop
from posekit.masks import PersonMasks
from posekit.people import Person
from posekit.skeleton import LSP14
from tests.tiny_instance import (
    HEAT,
    TOKENS,
    halves_masks,
    halves_model,
    halves_photo,
    halves_points,
    peak,
    tiny_model,
    two_people,
)
from tests.tiny_models import noise_photo
from tests.tiny_models import tiny_model as tiny_transpose

WRIST, ELBOW = LSP14.index("left wrist"), LSP14.index("left elbow")


def of_hand(peaks: list[Peak], affinity: np.ndarray, view: str = "body-first") -> Prediction:
    """A prediction whose grouping is worked out from a hand-made matrix."""
    grouping = InstanceDecoder(LSP14, HEAT, TOKENS, view=view).group(peaks, affinity)  # type: ignore[arg-type]
    photo = noise_photo(100, 100)
    crop = Crop.of_box(Box.whole(photo.size), (64, 64), photo.size)
    people = []
    for n, person in enumerate(grouping.people):
        points, scores = grouping.keypoints(n)
        people.append(Person(box_around(points, photo.size), points, scores, crop, person.score))
    return Prediction(photo, tiny_model(), tuple(people), None, {}, None, grouping)


def halves(**options: bool) -> Prediction:
    return Estimator(halves_model(**options)).predict(halves_photo())


def test_the_matrix_shows_people_as_blocks() -> None:
    peaks, affinity, _ = two_people()
    peaks.append(peak(3, 90.0, 90.0, 0.95))
    affinity = np.pad(affinity, (0, 1), constant_values=0.05)
    affinity[-1, -1] = 0.8
    found = affinity_of(of_hand(peaks, affinity))
    assert found.owners == (0,) * 14 + (1,) * 14 + (NOBODY,) and found.grouping == "body-first"
    assert found.blocks == {0: (0, 14), 1: (14, 28)}
    assert found.keypoints[:14] == found.keypoints[14:28] == LSP14.keypoints
    labels = found.labels()
    assert labels[0] == "right ankle of person 1" and labels[-1].endswith("of nobody")
    assert found.labels(first=0)[0] == "right ankle of person 0"
    assert found.labels(first=0)[-1] == labels[-1]
    assert (found.matrix[:14, :14] == 0.8).all() and (found.matrix[:14, 14:28] == 0.1).all()
    assert found.between(0, 0) == pytest.approx(0.8) and found.between(0, 1) == pytest.approx(0.1)
    assert found.points[-1].tolist() == [90, 90] and found.peaks[-1] == 28


def test_the_scores_that_decided() -> None:
    """The wrist attends to its elbow by 0.9 and to the rest by 0.5; the other person's by 0.2."""
    peaks, affinity, owner = two_people()
    wrist = next(n for n, one in enumerate(peaks) if (one.keypoint, owner[n]) == (WRIST, 0))
    elbow = next(n for n, one in enumerate(peaks) if (one.keypoint, owner[n]) == (ELBOW, 0))
    other = next(n for n, one in enumerate(peaks) if (one.keypoint, owner[n]) == (WRIST, 1))
    for n, whose in enumerate(owner):
        affinity[wrist, n] = affinity[n, wrist] = 0.5 if whose == 0 else 0.2
    affinity[wrist, elbow] = affinity[elbow, wrist] = 0.9
    prediction = of_hand(peaks, affinity)
    answer = why(prediction, 0, "left wrist")
    assert answer.found and not answer.first and answer.point == peaks[wrist].point
    assert len(answer.members) == 13 and answer.threshold == prediction_threshold()
    by_name = {one.keypoint: one.affinity for one in answer.members}
    assert by_name["left elbow"] == 0.9 and by_name["neck"] == 0.5
    assert answer.affinity == pytest.approx((12 * 0.5 + 0.9) / 13)
    assert answer.rival is not None and answer.rival.point == peaks[other].point
    assert answer.rival.affinity == pytest.approx(0.1) and answer.rival.person == 1
    assert answer.others == ((1, pytest.approx(0.2)),)
    assert "0.53, above the 0.30 it takes (left elbow 0.90" in answer.text
    assert "With person 2 its mean affinity is 0.20." in answer.text
    assert json.loads(json.dumps(answer.to_dict()))["others"][0]["person"] == 1
    part = why(of_hand(peaks, affinity, "part-first"), 0, WRIST)
    assert part.limb == "left wrist–left elbow" or part.limb == "left elbow–left wrist"
    assert [one.keypoint for one in part.members] == ["left elbow"] and part.affinity == 0.9


def prediction_threshold() -> float:
    return InstanceDecoder(LSP14, HEAT, TOKENS).threshold


def test_the_first_and_the_missing() -> None:
    peaks, affinity, owner = two_people()
    answer = why(of_hand(peaks, affinity), 1, 0)
    assert answer.first and answer.affinity == 1.0 and not answer.members
    assert answer.text.startswith("Person 2 began with the right ankle at (30, 0)")

    def without(whose: int) -> Prediction:
        keep = [n for n in range(28) if not (peaks[n].keypoint == WRIST and owner[n] in (1, whose))]
        return of_hand([peaks[n] for n in keep], affinity[np.ix_(keep, keep)])

    taken = why(without(1), 1, "left wrist")
    assert not taken.found and taken.point is None and taken.affinity == pytest.approx(0.1)
    assert taken.rival is not None and taken.rival.person == 0
    assert "is person 1's; here its mean affinity is 0.10" in taken.text
    nothing = why(without(0), 0, "left wrist")
    assert nothing.text == "Person 1 has no left wrist: no candidate for one was found."
    loose = affinity.copy()
    mine = [n for n, one in enumerate(peaks) if one.keypoint == WRIST and owner[n] == 1]
    loose[mine], loose[:, mine] = 0.05, 0.05
    free = why(of_hand(peaks, loose), 1, "left wrist")
    assert not free.found and "is nobody's; its mean affinity is 0.05, not above" in free.text
    with pytest.raises(TraceError, match="no person 2"):
        why(of_hand(peaks, affinity), 2, "neck")
    with pytest.raises(SkeletonError):
        why(of_hand(peaks, affinity), 0, "tail")


def test_boxes_reorder_people_and_the_trace_follows() -> None:
    estimator = Estimator(halves_model())
    right_first = estimator.predict(halves_photo(), [Box(32, 0, 31, 63), Box(0, 0, 31, 63)])
    found = affinity_of(right_first)
    assert (found.points[:14, 0] > 31.5).all() and found.owners[:14] == (0,) * 14
    shown = next(one for one in matrices_of(right_first) if one.kind == "affinity")
    assert shown.rows == found.labels() and (shown.values == found.matrix).all()
    answer = why(right_first, 0, "left wrist")
    assert answer.point is not None and answer.point[0] > 31.5 and answer.others == ((1, 0.0),)


def test_attention_of_two_blocks() -> None:
    prediction = halves()
    assert len(prediction.people) == 2
    assert np.allclose(prediction.people[0].keypoints, halves_points(0))
    found = affinity_of(prediction)
    assert np.equal.outer(found.owners, found.owners).astype(float) == pytest.approx(
        found.matrix, abs=0.51
    )  # beside the border rows are read between tokens
    assert found.between(0, 0) > 0.9 and found.between(0, 1) < 0.1
    for n, one in enumerate(masks_of(prediction)):
        assert one.person == n and (one.array == halves_masks()[n]).all()
        assert one.confidence is not None and 0.9 < one.confidence <= 1
    parts = purity_of(prediction, PersonMasks(tuple(halves_masks())))
    assert len(parts) == 28 and parts[0].keypoint == "right ankle"
    layers = mean_by_layer(parts, 1)
    assert list(layers) == ["encoder.1", "encoder.2", "encoder.3"]
    for one in layers.values():
        assert (one.own, one.others) == (pytest.approx(1), pytest.approx(0))


def test_even_attention_is_as_pure_as_the_mask_is_large() -> None:
    prediction = halves(even=True)
    masks = np.zeros((2, 64, 64), bool)
    masks[0, :, :16], masks[1, :, 32:] = True, True
    parts = purity_of(prediction, PersonMasks(tuple(masks)), ["encoder.2"])
    own = {part.person: part.layers["encoder.2"] for part in parts}
    assert own[0].own == pytest.approx(0.25) and own[0].others == pytest.approx(0.5)
    with pytest.raises(TraceError, match="No keypoint"):
        mean_by_layer(parts, 7)


def test_many_rows_at_once_are_the_rows_one_by_one() -> None:
    """Of a model of whole photos, and of one of crops with a batch item each."""
    boxes = [Box(0, 0, 60, 80), Box(50, 60, 70, 100)]
    for prediction in (
        Estimator(tiny_model()).predict(halves_photo()),
        Estimator(tiny_transpose()).predict(noise_photo(), boxes),
    ):
        for layer in ("encoder.1", "encoder.3"):
            maps = keypoint_maps(prediction, layer)
            assert len(maps) == sum(int(one.found.sum()) for one in prediction.people)
            for one in maps[::5]:
                alone = explain(prediction, one.query, layers=[layer]).maps[0]
                assert alone.query_token == one.query_token and alone.crop is one.crop
                np.testing.assert_allclose(one.weights, alone.weights, atol=1e-6)
    with pytest.raises(TraceError, match="Nobody's mask"):  # nor is it sure of a limb
        purity_of(prediction)
    upper = np.zeros((160, 120), bool)
    upper[:80] = True
    parts = purity_of(prediction, PersonMasks((upper,)))  # the first person's
    assert {part.person for part in parts} == {0} and len(parts) == 17
    for part in parts[::4]:
        alone = explain(prediction, part.keypoint, person=0, layers=["encoder.2"]).maps[0]
        assert part.layers["encoder.2"].own == pytest.approx(purity(alone, [upper], 0).own)


def test_models_that_do_not_group_or_segment_say_so() -> None:
    prediction = Estimator(tiny_transpose()).predict(noise_photo())
    for ask in (affinity_of, lambda one: why(one, 0, 0)):
        with pytest.raises(TraceError, match="does not group keypoints by attention"):
            ask(prediction)
    with pytest.raises(TraceError, match="does not segment"):
        masks_of(prediction)


def test_the_grouping_can_be_chosen() -> None:
    model = halves_model()
    for view in model.entry.groupings:
        grouping = Estimator(model, grouping=view).predict(halves_photo()).evidence
        assert isinstance(grouping, Grouping) and grouping.view == view
        assert len(grouping.people) == 2
    assert model.entry.groupings == ("body-first", "part-first")
    with pytest.raises(ModelError, match="body-first or part-first, not upside-down"):
        Estimator(model, grouping="upside-down")
    with pytest.raises(ModelError, match="one way"):
        Estimator(tiny_transpose(), grouping="body-first")


def test_the_picture_has_a_colour_for_everybody() -> None:
    prediction = halves()
    drawn = draw_people(prediction)
    assert drawn.shape == (512, 512, 3)  # eight times as large, so that a number fits
    base = np.array([60.0, 180.0])
    for n, column in ((0, 4), (1, 500)):
        expected = base[n] + (np.array(PERSON_COLOURS[n]) - base[n]) * 0.35
        assert np.abs(drawn[500, column].astype(float) - expected).max() <= 1
    bare = draw_people(prediction, masks=())
    assert bare[500, 4].tolist() == [60, 60, 60]


def test_a_number_stands_over_its_person_and_stays_in_the_picture() -> None:
    picture = np.full((80, 120, 3), 200, np.uint8)
    draw_number(picture, 1, (60.0, 60.0), 10.0)
    rows, cols = np.nonzero((picture == PERSON_COLOURS[1]).all(-1))
    assert rows.max() < 60 and abs(cols.mean() - 60) < 2
    for above in ((-50.0, -50.0), (500.0, 500.0)):
        corner = np.full((80, 120, 3), 200, np.uint8)
        draw_number(corner, 11, above, 10.0)  # the colours begin again after seven people
        disc = (corner == PERSON_COLOURS[4]).all(-1)
        changed = (corner != 200).any(-1)
        assert disc.sum() > 100
        assert not changed[[0, -1]].any() and not changed[:, [0, -1]].any()


# The command.


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("posekit.zoo.load", lambda *_, **__: halves_model())
    path = tmp_path / "photo.png"
    Image.fromarray(halves_photo().pixels).save(path)
    return path


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["people", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_prints_people_and_why(photo: Path) -> None:
    text = run(str(photo), "--why", "left wrist", "--person", "1", "--view", "part-first")
    assert "14 of 14   50.0% of the photo" in text and "AFFINITY (part-first)" in text
    assert "PERSON, FROM 0" in text and "AFFINITY (part-first)  0     1" in text
    assert "Person 1 got the left wrist" in text and "With person 0" in text
    result = json.loads(run(str(photo), "--json", "--purity"))
    assert [one["mask"]["pixels"] for one in result["people"]] == [2048, 2048]
    assert result["grouping"]["view"] == "body-first"
    assert np.array(result["grouping"]["affinity"]).shape == (28, 28)
    # Words count people as the indices beside them do.
    owners, labels = result["grouping"]["owners"], result["grouping"]["labels"]
    assert set(owners) == {0, 1}
    assert all(label.endswith(f" of person {n}") for label, n in zip(labels, owners, strict=True))
    assert result["people"][0]["purity"]["encoder.2"]["own"] == pytest.approx(1)


def test_the_command_writes_a_picture_or_everything(photo: Path, tmp_path: Path) -> None:
    run(str(photo), "--out", str(tmp_path / "people.png"))
    with Image.open(tmp_path / "people.png") as picture:
        assert picture.size == (512, 512)
    painted = np.zeros((64, 64, 3), np.uint8)
    painted[:, :32], painted[:, 32:48] = (255, 0, 0), (0, 255, 0)
    Image.fromarray(painted).save(tmp_path / "masks.png")
    text = run(
        str(photo), "--masks", str(tmp_path / "masks.png"), "--out", str(tmp_path / "p.json")
    )
    assert "100.0%" in text and "50.0%" in text  # half of the right half is painted
    result = json.loads((tmp_path / "p.json").read_text())
    assert result["masks"][0] == {"size": [64, 64], "counts": [0, 2048, 2048]}
    refused = CliRunner().invoke(
        app, ["people", str(photo), "--why", "left wrist", "--person", "9"]
    )
    assert refused.exit_code == 1 and "no person 9" in refused.stderr


def test_nobody_is_a_legal_answer(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody(type(halves_model().module)):  # type: ignore[misc]
        def forward(self, images, sizes=None):  # type: ignore[no-untyped-def]
            output = super().forward(images, sizes)
            return output._replace(heatmaps=output.heatmaps * 0)

    model = halves_model()
    model.module.__class__ = Nobody
    monkeypatch.setattr("posekit.zoo.load", lambda *_, **__: model)
    assert "found nobody" in run(str(photo), "--purity")
    assert json.loads(run(str(photo), "--json"))["grouping"]["affinity"] == []
