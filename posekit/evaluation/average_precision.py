"""COCOeval without files and without printing: average precision and recall of found people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from posekit.data.cocotools import cocotools, quiet
from posekit.errors import DataError
from posekit.evaluation.ranking import Ranking

__all__ = ["AveragePrecision", "average_precision"]

Record = dict[str, Any]
_CATEGORY = 1
_LONGEST = 1e5  # of a side in pixels: COCO's own bound for "all areas"


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """COCO's summary in per cent: over thresholds 0.50 to 0.95, at 0.50, at 0.75, and recall.

    Attributes:
        ap: over the ten thresholds.
        ap50: at 0.50.
        ap75: at 0.75.
        ar: recall, over the ten thresholds.
        ranking: who was found, at each of the ten thresholds.
        best: (A,) similarity, 0 to 1, of whoever found is most like each true one, 0 where nobody
            was found; photograph after photograph, in the order given.
        recall: (A,) share of the ten thresholds at which each true one was matched; ``ar`` is the
            mean of those that count.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    ranking: Ranking
    best: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]


def average_precision(
    truth: Sequence[Sequence[Record]],
    found: Sequence[Sequence[Record]],
    kind: Literal["keypoints", "segm"],
    most: int,
    sigmas: Sequence[float] | None = None,
) -> AveragePrecision:
    """Match the people found in each photograph with its true people.

    Args:
        truth: for each photograph COCO annotations without ids.
        found: for each photograph the same with ``score``.
        kind: what similarity is measured on.
        most: how many found people a photograph, best first, are looked at.
        sigmas: OKS constants of the keypoints.

    Raises:
        DataError: the photographs do not pair up, or nobody is there to be found.
        PackageError: pycocotools is not installed.
    """
    if len(truth) != len(found):
        raise DataError(f"{len(found)} photographs were analysed, but {len(truth)} are labelled.")
    cocoeval = cocotools("cocoeval")
    with quiet():
        # A photograph where nobody is found or to be found still counts.
        run = cocoeval.COCOeval(_index(truth), _index(found), kind)
        run.params.areaRng, run.params.areaRngLbl = [[0, _LONGEST**2]], ["all"]
        run.params.maxDets = [most]
        if sigmas is not None:
            run.params.kpt_oks_sigmas = np.asarray(sigmas, dtype=np.float64)
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"][..., 0, 0, 0], run.eval["recall"][..., 0, 0, 0]
    if (precision < 0).all():
        what = "a keypoint" if kind == "keypoints" else "a mask"
        raise DataError(f"Nobody in these photographs has {what} labelled, so none can be found.")
    return AveragePrecision(
        ap=_per_cent(precision),
        ap50=_per_cent(precision[0]),
        ap75=_per_cent(precision[5]),
        ar=_per_cent(recall),
        ranking=_ranking(run),
        best=_best(run, [len(photo) for photo in truth]),
        recall=_recall(run, sum(len(photo) for photo in truth)),
    )


def _ranking(run: Any) -> Ranking:
    """COCOeval's matches, photograph by photograph, put in the order of their scores."""
    seen = [(n, image) for n, image in enumerate(run.evalImgs) if image is not None]
    people = np.zeros(len(run.evalImgs), np.int64)
    for n, image in seen:
        people[n] = np.count_nonzero(image["gtIgnore"] == 0)
    scores = np.concatenate([np.array(image["dtScores"], np.float64) for _, image in seen])
    photo = np.concatenate([np.full(len(image["dtScores"]), n) for n, image in seen])
    matched = np.concatenate([image["dtMatches"] > 0 for _, image in seen], axis=1)
    counts = ~np.concatenate([image["dtIgnore"].astype(bool) for _, image in seen], axis=1)
    order = np.argsort(-scores, kind="stable")
    right, wrong = matched & counts, ~matched & counts
    return Ranking(photo[order].astype(np.int64), right[:, order], wrong[:, order], people)


def _best(run: Any, sizes: Sequence[int]) -> npt.NDArray[np.float64]:
    """The largest similarity of each true one, given how many each photograph has."""
    best = np.zeros(sum(sizes))
    starts = np.cumsum([0, *sizes])
    for n, size in enumerate(sizes):
        similarity = run.ious[n + 1, _CATEGORY]  # (found, true), empty where either is nobody
        if len(similarity):
            best[starts[n] : starts[n] + size] = np.asarray(similarity).max(0)
    return best


def _recall(run: Any, people: int) -> npt.NDArray[np.float64]:
    """The share of thresholds at which each of so many true ones was matched."""
    recall = np.zeros(people)
    for image in run.evalImgs:
        if image is not None and len(image["gtIds"]):
            # COCOeval sorts them by whether they count; their ids, from 1, are their places.
            recall[np.array(image["gtIds"]) - 1] = (image["gtMatches"] > 0).mean(0)
    return recall


def _index(photos: Sequence[Sequence[Record]]) -> Any:
    """A pycocotools COCO object; ids count from 1, because a match with id 0 reads as none."""
    index = cocotools("coco").COCO()
    annotations: list[Record] = []
    for number, people in enumerate(photos, start=1):
        for person in people:
            annotations.append(
                person | {"id": len(annotations) + 1, "image_id": number, "category_id": _CATEGORY}
            )
    index.dataset = {
        # The size is looked up, though only polygons would need it.
        "images": [{"id": n, "height": 0, "width": 0} for n in range(1, len(photos) + 1)],
        "categories": [{"id": _CATEGORY}],
        "annotations": annotations,
    }
    index.createIndex()
    return index


def _per_cent(values: Any) -> float:
    return round(100 * float(np.mean(values)), 2)
