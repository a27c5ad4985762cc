"""RoIAlign: the reference numbers, a slow version written from the definition, and gradients."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from posekit.models.layers.roi_align import pyramid_level, roi_align

STRIDES = (4, 8, 16, 32)


def slow(feature: Tensor, box: Tensor, size: int, stride: int) -> Tensor:
    """One box on one map (C, h, w), sample by sample, as the definition reads: (size^2, C)."""
    rows, cols = feature.shape[1:]
    x0, y0, x1, y1 = (float(v) / stride - 0.5 for v in box)

    def sample(y: float, x: float) -> Tensor:
        if not (-1 <= y <= rows and -1 <= x <= cols):
            return torch.zeros_like(feature[:, 0, 0])
        y, x = (min(max(v, 0.0), n - 1.0) for v, n in ((y, rows), (x, cols)))
        top, left = math.floor(y), math.floor(x)
        below, right = min(top + 1, rows - 1), min(left + 1, cols - 1)
        down, across = y - top, x - left
        upper = (1 - across) * feature[:, top, left] + across * feature[:, top, right]
        lower = (1 - across) * feature[:, below, left] + across * feature[:, below, right]
        return (1 - down) * upper + down * lower

    cells = []
    for i in range(size):
        for j in range(size):
            near = [
                sample(
                    y0 + (i + (a + 0.5) / 2) * (y1 - y0) / size,
                    x0 + (j + (b + 0.5) / 2) * (x1 - x0) / size,
                )
                for a in (0, 1)
                for b in (0, 1)
            ]
            cells.append(torch.stack(near).mean(0))
    return torch.stack(cells)


def pyramid(images: int = 2, channels: int = 3, seed: int = 0) -> list[Tensor]:
    """Maps of a 64 x 96 input, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(images, channels, 64 // s, 96 // s, dtype=torch.float64, generator=generator)
        for s in STRIDES
    ]


BOXES = torch.tensor(
    [
        [10.0, 12.0, 40.0, 50.0],
        [-20.0, -8.0, 30.0, 90.0],  # partly outside
        [80.0, 40.0, 140.0, 70.0],
        [200.0, 200.0, 240.0, 260.0],  # outside
        [30.0, 30.0, 30.0, 30.0],  # a point
        [50.0, 40.0, 20.0, 10.0],  # inside out
        [0.0, 0.0, 96.0, 64.0],
    ],
    dtype=torch.float64,
)
IMAGES = torch.tensor([0, 1, 1, 0, 1, 0, 1])
LEVELS = torch.tensor([0, 3, 1, 2, 0, 1, 2])


def reference(maps: list[Tensor], size: int) -> Tensor:
    return torch.stack(
        [
            slow(maps[level][image], box, size, STRIDES[level])
            for box, image, level in zip(BOXES, IMAGES, LEVELS, strict=True)
        ]
    )


