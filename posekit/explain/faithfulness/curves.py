"""Deletion and insertion: what is left of a keypoint as the heaviest cells go, or come.

Petsiuk, Das, Saenko, "RISE", BMVC 2018, section 4.1. A faithful map makes the target fall fast
when its heaviest pixels are deleted first, and rise fast when they are inserted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.batches import BATCH_SIZE, Progress
from posekit.explain.faithfulness.grids import Map, cell_means, same_grid, values
from posekit.explain.query import AnyQuery
from posekit.explain.surface import Surface, photo_surface, token_grid, token_surface
from posekit.explain.targets import Target
from posekit.explain.together import Questions, questions

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Curve", "deletion", "insertion"]

Kind = Literal["deletion", "insertion"]
Level = Literal["photo", "cells", "tokens"]


@dataclass(frozen=True, eq=False)
class Curve:
    """The target as a growing share of the cells is deleted, or inserted, heaviest first.

    Attributes:
        kind: ``deletion`` starts from the whole photo, ``insertion`` from the baseline.
        fractions: (steps + 1,) share of the cells changed, 0 to 1.
        values: (steps + 1,) the target, in its own units.
    """

    kind: Kind
    fractions: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve, the mean of the target over the fractions, in its units."""
        middles = (self.values[1:] + self.values[:-1]) / 2  # the trapezoid rule
        return float(middles @ np.diff(self.fractions))

    @property
    def full(self) -> float:
        """The target with everything in place."""
        return float(self.values[0 if self.kind == "deletion" else -1])

    @property
    def empty(self) -> float:
        """The target with nothing in place."""
        return float(self.values[-1 if self.kind == "deletion" else 0])

    @property
    def share(self) -> float | None:
        """The area with the empty photo at 0 and the whole one at 1: comparable across keypoints.

        Below 0.5 is better than a straight line for deletion, above for insertion. None when the
        whole photo gives no more than the empty one, so that there is nothing to lose.
        """
        rise = self.full - self.empty
        return (self.area - self.empty) / rise if rise > 0 else None


