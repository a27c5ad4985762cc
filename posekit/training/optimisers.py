"""What moves the weights: AdamW, or Muon for matrices and AdamW for the rest.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon) makes every direction of a
weight matrix's update equally long. From scratch it is several times faster than AdamW alone on the
networks here, see ``training/RECIPES.md``. PyTorch's takes matrices only; a convolution is made one
here, a row an output channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import DataError
from posekit.training.recipe import Recipe

__all__ = ["MatrixMuon", "as_matrix", "is_matrix", "optimisers_of", "weight_groups"]

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
        for weight, matrix in self._pairs:
            matrix.grad = None if weight.grad is None else as_matrix(weight.grad, weight)
        return super().step(closure)
