"""A sanity check: an explanation of a model must change when the model does.

Adebayo and others, "Sanity Checks for Saliency Maps", NeurIPS 2018: weights are randomised from
the output down, block after block, and the maps compared with the original ones. A method whose
maps stay alike reads the photo, not the model.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from posekit.errors import TraceError
from posekit.explain.batches import Progress
from posekit.explain.faithfulness.agreement import spearman
from posekit.explain.faithfulness.grids import Map
from posekit.explain.query import check_person

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = ["Randomised", "blocks", "randomisation", "randomised"]


@dataclass(frozen=True, eq=False)
class Randomised:
    """How alike the maps still are once a model is random from its output down to a block.

    Attributes:
        block: name of the lowest block that is random.
        correlation: (n,) Spearman's correlation of each map with the original; NaN where the
            random model leaves nothing to explain.
    """

    block: str
    correlation: npt.NDArray[np.float64]


def blocks(module: nn.Module) -> tuple[str, ...]:
    """The parts of a network that hold weights, from the output down to the input.

    These are its children in reverse order of their making, stacks of layers one by one.
    """
    names: list[str] = []
    for name, child in module.named_children():
        names += _parts(name, child)
    return tuple(reversed(names))


def randomised(model: PoseModel, names: Sequence[str], seed: int = 0) -> PoseModel:
    """A copy of a model in which every weight of some blocks is drawn anew.

    A tensor is drawn from a normal distribution of its own mean and standard deviation, so that
    signals keep their size on the way through and what the network learned is gone. Running
    statistics of batch norms stay.

    Raises:
        TraceError: no such block.
    """
    module = copy.deepcopy(model.module)
    dice = torch.Generator().manual_seed(seed)
    known = dict(module.named_modules())
    with torch.no_grad():
        for name in names:
            if name not in known:
                raise TraceError(f"This model has no block {name!r}.")
            for weight in known[name].parameters():
                mean, spread = float(weight.mean()), float(weight.std(correction=0))
                drawn = torch.randn(weight.shape, generator=dice) * spread + mean
                weight.copy_(drawn.to(weight))
    return replace(model, module=module.eval())


def randomisation(
    prediction: Prediction,
    explain: Callable[[Prediction], Sequence[Map]],
    *,
    person: int = 0,
    names: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Randomised, ...]:
    """Randomise block after block, and see whether the maps follow.

    Args:
        prediction: what is explained.
        explain: makes the maps of a prediction of one person; it is called with predictions of the
            random models for the same crop. A target that stays put (a
            :class:`~posekit.explain.targets.KeypointPeak`) compares maps of the same place.
        person: index of the person.
        names: blocks in the order in which they become random; None is :func:`blocks`.
        seed: of the weights.
        progress: called with (done, total) models; an exception it raises ends the work.

    Returns:
        One entry a block; all blocks up to it are random.

    Raises:
        TraceError: no such person or block, or what ``explain`` raises for the model itself.
    """
    from posekit.estimator import Estimator

    box = prediction.people[check_person(prediction, person)].box
    original = explain(Estimator(prediction.model).predict(prediction.photo, [box]))
    chosen = blocks(prediction.model.module) if names is None else tuple(names)
    found = []
    for n, name in enumerate(chosen, start=1):
        model = randomised(prediction.model, chosen[:n], seed)
        other = Estimator(model).predict(prediction.photo, [box])
        found.append(Randomised(name, _correlations(original, other, explain)))
        if progress is not None:
            progress(n, len(chosen))
    return tuple(found)


def _correlations(
    original: Sequence[Map],
    other: Prediction,
    explain: Callable[[Prediction], Sequence[Map]],
) -> npt.NDArray[np.float64]:
    try:
        maps = explain(other)
    except TraceError:  # such as a keypoint that the random model does not find
        return np.full(len(original), np.nan)
    return np.array([spearman(a, b) for a, b in zip(original, maps, strict=True)])


def _parts(name: str, module: nn.Module) -> list[str]:
    """Names of what becomes random in one go: a layer of a stack, else the module itself."""
    if not any(True for _ in module.parameters()):
        return []
    inner = list(module.named_children())
    if isinstance(module, nn.ModuleList):
        return [part for n, child in inner for part in _parts(f"{name}.{n}", child)]
    if len(inner) == 1 and not list(module.parameters(recurse=False)):
        return _parts(f"{name}.{inner[0][0]}", inner[0][1])
    return [name]
