"""What the server tells the Compare page: several models' answers to one question, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from app import payload
from app.payload import Json
from app.picture import floats
from posekit.compare import Comparison, Disagreement, Panel
from posekit.compare.disagreement import models_with
from posekit.compare.panel import titles
from posekit.compare.words import asked_where, missed_words
from posekit.estimator import Prediction


def answer(found: Comparison, sent: Json) -> Json:
    """A comparison as the page draws it."""
    point = next(found.panels[n].point for n in found.shown)
    return {
        "query": {
            "person": found.person,
            "keypoint": found.keypoint,
            "label": found.label,
            "title": found.title,
            "where": asked_where(found, own=sent.get("anchor") != "point"),
            "way": found.way,
            "point": _point(point),
        },
        "direction": found.direction,
        "method": found.method,
        "scale": {
            "ticks": [[at, text] for at, text in found.scale.ticks],
            "unit": found.scale.unit,
            "words": found.scale.words,
        },
        "trusted": trusted(found),
        "panels": [panel(one, found) for one in found.panels],
        "pair": pair(found, sent.get("pair") or (0, 1)),
    }


def panel(one: Panel, found: Comparison) -> Json:
    """One model's answer: its map as shares of its mass, and its column of the table."""
    mass = one.mass
    return {
        "title": one.title,
        "trained": one.trained,
        "note": one.note,
        "legend": one.legend,
        "point": _point(one.point),
        "keypoint": one.keypoint,
        "figures": asdict(one.figures),
        "map": None
        if mass is None
        else {
            "rows": mass.grid.rows,
            "cols": mass.grid.cols,
            "toPhoto": payload.affine(mass.grid_to_photo),
            "weights": floats(mass.weights),
            "token": mass.query_token,
            # The share of the mass in one cell that has the strongest colour of the common scale.
            "top": found.scale.limit / one.density_factor if one.density_factor else 0.0,
        },
    }


def pair(found: Comparison, wanted: Sequence[Any]) -> Json | None:
    """The difference of two panels' maps on the common grid; None where one has no map."""
    first, second = (int(index) for index in wanted)
    if not {first, second} <= set(found.shown):
        return None
    values, overlap = found.difference(first, second), found.overlap(first, second)
    return {
        "panels": [first, second],
        "rows": found.grid.rows,
        "cols": found.grid.cols,
        "toPhoto": payload.affine(found.grid.to_photo),
        "values": floats(values),
        "limit": float(np.abs(values).max()),
        "unit": found.scale.unit,
        "overlap": overlap.intersection,
        "correlation": overlap.rank_correlation,
    }


def keypoint(one: Disagreement, predictions: Sequence[Prediction]) -> Json:
    """How far apart the models are about one keypoint.

    ``px`` and ``share`` are null where all panels that have it are one model: it puts the keypoint
    in one place whatever layer it shows, so only the maps can differ. ``missed`` says who does not
    find it, where only some do.
    """
    alone = models_with(one, predictions) < 2
    return {
        "keypoint": one.keypoint,
        "side": _side(predictions, one.keypoint),
        "missed": missed_words(one, titles(predictions)),
        "px": None if alone else one.distance_px,
        "share": None if alone else one.distance,
        "maps": one.maps,
        "interest": one.interest,
        "farthest": list(one.farthest),
    }


def trusted(found: Comparison) -> bool:
    """Whether faithfulness was measured for it."""
    return any(row.deletion is not None or row.insertion is not None for row in found.table)


def _point(point: tuple[float, float] | None) -> list[float] | None:
    return None if point is None else [float(value) for value in point]


def _side(predictions: Sequence[Prediction], keypoint: str) -> str:
    """Left, right or middle of the person, for the list's dots."""
    for one in predictions:
        if keypoint in one.skeleton.keypoints:
            return str(one.skeleton.side(one.skeleton.index(keypoint)))
    return "middle"
