"""What a model left behind beside maps: films, matrices, votes, fields, joins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.inside import (
    contradiction_of,
    fields_of,
    film_of,
    joins_of,
    matrices_of,
    votes_of,
)
from posekit.skeleton import LSP14
from tests.querypose_official import TINY, as_pose_model, tiny_querypose
from tests.test_photo_models import PEOPLE, SIZE, WRIST, knowing, nearest
from tests.tiny_models import noise_photo, tiny_model

CELL = 8 * max(SIZE) / 192


@pytest.fixture(scope="module")
def joined() -> Prediction:
    return knowing(PEOPLE).predict(noise_photo(*SIZE))


@pytest.fixture(scope="module")
def posed() -> Prediction:
    network = tiny_querypose()
    with torch.no_grad():
        for stage in range(TINY.stages):
            network.head.of_stage(stage)[0].class_logits.bias.fill_(4.0)
    return Estimator(as_pose_model(network)).predict(noise_photo(96, 120))


# ------------------------------------------------------------------ people from limbs


def test_the_votes_add_up_to_the_keypoint(joined: Prediction) -> None:
    for person in range(3):
        votes = votes_of(joined, person, WRIST)
        assert votes and votes[0].weight == max(vote.weight for vote in votes)
        points = np.array([vote.point for vote in votes])
        weights = np.array([vote.weight for vote in votes])
        mean = (points * weights[:, None]).sum(0) / weights.sum()
        np.testing.assert_allclose(mean, joined.people[person].keypoints[WRIST], atol=1e-6)
        assert np.linalg.norm(np.array(votes[0].cell) - mean) < CELL


def test_every_limb_of_a_person_says_why(joined: Prediction) -> None:
    rows = joins_of(joined, 0)
    assert {row.limb for row in rows} == {
        f"{LSP14.keypoints[a]} > {LSP14.keypoints[b]}" for a, b in LSP14.limbs
    }
    wrist = joins_of(joined, 0, WRIST)
    assert [row.limb for row in wrist] == ["left wrist > left elbow"]
    (row,) = wrist
    np.testing.assert_allclose(row.ends[0], joined.people[0].keypoints[WRIST], atol=1e-6)
    assert 0.3 < row.alignment <= 1.01 and 0 <= row.agreeing <= 1
    assert row.rival is None or row.rival[2] <= row.score


def test_arrows_lie_along_the_limb(joined: Prediction) -> None:
    (field,) = fields_of(joined, 0, WRIST)
    assert field.limb == "left wrist > left elbow"
    assert field.starts.shape == field.arrows.shape and len(field.starts) >= 2
    assert field.cell == pytest.approx(CELL, rel=0.02)
    elbow = LSP14.index("left elbow")
    directions = PEOPLE[:, elbow] - PEOPLE[:, WRIST]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = field.arrows / np.linalg.norm(field.arrows, axis=1, keepdims=True) @ directions.T
    assert (along.max(axis=1) > 0.8).all()  # every arrow is somebody's


def test_a_heatmap_that_is_the_truth_contradicts_little(joined: Prediction) -> None:
    field = contradiction_of(joined, 0, WRIST)
    assert field is not None and np.abs(field.values).max() < 1.0
    assert np.abs(field.values).mean() < 0.1


def test_boxes_do_not_mix_people_up() -> None:
    photo = noise_photo(*SIZE)
    free = knowing(PEOPLE).predict(photo)
    boxes = [person.box for person in reversed(free.people)]
    asked = knowing(PEOPLE).predict(photo, boxes)
    for n in range(3):
        assert votes_of(asked, n, WRIST) == votes_of(free, 2 - n, WRIST)
    assert nearest(asked) == nearest(free)[::-1]


# ------------------------------------------------------------------ stages and queries


def test_the_film_ends_at_the_person_found(posed: Prediction) -> None:
    who = posed.people[0]
    film = film_of(posed, 0)
    assert [frame.stage for frame in film] == list(range(TINY.stages + 1))
    first, last = film[0], film[-1]
    assert first.keypoints is None and first.score is None and first.box is not None
    assert last.keypoints is not None and last.sigmas is not None and last.box is not None
    np.testing.assert_allclose(last.keypoints, who.keypoints, atol=1e-3)
    height, width = posed.photo.size
    cut = np.clip(last.box, -0.5, [width - 0.5, height - 0.5] * 2)
    np.testing.assert_allclose(cut, who.box.edges, atol=1e-3)
    assert (last.sigmas > 0).all() and 0 < (last.score or 0) < 1


def test_matrices_are_attention_between_queries_and_between_parts(posed: Prediction) -> None:
    found = {one.name: one for one in matrices_of(posed, 0)}
    parts = tuple(name for name, _ in TINY.parts)
    for stage in range(1, TINY.stages + 1):
        query, part = found[f"query.{stage}"], found[f"part.{stage}"]
        assert query.values.shape == (TINY.queries, TINY.queries)
        np.testing.assert_allclose(query.values.sum(1), 1.0, atol=1e-5)
        assert query.boxes is not None and query.boxes.shape == (TINY.queries, 4)
        trace, place = posed.trace, posed.people[0].instance
        assert trace is not None and trace.instances is not None and place is not None
        assert query.mine == trace.instances.places[place][1]
        np.testing.assert_allclose(query.boxes[query.mine], film_of(posed, 0)[stage].box, atol=1e-3)
        assert part.rows == part.cols == parts and part.mine is None
        np.testing.assert_allclose(part.values.sum(1), 1.0, atol=1e-5)
        gate = found[f"gates.{stage}"]
        assert gate.rows == parts and gate.cols == ("new evidence", "memory")
        assert ((gate.values >= 0) & (gate.values <= 1)).all()


# ------------------------------------------------------------------ models without


def test_a_model_without_any_of_it_says_nothing(posed: Prediction, joined: Prediction) -> None:
    plain = Estimator(tiny_model()).predict(noise_photo())
    for prediction in (plain, joined):
        assert film_of(prediction) == ()
        assert matrices_of(prediction) == ()
    for prediction in (plain, posed):
        assert votes_of(prediction, 0, 1) == joins_of(prediction, 0) == ()
        assert fields_of(prediction, 0, 1) == ()
        assert contradiction_of(prediction, 0, 1) is None
    with pytest.raises(TraceError, match="no person 7"):
        film_of(plain, 7)
