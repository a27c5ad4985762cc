"""The Occlusion page: something in front of a person, and what a model makes of it then.

:class:`Hider` answers the page's calls.  The side before is an ordinary view of the visitor's
session, analysed once; a question runs the model on the occluded photo alone, and not even that
when only the keypoint or the layer changed.  Every number comes from :mod:`posekit.occlusion`.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import occlusion_payload as told
from app import payload
from app.methods import batch_for, within_memory
from app.occlusion_ask import Asked, asked, name_of, text_of, whole_number
from app.occlusion_cases import OPENS, Prepared
from app.occlusion_files import FORMATS, SWEEPS, file_name, swept, written
from app.occlusion_library import Cases
from app.payload import Json
from posekit.draw.masks import PERSON_COLOURS
from posekit.errors import OcclusionError
from posekit.estimator import Estimator, Prediction
from posekit.explain.batches import Progress
from posekit.occlusion import (
    CASES,
    CaseLibrary,
    Fill,
    PersonMasks,
    Study,
    Sweep,
    best_masks,
    limb_band,
    study,
    sweep_grid,
    sweep_limb,
)

if TYPE_CHECKING:
    from app.explore import Explorer

MOST_VISITORS = 256
GRIDS = {"coarse": (6, 5), "usual": (10, 8), "fine": (14, 11)}
STEPS = 13


@dataclass(frozen=True, eq=False)
class _Kept:
    """A visitor's last study of a photo, and the occluder it is about."""

    occluder: str
    study: Study


