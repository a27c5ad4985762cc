"""One side of a study: what the model found, and where the keypoint asked about looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posekit.errors import PoseKitError, TraceError
from posekit.estimator import Prediction
from posekit.explain.attention import explain
from posekit.explain.maps import AttentionMap
from posekit.explain.purity import Covers, Purity
from posekit.explain.query import Query
from posekit.people import Person

__all__ = ["Side", "Watch", "look"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Side:
    """What a model makes of a photo.

    Attributes:
        prediction: everybody found.
        person: index of the person asked about; None when they were not found.
        keypoint: index of the keypoint asked about; None for a free point.
        query: what was asked; None when there was nothing to ask about.
        maps: the row of the query in every layer, mean over heads, in forward order; empty when the
            model has none or could not be asked.
        purity: on whom the attention lies, by layer; empty when no mask is known. After, what was
            put in front is nobody's: a person is what can still be seen of them.
        on_occluder: share of the attention on the pixels that the occluder covers, by layer; before
            and after alike, so that what was there can be compared with what lies there now. No
            fifth part beside ``purity``: its parts hold it already.
        note: why something is missing, in a sentence; empty when nothing is.
    """

    prediction: Prediction
    person: int | None
    keypoint: int | None
    query: Query | None
    maps: tuple[AttentionMap, ...] = field(repr=False)
    purity: Mapping[str, Purity]
    on_occluder: Mapping[str, float]
    note: str = ""

    @property
    def someone(self) -> Person | None:
        """The person asked about."""
        return None if self.person is None else self.prediction.people[self.person]

    @property
    def keypoints(self) -> Floats:
        """(K, 2) in photo pixels; all NaN when the person was not found."""
        someone = self.someone
        empty = np.full((self.prediction.skeleton.size, 2), np.nan)
        return empty if someone is None else someone.keypoints

    @property
    def scores(self) -> Floats:
        """(K,), all 0 when the person was not found."""
        someone = self.someone
        return np.zeros(self.prediction.skeleton.size) if someone is None else someone.scores

    @property
    def confidence(self) -> float | None:
        """In the keypoint asked about; None for a free point, and for a person not found."""
        if self.keypoint is None or self.person is None:
            return None
        return float(self.scores[self.keypoint])

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in forward order."""
        return tuple(one.layer for one in self.maps)

    def map(self, layer: str | None) -> AttentionMap | None:
        """The map of a layer; for None the supervised layer's, or the last one's.

        None when there is none of that name.
        """
        if layer is None:
            supervised = (one for one in self.maps if one.kind == "supervised")
            return next(supervised, self.maps[-1] if self.maps else None)
        return next((one for one in self.maps if one.layer == layer), None)


@dataclass(frozen=True, eq=False)
class Watch:
    """What the maps of one side are measured against.

    Attributes:
        people: the person's own mask among all, less what was put in front of them.
        cover: the pixels that the occluder covers, or will.
    """

    people: Covers | None
    cover: Covers | None

    @classmethod
    def of(
        cls,
        masks: tuple[Mask, ...],
        own: int | None,
        cover: Mask | None,
        *,
        in_front: bool = False,
    ) -> Watch:
        """Of everybody's masks in the photo as it was.

        Args:
            masks: (H, W) each; none where they are not known.
            own: which one is the person's; None when that is not known.
            cover: (H, W) the pixels that the occluder covers; None covers nothing.
            in_front: whether it lies there on this side, and hides what the masks hold under it.
        """
        hidden = cover if in_front else None
        people = Covers(masks, own, hidden) if masks and own is not None else None
        return cls(people, None if cover is None else Covers([cover], 0))


def look(
    prediction: Prediction,
    person: int | None,
    keypoint: int | None,
    point: tuple[float, float] | None,
    watch: Watch,
) -> Side:
    """Ask one person's keypoint, or a free point, in every layer.

    Args:
        prediction: made with ``record=True``.
        person: index; None when there is nobody to ask about.
        keypoint: index; None for a free point.
        point: ask here, in photo pixels, instead of at the keypoint's own place.
        watch: what the maps are measured against.
    """
    if person is None:
        return Side(prediction, None, keypoint, None, (), {}, {})
    query: Query | None = None
    maps: tuple[AttentionMap, ...] = ()
    note = ""
    try:
        target = keypoint if point is None else Query(person, point, keypoint)
        if target is None:
            raise TraceError("There is no place to ask about.")
        answer = explain(prediction, target, person=person)
        query, maps = answer.query, answer.maps
    except PoseKitError as error:
        note = str(error)
    purity, on_occluder = {}, {}
    for one in maps:
        if not one.weights.sum() > 0:  # a softmax over nothing but padding
            continue
        if watch.people is not None:
            purity[one.layer] = watch.people.shares(one)
        if watch.cover is not None:
            on_occluder[one.layer] = watch.cover.shares(one).own
    return Side(prediction, person, keypoint, query, maps, purity, on_occluder, note)
