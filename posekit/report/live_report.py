"""A photo whose maps follow the pointer, as one HTML file for people without PoseKit.

The file holds every layer's attention of everybody in 8 bits, which is what the page itself follows
the pointer with; so it answers any place of the photo, and asks no server for anything. Of a model
whose maps are about keypoints it holds those of every keypoint.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.doubts import doubts_of
from posekit.draw.colours import COLOUR_MAPS, colour_table
from posekit.draw.panels import GREY
from posekit.draw.skeleton import RING
from posekit.draw.vectors import people_shapes
from posekit.errors import TraceError
from posekit.explain.evidence import evidence_of
from posekit.explain.live import keypoint_previews, preview, preview_bytes
from posekit.explain.query import check_person
from posekit.files import FileTarget, write_text
from posekit.layer_words import layer_words
from posekit.opening import first_person, opening
from posekit.photo import shrink
from posekit.report import shell
from posekit.report.card import card_rows
from posekit.report.previews import plain_preview
from posekit.report.scripts import SHARED, shared_script
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.people import Person

__all__ = ["MOST_BYTES", "LiveReport", "live"]

MOST_BYTES = 48_000_000
"""Of attention that a file may hold, before it is packed."""

SIDE = 1280
"""Longest side in pixels of the photo in the file."""

Json = dict[str, Any]


def live(
    prediction: Prediction,
    *,
    people: Sequence[int] | None = None,
    photo: bool = True,
    colour_map: str = "magma",
    opacity: float = 0.85,
) -> LiveReport:
    """Everything the model looked at in a photo, as a file to explore with the pointer.

    Args:
        prediction: made with ``record=True``, the default.
        people: whose attention the file holds, by index; None is everybody's.
        photo: False leaves the photo out: maps and poses lie on plain grey.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``, to begin with.
        opacity: of the maps, 0 to 1, to begin with.

    Raises:
        TraceError: nothing was recorded or nobody was found, no such person, or the attention is
            larger than :data:`MOST_BYTES`.
        PoseKitError: an unknown colour map.
    """
    trace = prediction.trace
    if trace is None:
        raise TraceError(
            "Nothing was recorded for this prediction: call predict(photo, record=True) first."
        )
    if not prediction.people:
        raise TraceError(f"{prediction.model.entry.title} found nobody in this photo.")
    if not trace.spatial and not evidence_of(trace):
        raise TraceError(
            f"{prediction.model.entry.title} left neither attention between places of the photo"
            " nor maps about keypoints, so there is nothing to follow the pointer."
        )
    colour_table(colour_map)  # refuse an unknown name before any work
    everybody = range(len(prediction.people))
    chosen = [check_person(prediction, one) for one in (everybody if people is None else people)]
    report = LiveReport(prediction, tuple(dict.fromkeys(chosen)), photo, colour_map, opacity)
    if report.nbytes > MOST_BYTES:
        count = len(report.people)
        who = "one person" if count == 1 else f"{count} people"
        fewer = "" if count == 1 else "name fewer people, or "
        raise TraceError(
            f"The attention about {who} is {report.nbytes / 1e6:.0f} MB, and a live report holds"
            f" {MOST_BYTES / 1e6:.0f}: {fewer}take a model of a coarser grid."
        )
    return report


@dataclass(frozen=True, eq=False)
class LiveReport:
    """A photo whose maps follow the pointer; a notebook shows it as it is.

    Attributes:
        prediction: what it is about.
        people: whose attention it holds, by index.
        photo: whether the photo is in it.
        colour_map: the colours it begins with.
        opacity: of the maps as it begins, 0 to 1.
    """

    prediction: Prediction
    people: tuple[int, ...]
    photo: bool
    colour_map: str
    opacity: float

    @property
    def nbytes(self) -> int:
        """Bytes of attention in the file, before it is packed."""
        trace = self.prediction.trace
        assert trace is not None  # see live()
        crops = len({self.prediction.people[one].item for one in self.people})
        return crops * sum(map(preview_bytes, trace.spatial))

    @cached_property
    def html(self) -> str:
        """The text of the file."""
        prediction, model = self.prediction, self.prediction.model
        spatial = prediction.trace is not None and prediction.trace.spatial
        height, width = prediction.photo.size
        count = len(prediction.people)
        about = [f"photo {width} × {height} px", "one person" if count == 1 else f"{count} people"]
        if not self.photo:
            about.append("the photo itself is left out")
        if any(doubts_of(prediction)):
            about.append(RING)
        here = Path(__file__)
        main = shell.filled(
            here.with_name("live.html"),
            photo=shell.image(self._photo, "The photo", "photo"),
            view=f"-0.5 -0.5 {width} {height}",
            pose=people_shapes(prediction, asked=self.people[0], every_box=True),
            palettes="".join(
                f"<option{' selected' if name == self.colour_map else ''}>{name}</option>"
                for name in COLOUR_MAPS
            ),
            opacity=f"{100 * self.opacity:.0f}",
            card=shell.meanings(card_rows(model)),
            data=_json(self._data),
        )
        scripts = "\n".join(
            [*map(shared_script, SHARED), here.with_name("live.js").read_text(encoding="utf-8")]
        )
        return shell.document(
            f"What {model.entry.title} {'looks at' if spatial else 'says of each keypoint'}",
            about,
            main,
            lead=self._warning,
            style=here.with_name("live.css").read_text(encoding="utf-8"),
            script=f"<script>(() => {{\n{scripts}\n}})();</script>",
        )

    def save(self, target: FileTarget) -> None:
        """Write the file to a path or a binary file."""
        write_text(self.html, target)

    def _repr_html_(self) -> str:
        """For notebooks: a frame of its own, which reaches nothing of the notebook."""
        return (
            '<iframe sandbox="allow-scripts" title="Live maps" style="width: 100%; height: 760px;'
            f' border: 0; border-radius: 10px" srcdoc="{escape(self.html)}"></iframe>'
        )

    @property
    def _warning(self) -> str:
        model = self.prediction.model
        if not model.trained:
            return shell.warning(
                f"{model.entry.title} has random weights: pose and maps show nothing learnt."
            )
        return shell.warning(unsure_words(self.prediction) or "")

    @cached_property
    def _photo(self) -> np.ndarray:
        pixels = shrink(self.prediction.photo.pixels, SIDE)
        return pixels if self.photo else np.full_like(pixels, GREY)

    @property
    def _data(self) -> Json:
        """What the script reads: people, layers, and the attention of each crop."""
        prediction, skeleton = self.prediction, self.prediction.skeleton
        trace = prediction.trace
        assert trace is not None  # see live()
        height, width = prediction.photo.size
        layers = [*(trace.spatial or evidence_of(trace))]
        first = first_person(prediction)
        # People of one crop share what was recorded of it; maps about keypoints are each one's own.
        items = {n: prediction.people[n].item if trace.spatial else n for n in self.people}
        first_of = {item: n for n, item in reversed(items.items())}
        return {
            "photo": {"width": width, "height": height},
            "model": prediction.model.entry.title
            + ("" if prediction.model.trained else " (untrained)"),
            "keypoints": list(skeleton.keypoints),
            "people": [self._person(n, person) for n, person in enumerate(prediction.people)],
            "first": first if first in self.people else self.people[0],
            "layers": [
                {
                    "title": layer_words(one.name, one.kind, prediction.model.entry.levels),
                    "heads": one.heads,
                    "meaning": getattr(one, "meaning", ""),
                }
                for one in layers
            ],
            "attention": bool(trace.spatial),
            "previews": {item: self._previews(person) for item, person in sorted(first_of.items())},
            "item": {person: item for person, item in items.items()},
            "tables": {name: _encoded(colour_table(name).tobytes()) for name in COLOUR_MAPS},
        }

    def _person(self, number: int, person: Person) -> Json:
        return {
            "held": number in self.people,
            "edges": list(person.box.edges),
            "keypoints": [
                [round(float(x), 2), round(float(y), 2)] if there else None
                for (x, y), there in zip(person.keypoints, person.found, strict=True)
            ],
            "scores": [round(float(score), 3) for score in person.scores],
            "opening": opening(person, self.prediction.skeleton),
        }

    def _previews(self, person: int) -> list[Json]:
        trace = self.prediction.trace
        assert trace is not None  # see live()
        if trace.spatial:
            made = [preview(self.prediction, one.name, person) for one in trace.spatial]
            return [plain_preview(one, level=9) for one in made]
        about = keypoint_previews(self.prediction, person)
        return [plain_preview(one, level=9) for one in about]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _json(values: Json) -> str:
    """JSON for a script element, which ends at the first ``</`` whatever surrounds it."""
    return json.dumps(values, allow_nan=False).replace("<", "\\u003c")
