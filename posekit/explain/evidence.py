"""Maps of a trace that are about one keypoint without being attention: part maps, heatmaps, votes.

A model that attends between places of the photo is asked with a token. One that does not leaves
maps by keypoint instead: QueryPose reads a keypoint's body part inside the person's box, stage by
stage; networks of the OpenPose line leave heatmaps, votes and limb ends. Both are layers that a
click can be answered with, and are drawn as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.errors import TraceError
from posekit.explain.maps import AttentionMap
from posekit.explain.query import Query
from posekit.geometry import Affine, TokenGrid
from posekit.named import NamedTensor

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.trace import Trace

__all__ = ["NO_TOKEN", "Evidence", "evidence_map", "evidence_of"]

NO_TOKEN = -1
"""The query token of a map that no token asked for."""


@dataclass(frozen=True)
class Evidence:
    """A layer of maps by keypoint.

    Attributes:
        name: in the trace: of a record, or of a group of maps.
        kind: what it is, a key of the zoo entry's ``levels``.
        size: (rows, cols) of its maps.
        meaning: one sentence.
    """

    name: str
    kind: str
    size: tuple[int, int]
    meaning: str

    @property
    def heads(self) -> int:
        """As if one head had looked."""
        return 1


def evidence_of(trace: Trace) -> list[Evidence]:
    """The layers of maps by keypoint that a pass left, in its order; maps with signs are none."""
    layers = {}
    for record in trace.tensors.values():
        if record.kind == "part map" and record.steps:
            rows, cols = record.values.shape[-2:]
            layers[record.name] = Evidence(record.name, record.kind, (rows, cols), record.meaning)
    for one in trace.maps.values():
        if one.keypoint is not None and not one.signed and one.group not in layers:
            kind = one.group.partition(".")[0]
            layers[one.group] = Evidence(one.group, kind, one.grid.size, one.meaning)
    return list(layers.values())


def evidence_map(prediction: Prediction, query: Query, layer: Evidence) -> AttentionMap:
    """A layer's map about the keypoint asked for.

    Raises:
        TraceError: a free point was asked for, or the person was not singled out by the model.
    """
    trace = prediction.trace
    assert trace is not None  # the layer came from it
    if query.keypoint is None:
        raise TraceError(
            f"{prediction.model.entry.title} has no attention between places of the photo: "
            "its maps are about keypoints, so ask about one."
        )
    if layer.name in trace.tensors:
        weights, grid = _in_frame(prediction, query, trace.tensors[layer.name])
    else:
        item = prediction.people[query.person].item
        one = next(
            m for m in trace.maps.values() if m.group == layer.name and m.keypoint == query.keypoint
        )
        weights, grid = one.values[item].float().cpu().numpy(), one.grid
    return AttentionMap(
        layer=layer.name,
        kind=layer.kind,
        direction="row",
        head=None,
        weights=np.ascontiguousarray(weights, dtype=np.float32).clip(min=0.0),
        grid=grid,
        crop=prediction.people[query.person].crop,
        query_token=NO_TOKEN,
        query=query,
        heads=1,
        meaning=layer.meaning,
    )


def _in_frame(
    prediction: Prediction, query: Query, record: NamedTensor
) -> tuple[np.ndarray, TokenGrid]:
    """A part map (rows, cols), and where its cells lie: they divide a box of the person's."""
    trace, instance = prediction.trace, prediction.people[query.person].instance
    assert trace is not None and query.keypoint is not None and record.frame is not None
    if instance is None or trace.instances is None:
        raise TraceError(f"{prediction.model.entry.title} singled out nobody for this person.")
    image, token = trace.instances.places[instance]
    values = record.values[instance, record.steps[query.keypoint]].float().cpu().numpy()
    left, top, right, bottom = trace.tensors[record.frame].values[image, token].tolist()
    rows, cols = values.shape
    across, down = max(right - left, 1e-3) / cols, max(bottom - top, 1e-3) / rows
    to_input = Affine.scaling((across, down), (left + across / 2, top + down / 2))
    return values, TokenGrid(rows, cols, to_input)
