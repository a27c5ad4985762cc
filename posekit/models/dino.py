"""DINO: self-distillation with no labels, to pre-train a backbone on plain photographs.

Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021,
arXiv 2104.14294.

A *student* sees many crops of a photo, a *teacher* only the large ones, and the student is to say
of every crop what the teacher says of the others. The teacher is the student's moving average.
Nothing but *centring* and *sharpening* of the teacher's output keeps both from giving one answer
to everything; :func:`teacher_figures` shows when they fail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.models.btranspose import BTranspose, BTransposeConfig
from posekit.models.transpose import Size, TransPose


class DinoBackbone(BTranspose):
    """BTranspose up to its bottleneck transformers: what is pre-trained, and nothing after it.

    It predicts no keypoints, but it attends, and what its MHSA blocks attend to can be explored
    like any model's.
    """

    def __init__(self, config: BTransposeConfig) -> None:
        super().__init__(config)
        for part in ("reduce", "global_encoder", "deconv_layers", "final_layer", "pos_embedding"):
            delattr(self, part)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> heatmaps of no keypoints, (B, 0, H / 4, W / 4), for the trace's sake."""
        size = (images.shape[-2], images.shape[-1])
        self.grid_size(size)  # refuses a size that does not fit
        features = self.trunk(images)
        self.leave_bottlenecks(size)
        return features.new_zeros(len(images), 0, *self.heatmap_size(size))


class DinoHead(nn.Module):
    """Three-layer perceptron, then the cosine to each of the prototypes (paper, section 3.1).

    The last layer's weight norm has its gain fixed at 1, as the paper's appendix advises.

    Args:
        channels: of a photo's features.
        prototypes: classes.
        hidden: width of the perceptron.
        bottleneck: width before the prototypes.
        norm: batch norm in the perceptron, which the paper's appendix D studies. The features of a
            CNN's photos differ little at first; it makes the most of what differs.
    """

    def __init__(
        self, channels: int, prototypes: int, hidden: int, bottleneck: int, norm: bool = False
    ) -> None:
        super().__init__()
        between = [nn.BatchNorm1d(hidden)] if norm else []
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden),
            *between,
            nn.GELU(),
            nn.Linear(hidden, hidden),
            *deepcopy(between),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False)
        for linear in (module for module in self.modules() if isinstance(module, nn.Linear)):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels) -> (B, prototypes), each in -1 .. 1."""
        x = F.normalize(self.mlp(features), dim=-1)
        return F.linear(x, F.normalize(self.prototypes.weight, dim=-1))


class Branch(nn.Module):
    """A backbone, the mean over the photo, and a head: the student's form and the teacher's."""

    def __init__(self, backbone: nn.Module, head: DinoHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, prototypes)."""
        features = cast(TransPose, self.backbone).trunk(images)
        return cast(Tensor, self.head(features.mean((-2, -1))))


class Dino(nn.Module):
    """Student, teacher and the centre of the teacher's output.

    Args:
        backbone: a network with a ``trunk``.
        channels: of the trunk's output.
        prototypes: classes that nobody named; 65,536 in the paper, fewer for few photographs.
        hidden: width of the head's perceptron.
        bottleneck: width before the prototypes.
        norm: batch norm in the perceptron.
    """

    centre: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        channels: int,
        prototypes: int,
        hidden: int = 2048,
        bottleneck: int = 256,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.student = Branch(backbone, DinoHead(channels, prototypes, hidden, bottleneck, norm))
        self.teacher = deepcopy(self.student).requires_grad_(False)
        self.register_buffer("centre", torch.zeros(prototypes))

    def forward(self, large: Tensor, small: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What student and teacher say.

        Args:
            large: (2, B, 3, H, W), the global crops.
            small: local crops, (B, 3, h, w) each.

        Returns:
            The student's (2 + len(small), B, P) and the teacher's (2, B, P), before any softmax.
        """
        both = large.flatten(0, 1)
        with torch.no_grad():
            taught = self.teacher(both).unflatten(0, large.shape[:2])
        said = [self.student(both).unflatten(0, large.shape[:2])]
        if small:
            few = torch.cat(list(small))
            said.append(self.student(few).unflatten(0, (len(small), -1)))
        return torch.cat(said), taught

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the teacher's weights towards the student's: ``momentum`` of them stays."""
        for kept, new in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            kept.lerp_(new.detach(), 1 - momentum)

    @torch.no_grad()
    def recentre(self, taught: Tensor, momentum: float) -> None:
        """Move the centre towards the mean (P,) of the teacher's output, over all processes."""
        mean = taught.float().mean((0, 1))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(mean)
            mean /= torch.distributed.get_world_size()
        self.centre.lerp_(mean, 1 - momentum)


def dino_loss(
    said: Tensor, taught: Tensor, centre: Tensor, temperature: float, teacher_temperature: float
) -> Tensor:
    """Cross-entropy of every crop's answer with the teacher's on every *other* large crop.

    Args:
        said: (crops, B, P), the two large crops first.
        taught: (2, B, P).
        centre: (P,), subtracted from the teacher's output: no prototype can win everything.
        temperature: of the student's softmax.
        teacher_temperature: lower, which sharpens: the answers cannot all be alike.

    Returns:
        A scalar, the mean over pairs and photos (paper, equation 3).
    """
    target = ((taught.float() - centre) / teacher_temperature).softmax(-1)
    answer = (said.float() / temperature).log_softmax(-1)
    pairs = -torch.einsum("tbp,sbp->ts", target, answer) / said.shape[1]
    others = ~torch.eye(len(target), len(answer), dtype=torch.bool, device=pairs.device)
    return pairs[others].mean()


def teacher_figures(taught: Tensor, centre: Tensor, teacher_temperature: float) -> dict[str, float]:
    """How far the teacher is from collapse, both between 0 and 1.

    Args:
        taught: (N, P), the teacher's output on N photos.
        centre: (P,).
        teacher_temperature: of its softmax.

    Returns:
        ``teacher entropy``: of one photo's answer, as a share of log(P). At 1 the teacher says
        the same of every photo, namely nothing. ``answers used``: entropy of the mean answer, as
        the same share. At 0 one prototype answers every photo. Either is a collapse (paper,
        section 5.3).
    """
    share = ((taught.float() - centre) / teacher_temperature).softmax(-1)
    prototypes = share.shape[1]
    one = -(share * share.clamp_min(1e-12).log()).sum(-1).mean()
    mean = share.mean(0)
    all_ = -(mean * mean.clamp_min(1e-12).log()).sum()
    return {
        "teacher entropy": float(one) / math.log(prototypes),
        "answers used": float(all_) / math.log(prototypes),
    }


def cosine(start: float, end: float, progress: float) -> float:
    """Half a cosine from ``start`` to ``end`` as ``progress`` goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def trunk_channels(backbone: nn.Module, input_size: Size) -> int:
    """Channels of a backbone's trunk, asked of a copy without data."""
    probe = deepcopy(backbone).to("meta")
    with torch.no_grad():
        features = cast(TransPose, probe).trunk(torch.empty(2, 3, *input_size, device="meta"))
    return features.shape[1]
