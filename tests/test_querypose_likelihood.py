"""What stands for a person's heatmaps where QueryPose regresses, and the methods that read it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import posekit
from app.examples import bundled
from posekit.errors import PoseKitError
from posekit.estimator import Estimator, Prediction
from posekit.explain import Explanation, HeatMap, explain, list_methods
from posekit.explain.asked import (
    ask,
    crop_input,
    heatmaps_from,
    network_of,
    recorded_heatmaps,
    to_heatmap,
)
from posekit.explain.faithfulness import faithfulness_of
from posekit.models.querypose_likelihood import LIKELIHOOD, density

KNEE = "left knee"
BY_ATTENTION = {
    *("attention", "flow", "rollout", "contribution", "relevance", "knockout", "token-occlusion")
}
"""Methods that need attention between places of the photo, or tokens of a CNN."""
QUICK = {"window": 48, "stride": 48, "masks": 24, "steps": 4, "samples": 4, "cells": 4}


@pytest.fixture(scope="module")
def crowd() -> Prediction:
    """An example of several people, as the shipped QueryPose sees it."""
    photo = next(one for one in bundled() if one.id == "crowd").read()[0]
    return Estimator(posekit.load("querypose-small")).predict(photo)


def test_a_density_is_as_high_as_the_score_and_as_wide_as_the_spread() -> None:
    grid = LIKELIHOOD.grid((32, 64))
    assert grid.size == (16, 32)
    # On the cell in column 5, row 2; four cells to the right and eight down are one unit each.
    places = torch.tensor([[[5 * 2 + 0.5, 2 * 2 + 0.5]]])
    spread = torch.tensor([[[8 / math.sqrt(2), 16 / math.sqrt(2)]]])
    found = density(places, spread, torch.tensor([[0.8]]), grid)[0, 0]
    assert found.shape == (16, 32) and float(found[2, 5]) == pytest.approx(0.8)
    assert int(found.argmax()) == 2 * 32 + 5
    assert float(found[2, 9]) == pytest.approx(0.8 * math.exp(-1))
    assert float(found[10, 5]) == pytest.approx(0.8 * math.exp(-1))
    assert float(found[6, 13]) == pytest.approx(0.8 * math.exp(-2.5))


def test_a_spread_of_nothing_stays_finite() -> None:
    grid = LIKELIHOOD.grid((8, 8))
    places, spread = torch.full((1, 1, 2), 0.5), torch.zeros(1, 1, 2)
    places.requires_grad_()
    found = density(places, spread, torch.ones(1, 1), grid)
    found.sum().backward()
    assert float(found[0, 0, 0, 0].detach()) == 1 and places.grad is not None
    assert bool(torch.isfinite(found).all() and torch.isfinite(places.grad).all())


def test_another_pass_gives_what_was_recorded(crowd: Prediction) -> None:
    assert len(crowd.people) > 1
    for person in range(len(crowd.people)):
        kept = recorded_heatmaps(crowd, person)
        with torch.inference_mode():
            made = heatmaps_from(network_of(crowd, person), crop_input(crowd, person))[0]
        np.testing.assert_allclose(made.numpy(), kept.numpy(), atol=2e-5)


def test_peaks_lie_where_the_keypoints_are(crowd: Prediction) -> None:
    for index, person in enumerate(crowd.people):
        maps = recorded_heatmaps(crowd, index)
        rows, cols = np.unravel_index(maps.flatten(1).argmax(1).numpy(), tuple(maps.shape[1:]))
        wanted = to_heatmap(crowd, index).apply(person.keypoints)
        inside = (wanted >= 0).all(1) & (wanted <= np.array(maps.shape[:0:-1]) - 1).all(1)
        assert inside.sum() > 5
        off = np.stack([cols, rows], 1)[inside] - wanted[inside]
        assert np.abs(off).max() <= 0.5 + 1e-3  # of a cell


def test_the_height_is_class_times_keypoint_score(crowd: Prediction) -> None:
    assert crowd.trace is not None and crowd.trace.instances is not None
    person = crowd.people[0]
    assert person.instance is not None
    query = crowd.trace.instances.places[person.instance][1]
    sure = float(crowd.trace.tensors["scores.3"].values[0, query])
    heights = recorded_heatmaps(crowd, 0).amax((1, 2)).numpy()
    assert (heights <= sure * person.scores + 1e-5).all()  # the nearest cell is a little off
    assert (heights >= sure * person.scores * 0.7).all()


def test_each_person_has_maps_of_their_own(crowd: Prediction) -> None:
    first, second = (ask(crowd, KNEE, person).target for person in (0, 1))
    assert first != second
    with torch.inference_mode():
        for person, target in enumerate((first, second)):
            own = target(recorded_heatmaps(crowd, person)[None])
            other = target(recorded_heatmaps(crowd, 1 - person)[None])
            assert float(own) > 2 * float(other)


@pytest.mark.parametrize("name", [method.name for method in list_methods()])
def test_every_method_answers_or_says_why_not(crowd: Prediction, name: str) -> None:
    known = next(m.options for m in list_methods() if m.name == name)
    options = {key: value for key, value in QUICK.items() if key in known}
    if name == "attention":  # its part maps
        assert isinstance(explain(crowd, KNEE), Explanation)
        return
    if name in BY_ATTENTION:
        with pytest.raises(PoseKitError) as refusal:
            explain(crowd, KNEE, method=name, **options)
        assert str(refusal.value).endswith(".") and "\n" not in str(refusal.value)
        return
    answer = explain(crowd, KNEE, method=name, **options)
    assert isinstance(answer, HeatMap) and answer.target == KNEE
    assert np.isfinite(answer.values).all() and np.ptp(answer.values) > 0


def test_covering_the_person_matters_more_than_covering_the_rest(crowd: Prediction) -> None:
    for person in (0, 1):
        found = explain(crowd, KNEE, method="occlusion", person=person, window=48, stride=48)
        assert isinstance(found, HeatMap)
        left, top, right, bottom = crowd.people[person].box.clipped(crowd.photo.size).edges
        x, y = found.cell_centres.T
        within = ((x > left) & (x < right) & (y > top) & (y < bottom)).reshape(found.grid.size)
        assert found.mass[within].sum() > 1.5 * within.mean()


def test_each_person_is_a_query_of_the_same_network(crowd: Prediction) -> None:
    one, other = (network_of(crowd, person) for person in (0, 1))
    assert one.network is other.network is crowd.model.module
    assert one.query != other.query
    assert "trunk" not in dict(crowd.model.module.named_modules())  # nothing was left behind


def test_maps_can_be_tested_for_faithfulness(crowd: Prediction) -> None:
    shown = explain(crowd, KNEE, method="input-x-gradient")
    assert isinstance(shown, HeatMap)
    trust = faithfulness_of(crowd, KNEE, shown, batch_size=8)
    assert 0 < trust.deletion < trust.insertion


def test_somebody_who_was_not_found_is_not_explained(crowd: Prediction) -> None:
    someone = crowd.people[0]
    nowhere = np.full_like(someone.keypoints, np.nan)
    lost = replace(someone, keypoints=nowhere, scores=0 * someone.scores, instance=None)
    found = replace(crowd, people=(lost, *crowd.people[1:]))
    with pytest.raises(PoseKitError, match="found no left knee of this person"):
        explain(found, KNEE, method="saliency", person=0)
    with pytest.raises(PoseKitError, match="did not find person 1"):
        recorded_heatmaps(found, 0)
