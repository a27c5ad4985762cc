"""QueryPose's pose head: from a box to the keypoints in it, one body part at a time.

Section 3 of the paper: the *spatial part embedding generation module* (SPEGM) reads one vector a
body part off the box, each with its own attention map; the *selective iteration module* (SIM)
weighs what was just read against what the stages before remember; parts look at one another; and
every part says where its few keypoints are, and how sure it is.

Shapes: P instances (posed queries), J parts, d channels of a query, e of a part, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.models.layers.attention import MultiHeadAttention
from posekit.models.layers.precision import at_least_single, without_autocast
from posekit.models.querypose_head import DynamicInteraction


@dataclass(frozen=True, eq=False)
class PartPose:
    """What the pose head says of its instances.

    Attributes:
        offsets: (P, K, 2), relative to the box: 0 its centre, 0.5 its edges.
        sigmas: (P, K, 2) in 0..1, in units of the box.
        memory: (P, J, e), what the next stage starts from.
        maps: (P, J, rows, cols), where each part was read; each sums to 1.
        gates: (P, J, 2, e) in 0..1, how much of the new embedding and of the memory was let in.
    """

    offsets: Tensor
    sigmas: Tensor
    memory: Tensor
    maps: Tensor
    gates: Tensor


class SPEGM(nn.Module):
    """Spatial part embeddings: one attention map a part over the box, at twice its resolution.

    The batch norm sees the posed instances of the batch in training.
    """

    def __init__(self, d: int, e: int, parts: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential(
            nn.ConvTranspose2d(d, d, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(d),
            nn.ReLU(inplace=True),
        )
        self.LSA_conv = nn.Conv2d(d, parts, 3, padding=1)
        self.fc = nn.Linear(d, e)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(P, d, s, s) -> part embeddings (P, J, e) and their maps (P, J, 2 s, 2 s)."""
        fine = self.upsample(features)  # (P, d, 2 s, 2 s)
        logits = self.LSA_conv(fine)
        weights = logits.flatten(2).softmax(-1)  # (P, J, 4 s s)
        gathered = weights.to(fine.dtype) @ fine.flatten(2).transpose(1, 2)  # (P, J, d)
        return self.fc(gathered), weights.view_as(logits)


