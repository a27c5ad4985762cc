"""The Explore page: one photo, one question, every layer.

:class:`Explorer` holds what all visitors share (models, examples, the store of sessions) and
answers the page's calls.  Each call is a plain function of a JSON object; it returns a JSON
object, or ``{"error": sentence}``, and ``"expired": true`` beside it when the visitor's photo is
no longer here and the page should send it again.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import gradio as gr
from gradio.data_classes import DataWithFiles

from app import payload, style
from app.calls import boxes_of, plain, question, spoken
from app.compare import Comparer
from app.downloads import download, live_report
from app.examples import bundled, choose
from app.gate import Gate
from app.inside import inside, matrix
from app.methods import Methods
from app.models import Models
from app.occlusion import Hider
from app.payload import Json
from app.picture import encoded
from app.plotly_script import ADDRESS as PLOTLY
from app.session import Limits, SessionStore
from app.shelf import Shelf
from posekit.device import choose_device
from posekit.draw import DIVERGING, colour_table
from posekit.errors import BoxError, ModelError, PhotoError, PoseKitError
from posekit.estimator import Estimator, PoseKitWarning, Prediction
from posekit.explain import explain, head_grid
from posekit.explain.evidence import evidence_of
from posekit.explain.live import preview
from posekit.explain.query import Query, check_person, resolve
from posekit.geometry import Box
from posekit.occlusion import CaseLibrary
from posekit.people import MAX_BOXES
from posekit.photo import Photo, PhotoLimits, read_photo
from posekit.report.previews import plain_preview
from posekit.top_down import TopDown, crowd_words, finders, nobody_words
from posekit.zoo import entry

MAX_SIDE = 1600
MOST_OPENED = 12


class Explorer:
    """Answers the page.  One object serves all visitors; what is theirs lies in ``sessions``.

    ``library``: where cases of occlusion may be saved, None for nowhere; ``local``: only by
    visitors who come straight from this machine.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        model: str | None = None,
        limits: Limits | None = None,
        photo_limits: PhotoLimits | None = None,
        library: CaseLibrary | None = None,
        local: bool = False,
    ) -> None:
        choose_device(device)  # better refused now than at the first photo
        self.shelf = Shelf(device)
        self.sessions: SessionStore[Prediction] = SessionStore(limits)
        self.gate = Gate()
        self.examples = bundled()
        self.photo_limits = photo_limits or PhotoLimits()
        self.default_model = model or self.shelf.names()[0]
        # What bundled photos give is the same for everybody and nobody's secret.
        self._opened: OrderedDict[tuple[str, str], tuple[Prediction, bool]] = OrderedDict()
        self._opened_lock = threading.Lock()
        self.comparer = Comparer(self)
        self.methods = Methods(self.sessions)
        self.models = Models(self.shelf)
        self.hider = Hider(self, library, local=local)

    # -- calls of the page ------------------------------------------------------------------

    def start(self, _: Json) -> Json:
        """A new visitor: a token, and what there is to choose from."""
        return {
            "token": self.sessions.open(),
            "model": self.default_model,
            "models": [
                {
                    "name": name,
                    "label": self.shelf.label(name),
                    "title": entry(name).title,
                    "trained": self.shelf.has_weights(name),
                    "finds": entry(name).find is not None,
                }
                for name in self.shelf.names()
            ],
            "examples": [
                {"id": e.id, "title": e.title, "caption": e.caption, "thumb": e.thumb}
                for e in self.examples
            ],
            "privacy": (
                "Your photo stays in this server’s memory, for you alone; it is forgotten when you"
                " close the page, at the latest after"
                f" {self.sessions.limits.ttl_seconds / 60:.0f} minutes without a click."
            ),
        }

    def analyse(self, sent: DataWithFiles) -> Json:
        """An uploaded, pasted or photographed picture: the bytes as they came."""
        fields = sent.data
        if len(sent.files) != 1:
            raise PhotoError("Please send one photo at a time.")
        photo = read_photo(
            sent.files[0][1], name="This file", limits=self.photo_limits, max_side=MAX_SIDE
        )
        boxes = boxes_of(json.loads(fields.get("boxes") or "[]"))
        reply = self.open(fields["token"], photo, fields["model"], boxes)
        if boxes is None and (words := self._crowd(photo, str(fields["model"]))):
            reply |= {"notes": [*reply["notes"], words], "crowd": True}
        return reply

    def analyse_example(self, sent: Json) -> Json:
        """A bundled photo."""
        example = choose(self.examples, sent.get("example"))
        boxes = boxes_of(sent.get("boxes"))
        if boxes is not None:
            return self.open(sent["token"], example.read()[0], sent["model"], boxes)
        key = (example.id, str(sent["model"]))
        notes: list[str] = []
        with self._opened_lock:
            found = self._opened.get(key)
        if found is None:
            photo, boxes = example.read()
            prediction, notes = self.predict(photo, sent["model"], boxes)
            found = prediction, boxes is None
            with self._opened_lock:
                self._opened[key] = found
                while len(self._opened) > MOST_OPENED:
                    self._opened.popitem(last=False)
        # Held here anyway, so it costs the visitors' store nothing.
        return self._keep(sent["token"], *found, nbytes=0, notes=notes)

    def warm(self) -> None:
        """Analyse the photo that the page opens with, before the first visitor waits for it."""
        example = self.examples[0]
        photo, boxes = example.read()
        prediction, _ = self.predict(photo, self.default_model, boxes)
        with self._opened_lock:
            self._opened.setdefault((example.id, self.default_model), (prediction, boxes is None))

    def again(self, sent: Json) -> Json:
        """The visitor's photo through another model, with other boxes, or with boxes found."""
        photo = self.sessions.get(sent["token"], sent["view"]).photo
        boxes = boxes_of(sent.get("boxes"))
        if not sent.get("find"):
            return self.open(sent["token"], photo, sent["model"], boxes, with_photo=False)
        by = sent["find"] if isinstance(sent["find"], str) else None
        finder, boxes = self.find_people(photo, by)
        reply = self.open(sent["token"], photo, sent["model"], boxes, with_photo=False)
        return {**reply, "finder": finder}

    def explain(self, sent: Json) -> Json:
        """A click: every layer, the mean and every head, straight from the trace."""
        prediction = self.sessions.get(sent["token"], sent["view"])
        query, direction = question(prediction, sent)
        trace = prediction.trace
        attentions = trace.spatial if trace else []
        if trace is None or not (attentions or evidence_of(trace)):
            return payload.no_attention(prediction, query, direction)
        found = explain(prediction, query, direction=direction)
        part = sent.get("part")
        if part is None:
            parts: list[str | None] = [None] * len(found.maps)
        else:  # layers without that part stay whole
            parts = [str(part) if part in one.parts else None for one in attentions]
            alone = explain(prediction, query, direction=direction, part=str(part))
            by_layer = {one.layer: one for one in alone.maps}
            found = replace(found, maps=tuple(by_layer.get(m.layer, m) for m in found.maps))
        heads = [
            head_grid(prediction, query, one.layer, direction=direction, part=held)
            for one, held in zip(found.maps, parts, strict=True)
        ]
        return payload.answer(found, heads)

    def inside(self, sent: Json) -> Json:
        """What the model left besides maps, about the person and keypoint on show."""
        prediction = self.sessions.get(sent["token"], sent["view"])
        person, keypoint = int(sent["person"]), sent.get("keypoint")
        if keypoint is None:
            check_person(prediction, person)
            return inside(prediction, Query(person, (0.0, 0.0)))
        return inside(prediction, resolve(prediction, int(keypoint), person))

    def inside_matrix(self, sent: Json) -> Json:
        """A matrix of the inside as a plotly figure, once somebody wants it large."""
        prediction = self.sessions.get(sent["token"], sent["view"])
        palette = sent.get("palette")
        return matrix(
            prediction,
            check_person(prediction, int(sent["person"])),
            str(sent["name"]),
            palette if palette in style.PALETTES else style.PALETTES[0],
        )

    def live(self, sent: Json) -> Json:
        """One layer's preview for the live hover."""
        prediction = self.sessions.get(sent["token"], sent["view"])
        return plain_preview(preview(prediction, str(sent["layer"]), int(sent["person"])))

    def download(self, sent: Json) -> Json:
        """What is on show as a file: see :func:`app.downloads.download`."""
        return download(self.sessions.get(sent["token"], sent["view"]), self.methods, sent)

    def live_report(self, sent: Json) -> Json:
        """The photo and all its maps as one file: see :func:`app.downloads.live_report`."""
        return live_report(self.sessions.get(sent["token"], sent["view"]), sent)

    def forget(self, sent: Json) -> Json:
        """The visitor left, or wants the photo gone."""
        self.methods.jobs.stop(str(sent.get("token")), "gone")
        self.sessions.close(str(sent.get("token")))
        return {"forgotten": True}

    def example_of(self, prediction: Prediction) -> str | None:
        """The bundled photo this is the usual analysis of; None for a visitor's own."""
        with self._opened_lock:
            for (example, _), (opened, _) in self._opened.items():
                if opened is prediction:
                    return example
        return None

    # -- the rest ---------------------------------------------------------------------------

    def predict(
        self, photo: Photo, model: str, boxes: list[Box] | None, finder: str | None = None
    ) -> tuple[Prediction, list[str]]:
        """The prediction, and what the visitor should know about how it came about.

        Args:
            photo: the visitor's.
            model: a name on the shelf.
            boxes: people; None for the whole photo, or for a model that finds them itself.
            finder: a model of whole photos that finds the people first; then there are no boxes.

        Raises:
            ModelError: no such model, or one that finds people itself is given a finder.
        """
        loaded = self.shelf.get(str(model))
        led = None if finder is None else TopDown(loaded, self.shelf.get(finder))
        # Warnings are caught inside the gate, where one thread is at work at a time.
        with self.gate.enter(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", PoseKitWarning)
            prediction = led.predict(photo) if led else Estimator(loaded).predict(photo, boxes)
        return prediction, [str(w.message) for w in caught if w.category is PoseKitWarning]

    def finders(self) -> list[str]:
        """The models here that have learnt to find people, the one first that misses fewest."""
        names = self.shelf.names()
        return [name for name in finders() if name in names]

    def find_people(self, photo: Photo, by: str | None = None) -> tuple[str, list[Box]]:
        """Boxes for a model of crops, and the model of whole photos that found them.

        Args:
            photo: the visitor's.
            by: the model that is to find the people; None for those here one after another, the
                one first that misses fewest, until one finds somebody.

        Raises:
            ModelError: no model here has learnt to find people, or ``by`` has not.
            BoxError: nobody was found.
        """
        here = self.finders()
        if not here:
            raise ModelError("No model here has learnt to find people: draw a box around each.")
        if by is not None and by not in here:
            raise ModelError(f"Please choose who finds the people among {', '.join(here)}.")
        asked = here if by is None else [by]
        for name in asked:
            found, _ = self.predict(photo, name, None)
            if found.people:
                return name, [person.box for person in found.people[:MAX_BOXES]]
        raise BoxError(nobody_words(*map(entry, asked)))

    def _crowd(self, photo: Photo, model: str) -> str | None:
        """What a visitor should know whose photo holds more than the one person asked about."""
        here = finders() if entry(model).view == "crop" else []
        if not here:
            return None
        try:
            found, _ = self.predict(photo, here[0], None)
        except PoseKitError:  # a hint is not worth the photo that was analysed already
            return None
        return crowd_words(found, entry(model))

    def open(
        self,
        token: str,
        photo: Photo,
        model: str,
        boxes: list[Box] | None,
        *,
        with_photo: bool = True,
    ) -> Json:
        """Analyse a photo and keep it for the visitor."""
        prediction, notes = self.predict(photo, model, boxes)
        trace = prediction.trace.nbytes if prediction.trace else 0
        return self._keep(
            token,
            prediction,
            boxes is None,
            nbytes=photo.pixels.nbytes + trace,
            notes=notes,
            with_photo=with_photo,
        )

    def _keep(
        self,
        token: str,
        prediction: Prediction,
        whole: bool,
        *,
        nbytes: int,
        notes: list[str],
        with_photo: bool = True,
    ) -> Json:
        view_id = self.sessions.put(token, prediction, nbytes)
        view = payload.view(prediction, view_id=view_id, whole=whole, with_photo=with_photo)
        return {**view, "notes": notes}

    def component(self) -> gr.HTML:
        """The page's one component, wired to the calls above."""
        calls: tuple[Callable[..., Json], ...] = (
            self.start, self.analyse, self.analyse_example, self.again,
            self.explain, self.inside, self.inside_matrix, self.live, self.download,
            self.live_report, self.forget,
            *self.comparer.calls, *self.methods.calls, *self.hider.calls, *self.models.calls,
        )  # fmt: skip
        return gr.HTML(
            value="",
            html_template=style.markup(),
            js_on_load=style.script(),
            apply_default_css=False,
            elem_id="posekit",
            server_functions=[spoken(plain(call)) for call in calls],
            palettes={name: encoded(colour_table(name).tobytes()) for name in style.PALETTES},
            max_bytes=self.photo_limits.max_bytes,
            diverging=encoded(colour_table(DIVERGING).tobytes()),
            methods=self.methods.listing(),
            compare=self.comparer.choices(),
            plotly=PLOTLY,
            occlusion=self.hider.choices(),
            trained=self.shelf.has_weights(self.default_model),
            untrained=payload.UNTRAINED,
        )
