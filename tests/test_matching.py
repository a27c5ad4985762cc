"""Who answers for whom: costs, overlaps and the cheapest pairing, by hand and by brute force."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.training.matching import (
    NOBODY,
    CostWeights,
    assign,
    giou,
    iou,
    matching_cost,
    share_inside,
)


def test_giou_of_known_boxes() -> None:
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    others = torch.tensor(
        [[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [8, 0, 10, 2], [0, 0, 4, 4], [1, 1, 1, 1]]
    )
    assert iou(box, others).tolist() == pytest.approx([1, 1 / 3, 0, 0, 1 / 4, 0])
    assert giou(box, others).tolist() == pytest.approx([1, 1 / 3, 0, -0.6, 1 / 4, 0])
    assert share_inside(others, box).tolist() == pytest.approx([1, 1 / 2, 0, 0, 1 / 4, 0])


@given(st.lists(st.floats(-50, 50), min_size=8, max_size=8), st.floats(0.1, 20))
def test_giou_knows_no_units_and_no_order(values: list[float], unit: float) -> None:
    one, two = torch.tensor(values, dtype=torch.float64).view(2, 2, 2).sort(1).values.flatten(1)
    value = float(giou(one, two))
    assert -1 - 1e-9 <= value <= float(iou(one, two)) + 1e-9
    assert float(giou(two, one)) == pytest.approx(value, abs=1e-9)
    if min((one[2:] - one[:2]).min(), (two[2:] - two[:2]).min()) > 0.1:
        assert float(giou(one * unit, two * unit)) == pytest.approx(value, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=40)
def test_the_pairing_is_the_cheapest_of_all(seed: int, queries: int, people: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.randn(1, queries, people, generator=generator)
    present = torch.rand(1, people, generator=generator) < 0.8
    found = assign(cost, present)[0]
    places = present[0].nonzero()[:, 0].tolist()
    pairs = [(i, int(p)) for i, p in enumerate(found) if p != NOBODY]
    chosen = {p for _, p in pairs}
    assert chosen <= set(places) and len(pairs) == len(chosen) == min(queries, len(places))
    total = sum(float(cost[0, i, p]) for i, p in pairs)
    if queries >= len(places):
        options = ([(q, p) for q, p in zip(order, places, strict=True)]
                   for order in permutations(range(queries), len(places)))  # fmt: skip
    else:
        options = ([(q, p) for q, p in enumerate(order)] for order in permutations(places, queries))
    assert total <= min(sum(float(cost[0, q, p]) for q, p in option) for option in options) + 1e-5


def test_while_young_everybody_gets_several_queries_and_the_cheapest_ones() -> None:
    cost = torch.tensor([[[0.0, 9.0], [1.0, 9.0], [9.0, 0.5], [8.0, 2.0], [7.0, 7.5], [3.0, 3.0]]])
    both = torch.ones(1, 2, dtype=torch.bool)
    assert assign(cost, both, each=2).tolist() == [[0, 0, 1, 1, NOBODY, NOBODY]]
    assert assign(cost, both, each=1).tolist() == [[0, NOBODY, 1, NOBODY, NOBODY, NOBODY]]
    # More asked for than there are queries: all answer, for the person who is there.
    alone = torch.tensor([[False, True]])
    assert assign(cost, alone, each=9).tolist() == [[1] * 6]


def test_a_cost_that_is_no_number_does_not_win() -> None:
    cost = torch.tensor([[[math.nan, 1.0], [2.0, 5.0], [math.inf, -math.inf]]])
    assert assign(cost, torch.ones(1, 2, dtype=torch.bool)).tolist() == [[NOBODY, 0, 1]]


def test_cost_by_hand() -> None:
    """One prediction, one person: p = 1/2, boxes half a width apart."""
    cost = matching_cost(
        torch.zeros(1, 1, 1),
        torch.tensor([[[0.0, 0, 10, 20]]]),
        torch.tensor([[[5.0, 0, 15, 20]]]),
        torch.tensor([[100.0, 50, 100, 50]]),
        CostWeights(),
    )
    focal = 0.25 * 0.25 * math.log(2) - 0.75 * 0.25 * math.log(2)
    assert float(cost) == pytest.approx(2 * focal + 5 * (0.05 + 0.05) - 2 / 3, abs=1e-6)
