"""Who looks at whom: attention between queries, body parts or keypoints; and gates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from posekit.decode.instance_people import Grouping
from posekit.errors import TraceError
from posekit.explain.dependencies import dependencies
from posekit.explain.instance import affinity_of
from posekit.explain.query import check_person
from posekit.geometry import TokenGrid
from posekit.layer_words import layer_words

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.named import NamedTensor
    from posekit.trace import Attention, Trace

__all__ = ["Matrix", "matrices_of"]

Floats = npt.NDArray[np.float64]

_TITLES = {
    "keypoint": "Keypoints",
    "query": "Queries",
    "part": "Body parts",
    "gate": "Gates",
    "affinity": "Keypoints of everybody",
}
_AXES = {
    "keypoint": ("keypoint that looks", "keypoint it looks at"),
    "query": ("query: who looks", "key: who is looked at"),
    "part": ("query: the part that looks", "key: the part it looks at"),
    "gate": ("body part", "gate"),
    "affinity": ("keypoint", "keypoint"),
}
_UNITS = {
    "keypoint": "share of a row's attention",
    "query": "share of a row's attention",
    "part": "share of a row's attention",
    "gate": "how open, 0 to 1",
    "affinity": "how much they attend to each other, 0 to 1",
}
_AROUND = (
    "How much of each keypoint's attention lies around each keypoint; what a row lacks to 100 % "
    "lies on other people's or on none. The last row is an even map: a share says something where "
    "it is larger."
)


@dataclass(frozen=True, eq=False)
class Matrix:
    """Who attends to whom, or how open each gate is.

    Attributes:
        name: of the layer or record in the trace.
        kind: ``"keypoint"``, ``"query"``, ``"part"``, ``"gate"`` or ``"affinity"``.
        rows: what each row is about, by name.
        cols: what each column is about, by name.
        values: (rows, cols); a row of attention sums to 1, one about keypoints to less, since the
            rest lies elsewhere; a gate is 0 to 1.
        mine: the row that is about the person asked about, None where all are.
        boxes: (rows, 4) outer edges in photo pixels, of rows that have a box at that stage.
        meaning: one sentence.
        layer: of which layer, in words; empty where the name says it.
    """

    name: str
    kind: str
    rows: tuple[str, ...]
    cols: tuple[str, ...]
    values: Floats
    mine: int | None
    boxes: Floats | None
    meaning: str
    layer: str = ""

    @property
    def title(self) -> str:
        """``"Queries, stage 2"``, ``"Keypoints, layer 3"``."""
        stage = f", stage {self.name.rpartition('.')[2]}" if "." in self.name else ""
        return _TITLES.get(self.kind, self.kind) + (f", {self.layer}" if self.layer else stage)

    @property
    def down(self) -> str:
        """What a row is."""
        return _AXES.get(self.kind, ("row", "column"))[0]

    @property
    def across(self) -> str:
        """What a column is."""
        return _AXES.get(self.kind, ("row", "column"))[1]

    @property
    def unit(self) -> str:
        """What a value counts."""
        return _UNITS.get(self.kind, "")


def matrices_of(prediction: Prediction, person: int = 0) -> tuple[Matrix, ...]:
    """All of them about one person, each kind in the order of the forward pass; heads are averaged.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    trace, place = prediction.trace, someone.instance
    if trace is None:
        return ()
    image, token = (
        trace.instances.places[place]
        if trace.instances is not None and place is not None
        else (someone.item, None)
    )
    found = []
    for layer in trace.attentions.values():
        if isinstance(layer.query_grid, TokenGrid) or isinstance(layer.key_grid, TokenGrid):
            continue
        about_all = layer.kind == "query"
        if not about_all and place is None:
            continue
        item = image if about_all else place
        assert item is not None
        found.append(_attention(trace, layer, item, image, token if about_all else None, someone))
    for record in trace.tensors.values():
        if record.kind == "gate" and place is not None:
            found.append(_gates(record, place))
    if isinstance(prediction.evidence, Grouping) and len(prediction.evidence.peaks):
        found.append(_affinity(prediction))
    return (*found, *_keypoints(prediction, person))


def _keypoints(prediction: Prediction, person: int) -> Iterator[Matrix]:
    """One for each layer with attention between places, where two keypoints are drawn."""
    trace, levels = prediction.trace, prediction.model.entry.levels
    assert trace is not None
    for layer in trace.attentions.values():
        if not (isinstance(layer.query_grid, TokenGrid) and isinstance(layer.key_grid, TokenGrid)):
            continue
        try:
            found = dependencies(prediction, layer.name, person)
        except TraceError:
            return
        rows, cols, values = found.table(rest=False)
        words = layer_words(layer.name, layer.kind, levels)
        yield Matrix(
            f"keypoints.{layer.name}", "keypoint", rows, cols, values, None, None, _AROUND, words
        )


@torch.inference_mode()
def _attention(
    trace: Trace, layer: Attention, item: int, image: int, mine: int | None, someone: object
) -> Matrix:
    rows, cols = layer.query_grid, layer.key_grid
    assert isinstance(rows, tuple) and isinstance(cols, tuple)
    weights = layer.matrix(item).mean(0).double().cpu().numpy()
    boxes = None
    record = trace.tensors.get(f"boxes.{layer.name.rpartition('.')[2]}")
    if layer.kind == "query" and record is not None:
        corners = record.values[image].double().cpu().numpy().reshape(-1, 2)
        boxes = someone.crop.to_photo.apply(corners).reshape(-1, 4)  # type: ignore[attr-defined]
    words = (
        "Which queries each query looked at before it changed its box: who suppresses whom."
        if layer.kind == "query"
        else "Which body parts each part looked at before its keypoints were read."
    )
    return Matrix(layer.name, layer.kind, rows, cols, weights, mine, boxes, words)


def _affinity(prediction: Prediction) -> Matrix:
    """Candidates person by person, so that people are blocks."""
    found = affinity_of(prediction)
    words = "How much any two keypoints attend to each other; people are blocks."
    values = np.asarray(found.matrix, dtype=np.float64)
    labels = found.labels()
    return Matrix("affinity", "affinity", labels, labels, values, None, None, words)


def _gates(record: NamedTensor, place: int) -> Matrix:
    rows, cols = record.axes
    values = record.values[place].double().cpu().numpy()
    return Matrix(record.name, record.kind, rows, cols, values, None, None, record.meaning)
