"""What the HTTP API answers, as plain JSON.  Coordinates are pixels of the photo as it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app import payload
from app.payload import Json
from posekit.catalogue import catalogue
from posekit.draw import describe, heat_legend, legend
from posekit.estimator import Prediction
from posekit.explain import AttentionMap, Explanation, HeatMap, Query, heat_numbers, numbers
from posekit.explain.evidence import Evidence, evidence_of
from posekit.explain.faithfulness import Faithfulness
from posekit.report.values import keypoint_values, number_values
from posekit.trace import Attention
from posekit.zoo import entry

CARD = (
    "name", "title", "system", "view", "paper", "skeleton", "keypoints", "input_size", "parameters",
    "trained", "status", "trained_on", "not_trained_on", "limits", "measured", "intervals",
    "paper_figures", "figures_from", "system_words",
)  # fmt: skip
"""What of a model card is told; the rest speaks of files and of how training went."""


def models(names: list[str]) -> list[Json]:
    """The cards of the models of these names, in this order."""
    cards = {card["name"]: card for group in catalogue(names) for card in group["models"]}
    return [
        {
            **{key: cards[name][key] for key in CARD if key in cards[name]},
            "weights": cards[name]["state"]["words"],
            "levels": dict(entry(name).levels),
        }
        for name in names
    ]


def people(prediction: Prediction, notes: list[str], finder: str | None) -> Json:
    """Everybody in a photo: boxes, and keypoints by name, null where one was not found.

    Args:
        prediction: whose people.
        notes: what the caller should know.
        finder: the name of the model that found the people, if another one did.
    """
    model = prediction.model
    return {
        "model": model.name,
        "title": model.entry.title,
        "trained": model.trained,
        "status": model.card["status"],
        "photo_size": list(prediction.photo.size),
        "people_by": finder,
        "people": [
            {
                "box": [person.box.x, person.box.y, person.box.width, person.box.height],
                "score": person.score,
                "keypoints": {
                    one.pop("name"): one if one["x"] is not None else None for one in keypoints
                },
            }
            for person, keypoints in zip(
                prediction.people, keypoint_values(prediction), strict=True
            )
        ],
        "layers": layers(prediction),
        "notes": notes,
        "seconds": {step: round(took, 4) for step, took in prediction.seconds.items()},
    }


def layers(prediction: Prediction) -> list[Json]:
    """The layers that can be asked about."""
    trace = prediction.trace
    held: Sequence[Attention | Evidence] = []
    if trace is not None:
        held = trace.spatial or evidence_of(trace)
    return [payload.layer(one, prediction.model) for one in held]


def explanation(
    found: Explanation | HeatMap,
    shown: AttentionMap | HeatMap,
    prediction: Prediction,
    query: Query,
    trust: Faithfulness | None,
    *,
    method: str,
    values: bool,
    notes: list[str],
    finder: str | None,
) -> Json:
    """One map: what was asked, where its cells lie, its numbers, and the cells if wanted."""
    if isinstance(shown, HeatMap):
        about = describe(shown, prediction=prediction, query=query)
        line, measured = heat_legend(shown, prediction.model), None
        if shown.mass.any():
            measured = heat_numbers(shown, prediction, query.point)
    else:
        assert isinstance(found, Explanation)  # whose map it is
        about = describe(shown, found)
        about.pop("layers")
        about["grid"] = about.pop("grids")[0]
        about |= {"layer": shown.layer, "total": shown.total}
        line, measured = legend(shown, prediction.model), None
        if shown.weights.any():  # none are where nobody voted, say
            measured = numbers(shown, prediction)
    return {
        **about,
        "method": method,
        "legend": line,
        "numbers": measured and number_values(measured),
        "faithfulness": None if trust is None else payload.trust(trust),
        "grid_to_photo": shown.grid_to_photo.matrix.tolist(),
        "values": shown.cells.tolist() if values else None,
        "layers": [one["name"] for one in layers(prediction)],
        "people_by": finder,
        "notes": notes,
    }


def about(prediction: Prediction, person: int, notes: list[str], finder: str | None) -> Json:
    """Which model with which weights looked at whom, and which one found them."""
    model = prediction.model
    return {
        **model.origin,
        "person": person,
        "people_by": finder,
        "notes": notes,
    }


def file(path: str) -> dict[str, Any]:
    """A file of this server as Gradio tells its clients of one: they download it."""
    return {
        "path": path,
        "orig_name": "explanation.png",
        "mime_type": "image/png",
        "meta": {"_type": "gradio.FileData"},
    }
