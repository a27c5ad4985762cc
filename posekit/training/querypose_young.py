"""What helps a QueryPose that is trained for hours, not weeks; none of it is left in the model.

None of this is in the paper, whose networks start from trained trunks and learn for far longer. A
network that starts from little spends most of a short run on a few questions, and each has a
shorter way here:

* *which query answers for whom*: queries that all start from the whole image see the same, and
  differ by their content alone. :func:`spread_out` starts them where people are.
* *what keypoints look like*: the trunk hears of keypoints through boxes and pose heads alone.
  :class:`HintHeatmaps` asks the map they read for keypoints directly, as PETR does in training
  (Shi et al., CVPR 2022).
* *where to read a part*: :func:`look_loss` tells the part maps.
* *where in a box something is*: each stage's pose head learns it anew. :func:`tie_pose_heads` lets
  them learn as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.data.crowd import Kind
from posekit.data.crowd_augment import People
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.decode.querypose_output import QueryPoseOutput
from posekit.models.querypose import STRIDES, QueryPose
from posekit.models.querypose_pose import PartPose

__all__ = ["HintHeatmaps", "look_loss", "part_targets", "spread_out", "tie_pose_heads"]

_SIGMA = 1.0  # cells of the finest map
_PRIOR = 0.02
_LOOK_SIGMA = 1.5  # cells of a part map


class HintHeatmaps(nn.Module):
    """Keypoint heatmaps, linear in the pyramid's finest map, learnt beside everything else.

    Args:
        d: channels of the map.
        keypoints: K.
    """

    def __init__(self, d: int, keypoints: int) -> None:
        super().__init__()
        self.heatmaps = nn.Conv2d(d, keypoints, 1)
        nn.init.constant_(self.heatmaps.bias, float(np.log(_PRIOR / (1 - _PRIOR))))  # type: ignore[arg-type]

    def forward(self, fine: Tensor, people: People, normaliser: Tensor) -> Tensor:
        """The quality focal loss of heatmaps from ``fine`` (B, d, h, w), a scalar.

        Li et al., "Generalized Focal Loss", NeurIPS 2020, equation 3, summed over cells and divided
        by the number of people and of keypoints.
        """
        logits = self.heatmaps(fine).float()
        truth = heatmaps_of(people, (logits.shape[-2], logits.shape[-1]))
        entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        wrong = (truth - logits.sigmoid()).square()
        return (wrong * entropy).sum() / (normaliser * truth.shape[1])


def heatmaps_of(people: People, size: tuple[int, int]) -> Tensor:
    """Heatmaps (B, K, h, w) of everybody's counted keypoints on the finest map, 1 at the peak."""
    stride = STRIDES[0]
    x, y = (people.keypoints / stride).unbind(-1)  # (B, P, K), in cells from the edge
    across, down = (torch.arange(n, device=x.device) + 0.5 for n in (size[1], size[0]))
    narrow = -0.5 / _SIGMA**2
    columns = ((across - x[..., None]).square() * narrow).exp()  # (B, P, K, w)
    rows = ((down - y[..., None]).square() * narrow).exp() * people.counted[..., None]
    return (rows[..., :, None] * columns[..., None, :]).amax(1)


def look_loss(
    output: QueryPoseOutput,
    poses: Sequence[PartPose | None],
    assigned: Sequence[Tensor],
    people: People,
    parts: Sequence[Sequence[int]],
    normaliser: Tensor,
) -> Tensor:
    """How far part maps are from looking at their part's keypoints, summed over stages, a scalar.

    Cross entropy with an even mixture of Gaussians at the part's counted keypoints within the box,
    over the number of people and of parts; a part without any costs nothing.

    Args:
        output: of the network.
        poses: what each stage's pose head said of its P rows, with maps (P, J, rows, cols).
        assigned: who answers for whom, one (B, N) a stage.
        people: the truth.
        parts: the keypoints (indices) of each body part.
        normaliser: the number of people.
    """
    total = output.start.new_zeros(())
    for stage, pose, who in zip(output.stages, poses, assigned, strict=True):
        if pose is None:
            continue
        image, query = stage.posed.nonzero(as_tuple=True)  # the order of the pose head's rows
        person = who[image, query]
        corner, far = stage.reference[image, query].float()[:, None].split(2, dim=-1)
        place = (people.keypoints[image, person] - corner) / (far - corner).clamp(min=1e-3)
        counted = people.counted[image, person] & ((place >= 0) & (place <= 1)).all(-1)  # (P, K)
        truth = part_targets(place, counted, parts, (pose.maps.shape[-2], pose.maps.shape[-1]))
        total = total - (truth * (pose.maps.float() + 1e-8).log()).sum()
    return total / (normaliser * len(parts))


def part_targets(
    place: Tensor, counted: Tensor, parts: Sequence[Sequence[int]], size: tuple[int, int]
) -> Tensor:
    """Where each part is to be looked for (P, J, rows, cols): each sums to 1, or to 0 if nowhere.

    Args:
        place: (P, K, 2) keypoints relative to the box, 0 to 1 from edge to edge.
        counted: (P, K), which count.
        parts: the keypoints of each part.
        size: (rows, cols) of the maps.
    """
    across, down = (torch.arange(n, device=place.device) + 0.5 for n in (size[1], size[0]))
    x, y = place[..., :1] * size[1], place[..., 1:] * size[0]  # (P, K, 1), in cells
    narrow = -0.5 / _LOOK_SIGMA**2
    columns = ((across - x).square() * narrow).exp()  # (P, K, cols)
    rows = ((down - y).square() * narrow).exp() * counted[..., None]
    spots = rows[..., :, None] * columns[..., None, :]  # (P, K, rows, cols)
    spots = spots / spots.flatten(2).sum(-1).clamp(min=1e-6)[..., None, None]
    looks = torch.stack([spots[:, list(keypoints)].sum(1) for keypoints in parts], dim=1)
    return looks / looks.flatten(2).sum(-1).clamp(min=1e-6)[..., None, None]


def spread_out(network: QueryPose, data: CrowdCanvases, seed: int = 0) -> None:
    """Let each query start where people are: at the middles of k-means clusters of their boxes."""
    from scipy.cluster.vq import kmeans2  # slow to import

    somebody = data.kinds == Kind.PERSON  # (N, P)
    low, high = data.outlines.amin(2), data.outlines.amax(2)  # (N, P, 2)
    extent = data.sizes.flip(-1)[:, None].float()
    corners = torch.cat([low, high], dim=-1) + 0.5
    relative = (corners / extent.repeat(1, 1, 2)).clamp(0, 1)[somebody]  # (M, 4)
    centre = (relative[:, :2] + relative[:, 2:]) / 2
    shapes = torch.cat([centre, relative[:, 2:] - relative[:, :2]], dim=-1).cpu().numpy()
    middles, _ = kmeans2(shapes, network.config.queries, minit="++", rng=seed)
    with torch.no_grad():
        network.init_proposal_boxes.weight.copy_(torch.from_numpy(middles))


def tie_pose_heads(network: QueryPose) -> None:
    """One pose head for all stages, under each stage's name."""
    heads = network.head.pose_head_series
    network.head.pose_head_series = nn.ModuleList([heads[0]] * len(heads))
