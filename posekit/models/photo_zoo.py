"""What the zoo entries of all models of whole photos have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from torch import nn

from posekit.skeleton import Skeleton
from posekit.weights import WeightsFile
from posekit.zoo import ModelEntry

__all__ = ["photo_entry"]


class Config(Protocol):
    """What a network's configuration says about its entry."""

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width)."""


def photo_entry(
    name: str,
    title: str,
    config: Config,
    figures: Mapping[str, Mapping[str, float]] | None = None,
    *,
    network: Callable[..., nn.Module],
    shipped: bool = False,
    fit: Callable[..., Any] | None = None,
    **family: Any,
) -> ModelEntry:
    """The entry of one configuration of a network.

    Args:
        name: of the model.
        title: the name people use.
        config: builds it.
        figures: those the authors report, by data set.
        network: called with ``config``.
        shipped: PoseKit brings weights of its own, in a file of the model's name.
        fit: called with ``config`` and weights, see :class:`posekit.zoo.ModelEntry`.
        family: what all of its system share: the other fields of an entry.
    """
    ours = WeightsFile(
        kind="shipped",
        path=f"{name}.safetensors",
        note="trained by PoseKit; the model card says on what",
    )
    return ModelEntry(
        name=name,
        title=title,
        build=partial(network, config),
        skeleton=config.skeleton,
        input_size=config.input_size,
        weights=(ours,) if shipped else (),
        paper_figures=figures or {},
        view="photo",
        fit=None if fit is None else partial(fit, config),
        **family,
    )
