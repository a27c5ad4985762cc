"""What a keypoint loses when it may not look at a place: attention knockout as a map.

Attention says where a token looks, not whether anything hangs on it. Here the looks at one place
after another are blocked, the softmax shares the attention among the other places, and the fall of
the keypoint is written where it could not look. Nothing else changes: the photo and the tokens are
as they were.

Geva et al., "Dissecting Recall of Factual Associations in Auto-Regressive Language Models", EMNLP
2023, for words; see :mod:`posekit.knockout`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from posekit.device import autocast
from posekit.errors import ModelError, TraceError
from posekit.explain.asked import Asked, heatmaps_from, start_weights
from posekit.explain.attention import attentions_of, check_head
from posekit.explain.batches import BATCH_SIZE, Progress
from posekit.explain.heat import HeatMap
from posekit.explain.methods import method
from posekit.explain.perturbation import fall
from posekit.explain.query import AnyQuery
from posekit.explain.surface import Maskable, TokenModel
from posekit.explain.targets import Target
from posekit.explain.together import Questions, questions, together
from posekit.geometry import TokenGrid
from posekit.knockout import Looks, attention_modules, forbid
from posekit.trace import Attention

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Who", "knockout", "knockout_maps"]

Who = Literal["keypoint", "everybody"]
"""Whose looks are blocked: those of the keypoint's own tokens, or of every token."""

AROUND = 1
"""Tokens so many cells about the one asked about are the keypoint's: a head that doubles the
resolution reads a heatmap's value off neighbours as well."""


