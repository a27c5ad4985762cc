"""The flow and the loss of residual log-likelihood estimation, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from posekit.models.rle import RealNVP, rle_loss
from tests.fill import fill_array

PREFIX = "criterion.flow.flow."


def filled_flow() -> RealNVP:
    flow = RealNVP()
    state = flow.state_dict()
    for key in state.keys() - {"mask"}:
        state[key] = torch.from_numpy(fill_array(PREFIX + key, tuple(state[key].shape))).float()
    flow.load_state_dict(state)
    return flow


def test_the_flow_is_a_density() -> None:
    """It can be undone, and over the plane it adds up to one."""
    flow = filled_flow().double()
    points = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    back, _ = flow.inverse(flow(points))
    torch.testing.assert_close(back, points)
    for weight in flow.parameters():
        weight.data *= 0.6  # smooth enough for a coarse sum
    axis = torch.linspace(-12, 12, 241, dtype=torch.float64)
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    with torch.no_grad():
        total = flow.log_prob(plane).exp().sum() * 0.1**2
    assert float(total) == pytest.approx(1, abs=1e-3)


def test_the_determinant_is_that_of_the_jacobian() -> None:
    flow = filled_flow().double()
    point = torch.tensor([0.4, -1.3], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow.inverse(x)[0], point)
    torch.testing.assert_close(flow.inverse(point)[1].detach(), jacobian.det().log())


def test_a_new_flow_is_nearly_the_normal_distribution() -> None:
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = RealNVP().log_prob(points)
    expected = -0.5 * points.square().sum(-1) - math.log(2 * math.pi)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_rle_of_an_exact_prediction() -> None:
    """2 (ln sigma) - 2 ln phi(0) + 2 ln(sigma sqrt(2 pi)), and nothing where not counted."""
    flow = filled_flow()
    at = torch.zeros(3, 2)
    sigma = torch.tensor([[0.5, 0.5], [0.1, 0.1], [0.1, 0.1]])
    found = rle_loss(flow, at, sigma, at, torch.tensor([True, True, False]))
    level = -2 * float(flow.log_prob(at[0]).detach()) + 2 * math.log(math.sqrt(2 * math.pi))
    assert found.tolist() == pytest.approx(
        [level + 4 * math.log(0.5), level + 4 * math.log(0.1), 0.0], abs=1e-5
    )


def test_what_is_not_counted_leaves_no_trace() -> None:
    """Not even where its place is no number or its spread is zero."""
    flow = RealNVP()
    mu = torch.zeros(3, 2, requires_grad=True)
    sigma = torch.tensor([[0.2, 0.2], [0.0, 0.0], [0.2, 0.2]], requires_grad=True)
    truth = torch.tensor([[0.1, 0.1], [0.3, 0.3], [math.nan, math.inf]])
    rle_loss(flow, mu, sigma, truth, torch.tensor([True, False, False])).sum().backward()
    assert mu.grad is not None and sigma.grad is not None
    assert mu.grad.isfinite().all() and sigma.grad.isfinite().all()
    assert mu.grad[0].abs().min() > 0 and mu.grad[1:].abs().max() == 0
