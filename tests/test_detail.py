"""Views that get coarser or sharper."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from posekit.data.detail import COARSEST, OCTAVES, STRONGEST, change_detail


def waves(period: float, amplitude: float = 20.0) -> Tensor:
    """(1, 3, 64, 64), grey with waves along x that leave room for being three times as strong."""
    x = torch.arange(64) + 0.5
    row = 128 + amplitude * torch.sin(2 * math.pi * x / period)
    return row.expand(1, 3, 64, 64).clone()


def strength(images: Tensor) -> float:
    return float(images[..., 16:48].std())


def changed(images: Tensor, how: float, chance: float = 1.0) -> Tensor:
    """Detail changed by a number of 0..1; one half leaves it as it is."""
    drawn = torch.tensor([[0.5, how]]).expand(len(images), 2)
    return change_detail(images.clone(), drawn, chance)


def test_half_way_between_less_and_more_nothing_changes() -> None:
    images = torch.rand((2, 3, 50, 37), generator=torch.Generator().manual_seed(0)) * 255
    torch.testing.assert_close(changed(images, 0.5), images, atol=1e-3, rtol=0)


def test_less_takes_the_finest_octave_first() -> None:
    fine, broad = waves(2.5), waves(24)
    one_gone = 0.5 - 0.5 / COARSEST
    assert strength(changed(fine, one_gone)) < 0.35 * strength(fine)
    assert strength(changed(broad, one_gone)) > 0.9 * strength(broad)


def test_with_the_least_detail_a_view_is_one_that_was_enlarged() -> None:
    images = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1)) * 255
    factor = 2**COARSEST
    small = torch.nn.functional.interpolate(
        images, (64 // factor, 64 // factor), mode="bilinear", antialias=True
    )
    large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")
    torch.testing.assert_close(changed(images, 0.0), large, atol=1e-3, rtol=0)


def test_more_makes_all_octaves_stronger_and_leaves_what_is_broader() -> None:
    fine = waves(4)
    assert 0.95 * STRONGEST < strength(changed(fine, 1.0)) / strength(fine) < 1.05 * STRONGEST
    assert strength(changed(fine, 0.75)) / strength(fine) < 0.75 * STRONGEST
    broad = waves(2 ** (OCTAVES + 3))
    assert strength(changed(broad, 1.0)) < 1.3 * strength(broad)


def test_what_gets_too_strong_stays_a_picture() -> None:
    images = torch.zeros((1, 3, 32, 32))
    images[..., 16:] = 255.0
    sharp = changed(images, 1.0)
    assert float(sharp.min()) >= 0 and float(sharp.max()) <= 255


def test_only_the_chosen_views_change() -> None:
    images = torch.rand((3, 3, 32, 32), generator=torch.Generator().manual_seed(2)) * 255
    drawn = torch.tensor([[0.9, 0.0], [0.1, 0.0], [0.6, 1.0]])
    some = change_detail(images.clone(), drawn, 0.5)
    torch.testing.assert_close(some[0], images[0], atol=0, rtol=0)
    torch.testing.assert_close(some[2], images[2], atol=0, rtol=0)
    assert float((some[1] - images[1]).abs().mean()) > 10
