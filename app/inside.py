"""What the page shows of a model's inside besides maps, as plain JSON; photo pixels throughout."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from app.picture import floats
from posekit.cards import read_card
from posekit.errors import TraceError
from posekit.estimator import Prediction
from posekit.explain import Query
from posekit.explain.inside import (
    Field,
    Frame,
    HeatPair,
    Matrix,
    agreement_of,
    fields_of,
    film_of,
    joins_of,
    matrices_of,
    matrix_figure,
    pair_of,
    votes_of,
    weights_of,
    worth_of,
)

Json = dict[str, Any]


def has_inside(prediction: Prediction) -> str | None:
    """What there is beside maps: about each ``"keypoint"``, about a ``"person"`` alone, or None."""
    if prediction.evidence is not None:
        return "keypoint"
    people = range(len(prediction.people))
    if any(film_of(prediction, n) for n in people):
        return "keypoint"
    return "person" if any(matrices_of(prediction, n) for n in people) else None


def inside(prediction: Prediction, query: Query) -> Json:
    """All of it about one person, and about the keypoint asked for."""
    person, keypoint = query.person, query.keypoint
    about = {} if keypoint is None else _about(prediction, person, keypoint)
    return {
        "person": person,
        "keypoint": keypoint,
        "film": [_frame(one) for one in film_of(prediction, person)],
        "matrices": [_matrix(one) for one in matrices_of(prediction, person)],
        **about,
    }


def matrix(prediction: Prediction, person: int, name: str, colour_map: str = "magma") -> Json:
    """One of the matrices as a plotly figure.

    Raises:
        TraceError: there is no such person or matrix.
    """
    found = {one.name: one for one in matrices_of(prediction, person)}
    if name not in found:
        known = ", ".join(found) or "none"
        raise TraceError(f"There is no matrix {name!r} of this person; there is {known}.")
    return {"figure": json.loads(matrix_figure(found[name], colour_map=colour_map).to_json())}


def _about(prediction: Prediction, person: int, keypoint: int) -> Json:
    pair = pair_of(prediction, person, keypoint)
    return {
        "pair": None if pair is None else _pair(pair),
        "agreement": _agreement(prediction, person, keypoint),
        "weights": [
            {"stage": one.stage, **_grid(one.field)}
            for one in weights_of(prediction, person, keypoint)
        ],
        "votes": [asdict(vote) for vote in votes_of(prediction, person, keypoint)],
        "joins": [asdict(row) for row in joins_of(prediction, person, keypoint)],
        "fields": [
            {
                "limb": one.limb,
                "starts": one.starts.round(1).tolist(),
                "arrows": one.arrows.round(3).tolist(),
                "cell": one.cell,
            }
            for one in fields_of(prediction, person, keypoint)
        ],
    }


def _pair(pair: HeatPair) -> Json:
    """Both heatmaps under one scale, and where they contradict each other under its own."""
    top = max(float(pair.predicted.values.max()), float(pair.synthesised.values.max()), 1e-9)
    return {
        "predicted": {**_grid(pair.predicted), "top": top},
        "synthesised": {**_grid(pair.synthesised), "top": top},
        "apart": _grid(pair.apart),
        "mean": _finite(pair.mean),
        "contradiction": _finite(pair.contradiction),
        "cells": pair.cells,
    }


def _agreement(prediction: Prediction, person: int, keypoint: int) -> Json | None:
    """Whether heatmap, offset and limbs agree, and what that is worth by the model's card."""
    found = agreement_of(prediction, person, keypoint)
    if found is None:
        return None
    worth = worth_of(read_card(prediction.model.weights).get("measured", {}))
    # A mark that was not seen to tell anything is not put on a keypoint.
    contradicted = found.contradicted and worth.tells
    return {"words": found.words, "contradicted": contradicted, "worth": worth.words}


def _grid(field: Field) -> Json:
    rows, cols = field.values.shape
    values = field.values.clip(min=0.0)
    return {
        "rows": rows,
        "cols": cols,
        "toPhoto": [float(value) for value in field.to_photo.matrix.ravel()],
        "weights": floats(values.astype(np.float32)),
        "most": float(values.max()),
        "top": float(values.max()) or 1.0,
        "meaning": field.meaning,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _frame(frame: Frame) -> Json:
    points, sigmas = frame.keypoints, frame.sigmas
    return {
        "stage": frame.stage,
        "box": frame.box,
        "score": frame.score,
        "keypoints": None if points is None else points.round(1).tolist(),
        "sigmas": None if sigmas is None else sigmas.round(1).tolist(),
    }


def _matrix(one: Matrix) -> Json:
    return {
        "name": one.name,
        "kind": one.kind,
        "title": one.title,
        "rows": list(one.rows),
        "cols": list(one.cols),
        "values": floats(one.values.astype(np.float32)),
        "mine": one.mine,
        "boxes": None if one.boxes is None else one.boxes.round(1).tolist(),
        "meaning": one.meaning,
    }
