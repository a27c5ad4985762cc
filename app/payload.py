"""What the server tells the page, as plain JSON: the analysed photo, and the answer to a question.

Coordinates are photo pixels with centres at integers.  Affines are six numbers, row by row.  Maps
travel as float32 in base64 exactly as the trace gave them; the page only colours them.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from app.inside import has_inside
from app.jobs import Job
from app.picture import data_url, floats
from app.reading import reading_words
from posekit.cards import INTERVAL, figure_values, whom_words
from posekit.catalogue import figure_words
from posekit.doubts import doubts_of
from posekit.draw import colour_limit, heat_legend, legend
from posekit.draw.legend import even_words, missed_share
from posekit.estimator import Prediction
from posekit.explain import AttentionMap, Explanation, HeatMap, Query, heat_numbers, numbers
from posekit.explain.evidence import Evidence, evidence_of
from posekit.explain.faithfulness import Faithfulness
from posekit.explain.heads import HeadWorth
from posekit.explain.numbers import MapNumbers
from posekit.found import found_words
from posekit.geometry import Affine
from posekit.layer_words import layer_marks, layer_words
from posekit.opening import first_person, opening
from posekit.trace import Attention
from posekit.unsure import unsure_words
from posekit.zoo import PoseModel

Json = dict[str, Any]

LIVE_CELLS = 16_000_000
"""Largest query x key matrix for which a live preview is sent."""


UNTRAINED = (
    "This model has learnt nothing yet: its weights are random numbers, so any skeleton, map or"
    " number below means nothing. They only show how the page works."
)


def affine(matrix: Affine) -> list[float]:
    """``[a, b, c, d, e, f]`` with x' = a x + b y + c and y' = d x + e y + f."""
    return [float(value) for value in matrix.matrix.ravel()]


def view(prediction: Prediction, *, view_id: str, whole: bool, with_photo: bool = True) -> Json:
    """Everything the page draws after an analysis.

    ``whole``: nobody was boxed, the photo is taken as one person.  ``with_photo``: send its pixels.
    """
    photo, skeleton, model = prediction.photo, prediction.skeleton, prediction.model
    trace = prediction.trace
    spatial = trace.spatial if trace else []
    layers: list[Attention | Evidence] = [*spatial]
    if trace and not spatial:
        layers = [*evidence_of(trace)]
    return {
        "id": view_id,
        "model": model.name,
        "title": model.entry.title,
        "whole": whole,
        "photo": {
            "width": photo.width,
            "height": photo.height,
            "src": data_url(photo) if with_photo else None,
        },
        "skeleton": {
            "name": skeleton.name,
            "keypoints": list(skeleton.keypoints),
            "limbs": [list(limb) for limb in skeleton.limbs],
            "sides": [skeleton.side(index) for index in range(skeleton.size)],
        },
        "people": people(prediction),
        "layers": _marked([layer(one, model) for one in layers]),
        "person": first_person(prediction),
        "finds": model.entry.find is not None,
        "found": _found(prediction) if whole else None,
        "unsure": unsure_words(prediction),
        "columns": bool(spatial),
        "reading": reading_words(prediction),
        "inside": has_inside(prediction),
        "live": bool(spatial) and all(a.q.shape[2] * a.k.shape[2] <= LIVE_CELLS for a in spatial),
        "card": card(model),
        "seconds": {name: round(value, 4) for name, value in prediction.seconds.items()},
    }


def people(prediction: Prediction) -> list[Json]:
    """Everybody as the page draws them.

    Box, keypoints (null where not found), their scores, why one is doubtful (null where none is),
    and the keypoint that a visit begins with.
    """
    skeleton = prediction.skeleton
    return [
        {
            "edges": list(person.box.edges),
            "keypoints": [
                [float(x), float(y)] if there else None
                for (x, y), there in zip(person.keypoints, person.found, strict=True)
            ],
            "scores": [float(score) for score in person.scores],
            "doubts": [doubts.get(k) for k in range(skeleton.size)],
            "opening": opening(person, skeleton),
        }
        for person, doubts in zip(prediction.people, doubts_of(prediction), strict=True)
    ]


def _found(prediction: Prediction) -> str | None:
    """Whom a model that finds people by itself found, in a sentence."""
    if prediction.model.entry.find is None:
        return None
    words = found_words(prediction.people, prediction.skeleton.size)
    return f"{prediction.model.entry.title} found {words}."


def _marked(layers: list[Json]) -> list[Json]:
    """The layers, each with what its button on Compare says."""
    marks = layer_marks([one["title"] for one in layers])
    return [{**one, "mark": mark} for one, mark in zip(layers, marks, strict=True)]


def layer(one: Attention | Evidence, model: PoseModel) -> Json:
    """One layer by name, with its heads, its parts, and the size of the grid its maps lie on."""
    if isinstance(one, Evidence):
        heads, parts, (rows, cols) = 1, [], one.size
    else:
        heads, parts, (rows, cols) = one.heads, list(one.parts), one.key_grid.size  # type: ignore[union-attr]
    words = layer_words(one.name, one.kind, model.entry.levels)
    return {
        "name": one.name,
        "kind": one.kind,
        "title": f"{words[:1].upper()}{words[1:]}",
        "heads": heads,
        "parts": parts,
        "rows": rows,
        "cols": cols,
    }


def answer(explanation: Explanation, heads: list[tuple[AttentionMap, ...]]) -> Json:
    """One question, every layer: plane 0 is the mean of the heads, plane 1 + h is head h."""
    query, prediction = explanation.query, explanation.prediction
    layers = []
    for mean, single in zip(explanation.maps, heads, strict=True):
        # A layer with one head is its own mean; sending it twice would only cost bytes.
        planes = [mean, *single] if len(single) > 1 else [mean]
        layers.append(
            {
                "rows": mean.grid.rows,
                "cols": mean.grid.cols,
                "heads": len(single),
                "part": mean.part,
                "toPhoto": affine(mean.grid_to_photo),
                "weights": floats(np.stack([plane.weights for plane in planes])),
                "numbers": [_numbers(plane, prediction) for plane in planes],
                "legends": [legend(plane, prediction.model) for plane in planes],
            }
        )
    return {
        "query": {
            "person": query.person,
            "keypoint": query.keypoint,
            "point": [float(value) for value in query.point],
            "token": explanation.maps[0].query_token,
            "label": query.label(prediction.skeleton),
        },
        "direction": explanation.direction,
        "layers": layers,
    }


def no_attention(prediction: Prediction, query: Query, direction: str) -> Json:
    """The answer of a model without attention between places: the question, and no layer."""
    return {
        "query": {
            "person": query.person,
            "keypoint": query.keypoint,
            "point": [float(value) for value in query.point],
            "token": None,
            "label": query.label(prediction.skeleton),
        },
        "direction": direction,
        "layers": [],
    }


def heat(found: HeatMap, prediction: Prediction, query: Query) -> Json:
    """A method's map, what it is worth and what belongs under it."""
    measured = None
    if found.mass.any():
        measured = _with_words(heat_numbers(found, prediction, query.point))
    return {
        "rows": found.grid.rows,
        "cols": found.grid.cols,
        "toPhoto": affine(found.grid_to_photo),
        "weights": floats(found.values),
        "signed": found.signed,
        "top": colour_limit(found),
        "delta": found.delta,
        "missed": missed_share(found),
        "seconds": round(found.seconds, 3),
        "legend": heat_legend(found, prediction.model),
        "numbers": measured,
    }


