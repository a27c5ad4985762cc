"""Small random models and photos, so that tests of what surrounds a network take milliseconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from posekit.models.btranspose import BTranspose, BTransposeConfig
from posekit.models.transpose import TransPoseConfig, transpose
from posekit.photo import Photo
from posekit.skeleton import COCO17
from posekit.trace import active_tape
from posekit.weights import WeightsFile
from posekit.zoo import IMAGENET_MEAN, IMAGENET_STD, ModelEntry, Paper, PoseModel

TINY = TransPoseConfig("resnet", 8, 16, 32, layers=3, heads=4, input_size=(64, 48), dropout=0.0)
"""Grid 8 x 6, three layers of four heads."""


TINY_BOT = BTransposeConfig(
    "resnet", 8, 16, 32, layers=2, heads=4, input_size=(64, 48), dropout=0.0, bot_blocks=2
)
"""The same grid; two MHSA blocks before two encoder layers."""


def pose_model(
    module: nn.Module,
    input_size: tuple[int, int],
    device: str = "cpu",
    kind: str = "random",
) -> PoseModel:
    """Any network as the zoo would hand it out."""
    entry = ModelEntry(
        name="tiny",
        title="Tiny-TransPose",
        system="TransPose",
        paper=Paper("A paper", "Nowhere", 2021, "0000.00000"),
        build=lambda: module,
        skeleton=COCO17,
        input_size=input_size,
        levels={"mhsa": "MHSA block", "encoder": "encoder layer"},
    )
    weights = WeightsFile(kind)  # type: ignore[arg-type]
    return PoseModel(entry, module.eval(), weights, torch.device(device))


def tiny_model(seed: int = 0, sharpness: float = 6.0, **changes: object) -> PoseModel:
    """A random TransPose-R whose queries and keys are scaled up, so that maps are not uniform."""
    torch.manual_seed(seed)
    config = replace(TINY, **changes)  # type: ignore[arg-type]
    module = transpose(config)
    with torch.no_grad():
        for layer in module.global_encoder.layers:
            layer.self_attn.in_proj_weight[: 2 * config.d_model] *= sharpness
    return pose_model(module, config.input_size)


def tiny_btranspose(seed: int = 0, sharpness: float = 6.0) -> PoseModel:
    """A random BTranspose whose attention is not uniform at either level."""
    torch.manual_seed(seed)
    module = BTranspose(TINY_BOT)
    with torch.no_grad():
        for layer in module.global_encoder:
            layer.self_attn.in_proj_weight[: 2 * TINY_BOT.d_model] *= sharpness
        for block in module.bottlenecks:
            block.mhsa.query.weight *= sharpness
    return pose_model(module, TINY_BOT.input_size)


def noise_photo(height: int = 160, width: int = 120, seed: int = 0, name: str = "photo") -> Photo:
    """A photo of coarse noise: no two places alike, no symmetry."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    pixels = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return Photo(np.ascontiguousarray(pixels), name)


class BlobFinder(nn.Module):
    """A "network" whose heatmaps are the brightness of the crop: peaks where the photo is bright.

    Keypoint k sees channel k modulo 3 of the crop, shrunk to a quarter.
    """

    def __init__(self, keypoints: int = 17) -> None:
        super().__init__()
        self.keypoints = keypoints

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H / 4, W / 4)."""
        std, mean = (torch.tensor(v)[:, None, None] for v in (IMAGENET_STD, IMAGENET_MEAN))
        images = images * std + mean  # 0 to 1 again, so that a Gaussian spot is a Gaussian map
        height, width = images.shape[-2:]
        small = (height // 4, width // 4)
        # Sample where the heatmap's pixels lie: about the centre, at the ratio of the widths.
        factor = (small[1] - 1) / (width - 1)
        y = ((torch.arange(small[0]) - (small[0] - 1) / 2) / factor) / ((height - 1) / 2)
        x = ((torch.arange(small[1]) - (small[1] - 1) / 2) / factor) / ((width - 1) / 2)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).to(images)
        grid = grid.expand(len(images), -1, -1, -1)
        maps = nn.functional.grid_sample(images, grid, align_corners=True)
        maps = maps.repeat(1, -(-self.keypoints // 3), 1, 1)[:, : self.keypoints]
        if (tape := active_tape(self)) is not None:
            tape.heatmaps(maps)
        return maps