def test_reference_numbers(shared_dir: Path) -> None:
    with np.load(shared_dir / "specs" / "querypose" / "fixture_pooler.npz") as fixture:
        maps = [torch.from_numpy(fixture[f"p{level}"]) for level in (2, 3, 4, 5)]
        boxes = torch.from_numpy(fixture["boxes"]).flatten(0, 1)
        expected = {size: fixture[f"out{size}"] for size in (7, 14)}
        expected_levels = fixture["level"].ravel()
    images = torch.arange(2).repeat_interleave(10)
    levels = pyramid_level(boxes, 4)
    np.testing.assert_array_equal(levels + 2, expected_levels)
    box_pool = roi_align(maps, STRIDES, boxes, images, 7, levels)
    np.testing.assert_allclose(
        box_pool.transpose(1, 2).unflatten(-1, (7, 7)), expected[7], atol=1e-5, rtol=0
    )
    pose_pool = roi_align(maps[:1], STRIDES[:1], boxes, images, 14)
    np.testing.assert_allclose(
        pose_pool.transpose(1, 2).unflatten(-1, (14, 14)), expected[14], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("size", [1, 3, 7])
def test_equals_the_slow_version_forward_and_backward(size: int) -> None:
    ours, theirs = ([m.requires_grad_() for m in pyramid()] for _ in range(2))
    fast, expected = roi_align(ours, STRIDES, BOXES, IMAGES, size, LEVELS), reference(theirs, size)
    torch.testing.assert_close(fast, expected, atol=1e-12, rtol=0)
    direction = torch.randn(
        fast.shape, dtype=fast.dtype, generator=torch.Generator().manual_seed(1)
    )
    for a, b in zip(
        torch.autograd.grad(fast, ours, direction),
        torch.autograd.grad(expected, theirs, direction),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


@given(
    st.lists(
        st.tuples(*[st.floats(-60, 160)] * 4, st.integers(0, 1), st.integers(0, 3)),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=30)
def test_any_boxes_equal_the_slow_version(
    cases: list[tuple[float, float, float, float, int, int]],
) -> None:
    maps = pyramid(channels=2)
    boxes = torch.tensor([case[:4] for case in cases], dtype=torch.float64)
    images, levels = (torch.tensor([case[i] for case in cases]) for i in (4, 5))
    expected = [
        slow(maps[case[5]][case[4]], box, 2, STRIDES[case[5]])
        for case, box in zip(cases, boxes, strict=True)
    ]
    fast = roi_align(maps, STRIDES, boxes, images, 2, levels)
    torch.testing.assert_close(fast, torch.stack(expected), atol=1e-10, rtol=0)


def test_numeric_gradients() -> None:
    maps = [m[:, :2, :5, :6].clone().requires_grad_() for m in pyramid()[:2]]

    def pooled(*maps: Tensor) -> Tensor:
        return roi_align(maps, STRIDES[:2], BOXES[:4] / 4, IMAGES[:4], 2, LEVELS[:4].clamp(max=1))

    assert torch.autograd.gradcheck(pooled, maps)


def test_no_gradient_reaches_the_boxes() -> None:
    boxes = BOXES.clone().requires_grad_()
    out = roi_align([pyramid()[0].requires_grad_()], STRIDES[:1], boxes, IMAGES, 2)
    out.sum().backward()
    assert boxes.grad is None


def test_a_ramp_is_read_exactly_at_the_centres_of_the_cells() -> None:
    """On f(x, y) = 2 x + 3 y over pixels' centres, bilinear samples and their mean are exact."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    ramp = (2 * (4 * x + 1.5) + 3 * (4 * y + 1.5))[None, None]  # in input pixels, at stride 4
    box = torch.tensor([[13.0, 9.0, 61.0, 45.0]])
    cells = roi_align([ramp], (4,), box, torch.tensor([0]), 4).view(4, 4)
    for i in range(4):
        for j in range(4):
            centre = 13 + (j + 0.5) * 12 - 0.5, 9 + (i + 0.5) * 9 - 0.5
            assert cells[i, j].item() == pytest.approx(2 * centre[0] + 3 * centre[1], abs=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_boxes_that_are_nowhere_give_zeros(value: float) -> None:
    maps = [m.float() for m in pyramid()]
    boxes = torch.tensor([[value, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, value]])
    boxes = torch.cat([boxes, torch.full((1, 4), value)])
    images = torch.zeros(3, dtype=torch.long)
    out = roi_align(maps, STRIDES, boxes, images, 3, pyramid_level(boxes, 4))
    assert out.isfinite().all()
    assert (out[2] == 0).all()


def test_no_box_at_all() -> None:
    out = roi_align(pyramid(), STRIDES, BOXES[:0], IMAGES[:0], 7, LEVELS[:0])
    assert out.shape == (0, 49, 3)


@pytest.mark.parametrize(
    ("side", "level"), [(1, 0), (111, 0), (112, 1), (223, 1), (224, 2), (448, 3), (9999, 3)]
)
def test_the_level_follows_the_extent(side: float, level: int) -> None:
    """Equation 1 of the paper: level 4, which is index 2 here, at 224 pixels."""
    assert pyramid_level(torch.tensor([[0.0, 0.0, side, side]]), 4).item() == level
    small = torch.tensor([[0.0, 0.0, side / 4, side / 4]])
    assert pyramid_level(small, 4, canonical=56.0).item() == level
    assert pyramid_level(torch.tensor([[5.0, 5.0, 1.0, 9.0]]), 4).item() == 0  # inside out
