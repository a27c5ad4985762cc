"""OKS AP and mask AP in closed form: known displacements, swaps, crowds, and pycocotools' word."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from posekit.data.coco import CocoData
from posekit.decode.nms import oks_matrix
from posekit.errors import DataError, PackageError
from posekit.evaluation import (
    PersonTruth,
    ScoredPose,
    instance_score,
    mask_iou,
    mask_score,
    oks,
)
from posekit.geometry import Box
from posekit.skeleton import COCO17, LSP14, Skeleton

pytest.importorskip("pycocotools")

AREA = 10_000.0
ONE = Skeleton("one", "One keypoint", ("tip",), (), (), (0.05,), None)
ALL = np.ones(17, bool)


def pose(x: float = 0.0, skeleton: Skeleton = COCO17) -> np.ndarray:
    """Keypoints on a grid, the person at ``x``."""
    index = np.arange(skeleton.size)
    return np.stack([x + 20.0 * (index % 4), 20.0 * (index // 4)], -1)


def truth(x: float = 0.0, **how: object) -> PersonTruth:
    return PersonTruth(pose(x), ALL, Box(x, 0, 100, 100), AREA, **how)  # type: ignore[arg-type]


def test_perfect_predictions_score_100() -> None:
    people = [[truth(0), truth(300)], [truth(50)]]
    found = [[ScoredPose(pose(300), 0.4), ScoredPose(pose(0), 0.9)], [ScoredPose(pose(50), 0.1)]]
    score = oks(people, found, COCO17)
    assert (score.AP, score.AP50, score.AP75, score.AR) == (100, 100, 100, 100)
    assert (score.people, score.keypoints, score.photos) == (3, 51, 2)
    assert score.measured == COCO17.keypoints


@pytest.mark.parametrize("similarity", [0.97, 0.77, 0.62, 0.52, 0.3])
def test_a_known_displacement_has_the_known_oks(similarity: float) -> None:
    """exp(-d^2 / (2 A (2 sigma)^2)) = s, so d = 2 sigma sqrt(-2 A ln s); one person, one keypoint.

    A person found with OKS s is right at every threshold up to s: of 0.50, 0.55 ... 0.95.
    """
    distance = 2 * ONE.sigmas[0] * math.sqrt(-2 * AREA * math.log(similarity))
    person = PersonTruth(np.array([[40.0, 40.0]]), np.ones(1, bool), Box(0, 0, 100, 100), AREA)
    found = ScoredPose(np.array([[40.0, 40.0 + distance]]), 0.8)
    score = oks([[person]], [[found]], ONE)
    expected = 100 * sum(threshold <= similarity for threshold in np.arange(10) / 20 + 0.5) / 10
    assert pytest.approx(expected) == score.AP
    assert 100 * (similarity >= 0.5) == score.AP50
    assert 100 * (similarity >= 0.75) == score.AP75
    assert pytest.approx(expected) == score.AR


def test_half_the_people_found_is_half_the_recall() -> None:
    """Precision stays 1 up to recall 0.5, sampled at 0, 0.01 ... 1: 51 of 101 points."""
    score = oks([[truth(0), truth(300)]], [[ScoredPose(pose(0), 0.5)]], COCO17)
    assert score.AR == 50
    assert pytest.approx(100 * 51 / 101, abs=0.01) == score.AP


def test_people_swapped_between_photographs_score_nothing() -> None:
    found = [[ScoredPose(pose(5000), 1.0)], [ScoredPose(pose(0), 1.0)]]
    score = oks([[truth(0)], [truth(5000)]], found, COCO17)
    assert (score.AP, score.AR) == (0, 0)


def test_left_and_right_swapped_costs_what_it_should() -> None:
    swapped = pose()[list(COCO17.flip_order)]
    score = oks([[truth()]], [[ScoredPose(swapped, 1.0)]], COCO17)
    # Only the nose stays; everything else lies 20 or more of 100 px away.
    assert score.AP < 30


def test_a_wrong_person_of_higher_score_halves_precision() -> None:
    found = [[ScoredPose(pose(5000), 0.9), ScoredPose(pose(0), 0.5)]]
    assert oks([[truth(0)]], found, COCO17).AP == 50
    last = [[ScoredPose(pose(5000), 0.1), ScoredPose(pose(0), 0.5)]]
    assert oks([[truth(0)]], last, COCO17).AP == 100


def test_crowds_and_people_to_ignore_are_neither_missed_nor_wrong() -> None:
    unlabelled = PersonTruth(np.zeros((17, 2)), ~ALL, Box(900, 0, 100, 100), AREA)
    people = [[truth(0), truth(300, crowd=True), truth(600, ignore=True), unlabelled]]
    mine = ScoredPose(pose(0), 0.1)
    assert oks(people, [[mine]], COCO17).AR == 100
    # Twice in the crowd, once on the ignored person, once on the person without labels.
    more = [ScoredPose(pose(x), 0.9) for x in (300, 301, 600, 920)]
    score = oks(people, [[*more, mine]], COCO17)
    assert (score.AP, score.people, score.keypoints) == (100, 1, 17)
    # A second pose on the ignored person, who is one person and no crowd, is one too many.
    assert oks(people, [[*more, ScoredPose(pose(601), 0.9), mine]], COCO17).AP == 50


def test_only_keypoints_that_both_have_are_measured() -> None:
    """COCO truth, LSP model: 12 shared keypoints, whatever the neck and the nose say."""
    mapping = LSP14.mapping_to(COCO17)
    found = np.full((14, 2), 1e4)
    for index, source in enumerate(mapping):
        if source is not None:
            found[index] = pose()[source]
    score = oks([[truth()]], [[ScoredPose(found, 1.0)]], COCO17, LSP14)
    assert (score.AP, score.keypoints) == (100, 12)
    assert set(score.measured) == set(LSP14.keypoints) - {"neck", "head top"}
    # Somebody of whom only the face is labelled cannot be found by such a model, nor missed.
    face = np.arange(17) < 5
    other = PersonTruth(pose(900), face, Box(900, 0, 100, 100), AREA)
    assert oks([[truth(), other]], [[ScoredPose(found, 1.0)]], COCO17, LSP14).people == 1
    with pytest.raises(DataError, match="no keypoint in common"):
        oks([[truth()]], [[]], COCO17, ONE)


def test_restricted_sigmas_are_those_of_the_keypoints() -> None:
    """A displacement of the wrists alone counts with the wrists' constant."""
    wrists = Skeleton("w", "Wrists", ("left wrist",), (), (), (0.9,), None)  # its own is not used
    index = COCO17.index("left wrist")
    distance = 2 * COCO17.sigmas[index] * math.sqrt(-2 * AREA * math.log(0.77))
    found = ScoredPose(pose()[[index]] + [distance, 0], 1.0)
    assert oks([[truth()]], [[found]], COCO17, wrists).AP == 60


