"""One model's side of a comparison: its map, where it was asked, and its row of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from posekit.explain.faithfulness.grids import Map, shares
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import find_method
from posekit.explain.query import Query
from posekit.people import IN_BOX
from posekit.unsure import unsure_words

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = ["UNTRAINED", "Figures", "Panel", "legend_of", "mass_map", "titles"]

UNTRAINED = "untrained: its weights are random, so its map and its pose show nothing learnt"
"""What a panel of an untrained model says, in plain words."""


@dataclass(frozen=True)
class Figures:
    """One row of the table. None where a figure does not exist for this panel.

    Attributes:
        title: the model, as the panel names it.
        trained: False when the weights are random.
        layer: name of the layer shown; the method's name for a map that belongs to no layer.
        confidence: the model's score of the keypoint asked about, where it found it.
        distance_px: from this model's keypoint to the first panel's, in photo pixels.
        distance_torso: the same in units of the first panel's torso (left shoulder to right hip).
        distance_box: the same in units of the longer side of the person's box.
        on_person: share of the map's mass on the person's box (or mask, where one was given).
        where: what ``on_person`` is measured on, in words: ``in this person's box``, ``inside the
            photo`` when nobody drew one, ``on this person`` where a mask was given.
        on_others: share on other people's boxes and outside this person's.
        elsewhere: the rest of the mass.
        entropy_nats: entropy of the map as shares; ``log(cells)`` when it is even.
        entropy_share: entropy divided by ``log(cells)``: 0 is one cell, 1 is even.
        peak_distance_px: from the place asked about to the heaviest cell's centre.
        overlap: share of the mass that lies where the first panel's does (histogram intersection).
        deletion: area under the deletion curve with the empty photo at 0 and the whole at 1;
            lower is more faithful.
        insertion: area under the insertion curve, likewise; higher is more faithful.
        predict_ms: wall-clock time of the whole prediction, as measured when it was made.
        explain_ms: wall-clock time of this map.
        parameters: numbers in the network.
    """

    title: str
    trained: bool
    layer: str
    confidence: float | None = None
    distance_px: float | None = None
    distance_torso: float | None = None
    distance_box: float | None = None
    on_person: float | None = None
    where: str = IN_BOX
    on_others: float | None = None
    elsewhere: float | None = None
    entropy_nats: float | None = None
    entropy_share: float | None = None
    peak_distance_px: float | None = None
    overlap: float | None = None
    deletion: float | None = None
    insertion: float | None = None
    predict_ms: float = 0.0
    explain_ms: float = 0.0
    parameters: int = 0


@dataclass(frozen=True, eq=False)
class Panel:
    """One model's answer.

    Attributes:
        prediction: what the model found.
        title: the model's name; with its weights, layer or a number where that tells panels apart.
        map: the map, or None when the method cannot answer for this model; ``note`` says why.
        point: (x, y) in photo pixels where this model was asked; None when it was not.
        keypoint: index of the keypoint asked about in this model's skeleton, None for a free point
            and for a keypoint the model does not know or did not find.
        note: sentences about what is different in this panel; empty when nothing is.
        legend: model, layer, direction, head and grid in one line.
        figures: its row of the table.
        mass: the map as shares of its mass (sum 1, evidence against left out), in the form that
            drawing and numbers take; None without a map.
        density_factor: a cell's share times this is its mass density, see
            :mod:`posekit.compare.grid`.
    """

    prediction: Prediction
    title: str
    map: Map | None
    point: tuple[float, float] | None
    keypoint: int | None
    note: str
    legend: str
    figures: Figures
    mass: AttentionMap | None = None
    density_factor: float = 0.0

    @property
    def trained(self) -> bool:
        """False when the weights are random: its map then means nothing."""
        return self.prediction.model.trained

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be said of the answer in words: that it is untrained, and its note."""
        said = () if self.trained else (UNTRAINED[0].upper() + UNTRAINED[1:] + ".",)
        return (*said, self.note) if self.note else said

    @property
    def caption(self) -> tuple[str, ...]:
        """All that must stand under its picture in words: its remarks, and poses it doubts."""
        doubt = unsure_words(self.prediction)
        return (*self.remarks, doubt) if doubt else self.remarks


def mass_map(map_: Map, query: Query) -> AttentionMap:
    """Any method's map as shares of its mass that sum to 1 (all 0 when it has none)."""
    weights = np.asarray(shares(map_), dtype=np.float32)
    if isinstance(map_, AttentionMap):
        return replace(map_, weights=weights, query=query)
    return AttentionMap(
        layer=map_.method,
        kind="method",
        direction="row",
        head=None,
        weights=weights,
        grid=map_.grid,
        crop=map_.crop,
        query_token=-1,
        query=query,
        heads=1,
    )


def legend_of(map_: Map, model: PoseModel) -> str:
    """``encoder layer 3 · looks at (row) · mean of 8 heads · grid 32 × 24``, or the method."""
    from posekit.draw.legend import legend_lines

    if isinstance(map_, HeatMap):
        signed = " · evidence for only" if map_.signed else ""
        name = find_method(map_.method).title
        return f"{name}{signed} · grid {map_.grid.rows} × {map_.grid.cols}"
    first, *more, _ = legend_lines(map_, model)
    return " · ".join([first.partition(" · ")[2], *more])


def titles(
    predictions: Sequence[Prediction], layers: Sequence[str | None] | None = None
) -> list[str]:
    """A name for each panel: the model's title, more where two would read alike.

    The weights where they differ, of one's own the file's name, with its checksum where that is
    the same; then the layer where one model stands in several panels, and a number where even that
    is the same.

    Args:
        predictions: one a panel.
        layers: the words for each panel's layer, None where its map is of no single layer.
    """
    models = [one.model for one in predictions]
    names = [model.entry.title for model in models]
    told = []
    for name, model in zip(names, models, strict=True):
        alike = [other for other, its in zip(models, names, strict=True) if its == name]
        differ = any(other.weights != model.weights for other in alike)
        if differ or not model.trained:
            name = f"{name} ({_weights_words(model, alike)})"
        told.append(name)
    if layers is not None:
        apart = {*zip(told, layers, strict=True)}
        told = [
            f"{name}, {layer}" if layer and sum(its == name for its, _ in apart) > 1 else name
            for name, layer in zip(told, layers, strict=True)
        ]
    seen: dict[str, int] = {}
    unique = []
    for name in told:
        seen[name] = seen.get(name, 0) + 1
        unique.append(f"{name}, {seen[name]}" if told.count(name) > 1 else name)
    return unique


def _weights_words(model: PoseModel, alike: Sequence[PoseModel]) -> str:
    """A model's weights in words that tell them from those of its likes, without any folder."""
    if model.weights.kind != "file":
        words = f"{model.weights.kind} weights" if model.trained else "untrained"
        return words if model.weights.checked else f"{words}, not checked"
    name = model.weights.file_name or "own weights"
    sums = {one.weights_sha256 for one in alike if one.weights.file_name == model.weights.file_name}
    return f"{name}, {model.weights_sha256}" if len(sums) > 1 else name
