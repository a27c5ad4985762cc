"""What the page shows of a model's inside besides maps, as plain JSON; photo pixels throughout."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from app.picture import floats
from posekit.estimator import Prediction
from posekit.explain import Query
from posekit.explain.inside import (
    Frame,
    Matrix,
    fields_of,
    film_of,
    joins_of,
    matrices_of,
    votes_of,
)

Json = dict[str, Any]


def has_inside(prediction: Prediction) -> bool:
    """Whether there is anything to show beside maps."""
    found = prediction.people and (film_of(prediction) or matrices_of(prediction))
    return bool(found) or prediction.evidence is not None


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


def _about(prediction: Prediction, person: int, keypoint: int) -> Json:
    return {
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


def _frame(frame: Frame) -> Json:
    points, sigmas = frame.keypoints, frame.sigmas
    return {
        "stage": frame.stage,
        "box": frame.box,
        "score": frame.score,
        "keypoints": None if points is None else points.round(1).tolist(),
        "sigmas": None if sigmas is None else sigmas.round(1).tolist(),
    }


def _matrix(matrix: Matrix) -> Json:
    return {
        "name": matrix.name,
        "kind": matrix.kind,
        "rows": list(matrix.rows),
        "cols": list(matrix.cols),
        "values": floats(matrix.values.astype(np.float32)),
        "mine": matrix.mine,
        "boxes": None if matrix.boxes is None else matrix.boxes.round(1).tolist(),
        "meaning": matrix.meaning,
    }
