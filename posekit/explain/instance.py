"""Who a keypoint belongs to, and why: people from attention, told in plain data and in sentences.

A model that groups keypoints by attention leaves a
:class:`~posekit.decode.instance_people.Grouping` in its prediction; nothing here is computed again.
On whom attention lies can be asked of any model with attention between places of the photo, where
people's masks are known: :func:`purity_of`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.decode.instance_people import Claim, Grouping
from posekit.errors import TraceError
from posekit.explain.grouping_words import NOBODY, Compared, Why, sentence
from posekit.explain.keypoint_rows import (
    KeypointPurity,
    keypoint_maps,
    mean_by_layer,
    purity_of,
)
from posekit.explain.query import check_person

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = [
    "NOBODY",
    "Affinity",
    "Compared",
    "KeypointPurity",
    "PersonMask",
    "Why",
    "affinity_of",
    "keypoint_maps",
    "masks_of",
    "mean_by_layer",
    "purity_of",
    "why",
]


@dataclass(frozen=True, eq=False)
class Affinity:
    """How much all detected keypoints attend to each other; people are blocks on the diagonal.

    Attributes:
        matrix: (U, U) in 0..1, symmetric, candidates person by person, those of nobody last.
        owners: (U,) which of the prediction's people each is of, or NOBODY.
        keypoints: (U,) names.
        points: (U, 2) photo pixels.
        scores: (U,) of the heatmaps.
        peaks: (U,) index in ``Grouping.peaks``.
        grouping: ``"body-first"`` or ``"part-first"``.
    """

    matrix: npt.NDArray[np.float64] = field(repr=False)
    owners: tuple[int, ...]
    keypoints: tuple[str, ...]
    points: npt.NDArray[np.float64] = field(repr=False)
    scores: tuple[float, ...]
    peaks: tuple[int, ...]
    grouping: str

    def labels(self, *, first: int = 1) -> tuple[str, ...]:
        """``left wrist of person 1``; ``left wrist of nobody``.

        Args:
            first: the number of the first person: 1 on the page, 0 where indices are shown.
        """
        return tuple(
            f"{name} of {'nobody' if owner == NOBODY else f'person {first + owner}'}"
            for name, owner in zip(self.keypoints, self.owners, strict=True)
        )

    @property
    def blocks(self) -> dict[int, tuple[int, int]]:
        """Where each person's rows begin and where they have ended."""
        where = np.array(self.owners, dtype=np.int64)
        ends = {n: np.flatnonzero(where == n) for n in sorted(set(self.owners) - {NOBODY})}
        return {n: (int(rows[0]), int(rows[-1]) + 1) for n, rows in ends.items()}

    def between(self, one: int, other: int) -> float:
        """Mean affinity of one person's keypoints with another's, or with each other."""
        (a, b), (c, d) = self.blocks[one], self.blocks[other]
        block = self.matrix[a:b, c:d]
        if one != other:
            return float(block.mean())
        return float(block[~np.eye(b - a, dtype=bool)].mean()) if b - a > 1 else 1.0


@dataclass(frozen=True, eq=False)
class PersonMask:
    """A person's mask as the model sees it.

    Attributes:
        person: index into the prediction's people.
        array: (H, W) bool, photo pixels.
        confidence: mean over its pixels of how much the person's keypoints attend to them, 0..1;
            None of a model that does not say.
    """

    person: int
    array: npt.NDArray[np.bool_] = field(repr=False)
    confidence: float | None


def affinity_of(prediction: Prediction) -> Affinity:
    """How much all detected keypoints attend to each other, in the order of people.

    Raises:
        TraceError: the model does not group keypoints by attention.
    """
    grouping = _grouping(prediction)
    whose = _owners(prediction, grouping)
    # A stable order: people as the prediction has them, keypoints as the skeleton does.
    order = sorted(
        range(len(whose)), key=lambda n: (whose[n] == NOBODY, whose[n], grouping.peaks[n].keypoint)
    )
    peaks = [grouping.peaks[n] for n in order]
    return Affinity(
        matrix=grouping.affinity[np.ix_(order, order)],
        owners=tuple(whose[n] for n in order),
        keypoints=tuple(prediction.skeleton.keypoints[peak.keypoint] for peak in peaks),
        points=np.array([peak.point for peak in peaks], dtype=np.float64).reshape(-1, 2),
        scores=tuple(peak.score for peak in peaks),
        peaks=tuple(order),
        grouping=grouping.view,
    )


