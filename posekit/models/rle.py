"""Residual log-likelihood estimation: a loss for regressed keypoints that learns its own shape.

A network says a mean and a spread for each coordinate. How errors, in units of the spread, are
distributed is neither Gaussian nor Laplace; a small flow learns it, as the correction of a Laplace
distribution. The flow only trains: it is not needed to find anybody.

Reference: Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021,
section 3.3; the form here is QueryPose's (its specification, section 12). The flow is RealNVP: Dinh
et al., "Density Estimation using Real NVP", ICLR 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["RealNVP", "rle_loss"]

_COUPLINGS = 6
_LEAST_SIGMA = 1e-6  # a sigmoid in half precision can reach 0, whose logarithm has no gradient


class RealNVP(nn.Module):
    """A density over the plane: six affine couplings from a standard normal distribution.

    It starts close to the normal distribution itself. Keys are those of the published code behind
    its prefix ``criterion.flow.flow``.

    Args:
        hidden: channels between the two coordinates going in and coming out.
    """

    mask: Tensor

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        rows = [[0.0, 1.0], [1.0, 0.0]] * (_COUPLINGS // 2)
        self.register_buffer("mask", torch.tensor(rows))
        self.t = nn.ModuleList(_net(hidden) for _ in range(_COUPLINGS))
        self.s = nn.ModuleList(nn.Sequential(*_net(hidden), nn.Tanh()) for _ in range(_COUPLINGS))
        for weight in self.parameters():
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight, gain=0.01)
            else:
                nn.init.zeros_(weight)

    def forward(self, z: Tensor) -> Tensor:
        """From the normal distribution to the data's: (..., 2) -> (..., 2)."""
        for i, kept in enumerate(self.mask):
            held, moved = kept * z, 1 - kept
            scale, shift = self.s[i](held) * moved, self.t[i](held) * moved
            z = held + moved * (z * scale.exp() + shift)
        return z

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From the data to the normal distribution, undoing the couplings last to first.

        Returns:
            (..., 2) and the logarithm of the determinant of the Jacobian, (...,).
        """
        log_det = x.new_zeros(x.shape[:-1])
        for i in reversed(range(_COUPLINGS)):
            kept = self.mask[i]
            held, moved = kept * x, 1 - kept
            scale, shift = self.s[i](held) * moved, self.t[i](held) * moved
            x = moved * (x - shift) * (-scale).exp() + held
            log_det = log_det - scale.sum(-1)
        return x, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """Logarithm of the density at (..., 2): (...,)."""
        z, log_det = self.inverse(x)
        return log_det - 0.5 * z.square().sum(-1) - math.log(2 * math.pi)


def _net(hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, hidden),
        nn.LeakyReLU(),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(),
        nn.Linear(hidden, 2),
    )


def rle_loss(flow: RealNVP, mu: Tensor, sigma: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """Minus the log-likelihood of the truth, summed over both coordinates.

    ``(ln sigma - ln phi(u)) + (ln(sigma sqrt(2 pi)) + |truth - mu| / (sqrt(2) sigma))`` with
    ``u = (mu - truth) / sigma``: the flow's share, one ln phi for both coordinates, and the
    Laplace-like distribution that it corrects. It can be negative.

    Args:
        flow: the density phi.
        mu: (..., 2) predicted coordinates.
        sigma: (..., 2) predicted spreads, positive, in the same units.
        truth: (..., 2).
        counted: (...,) bool; what is not counted costs 0 and has no gradient, whatever it holds.

    Returns:
        (...,).
    """
    chosen = counted[..., None]
    # Replaced before anything is computed: a gradient of 0 times infinity is no number.
    sigma = torch.where(chosen, sigma, 1.0).clamp(min=_LEAST_SIGMA)
    error = torch.where(chosen, mu - truth, 0.0)
    flow_term = sigma.log() - flow.log_prob(error / sigma)[..., None]
    laplace_term = (sigma * math.sqrt(2 * math.pi)).log() + error.abs() / (
        math.sqrt(2) * sigma + 1e-9
    )
    return torch.where(counted, (flow_term + laplace_term).sum(-1), 0.0)
