"""The maps that explain a network of the OpenPose line, by name (specification 11) [ours].

Names are ``kind.keypoint``, ``kind.stage.keypoint`` or ``kind.axis.what``, keypoints in the
skeleton's words:

* ``heatmap.2.left wrist``: what stage 2 of the heatmaps says, from 1; the last is the prediction;
* ``votes.left wrist``, ``ends.left wrist``, ``synthesised.left wrist``: V, F and S of
  :mod:`posekit.models.ssa_votes`;
* ``contradiction.left wrist``: H - S; positive where there is heat without votes or limb ends,
  negative where there are votes without heat;
* ``estimated-weight.3.left wrist``: how much attention the loss would pay, at stage 3 of all
  stages, fields first. **An estimate**: the true weight needs the truth;
* ``paf.x.neck > head top``, ``paf.y.…``: the last field of a limb;
* ``offset.x.left wrist``, ``offset.y.…``: the last offsets, in cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from posekit.decode.paf_grid import PafGrid
from posekit.geometry import TokenGrid
from posekit.models.ssa_votes import synthesise
from posekit.named import SpatialMap
from posekit.skeleton import Skeleton

__all__ = ["estimated_weights", "incident", "limb_name", "records", "trace_maps"]

RHO = 0.1

MEANINGS = {
    "heatmap": "how sure the stage is that the keypoint lies here",
    "votes": "where the offsets of the cells around point to",
    "ends": "where limbs end, by their fields",
    "synthesised": "the heatmap that the offsets at the heatmap's peaks and the limbs' ends make",
    "contradiction": "heatmap minus synthesised: above zero without votes or limbs to support it",
    "estimated-weight": "an estimate of how much the loss would watch this place; the true weight "
    "needs the truth",
    "paf": "the field of a limb, along one axis",
    "offset": "how far the keypoint is said to lie from here, in cells along one axis",
}
SIGNED = ("contradiction", "paf", "offset")


def limb_name(skeleton: Skeleton, limb: int) -> str:
    """``"left elbow > left wrist"``."""
    a, b = skeleton.limbs[limb]
    return f"{skeleton.keypoints[a]} > {skeleton.keypoints[b]}"


def incident(maps: Tensor, skeleton: Skeleton) -> Tensor:
    """Maps of limbs (B, L, h, w) -> maps of keypoints (B, K, h, w): the largest of its limbs'."""
    found = []
    for keypoint in range(skeleton.size):
        mine = [n for n, limb in enumerate(skeleton.limbs) if keypoint in limb]
        found.append(maps[:, mine].amax(1) if mine else torch.zeros_like(maps[:, 0]))
    return torch.stack(found, dim=1)


def estimated_weights(
    paf: Sequence[Tensor], heat: Sequence[Tensor], skeleton: Skeleton
) -> list[Tensor]:
    """An estimate of the spatial attention where there is no truth, for every stage (B, K, h, w).

    ``rho + clamp(H, 0, 1) + |H - H of the stage before|``, over its mean: body regions, and what a
    stage changed its mind about. Fields count by their length, per keypoint the largest of its
    limbs. Where stages run side by side, heatmaps still follow fields here.
    """
    count = skeleton.size
    found = []
    for n, p in enumerate(paf):
        sure = torch.hypot(p[:, 0::2], p[:, 1::2]).clamp(max=1)
        change = p - paf[n - 1] if n else torch.zeros_like(p)
        changed = torch.hypot(change[:, 0::2], change[:, 1::2])
        found.append(incident(RHO + sure + changed, skeleton))
    for n, h in enumerate(heat):
        changed = (h - heat[n - 1]).abs() if n else torch.zeros_like(h)
        found.append((RHO + h.clamp(0, 1) + changed)[:, :count])
    return [u / u.mean((-2, -1), keepdim=True) for u in found]


def records(
    maps: Mapping[str, Tensor], skeleton: Skeleton, grid: TokenGrid
) -> Iterator[SpatialMap]:
    """:func:`trace_maps` as records of a trace."""
    for name, values in maps.items():
        group, _, what = name.rpartition(".")
        kind = group.partition(".")[0]
        keypoint = skeleton.index(what) if what in skeleton.keypoints else None
        yield SpatialMap(
            name, values, grid, group, keypoint, signed=kind in SIGNED, meaning=MEANINGS[kind]
        )


def trace_maps(
    paf: Sequence[Tensor],
    heat: Sequence[Tensor],
    offset: Sequence[Tensor],
    skeleton: Skeleton,
    grid: PafGrid,
) -> dict[str, Tensor]:
    """All maps by name, (B, h, w) each; without offsets those that need them are left out.

    Args:
        paf: every stage's (B, 2 L, h, w).
        heat: every stage's (B, K + 1, h, w).
        offset: every stage's (B, 2 K, h, w), or none.
        skeleton: names them.
        grid: how cells lie on the input.
    """
    maps: dict[str, Tensor] = {}

    def by_keypoint(kind: str, values: Tensor) -> None:
        for index, name in enumerate(skeleton.keypoints):
            maps[f"{kind}.{name}"] = values[:, index]

    for stage, h in enumerate(heat, start=1):
        by_keypoint(f"heatmap.{stage}", h)
    for stage, weight in enumerate(estimated_weights(paf, heat, skeleton), start=1):
        by_keypoint(f"estimated-weight.{stage}", weight)
    for axis, letter in enumerate("xy"):
        for limb in range(len(skeleton.limbs)):
            maps[f"paf.{letter}.{limb_name(skeleton, limb)}"] = paf[-1][:, 2 * limb + axis]
    if offset:
        for axis, letter in enumerate("xy"):
            by_keypoint(f"offset.{letter}", offset[-1][:, axis::2])
        made = synthesise(heat[-1], offset[-1], paf[-1], skeleton.limbs, grid)
        by_keypoint("votes", made.votes)
        by_keypoint("ends", made.ends)
        by_keypoint("synthesised", made.mixed)
        by_keypoint("contradiction", heat[-1][:, : skeleton.size] - made.mixed[:, :-1])
    return maps
