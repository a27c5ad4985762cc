"""Whether keypoints that contradict themselves are the wrong ones, on labelled photos.

A model of the OpenPose line says of every keypoint how far its heatmap lies from what votes and
limb ends make of it (:mod:`posekit.explain.inside.agreement`). That explains something only if
keypoints with a larger contradiction are wrong more often (specification of SSA, section 11), which
is measured here, beside what the height of the peak alone would tell.

A keypoint found is right when its object keypoint similarity with the nearest label of its kind is
at least a half: ``exp(-d^2 / (2 area (2 sigma)^2))`` as COCO has it, area and all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.estimator import Prediction
from posekit.evaluation.oks import PersonTruth
from posekit.explain.inside import DOUBT, agreement_of
from posekit.similarity import keypoint_similarity
from posekit.skeleton import Skeleton

__all__ = ["RIGHT", "DoubtScore", "Judged", "auroc", "doubt_score", "judged"]

RIGHT = 0.5
"""Similarity from which a keypoint is right: COCO's most lenient threshold."""


@dataclass(frozen=True)
class Judged:
    """One keypoint found, and what a label says of it.

    Attributes:
        similarity: with the nearest label of its kind, 0 to 1.
        contradiction: |H - S| at its peak.
        height: of its peak.
        apart: from its keypoint to the nearest end of its limbs, in cells; None without one.
    """

    similarity: float
    contradiction: float
    height: float
    apart: float | None


@dataclass(frozen=True)
class DoubtScore:
    """How well signs of doubt tell wrong keypoints from right ones.

    Areas under the receiver operating characteristic: the chance that of a wrong and a right
    keypoint the wrong one bears the stronger sign, per cent; 50 is a coin. NaN where all are right
    or all wrong.

    Attributes:
        contradiction: by |H - S| at the peak.
        height: by a low peak, which needs no synthesised heatmap.
        apart: by the distance to the nearest limb end; none near is farthest.
        keypoints: how many were judged.
        wrong: per cent of them that are wrong.
        doubtful: per cent of them over the threshold.
        wrong_if_doubtful: per cent of those that are wrong; NaN where there are none.
        wrong_otherwise: per cent of the others.
    """

    contradiction: float
    height: float
    apart: float
    keypoints: int
    wrong: float
    doubtful: float
    wrong_if_doubtful: float
    wrong_otherwise: float

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows; those that do not exist are left out."""
        figures = {
            "doubt AUROC": self.contradiction,
            "doubt AUROC of the peak's height": self.height,
            "doubt AUROC of limb ends": self.apart,
        }
        return {name: round(value, 2) for name, value in figures.items() if math.isfinite(value)}

    @property
    def details(self) -> dict[str, Any]:
        """What else a model card keeps; None for shares of nothing."""
        shares = {
            "wrong": self.wrong,
            "doubtful": self.doubtful,
            "wrong if doubtful": self.wrong_if_doubtful,
            "wrong otherwise": self.wrong_otherwise,
        }
        return {"keypoints": self.keypoints, "doubtful from": DOUBT} | {
            name: round(value, 2) if math.isfinite(value) else None
            for name, value in shares.items()
        }


def judged(
    prediction: Prediction, truth: Sequence[PersonTruth], skeleton: Skeleton
) -> tuple[Judged, ...]:
    """Every keypoint of everybody found, against the labels.

    Args:
        prediction: of a model of the OpenPose line, recorded.
        truth: everybody in the photo, with the model's keypoints. Not judged is a kind of keypoint
            that nobody has labelled, and what is wrong inside the box of somebody to ignore.
        skeleton: the model's.
    """
    found = []
    for person, someone in enumerate(prediction.people):
        for keypoint in np.flatnonzero(someone.found).tolist():
            labelled = [one for one in truth if one.labelled[keypoint] and not one.ignore]
            agreement = agreement_of(prediction, person, keypoint) if labelled else None
            if agreement is None:
                continue
            point, sigma = someone.keypoints[keypoint], skeleton.sigmas[keypoint]
            places = np.array([one.keypoints[keypoint] for one in labelled])  # (labels, 2)
            areas = np.array([max(one.area, 1e-9) for one in labelled])
            squared = ((places - point) ** 2).sum(axis=-1)
            similarity = float(keypoint_similarity(squared, areas, sigma).max())
            ignored = any(one.ignore and bool(one.box.contains(point)) for one in truth)
            if ignored and similarity < RIGHT:
                continue
            apart = None if agreement.apart is None else agreement.apart / agreement.cell
            found.append(Judged(similarity, agreement.contradiction, agreement.score, apart))
    return tuple(found)


def doubt_score(keypoints: Iterable[Judged]) -> DoubtScore:
    """Measure the signs on keypoints of any number of photos."""
    known = list(keypoints)
    wrong = np.array([one.similarity < RIGHT for one in known], bool)
    apart = [math.inf if one.apart is None else one.apart for one in known]
    doubtful = np.array([one.contradiction > DOUBT for one in known], bool)

    def share(of: npt.NDArray[np.bool_]) -> float:
        return 100 * float(of.mean()) if of.size else math.nan

    return DoubtScore(
        contradiction=100 * auroc([one.contradiction for one in known], wrong),
        height=100 * auroc([-one.height for one in known], wrong),
        apart=100 * auroc(apart, wrong),
        keypoints=len(known),
        wrong=share(wrong),
        doubtful=share(doubtful),
        wrong_if_doubtful=share(wrong[doubtful]),
        wrong_otherwise=share(wrong[~doubtful]),
    )


def auroc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Area under the receiver operating characteristic, ties counted half (Mann-Whitney U).

    Args:
        scores: (n,), larger speaks for ``positive``; may be infinite.
        positive: (n,) bool.

    Returns:
        0 to 1; NaN unless there are both kinds.
    """
    from scipy.stats import rankdata  # slow to import

    values, yes = np.asarray(scores, np.float64), np.asarray(positive, bool)
    count = int(yes.sum())
    if not 0 < count < len(yes):
        return math.nan
    above = float(rankdata(values)[yes].sum()) - count * (count + 1) / 2
    return above / (count * (len(yes) - count))
