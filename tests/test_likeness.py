"""How alike the maps of a layer are, in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posekit.errors import TraceError
from posekit.estimator import Estimator
from posekit.explain.keypoint_rows import keypoint_maps
from posekit.explain.likeness import likeness
from posekit.explain.maps import AttentionMap
from tests.tiny_models import noise_photo, tiny_model


@pytest.fixture(scope="module")
def some_map() -> AttentionMap:
    prediction = Estimator(tiny_model()).predict(noise_photo(96, 80))
    return keypoint_maps(prediction, -1)[0]


def maps_of(some_map: AttentionMap, *rows: list[float]) -> list[AttentionMap]:
    """Maps whose first cells weigh this, and the others nothing."""
    made = []
    for row in rows:
        weights = np.zeros(some_map.grid.size, np.float32)
        weights.ravel()[: len(row)] = row
        made.append(replace(some_map, weights=weights))
    return made


def test_what_two_maps_share(some_map: AttentionMap) -> None:
    assert likeness(maps_of(some_map, [0.5, 0.5, 0.0], [0.2, 0.5, 0.3])) == pytest.approx(0.7)
    assert likeness(maps_of(some_map, [1.0], [1.0], [1.0])) == pytest.approx(1.0)
    assert likeness(maps_of(some_map, [1.0, 0.0], [0.0, 1.0])) == 0.0
    # A mean over pairs: two alike, and each unlike the third.
    three = maps_of(some_map, [1.0, 0.0], [1.0, 0.0], [0.0, 1.0])
    assert likeness(three) == pytest.approx(1 / 3)


def test_it_does_not_depend_on_what_a_map_sums_to(some_map: AttentionMap) -> None:
    """Heads or columns may sum to anything."""
    assert likeness(maps_of(some_map, [5.0, 5.0, 0.0], [0.02, 0.05, 0.03])) == pytest.approx(0.7)


def test_what_cannot_be_told(some_map: AttentionMap) -> None:
    with pytest.raises(TraceError, match="two or more"):
        likeness(maps_of(some_map, [1.0]))
    with pytest.raises(TraceError, match="holds nothing"):
        likeness(maps_of(some_map, [1.0], [0.0]))
