"""Which keypoints a keypoint depends on: its row of a layer, summed around every keypoint.

A map says where a keypoint's token looks; this says at whom: how much of the row lies around the
left wrist, how much around the hips, how much on none of them. TransPose calls what a row covers
the keypoint's dependency area (Yang et al., ICCV 2021, section 3.3). What lies around a keypoint is
said in :mod:`posekit.explain.around`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posekit.errors import TraceError
from posekit.explain.around import surroundings
from posekit.explain.attention import attentions_of
from posekit.explain.keypoint_rows import rows_at
from posekit.explain.plain import plain
from posekit.explain.query import Query, check_person
from posekit.geometry import TokenGrid
from posekit.people import DRAWN

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = ["ELSEWHERE", "EVEN", "OTHERS", "Dependencies", "dependencies", "mean_dependencies"]

Floats = npt.NDArray[np.float64]

EVEN, OTHERS, ELSEWHERE = "an even map", "other people", "elsewhere"


@dataclass(frozen=True, eq=False)
class Dependencies:
    """How much of each keypoint's attention lies around each keypoint, in one layer.

    Attributes:
        layer: name of the attention in the trace, such as ``encoder.3``.
        kind: kind of attention, such as ``encoder`` or ``supervised``.
        head: index of the head, None for the mean over heads.
        keypoints: (K,) names, in the order of the skeleton.
        shares: (K, K) row: who looks, column: who is looked at; 0 to 1. NaN where one of the two is
            not drawn (a confidence below :data:`~posekit.people.DRAWN`).
        others: (K,) share around keypoints of other people of the same photo.
        elsewhere: (K,) the rest. A row of one person, with its others and elsewhere, sums to 1.
        chance: (K,) what a row that looks everywhere alike has around each keypoint.
        even_others: what such a row has around other people's.
        people: (K, K) how many people a share is the mean of; 0 where it is NaN.
        model: whose attention it is; None where that is not known.
    """

    layer: str
    kind: str
    head: int | None
    keypoints: tuple[str, ...]
    shares: Floats
    others: Floats
    elsewhere: Floats
    chance: Floats
    even_others: float
    people: npt.NDArray[np.int64]
    model: PoseModel | None = None

    def __repr__(self) -> str:
        model = "" if self.model is None else f"model={self.model.name!r}, "
        head = "mean over heads" if self.head is None else f"head={self.head}"
        drawn, people = int(np.isfinite(self.chance).sum()), int(self.people.max(initial=0))
        return (
            f"Dependencies({model}layer={self.layer!r}, {head}, {drawn} of {len(self.keypoints)} "
            f"keypoints, {'1 person' if people == 1 else f'{people} people'})"
        )

    def _repr_png_(self) -> bytes | None:
        from posekit.notebook import dependencies_png

        return None if self.model is None else dependencies_png(self, self.model)

    def strongest(self, keypoint: str, count: int = 3) -> list[tuple[str, float]]:
        """The other keypoints that one depends on most, with their shares, the largest first.

        Raises:
            TraceError: there is no such keypoint.
        """
        if keypoint not in self.keypoints:
            raise TraceError(
                f"There is no keypoint {keypoint!r}: choose one of {', '.join(self.keypoints)}."
            )
        own = self.keypoints.index(keypoint)
        row = np.where(np.arange(len(self.keypoints)) == own, np.nan, self.shares[own])
        order = [int(k) for k in np.argsort(-row, kind="stable") if np.isfinite(row[k])]
        return [(self.keypoints[k], float(row[k])) for k in order[:count]]

    def table(self, *, rest: bool = True) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
        """Names of rows and of columns, and the shares between them, as they are shown.

        Rows are the keypoints of which something is known and, last, an even map. Columns are these
        keypoints and, unless the rest is left out, other people where there are some, and
        elsewhere.
        """
        known = np.flatnonzero(np.isfinite(self.chance))
        names = tuple(self.keypoints[k] for k in known)
        even = self.chance[known]
        columns, shares = list(names), np.vstack([self.shares[np.ix_(known, known)], even])
        if rest and np.nansum(self.others[known]) > 0:
            columns.append(OTHERS)
            shares = np.column_stack([shares, [*self.others[known], self.even_others]])
        if rest:
            columns.append(ELSEWHERE)
            left = max(0.0, 1.0 - float(even.sum()) - self.even_others)
            shares = np.column_stack([shares, [*self.elsewhere[known], left]])
        return (*names, EVEN), tuple(columns), shares

    def describe(self) -> dict[str, Any]:
        """Plain values for JSON; None where a keypoint is not drawn."""
        return {
            "layer": self.layer,
            "head": self.head,
            "keypoints": list(self.keypoints),
            "shares": plain(self.shares),
            "other_people": plain(self.others),
            "elsewhere": plain(self.elsewhere),
            "even_map": plain(self.chance),
            "people_per_share": self.people.tolist(),
        }


def dependencies(
    prediction: Prediction, layer: str | int = -1, person: int = 0, *, head: int | None = None
) -> Dependencies:
    """One person's keypoints and what they look at, from the trace of one prediction.

    Args:
        prediction: made with ``record=True``, of a model with attention between places of the
            photo.
        layer: name or position among those layers; the last by default.
        person: index into ``prediction.people``.
        head: index of one head; None is the mean over heads.

    Raises:
        TraceError: no such person, layer or head; nothing was recorded, or no attention between
            places; or fewer than two keypoints are drawn.
    """
    someone = prediction.people[check_person(prediction, person)]
    (attention,) = attentions_of(prediction, [layer])
    grid = attention.key_grid
    assert isinstance(grid, TokenGrid)
    to_photo = someone.crop.to_photo
    centres = np.asarray(to_photo.apply(grid.centres()))
    around = surroundings(prediction, person, centres, (to_photo @ grid.to_input).scale)
    drawn = around.drawn
    if len(drawn) < 2:
        raise TraceError(
            f"{prediction.model.entry.title} is sure of fewer than two keypoints of this person "
            f"(a confidence of at least {DRAWN}), so there is nothing to set side by side."
        )
    queries = [
        Query(person, (float(x), float(y)), int(k))
        for k, (x, y) in zip(drawn, np.asarray(someone.keypoints)[drawn], strict=True)
    ]
    maps = rows_at(attention, someone.crop, queries, someone.item, head)
    rows = np.stack([one.weights.ravel() for one in maps]).astype(np.float64)  # (drawn, cells)
    size = prediction.skeleton.size
    shares = np.full((size, size), np.nan)
    others, elsewhere, chance = np.full((3, size), np.nan)
    shares[np.ix_(drawn, drawn)] = rows @ around.own
    others[drawn] = rows @ around.others
    elsewhere[drawn] = rows @ around.nobodys
    chance[drawn] = around.own.mean(0)
    return Dependencies(
        layer=attention.name,
        kind=attention.kind,
        head=head,
        keypoints=tuple(prediction.skeleton.keypoints),
        shares=shares,
        others=others,
        elsewhere=elsewhere,
        chance=chance,
        even_others=float(around.others.mean()),
        people=np.isfinite(shares).astype(np.int64),
        model=prediction.model,
    )


def mean_dependencies(parts: Sequence[Dependencies]) -> Dependencies:
    """The mean over people, each share over those of whom both keypoints are drawn.

    Raises:
        TraceError: there are none, or they are of different layers, heads or skeletons.
    """
    if not parts:
        raise TraceError("Of nobody two keypoints are drawn, so there is no mean.")
    kinds = {(part.layer, part.head, part.keypoints) for part in parts}
    if len(kinds) > 1:
        raise TraceError("Only one layer of one model, with all heads or one, has a mean.")

    def mean(name: str) -> Floats:
        stacked = np.stack([getattr(part, name) for part in parts])
        known = np.isfinite(stacked)
        total, count = np.where(known, stacked, 0.0).sum(0), known.sum(0)
        return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)

    first = parts[0]
    return Dependencies(
        layer=first.layer,
        kind=first.kind,
        head=first.head,
        keypoints=first.keypoints,
        shares=mean("shares"),
        others=mean("others"),
        elsewhere=mean("elsewhere"),
        chance=mean("chance"),
        even_others=float(np.mean([part.even_others for part in parts])),
        people=np.sum([part.people for part in parts], axis=0),
        model=first.model,
    )