def deletion(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    maps: Sequence[Map],
    *,
    person: int | None = None,
    steps: int = 20,
    power: float = 1.0,
    level: Level = "photo",
    baseline: str = "mean",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[Curve, ...]:
    """Deletion curves of several targets of one person, in one sweep.

    Args:
        prediction: what the maps explain.
        targets: what each map explains, see :func:`posekit.explain.explain`.
        maps: one a target; signed maps are deleted from the largest value to the smallest.
        person: index of the person.
        steps: how many portions are deleted in turn.
        power: after step i of n the share ``(i / n) ** power`` is gone: 1 makes the portions equal,
            2 looks closer at the heaviest cells, where a curve is steep.
        level: ``photo`` deletes pixels of the crop; ``cells`` squares of it, one a token, which is
            fair to maps of different fineness: scattered single pixels harm a network wherever
            they lie; ``tokens`` what the CNN made of the crop.
        baseline: what takes their place, see :func:`posekit.explain.surface.photo_surface` and
            :func:`~posekit.explain.surface.token_surface`.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Raises:
        TraceError: not one map a target, fewer than one step, a power that is not above 0, a map
            of another crop, no such level or baseline, or a target that
            :func:`posekit.explain.asked.ask` refuses.
        ModelError: the model makes no heatmaps, has no tokens to delete, or memory ran out.
    """
    return _curves(
        "deletion", prediction, targets, maps, person, steps, power, level, baseline, batch_size,
        progress,
    )  # fmt: skip


def insertion(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    maps: Sequence[Map],
    *,
    person: int | None = None,
    steps: int = 20,
    power: float = 1.0,
    level: Level = "photo",
    baseline: str | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[Curve, ...]:
    """Insertion curves: as :func:`deletion`, from the baseline to the whole.

    The baseline is a blur of the photo unless named, as in the paper, so that inserted pixels do
    not bring sharp edges of their own; for tokens it is the mean token.
    """
    chosen = baseline or ("mean" if level == "tokens" else "blur")
    return _curves(
        "insertion", prediction, targets, maps, person, steps, power, level, chosen, batch_size,
        progress,
    )  # fmt: skip


def order(map_: Map, surface: Surface, seed: int = 0) -> npt.NDArray[np.int64]:
    """When each cell of a surface goes, (rows * cols,): 0 for the heaviest.

    Cells of the same value, such as all that a method cut to 0, go in a random order: row by row
    would be an order too, and the top of a photo is not its middle.
    """
    if same_grid(map_.grid, surface.grid):
        weight = values(map_).ravel()
    elif surface.cell is None and surface.grid.size == map_.crop.size:
        weight = map_.on_crop().astype(np.float64).ravel()
    else:
        weight = cell_means(map_.on_crop(), surface.grid).ravel()
    shuffled = np.random.default_rng(seed).permutation(weight.size)
    first_to_last = shuffled[np.argsort(-weight[shuffled], kind="stable")]
    rank = np.empty(weight.size, dtype=np.int64)
    rank[first_to_last] = np.arange(weight.size)
    return rank


def _curves(
    kind: Kind,
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    maps: Sequence[Map],
    person: int | None,
    steps: int,
    power: float,
    level: str,
    baseline: str,
    batch_size: int,
    progress: Progress | None,
) -> tuple[Curve, ...]:
    asked = questions(prediction, targets, person)
    if len(maps) != len(asked.asked):
        raise TraceError(f"There are {len(asked.asked)} targets and {len(maps)} maps of them.")
    if steps < 1:
        raise TraceError(f"A curve has at least one step, not {steps}.")
    if not power > 0:
        raise TraceError(f"The steps of a curve are spaced by a power above 0, not {power!r}.")
    if any(not np.allclose(m.crop.to_crop.matrix, asked.crop.to_crop.matrix) for m in maps):
        raise TraceError("A map belongs to another person's crop than its target.")
    surface = _surface(asked, level, baseline)
    cells, size = surface.grid.tokens, surface.grid.size
    # Maps that know nothing of their target, such as edges, share one order and its passes.
    orders, own = np.unique([order(one, surface) for one in maps], axis=0, return_inverse=True)
    own, ranks = own.ravel(), torch.from_numpy(orders)  # (n,), (orders, cells)
    portions = torch.linspace(0, 1, steps + 1, dtype=torch.float64) ** power
    gone = torch.round(portions * cells).long()

    # The first and last masks are the same for every map: two passes, then the steps between.
    jobs = [(0, 0), (0, steps)] + [(n, s) for n in range(len(orders)) for s in range(1, steps)]
    which, step = (torch.tensor(part) for part in zip(*jobs, strict=True))

    def masks(part: slice) -> Tensor:
        changed = ranks[which[part]] < gone[step[part]][:, None]
        keeps = changed if kind == "insertion" else ~changed
        return keeps.float().unflatten(1, size)

    found = surface.sweep(masks, len(jobs), asked.targets, batch_size, progress).double().numpy()
    curve = np.empty((len(maps), steps + 1))
    curve[:, 0], curve[:, steps] = found[0], found[1]
    if steps > 1:
        between = found[2:].reshape(len(orders), steps - 1, len(maps))  # every target's value
        curve[:, 1:-1] = between[own, :, np.arange(len(maps))]
    fractions = (gone.double() / cells).numpy()
    return tuple(Curve(kind, fractions, one) for one in curve)


def _surface(asked: Questions, level: str, baseline: str) -> Surface:
    if level == "tokens":
        return token_surface(asked, baseline)
    if level == "cells":
        return photo_surface(asked, baseline, token_grid(asked))
    if level == "photo":
        return photo_surface(asked, baseline)
    raise TraceError(f"Cells are deleted from 'photo', 'cells' or 'tokens', not {level!r}.")
