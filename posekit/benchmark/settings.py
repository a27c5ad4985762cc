"""What a benchmark measures and how finely, and the columns that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from posekit.errors import TraceError
from posekit.explain.batches import BATCH_SIZE
from posekit.explain.faithfulness.chance import LEVEL, POWER, STEPS

__all__ = ["COLUMNS", "DEFAULT_METRICS", "METRICS", "Column", "Metric", "Settings"]

Metric = Literal[
    "deletion",
    "insertion",
    "pointing",
    "box-mass",
    "agreement",
    "randomisation",
    "infidelity",
    "sensitivity",
]

METRICS: tuple[str, ...] = get_args(Metric)
"""All that can be measured."""

DEFAULT_METRICS = ("deletion", "insertion", "pointing", "box-mass", "agreement")
"""What is measured unless named; the others explain everything several times over."""


@dataclass(frozen=True)
class Column:
    """One figure of the table.

    Attributes:
        name: its heading.
        metric: what it belongs to.
        better: 1 when larger is better, -1 when smaller is, 0 when neither.
        meaning: one phrase for a reader.
        against: whether a method may be held against the baselines in it. Not where they are right
            by knowing nothing: a map drawn without the model does not tremble with the photo.
        needs: what the data must say of a person, in words; empty when nothing.
    """

    name: str
    metric: str
    better: int
    meaning: str
    against: bool = True
    needs: str = ""


BOXES = "people's boxes"

COLUMNS = (
    Column(
        "deletion",
        "deletion",
        -1,
        "share of the keypoint's rise over an empty crop that is left on average while cells are "
        "taken away, heaviest first",
    ),
    Column(
        "insertion",
        "insertion",
        1,
        "share of its rise over a blurred crop that is there on average while cells are put "
        "back, heaviest first",
    ),
    Column(
        "pointing",
        "pointing",
        1,
        "share of maps whose peak lies within a tenth of the crop of the keypoint's place",
    ),
    Column(
        "box mass",
        "box-mass",
        1,
        "share of the map's positive mass in the person's box",
        needs=BOXES,
    ),
    Column(
        "agreement", "agreement", 0, "mean rank correlation with the other methods' maps", False
    ),
    Column(
        "top 10 %", "agreement", 0, "mean IoU with the top 10 % of the other methods' mass", False
    ),
    Column(
        "output random",
        "randomisation",
        0,
        "rank correlation with the map of the model whose output layer is random",
        False,
    ),
    Column(
        "all random",
        "randomisation",
        0,
        "rank correlation with the map of the model whose every weight is random: near 0 for a "
        "map that reads what was learnt",
        False,
    ),
    Column(
        "infidelity",
        "infidelity",
        -1,
        "share of the keypoint's mean squared fall, cells taken away at random, that the map does "
        "not predict even when scaled as fits best",
    ),
    Column(
        "sensitivity",
        "sensitivity",
        -1,
        "largest relative change of the map when grey levels change by up to 4 of 255",
        False,
    ),
)
"""Every column there can be, in the table's order."""


@dataclass(frozen=True)
class Settings:
    """What to measure, and how finely.

    Attributes:
        metrics: names out of :data:`METRICS`, at least one.
        keypoints: names; None is all of a model's.
        steps: of the deletion and insertion curves.
        power: how the steps are spaced, see :func:`posekit.explain.faithfulness.deletion`.
        level: what is deleted and inserted: ``cells`` of the photo, one a token, ``photo`` for its
            pixels, or ``tokens``. Single pixels favour fine maps over coarse ones.
        samples: sets of cells that infidelity takes away.
        noisy: crops that sensitivity looks at.
        batch_size: passes at once; changes no figure.
        seed: of everything that is drawn.

    Raises:
        TraceError: a metric that does not exist, a number below 1, or no such level.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    keypoints: tuple[str, ...] | None = None
    steps: int = STEPS
    power: float = POWER
    level: Literal["photo", "cells", "tokens"] = LEVEL
    samples: int = 64
    noisy: int = 4
    batch_size: int = BATCH_SIZE
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise TraceError(f"There is no metric {name!r}: choose {', '.join(METRICS)}.")
        if not self.metrics:
            raise TraceError(f"There is nothing to measure: choose {', '.join(METRICS)}.")
        for name in ("steps", "samples", "noisy", "batch_size"):
            if getattr(self, name) < 1:
                raise TraceError(f"The number of {name} is at least 1, not {getattr(self, name)}.")
        if not self.power > 0:
            raise TraceError(f"The steps of a curve are spaced by a power above 0: {self.power!r}.")
        if self.level not in ("photo", "cells", "tokens"):
            raise TraceError(
                f"Cells are deleted from 'photo', 'cells' or 'tokens', not {self.level!r}."
            )
        if self.seed < 0:
            raise TraceError(f"The seed is 0 or more, not {self.seed}.")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns these metrics fill."""
        return tuple(column for column in COLUMNS if column.metric in self.metrics)

    def keypoints_of(self, names: Sequence[str]) -> list[int]:
        """Which of a skeleton's keypoints to ask about, by index."""
        if self.keypoints is None:
            return list(range(len(names)))
        wanted = {_plain(name) for name in self.keypoints}
        return [index for index, name in enumerate(names) if _plain(name) in wanted]


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
