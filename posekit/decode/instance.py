"""From heatmaps and supervised attention to people: candidates, affinities, grouping.

Our reading of "Attend to Who You Are", arXiv 2111.12892, whose code was not published: keypoints
are grouped by how much they attend to each other, in two ways. *Body-first* takes the strongest
free candidate and lets it gather, one after the other, those with the highest mean affinity to all
that are there. *Part-first* walks the skeleton's limbs from the neck outward and matches the ends
of each, as decoders of part affinity fields do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from posekit.decode.instance_people import Claim, GroupedPerson, Grouping, View
from posekit.decode.paf_grid import PafGrid, limbs_outward
from posekit.decode.paf_peaks import PeakOptions, find_peaks
from posekit.decode.paf_people import Peak
from posekit.similarity import keypoint_similarity
from posekit.skeleton import Skeleton

__all__ = ["InstanceDecoder", "affinities", "token_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class InstanceDecoder:
    """Groups the candidates of one image after the other; holds no state. All thresholds are ours.

    Attributes:
        skeleton: names the keypoints and the limbs.
        heat: how heatmap cells lie on the input.
        tokens: how tokens do.
        peaks: how candidates are found.
        view: how they are grouped.
        threshold: mean affinity that a candidate needs to be somebody's.
        seed: score that the first candidate of somebody needs, body-first.
        least_parts: people with fewer keypoints are dropped.
        least_score: people with a lower score are dropped.
        same: people more alike than this (OKS) are one.
    """

    skeleton: Skeleton
    heat: PafGrid
    tokens: PafGrid
    peaks: PeakOptions = PeakOptions(threshold=0.15, place="wide", most=20)  # noqa: RUF009
    view: View = "body-first"
    threshold: float = 0.3
    seed: float = 0.2
    least_parts: int = 3
    least_score: float = 0.05
    same: float = 0.7

    def candidates(
        self, heatmaps: npt.NDArray[np.float32], offsets: npt.NDArray[np.float32] | None
    ) -> tuple[Peak, ...]:
        """Maxima of the heatmaps (K, h, w), put right by offsets (2, h, w), in input pixels."""
        options, each = self.peaks, None
        if offsets is None or not len(offsets):
            options = PeakOptions(options.threshold, "upsampled", options.most)
        else:  # the offsets are every keypoint's
            each = np.tile(offsets, (len(heatmaps), 1, 1))
        return find_peaks(heatmaps, each, self.heat, options)

    def group(self, peaks: Sequence[Peak], affinity: Floats) -> Grouping:
        """Group candidates by their affinities (U, U)."""
        together = self._body_first if self.view == "body-first" else self._part_first
        found = [
            self._person(peaks, affinity, claims)
            for claims in together(peaks, affinity)
            if len(claims) >= self.least_parts
        ]
        found = [person for person in found if person.score >= self.least_score]
        found.sort(key=lambda person: -person.score)
        people: list[GroupedPerson] = []
        twins: list[GroupedPerson] = []
        for person in found:
            again = any(self._alike(peaks, person, other) > self.same for other in people)
            (twins if again else people).append(person)
        return Grouping(tuple(peaks), affinity, tuple(people), self.view, tuple(twins))

    def _body_first(self, peaks: Sequence[Peak], affinity: Floats) -> list[list[Claim]]:
        kind = np.array([peak.keypoint for peak in peaks], np.int64)
        score = np.array([peak.score for peak in peaks])
        free = np.ones(len(peaks), bool)
        people = []
        for seed in np.argsort(-score, kind="stable"):
            if not free[seed] or score[seed] < self.seed:
                continue
            members, claims = [int(seed)], [Claim(int(seed), threshold=self.threshold)]
            while True:
                open_ = free & ~np.isin(kind, kind[members])
                mean = np.where(open_, affinity[:, members].mean(1), -1.0)
                if not open_.any() or mean.max() <= self.threshold:
                    break
                best = int(mean.argmax())
                claims.append(self._claim(best, members, affinity, mean, kind))
                members.append(best)
            free[members] = False
            people.append(claims)
        return people

    def _part_first(self, peaks: Sequence[Peak], affinity: Floats) -> list[list[Claim]]:
        kind = np.array([peak.keypoint for peak in peaks], np.int64)
        owner: dict[int, int] = {}  # candidate -> person
        people: dict[int, list[Claim]] = {}
        for limb in limbs_outward(self.skeleton):
            a, b = self.skeleton.limbs[limb]
            first, second = np.flatnonzero(kind == a), np.flatnonzero(kind == b)
            table = affinity[np.ix_(first, second)]
            for m, n in zip(*linear_sum_assignment(-table), strict=True):
                if table[m, n] <= self.threshold:
                    continue
                ends = int(first[m]), int(second[n])
                if ends[0] not in owner and ends[1] not in owner:
                    owner[ends[0]] = ends[0]  # people are named after whom they began with
                    people[ends[0]] = [Claim(ends[0], threshold=self.threshold)]
                if ends[0] not in owner:
                    ends = ends[::-1]
                here = owner[ends[0]]
                there = owner.get(ends[1])
                mean = np.where(kind == kind[ends[1]], affinity[:, ends[0]], -1.0)
                claim = self._claim(ends[1], [ends[0]], affinity, mean, kind, limb)
                taken = {int(kind[one.peak]) for one in people[here]}
                if there is None and int(kind[ends[1]]) not in taken:
                    owner[ends[1]] = here
                    people[here].append(claim)
                elif there is not None and there != here:
                    others = people[there]
                    if taken.isdisjoint(int(kind[one.peak]) for one in others):
                        others = [claim, *(one for one in others if one.peak != ends[1])]
                        people[here] += others
                        owner |= {one.peak: here for one in others}
                        del people[there]
        return list(people.values())

    def _claim(
        self,
        best: int,
        members: list[int],
        affinity: Floats,
        mean: Floats,
        kind: npt.NDArray[np.int64],
        limb: int | None = None,
    ) -> Claim:
        rivals = np.where(kind == kind[best], mean, -1.0)
        rivals[best] = -1.0
        second = int(rivals.argmax())
        there = bool(rivals[second] >= 0)
        return Claim(
            best,
            tuple(members),
            tuple(float(value) for value in affinity[best, members]),
            self.threshold,
            limb,
            second if there else None,
            float(rivals[second]) if there else 0.0,
        )

    def _person(
        self, peaks: Sequence[Peak], affinity: Floats, claims: Sequence[Claim]
    ) -> GroupedPerson:
        members = [claim.peak for claim in claims]
        pairs = [affinity[u, v] for u, v in combinations(members, 2)]
        mean = float(np.mean(pairs)) if pairs else 0.0
        places: list[int | None] = [None] * self.skeleton.size
        for member in members:
            places[peaks[member].keypoint] = member
        score = float(np.mean([peaks[member].score for member in members])) * mean
        return GroupedPerson(tuple(places), tuple(claims), mean, score)

    def _alike(self, peaks: Sequence[Peak], one: GroupedPerson, other: GroupedPerson) -> float:
        """OKS over the keypoints that both have; 0 when they share too few to tell."""
        shared = [
            (k, peaks[a].point, peaks[b].point)
            for k, (a, b) in enumerate(zip(one.peaks, other.peaks, strict=True))
            if a is not None and b is not None
        ]
        if len(shared) < self.least_parts:
            return 0.0
        points = np.array([peaks[member].point for member in other.members])
        area = max(float(np.ptp(points, axis=0).prod()), 1.0)
        away = np.array([np.subtract(a, b) for _, a, b in shared])
        sigmas = [self.skeleton.sigmas[k] for k, _, _ in shared]
        return float(keypoint_similarity((away**2).sum(-1), area, sigmas).mean())


def token_of(points: npt.ArrayLike, grid: PafGrid, size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The token (U,) nearest to each point (U, 2) in input pixels, on a grid of (rows, cols)."""
    place = (np.asarray(points, np.float64).reshape(-1, 2) - grid.first) / grid.stride
    col, row = np.floor(place + 0.5).astype(np.int64).T
    return np.clip(row, 0, size[0] - 1) * size[1] + np.clip(col, 0, size[1] - 1)


