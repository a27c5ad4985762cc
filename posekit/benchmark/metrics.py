"""The figures of one person's maps by one method: a function for each metric.

Each takes the maps of several keypoints at once and gives, for each column it fills, one number a
map, None where there is none; where a method or a metric refused, its sentence is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from posekit.benchmark.cases import Subject
from posekit.benchmark.entrants import Entrant
from posekit.benchmark.settings import BOXES, Column, Settings
from posekit.errors import PoseKitError
from posekit.explain.asked import peak_of
from posekit.explain.faithfulness import (
    Curve,
    blocks,
    deletion,
    infidelity,
    insertion,
    mass_in_box,
    max_sensitivity,
    pointing_game,
    spearman,
)
from posekit.explain.faithfulness.grids import Map
from posekit.explain.faithfulness.randomisation import randomised
from posekit.explain.heat import HeatMap
from posekit.explain.methods import find_method
from posekit.explain.query import AnyQuery, Query, resolve
from posekit.explain.surface import token_grid
from posekit.explain.targets import KeypointPeak, Target
from posekit.explain.together import questions

if TYPE_CHECKING:
    from posekit.estimator import Estimator, Prediction

__all__ = ["MEASURES", "Asking", "Figures", "RandomModels", "infidelities", "lacks"]

NOTHING_TO_LOSE = "The whole crop gives no more than the empty one, so nothing can be lost."

Numbers = list[float | None]


@dataclass
class Figures:
    """Numbers by column, one a keypoint, and how often each sentence stood for a missing one."""

    columns: dict[str, Numbers] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, sentence: str, count: int = 1) -> None:
        """Count a sentence."""
        self.refused[sentence] = self.refused.get(sentence, 0) + count


class RandomModels:
    """The model with its output layer random, and with every weight random; made once."""

    def __init__(self, estimator: Estimator, seed: int) -> None:
        self._estimator, self._seed = estimator, seed
        self._made: list[Estimator] = []
        self._last: tuple[Prediction, int, list[Prediction]] | None = None

    def predict(self, prediction: Prediction, person: int) -> list[Prediction]:
        """What each makes of the same crop; kept until another person is asked for."""
        from posekit.estimator import Estimator

        if not self._made:
            model = self._estimator.model
            names = blocks(model.module)
            self._made = [
                Estimator(randomised(model, part, self._seed)) for part in (names[:1], names)
            ]
        if self._last is None or self._last[0] is not prediction or self._last[1] != person:
            box = prediction.people[person].box
            found = [one.predict(prediction.photo, [box]) for one in self._made]
            self._last = (prediction, person, found)
        return self._last[2]


@dataclass(frozen=True, eq=False)
class Asking:
    """One person, and the keypoints to ask about.

    Attributes:
        prediction: what the model found.
        person: index into ``prediction.people``.
        subject: what is known of the person.
        keypoints: indices into the model's skeleton, each of them found.
        settings: how finely to measure.
        seed: of what is drawn for this photograph.
        random: random copies of the model.
    """

    prediction: Prediction
    person: int
    subject: Subject
    keypoints: tuple[int, ...]
    settings: Settings
    seed: int
    random: RandomModels

    def maps(self, entrant: Entrant, which: Sequence[int]) -> Sequence[Map]:
        """An entrant's maps of some keypoints (positions in ``keypoints``), as a click asks."""
        targets = [self.keypoints[n] for n in which]
        batch_size = self.settings.batch_size
        return entrant.maps(self.prediction, targets, self.person, batch_size, self.seed)

    def maps_there(
        self, entrant: Entrant, which: Sequence[int], other: Prediction
    ) -> Sequence[Map]:
        """The same questions about another prediction of one person's same crop.

        The place asked about stays put, wherever the other prediction puts the keypoint.
        """
        here = self.prediction.people[self.person].crop.to_crop
        there = other.people[0].crop.to_photo
        targets: list[AnyQuery | Target] = []
        for n in which:
            keypoint = self.keypoints[n]
            if _reads_places(entrant):
                point = resolve(self.prediction, keypoint, self.person).point
                x, y = there.apply(here.apply(point))
                targets.append(Query(0, (float(x), float(y)), keypoint))
            else:
                targets.append(self.peak(n))
        return entrant.maps(other, targets, 0, self.settings.batch_size, self.seed)

    def peak(self, n: int) -> KeypointPeak:
        """The number that keypoint n's maps explain."""
        return peak_of(self.prediction, self.keypoints[n], self.person)


def lacks(column: Column, subject: Subject) -> bool:
    """Whether the data do not say of a person what a column needs: no method refused anything."""
    return column.needs == BOXES and not subject.boxed


Measure = Callable[[Asking, Entrant, Sequence[int], Sequence[Map], Figures], None]


def deletions(
    asking: Asking, entrant: Entrant, which: Sequence[int], maps: Sequence[Map], figures: Figures
) -> None:
    """Share of the rise left on average, see :attr:`Curve.share`."""
    _curves("deletion", deletion, asking, which, maps, figures)


