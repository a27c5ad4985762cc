"""Whether keypoints that contradict themselves are the wrong ones: the measure itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posekit.cli.evaluate_contradiction import _doubts
from posekit.data.crowd import CrowdPhoto, of_photo
from posekit.data.crowd_canvas import make_crowd_canvases
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.estimator import Prediction
from posekit.evaluation.doubt import Judged, auroc, doubt_score, judged
from posekit.evaluation.oks import PersonTruth
from posekit.found import box_around
from posekit.skeleton import LSP14
from tests.test_photo_models import PEOPLE, SIZE, Knows, knowing
from tests.tiny_models import noise_photo


@pytest.fixture(scope="module")
def known() -> Prediction:
    return knowing(PEOPLE).predict(noise_photo(*SIZE))


def truth(points: np.ndarray, **changes: object) -> list[PersonTruth]:
    everything = np.ones(14, bool)
    people = []
    for one in points:
        box = box_around(one, (900, 900))
        people.append(PersonTruth(one, everything, box, 0.53 * box.area))
    return [replace(one, **changes) for one in people]  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, math.inf]), st.booleans()), min_size=2)
)
def test_the_area_is_the_chance_that_a_wrong_one_scores_higher(
    pairs: list[tuple[float, bool]],
) -> None:
    wrong = [score for score, yes in pairs if yes]
    right = [score for score, yes in pairs if not yes]
    area = auroc([score for score, _ in pairs], [yes for _, yes in pairs])
    if not wrong or not right:
        assert math.isnan(area)
        return
    wins = sum((a > b) + 0.5 * (a == b) for a in wrong for b in right)
    assert area == pytest.approx(wins / (len(wrong) * len(right)))


def test_a_keypoint_is_right_by_its_similarity_with_the_nearest_label(known: Prediction) -> None:
    found = judged(known, truth(PEOPLE), LSP14)
    assert len(found) == 3 * 14 and all(one.similarity > 0.95 for one in found)
    assert all(0 <= one.contradiction < 0.3 for one in found)
    # By how far a label must be moved for a half, in closed form: sqrt(2 ln 2) two sigmas.
    wrist = LSP14.index("left wrist")
    area = truth(PEOPLE[:1])[0].area
    half = 2 * LSP14.sigmas[wrist] * math.sqrt(2 * math.log(2) * area)
    place = known.people[0].keypoints[wrist]
    for factor, similarity in ((1.0, 0.5), (2.0, 1 / 16)):
        labels = np.tile(place + np.array([factor * half, 0.0]), (14, 1))
        one = replace(truth(PEOPLE[:1])[0], keypoints=labels)
        first = judged(replace(known, people=known.people[:1]), [one], LSP14)[wrist]
        assert first.similarity == pytest.approx(similarity, rel=1e-6)


def test_what_nobody_labelled_is_not_judged(known: Prediction) -> None:
    some = np.ones(14, bool)
    some[:3] = False
    assert len(judged(known, truth(PEOPLE, labelled=some), LSP14)) == 3 * 11
    assert judged(known, [], LSP14) == ()
    # Nobody is to be found here but one; the others stand where mistakes do not count.
    one, *others = truth(PEOPLE)
    everywhere = judged(known, [one, *(replace(p, ignore=True) for p in others)], LSP14)
    assert len(everywhere) < 3 * 14 and all(each.similarity >= 0.5 for each in everywhere)
    assert len(judged(known, [one], LSP14)) == 3 * 14


def test_the_score_by_hand() -> None:
    """Five keypoints, two of them wrong."""
    found = [
        Judged(0.9, 0.1, 0.9, 0.5),
        Judged(0.8, 0.2, 0.8, None),
        Judged(0.5, 0.4, 0.1, 0.2),
        Judged(0.4, 0.5, 0.3, 1.0),
        Judged(0.0, 0.2, 0.2, None),
    ]
    score = doubt_score(found)
    assert (score.keypoints, score.wrong, score.doubtful) == (5, 40.0, 40.0)
    assert (score.wrong_if_doubtful, score.wrong_otherwise) == (50.0, pytest.approx(100 / 3))
    # 0.5 beats all three of the right ones; 0.2 beats one and ties with another.
    assert score.contradiction == pytest.approx(100 * 4.5 / 6)
    assert score.height == pytest.approx(100 * (2 + 2) / 6)
    assert score.apart == pytest.approx(100 * (2 + 2.5) / 6)
    assert list(score.figures.values()) == [75.0, 66.67, 75.0]
    assert score.details["wrong if doubtful"] == 50.0
    nothing = doubt_score([])
    assert nothing.figures == {} and nothing.details["wrong"] is None


def test_canvases_are_looked_at_as_photos_are() -> None:
    """One canvas of three people and a network that knows where two of them are."""
    photo, every = noise_photo(*SIZE), np.ones(14, bool)
    people = tuple(LabelledPerson(photo, points, every) for points in PEOPLE)
    crowd: list[CrowdPhoto] = [of_photo(LabelledPhoto(photo, people, LSP14), LSP14)]
    canvases = make_crowd_canvases(crowd, 1, max(SIZE))
    said = PEOPLE.copy()
    said[2, :, 0] += 60
    network = Knows((said + 0.5) * (192 / max(SIZE)) - 0.5).eval()
    score = _doubts(knowing(PEOPLE).model, network, canvases, (192, 192))
    assert score.keypoints == 3 * 14
    wrong = judged(knowing(said).predict(photo), truth(PEOPLE), LSP14)
    share = 100 * np.mean([one.similarity < 0.5 for one in wrong])
    assert 20 < score.wrong < 34 and score.wrong == pytest.approx(share, abs=3)
    torch.testing.assert_close(canvases.sizes[0], torch.tensor(SIZE, dtype=torch.int32))
