"""What helps a QueryPose that is trained for hours, not weeks; none of it is left in the model.

None of this is in the paper, whose networks start from ImageNet's or COCO's weights and see three
million photos. A network that starts from little spends most of a short run on three questions,
and each has a shorter way here:

* *which query answers for whom*: queries that all start from the whole image see the same, and
  differ by their content alone. :func:`spread_out` starts them where people are.
* *what keypoints look like*: the pose heads hear of keypoints through three softmaxes.
  :class:`HintHeatmaps` asks the map they read for keypoints directly, as PETR does (Shi et al.,
  CVPR 2022, section 3.4).
* *where in a box something is*: each stage's pose head learns it anew. :func:`tie_pose_heads` lets
  them learn as one.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.data.crowd import Kind
from posekit.data.crowd_augment import People
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.errors import PackageError
from posekit.models.querypose import STRIDES, QueryPose

__all__ = ["HintHeatmaps", "spread_out", "tie_pose_heads"]

_SIGMA = 1.0  # cells of the finest map
_PRIOR = 0.02


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


def spread_out(network: QueryPose, data: CrowdCanvases, seed: int = 0) -> None:
    """Let each query start where people are: at the middles of k-means clusters of their boxes.

    Raises:
        PackageError: scipy is not installed.
    """
    try:
        from scipy.cluster.vq import kmeans2
    except ImportError as error:
        raise PackageError("Spreading queries needs scipy: pip install -e '.[train]'.") from error
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
