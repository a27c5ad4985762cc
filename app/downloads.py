"""What a visitor of Explore can take home: a file made in memory, gone from the disk at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.calls import question
from app.payload import Json
from app.picture import encoded
from posekit.draw import draw_explanation, save_npz, save_png, save_svg
from posekit.errors import TraceError
from posekit.explain import explain
from posekit.report import Findings, live, save_html, save_json

if TYPE_CHECKING:
    from app.methods import Methods
    from posekit.estimator import Prediction

FORMATS = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "html": "text/html",
    "json": "application/json",
    "npz": "application/zip",
}


def download(prediction: Prediction, methods: Methods, sent: Json) -> Json:
    """What is on show as a file of one of :data:`FORMATS`.

    ``"photo": false`` leaves the photo out of a report or an SVG.
    """
    kind = str(sent["format"])
    if kind not in FORMATS:
        raise TraceError(f"There is no format {kind!r}: choose one of {', '.join(FORMATS)}.")
    query, direction = question(prediction, sent)
    head = None if sent.get("head") is None else int(sent["head"])
    method = str(sent.get("method") or "attention")
    if method == "attention":
        part = sent.get("part")
        shown: Any = explain(prediction, query, direction=direction, head=head, part=part)
        trust: Any = methods.trusts(sent, shown)
    else:
        shown, query, trust = methods.kept(sent)
    found = Findings(shown, prediction, query, trust, by=method)
    about: Json = {"prediction": prediction, "query": query, "faithfulness": trust}
    label = query.label(prediction.skeleton).replace(" ", "-").strip("()")
    asked = direction if method == "attention" else method
    with tempfile.TemporaryDirectory(prefix="posekit-") as folder:
        path = Path(folder) / f"found.{kind}"
        _WRITERS[kind](found, path, about, sent)
        return {
            "name": f"posekit-{prediction.model.name}-{label}-{asked}.{kind}",
            "type": FORMATS[kind],
            "bytes": encoded(path.read_bytes()),
        }


def live_report(prediction: Prediction, sent: Json) -> Json:
    """The photo with all its maps, to explore without this server.

    Everybody's, or only the ``"person"``'s on show where that would be too much for a file.
    """
    look: Json = {
        "photo": _with_photo(sent),
        "colour_map": str(sent["palette"]),
        "opacity": float(sent["opacity"]),
    }
    try:
        report = live(prediction, **look)
    except TraceError:
        report = live(prediction, people=[int(sent["person"])], **look)
    return {
        "name": f"posekit-{prediction.model.name}-live.html",
        "type": FORMATS["html"],
        "bytes": encoded(report.html.encode("utf-8")),
    }


def _png(found: Findings, path: Path, about: Json, sent: Json) -> None:
    keep, photo = float(sent["keep"]), _with_photo(sent)
    figure = draw_explanation(found.shown, keep=keep, photo=photo, **_look(sent), **about)
    save_png(figure, path, explanation=found.shown, **about)


def _svg(found: Findings, path: Path, about: Json, sent: Json) -> None:
    colours = {"colour_map": str(sent["palette"]), "dim": float(sent["dim"])}
    save_svg(found.shown, path, photo=_with_photo(sent), **colours, **about)


def _html(found: Findings, path: Path, about: Json, sent: Json) -> None:
    layer = sent.get("layer")
    held = getattr(found.shown, "layers", ())
    save_html(
        found,
        path,
        photo=_with_photo(sent),
        layer=str(layer) if layer in held else None,
        **_look(sent),
    )


def _json(found: Findings, path: Path, about: Json, sent: Json) -> None:
    save_json(found, path)


def _npz(found: Findings, path: Path, about: Json, sent: Json) -> None:
    save_npz(found.shown, path, **about)


_WRITERS: dict[str, Callable[[Findings, Path, Json, Json], None]] = {
    "png": _png, "svg": _svg, "html": _html, "json": _json, "npz": _npz,
}  # fmt: skip


def _look(sent: Json) -> Json:
    return {
        "colour_map": str(sent["palette"]),
        "opacity": float(sent["opacity"]),
        "dim": float(sent["dim"]),
    }


def _with_photo(sent: Json) -> bool:
    return bool(sent.get("photo", True))
