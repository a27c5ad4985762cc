"""Keypoint similarity by hand, and greedy pairs against the slow way to find them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posekit.similarity import greedy_pairs, keypoint_similarity


def test_a_keypoint_one_constant_off() -> None:
    # At d = 2 sigma sqrt(area) the exponent is -1/2.
    area, sigma = 900.0, 0.05
    off = 2 * sigma * math.sqrt(area)
    found = keypoint_similarity([0.0, off**2, np.nan], area, [sigma] * 3)
    np.testing.assert_allclose(found[:2], [1.0, math.exp(-0.5)])
    assert np.isnan(found[2])
    # A person of four times the area may be twice as far off.
    assert keypoint_similarity([(2 * off) ** 2], 4 * area, [sigma])[0] == pytest.approx(found[1])


def test_similarity_is_that_of_pycocotools() -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.cocoeval import COCOeval, Params

    rng = np.random.default_rng(4)
    true, seen = rng.uniform(0, 100, (2, 17, 2))
    judge = COCOeval()
    judge.params = Params(iouType="keypoints")
    sigmas, area = judge.params.kpt_oks_sigmas, 5000.0
    flat = {name: np.column_stack([points, np.full(17, 2)]).ravel().tolist()
            for name, points in (("true", true), ("seen", seen))}  # fmt: skip
    judge._gts[1, 1] = [{"keypoints": flat["true"], "bbox": [0, 0, 100, 100], "area": area}]
    judge._dts[1, 1] = [{"keypoints": flat["seen"], "score": 1.0}]
    ours = keypoint_similarity(((true - seen) ** 2).sum(-1), area, sigmas).mean()
    np.testing.assert_allclose(judge.computeOks(1, 1), [[ours]], rtol=1e-9)


def the_slow_way(likeness: np.ndarray, allowed: np.ndarray) -> list[tuple[int, int]]:
    left, pairs = np.where(allowed, likeness, -np.inf), []
    while left.size and left.max() > -np.inf:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(row), int(column)))
        left[row], left[:, column] = -np.inf, -np.inf
    return pairs


@given(st.data(), st.integers(0, 5), st.integers(0, 5))
def test_greedy_pairs_are_the_best_one_after_the_other(
    data: st.DataObject, rows: int, columns: int
) -> None:
    # Few values, so that many are equal.
    likeness = data.draw(arrays(np.float64, (rows, columns), elements=st.sampled_from([0.0, 1, 2])))
    allowed = data.draw(arrays(np.bool_, (rows, columns)))
    assert greedy_pairs(likeness, allowed) == the_slow_way(likeness, allowed)
