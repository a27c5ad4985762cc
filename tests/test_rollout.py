"""Rollout against the product of matrices it stands for, and the closed forms of that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain import (
    Explanation,
    HeatMap,
    KeypointPair,
    KeypointPeak,
    explain,
    peak_of,
)
from posekit.explain.rollout import CHUNK, times_attention
from posekit.geometry import Box, TokenGrid
from posekit.trace import Attention, Trace
from tests.tiny_models import noise_photo, tiny_model

BOXES = (Box(20, 20, 40, 56), Box(130, 60, 44, 70))


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model()).predict(noise_photo(180, 240), BOXES)


def naive(
    prediction: Prediction, person: int, head: str | int, residual: float = 0.5, start: int = 0
) -> list[Tensor]:
    """The matrices of the rollout down to each layer's input, by matrix-matrix products."""
    product = torch.eye(48)
    found = []
    for layer in reversed(list(prediction.trace.attentions.values())[start:]):
        matrix = layer.matrix(person)
        if head == "mean":
            matrix = matrix.mean(0)
        elif head == "max":
            matrix = matrix.amax(0)
            matrix = matrix / matrix.sum(-1, keepdim=True)
        else:
            matrix = matrix[int(head)]
        product = product @ (residual * torch.eye(48) + (1 - residual) * matrix)
        found.append(product)
    return found[::-1]


def rollout(prediction: Prediction, target: object, **options: object) -> HeatMap:
    answer = explain(prediction, target, method="rollout", **options)  # type: ignore[call-overload]
    assert isinstance(answer, HeatMap)
    return answer


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("head", ["mean", "max", 2])
def test_rollout_is_a_row_of_the_matrix_product(prediction, person, head) -> None:
    point = BOXES[person].centre
    token = explain(prediction, point, person=person).maps[-1].query_token
    found = rollout(prediction, point, person=person, head=head)
    expected = naive(prediction, person, head)[0][token]
    np.testing.assert_allclose(found.values.ravel(), expected.numpy(), atol=1e-5, rtol=1e-4)
    assert found.total == pytest.approx(1, abs=1e-5)
    assert found.person == person and not found.signed
    # The test could not fail if the last layer's row were as good an answer.
    assert np.abs(naive(prediction, person, head)[2][token].numpy() - expected.numpy()).max() > 0.01


@pytest.mark.parametrize("residual", [0.0, 0.25, 1.0])
def test_the_residual_stays_where_it_is(prediction, residual: float) -> None:
    point = BOXES[0].centre
    token = explain(prediction, point).maps[-1].query_token
    found = rollout(prediction, point, residual=residual).values.ravel()
    expected = naive(prediction, 0, "mean", residual)[0][token].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if residual == 1.0:
        assert found[token] == 1.0 and found.sum() == 1.0


@pytest.mark.parametrize("start", ["encoder.2", 1, -2])
def test_rollout_stops_at_the_start_layer(prediction, start) -> None:
    point = BOXES[0].centre
    token = explain(prediction, point).maps[-1].query_token
    found = rollout(prediction, point, start=start)
    expected = naive(prediction, 0, "mean", start=1)[0][token].numpy()
    np.testing.assert_allclose(found.values.ravel(), expected, atol=1e-5)
    assert found.options["start"] == "encoder.2"


def test_the_flow_is_the_rollout_at_every_depth(prediction) -> None:
    point = BOXES[1].centre
    flow = explain(prediction, point, method="flow", person=1)
    assert isinstance(flow, Explanation) and flow.layers == ("encoder.1", "encoder.2", "encoder.3")
    token = flow.maps[0].query_token
    for one, expected in zip(flow.maps, naive(prediction, 1, "mean"), strict=True):
        np.testing.assert_allclose(one.weights.ravel(), expected[token].numpy(), atol=1e-5)
    row = explain(prediction, point, person=1).layer(-1).weights.ravel()
    mixed = 0.5 * row + 0.5 * (np.arange(48) == token)
    np.testing.assert_allclose(flow.layer("encoder.3").weights.ravel(), mixed, atol=1e-6)
    whole = rollout(prediction, point, person=1)
    np.testing.assert_array_equal(flow.layer("encoder.1").weights, whole.values)
    with pytest.raises(TraceError, match="one place"):
        explain(prediction, KeypointPeak(0, (2, 2)), method="flow")


