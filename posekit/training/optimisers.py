"""What moves the weights: AdamW, or Muon for matrices and AdamW for the rest.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon) makes every direction of a
weight matrix's update equally long. From scratch it is several times faster than AdamW alone on the
networks here, see ``training/RECIPES.md``. PyTorch's takes matrices only, and multiplies them in
bfloat16 alone; here a convolution is made a matrix, a row an output channel, and a processor that
only emulates bfloat16 multiplies in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from posekit.device import multiplies_bf16
from posekit.errors import DataError
from posekit.training.recipe import Recipe

__all__ = ["MatrixMuon", "as_matrix", "is_matrix", "optimisers_of", "orthogonal", "weight_groups"]

LEAST_CHANNELS = 16
"""In and out, of what Muon trains: first and last layers are left to AdamW, as its author does."""


def optimisers_of(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon beside it where the recipe says so.

    Each group of weights has a ``factor`` on the learning rate.

    Raises:
        DataError: one of the recipe's patterns fits no weight.
    """
    groups = weight_groups(model, recipe.rates)
    if recipe.muon == 0:
        return [torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.decay)]
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for group in groups:
        for matrices, part in zip((False, True), parts, strict=True):
            chosen = [
                w for w in group["params"] if (is_matrix(w) and id(w) not in embeddings) == matrices
            ]
            if chosen:
                part.append({**group, "params": chosen})
    rest, matrices_ = parts
    for group in matrices_:
        group["factor"] *= recipe.muon
    both: list[torch.optim.Optimizer] = []
    if rest:
        both.append(torch.optim.AdamW(rest, lr=recipe.rate, weight_decay=recipe.decay))
    if matrices_:
        both.append(MatrixMuon(matrices_, lr=recipe.rate, weight_decay=recipe.decay))
    return both


def weight_groups(model: nn.Module, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """The weights to train, in groups of one factor on the learning rate; see ``Recipe.rates``.

    Raises:
        DataError: a pattern fits no weight.
    """
    chosen: dict[str | None, list[nn.Parameter]] = {None: [], **{pattern: [] for pattern in rates}}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            fits = (pattern for pattern in rates if fnmatchcase(name, pattern))
            chosen[next(fits, None)].append(weight)
    for pattern in rates:
        if not chosen[pattern]:
            raise DataError(f"No weight of the model is left for the pattern {pattern!r} in rates.")
    return [
        {"params": weights, "factor": 1.0 if pattern is None else rates[pattern]}
        for pattern, weights in chosen.items()
        if weights
    ]


def is_matrix(weight: Tensor) -> bool:
    """Whether Muon trains a weight: linear layers and convolutions between many channels."""
    return weight.ndim in (2, 4) and min(weight.shape[:2]) >= LEAST_CHANNELS


def as_matrix(values: Tensor, weight: Tensor) -> Tensor:
    """Values of a weight's shape (out, in, ...) as a matrix (out, rest).

    Columns are in the order in which the weight lies in memory, so that the weight itself comes
    back as a view.
    """
    if weight.ndim == 4 and not weight.is_contiguous():
        values = values.permute(0, 2, 3, 1)  # channels last
    return values.flatten(1)


class MatrixMuon(torch.optim.Muon):
    """PyTorch's Muon for weights of two dimensions or four, its steps as long as AdamW's.

    Args:
        groups: of weights, as any optimiser takes them; :func:`is_matrix` holds for all.
        lr: learning rate, on AdamW's scale.
        weight_decay: decoupled.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, weight_decay: float) -> None:
        self._pairs: list[tuple[nn.Parameter, nn.Parameter]] = []
        views = []
        for group in groups:
            matrices = [nn.Parameter(as_matrix(w.detach(), w)) for w in group["params"]]
            self._pairs += zip(group["params"], matrices, strict=True)
            views.append({**group, "params": matrices})
        for weight, matrix in self._pairs:
            if matrix.data_ptr() != weight.data_ptr():
                raise DataError("Muon takes weights that lie in memory without gaps.")
        super().__init__(views, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step along the weights' gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for weight, matrix in self._pairs:
            matrix.grad = None if weight.grad is None else as_matrix(weight.grad, weight)
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, group)
        return loss

    def _move(self, matrix: nn.Parameter, group: dict[str, Any]) -> None:
        """Nesterov momentum, made orthogonal; decay and length as in Liu et al. 2025, section 2."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        momentum = state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
        ahead = matrix.grad.lerp(momentum, group["momentum"])
        length = 0.2 * max(matrix.shape) ** 0.5
        matrix.mul_(1 - group["lr"] * group["weight_decay"])
        matrix.add_(orthogonal(ahead, group["ns_steps"]), alpha=-group["lr"] * length)


COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic in :func:`orthogonal`, the steepest at zero that stays near one (Jordan)."""


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """A matrix with the same singular vectors, and singular values between about 0.7 and 1.2.

    Args:
        matrix: (M, N).
        steps: of Newton and Schulz's iteration (Jordan et al. 2024).

    Returns:
        (M, N), in the matrix's own type.
    """
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16() if multiplies_bf16(matrix.device) else matrix.float()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