def layers(found: Explanation, title: str) -> Json:
    """A method's maps of several layers, as :func:`answer` sends attention's."""
    sent = answer(found, [()] * len(found.maps))["layers"]
    for one in sent:
        one["legends"] = [f"{title} · {legend}" for legend in one["legends"]]
    return {"layers": sent}


def trust(found: Faithfulness) -> Json:
    """How faithful a map is."""
    return {
        "words": found.words,
        "meaning": found.meaning,
        "verdict": found.verdict,
        "score": found.score,
        "chance": found.chance_score,
        "spot": found.chance.spot_score,
    }


def heads(found: HeadWorth) -> Json:
    """By layer and head, how far each keypoint falls without it; null where it was not found."""
    layers: dict[str, list[list[float | None]]] = {}
    for name, falls in zip(found.layers, found.falls, strict=True):
        layers.setdefault(name, []).append(
            [float(fall) if np.isfinite(fall) else None for fall in falls]
        )
    return {"person": found.person, "layers": layers}


def share(job: Job) -> Json:
    """How far a job is."""
    return {"done": job.done, "total": job.total}


def _numbers(one: AttentionMap, prediction: Prediction) -> Json | None:
    if not one.weights.any():  # votes where nobody voted, say
        return None
    return _with_words(numbers(one, prediction))


def _with_words(measured: MapNumbers) -> Json:
    """A map's numbers, and what is said of one that is nearly even."""
    return {
        **asdict(measured),
        "mass_outside": measured.mass_outside,
        "around_elsewhere": measured.around_elsewhere,
        "even": even_words(measured.entropy_share),
    }


def card(model: PoseModel) -> Json:
    """The model card in the page's words."""
    known = model.card
    paper = known["paper"]
    height, width = known["input_size"]
    theirs = known["figures_from"]
    facts: list[tuple[str, ...]] = [
        ("Paper", f"{paper['title']}, {paper['venue']} {paper['year']}"),
        ("Parameters", f"{known['parameters'] / 1e6:.1f} million"),
        ("Input", f"{width} × {height} px"),
        ("Keypoints", known["skeleton"]),
        *(
            (f"{theirs[:1].upper()}{theirs[1:]}, {data}", _figures(found), _meaning(found))
            for data, found in known["paper_figures"].items()
        ),
        *(
            (
                f"Measured by us, {data}",
                " · ".join(
                    filter(
                        None,
                        [_figures(found, known["intervals"].get(data)), whom_words(known, data)],
                    )
                ),
                _meaning(found),
            )
            for data, found in known["measured"].items()
        ),
        ("Has seen", known["trained_on"]),
        ("Has not seen", known["not_trained_on"]),
        ("Limits", str(known.get("limits") or "")),
    ]
    if not known["measured"]:
        facts.insert(-3, ("Measured by us", "not measured for these weights"))
    return {
        "title": known["title"],
        "trained": known["trained"],
        "line": " · ".join(
            [
                known["skeleton"],
                f"{known['parameters'] / 1e6:.1f} M parameters",
                known["weights"]["note"],
            ]
        ),
        "about": known["status"],
        "untrained": UNTRAINED,
        "facts": [list(fact) for fact in facts if fact[1]],
    }


def _meaning(found: dict[str, Any]) -> str:
    """What the figures of one data set say, each sentence once."""
    return " ".join(dict.fromkeys(filter(None, map(figure_words, found))))


def _figures(found: dict[str, Any], intervals: dict[str, Any] | None = None) -> str:
    values = figure_values(found, intervals)
    said = " · ".join(f"{name} {value}" for name, value in values.items())
    return f"{said} · {INTERVAL}" if intervals else said
