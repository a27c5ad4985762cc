"""One figure for how far a map can be trusted: its deletion and insertion against chance.

The curves are those of :mod:`~posekit.explain.faithfulness.curves`; chance is the mean of several
random maps. Beside it stands a plain round spot on the keypoint, which knows the model's answer and
nothing of how it was found. As in :mod:`posekit.benchmark`, cells are squares of the crop, one a
token (or of some pixels for a model without any): holes of single pixels, scattered over a photo,
harm a network wherever they lie, and a fine map would beat a coarse random one by its fineness
alone. And the steps are spaced by the power 2, closest where a curve is steep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from posekit.errors import TraceError
from posekit.explain.batches import BATCH_SIZE, Progress
from posekit.explain.faithfulness.baselines import random_map, spot_map
from posekit.explain.faithfulness.curves import Curve, deletion, insertion
from posekit.explain.faithfulness.grids import Map
from posekit.explain.query import AnyQuery
from posekit.explain.targets import Target

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["Chance", "Faithfulness", "chance_of", "faithfulness_of"]

STEPS = 10
POWER = 2.0
LEVEL: Literal["cells"] = "cells"
"""How curves are drawn wherever a map gets a figure, so that it gets the same one everywhere."""
RANDOM_MAPS = 5


@dataclass(frozen=True)
class Chance:
    """How random maps do for one target of one photo.

    Attributes:
        insertion: area under each one's insertion curve, as :attr:`Curve.share`.
        deletion: the same for deletion.
        spot: insertion and deletion of the spot on the keypoint,
            :func:`~posekit.explain.faithfulness.baselines.spot_map`.
    """

    insertion: tuple[float, ...]
    deletion: tuple[float, ...]
    spot: tuple[float, float]

    @property
    def scores(self) -> tuple[float, ...]:
        """The figure of each random map."""
        return tuple(map(_score, self.insertion, self.deletion))

    @property
    def spot_score(self) -> float:
        """The figure of the spot."""
        return _score(*self.spot)


@dataclass(frozen=True)
class Faithfulness:
    """How a map does, and how random maps do.

    Attributes:
        insertion: area under the insertion curve, as :attr:`Curve.share`: large is good.
        deletion: area under the deletion curve: small is good.
        chance: the same for random maps.
    """

    insertion: float
    deletion: float
    chance: Chance

    @property
    def score(self) -> float:
        """``(insertion + 1 - deletion) / 2``; what chance gives depends on the photo.

        1 where the first places shown bring the keypoint back whole and the first ones hidden take
        all of it; more where a part of the photo does better than the whole.
        """
        return _score(self.insertion, self.deletion)

    @property
    def chance_score(self) -> float:
        """The mean figure of the random maps."""
        return float(np.mean(self.chance.scores))

    @property
    def verdict(self) -> Literal["better", "alike", "worse"]:
        """Better than the best of the random maps, worse than the worst, or neither."""
        if self.score > max(self.chance.scores):
            return "better"
        return "worse" if self.score < min(self.chance.scores) else "alike"

    @property
    def words(self) -> str:
        """``faithfulness 0.63 (random maps 0.41, a plain spot 0.60)``."""
        return (
            f"faithfulness {self.score:.2f} (random maps {self.chance_score:.2f}, "
            f"a plain spot {self.chance.spot_score:.2f})"
        )

    @property
    def meaning(self) -> str:
        """One sentence for a person."""
        count = len(self.chance.scores)
        if self.verdict == "worse":
            return (
                "Worse than chance: what this map marks matters less to the keypoint than places "
                "chosen at random."
            )
        if self.verdict == "alike":
            return (
                "No better than chance: a random choice of places did as well, so this map does "
                "not show what the keypoint depends on."
            )
        better = f"Better than chance (each of {count} random choices of places)"
        if self.score <= self.chance.spot_score:
            return f"{better}, but no better than a plain spot drawn on the keypoint."
        return (
            f"{better} and than a plain spot drawn on the keypoint: hiding what this map marks "
            "hurts the keypoint more, and showing it helps more."
        )


def chance_of(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    steps: int = STEPS,
    maps: int = RANDOM_MAPS,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Chance:
    """Deletion and insertion of random maps; the same for every map of the target.

    Raises:
        TraceError: fewer than one map or step, a target that
            :func:`posekit.explain.asked.ask` refuses, or one that the empty photo has as well.
        ModelError: the model makes no heatmaps, or memory ran out.
    """
    if maps < 1:
        raise TraceError(f"Chance is the mean of at least one random map, not {maps}.")
    drawn = _baselines(prediction, target, person, maps, seed)
    inserted, deleted = _shares(prediction, target, drawn, person, steps, batch_size, progress)
    return _chance(inserted, deleted)


def faithfulness_of(
    prediction: Prediction,
    target: AnyQuery | Target,
    map_: Map,
    *,
    person: int | None = None,
    chance: Chance | None = None,
    steps: int = STEPS,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Faithfulness:
    """How much better than chance a map says what its target depends on.

    Args:
        prediction: what the map explains.
        target: what it explains, see :func:`posekit.explain.explain`.
        map_: a method's map, or one layer's attention.
        person: index of the person.
        chance: from :func:`chance_of` with the same steps, when it is known; else it is measured.
        steps: portions of the cells deleted, or inserted, in turn.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Raises:
        TraceError: as :func:`chance_of`, or the map belongs to another person's crop.
        ModelError: as :func:`chance_of`.
    """
    maps: list[Map] = [map_]
    if chance is None:
        maps += _baselines(prediction, target, person, RANDOM_MAPS, 0)
    inserted, deleted = _shares(prediction, target, maps, person, steps, batch_size, progress)
    return Faithfulness(inserted[0], deleted[0], chance or _chance(inserted[1:], deleted[1:]))


def _baselines(
    prediction: Prediction, target: AnyQuery | Target, person: int | None, maps: int, seed: int
) -> list[Map]:
    """Random maps, and the spot last."""
    drawn = [random_map(prediction, target, person=person, seed=seed + n) for n in range(maps)]
    return [*drawn, spot_map(prediction, target, person=person)]


def _chance(inserted: tuple[float, ...], deleted: tuple[float, ...]) -> Chance:
    return Chance(inserted[:-1], deleted[:-1], (inserted[-1], deleted[-1]))


def _shares(
    prediction: Prediction,
    target: AnyQuery | Target,
    maps: Sequence[Map],
    person: int | None,
    steps: int,
    batch_size: int,
    progress: Progress | None,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(insertion, deletion) of every map, in one count of passes."""
    each = 2 + len(maps) * (steps - 1)

    def after(before: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(before + done, 2 * each)

    targets = [target] * len(maps)
    finely: dict[str, Any] = {
        "person": person,
        "steps": steps,
        "power": POWER,
        "level": LEVEL,
        "batch_size": batch_size,
    }
    inserted = insertion(prediction, targets, maps, progress=after(0), **finely)
    deleted = deletion(prediction, targets, maps, progress=after(each), **finely)
    return tuple(map(_share, inserted)), tuple(map(_share, deleted))


def _share(curve: Curve) -> float:
    share = curve.share
    if share is None:
        raise TraceError(
            "This keypoint's heatmap is as high there without the photo as with it, so nothing can "
            "be lost, and no faithfulness measured: choose a keypoint that the model is sure of."
        )
    return share


def _score(insertion: float, deletion: float) -> float:
    return (insertion + 1.0 - deletion) / 2
