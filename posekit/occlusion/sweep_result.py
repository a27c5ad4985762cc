"""What a sweep found: one row for every place, or every size, of the occluder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from posekit import __version__
from posekit.affine import Affine
from posekit.errors import OcclusionError
from posekit.explain.heat import HeatMap
from posekit.explain.plain import finite
from posekit.files import FileTarget, write_json, write_npz
from posekit.geometry import TokenGrid
from posekit.occlusion.occluder import Occluder
from posekit.occlusion.side import Side

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["PARTS", "Sweep"]

Floats = npt.NDArray[np.float64]

PARTS = ("own", "others", "background", "in_front")
"""Columns of :attr:`Sweep.purity`."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """N occluders and what each did, in the order they were tried.

    Attributes:
        kind: ``"grid"``, one occluder at many places, or ``"limb"``, one that grows along a limb.
        before: the side without an occluder, which all is held against.
        keypoint: index of the keypoint asked about.
        layer: the layer that is shown; None when the model has no maps.
        occluders: None where nothing is covered.
        share: (N,) covered share, 0 to 1, of what ``share_words`` says.
        share_words: what ``share`` is a share of.
        covered_limb: (N,) of the keypoint's limbs, NaN when their ends are not known.
        confidence: (N,) in the keypoint; 0 when it, or the person, is not found.
        displacement: (N,) how far the keypoint moved, photo pixels; NaN when it is not found.
        found: (N,) bool, whether the keypoint is.
        purity: by layer (N, 4) on what can be seen of the person, and of others, on the background,
            on what was put in front; NaN when not found.
        on_occluder: by layer (N,) attention on the pixels the occluder covers, which is the last of
            those parts unless it only blocks attention; NaN when not found.
        masks: where the masks come from, in words; None without purity.
        shape: (rows, cols) of a grid; None for a limb.
        to_photo: of a grid, (column, row) to the photo pixel that the occluder's centre lies on.
        seconds: it took.
    """

    kind: Literal["grid", "limb"]
    before: Side
    keypoint: int
    layer: str | None
    occluders: tuple[Occluder | None, ...] = field(repr=False)
    share: Floats = field(repr=False)
    share_words: str
    covered_limb: Floats = field(repr=False)
    confidence: Floats = field(repr=False)
    displacement: Floats = field(repr=False)
    found: npt.NDArray[np.bool_] = field(repr=False)
    purity: Mapping[str, Floats] = field(repr=False)
    on_occluder: Mapping[str, Floats] = field(repr=False)
    masks: str | None = None
    shape: tuple[int, int] | None = None
    to_photo: Affine | None = None
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """Name of the keypoint."""
        return self.before.prediction.skeleton.keypoints[self.keypoint]

    @property
    def title(self) -> str:
        """``Left wrist, grey rectangle over a grid of 8 x 6``."""
        where = (
            f"{self.filled.replace('stroke', 'band')} growing along the limb"
            if self.shape is None
            else f"{self.filled} over a grid of {self.shape[0]} x {self.shape[1]}"
        )
        return f"{self.label[0].upper()}{self.label[1:]}, {where}"

    @property
    def filled(self) -> str:
        """What was put in front, and what it is made of: :attr:`Occluder.filled`."""
        return next((one.filled for one in self.occluders if one is not None), "occluder")

    @property
    def place_words(self) -> str:
        """What ``on_occluder`` is a share on, in words."""
        there = next((one for one in self.occluders if one is not None), None)
        blocked = there is not None and there.knocks_out
        return "on what is hatched" if blocked else "on what was put in front"

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers that purity is known for, in forward order."""
        return tuple(self.purity)

    @cached_property
    def drop(self) -> Floats:
        """(N,) by how much the confidence fell; negative where it rose."""
        return float(self.before.confidence or 0.0) - self.confidence

    @cached_property
    def heat(self) -> HeatMap:
        """The drop at every place of a grid, as a map that is drawn like any other.

        Raises:
            OcclusionError: this is no grid.
        """
        someone = self.before.someone
        if self.shape is None or self.to_photo is None or someone is None:
            raise OcclusionError("Only a sweep over a grid of places has a map of the drop.")
        grid = TokenGrid(*self.shape, someone.crop.to_crop @ self.to_photo)
        return HeatMap(
            method="occlusion-sweep",
            values=self.drop.reshape(self.shape).astype(np.float32),
            grid=grid,
            crop=someone.crop,
            signed=True,
            seconds=self.seconds,
            target=self.label,
            person=self.before.person or 0,
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row an occluder, plain values; None where a number cannot be said."""
        shown = self.purity.get(self.layer or "")
        on = self.on_occluder.get(self.layer or "")
        return [
            {
                "share": finite(self.share[n]),
                "covered_limb": finite(self.covered_limb[n]),
                "confidence": finite(self.confidence[n]),
                "displacement_px": finite(self.displacement[n]),
                "found": bool(self.found[n]),
                "on_person": None if shown is None else finite(shown[n, 0]),
                "on_others": None if shown is None else finite(shown[n, 1]),
                "on_background": None if shown is None else finite(shown[n, 2]),
                "in_front": None if shown is None else finite(shown[n, 3]),
                "on_occluder": None if on is None else finite(on[n]),
            }
            for n in range(len(self.share))
        ]

    def describe(self) -> dict[str, Any]:
        """All of it as plain values; no photo, no file's name."""
        model = self.before.prediction.model
        return {
            "software": f"PoseKit {__version__}",
            **model.origin,
            "kind": self.kind,
            "keypoint": self.label,
            "layer": self.layer,
            "share_of": self.share_words,
            "masks": self.masks,
            "confidence_before": self.before.confidence,
            "shape": None if self.shape is None else list(self.shape),
            "to_photo": None if self.to_photo is None else self.to_photo.matrix.tolist(),
            "seconds": round(self.seconds, 3),
            "occluders": [None if one is None else one.to_dict() for one in self.occluders],
            "rows": self.rows,
        }

    def arrays(self) -> dict[str, Any]:
        """The columns as arrays, ``purity.<layer>`` and ``on_occluder.<layer>`` by layer."""
        held: dict[str, Any] = {
            "share": self.share,
            "covered_limb": self.covered_limb,
            "confidence": self.confidence,
            "displacement": self.displacement,
            "found": self.found,
            "drop": self.drop,
            "metadata": np.array(json.dumps(self.describe(), allow_nan=False)),
        }
        if self.to_photo is not None:
            held |= {"shape": np.array(self.shape), "to_photo": self.to_photo.matrix}
        held |= {f"purity.{layer}": values for layer, values in self.purity.items()}
        return held | {f"on_occluder.{layer}": v for layer, v in self.on_occluder.items()}

    def save_npz(self, target: FileTarget) -> None:
        """Write :meth:`arrays`; nothing in the file is pickled."""
        write_npz(self.arrays(), target)

    def save_csv(self, target: FileTarget) -> None:
        """Write :attr:`rows`, see :func:`posekit.occlusion.tables.save_sweep_csv`."""
        from posekit.occlusion.tables import save_sweep_csv

        save_sweep_csv(self, target)

    def save_json(self, target: FileTarget) -> None:
        """Write :meth:`describe` as JSON (UTF-8)."""
        write_json(self.describe(), target)

    def figure(self, *, photo: bool = True) -> Figure:
        """A plotly figure: the map of a grid, over the photo if wanted, or the curves of a limb."""
        from posekit.occlusion.sweep_figure import curves, heat_figure

        return curves(self) if self.shape is None else heat_figure(self, photo=photo)

    def curves(self) -> Figure:
        """A plotly figure of either: confidence, purity and displacement by covered share."""
        from posekit.occlusion.sweep_figure import curves

        return curves(self)
