"""Records of a trace beside attention: maps on the input, and tensors that explain themselves.

A page can draw them without knowing the model: the kind says how, the axes say what is counted,
the sentence says what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from posekit.geometry import TokenGrid

__all__ = ["Instances", "NamedTensor", "SpatialMap"]

Kind = Literal["box", "score", "keypoint", "sigma", "part map", "gate"]
"""box: outer edges x0, y0, x1, y1. keypoint: x, y. sigma: spread of x and of y. All three in input
pixels, pixel centres at the integers. score, gate: 0..1. part map: weights over the cells of a box,
which sum to 1."""


@dataclass(frozen=True, eq=False)
class SpatialMap:
    """A named map a model makes on its input, such as a stage's spatial weights.

    Attributes:
        name: its name in the trace.
        values: (B, rows, cols).
        grid: where its cells lie on the crop.
        group: what it is one of, such as ``"votes"``: one map a keypoint, say.
        keypoint: which keypoint it is about, index into the skeleton; None for no single one.
        signed: whether values below zero mean something.
        meaning: one sentence.
    """

    name: str
    values: Tensor
    grid: TokenGrid
    group: str = ""
    keypoint: int | None = None
    signed: bool = False
    meaning: str = ""


@dataclass(frozen=True, eq=False)
class NamedTensor:
    """One such record.

    Attributes:
        name: its name in the trace, such as ``"boxes.2"``.
        kind: what its numbers are, and so how to draw them.
        values: (B, ...) or (P, ...), see ``per``.
        per: what the first axis counts: the batch's images, or the trace's instances.
        axes: what the further axes count, by name; empty for an axis whose steps have no names,
            such as the rows of a map.
        meaning: one sentence.
        frame: the record of kind "box" that a map's cells divide evenly; None where not a map.
        steps: for each keypoint of the skeleton the step of the first axis that it belongs to;
            empty where that axis is no division of the keypoints.
    """

    name: str
    kind: Kind
    values: Tensor
    per: Literal["image", "instance"]
    axes: tuple[tuple[str, ...], ...]
    meaning: str
    frame: str | None = None
    steps: tuple[int, ...] = ()

    def to(self, device: torch.device | str) -> NamedTensor:
        """The same record on another device."""
        return replace(self, values=self.values.to(device))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.values.numel() * self.values.element_size()

    @staticmethod
    def concatenate(records: Sequence[NamedTensor]) -> NamedTensor:
        """One record of several batches, in order."""
        return replace(records[0], values=torch.cat([r.values for r in records]))


@dataclass(frozen=True)
class Instances:
    """What a model that looks at whole images singled out: who the per-instance records are about.

    Attributes:
        images: how many images the batch has.
        places: (image, token) of each instance; the token is that of the layers of kind "query",
            and an axis of the per-image records.
    """

    images: int
    places: tuple[tuple[int, int], ...]

    @staticmethod
    def concatenate(several: Sequence[Instances]) -> Instances:
        """Those of several batches, in order; images are counted on."""
        before, places = 0, []
        for each in several:
            places += [(before + image, token) for image, token in each.places]
            before += each.images
        return Instances(before, tuple(places))