def test_a_pair_is_the_mean_of_its_two_ends(prediction) -> None:
    a, b = KeypointPeak(0, (1, 2)), KeypointPeak(1, (9, 13))
    both = rollout(prediction, KeypointPair(a, b)).values
    each = [rollout(prediction, one).values for one in (a, b)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-7)
    assert np.abs(each[0] - each[1]).max() > 0.1


@pytest.mark.parametrize("head", ["mean", "max", 0])
def test_no_more_than_a_chunk_of_rows_is_ever_formed(monkeypatch, head) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = 3 * CHUNK + 7
    q, k = (torch.randn(1, 2, tokens, 4, generator=generator) for _ in range(2))
    attention = Attention("encoder.1", "encoder", q, k, (), ())
    row = torch.rand(tokens, generator=generator)
    row[::5] = 0
    matrix = attention.matrix().double()
    reduced = {"mean": matrix.mean(0), "max": matrix.amax(0), 0: matrix[0]}[head]
    if head == "max":
        reduced = reduced / reduced.sum(-1, keepdim=True)
    asked = []
    rows = Attention.rows

    def counted(self: Attention, queries: Tensor, item: int = 0) -> Tensor:
        asked.append(len(queries))
        return rows(self, queries, item)

    monkeypatch.setattr(Attention, "rows", counted)
    monkeypatch.setattr(Attention, "matrix", None)
    found = times_attention(row, attention, head=head)
    torch.testing.assert_close(found, (row.double() @ reduced).float(), atol=1e-5, rtol=1e-4)
    assert max(asked) == CHUNK and sum(asked) == int((row != 0).sum())


def test_attention_that_points_is_followed() -> None:
    """Token 8 looks at 33 in the upper layer, and 33 at 5 in the lower one."""
    prediction = Estimator(tiny_model()).predict(noise_photo(180, 240), BOXES[:1])
    grid = prediction.trace.attentions["encoder.1"].query_grid  # type: ignore[union-attr]

    def pointing(name: str, source: int, there: int) -> Attention:
        """Only the source points; the others look at themselves."""
        q, k = 40 * torch.eye(48)[None, None], torch.eye(48)[None, None] * 48**0.5
        q[0, 0, source] = 40 * torch.eye(48)[there]
        return Attention(name, "encoder", q, k, grid, grid)

    layers = {"encoder.1": pointing("encoder.1", 33, 5), "encoder.2": pointing("encoder.2", 8, 33)}
    one = replace(prediction, trace=Trace(layers))
    assert isinstance(grid, TokenGrid)
    point = prediction.people[0].crop.to_photo.apply(grid.centres()[8])
    values = rollout(one, point).values.ravel()
    np.testing.assert_allclose(values[[8, 33, 5]], [0.5, 0.25, 0.25], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": 4}, "no head 4"),
        ({"head": "median"}, "'mean', 'max' or a number"),
        ({"residual": 1.5}, "between 0 and 1"),
        ({"start": "encoder.9"}, "no layer 'encoder.9'"),
        ({"person": 2}, "no person 2"),
    ],
)
def test_what_does_not_exist_is_refused(prediction, options, words) -> None:
    with pytest.raises(TraceError, match=words):
        rollout(prediction, "nose", **options)


def test_layers_between_other_tokens_are_refused(prediction) -> None:
    layers = dict(prediction.trace.attentions)
    coarse = TokenGrid.from_heatmap(4, 3, (16, 12), (64, 48))
    vectors = torch.randn(2, 1, 12, 4)
    layers["encoder.3"] = Attention("encoder.3", "encoder", vectors, vectors, coarse, coarse)
    mixed = replace(prediction, trace=replace(prediction.trace, attentions=layers))
    with pytest.raises(TraceError, match="one layer at a time"):
        rollout(mixed, peak_of(prediction, 0))
