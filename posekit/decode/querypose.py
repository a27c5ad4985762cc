"""From QueryPose's set of queries to people in a photo.

Its rule is the published code's: a query's score is its class score times the mean score of its
keypoints; nothing is suppressed, because queries that look at one another have settled who claims
whom; boxes are cut to the photo, keypoints are not (specification, section 10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.decode.querypose_output import QueryPoseOutput
from posekit.geometry import Box

__all__ = ["FoundPose", "decode_people"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoundPose:
    """A person found by a query.

    Attributes:
        query: which query.
        score: class score times mean keypoint score, in 0..1.
        box: in photo pixels, cut to the photo.
        keypoints: (K, 2) in photo pixels, pixel centres at the integers.
        keypoint_scores: (K,) in 0..1.
    """

    query: int
    score: float
    box: Box
    keypoints: Floats
    keypoint_scores: Floats


def decode_people(
    output: QueryPoseOutput,
    item: int,
    photo_size: tuple[int, int],
    *,
    threshold: float = 0.0,
    min_side: float = 0.0,
    limit: int | None = None,
) -> tuple[FoundPose, ...]:
    """The people of one image of a batch, best score first.

    Args:
        output: of the network; queries whose pose was not read are passed over.
        item: which image.
        photo_size: (height, width) of the photo that was resized to that image.
        threshold: least score; the published evaluation keeps every query.
        min_side: a box that keeps no more than this many pixels of a side within the photo is
            nobody's.
        limit: people at most.
    """
    last = output.last
    rows, cols = photo_size
    height, width = output.sizes[item].tolist()
    scale = np.array([cols / width, rows / height])
    boxes = last.reference[item].cpu().numpy().astype(np.float64).reshape(-1, 2, 2) * scale
    boxes = np.clip(boxes, 0, [cols, rows])  # what is no number stays so
    # The network counts from a pixel's edge, PoseKit from its centre.
    keypoints = last.keypoints[item].cpu().numpy().astype(np.float64) * scale - 0.5
    keypoint_scores = last.keypoint_scores[item].cpu().numpy().astype(np.float64)
    scores = last.scores[item].cpu().numpy().astype(np.float64)
    with np.errstate(invalid="ignore"):
        kept = last.posed[item].cpu().numpy() & (scores >= threshold)
        kept &= ((boxes[:, 1] - boxes[:, 0]) > max(min_side, 0.0)).all(axis=1)
    kept &= np.isfinite(keypoints).all(axis=(1, 2))
    order = np.argsort(-scores, kind="stable")
    return tuple(
        FoundPose(
            int(query),
            float(scores[query]),
            Box(*boxes[query, 0], *(boxes[query, 1] - boxes[query, 0])),
            keypoints[query],
            keypoint_scores[query],
        )
        for query in order[kept[order]][:limit]
    )