def masks_of(prediction: Prediction) -> tuple[PersonMask, ...]:
    """The people's masks by the model itself, with its confidence where it says so.

    Raises:
        TraceError: the model does not segment people.
    """
    if prediction.masks is None:
        raise TraceError(f"{prediction.model.entry.title} does not segment people.")
    said: dict[int, float] = {}
    if isinstance(prediction.evidence, Grouping) and prediction.evidence.mask_confidence:
        for n, place in _places(prediction, prediction.evidence).items():
            said[place] = prediction.evidence.mask_confidence[n]
    return tuple(PersonMask(n, mask, said.get(n)) for n, mask in enumerate(prediction.masks))


def why(prediction: Prediction, person: int, keypoint: str | int) -> Why:
    """Why a keypoint is this person's: the scores that decided, and what stood against it.

    Raises:
        TraceError: the model does not group keypoints by attention, or there is no such person.
        SkeletonError: no such keypoint.
    """
    grouping = _grouping(prediction)
    check_person(prediction, person)
    skeleton = prediction.skeleton
    index = skeleton.index(keypoint) if isinstance(keypoint, str) else keypoint
    name = skeleton.keypoints[index]
    places = _places(prediction, grouping)
    inside = {place: n for n, place in places.items()}
    claims = grouping.people[inside[person]].claims if person in inside else ()
    whose = _owners(prediction, grouping)

    def compared(peak: int, affinity: float) -> Compared:
        one = grouping.peaks[peak]
        where = skeleton.keypoints[one.keypoint], one.point, one.score
        return Compared(*where, float(affinity), whose[peak])

    claim = next((one for one in claims if grouping.peaks[one.peak].keypoint == index), None)
    if claim is None:
        best = _best_missing(grouping, claims, index, whose)
        peak, mean = (None, None) if best is None else best
        answer = Why(
            person, name, False, None, 0.0, False, mean,
            claims[-1].threshold if claims else 0.0, (), None,
            None if peak is None or mean is None else compared(peak, mean),
            _others(grouping, places, peak, person), "",
        )  # fmt: skip
    else:
        one = grouping.peaks[claim.peak]
        limb = None if claim.limb is None else skeleton.limbs[claim.limb]
        rival = None
        if claim.runner_up is not None:
            rival = compared(claim.runner_up, claim.runner_up_affinity)
        answer = Why(
            person, name, True, one.point, one.score, not claim.members, claim.affinity,
            claim.threshold,
            tuple(map(compared, claim.members, claim.affinities)),
            None if limb is None else "–".join(skeleton.keypoints[end] for end in limb),
            rival, _others(grouping, places, claim.peak, person), "",
        )  # fmt: skip
    return replace(answer, text=sentence(answer))


def _grouping(prediction: Prediction) -> Grouping:
    if not isinstance(prediction.evidence, Grouping):
        raise TraceError(
            f"{prediction.model.entry.title} does not group keypoints by attention: "
            "there are no affinities that say whose a keypoint is."
        )
    return prediction.evidence


def _places(prediction: Prediction, grouping: Grouping) -> dict[int, int]:
    """Of people of the grouping, their places in the prediction, where boxes may have reordered."""
    left = dict(enumerate(prediction.people))
    places = {}
    for n in range(len(grouping.people)):
        points, _ = grouping.keypoints(n)
        for place, person in left.items():
            if np.array_equal(points, person.keypoints, equal_nan=True):
                places[n] = place
                del left[place]
                break
    return places


def _owners(prediction: Prediction, grouping: Grouping) -> list[int]:
    """(U,) whose each candidate is, as the prediction numbers people."""
    whose = [NOBODY] * len(grouping.peaks)
    for n, place in _places(prediction, grouping).items():
        for member in grouping.people[n].members:
            whose[member] = place
    return whose


def _others(
    grouping: Grouping, places: dict[int, int], peak: int | None, person: int
) -> tuple[tuple[int, float], ...]:
    """Everybody else's mean affinity with a candidate, the highest first."""
    if peak is None:
        return ()
    found = []
    for n, place in places.items():
        members = [member for member in grouping.people[n].members if member != peak]
        if place != person and members:
            found.append((place, float(grouping.affinity[peak, members].mean())))
    return tuple(sorted(found, key=lambda one: -one[1]))


def _best_missing(
    grouping: Grouping, claims: tuple[Claim, ...], keypoint: int, whose: list[int]
) -> tuple[int, float] | None:
    """The candidate for a keypoint that a person does not have, by affinity with all it has.

    One of nobody, if there is one: somebody else's was not to be had.
    """
    members = [claim.peak for claim in claims]
    found = [n for n, peak in enumerate(grouping.peaks) if peak.keypoint == keypoint]
    found = [n for n in found if whose[n] == NOBODY] or found
    if not members or not found:
        return None
    mean = grouping.affinity[np.ix_(found, members)].mean(1)
    return found[int(mean.argmax())], float(mean.max())