class Hider:
    """Answers the Occlusion page with the models, sessions and gate that Explore has.

    Args:
        explorer: whose they are.
        library: where cases are saved; None where nothing may be.
        local: the library is for visitors who come straight from this machine.
    """

    def __init__(
        self, explorer: Explorer, library: CaseLibrary | None = None, *, local: bool = False
    ) -> None:
        self.explorer = explorer
        self.cases = Prepared(explorer)
        self.library = Cases(self, library, local=local)
        self._lock = threading.Lock()
        self._newest: OrderedDict[str, int] = OrderedDict()  # question by visitor

    @property
    def calls(self) -> tuple[Callable[[Json], Json], ...]:
        """What the page may ask, by the names it asks with."""
        return (
            self.cases.occlusion_thumb, self.occlusion_open, self.occlusion_study,
            self.occlusion_limb, self.occlusion_sweep, self.occlusion_download,
            *self.library.calls,
        )  # fmt: skip

    def choices(self) -> Json:
        """What the page is built with: the prepared cases, and whether cases can be saved."""
        return {
            "cases": self.cases.listing(),
            "opens": OPENS if OPENS in CASES else next(iter(CASES)),
            "grids": list(GRIDS),
            "colours": [list(colour) for colour in PERSON_COLOURS],
            "library": self.library.state(),
        }

    # -- calls of the page ------------------------------------------------------------------

    def occlusion_open(self, sent: Json) -> Json:
        """The side before: a prepared case, a saved one, or the photo that Explore holds."""
        token = str(sent["token"])
        if sent.get("case") is not None:
            reply = self.cases.open(token, sent)
        elif sent.get("saved") is not None:
            reply = self.library.open(token, sent)
        else:
            reply = {**self._open_own(token, sent), "occluder": None}
        if sent.get("instead") is not None and sent["instead"] != reply["id"]:
            self.explorer.sessions.drop(token, str(sent["instead"]))
        prediction = self.explorer.sessions.get(token, reply["id"])
        # A backbone predicts no keypoints: it is asked about the middle of the first person's box.
        bare = prediction.skeleton.size == 0 and bool(prediction.people)
        return {
            "keypoint": None if bare else told.opening_of(reply),
            "point": list(prediction.people[0].box.centre) if bare else None,
            "layer": None,
            **reply,
            "masks": told.masks(self.masks(token, reply["id"], prediction, sent)),
            "mean": told.mean_colour(prediction.photo),
            "trained": prediction.model.trained,
        }

    def occlusion_study(self, sent: Json) -> Json:
        """What an occluder changes; ``{"stale": true}`` when a newer question overtook this one."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.explorer.sessions.get(token, view)
        number = whole_number(sent.get("number", 0), "A question")
        if not self._is_newest(token, number):
            return {"stale": True}
        found = self.study(token, view, prediction, sent, lambda: self._is_newest(token, number))
        return {"stale": True} if found is None else told.answer(found)

    def occlusion_limb(self, sent: Json) -> Json:
        """The band over a share of the keypoint's limb; no model runs for it."""
        prediction = self.explorer.sessions.get(str(sent["token"]), str(sent["view"]))
        share, keypoint = sent.get("share"), whole_number(sent.get("keypoint"), "The keypoint")
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise OcclusionError("How much of the limb is hidden is a number from 0 to 1.")
        person = whole_number(sent.get("person", 0), "The person")
        band = limb_band(prediction, None, keypoint, float(share), person=person)
        return {"occluder": None if band is None else band.to_dict()}

    def occlusion_sweep(self, sent: Json) -> Json:
        """An occluder at many places, or growing over the limb: a job, asked after by ``progress``.

        How many places are tried is not for a visitor to say beyond the names in ``GRIDS``.
        """
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.explorer.sessions.get(token, view)
        one = asked(prediction, sent)
        kind = name_of(sent.get("kind"), ("grid", "limb"), "sweep")
        shape = GRIDS[name_of(sent.get("grid", "usual"), list(GRIDS), "grid")]
        if not isinstance(one.spot, int):
            raise OcclusionError("A sweep watches a keypoint: click one, or choose it in the list.")
        # Pieces of a photo have no colour.
        fill: Fill = getattr(one.occluder, "colour", "mean")
        common: dict[str, Any] = {
            "keypoint": one.spot, "person": one.person, "boxes": one.boxes, "layer": one.layer,
            "masks": self.masks(token, view, prediction, sent), "before": prediction,
        }  # fmt: skip
        # Small batches: a job is stopped, and tells how far it is, between them.
        estimator = Estimator(prediction.model, batch_size=batch_for(prediction, False))

        def task(progress: Progress) -> Json:
            found: Sweep = within_memory(
                lambda: (
                    sweep_grid(
                        estimator, prediction.photo, one.occluder, shape=shape,
                        progress=progress, **common,
                    )
                    if kind == "grid"
                    else sweep_limb(
                        estimator, prediction.photo, steps=STEPS, colour=fill,
                        progress=progress, **common,
                    )
                )
            )  # fmt: skip
            self.explorer.sessions.remember(token, view, "occlusion sweep", found, 1 << 16)
            return {"answer": told.sweep(found)}

        methods = self.explorer.methods
        job = methods.jobs.start(token, "The sweep", task)
        return methods.progress({"token": token, "view": view, "job": job.id})

    def occlusion_download(self, sent: Json) -> Json:
        """The open case as a file, made in memory and gone from the disk before the reply."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.explorer.sessions.get(token, view)
        kind = name_of(sent.get("format"), list(FORMATS), "format")
        photo = sent.get("photo") is not False
        last: Sweep | None = self.explorer.sessions.recall(token, view, "occlusion sweep")
        if kind in SWEEPS:
            if last is None:
                raise OcclusionError("There is no sweep yet: run one first.")
            return told.file(file_name(last.label, kind), FORMATS[kind], swept(last, kind, photo))
        note, title = text_of(sent.get("note"), "A note"), text_of(sent.get("title"), "A title")
        found = self.study(token, view, prediction, sent)
        assert found is not None  # nothing overtakes a download
        if last is not None and last.keypoint != found.keypoint:
            last = None
        content = written(found, kind, note=note, title=title, sweep=last, photo=photo)
        return told.file(file_name(found.label, kind), FORMATS[kind], content)

    # -- the rest ---------------------------------------------------------------------------

    def study(
        self,
        token: str,
        view: str,
        prediction: Prediction,
        sent: Json,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Study | None:
        """The study that was asked for; None when ``wanted`` says no once the model is free."""
        one = asked(prediction, sent)
        key = "" if one.occluder is None else json.dumps(one.occluder.to_dict())
        kept: _Kept | None = self.explorer.sessions.recall(token, view, "occlusion")
        if one.occluder is None:
            return self._studied(token, view, prediction, sent, one, None)
        if kept is not None and kept.occluder == key:  # another keypoint, layer or download
            after = kept.study.after.prediction
            return self._studied(token, view, prediction, sent, one, after)
        with self.explorer.gate.enter():
            if not wanted():
                return None
            found = self._studied(token, view, prediction, sent, one, None)
        trace = found.after.prediction.trace
        nbytes = found.occluded.pixels.nbytes + (trace.nbytes if trace else 0)
        self.explorer.sessions.remember(token, view, "occlusion", _Kept(key, found), nbytes)
        return found

    def _studied(
        self,
        token: str,
        view: str,
        prediction: Prediction,
        sent: Json,
        one: Asked,
        after: Prediction | None,
    ) -> Study:
        prepared = self.cases.of(prediction, sent)
        truth = None
        if prepared is not None and 0 <= one.person < len(prepared.scene.people):
            truth = prepared.truth(prediction.skeleton, one.person)
        return within_memory(
            lambda: study(
                prediction.model, prediction.photo, one.occluder, keypoint=one.spot,
                person=one.person, boxes=one.boxes, layer=one.layer, truth=truth,
                masks=self.masks(token, view, prediction, sent), before=prediction, after=after,
            )
        )  # fmt: skip

    def masks(
        self, token: str, view: str, prediction: Prediction, sent: Json
    ) -> PersonMasks | None:
        """Whose pixel is whose: exact in a case, as saved, the model's own, or estimated."""
        prepared = self.cases.of(prediction, sent)
        if prepared is not None:
            return prepared.masks
        kept = self.explorer.sessions.recall(token, view, "occlusion masks")
        if kept is None:
            found = self.library.masks(prediction, sent) or best_masks(prediction)
            nbytes = 0 if found is None else sum(mask.nbytes for mask in found.masks)
            kept = (found,)
            self.explorer.sessions.remember(token, view, "occlusion masks", kept, nbytes)
        masks: PersonMasks | None = kept[0]
        return masks

    def _open_own(self, token: str, sent: Json) -> Json:
        """Explore's photo: its own analysis if the model is the same, else through another."""
        view = str(sent["view"])
        base = self.explorer.sessions.get(token, view)
        if base.model.name != str(sent["model"]):
            return self.explorer.comparer.compare_open(sent)
        return {
            **payload.view(base, view_id=view, whole=sent.get("whole") is True, with_photo=False),
            "notes": [],
        }

    def _is_newest(self, token: str, number: int) -> bool:
        """Whether no later question of this visitor came yet; remembers this one."""
        with self._lock:
            newest = max(number, self._newest.get(token, number))
            self._newest[token] = newest
            self._newest.move_to_end(token)
            while len(self._newest) > MOST_VISITORS:
                self._newest.popitem(last=False)
            return number == newest
