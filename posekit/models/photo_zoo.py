"""What the zoo entries of all models of whole photos have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from torch import nn

from posekit.skeleton import Skeleton
from posekit.weights import WeightsFile
from posekit.zoo import ModelEntry, register

__all__ = ["PhotoModel", "register_photo_models"]


class Config(Protocol):
    """What a network's configuration says about its entry."""

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width)."""


@dataclass(frozen=True)
class PhotoModel:
    """One size of a network.

    Attributes:
        title: the name people use; in small letters it is the model's in the zoo.
        config: builds it.
        figures: those the authors report, by data set.
        shipped: PoseKit brings weights of its own, in a file of the model's name.
        figures_from: see :class:`posekit.zoo.ModelEntry`, as ``no_figures`` and ``by_hand``.
        unsure: see :class:`posekit.zoo.ModelEntry`.
    """

    title: str
    config: Config
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shipped: bool = False
    unsure: float | None = None
    figures_from: str = ModelEntry.figures_from
    no_figures: str = ModelEntry.no_figures
    by_hand: bool = False

    def entry(
        self,
        network: Callable[..., nn.Module],
        fit: Callable[..., Any] | None,
        family: Mapping[str, Any],
    ) -> ModelEntry:
        """What the zoo knows of it; see :func:`register_photo_models`."""
        name = self.title.lower()
        ours = WeightsFile(
            kind="shipped",
            path=f"{name}.safetensors",
            note="trained by PoseKit; the model card says on what",
        )
        return ModelEntry(
            name=name,
            title=self.title,
            build=partial(network, self.config),
            skeleton=self.config.skeleton,
            input_size=self.config.input_size,
            weights=(ours,) if self.shipped else (),
            paper_figures=self.figures,
            figures_from=self.figures_from,
            no_figures=self.no_figures,
            by_hand=self.by_hand,
            view="photo",
            unsure=self.unsure,
            fit=None if fit is None else partial(fit, self.config),
            **family,
        )


def register_photo_models(
    *models: PhotoModel,
    network: Callable[..., nn.Module],
    fit: Callable[..., Any] | None = None,
    **family: Any,
) -> dict[str, ModelEntry]:
    """Put the sizes of one system into the zoo.

    Args:
        models: its sizes.
        network: called with a configuration.
        fit: called with a configuration and weights, see :class:`posekit.zoo.ModelEntry`.
        family: what all sizes share: the other fields of an entry.

    Returns:
        The entries by name.

    Raises:
        ModelError: a name is taken.
    """
    made = [model.entry(network, fit, family) for model in models]
    entries = {one.name: one for one in made}
    for name in entries:
        register(name)(partial(entries.__getitem__, name))
    return entries
