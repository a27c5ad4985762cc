"""What each attention head is worth to each keypoint: the fall of its heatmap without the head.

A head is silenced by keeping it from looking anywhere: what it gathers is zero, for every token.
Michel, Levy, Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019, section 3, silence
heads in this way one by one; there a translation's score falls, here a keypoint.

A head that can be spared alone need not be idle: another may do the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from posekit.errors import TraceError
from posekit.explain.asked import peak_of
from posekit.explain.attention import attentions_of
from posekit.explain.batches import Progress
from posekit.explain.knockout import LookSurface, Pass
from posekit.explain.plain import plain
from posekit.explain.query import check_person
from posekit.explain.together import questions

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = ["HeadWorth", "heads"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeadWorth:
    """How far each keypoint falls without each head.

    Attributes:
        layers: (R,) name of each head's layer, in the order of the forward pass.
        heads: (R,) its number in the layer, from 0.
        keypoints: (K,) names.
        values: (K,) each keypoint's heatmap value with all heads, NaN where it was not found.
        falls: (R, K) how much of it is gone without the head, in units of the heatmap; negative
            where the keypoint does better without.
        person: index into the prediction's people.
        seconds: wall-clock time it took.
        model: whose heads they are; None where that is not known.
    """

    layers: tuple[str, ...]
    heads: tuple[int, ...]
    keypoints: tuple[str, ...]
    values: Floats
    falls: Floats
    person: int
    seconds: float
    model: PoseModel | None = None

    def __repr__(self) -> str:
        model = "" if self.model is None else f"model={self.model.name!r}, "
        count, found = len(dict.fromkeys(self.layers)), int(np.isfinite(self.values).sum())
        return (
            f"HeadWorth({model}{len(self.heads)} heads in {count} "
            f"layer{'' if count == 1 else 's'}, {found} of {len(self.keypoints)} keypoints, "
            f"{self.seconds:.2f} s)"
        )

    def _repr_png_(self) -> bytes | None:
        from posekit.notebook import heads_png

        return None if self.model is None else heads_png(self, self.model)

    def layer(self, name: str) -> Floats:
        """(heads, K) of one layer.

        Raises:
            TraceError: no such layer.
        """
        rows = [n for n, one in enumerate(self.layers) if one == name]
        if not rows:
            known = ", ".join(dict.fromkeys(self.layers))
            raise TraceError(f"There is no layer {name!r}: choose one of {known}.")
        return self.falls[rows]

    def describe(self) -> dict[str, Any]:
        """Plain values for JSON: ``keypoints``, ``values``, and ``heads``, one object each.

        None stands for what is not known.
        """
        rows = zip(self.layers, self.heads, self.falls, strict=True)
        return {
            "keypoints": list(self.keypoints),
            "values": plain(self.values),
            "heads": [
                {"layer": name, "head": head, "falls": plain(falls)} for name, head, falls in rows
            ],
        }


def heads(
    prediction: Prediction,
    person: int = 0,
    *,
    layers: Sequence[str | int] | None = None,
    progress: Progress | None = None,
) -> HeadWorth:
    """Silence every head of one person's pass in turn.

    Args:
        prediction: made with ``record=True``; the network runs once more for each head.
        person: index of the person.
        layers: names or positions; None is every attention between places of the photo.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Raises:
        TraceError: no such layer or person, layers on several grids, or not one keypoint found.
        ModelError: the model makes no heatmaps, or its attention cannot be blocked.
    """
    began = time.perf_counter()
    attentions = attentions_of(prediction, layers)
    check_person(prediction, person)
    names = prediction.skeleton.keypoints
    found, targets = [], []
    for keypoint in range(len(names)):
        try:
            targets.append(peak_of(prediction, keypoint, person))
        except TraceError:  # not found
            continue
        found.append(keypoint)
    if not found:
        raise TraceError("No keypoint of this person was found, so no head is worth anything.")
    asked = questions(prediction, targets, person)
    network = Pass.of(asked, attentions)
    rows, cols = network.grid.size
    open_, shut = torch.ones(1, rows, cols), torch.zeros(1, rows, cols)
    values = LookSurface(network, None).values(open_, targets)[0]
    without = []
    every = [(n, head) for n, one in enumerate(attentions) for head in range(one.heads)]
    for done, (n, head) in enumerate(every, start=1):
        alone = Pass(network.base, network.run, (network.modules[n],), network.grid)
        without.append(LookSurface(alone, None, head).values(shut, targets)[0])
        if progress is not None:
            progress(done, len(every))
    falls = np.full((len(every), len(names)), np.nan)
    falls[:, found] = (values - torch.stack(without)).double().numpy()
    whole = np.full(len(names), np.nan)
    whole[found] = values.double().numpy()
    return HeadWorth(
        layers=tuple(attentions[n].name for n, _ in every),
        heads=tuple(head for _, head in every),
        keypoints=tuple(names),
        values=whole,
        falls=falls,
        person=person,
        seconds=time.perf_counter() - began,
        model=prediction.model,
    )
