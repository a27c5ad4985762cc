"""What the server tells the Occlusion page: a study's two sides, its table, a sweep, as JSON."""

from __future__ import annotations

import json

import numpy as np

from app import payload
from app.payload import Json
from app.picture import data_url, encoded, floats
from posekit.draw.legend import amount, mass_word, shares
from posekit.estimator import Prediction
from posekit.explain import AttentionMap
from posekit.masks import MOST_MASKS
from posekit.occlusion import PersonMasks, SavedCase, Side, Study, Sweep, painted
from posekit.occlusion.changes import PURITY_ROWS
from posekit.occlusion.outline import outline_path
from posekit.occlusion.words import (
    HEADS,
    KEYPOINT_HEADS,
    change_cells,
    keypoint_cells,
    moved_words,
    place_words,
)
from posekit.photo import Photo, read_photo
from posekit.run_lengths import encoded as runs

NO_MASK = "no mask known"


def answer(found: Study) -> Json:
    """A study as the page draws it."""
    prediction = found.before.prediction
    return {
        "title": found.title,
        "label": found.label,
        "keypoint": found.keypoint,
        "layer": found.layer,
        "layerWords": found.layer_words(found.layer),
        "mass": found.mass,
        "trained": prediction.model.trained,
        "occluder": None if found.occluder is None else found.occluder.to_dict(),
        "where": None if found.occluder is None else found.where,
        "filled": None if found.occluder is None else found.occluder.filled,
        "outline": outline_path(found.cover),
        "before": side(found.before),
        "after": side(found.after),
        "layers": [layer(found, name) for name in found.layers],
        "supervised": any(
            one.kind == "supervised" for one in (*found.before.maps, *found.after.maps)
        ),
        "masks": None if found.masks is None else found.masks.words,
        "own": found.own,
        "moved": _moved(found),
        "movedWords": moved_words(found),
        "placeWords": place_words(found),
        "heads": HEADS,
        "changes": changes(found),
        "keypointHeads": KEYPOINT_HEADS,
        "keypoints": [keypoint_cells(row) for row in found.keypoint_changes],
        "sentences": list(found.sentences),
        "modelMasks": model_masks(found),
    }


def opening_of(reply: Json) -> int:
    """The keypoint of whom a photo opens with; 0 where there is nobody."""
    people, person = reply["people"], int(reply["person"])
    return int(people[person]["opening"]) if people else 0


def side(one: Side) -> Json:
    """Everybody found, and where the question stands."""
    return {
        "people": payload.people(one.prediction),
        "person": one.person,
        "point": None if one.query is None else [float(value) for value in one.query.point],
        "confidence": one.confidence,
        "note": one.note,
    }


def layer(found: Study, name: str) -> Json:
    """One layer's maps of both sides under one colour scale, and on whom they lie."""
    sides = found.before, found.after
    maps = [one.map(name) for one in sides]
    scale = found.scale(name)
    before, after = (
        None if one is None else _map(one, scale.top(one), which.prediction)
        for one, which in zip(maps, sides, strict=True)
    )
    return {
        "name": name,
        "before": before,
        "after": after,
        "shares": [_shares(one, name) for one in sides],
    }


def _map(one: AttentionMap, top: float, prediction: Prediction) -> Json:
    return {
        "rows": one.grid.rows,
        "cols": one.grid.cols,
        "toPhoto": payload.affine(one.grid_to_photo),
        "weights": floats(one.weights),
        "token": one.query_token,
        "top": top,
        "limit": f"{amount(top, one)}{' of the ' + mass_word(one) if shares(one) else ''}",
        "model": prediction.model.entry.title,
    }


def _shares(one: Side, name: str) -> Json:
    purity = one.purity.get(name)
    return {
        "own": None if purity is None else purity.own,
        "others": None if purity is None else purity.others,
        "background": None if purity is None else purity.background,
        # What lies in front is the last of those parts; what a knockout blocks is none.
        "occluder": one.on_occluder.get(name),
    }


def changes(found: Study) -> list[Json]:
    """The table's rows; ``layer`` names the layer a row is about.

    Where no mask says whose pixel is whose, the rows about that are there all the same and say so.
    """
    rows = []
    for row in found.changes:
        about = next((name for name in found.layers if row.key.endswith(f".{name}")), None)
        rows.append({"key": row.key, "layer": about, "cells": change_cells(row)})
        rows[-1]["meaning"] = row.meaning
    if found.own is not None or found.layer is None:
        return rows
    missing = [
        {
            "key": f"{key}.{found.layer}",
            "layer": found.layer,
            "cells": [
                f"{found.mass} {name}, {found.layer_words(found.layer)}", NO_MASK, NO_MASK, "–"
            ],
            "meaning": "nothing says which pixels are this person's",
        }
        for key, part, name, _ in PURITY_ROWS
        if part != "in_front"
    ]  # fmt: skip
    at = next((n for n, row in enumerate(rows) if row["layer"] is not None), len(rows))
    return [*rows[:at], *missing, *rows[at:]]


def _moved(found: Study) -> float | None:
    if found.keypoint is None:
        return None
    value = float(found.displacement[found.keypoint])
    return value if np.isfinite(value) else None


def masks(found: PersonMasks | None) -> Json | None:
    """Everybody's masks as run lengths, and where they come from."""
    if found is None:
        return None
    return {"words": found.words, "source": found.source, "list": found.to_dict()["masks"]}


def model_masks(found: Study) -> Json | None:
    """What a model that segments people makes of both photos, everybody in the order before."""
    held = found.model_masks
    if held is None:
        return None
    before, after = (
        [None if mask is None else runs(mask) for mask in masks[:MOST_MASKS]] for masks in held
    )
    return {"before": before, "after": after}


def mean_colour(photo: Photo) -> list[int]:
    """The photo's mean colour, as occluders of that colour have it."""
    return [int(value) for value in painted.mean_colour(photo)]


def sweep(found: Sweep) -> Json:
    """A sweep's numbers, row by row, and for a grid the map of the drop."""
    heat: Json | None = None
    if found.shape is not None and found.to_photo is not None:
        heat = {
            "rows": found.shape[0],
            "cols": found.shape[1],
            "toPhoto": payload.affine(found.to_photo),
            "weights": floats(found.heat.values),
            "signed": True,
            "top": float(found.heat.limit),
        }
    return {
        "kind": found.kind,
        "title": found.title,
        "filled": found.filled,
        "placeWords": found.place_words,
        "label": found.label,
        "keypoint": found.keypoint,
        "layer": found.layer,
        "shareWords": found.share_words,
        "masks": found.masks,
        "before": found.before.confidence,
        "seconds": round(found.seconds, 2),
        "rows": found.rows,
        "heat": heat,
        "figure": json.loads(found.curves().to_json()),
    }


def saved(case: SavedCase, title: str) -> Json:
    """One case of the library's list; ``title`` is its model's."""
    return {
        "id": case.id,
        "created": case.created.isoformat(timespec="minutes"),
        "title": case.title,
        "note": case.note,
        "model": title,
        "keypoint": case.keypoint,
        "thumb": data_url(read_photo(case.after), quality=82) if case.after.is_file() else None,
    }


def file(name: str, kind: str, content: bytes) -> Json:
    """A file for the visitor's browser to keep."""
    return {"name": name, "type": kind, "bytes": encoded(content)}