def affinities(
    rows: npt.ArrayLike, points: npt.ArrayLike, grid: PafGrid, size: tuple[int, int]
) -> Floats:
    """How much candidates attend to each other, (U, U): ``(A[u, v] + A[v, u]) / 2``.

    Args:
        rows: (U, T), each candidate's row of the attention over the row's maximum.
        points: (U, 2) where they are, input pixels.
        grid: how tokens lie on the input.
        size: (rows, cols) of tokens; between their centres rows are read bilinearly.
    """
    values = np.asarray(rows, np.float64)
    values = values.reshape(len(values), *size)
    place = (np.asarray(points, np.float64).reshape(-1, 2) - grid.first) / grid.stride
    place = np.clip(place, 0, (size[1] - 1, size[0] - 1))
    low = np.minimum(np.floor(place).astype(np.int64), np.maximum((size[1] - 2, size[0] - 2), 0))
    share = place - low
    high = np.minimum(low + 1, (size[1] - 1, size[0] - 1))
    read = np.zeros((len(values), len(place)))
    for x, wx in ((low[:, 0], 1 - share[:, 0]), (high[:, 0], share[:, 0])):
        for y, wy in ((low[:, 1], 1 - share[:, 1]), (high[:, 1], share[:, 1])):
            read += wx * wy * values[:, y, x]
    return np.asarray((read + read.T) / 2)
