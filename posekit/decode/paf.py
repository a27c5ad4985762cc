"""From heatmaps, part affinity fields and offsets to people.

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017,
section 3; thresholds from the public code [code], see :mod:`posekit.decode.paf_grid`. Candidates
are the maxima of the heatmaps; a pair of them is a limb when the field between them runs their way;
pairs are matched greedily and assembled into people from the neck outward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from posekit.decode.paf_grid import PafGrid, limbs_outward
from posekit.decode.paf_peaks import PeakOptions, find_peaks
from posekit.decode.paf_people import FoundPerson, Join, LimbScores, Outcome, PafDecoding, Peak
from posekit.similarity import greedy_pairs
from posekit.skeleton import Skeleton

__all__ = ["PafDecoder", "score_limbs"]

Floats = npt.NDArray[np.float32]
Maps = Floats | Tensor


@dataclass(frozen=True)
class PafDecoder:
    """Decodes the maps of one image after the other; holds no state.

    Attributes:
        skeleton: names the keypoints, and the limbs in the order of the fields.
        grid: how cells lie on the network's input.
        peaks: how candidates are found.
        samples: points on the way between two candidates where the field is read [code: 10].
        least_dot: a sample agrees when the field's component along the way is above this [code].
        agreeing: more than this share of the samples must agree [code: 0.8].
        least_parts: people with fewer keypoints are dropped [code: 3].
        least_score: people with a lower mean score are dropped [code: 0.2].
    """

    skeleton: Skeleton
    grid: PafGrid = field(default_factory=PafGrid)
    peaks: PeakOptions = field(default_factory=PeakOptions)
    samples: int = 10
    least_dot: float = 0.05
    agreeing: float = 0.8
    least_parts: int = 3
    least_score: float = 0.2

    def __call__(self, heat: Maps, paf: Maps, offset: Maps | None = None) -> PafDecoding:
        """Decode one image.

        Args:
            heat: (K or K + 1, h, w); a last channel beyond the skeleton's is background.
            paf: (2 L, h, w).
            offset: (2 K, h, w) in cells; without it candidates stay at their blocks' centres.

        Returns:
            People in pixels of the network's input. Nobody, when there is nobody.
        """
        heats = _array(heat)[: self.skeleton.size]
        found = find_peaks(heats, None if offset is None else _array(offset), self.grid, self.peaks)
        height = heats.shape[-2] * self.grid.stride
        limbs = self.score(found, _array(paf), height)
        joins, people = self.assemble(found, self.match(limbs))
        return PafDecoding(found, limbs, joins, people)

    def score(self, peaks: Sequence[Peak], paf: Floats, height: int) -> tuple[LimbScores, ...]:
        """Weigh every pair of candidates for every limb, all at once.

        ``score = mean of the field along the way + min(height / (2 length) - 1, 0)`` [code].
        """
        kind = np.array([peak.keypoint for peak in peaks], dtype=np.int64)
        points = np.array([peak.point for peak in peaks], dtype=np.float64).reshape(-1, 2)
        ends = [
            (np.flatnonzero(kind == a), np.flatnonzero(kind == b)) for a, b in self.skeleton.limbs
        ]
        limb = np.repeat(np.arange(len(ends)), [len(a) * len(b) for a, b in ends])
        start = np.concatenate([np.repeat(a, len(b)) for a, b in ends])
        end = np.concatenate([np.tile(b, len(a)) for a, b in ends])
        dots, length = score_limbs(
            paf, limb, points[start], points[end], self.grid, samples=self.samples
        )
        alignment = dots.mean(1)
        agreeing = (dots > self.least_dot).mean(1)
        penalty = np.minimum(0.5 * height / np.maximum(length, 1e-6) - 1, 0)
        accepted = (agreeing > self.agreeing) & (alignment + penalty > 0) & (length > 1e-6)
        tables, first = [], 0
        for index, (a, b) in enumerate(ends):
            here = slice(first, first + len(a) * len(b))
            first = here.stop
            alike, less, agree, good = (
                values[here].reshape(len(a), len(b))
                for values in (alignment, penalty, agreeing, accepted)
            )
            tables.append(LimbScores(index, a, b, alike, less, agree, good))
        return tuple(tables)

    def match(self, limbs: Sequence[LimbScores]) -> list[tuple[LimbScores, int, int]]:
        """The pairs of each limb that are joined, from the neck outward; best scores first.

        Greedy: every candidate is used once a limb [code].
        """
        chosen = []
        for index in limbs_outward(self.skeleton):
            table = limbs[index]
            pairs = greedy_pairs(table.alignment + table.penalty, table.accepted)
            chosen += [(table, start, end) for start, end in pairs]
        return chosen

    def assemble(
        self, peaks: Sequence[Peak], pairs: Sequence[tuple[LimbScores, int, int]]
    ) -> tuple[tuple[Join, ...], tuple[FoundPerson, ...]]:
        """Join the pairs into people.

        A pair extends the person that has one of its candidates, merges two that have no keypoint
        in common, and otherwise starts a new person [code]. A pair that would give somebody a
        second left wrist is refused [ours; the code lets the later one win].
        """
        joins: list[Join] = []
        owner: dict[int, int] = {}  # peak -> person
        members: dict[int, dict[int, int]] = {}  # person -> keypoint -> peak
        made_of: dict[int, list[int]] = {}  # person -> joins
        for table, m, e in pairs:
            ends = int(table.starts[m]), int(table.ends[e])
            people = sorted({owner[peak] for peak in ends if peak in owner})
            fresh = {peaks[peak].keypoint: peak for peak in ends if peak not in owner}
            outcome: Outcome
            if len(people) == 0:
                outcome, target = "starts", len(joins)  # a number nobody else has
                members[target], made_of[target] = {}, []
            elif len(people) == 1:
                target = people[0]
                clash = fresh.keys() & members[target].keys()
                outcome = "refused" if clash else "extends" if fresh else "confirms"
            else:
                target, other = people
                outcome = "refused" if members[target].keys() & members[other].keys() else "merges"
            if outcome != "refused":
                made_of[target].append(len(joins))
                if outcome == "merges":
                    fresh = members.pop(other)
                    made_of[target] += made_of.pop(other)
                members[target] |= fresh
                owner.update(dict.fromkeys(fresh.values(), target))
            joins.append(
                Join(
                    limb=table.limb,
                    start=ends[0],
                    end=ends[1],
                    alignment=float(table.alignment[m, e]),
                    penalty=float(table.penalty[m, e]),
                    agreeing=float(table.agreeing[m, e]),
                    outcome=outcome,
                )
            )
        found = []
        for person, own in members.items():
            total = sum(peaks[peak].score for peak in own.values())
            total += sum(joins[join].score for join in made_of[person])
            slots = tuple(own.get(keypoint) for keypoint in range(self.skeleton.size))
            one = FoundPerson(slots, tuple(sorted(made_of[person])), total)
            if one.parts >= self.least_parts and one.mean_score >= self.least_score:
                found.append(one)
        return tuple(joins), tuple(sorted(found, key=lambda one: -one.ranking_score))


def score_limbs(
    paf: Floats,
    limb: npt.NDArray[np.int64],
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    grid: PafGrid,
    samples: int = 10,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The field's component along the way at points spread evenly from start to end.

    Args:
        paf: (2 L, h, w).
        limb: (n,) whose field.
        start: (n, 2) input pixels.
        end: (n, 2) input pixels.
        grid: how cells lie on the input; between cells the field is interpolated linearly.
        samples: how many points.

    Returns:
        Dot products (n, samples) and lengths (n,) in input pixels.
    """
    way = end - start
    length = np.linalg.norm(way, axis=-1)
    unit = (way / np.maximum(length, 1e-6)[:, None]).view(np.complex128)  # (n, 1), x + iy
    rows, cols = paf.shape[-2:]
    steps = np.linspace(0, 1, samples)
    at = (start[:, None] + way[:, None] * steps[:, None] - grid.first) / grid.stride
    x, y = np.clip(at[..., 0], 0, cols - 1), np.clip(at[..., 1], 0, rows - 1)  # (n, samples)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, bottom = np.minimum(left + 1, cols - 1), np.minimum(top + 1, rows - 1)
    fx, fy = x - left, y - top
    # A vector is one complex number, so one read brings both components.
    fields = paf[0::2] + 1j * paf[1::2]  # (L, h, w)
    flat, base = fields.ravel(), (limb * rows * cols)[:, None]
    top, bottom = base + top * cols, base + bottom * cols
    above = (1 - fx) * flat[top + left] + fx * flat[top + right]
    below = (1 - fx) * flat[bottom + left] + fx * flat[bottom + right]
    dots = (((1 - fy) * above + fy * below) * unit.conj()).real
    return dots, length


def _array(maps: Maps) -> Floats:
    if isinstance(maps, Tensor):
        maps = maps.detach().float().cpu().numpy()
    return np.asarray(maps, dtype=np.float32)
