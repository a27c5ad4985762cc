"""The loaded models: each is read once, then shared by all visitors and never changed."""

from __future__ import annotations

import threading

from posekit.errors import ModelError
from posekit.zoo import ModelEntry, PoseModel, choose_weights, entry, list_models, load

VIEWS = ("crop", "photo", "backbone")
"""The order in which models of each kind are listed."""


class Shelf:
    """Models by name, loaded when first asked for.  Safe to use from several threads."""

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._lock = threading.Lock()
        self._models: dict[str, PoseModel] = {}

    def get(self, name: str) -> PoseModel:
        """The model of that name, loaded on the first call.

        Raises:
            ModelError: it is none of :meth:`names`; others may be too large for a visitor to ask
                for, and are untrained.
            WeightsError: see :func:`posekit.zoo.load`.
        """
        # One lock for all: two models loaded side by side would only fight over disk and memory.
        with self._lock:
            if name not in self._models:
                if name not in (offered := self.names()):
                    raise ModelError(
                        f"{name!r} is not among the models of this page: {', '.join(offered)}."
                    )
                self._models[name] = load(name, device=self._device, progress=False)
            return self._models[name]

    def names(self) -> list[str]:
        """Models whose weights can be had, those with weights on this machine first."""
        held = [name for name in list_models() if entry(name).weights]
        # A backbone predicts no keypoints: what it attends to is worth a look once it has learnt.
        held += [name for name in list_models(view="backbone") if self.has_weights(name)]
        return sorted(
            held, key=lambda name: (not self.has_weights(name), VIEWS.index(entry(name).view))
        )

    def has_weights(self, name: str) -> bool:
        """Whether trained weights lie on this machine."""
        return choose_weights(entry(name)).kind != "random"

    def label(self, name: str) -> str:
        """The words in the list of models."""
        model: ModelEntry = entry(name)
        words = " · no keypoints" if model.view == "backbone" else ""
        return f"{model.title}{words if self.has_weights(name) else ' · untrained'}"
