"""A study as plain values, and as raw maps: JSON and NPZ that say what they hold.

Neither holds the photo, its name, or the name of any file; a cut-out is a mask without its pixels.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit import __version__
from posekit.files import FileTarget, write_json, write_npz
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from posekit.occlusion.result import Study
    from posekit.occlusion.side import Side

__all__ = ["describe", "save_json", "save_npz"]


def describe(study: Study) -> dict[str, Any]:
    """Everything but the maps themselves, in plain values; coordinates in photo pixels."""
    model = study.before.prediction.model
    return {
        "software": f"PoseKit {__version__}",
        **model.origin,
        "asked": study.label,
        "keypoint": study.keypoint,
        "person": study.before.person,
        "layer": study.layer,
        "photo_size": list(study.photo.size),
        "occluder": None if study.occluder is None else study.occluder.to_dict(),
        "covered_pixels": int(study.cover.sum()),
        "masks": None if study.masks is None else study.masks.words,
        "sentences": list(study.sentences),
        "changes": [asdict(row) | {"difference": row.difference} for row in study.changes],
        "keypoints": [asdict(row) for row in study.keypoint_changes],
        "before": _side(study.before),
        "after": _side(study.after),
    }


def save_json(study: Study, target: FileTarget) -> None:
    """Write :func:`describe` as JSON (UTF-8)."""
    write_json(describe(study), target)


def save_npz(study: Study, target: FileTarget) -> None:
    """Write the maps of all layers, the poses and the cover.

    Arrays (``<side>`` is before, after, or there: after, asked at the place before):

    * ``cover`` (H, W) bool; ``keypoint_names`` (K,);
    * ``keypoints.<side>`` (K, 2) photo pixels, NaN where not found, ``scores.<side>`` (K,);
    * ``row.<side>.<layer>`` (rows, cols) float32, sum 1, and ``to_photo.<side>.<layer>`` (2, 3);
    * ``metadata``: JSON text, see :func:`describe`.

    ``numpy.load(path)`` reads it back; nothing in it is pickled.
    """
    arrays: dict[str, Any] = {
        "cover": study.cover,
        "keypoint_names": np.array(study.before.prediction.skeleton.keypoints, dtype=np.str_),
        "metadata": np.array(json.dumps(describe(study), allow_nan=False)),
    }
    sides = {"before": study.before, "after": study.after, "there": study.after_there}
    for name, side in sides.items():
        if side is None:
            continue
        arrays[f"keypoints.{name}"] = np.asarray(side.keypoints, dtype=np.float64)
        arrays[f"scores.{name}"] = np.asarray(side.scores, dtype=np.float64)
        for one in side.maps:
            arrays[f"row.{name}.{one.layer}"] = one.weights
            arrays[f"to_photo.{name}.{one.layer}"] = one.grid_to_photo.matrix
    write_npz(arrays, target)


def _side(side: Side) -> dict[str, Any]:
    return {
        "people": len(side.prediction.people),
        "person": side.person,
        "point": None if side.query is None else list(side.query.point),
        "purity": {layer: asdict(one) for layer, one in side.purity.items()},
        "on_occluder": dict(side.on_occluder),
        "unsure": unsure_words(side.prediction, first=0),
        "note": side.note,
    }
