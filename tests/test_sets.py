"""Sets of people found against sets of people there."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.errors import DataError
from posekit.evaluation.sets import (
    NOT_FOUND,
    FoundSet,
    TrueSet,
    evaluate_sets,
    match_people,
    set_score,
)
from posekit.geometry import Box
from posekit.photo import Photo, read_photo
from posekit.skeleton import COCO17, LSP14
from tests.stick_people import crowd

K = LSP14.size


def boxes(*corners: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(corners, float).reshape(-1, 4)


def found(where: np.ndarray, scores: list[float], points: np.ndarray | None = None) -> FoundSet:
    keypoints = np.zeros((len(where), K, 2)) if points is None else points
    return FoundSet(where, keypoints, np.array(scores, float))


def there(
    where: np.ndarray, points: np.ndarray | None = None, ignored: np.ndarray | None = None
) -> TrueSet:
    keypoints = np.zeros((len(where), K, 2)) if points is None else points
    labelled = np.ones((len(where), K), bool)
    return TrueSet(where, keypoints, labelled, boxes() if ignored is None else ignored)


A, B = (0.0, 0.0, 10.0, 20.0), (30.0, 0.0, 40.0, 20.0)
NEAR_A = (0.0, 0.0, 10.0, 14.0)  # IoU 0.7 with A


def test_the_best_score_takes_the_person_it_overlaps_most() -> None:
    who, false = match_people(found(boxes(A, NEAR_A, B), [0.5, 0.9, 0.4]), there(boxes(B, A)))
    assert who.tolist() == [2, 1]  # A is taken by the surer one, whose double is a false alarm
    assert false.tolist() == [True, False, False]
    loose = (0.0, 0.0, 10.0, 9.0)  # IoU 0.45
    who, false = match_people(found(boxes(loose), [0.9]), there(boxes(A)))
    assert who.tolist() == [NOT_FOUND] and false.tolist() == [True]


def test_what_lies_on_a_region_to_ignore_is_no_false_alarm() -> None:
    region = boxes((25.0, 0.0, 60.0, 60.0))
    mostly_out = (0.0, 30.0, 40.0, 50.0)
    seen = found(boxes(A, B, mostly_out), [0.9, 0.8, 0.7])
    who, false = match_people(seen, there(boxes(A), ignored=region))
    assert who.tolist() == [0] and false.tolist() == [False, False, True]
    score = set_score([seen], [there(boxes(A), ignored=region)], LSP14)
    assert (score.recall, score.precision) == (100.0, 50.0)


def test_nobody_found_and_nobody_there() -> None:
    nobody = found(boxes(), [])
    score = set_score([nobody, nobody], [there(boxes(A)), there(boxes())], LSP14)
    assert (score.recall, score.precision, score.box_ap50, score.people) == (0.0, 0.0, 0.0, 1)
    false = set_score([nobody, found(boxes(B), [0.9])], [there(boxes(A)), there(boxes())], LSP14)
    assert (false.recall, false.precision) == (0.0, 0.0)
    with pytest.raises(DataError, match="Nobody in these photos"):
        set_score([nobody], [there(boxes())], LSP14)
    with pytest.raises(DataError, match="1 photos were analysed, but 2"):
        set_score([nobody], [there(boxes(A))] * 2, LSP14)


def test_average_precision_of_a_known_ranking() -> None:
    """Right, wrong, right, for two people: precision 1 up to recall 0.5, then 2/3."""
    seen = [found(boxes(A, (70.0, 0, 80, 20), B), [0.9, 0.8, 0.7])]
    score = set_score(seen, [there(boxes(A, B))], LSP14)
    assert score.box_ap50 == pytest.approx(100 * (51 * 1 + 50 * 2 / 3) / 101, abs=0.01)
    assert (score.recall, score.precision) == (100.0, 66.67)


def test_whoever_is_not_found_has_every_keypoint_wrong() -> None:
    people = crowd(3, (100, 200), LSP14)
    where = np.concatenate([people.min(1), people.max(1)], axis=1)
    exact = set_score([found(where, [0.9] * 3, people)], [there(where, people)], LSP14)
    assert exact.pck is not None and exact.pck.mean == 100.0 and exact.pck.people == 3
    missing = set_score([found(where[:2], [0.9] * 2, people[:2])], [there(where, people)], LSP14)
    assert missing.pck is not None and missing.pck.mean == pytest.approx(66.67, abs=0.01)
    # The pose of whoever has the box, not the nearest pose.
    swapped = set_score([found(where, [0.9] * 3, people[[1, 0, 2]])], [there(where, people)], LSP14)
    assert swapped.pck is not None and swapped.pck.mean < 50


def test_a_model_over_a_data_set() -> None:
    """Labels of another skeleton; a crowd beside; the figures for a card."""
    people = crowd(2, (100, 200), COCO17)
    photo = read_photo(np.zeros((100, 200, 3), np.uint8))
    given = [Box.from_corners(*p.min(0), *p.max(0)) for p in people]
    every = np.ones(17, bool)
    labelled = [
        LabelledPerson(photo, p, every, COCO17, given_box=box)
        for p, box in zip(people, given, strict=True)
    ]
    many = LabelledPerson(
        photo, people[0], ~every, COCO17, given_box=Box(150, 60, 40, 30), crowd=True
    )
    data = [LabelledPhoto(photo, (*labelled, many), COCO17)]

    def find(shown: Photo) -> FoundSet:
        """One person exactly, and somebody in the crowd."""
        points = np.zeros((2, K, 2))
        for i, j in enumerate(LSP14.mapping_to(COCO17)):
            if j is not None:
                points[0, i] = people[0, j]
        return found(boxes(given[0].edges, (155.0, 62.0, 170.0, 85.0)), [0.9, 0.8], points)

    score = evaluate_sets(find, data, LSP14)
    assert score.recall == 50.0 and score.precision == 100.0 and score.people == 2
    assert score.pck is not None and score.pck.mean == 50.0
    assert set(score.pck.per_keypoint) == set(LSP14.keypoints) - {"neck", "head top"}
    assert score.oks is not None and abs(score.oks.AP - 50.5) < 0.1
    assert list(score.figures) == [
        "person recall", "box AP50", "PCK@0.2", "OKS AP", "AP50", "AP75", "AR",
    ]  # fmt: skip
    assert score.details["people"] == 2 and score.keypoints == 24
    assert evaluate_sets(find, data, LSP14, with_oks=False).oks is None
    with pytest.raises(DataError, match="no photograph"):
        evaluate_sets(find, [], LSP14)
