"""Pictures and raw maps as files that say what they show, and never whose photo it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from posekit import __version__
from posekit.draw.legend import legend
from posekit.explain.attention import Explanation
from posekit.explain.maps import AttentionMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Target = str | Path | BinaryIO


def describe(shown: Explanation | AttentionMap, explanation: Explanation) -> dict[str, Any]:
    """What a file shows, in plain values: software, model, weights, query, layers, grids.

    The photo's name, path and embedded data have no place in it.
    """
    maps = shown.maps if isinstance(shown, Explanation) else (shown,)
    model, query = explanation.prediction.model, explanation.query
    return {
        "software": f"PoseKit {__version__}",
        "model": model.entry.name,
        "model_title": model.entry.title,
        "weights": model.weights.kind,
        "trained": model.trained,
        "query": query.label(explanation.prediction.skeleton),
        "query_point": list(query.point),
        "person": query.person,
        "direction": explanation.direction,
        "head": maps[0].head if maps else None,
        "layers": [one.layer for one in maps],
        "grids": [list(one.grid.size) for one in maps],
        "photo_size": list(explanation.prediction.photo.size),
    }


def save_png(
    picture: Figure | np.ndarray,
    target: Target,
    *,
    explanation: Explanation | None = None,
    shown: AttentionMap | None = None,
) -> None:
    """Write a picture as PNG with what it shows in its text chunks.

    Args:
        picture: a Figure from :func:`posekit.draw.draw_explanation`, or (H, W, 3) uint8 pixels.
        target: a path or a binary file.
        explanation: what the picture shows; its model, layers, query and legend are written.
        shown: the one map the picture shows, when it is not all of them.
    """
    info = PngInfo()
    info.add_text("Software", f"PoseKit {__version__}")
    if explanation is not None:
        what = describe(shown or explanation, explanation)
        maps = explanation.maps if shown is None else (shown,)
        model = explanation.prediction.model
        info.add_text("Title", _latin(explanation.title))
        info.add_text("Model", what["model"])
        info.add_text("Layer", ", ".join(what["layers"]))
        info.add_itxt("Description", "\n".join(legend(one, model) for one in maps))
        info.add_text("PoseKit", json.dumps(what))
    Image.fromarray(_pixels(picture)).save(target, format="PNG", pnginfo=info)


def _pixels(picture: Figure | np.ndarray) -> np.ndarray:
    if isinstance(picture, np.ndarray):
        return picture
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")  # all a tEXt chunk can hold


def save_npz(explanation: Explanation, target: Target) -> None:
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

    ``numpy.load(path)`` reads it back; nothing in it is pickled.
    """
    maps, query, prediction = explanation.maps, explanation.query, explanation.prediction
    person = prediction.people[query.person]
    arrays: dict[str, Any] = {
        "layers": np.array(explanation.layers, dtype=np.str_),
        "grid_to_photo": np.array([one.grid_to_photo.matrix for one in maps]).reshape(-1, 2, 3),
        "query_token": np.array([one.query_token for one in maps], dtype=np.int64),
        "query_point": np.array(query.point, dtype=np.float64),
        "query_person": np.int64(query.person),
        "query_keypoint": np.int64(-1 if query.keypoint is None else query.keypoint),
        "keypoint_names": np.array(prediction.skeleton.keypoints, dtype=np.str_),
        "keypoints": np.asarray(person.keypoints, dtype=np.float64),
        "scores": np.asarray(person.scores, dtype=np.float64),
        "box": np.array([person.box.x, person.box.y, person.box.width, person.box.height]),
        "photo_to_crop": person.crop.to_crop.matrix,
        "photo_size": np.array(prediction.photo.size, dtype=np.int64),
        "crop_size": np.array(person.crop.size, dtype=np.int64),
        "metadata": np.array(json.dumps(describe(explanation, explanation))),
    }
    if len({one.grid.size for one in maps}) == 1:
        arrays["weights"] = np.stack([one.weights for one in maps])
    else:
        arrays.update({f"weights.{one.layer}": one.weights for one in maps})
    if isinstance(target, (str, Path)):
        # Through an open file: given a path, numpy would add a suffix the caller did not ask for.
        with open(target, "wb") as file:
            np.savez_compressed(file, **arrays)
    else:
        np.savez_compressed(target, **arrays)