def test_numbers_that_are_none_match_nobody() -> None:
    assert oks([[truth()]], [[ScoredPose(np.full((17, 2), np.nan), math.nan)]], COCO17).AP == 0


def test_nobody_to_find_and_photographs_that_do_not_pair_are_said() -> None:
    with pytest.raises(DataError, match="Nobody"):
        oks([[truth(crowd=True)]], [[]], COCO17)
    with pytest.raises(DataError, match="2 photographs"):
        oks([[truth()]], [[], []], COCO17)


def test_a_persons_score_is_the_mean_of_what_was_seen() -> None:
    assert instance_score([0.9, 0.5, 0.2, 0.1]) == pytest.approx(0.7)
    assert instance_score([0.2, 0.1]) == 0
    assert instance_score([0.8], box_score=0.5) == pytest.approx(0.4)


def test_our_oks_matrix_is_the_one_of_pycocotools() -> None:
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(4)
    people = rng.uniform(0, 80, (5, 17, 2))
    run = COCOeval(iouType="keypoints")
    flat = [np.column_stack([p, np.full(17, 2)]).ravel().tolist() for p in people]
    run._gts[1, 1] = [
        {"keypoints": each, "bbox": [0, 0, 80, 80], "area": AREA / 4} for each in flat
    ]
    # Sorted by score, best first: the order given.
    run._dts[1, 1] = [{"keypoints": each, "score": 1 - 0.1 * i} for i, each in enumerate(flat)]
    ours = oks_matrix(people, [AREA / 4] * 5, COCO17.sigmas)
    np.testing.assert_allclose(run.computeOks(1, 1), ours, atol=1e-9)
    assert 0.01 < ours[0, 1] < 0.99


