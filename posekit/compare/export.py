"""A comparison as plain values, and as raw maps: JSON and NPZ that say what they hold.

Neither holds the photo, its name, or any folder; weights of one's own are named by their file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit import __version__
from posekit.compare.grid import token_affine
from posekit.compare.words import even_of
from posekit.explain.faithfulness.grids import values
from posekit.files import FileTarget, write_json, write_npz
from posekit.report.values import keypoint_values
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from posekit.compare.comparison import Comparison
    from posekit.compare.panel import Panel

__all__ = ["describe", "save_json", "save_npz"]


def describe(comparison: Comparison) -> dict[str, Any]:
    """Everything but the maps themselves, in plain values; coordinates in photo pixels."""
    grid, box = comparison.grid, comparison.box
    return {
        "software": f"PoseKit {__version__}",
        "asked": comparison.label,
        "keypoint": comparison.keypoint,
        "person": comparison.person,
        "method": comparison.method,
        "direction": comparison.direction,
        "layer": comparison.layer,
        "head": comparison.head,
        "photo_size": list(comparison.photo.size),
        "box": [box.x, box.y, box.width, box.height],
        "scale": {
            "unit": "share of the map's mass per 1 % of the box",
            "limit": comparison.scale.limit,
            "even": comparison.scale.even,
        },
        "grid": {
            "size": list(grid.size),
            "to_photo": grid.to_photo.matrix.tolist(),
            "density_of_whole_mass": grid.factor,
        },
        "panels": [_panel(panel, comparison.person) for panel in comparison.panels],
        "overlaps": [
            {"panels": [a, b], **asdict(comparison.overlap(a, b))}
            for a, b in combinations(comparison.shown, 2)
        ],
        "disagreement": [asdict(one) for one in comparison.disagreement],
    }


def save_json(comparison: Comparison, target: FileTarget) -> None:
    """Write :func:`describe` as JSON (UTF-8)."""
    write_json(describe(comparison), target)


def save_npz(comparison: Comparison, target: FileTarget) -> None:
    """Write the maps of all panels, raw and on the common grid.

    Arrays (N panels; a panel without a map has none of its own, and NaN in ``density``):

    * ``density`` (N, rows, cols) float64 and ``grid_to_photo`` (2, 3), the common grid;
    * ``values.<n>`` (r, c) float32, as the method gave them, ``values_to_photo.<n>`` (2, 3), and
      ``density_factor.<n>``: what turns a share of the mass into density;
    * ``points`` (N, 2), where each was asked; ``keypoints.<n>`` (K, 2) and ``scores.<n>`` (K,) with
      ``keypoint_names.<n>``, the poses;
    * ``box`` (x, y, width, height), ``photo_size`` (height, width);
    * ``metadata``: JSON text, see :func:`describe`.

    ``numpy.load(path)`` reads it back; nothing in it is pickled.
    """
    box, grid = comparison.box, comparison.grid
    density = np.full((len(comparison.panels), *grid.size), np.nan)
    points = np.full((len(comparison.panels), 2), np.nan)
    arrays: dict[str, Any] = {
        "density": density,
        "grid_to_photo": grid.to_photo.matrix,
        "points": points,
        "box": np.array([box.x, box.y, box.width, box.height]),
        "photo_size": np.array(comparison.photo.size, dtype=np.int64),
        "metadata": np.array(json.dumps(describe(comparison), allow_nan=False)),
    }
    for n, panel in enumerate(comparison.panels):
        person = panel.prediction.people[comparison.person]
        names = panel.prediction.skeleton.keypoints
        arrays[f"keypoint_names.{n}"] = np.array(names, dtype=np.str_)
        arrays[f"keypoints.{n}"] = np.asarray(person.keypoints, dtype=np.float64)
        arrays[f"scores.{n}"] = np.asarray(person.scores, dtype=np.float64)
        if panel.point is not None:
            points[n] = panel.point
        if panel.map is not None:
            arrays[f"values.{n}"] = values(panel.map).astype(np.float32)
            arrays[f"values_to_photo.{n}"] = token_affine(panel.map).matrix
            arrays[f"density_factor.{n}"] = np.float64(panel.density_factor)
        if panel.mass is not None:
            density[n] = comparison.density(n)
    write_npz(arrays, target)


def _panel(panel: Panel, person: int) -> dict[str, Any]:
    prediction, model = panel.prediction, panel.prediction.model
    return {
        **model.origin,
        "title": panel.title,
        "point": None if panel.point is None else list(panel.point),
        "legend": panel.legend,
        "remarks": list(panel.remarks),
        "unsure": unsure_words(prediction, first=0),
        "grid": None if panel.map is None else list(panel.map.grid.size),
        "figures": asdict(panel.figures) | {"nearly_even": even_of(panel.figures) or None},
        "pose": keypoint_values(prediction, key="keypoint")[person],
    }
