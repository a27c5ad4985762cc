"""Instance masks against the true ones: intersection over union, and COCO's mask AP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posekit.data.mask import InstanceMask
from posekit.errors import DataError
from posekit.evaluation.average_precision import Record, average_precision

__all__ = ["MaskScore", "mask_iou", "mask_score"]

MOST_MASKS = 100
"""Masks a photograph that are looked at, best first: COCO's rule."""


@dataclass(frozen=True)
class MaskScore:
    """COCO's mask figures, and how well the best mask covers each person.

    Attributes:
        AP: average precision over IoU thresholds 0.50 to 0.95, per cent.
        AP50: at 0.50.
        AP75: at 0.75.
        AR: average recall over the same thresholds, per cent.
        mean_iou: mean over people of the best IoU that any mask found has with theirs, per cent.
        people: how many had to be found.
    """

    AP: float
    AP50: float
    AP75: float
    AR: float
    mean_iou: float
    people: int

    @property
    def figures(self) -> dict[str, float]:
        """The figures that a model card shows."""
        return {"mask AP": self.AP, "mask AP50": self.AP50, "mean IoU": self.mean_iou}

    @property
    def details(self) -> dict[str, float]:
        """What else a model card keeps."""
        return {"people": self.people, "AP75": self.AP75, "AR": self.AR}


def mask_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """IoU of every mask with every other.

    Args:
        first: (A, H, W), truthy inside.
        second: (B, H, W).

    Returns:
        (A, B) in 0 .. 1; 0 where both masks are empty.

    Raises:
        DataError: the masks are of different photographs.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.ndim != 3 or b.ndim != 3 or a.shape[1:] != b.shape[1:]:
        raise DataError(f"Masks of shapes {a.shape} and {b.shape} cannot be compared.")
    pixels = a.shape[1] * a.shape[2]
    flat_a, flat_b = a.reshape(len(a), pixels), b.reshape(len(b), pixels)
    # float32 counts pixels exactly up to 2^24, 16 million; beyond that float64 does.
    kind = "float32" if pixels < 2**24 else "float64"
    both = np.matmul(flat_a.astype(kind), flat_b.astype(kind).T).astype(np.float64)
    either = flat_a.sum(1)[:, None] + flat_b.sum(1)[None] - both
    return np.asarray(np.divide(both, either, out=np.zeros_like(both), where=either > 0))


def mask_score(
    truth: Sequence[npt.ArrayLike],
    found: Sequence[npt.ArrayLike],
    scores: Sequence[Sequence[float]],
    crowd: Sequence[Sequence[bool]] | None = None,
) -> MaskScore:
    """Mask AP of the people found in each photograph.

    Args:
        truth: for each photograph (G, H, W) true masks.
        found: for each photograph (P, H, W) masks found.
        scores: for each photograph (P,) numbers to rank them by.
        crowd: for each photograph (G,) which true masks are regions of many people; None is none.

    Raises:
        DataError: masks, scores and photographs do not pair up, or there is nobody to find.
        PackageError: pycocotools is not installed.
    """
    true = [np.asarray(masks, dtype=bool) for masks in truth]
    ours = [np.asarray(masks, dtype=bool) for masks in found]
    crowds = [[False] * len(m) for m in true] if crowd is None else [list(c) for c in crowd]
    if not len(true) == len(ours) == len(scores) == len(crowds) or any(
        len(a) != len(b)
        for a, b in [*zip(ours, scores, strict=False), *zip(true, crowds, strict=False)]
    ):
        raise DataError("Every photograph needs true masks, masks found, and a score for each.")
    truth_records: list[list[Record]] = [
        [_record(mask) | {"iscrowd": int(c)} for mask, c in zip(masks, flags, strict=True)]
        for masks, flags in zip(true, crowds, strict=True)
    ]
    found_records: list[list[Record]] = [
        [
            _record(mask) | {"iscrowd": 0, "score": float(score)}
            for mask, score in zip(masks, ranks, strict=True)
        ]
        for masks, ranks in zip(ours, scores, strict=True)
    ]
    result = average_precision(truth_records, found_records, "segm", MOST_MASKS)
    best = [
        float(iou.max()) if iou.size else 0.0
        for a, b, flags in zip(true, ours, crowds, strict=True)
        for iou, many in zip(_iou_or_none(a, b), flags, strict=True)
        if not many
    ]
    return MaskScore(
        result.ap,
        result.ap50,
        result.ap75,
        result.ar,
        mean_iou=round(100 * float(np.mean(best)), 2),
        people=len(best),
    )


def _iou_or_none(
    true: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """(G, P), also where nothing was found in a form that has no height and width."""
    return mask_iou(true, found) if len(found) and len(true) else np.zeros((len(true), 0))


def _record(mask: npt.NDArray[np.bool_]) -> Record:
    return {"segmentation": InstanceMask.of_array(mask).runs, "area": float(mask.sum())}
