"""The Compare page: one photo, several models, one question to all of them.

:class:`Comparer` answers the page's calls about several analysed photos at once.  The analyses are
ordinary views of the visitor's session, one a model: counted, bounded and forgotten as on Explore.
Every number comes from :mod:`posekit.compare`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.compare_payload import answer, keypoint, trusted
from app.jobs import JobError
from app.methods import batch_for, picks_layer, within_memory
from app.payload import Json
from app.picture import encoded
from posekit.compare import (
    MOST,
    Comparison,
    compare,
    disagreements,
    draw_comparison,
    draw_panel,
    save_html,
    save_json,
    save_npz,
    save_svg,
)
from posekit.compare.grid import density_factor
from posekit.compare.picture import LESS, MORE
from posekit.draw import save_png
from posekit.errors import TraceError
from posekit.estimator import Prediction
from posekit.explain import Method, Query, find_method, snap
from posekit.explain.batches import Progress
from posekit.explain.live import preview
from posekit.people import whole_photo_box
from posekit.report.previews import plain_preview
from posekit.zoo import entry

if TYPE_CHECKING:
    from app.explore import Explorer

FORMATS = {
    "html": "text/html",
    "json": "application/json",
    "npz": "application/zip",
    "png": "image/png",
    "svg": "image/svg+xml",
}

PAGE = "compare"

_WRITERS: dict[str, Callable[[Comparison, Path], None]] = {"json": save_json, "npz": save_npz}
_WITH_PHOTO: dict[str, Callable[..., None]] = {"html": save_html, "svg": save_svg}
"""Those that take ``photo``."""


class Comparer:
    """Answers the Compare page with the models, sessions and gate that Explore has."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer

    @property
    def calls(self) -> tuple[Callable[[Json], Json], ...]:
        """What the page may ask, by the names it asks with."""
        return (
            self.compare_open, self.compare, self.compare_live, self.compare_ranking,
            self.compare_download,
        )  # fmt: skip

    def choices(self) -> Json:
        """What the page is built with: models to begin with, and methods."""
        first = self.explorer.default_model
        others = [name for name in self.explorer.shelf.names() if name != first]
        return {
            "most": MOST,
            "begin": [first, *others[:1]],  # those with weights come first
            "methods": [
                {**one, "layers": has_layers(find_method(one["name"]))}
                for one in self.explorer.methods.listing()
            ],
            "more": list(MORE),
            "less": list(LESS),
        }

    # -- calls of the page ------------------------------------------------------------------

    def compare_open(self, sent: Json) -> Json:
        """One panel: the visitor's photo and boxes through one model."""
        base = self.explorer.sessions.get(sent["token"], sent["view"])
        example = self.explorer.example_of(base)
        finds = [one.find is not None for one in (base.model.entry, entry(str(sent["model"])))]
        if any(finds):
            # People whom a model found by itself are in no box that the page knows of.
            boxes = [person.box for person in base.people] or [whole_photo_box(base.photo)]
            return self.explorer.open(
                sent["token"], base.photo, str(sent["model"]), boxes, with_photo=False
            )
        if example is None:
            reply = self.explorer.again(sent)
        else:
            reply = self.explorer.analyse_example({**sent, "example": example, "boxes": None})
            reply["photo"]["src"] = None  # the page has it
        return reply

    def compare(self, sent: Json) -> Json:
        """A click, for all panels in one reply.

        Attention answers at once.  Other methods, and ``"faithfulness": true``, are a job unless
        they are quick or were computed before: the reply then says how far it is, and the page asks
        ``progress`` after it.
        """
        predictions, key = self._predictions(sent), question_key(sent)
        token, view = str(sent["token"]), str(sent["views"][0])
        jobs, wants_trust = self.explorer.methods.jobs, bool(sent.get("faithfulness"))
        kept: Comparison | None = self.explorer.sessions.recall(token, view, key)
        if kept is None and not wants_trust and is_instant(sent):
            kept = ask(predictions, sent)
        if kept is not None and (trusted(kept) or not wants_trust):
            jobs.stop(token, "replaced", PAGE)  # a look at Compare costs Explore nothing
            return {"answer": answer(kept, sent)}

        def task(progress: Progress) -> Json:
            found = within_memory(
                lambda: ask(predictions, sent, faithfulness=wants_trust, progress=progress)
            )
            self._remember(token, view, key, found)
            return {"answer": answer(found, sent)}

        label = "The test of faithfulness" if wants_trust else find_method(_method(sent)).title
        job = jobs.start(token, label, task, PAGE)
        return self.explorer.methods.progress({"token": token, "view": view, "job": job.id})

    def compare_live(self, sent: Json) -> Json:
        """One layer of one panel for the live hover, and what makes its cells mass densities."""
        prediction = self.explorer.sessions.get(sent["token"], sent["view"])
        person = int(sent["person"])
        found = preview(prediction, str(sent["layer"]), person)
        box = prediction.people[person].box
        return {
            **plain_preview(found),
            "factors": {
                "row": density_factor(found.key_to_photo, box),
                "column": density_factor(found.query_to_photo, box),
            },
        }

    def compare_ranking(self, sent: Json) -> Json:
        """The keypoints, those the models disagree about most first."""
        predictions = self._predictions(sent)
        ranked = disagreements(
            predictions,
            person=int(sent.get("person") or 0),
            layer=_layers(sent),
            head=_head(sent),
            direction="column" if sent.get("direction") == "column" else "row",
        )
        return {"keypoints": [keypoint(one, predictions) for one in ranked]}

    def compare_download(self, sent: Json) -> Json:
        """The comparison as a file, made in memory and gone from the disk before the reply.

        ``"panel": 1`` with ``png`` is the picture of that panel alone.
        """
        kind = str(sent["format"])
        if kind not in FORMATS:
            raise TraceError(f"There is no format {kind!r}: choose one of {', '.join(FORMATS)}.")
        predictions = self._predictions(sent)
        found: Comparison | None = self.explorer.sessions.recall(
            str(sent["token"]), str(sent["views"][0]), question_key(sent)
        )
        if found is None:
            if not is_instant(sent):
                raise JobError("This comparison is not computed yet; please wait for it first.")
            found = ask(predictions, sent)
        label = found.label.replace(" ", "-").strip("()")
        panel = sent.get("panel") if kind == "png" else None
        photo = sent.get("photo") is not False
        name = f"posekit-compare-{label}-{found.method}"
        with tempfile.TemporaryDirectory(prefix="posekit-") as folder:
            path = Path(folder) / f"comparison.{kind}"
            if kind == "png" and panel is None:
                save_png(draw_comparison(found, photo=photo), path)
            elif panel is not None:
                save_png(draw_panel(found, int(panel), photo=photo), path)
                model, shown = found.predictions[int(panel)].model, found.panels[int(panel)]
                name += f"-{model.name}"
                if sum(one.model is model for one in found.predictions) > 1 and shown.figures.layer:
                    name += f"-{shown.figures.layer}"
            elif kind in _WITH_PHOTO:
                _WITH_PHOTO[kind](found, path, photo=photo)
            else:
                _WRITERS[kind](found, path)
            return {
                "name": f"{name}.{kind}",
                "type": FORMATS[kind],
                "bytes": encoded(path.read_bytes()),
            }

    # -- the rest ---------------------------------------------------------------------------

    def _predictions(self, sent: Json) -> list[Prediction]:
        """The panels' predictions, in order; more than there may be are not even looked up."""
        views = list(sent["views"])[: MOST + 1]
        if not views:
            raise TraceError("Choose at least two models first.")
        return [self.explorer.sessions.get(sent["token"], str(view)) for view in views]

    def _remember(self, token: str, view: str, key: Hashable, found: Comparison) -> None:
        """Keep a comparison beside the first panel's view.

        It holds the other panels' predictions, which lie in the store themselves; of all of them
        the first was used least recently, so that it, and this with it, goes before they do.
        """
        maps = sum(one.mass.weights.nbytes for one in found.panels if one.mass is not None)
        grid = 8 * found.grid.rows * found.grid.cols * len(found.panels)
        self.explorer.sessions.remember(token, view, key, found, 2 * maps + grid)


