"""A small random network of instance attention, and candidates of two people, for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from posekit.decode.paf_grid import PafGrid
from posekit.decode.paf_people import Peak, Vote
from posekit.models.instance import InstanceAttention, InstanceConfig, InstanceOutput
from posekit.photo import Photo
from posekit.skeleton import LSP14
from posekit.trace import active_tape
from posekit.weights import RANDOM
from posekit.zoo import PoseModel, entry

TINY = InstanceConfig(
    LSP14, width=4, stride=8, d_model=16, heads=4, feedforward=32, layers=3, dropout=0.0,
    input_size=(64, 64),
)  # fmt: skip
HEAT, TOKENS = PafGrid(stride=4), PafGrid(stride=8)


def tiny(sharpness: float = 6.0, config: InstanceConfig = TINY) -> InstanceAttention:
    torch.manual_seed(0)
    module = InstanceAttention(config)
    with torch.no_grad():
        for layer in module.global_encoder:
            layer.self_attn.in_proj_weight[: 2 * config.d_model] *= sharpness
    return module.eval()


def tiny_model() -> PoseModel:
    entry_ = entry("instance-attention-small")
    module = tiny()
    return PoseModel(
        replace(entry_, build=lambda: module, input_size=(64, 64)),
        module,
        RANDOM,
        torch.device("cpu"),
    )


def peak(keypoint: int, x: float, y: float, score: float) -> Peak:
    return Peak(keypoint, (x, y), score, (Vote(0, 0, (x, y), (x, y), score),))


def two_people() -> tuple[list[Peak], np.ndarray, list[int]]:
    """Two whole people, interleaved, whose candidates attend to their own person only."""
    peaks, owner = [], []
    for keypoint in range(14):
        for who in (0, 1):
            peaks.append(peak(keypoint, 30 * who + keypoint, 5 * keypoint, 0.9 - 0.1 * who))
            owner.append(who)
    same = np.equal.outer(owner, owner)
    return peaks, np.where(same, 0.8, 0.1), owner


class Halves(InstanceAttention):
    """Knows what it does not look at: two people, one in each half of a photo of 64 x 64.

    Every token attends to its own half, evenly, in every layer; with ``even`` to everything alike.
    """

    def __init__(self, even: bool = False) -> None:
        super().__init__(TINY)
        self.even = even

    def forward(self, images: torch.Tensor, sizes: torch.Tensor | None = None) -> InstanceOutput:
        """The same for every image."""
        vectors = torch.zeros(1, 4, 8, 8, 4)
        if not self.even:
            vectors[:, :, :, :4, 0] = vectors[:, :, :, 4:, 1] = 30.0
        vectors = vectors.flatten(2, 3)
        heatmaps = torch.zeros(1, 14, 16, 16)
        for person in (0, 1):
            for keypoint, (x, y) in enumerate(halves_points(person)):
                score = 0.9 - 0.2 * person - 0.01 * keypoint
                heatmaps[0, keypoint, round((y - 1.5) / 4), round((x - 1.5) / 4)] = score
        output = InstanceOutput(heatmaps, torch.zeros(1, 2, 16, 16), vectors, vectors, None)
        if (tape := active_tape(self)) is not None:
            for layer in self.global_encoder:
                tape.keep(layer.self_attn, vectors, vectors, layer.self_attn.scale)
        self.leave_trace((8, 8), output)
        return output


def halves_points(person: int) -> np.ndarray:
    """(14, 2) input pixels, on centres of heatmap cells."""
    keypoint = np.arange(14)
    return np.stack([4 * (1 + 2 * (keypoint % 3) + 8 * person), 4 * (1 + keypoint)], -1) + 1.5


def halves_masks() -> np.ndarray:
    """(2, 64, 64), the two halves."""
    masks = np.zeros((2, 64, 64), bool)
    masks[0, :, :32] = masks[1, :, 32:] = True
    return masks


def halves_model(even: bool = False) -> PoseModel:
    """The network that knows, as the zoo would hand it out."""
    return replace(tiny_model(), module=Halves(even).eval())


def halves_photo() -> Photo:
    """Left dark, right bright; nobody looks at it."""
    pixels = np.full((64, 64, 3), 60, np.uint8)
    pixels[:, 32:] = 180
    return Photo(pixels, "halves")
