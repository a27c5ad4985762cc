"""The case library on the page: off unless whoever serves the page said where cases may be kept.

One library serves everybody who can open the page.  That is why a page served to other machines has
none unless a folder was named for it, and why a page on this machine answers only visitors who come
without a proxy in between: whatever stands behind a proxy may be public.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from app import occlusion_payload as told
from app.occlusion_ask import text_of, whole_number
from app.payload import Json
from posekit.errors import LibraryError, PoseKitError
from posekit.estimator import Prediction
from posekit.occlusion import CaseLibrary, PersonMasks, SavedCase, html_page, study_of
from posekit.zoo import entry

if TYPE_CHECKING:
    from app.occlusion import Hider

OFF = (
    "The case library is off on this server, so that no visitor sees another’s cases."
    " Take a case with you as an HTML report instead."
)
SHARED = (
    "Saving writes the photo, the occluder and your note to this server’s disk, where they stay"
    " until somebody deletes the case. It is one library: whoever can open this page can see, open"
    " and delete its cases."
)
GONE = "This case is no longer in the library; somebody may have deleted it."
PAGE = 24

T = TypeVar("T")

FORWARDED: ContextVar[bool] = ContextVar("forwarded", default=False)
"""Whether the request at hand came through a proxy."""


class Cases:
    """Answers the page's calls about saved cases.

    Args:
        hider: makes the studies.
        library: None where nothing may be saved.
        local: the library is this machine's own: visitors who come through a proxy get none.
    """

    def __init__(
        self, hider: Hider, library: CaseLibrary | None = None, *, local: bool = False
    ) -> None:
        self.hider = hider
        self.library, self.local = library, local

    @property
    def calls(self) -> tuple[Callable[[Json], Json], ...]:
        """What the page may ask, by the names it asks with."""
        return (
            self.occlusion_cases, self.occlusion_save, self.occlusion_delete, self.occlusion_export,
        )  # fmt: skip

    def state(self) -> Json:
        """Whether there is a library, and the sentence that the page says about it."""
        return {"on": self.library is not None, "words": OFF if self.library is None else SHARED}

    # -- calls of the page ------------------------------------------------------------------

    def occlusion_cases(self, sent: Json) -> Json:
        """The saved cases, newest first, from place ``start`` on."""
        start = max(0, whole_number(sent.get("start", 0), "A place in the list"))
        self._visitor(sent)
        if self.library is None or (self.local and FORWARDED.get()):
            return {"on": False, "words": OFF, "cases": [], "total": 0}
        held = self._said(lambda library: library.list())
        cases = [told.saved(one, _title(one)) for one in held[start : start + PAGE]]
        return {"on": True, "words": SHARED, "cases": cases, "start": start, "total": len(held)}

    def occlusion_save(self, sent: Json) -> Json:
        """Keep the study on show, because the visitor asked for it."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.hider.explorer.sessions.get(token, view)
        self._on()
        title, note = text_of(sent.get("title"), "A title"), text_of(sent.get("note"), "A note")
        found = self.hider.study(token, view, prediction, sent)
        assert found is not None  # nothing overtakes a save
        case = self._said(lambda library: library.save(found, title=title, note=note))
        return {"saved": told.saved(case, _title(case))}

    def occlusion_delete(self, sent: Json) -> Json:
        """Delete a case and its files."""
        self._visitor(sent)
        case = self._held(sent)
        self._said(lambda library: library.delete(case.id))
        return {"deleted": case.id}

    def occlusion_export(self, sent: Json) -> Json:
        """A saved case as one HTML file."""
        self._visitor(sent)
        case = self._said(lambda library: library.open(self._held(sent).id))
        model = self.hider.explorer.shelf.get(case.model)
        with self.hider.explorer.gate.enter():
            found = study_of(case, model)
        page = html_page(found, note=case.note, title=case.title)
        return told.file(f"posekit-case-{case.id[:8]}.html", "text/html", page.encode("utf-8"))

    # -- the rest ---------------------------------------------------------------------------

    def open(self, token: str, sent: Json) -> Json:
        """A saved case as the page's side before, by its own model or by the one sent."""
        explorer = self.hider.explorer
        explorer.sessions.touch(token)
        case = self._said(lambda library: library.open(self._held(sent).id))
        model = str(sent.get("model") or case.model)
        assert case.photo is not None  # opened, not listed
        boxes = None if case.boxes is None else list(case.boxes)
        reply = explorer.open(token, case.photo, model, boxes)
        keypoints = reply["skeleton"]["keypoints"]
        keypoint = keypoints.index(case.keypoint) if case.keypoint in keypoints else None
        point = None if keypoint is not None or case.point is None else list(case.point)
        person = min(case.person, max(0, len(reply["people"]) - 1))
        asked = keypoint is not None or point is not None
        return {
            **reply,
            "keypoint": keypoint if asked else told.opening_of({**reply, "person": person}),
            "point": point,
            "person": person,
            "layer": case.layer,
            "occluder": None if case.occluder is None else case.occluder.to_dict(),
            "case": told.saved(case, _title(case)),
            "savedModel": case.model,
        }

    def masks(self, prediction: Prediction, sent: Json) -> PersonMasks | None:
        """The masks saved with the case that this photo is of; None where there are none."""
        if sent.get("saved") is None:
            return None
        try:
            case = self._said(lambda library: library.open(self._held(sent).id))
        except PoseKitError:  # deleted meanwhile: what is open stays open
            return None
        mine = case.photo is not None and case.photo.digest == prediction.photo.digest
        return case.masks if mine else None

    def _visitor(self, sent: Json) -> None:
        """Refuse whoever has no session: the list is for visitors of the page."""
        self.hider.explorer.sessions.touch(str(sent["token"]))

    def _on(self) -> CaseLibrary:
        if self.library is None or (self.local and FORWARDED.get()):
            raise LibraryError(OFF)
        return self.library

    def _said(self, do: Callable[[CaseLibrary], T]) -> T:
        """What the library gives; its folder's name stays on the server."""
        library = self._on()
        try:
            return do(library)
        except LibraryError as error:
            if str(library.folder) in str(error):
                raise LibraryError(
                    "The case library on this server cannot be used right now: its folder cannot be"
                    " read or written."
                ) from error
            raise

    def _held(self, sent: Json) -> SavedCase:
        wanted = sent.get("saved")
        for case in self._said(lambda library: library.list()):
            if case.id == wanted:
                return case
        raise LibraryError(GONE)


def _title(case: SavedCase) -> str:
    """The model's title; its bare name when the zoo does not have it any more."""
    try:
        return entry(case.model).title
    except PoseKitError:
        return case.model