class SIM(nn.Module):
    """Selective iteration: two independent gates, for the new embedding and for the memory.

    The published checkpoints hold a third layer (``fc3``, ``norm_fc3``) that nothing reads.
    """

    def __init__(self, e: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(e, e // 4, bias=False)
        self.norm_fc1 = nn.LayerNorm(e // 4)
        self.fc2 = nn.Linear(e // 4, 2 * e)

    def forward(self, new: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(P, J, e) twice -> the mixture (P, J, e) and the gates (P, J, 2, e), new first."""
        hidden = F.relu(self.norm_fc1(self.fc1(new + memory)))
        gates = self.fc2(hidden).sigmoid().unflatten(-1, (2, -1))
        return gates[..., 0, :] * new + gates[..., 1, :] * memory, gates


class PartRegression(nn.Module):
    """A part's keypoints, linear in its embedding; by its direction alone when ``normalised``."""

    def __init__(self, e: int, keypoints: int, normalised: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(e, 2 * keypoints)
        self.normalised = normalised

    def forward(self, part: Tensor) -> Tensor:
        """(P, e) -> (P, keypoints, 2): x, y. In float32, whatever the rest runs in."""
        with without_autocast(part):
            part = at_least_single(part)
            out = F.linear(part, self.linear.weight)
            if self.normalised:
                out = out / part.norm(dim=-1, keepdim=True)
            return (out + self.linear.bias).unflatten(-1, (-1, 2))


class PoseHead(nn.Module):
    """One stage: boxes' features, queries and memory in; poses and memory out.

    Args:
        d: channels of a query and of the features.
        e: channels of a part.
        heads: of the self-attention between parts.
        feedforward: hidden width of the perceptrons.
        convs: 3x3 convolutions on a box.
        width: channels between them.
        parts: the keypoints (indices) of each body part.
        cells: of a pooled box.
        dynamic: channels of the dynamic interaction; None for the light variant, which has none.
        norm: batch norm after each convolution, see ``QueryPoseConfig.pose_norm``.
        from_maps: offsets count from the middles of the maps, see ``QueryPoseConfig.from_maps``.
    """

    def __init__(
        self,
        d: int,
        e: int,
        heads: int,
        feedforward: int,
        convs: int,
        width: int,
        parts: Sequence[Sequence[int]],
        cells: int,
        dynamic: int | None = None,
        norm: bool = False,
        from_maps: bool = False,
    ) -> None:
        super().__init__()
        widths = [d, *[width] * (convs - 1), d]
        steps = [
            (
                nn.Conv2d(a, b, 3, padding=1),
                *([nn.BatchNorm2d(b)] if norm else []),
                nn.ReLU(inplace=True),
            )
            for a, b in pairwise(widths)
        ]
        self.inst_convs = nn.Sequential(*(part for step in steps for part in step))
        self.light = dynamic is None
        if dynamic is not None:
            self.pose_decoder_inst_interact = DynamicInteraction(d, dynamic, cells)
            self.inst_norm = nn.LayerNorm(d)
            self.norm2 = nn.LayerNorm(d)
            self.linear1 = nn.Linear(d, feedforward)
            self.linear2 = nn.Linear(feedforward, d)
        self.residual_filter = nn.ModuleList(nn.Linear(d, e) for _ in parts)
        self.part_embed_generator = SPEGM(d, e, len(parts))
        self.updater = SIM(e)
        self.kps_self_attn = MultiHeadAttention(e, heads)
        self.self_attn_norm = nn.LayerNorm(e)
        self.norm2_l = nn.LayerNorm(e)
        self.linear1_l = nn.Linear(e, feedforward)
        self.linear2_l = nn.Linear(feedforward, e)
        self.fc_coord = nn.ModuleList(PartRegression(e, len(p), normalised=True) for p in parts)
        self.fc_sigma = nn.ModuleList(PartRegression(e, len(p), normalised=False) for p in parts)
        listed = [keypoint for part in parts for keypoint in part]
        self.order = [listed.index(keypoint) for keypoint in range(len(listed))]
        self.from_maps = from_maps
        owners = [part for part, keypoints in enumerate(parts) for _ in keypoints]
        self.part_of = [owners[place] for place in self.order]  # of each keypoint

    def forward(self, cells: Tensor, queries: Tensor, memory: Tensor) -> PartPose:
        """(P, s * s, d) cells of the boxes, (P, d) queries, (P, J, e) memory -> poses."""
        side = int(cells.shape[1] ** 0.5)
        # Laid out as the pooling left it, channels last: no copy.
        features = self.inst_convs(cells.unflatten(1, (side, side)).permute(0, 3, 1, 2))
        new, maps = self.embed(features, queries)
        mixed, gates = self.updater(new, memory)
        x = self.self_attn_norm(mixed + self.kps_self_attn(mixed, mixed, mixed))
        x = self.norm2_l(x + self.linear2_l(F.relu(self.linear1_l(x))))  # (P, J, e)
        offsets = self.regress(self.fc_coord, x)
        if self.from_maps:
            offsets = offsets + middles(maps)[:, self.part_of]
        return PartPose(offsets, self.regress(self.fc_sigma, x).sigmoid(), x, maps, gates)

    def embed(self, features: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Part embeddings (P, J, e): read off the box, plus a residual of the instance; maps."""
        pooled, maps = self.part_embed_generator(features)
        z = self.instance(features, queries)
        return pooled + torch.stack([filter_(z) for filter_ in self.residual_filter], dim=1), maps

    def instance(self, features: Tensor, queries: Tensor) -> Tensor:
        """The query (P, d) once more filtered through its box; in the light variant as it is.

        The published code writes this into the queries of the next stage in training and not in
        evaluation; here it never is, which is how the published weights are evaluated.
        """
        if self.light:
            return queries
        tokens = features.flatten(2).transpose(1, 2)  # (P, s * s, d)
        z = self.inst_norm(queries + self.pose_decoder_inst_interact(queries, tokens))
        return self.norm2(z + self.linear2(F.relu(self.linear1(z))))

    def regress(self, layers: nn.ModuleList, parts: Tensor) -> Tensor:
        """(P, J, e) -> (P, K, 2), in the skeleton's order."""
        listed = [layer(part) for layer, part in zip(layers, parts.unbind(1), strict=True)]
        return torch.cat(listed, dim=1)[:, self.order]


def middles(maps: Tensor) -> Tensor:
    """Where maps (..., rows, cols) that sum to 1 are on average: (..., 2), x and y, -0.5 to 0.5."""
    maps = at_least_single(maps)
    down, across = ((torch.arange(n, device=maps.device) + 0.5) / n - 0.5 for n in maps.shape[-2:])
    return torch.stack([(maps.sum(-2) * across).sum(-1), (maps.sum(-1) * down).sum(-1)], dim=-1)