@method(
    "knockout",
    title="Attention knockout",
    needs="perturbation",
    description="How far the keypoint falls when its token may not look at a place.",
)
def knockout(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    layer: str | int = -1,
    head: int | None = None,
    who: Who = "keypoint",
    window: int = 3,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> HeatMap:
    """Block looks at one window of tokens after another.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        layer: name or position of the attention layer in which looks are blocked, or ``"all"``.
        head: in one head only; None is in all of them.
        who: ``"keypoint"`` blocks the looks of the tokens that the target is read at, and of their
            neighbours; ``"everybody"`` those of every token.
        window: side of the square that may not be looked at, in tokens.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        A signed map on the token grid: the mean fall of the target over the windows that cover a
        cell, in units of the target; negative where it does better without the look.

    Raises:
        TraceError: no such layer, head or person, a window that does not fit, layers on several
            grids, or a target that :func:`posekit.explain.asked.ask` refuses.
        ModelError: the model makes no heatmaps, or memory ran out.
    """
    return knockout_maps(
        prediction,
        [target],
        person=person,
        layer=layer,
        head=head,
        who=who,
        window=window,
        batch_size=batch_size,
        progress=progress,
    )[0]


@together("knockout")
def knockout_maps(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    *,
    person: int | None = None,
    layer: str | int = -1,
    head: int | None = None,
    who: Who = "keypoint",
    window: int = 3,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[HeatMap, ...]:
    """:func:`knockout` for several targets; those of ``who="everybody"`` share one sweep."""
    if who not in get_args(Who):
        raise TraceError(f"Whose looks are blocked is 'keypoint' or 'everybody', not {who!r}.")
    layers = attentions_of(prediction, None if layer == "all" else [layer])
    for one in layers:
        check_head(one, head)
    asked = questions(prediction, targets, person)
    network = Pass.of(asked, layers)
    sweeps: list[tuple[Tensor | None, tuple[Target, ...]]] = [(None, asked.targets)]
    if who == "keypoint":  # each blocks looks of its own
        sweeps = [(own_tokens(asked, one, layers[0]), (one.target,)) for one in asked.asked]
    counted = share_of(progress, len(sweeps))
    values = np.concatenate(
        [
            fall(LookSurface(network, queries, head), those, window, batch_size, counted(n))
            for n, (queries, those) in enumerate(sweeps)
        ]
    )
    named = "all" if layer == "all" else layers[0].name
    options = {"layer": named, "head": head, "who": who, "window": window}
    return asked.answers("knockout", values, network.grid, signed=True, options=options)


@dataclass(frozen=True, eq=False)
class Pass:
    """The network from the photo, or from the tokens where no chosen layer comes before them.

    Attributes:
        base: what goes in, a batch of one.
        run: a batch of it -> heatmaps (B, K, h, w).
        modules: the chosen attention layers.
        grid: their tokens.
    """

    base: Tensor
    run: Callable[[Tensor], Tensor]
    modules: tuple[nn.Module, ...]
    grid: TokenGrid

    @classmethod
    @torch.inference_mode()
    def of(cls, asked: Questions, layers: Sequence[Attention]) -> Pass:
        """The pass in which some layers' looks can be blocked.

        Raises:
            TraceError: the layers do not attend on one grid.
            ModelError: the model makes no heatmaps.
        """
        grids = [grid for one in layers for grid in (one.query_grid, one.key_grid)]
        grid = grids[0]
        assert isinstance(grid, TokenGrid)  # see attentions_of
        if any(isinstance(one, TokenGrid) and one.size != grid.size for one in grids):
            raise TraceError(
                "These layers attend on different grids of tokens: choose one of them."
            )
        module, image = asked.prediction.model.module, asked.image()
        size = (image.shape[-2], image.shape[-1])
        with autocast(image.device):
            by_name = attention_modules(module, lambda: heatmaps_from(module, image))
        modules = tuple(by_name[one.name][0] for one in layers)
        if isinstance(module, TokenModel):
            nothing = Looks(
                None, torch.zeros(1, grid.tokens, dtype=torch.bool, device=image.device)
            )
            with autocast(image.device), forbid(dict.fromkeys(modules, nothing)) as ran:
                tokens = module.make_tokens(image)
            if not ran:  # the CNN attends with none of them, so it need not run again
                return cls(tokens, lambda batch: module.read_tokens(batch, size), modules, grid)
        return cls(image, lambda batch: heatmaps_from(module, batch), modules, grid)


@dataclass(frozen=True, eq=False)
class LookSurface(Maskable):
    """Looks at tokens, which masks can block.

    Attributes:
        network: what runs.
        queries: (T,) bool: whose looks are blocked; None is everybody's.
        head: in one head only; None is in all.
    """

    network: Pass
    queries: Tensor | None
    head: int | None = None

    @property
    def grid(self) -> TokenGrid:  # type: ignore[override]
        """The tokens looked at."""
        return self.network.grid

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.base.device

    @torch.inference_mode()
    def values(self, masks: Tensor, targets: Sequence[Target]) -> Tensor:
        """The targets when tokens below a half in masks (B, rows, cols) may not be looked at.

        Raises:
            ModelError: a layer did not ask what is forbidden, so that nothing of it was blocked.
        """
        network = self.network
        keys = (masks.flatten(1) < 0.5).to(self.device)
        queries = None if self.queries is None else self.queries[None].to(self.device)
        looks: Mapping[nn.Module, Looks] = dict.fromkeys(
            network.modules, Looks(queries, keys, self.head)
        )
        batch = network.base.expand(len(masks), *network.base.shape[1:])
        with autocast(self.device), forbid(looks) as ran:
            heatmaps = network.run(batch).float()
        if len(ran) < len(looks):
            raise ModelError(
                "This model's attention cannot be blocked: its layers do not ask what is forbidden."
            )
        return torch.stack([target(heatmaps) for target in targets], dim=1).cpu()


def own_tokens(asked: Questions, one: Asked, attention: Attention) -> Tensor:
    """The tokens that a question's value is read at, and their neighbours: (T,) bool."""
    shares = start_weights(asked.prediction, one.target, one.person, attention)
    grid = attention.query_grid
    assert isinstance(grid, TokenGrid)  # see attentions_of
    here = (shares.numpy() > 0).reshape(grid.size).astype(np.uint8)
    side = 2 * AROUND + 1
    return torch.from_numpy(cv2.dilate(here, np.ones((side, side), np.uint8)) > 0).flatten()


def share_of(progress: Progress | None, sweeps: int) -> Callable[[int], Progress | None]:
    """For each sweep by its number: a progress that counts all of them as one work."""

    def of(number: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total: progress(number * total + done, sweeps * total)

    return of