def test_standard_output_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    oks([[truth()]], [[ScoredPose(pose(), 1.0)]], COCO17)
    mask_score([np.ones((1, 4, 4))], [np.ones((1, 4, 4))], [[1.0]])
    assert capsys.readouterr().out == ""


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(PackageError, match=r"\[train\]"):
        oks([[truth()]], [[]], COCO17)


def test_the_whole_of_coco_agrees_with_pycocotools_on_its_own_files(
    shared_dir: Path, tmp_path: Path
) -> None:
    """Shaken labels as predictions: our figures are those of COCO's own evaluation script."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(1)
    file = shared_dir / "data" / "coco_keypoints.json"
    people, found, results = [], [], []
    for photo in CocoData(file).photos():
        people.append([PersonTruth.of(person) for person in photo.people])
        found.append([])
        for person in photo.people:
            if person.single and person.labelled.any():
                shake = rng.normal(0, 0.06 * math.sqrt(person.oks_area), (17, 2))
                scored = ScoredPose(person.keypoints + shake, float(rng.uniform()))
                found[-1].append(scored)
                flat = np.column_stack([scored.keypoints, np.ones(17)]).ravel().tolist()
                results.append(
                    {
                        "image_id": photo.image_id,
                        "category_id": 1,
                        "keypoints": flat,
                        "score": scored.score,
                    }
                )
    ours = oks(people, found, COCO17)
    (tmp_path / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO(str(file))
        run = COCOeval(labels, labels.loadRes(str(tmp_path / "results.json")), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    theirs = [round(100 * float(run.stats[i]), 2) for i in (0, 1, 2, 5)]
    assert theirs == [ours.AP, ours.AP50, ours.AP75, ours.AR]
    assert 10 < ours.AP < 90
    assert (ours.people, ours.photos) == (37, 14)


def squares(*corners: tuple[int, int]) -> np.ndarray:
    """(N, 60, 60) masks of 10 x 10 pixels at (x, y)."""
    masks = np.zeros((len(corners), 60, 60), bool)
    for mask, (x, y) in zip(masks, corners, strict=True):
        mask[y : y + 10, x : x + 10] = True
    return masks


def test_mask_iou_in_closed_form() -> None:
    a, b = squares((0, 0), (30, 30)), squares((0, 0), (5, 0), (50, 0))
    np.testing.assert_allclose(mask_iou(a, b), [[1, 50 / 150, 0], [0, 0, 0]])
    assert mask_iou(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)))[0, 0] == 0
    assert mask_iou(np.zeros((0, 4, 4)), np.zeros((2, 4, 4))).shape == (0, 2)
    with pytest.raises(DataError, match="cannot be compared"):
        mask_iou(a, np.zeros((1, 4, 4)))


def test_mask_ap_in_closed_form() -> None:
    true, moved = squares((0, 0), (30, 30)), squares((1, 0), (30, 30))
    same = mask_score([true], [true], [[0.3, 0.9]])
    assert (same.AP, same.AR, same.mean_iou, same.people) == (100, 100, 100, 2)
    # Moved by one of ten pixels: IoU 90 / 110 = 0.818, right at 7 of 10 thresholds.
    one = mask_score([true[:1]], [moved[:1]], [[1.0]])
    assert (one.AP, one.AP75) == (70, 100)
    assert one.mean_iou == pytest.approx(100 * 90 / 110, abs=0.01)
    crowd = mask_score([true], [true[:1]], [[1.0]], crowd=[[False, True]])
    assert (crowd.AP, crowd.people) == (100, 1)
    nothing = mask_score([true], [np.zeros((0, 60, 60))], [[]])
    assert (nothing.AP, nothing.mean_iou) == (0, 0)
    with pytest.raises(DataError, match="a score for each"):
        mask_score([true], [true], [[1.0]])
