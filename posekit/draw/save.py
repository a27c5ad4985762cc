"""Pictures and raw maps as files that say what they show, and never whose photo it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from posekit import __version__
from posekit.draw.figure import asked_of, prediction_of, trust_of
from posekit.draw.legend import heat_legend_lines, legend
from posekit.draw.pixels import figure_pixels
from posekit.errors import PoseKitError
from posekit.explain.attention import Explanation
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.files import FileTarget, write_npz, write_png
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posekit.estimator import Prediction
    from posekit.explain.faithfulness import Faithfulness
    from posekit.explain.query import Query

    Trust: TypeAlias = Faithfulness | Mapping[str, Faithfulness]


def describe(
    shown: Explanation | AttentionMap | HeatMap,
    explanation: Explanation | None = None,
    *,
    prediction: Prediction | None = None,
    query: Query | None = None,
    faithfulness: Trust | None = None,
) -> dict[str, Any]:
    """What a file shows, in plain values: software, model, weights, query, layers, grids.

    A method's map needs its ``prediction``, as in :func:`posekit.draw.draw_explanation`; its
    method, options and delta take the place of direction and layers. The photo's name, path and
    embedded data have no place in it.
    """
    if isinstance(shown, HeatMap):
        about = prediction_of(shown, prediction)
        asked = asked_of(shown, about, query)
        point, person = asked.point, asked.person
        more = {
            "method": shown.method,
            "options": dict(shown.options),
            "signed": shown.signed,
            "total": shown.total,
            "delta": shown.delta,
            "seconds": round(shown.seconds, 4),
            "grid": list(shown.grid.size),
        }
        label = shown.target
    else:
        explanation = explanation or (shown if isinstance(shown, Explanation) else None)
        if explanation is None:
            raise PoseKitError("One layer's map does not hold its question: pass explanation=.")
        about = explanation.prediction
        maps = shown.maps if isinstance(shown, Explanation) else (shown,)
        label = explanation.query.label(about.skeleton)
        point, person = explanation.query.point, explanation.query.person
        more = {
            "direction": explanation.direction,
            "head": maps[0].head if maps else None,
            "layers": [one.layer for one in maps],
            "grids": [list(one.grid.size) for one in maps],
        }
        if maps and maps[0].part is not None:
            more["part"] = maps[0].part
    if isinstance(faithfulness, Mapping):
        more["faithfulness"] = {layer: _trust(one) for layer, one in faithfulness.items()}
    elif faithfulness is not None:
        more["faithfulness"] = _trust(faithfulness)
    return {
        "software": f"PoseKit {__version__}",
        **about.model.origin,
        "model_title": about.model.entry.title,
        "query": label,
        "query_point": None if point is None else list(point),
        "person": person,
        "unsure": unsure_words(about, first=0),
        **more,
        "photo_size": list(about.photo.size),
    }


def _trust(one: Faithfulness) -> dict[str, Any]:
    return {
        "score": one.score,
        "random_maps": one.chance_score,
        "spot": one.chance.spot_score,
        "insertion": one.insertion,
        "deletion": one.deletion,
        "verdict": one.verdict,
    }


def save_png(
    picture: Figure | np.ndarray,
    target: FileTarget,
    *,
    explanation: Explanation | HeatMap | None = None,
    shown: AttentionMap | None = None,
    prediction: Prediction | None = None,
    query: Query | None = None,
    faithfulness: Trust | None = None,
) -> None:
    """Write a picture as PNG with what it shows in its text chunks.

    Args:
        picture: a Figure from :func:`posekit.draw.draw_explanation`, or (H, W, 3) uint8 pixels.
        target: a path or a binary file.
        explanation: what the picture shows; its model, layers, query and legend are written.
        shown: the one map the picture shows, when it is not all of them.
        prediction: what a method's map explains; an Explanation knows it.
        query: where the question of a method's map stands, see ``draw_explanation``.
        faithfulness: when it is known, see ``draw_explanation``.
    """
    texts: dict[str, str] = {}
    if isinstance(explanation, HeatMap):
        about = prediction_of(explanation, prediction)
        what = describe(explanation, prediction=about, query=query, faithfulness=faithfulness)
        words = heat_legend_lines(explanation, about.model, faithfulness=trust_of(faithfulness))
        texts = {
            "Title": f"{explanation.target} by {explanation.method}",
            "Model": what["model"],
            "Method": explanation.method,
            "Description": "\n".join(words),
            "PoseKit": json.dumps(what),
        }
    elif explanation is not None:
        what = describe(shown or explanation, explanation, faithfulness=faithfulness)
        maps = explanation.maps if shown is None else (shown,)
        model = explanation.prediction.model
        texts = {
            "Title": explanation.title,
            "Model": what["model"],
            "Layer": ", ".join(what["layers"]),
            "Description": "\n".join(legend(one, model) for one in maps),
            "PoseKit": json.dumps(what),
        }
    pixels = picture if isinstance(picture, np.ndarray) else figure_pixels(picture)
    write_png(pixels, target, texts)


def save_npz(
    explanation: Explanation | HeatMap,
    target: FileTarget,
    *,
    prediction: Prediction | None = None,
    query: Query | None = None,
    faithfulness: Trust | None = None,
) -> None:
    """Write the raw maps of all layers, and all that is needed to place them on the photo.

    Arrays (L layers in forward order):

    * ``layers`` (L,) names, ``keypoint_names`` (K,);
    * ``weights`` (L, rows, cols) float32, as read from the trace; when the layers' grids differ,
      ``weights.<layer>`` (rows, cols) for each instead;
    * ``grid_to_photo`` (L, 2, 3): token coordinates (column, row), centres at integers, to photo
      pixels (x, y), centres at integers;
    * ``query_token`` (L,), ``query_point`` (2,), ``query_person``, ``query_keypoint`` (-1: none);
    * ``keypoints`` (K, 2), ``scores`` (K,), ``box`` (x, y, width, height): the person asked about;
    * ``photo_to_crop`` (2, 3), ``photo_size`` and ``crop_size`` (height, width);
    * ``metadata``: JSON text, see :func:`describe`.

    A method's map, which needs its ``prediction``, has ``values`` (rows, cols) float32 and
    ``grid_to_photo`` (2, 3) instead of ``layers``, ``weights`` and ``query_token``.

    ``numpy.load(path)`` reads it back; nothing in it is pickled.
    """
    about = (
        prediction_of(explanation, prediction)
        if isinstance(explanation, HeatMap)
        else explanation.prediction
    )
    asked = asked_of(explanation, about, query)
    what = describe(explanation, prediction=about, query=query, faithfulness=faithfulness)
    person = about.people[asked.person]
    arrays: dict[str, Any] = {
        "query_point": np.array(asked.point or (np.nan, np.nan), dtype=np.float64),
        "query_person": np.int64(asked.person),
        "query_keypoint": np.int64(-1 if asked.keypoint is None else asked.keypoint),
        "keypoint_names": np.array(about.skeleton.keypoints, dtype=np.str_),
        "keypoints": np.asarray(person.keypoints, dtype=np.float64),
        "scores": np.asarray(person.scores, dtype=np.float64),
        "box": np.array([person.box.x, person.box.y, person.box.width, person.box.height]),
        "photo_to_crop": person.crop.to_crop.matrix,
        "photo_size": np.array(about.photo.size, dtype=np.int64),
        "crop_size": np.array(person.crop.size, dtype=np.int64),
        "metadata": np.array(json.dumps(what)),
    }
    arrays.update(_maps(explanation))
    write_npz(arrays, target)


def _maps(explanation: Explanation | HeatMap) -> dict[str, Any]:
    """The arrays that hold the maps themselves."""
    if isinstance(explanation, HeatMap):
        return {"values": explanation.values, "grid_to_photo": explanation.grid_to_photo.matrix}
    maps = explanation.maps
    arrays: dict[str, Any] = {
        "layers": np.array(explanation.layers, dtype=np.str_),
        "grid_to_photo": np.array([one.grid_to_photo.matrix for one in maps]).reshape(-1, 2, 3),
        "query_token": np.array([one.query_token for one in maps], dtype=np.int64),
    }
    if len({one.grid.size for one in maps}) == 1:
        arrays["weights"] = np.stack([one.weights for one in maps])
    else:
        arrays.update({f"weights.{one.layer}": one.weights for one in maps})
    return arrays