def insertions(
    asking: Asking, entrant: Entrant, which: Sequence[int], maps: Sequence[Map], figures: Figures
) -> None:
    """Share of the rise there on average."""
    _curves("insertion", insertion, asking, which, maps, figures)


def pointings(
    asking: Asking, entrant: Entrant, which: Sequence[int], maps: Sequence[Map], figures: Figures
) -> None:
    """1 for a hit; the true place where there are labels, else the predicted one.

    A keypoint without a label has no figure, and no method refused it.
    """
    found = asking.prediction.people[asking.person].keypoints
    skeleton = asking.prediction.skeleton
    known = asking.subject.truth(skeleton) if asking.subject.labels is not None else list(found)

    def hit(n: int, one: Map) -> float | None:
        point = known[asking.keypoints[n]]
        return None if point is None else float(pointing_game(one, point))

    figures.columns["pointing"] = _each(hit, which, maps, figures)


def box_masses(
    asking: Asking, entrant: Entrant, which: Sequence[int], maps: Sequence[Map], figures: Figures
) -> None:
    """Share of the positive mass within the person's box, which somebody drew."""
    box = asking.prediction.people[asking.person].box
    figures.columns["box mass"] = _each(lambda _, one: mass_in_box(one, box), which, maps, figures)


def randomisations(
    asking: Asking, entrant: Entrant, which: Sequence[int], maps: Sequence[Map], figures: Figures
) -> None:
    """Rank correlation with the maps of two random models, see :class:`RandomModels`."""
    others = asking.random.predict(asking.prediction, asking.person)
    for column, other in zip(("output random", "all random"), others, strict=True):
        again = asking.maps_there(entrant, which, other)
        figures.columns[column] = [spearman(a, b) for a, b in zip(maps, again, strict=True)]


def sensitivities(
    asking: Asking, entrant: Entrant, which: Sequence[int], maps: Sequence[Map], figures: Figures
) -> None:
    """Largest relative change under small noise."""
    found = max_sensitivity(
        asking.prediction,
        lambda other: asking.maps_there(entrant, which, other),
        person=asking.person,
        samples=asking.settings.noisy,
        seed=asking.seed,
    )
    figures.columns["sensitivity"] = [float(v) if np.isfinite(v) else None for v in found]


def infidelities(asking: Asking, which: Sequence[int], maps: Sequence[Map]) -> Numbers:
    """Share of the mean squared fall that each map does not predict: one sweep for all maps.

    A map without any value predicts nothing; its infidelity is the mean squared fall itself.
    """
    grid = token_grid(questions(asking.prediction, [asking.peak(0)], asking.person))
    crop = asking.prediction.people[asking.person].crop
    empty = HeatMap("empty", np.zeros(grid.size), grid, crop)
    told = sorted(set(which))
    everything = [*maps, *(empty for _ in told)]
    targets = [asking.peak(n) for n in (*which, *told)]
    found = infidelity(
        asking.prediction,
        targets,
        everything,
        person=asking.person,
        samples=asking.settings.samples,
        seed=asking.seed,
        batch_size=asking.settings.batch_size,
    )
    falls = dict(zip(told, found[len(maps) :], strict=True))
    return [float(found[m] / falls[n]) if falls[n] > 0 else None for m, n in enumerate(which)]


MEASURES: dict[str, Measure] = {
    "deletion": deletions,
    "insertion": insertions,
    "pointing": pointings,
    "box-mass": box_masses,
    "randomisation": randomisations,
    "sensitivity": sensitivities,
}
"""By metric; agreement and infidelity look at all methods together."""


def _curves(
    column: str,
    curves: Callable[..., tuple[Curve, ...]],
    asking: Asking,
    which: Sequence[int],
    maps: Sequence[Map],
    figures: Figures,
) -> None:
    settings = asking.settings
    found = curves(
        asking.prediction,
        [asking.peak(n) for n in which],
        maps,
        person=asking.person,
        steps=settings.steps,
        power=settings.power,
        level=settings.level,
        batch_size=settings.batch_size,
    )
    shares = [curve.share for curve in found]
    if missing := sum(share is None for share in shares):
        figures.refuse(NOTHING_TO_LOSE, missing)
    figures.columns[column] = shares


def _each(
    measure: Callable[[int, Map], float | None],
    which: Sequence[int],
    maps: Sequence[Map],
    figures: Figures,
) -> Numbers:
    """A number a map; a refusal leaves None and its sentence."""
    found: Numbers = []
    for n, one in zip(which, maps, strict=True):
        try:
            found.append(measure(n, one))
        except PoseKitError as error:
            figures.refuse(str(error))
            found.append(None)
    return found


def _reads_places(entrant: Entrant) -> bool:
    """Whether a method needs a place of the photo and nothing of the heatmaps."""
    method = getattr(entrant, "method", None)
    return method is not None and find_method(method).needs == "attention"
