"""What a model left behind beside maps: films, matrices, votes, fields, joins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.inside import (
    DOUBT,
    Agreement,
    Matrix,
    agreement_of,
    fields_of,
    film_of,
    joins_of,
    matrices_of,
    matrix_figure,
    pair_of,
    votes_of,
    weights_of,
    worth_of,
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
    pair = pair_of(joined, 0, WRIST)
    assert pair is not None and pair.apart.values.max() < 1.0
    assert pair.apart.values.mean() < 0.1


def test_the_pair_of_heatmaps_is_the_traces_own_and_its_mean_that_of_the_box(
    joined: Prediction,
) -> None:
    trace, someone = joined.trace, joined.people[1]
    assert trace is not None
    pair = pair_of(joined, 1, WRIST)
    assert pair is not None
    held = {kind: trace.maps[f"{kind}.left wrist"].values[0].double().numpy()
            for kind in ("heatmap.1", "synthesised", "contradiction")}  # fmt: skip
    np.testing.assert_array_equal(pair.predicted.values, held["heatmap.1"])
    np.testing.assert_array_equal(pair.synthesised.values, held["synthesised"])
    np.testing.assert_allclose(pair.apart.values, np.abs(held["contradiction"]), atol=1e-6)
    # The mean once more, cell by cell, with the cells' places written out: 8 input pixels each.
    left, top, right, bottom = someone.box.edges
    scale, inside = max(SIZE) / 192, []
    for row, col in np.ndindex(*pair.apart.values.shape):
        x, y = ((8 * cell + 3.5 + 0.5) * scale - 0.5 for cell in (col, row))
        if left <= x <= right and top <= y <= bottom:
            inside.append((row, col))
    assert pair.cells == len(inside) >= 10
    h, s = (
        np.array([one.values[at] for at in inside]) for one in (pair.predicted, pair.synthesised)
    )
    assert pair.mean == pytest.approx(float(np.abs(h - s).mean()), rel=1e-9)
    h, s = h.clip(0, 1), s.clip(0, 1)
    assert pair.contradiction == pytest.approx(2 * np.abs(h - s).sum() / (h + s).sum(), rel=1e-9)
    assert 0 <= pair.contradiction < 0.8  # the votes agree with the truth but for the limb ends


def test_heatmaps_that_have_nothing_in_common_contradict_each_other_by_two(
    joined: Prediction,
) -> None:
    trace = joined.trace
    assert trace is not None
    maps = dict(trace.maps)
    h = torch.zeros_like(maps["heatmap.1.left wrist"].values)
    s = torch.zeros_like(h)
    pair = pair_of(joined, 0, WRIST)
    assert pair is not None
    edges = joined.people[0].box.edges
    middle = pair.predicted.to_photo.inverse().apply(
        [(edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2]
    )
    col, row = (round(float(value)) for value in middle)
    h[0, row, col], s[0, row, col + 1] = 0.5, 0.75
    maps["heatmap.1.left wrist"] = replace(maps["heatmap.1.left wrist"], values=h)
    maps["synthesised.left wrist"] = replace(maps["synthesised.left wrist"], values=s)
    changed = pair_of(replace(joined, trace=replace(trace, maps=maps)), 0, WRIST)
    assert changed is not None and changed.contradiction == pytest.approx(2.0)
    assert changed.mean == pytest.approx(1.25 / changed.cells)


def test_the_weights_are_estimates_with_a_mean_of_one_and_say_so(joined: Prediction) -> None:
    weights = weights_of(joined, 0, WRIST)
    assert [one.stage for one in weights] == ["limb fields, stage 1", "heatmaps, stage 1"]
    for one in weights:
        assert one.field.values.mean() == pytest.approx(1.0, abs=1e-4)
        assert (
            one.field.meaning.startswith("an estimate") and "needs the truth" in one.field.meaning
        )
    heat = pair_of(joined, 0, WRIST)
    assert heat is not None
    expected = 0.1 + heat.predicted.values.clip(0, 1)
    np.testing.assert_allclose(weights[1].field.values, expected / expected.mean(), rtol=1e-4)


def test_heatmap_offset_and_limbs_of_the_truth_agree(joined: Prediction) -> None:
    trace = joined.trace
    assert trace is not None
    away = []
    for person, someone in enumerate(joined.people):
        for keypoint, name in enumerate(LSP14.keypoints):
            found = agreement_of(joined, person, keypoint)
            assert found is not None and found.apart is not None and not found.contradicted
            (first, *_) = votes_of(joined, person, keypoint)
            place = someone.keypoints[keypoint]
            assert found.shift == pytest.approx(float(np.linalg.norm(place - first.cell)))
            assert found.score == someone.scores[keypoint] == pytest.approx(first.weight)
            pair = pair_of(joined, person, keypoint)
            assert pair is not None
            col, row = np.rint(pair.apart.to_photo.inverse().apply(first.cell)).astype(int)
            assert found.contradiction == pytest.approx(pair.apart.values[row, col], abs=1e-6)
            scores = [one.score for one in joins_of(joined, person, keypoint)]
            assert found.limb == max(scores), name
            assert found.cell == pytest.approx(CELL, rel=0.02)
            away.append(found.apart / found.cell)
    assert np.mean(away) < 0.75 and max(away) < 2  # in cells of the maps: limbs end bluntly


def test_where_a_limb_ends_is_the_middle_of_its_end(joined: Prediction) -> None:
    trace, someone = joined.trace, joined.people[0]
    assert trace is not None
    place = votes_of(joined, 0, WRIST)[0].cell
    held = trace.maps["ends.left wrist"]
    to_photo = someone.crop.to_photo @ held.grid.to_input
    col, row = np.rint(to_photo.inverse().apply(place)).astype(int)

    def said(cells: dict[tuple[int, int], float]) -> Agreement:
        values = torch.zeros_like(held.values)
        for (down, right), value in cells.items():
            values[0, row + down, col + right] = value
        maps = {**trace.maps, held.name: replace(held, values=values)}
        found = agreement_of(replace(joined, trace=replace(trace, maps=maps)), 0, WRIST)
        assert found is not None
        return found

    keypoint = someone.keypoints[WRIST]
    one = said({(0, -1): 0.6, (0, -2): 0.2})
    expected = to_photo.apply([col - 1.25, row])
    assert one.apart == pytest.approx(float(np.linalg.norm(expected - keypoint)))
    for far in ({(0, -3): 1.0}, {(0, 0): 0.05}):
        assert said(far).apart is None and "no limb's field ends near it" in said(far).words
    assert one.apart is not None
    wide = said({(-2, -2): 0.9})
    assert wide.apart is not None and wide.apart > wide.cell
    assert "offset and limbs lie apart by" in wide.words
    near = said({(0, 0): 0.9})
    assert f"offset and limbs agree within {near.apart:.1f} px" in near.words


def test_doubt_begins_at_the_mark_and_is_claimed_only_where_it_was_seen_to_tell(
    joined: Prediction,
) -> None:
    found = agreement_of(joined, 0, WRIST)
    assert found is not None
    over, under = (replace(found, contradiction=DOUBT + d) for d in (0.01, -0.01))
    assert over.contradicted and not under.contradicted
    assert "is 0.31, over 0.3" in over.words and "is 0.29, not over 0.3" in under.words
    assert not worth_of({}).tells and "not measured" in worth_of({}).words
    other = {"kept out": {"PCK@0.2": 15.0}}
    assert worth_of(other) == worth_of({})
    coin = worth_of({**other, "crowds": {"doubt AUROC": 51.2}})
    assert not coin.tells and "51 % of cases" in coin.words and "no sign" in coin.words
    figures = {"doubt AUROC": 71.0, "doubt AUROC of the peak's height": 80.0}
    good = worth_of({"crowds": figures, **other})
    assert good.tells and "the lower peak it is known in 80 %" in good.words
    assert "no sign" not in good.words


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


def test_a_matrix_in_plotly_has_its_names_its_numbers_and_the_persons_row(
    posed: Prediction,
) -> None:
    found = {one.name: one for one in matrices_of(posed, 0)}
    query = found["query.1"]
    assert (query.title, found["gates.2"].title) == ("Queries, stage 1", "Gates, stage 2")
    figure = matrix_figure(query)
    (heat,) = figure.data
    assert list(heat.y) == list(query.rows) and list(heat.x) == list(query.cols)
    np.testing.assert_allclose(np.array(heat.z).sum(1), 100.0, atol=1e-2)  # per cent of a row
    assert heat.hovertemplate.startswith("%{y} → %{x}: ")
    (frame,) = figure.layout.shapes
    assert query.mine is not None and (frame.y0 + frame.y1) / 2 == query.mine
    gates = matrix_figure(found["gates.1"])
    assert (gates.data[0].zmin, gates.data[0].zmax) == (0, 1) and not gates.layout.shapes
    np.testing.assert_allclose(gates.data[0].z, found["gates.1"].values, atol=1e-4)


def test_two_of_the_same_name_are_two_places_of_an_axis() -> None:
    names = ("neck, nobody", "left wrist, person 1", "neck, nobody")
    twice = Matrix("affinity", "affinity", names, names, np.eye(3), None, None, "")
    (heat,) = matrix_figure(twice).data
    assert list(heat.x) == ["neck, nobody (1)", "left wrist, person 1", "neck, nobody (2)"]


# ------------------------------------------------------------------ models without


def test_a_model_without_any_of_it_says_nothing(posed: Prediction, joined: Prediction) -> None:
    plain = Estimator(tiny_model()).predict(noise_photo())
    for prediction in (plain, joined):
        assert film_of(prediction) == ()
        assert {one.kind for one in matrices_of(prediction)} <= {"keypoint"}
    assert matrices_of(joined) == ()  # it has no attention
    for prediction in (plain, posed):
        assert votes_of(prediction, 0, 1) == joins_of(prediction, 0) == ()
        assert fields_of(prediction, 0, 1) == ()
        assert pair_of(prediction, 0, 1) is None
        assert weights_of(prediction, 0, 1) == ()
        assert agreement_of(prediction, 0, 1) is None
    with pytest.raises(TraceError, match="no person 7"):
        film_of(plain, 7)
