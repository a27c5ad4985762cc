"""RoIAlign: all boxes as one embedding bag, against one box after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.compare import compare
from posekit.models.layers.roi_align import roi_align

CASES = {  # channels, rows and columns of the map, boxes, cells: full-sized and small
    "QueryPose box head": (256, 64, 64, 100, 7),
    "QueryPose pose head": (256, 64, 64, 100, 14),
    "QueryPose-small pose head": (96, 64, 64, 24, 14),
}


def box_by_box(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Each box by itself, its samples by PyTorch's bilinear kernel; boxes inside the image."""
    rows, cols = features.shape[-2:]
    step = (torch.arange(2 * size) + 0.5) / 2
    cells = []
    for x0, y0, x1, y1 in boxes / 4 - 0.5:
        x, y = x0 + step * (x1 - x0) / size, y0 + step * (y1 - y0) / size
        across, down = 2 * x / (cols - 1) - 1, 2 * y / (rows - 1) - 1
        grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
        samples = F.grid_sample(features, grid[None], padding_mode="border", align_corners=True)
        cells.append(F.avg_pool2d(samples, 2)[0].flatten(1).T)
    return torch.stack(cells)


def make(case: str) -> tuple[Tensor, Tensor, Tensor, int]:
    channels, rows, cols, count, size = CASES[case]
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, channels, rows, cols, generator=generator)
    corner = torch.rand(count, 2, generator=generator) * 2.0 * torch.tensor([cols, rows])
    extent = 8 + torch.rand(count, 2, generator=generator) * (1.9 * torch.tensor([cols, rows]) - 8)
    return features, torch.cat([corner, corner + extent], dim=1), torch.zeros(count).long(), size


@pytest.mark.parametrize("case", CASES)
def test_forward(benchmark: Callable[..., object], case: str) -> None:
    features, boxes, images, size = make(case)
    ours = roi_align([features], (4,), boxes, images, size)
    torch.testing.assert_close(ours, box_by_box(features, boxes, size), atol=1e-4, rtol=0)
    compare(
        f"RoIAlign, {case}",
        lambda: roi_align([features], (4,), boxes, images, size),
        "box by box",
        lambda: box_by_box(features, boxes, size),
    )
    benchmark(roi_align, [features], (4,), boxes, images, size)


@pytest.mark.parametrize("case", CASES)
def test_forward_and_backward(benchmark: Callable[..., object], case: str) -> None:
    features, boxes, images, size = make(case)
    features.requires_grad_()

    def both(pooled: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(pooled().sum(), features)

    ours = both(lambda: roi_align([features], (4,), boxes, images, size))
    compare(
        f"RoIAlign and its gradient, {case}",
        ours,
        "box by box",
        both(lambda: box_by_box(features, boxes, size)),
        memory=False,
    )
    benchmark(ours)
