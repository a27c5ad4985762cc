"""What happens to a keypoint when parts of the photo, or tokens, are taken away.

No gradient and no attention is read, only the answer of the network to altered inputs, so these
methods work for every model and measure what the others estimate. Their price is a pass of the
network for each alteration; all targets share the passes.

* occlusion: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
* RISE: Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation", BMVC 2018.
* token occlusion: occlusion after the CNN, so that a convolution cannot look around the hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.batches import BATCH_SIZE, Progress
from posekit.explain.heat import HeatMap
from posekit.explain.methods import method
from posekit.explain.query import AnyQuery
from posekit.explain.random_masks import RandomMasks
from posekit.explain.surface import Maskable, photo_surface, square_grid, token_surface
from posekit.explain.targets import Target
from posekit.explain.together import questions, together

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = [
    "occlusion",
    "occlusion_maps",
    "rise",
    "rise_maps",
    "token_occlusion",
    "token_occlusion_maps",
]


@method(
    "occlusion",
    needs="perturbation",
    description="How far the keypoint falls when a square of the photo is covered, place by place.",
)
def occlusion(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    window: int = 24,
    stride: int = 8,
    baseline: str = "mean",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> HeatMap:
    """Sliding occlusion of the photo.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        window: side of the square, in pixels of the crop; a multiple of the stride.
        stride: step between squares, and side of a cell of the map.
        baseline: what covers the square, one of :data:`~posekit.explain.surface.PHOTO_BASELINES`.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        A signed map. A cell holds the mean fall of the target over the squares that cover it, in
        units of the target; negative where covering makes the target rise.

    Raises:
        TraceError: a window that is no multiple of the stride or does not fit, no such baseline,
            or a target that :func:`posekit.explain.asked.ask` refuses.
        ModelError: the model makes no heatmaps, or memory ran out.
    """
    return occlusion_maps(
        prediction,
        [target],
        person=person,
        window=window,
        stride=stride,
        baseline=baseline,
        batch_size=batch_size,
        progress=progress,
    )[0]


@together("occlusion")
def occlusion_maps(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    *,
    person: int | None = None,
    window: int = 24,
    stride: int = 8,
    baseline: str = "mean",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[HeatMap, ...]:
    """:func:`occlusion` for several targets in one sweep."""
    asked = questions(prediction, targets, person)
    grid = square_grid(asked.crop.size, stride)
    if window < stride or window % stride:
        raise TraceError(
            f"The window is a multiple of the stride: {window} is none of {stride} pixels."
        )
    surface = photo_surface(asked, baseline, grid)
    values = fall(surface, asked.targets, window // stride, batch_size, progress)
    options = {"window": window, "stride": stride, "baseline": baseline}
    return asked.answers("occlusion", values, surface.grid, signed=True, options=options)


@method(
    "token-occlusion",
    needs="perturbation",
    description="How far the keypoint falls when a token is replaced before the encoder reads it.",
)
def token_occlusion(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    window: int = 1,
    baseline: str = "mean",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> HeatMap:
    """Occlusion after the CNN: its tokens are kept, and only encoder and head run again.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        window: side, in tokens, of the square that is replaced at once.
        baseline: what replaces a token, one of :data:`~posekit.explain.surface.TOKEN_BASELINES`.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        A signed map on the token grid: the fall of the target without the token (averaged over
        the windows that cover it), in units of the target.

    Raises:
        ModelError: the model cannot be run from its tokens on, or memory ran out.
        TraceError: a window that does not fit, no such baseline, or a target that
            :func:`posekit.explain.asked.ask` refuses.
    """
    options: dict[str, Any] = {"window": window, "baseline": baseline, "batch_size": batch_size}
    return token_occlusion_maps(prediction, [target], person=person, progress=progress, **options)[
        0
    ]


@together("token-occlusion")
def token_occlusion_maps(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    *,
    person: int | None = None,
    window: int = 1,
    baseline: str = "mean",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[HeatMap, ...]:
    """:func:`token_occlusion` for several targets in one sweep."""
    asked = questions(prediction, targets, person)
    surface = token_surface(asked, baseline)
    values = fall(surface, asked.targets, window, batch_size, progress)
    options = {"window": window, "baseline": baseline}
    return asked.answers("token-occlusion", values, surface.grid, signed=True, options=options)


@method(
    "rise",
    title="RISE",
    needs="perturbation",
    description="How well the keypoint does behind random masks, credited to what they leave open.",
)
def rise(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    masks: int = 1000,
    cells: int = 8,
    keep: float = 0.5,
    centred: bool = True,
    baseline: str = "mean",
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> HeatMap:
    """Randomised input sampling: the mean of the target over masks, weighted by each mask.

    ``S(p) = sum_i f_i m_i(p) / sum_i m_i(p)`` at pixel p, with f_i the target behind mask m_i. It
    is equation 6 of the paper, but divided by the masks' own sum at p rather than by its
    expectation, which removes the noise of an uneven sample.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        masks: how many; the noise of the map falls with the square root.
        cells: cells of a mask along the crop's longer side.
        keep: share of the cells that stay open.
        centred: subtract the mean of the target over the masks, so that a pixel that does not
            matter has 0 (up to sampling noise). Order and differences of pixels stay the same.
        baseline: what is seen where a mask is closed.
        seed: of the masks.
        batch_size: passes at once; halved when memory runs out. It does not change the masks.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        A signed map, one cell a pixel of the crop, in units of the target.

    Raises:
        TraceError: a number of masks, cells or a share that cannot be, no such baseline, or a
            target that :func:`posekit.explain.asked.ask` refuses.
        ModelError: the model makes no heatmaps, or memory ran out.
    """
    options: dict[str, Any] = {"masks": masks, "cells": cells, "keep": keep, "centred": centred}
    options |= {"baseline": baseline, "seed": seed, "batch_size": batch_size}
    return rise_maps(prediction, [target], person=person, progress=progress, **options)[0]


@together("rise")
def rise_maps(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    *,
    person: int | None = None,
    masks: int = 1000,
    cells: int = 8,
    keep: float = 0.5,
    centred: bool = True,
    baseline: str = "mean",
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[HeatMap, ...]:
    """:func:`rise` for several targets in one sweep."""
    asked = questions(prediction, targets, person)
    surface = photo_surface(asked, baseline)
    drawn = RandomMasks.draw(surface.grid.size, masks, cells, keep, seed)
    values = surface.sweep(drawn.masks, masks, asked.targets, batch_size, progress)
    weighted = drawn.weighted_mean(values)  # (n, H, W)
    if centred:
        weighted = weighted - values.double().mean(0).numpy()[:, None, None]
    options: dict[str, Any] = {"masks": masks, "cells": cells, "keep": keep, "centred": centred}
    options |= {"baseline": baseline, "seed": seed}
    return asked.answers("rise", weighted, surface.grid, signed=True, options=options)


def fall(
    surface: Maskable,
    targets: Sequence[Target],
    window: int,
    batch_size: int,
    progress: Progress | None = None,
) -> np.ndarray:
    """The mean fall of each target over the windows that cover a cell: (n, rows, cols) float64.

    Raises:
        TraceError: the window, in cells, does not fit the grid.
    """
    rows, cols = surface.grid.size
    if not 1 <= window <= min(rows, cols):
        raise TraceError(f"A window of {window} cells does not fit a grid of {rows} x {cols}.")
    down, across = rows - window + 1, cols - window + 1

    def closed(part: slice) -> Tensor:  # which cells each window covers
        index = torch.arange(part.start, part.stop)
        top, left = (index // across)[:, None], (index % across)[:, None]
        row, col = torch.arange(rows)[None], torch.arange(cols)[None]
        in_rows = (row >= top) & (row < top + window)
        in_cols = (col >= left) & (col < left + window)
        return in_rows[:, :, None] & in_cols[:, None, :]

    def masks(part: slice) -> Tensor:
        return 1.0 - closed(part).float()

    full = surface.sweep(lambda part: torch.ones(1, rows, cols), 1, targets, 1)  # (1, n)
    values = surface.sweep(masks, down * across, targets, batch_size, progress)
    falls = (full - values).double().T.reshape(len(targets), down, across)
    # A cell's windows are those that start within `window` cells before it: a box sum.
    total = np.zeros((len(targets), rows, cols))
    covered = np.zeros((rows, cols))
    for dy in range(window):
        for dx in range(window):
            total[:, dy : dy + down, dx : dx + across] += falls.numpy()
            covered[dy : dy + down, dx : dx + across] += 1
    return total / covered
