"""The prepared cases on the page: rendered, analysed once a model, the same for everybody."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from app import payload
from app.occlusion_ask import name_of
from app.payload import Json
from app.picture import data_url
from posekit.estimator import Prediction
from posekit.occlusion import CASES, LEVELS, PreparedCase, prepared_case

if TYPE_CHECKING:
    from app.explore import Explorer

THUMB = (128, 128)
MOST_OPENED = 8
OPENS = "somebody steps in"
"""What the page opens with: here a glance shows what the page is about."""


class Prepared:
    """Holds what is nobody's secret: pictures, masks, and what the models found in them."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self._lock = threading.Lock()
        self._thumbs: dict[str, str] = {}
        self._cases: dict[str, PreparedCase] = {}
        self._opened: OrderedDict[tuple[str, str], Prediction] = OrderedDict()

    def listing(self) -> list[Json]:
        """What there is, from easy to cruel."""
        cases = sorted(CASES.items(), key=lambda one: LEVELS.index(one[1].level))
        return [
            {"name": name, "title": one.title, "question": one.question, "level": one.level}
            for name, one in cases
        ]

    def occlusion_thumb(self, sent: Json) -> Json:
        """A small picture of a case."""
        name = name_of(sent.get("case"), list(CASES), "case")
        if name not in self._thumbs:
            self._thumbs[name] = data_url(prepared_case(name, THUMB).photo, quality=84)
        return {"thumb": self._thumbs[name]}

    def open(self, token: str, sent: Json) -> Json:
        """A case through a model, as a view of the visitor's session."""
        name = name_of(sent.get("case"), list(CASES), "case")
        prepared, explorer = self.case(name), self.explorer
        explorer.sessions.touch(token)
        key, notes = (name, str(sent["model"])), list[str]()
        with self._lock:
            prediction = self._opened.get(key)
        if prediction is None:
            boxes = list(prepared.boxes)
            prediction, notes = explorer.predict(prepared.photo, str(sent["model"]), boxes)
            with self._lock:
                self._opened[key] = prediction
                while len(self._opened) > MOST_OPENED:
                    self._opened.popitem(last=False)
        # Held here anyway, so it costs the visitors' store nothing.
        view = explorer.sessions.put(token, prediction, 0)
        case, places = prepared.case, prediction.skeleton
        return {
            **payload.view(prediction, view_id=view, whole=False),
            "notes": notes,
            "keypoint": places.index(case.keypoint) if places.size else None,
            "point": None if places.size else list(prediction.people[case.person].box.centre),
            "person": case.person,
            "occluder": None if prepared.occluder is None else prepared.occluder.to_dict(),
            "hiddenBy": re.sub(r"\d+", lambda n: str(int(n[0]) + 1), prepared.hidden_by),
        }

    def of(self, prediction: Prediction, sent: Json) -> PreparedCase | None:
        """The case that this photo is of, if the page says one and it is true."""
        name = sent.get("case")
        if not isinstance(name, str) or name not in CASES:
            return None
        prepared = self.case(name)
        return prepared if prepared.photo.digest == prediction.photo.digest else None

    def case(self, name: str) -> PreparedCase:
        """A case, rendered when it is first asked for."""
        if name not in self._cases:
            self._cases[name] = prepared_case(name)
        return self._cases[name]
