"""Heatmap against votes, and what the loss would watch: maps to be looked at side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posekit.explain.inside.fields import Field
from posekit.explain.query import check_person
from posekit.geometry import Affine, Box
from posekit.named import SpatialMap

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["HeatPair", "StageWeight", "pair_of", "weights_of"]


@dataclass(frozen=True, eq=False)
class HeatPair:
    """The heatmap H a model predicts of a keypoint, and S that its offsets and limbs would make.

    Attributes:
        predicted: H.
        synthesised: S.
        apart: |H - S|, where the two contradict each other.
        mean: of |H - S| over the cells in the person's box; NaN where the box holds no cell.
        contradiction: sum of |H - S| over half the sum of H + S on the same cells, both cut to
            0..1: 0 where they agree, 2 where they have nothing in common (SSA, section 6.5 of the
            specification); NaN where neither says anything.
        cells: how many cells these are.
    """

    predicted: Field
    synthesised: Field
    apart: Field
    mean: float
    contradiction: float
    cells: int


@dataclass(frozen=True, eq=False)
class StageWeight:
    """Where the loss would watch a keypoint at one stage; its mean is 1.

    Attributes:
        stage: words for it, such as ``"heatmaps, stage 2"``.
        field: the map; **an estimate**, since the true weight needs the truth.
    """

    stage: str
    field: Field


def pair_of(prediction: Prediction, person: int, keypoint: int) -> HeatPair | None:
    """The last heatmap of a keypoint beside the one made without it.

    None for a model that makes no such pair.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    held = _maps(prediction, keypoint)
    heat = _numbered(held, "heatmap")
    if "synthesised" not in held or not heat:
        return None
    predicted, synthesised = (
        _field(prediction, person, one) for one in (heat[-1], held["synthesised"])
    )
    h, s = predicted.values, synthesised.values
    meaning = "where the predicted and the synthesised heatmap contradict each other: |H - S|"
    apart = Field("contradiction", np.abs(h - s), predicted.to_photo, meaning)
    near = _cells_in(someone.box, predicted.to_photo, h.shape)
    h_sure, s_sure = h.clip(0, 1)[near], s.clip(0, 1)[near]
    both = (h_sure + s_sure).sum() / 2
    return HeatPair(
        predicted,
        synthesised,
        apart,
        mean=float(apart.values[near].mean()) if near.any() else float("nan"),
        contradiction=float(np.abs(h_sure - s_sure).sum() / both) if both > 1e-6 else float("nan"),
        cells=int(near.sum()),
    )


def weights_of(prediction: Prediction, person: int, keypoint: int) -> tuple[StageWeight, ...]:
    """The estimated spatial weights of a keypoint, stage by stage, fields before heatmaps.

    None for a model without them.

    Raises:
        TraceError: there is no such person.
    """
    check_person(prediction, person)
    held = _maps(prediction, keypoint)
    weights, heat = _numbered(held, "estimated-weight"), _numbered(held, "heatmap")
    fields = len(weights) - len(heat)
    return tuple(
        StageWeight(
            f"limb fields, stage {n + 1}" if n < fields else f"heatmaps, stage {n - fields + 1}",
            _field(prediction, person, one),
        )
        for n, one in enumerate(weights)
    )


def _maps(prediction: Prediction, keypoint: int) -> dict[str, SpatialMap]:
    """The maps of one keypoint by group."""
    trace = prediction.trace
    maps = trace.maps.values() if trace else ()
    return {one.group: one for one in maps if one.keypoint == keypoint}


def _numbered(held: dict[str, SpatialMap], kind: str) -> list[SpatialMap]:
    """Those of a kind, by stage."""
    stages = [group for group in held if group.startswith(f"{kind}.")]
    return [held[g] for g in sorted(stages, key=lambda group: int(group.rpartition(".")[2]))]


def _field(prediction: Prediction, person: int, one: SpatialMap) -> Field:
    someone = prediction.people[person]
    values = one.values[someone.item].double().cpu().numpy()
    return Field(one.name, values, someone.crop.to_photo @ one.grid.to_input, one.meaning)


def _cells_in(box: Box, to_photo: Affine, size: tuple[int, ...]) -> np.ndarray:
    """(rows, cols) bool: the cells whose centres lie in a box on the photo."""
    row, col = np.indices(size)
    centres = to_photo.apply(np.stack([col, row], axis=-1).reshape(-1, 2).astype(np.float64))
    return box.contains(centres).reshape(size)