def ask(predictions: Sequence[Prediction], sent: Json, **more: Any) -> Comparison:
    """The comparison that was asked for."""
    method = find_method(_method(sent))
    person = sent.get("person")
    options: Json = {}
    if "batch_size" in method.options:
        gradients = method.needs == "gradient"
        options["batch_size"] = min(batch_for(one, gradients) for one in predictions)
    return compare(
        predictions,
        asked(predictions, sent),
        person=0 if person is None else int(person),
        layer=_layers(sent) if has_layers(method) else None,
        head=_head(sent) if "head" in method.options else None,
        direction="column" if sent.get("direction") == "column" else "row",
        method=method.name,
        options=options,
        anchor="point" if sent.get("anchor") == "point" else "keypoint",
        **more,
    )


def has_layers(method: Method) -> bool:
    """Whether a map of it is about one attention layer, which can be chosen."""
    return "layers" in method.options or picks_layer(method)


def is_instant(sent: Json) -> bool:
    """Whether the method is a look at the trace that answers a click by itself."""
    return "direction" in find_method(_method(sent)).options


def question_key(sent: Json) -> Hashable:
    """What an answer is kept under: all that it depends on, as it was sent."""
    names = (
        "views", "method", "layers", "head", "direction", "anchor", "person", "keypoint", "point",
        "free", "on",
    )  # fmt: skip
    return ("compare", *(str(sent.get(name)) for name in names))


def asked(predictions: Sequence[Prediction], sent: Json) -> Query | str:
    """The question: a keypoint's name, a click on one of the panels, or the same once more.

    A click near a keypoint of the panel it fell on means that keypoint; ``"free": true`` takes it
    as it is.
    """
    name, point, person = sent.get("keypoint"), sent.get("point"), sent.get("person")
    if point is None:
        return str(name)
    x, y = (float(value) for value in point)
    first = predictions[0].skeleton
    if name is not None:
        if name not in first.keypoints or person is None:
            return str(name)
        return Query(int(person), (x, y), first.index(str(name)))
    if sent.get("free") and person is not None:
        return Query(int(person), (x, y))
    clicked = predictions[min(max(0, int(sent.get("on") or 0)), len(predictions) - 1)]
    found = snap(clicked, (x, y), None if person is None else int(person))
    if found.keypoint is None:
        return found
    own = clicked.skeleton.mapping_to(first)[found.keypoint]
    return Query(found.person, found.point, own)


def _method(sent: Json) -> str:
    return str(sent.get("method") or "attention")


def _head(sent: Json) -> int | None:
    """A head's index; None for the mean, or what the method makes of all of them."""
    return None if sent.get("head") is None else int(sent["head"])


def _layers(sent: Json) -> list[str | None] | None:
    """A layer a panel, None for its last; None altogether when all show their last."""
    layers = sent.get("layers")
    return None if not layers else [None if one is None else str(one) for one in layers]
