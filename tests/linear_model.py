"""A model so simple that every explanation of it is known on paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posekit.decode.heatmap import encode_heatmaps
from posekit.estimator import Estimator, Prediction
from posekit.explain.targets import KeypointPeak
from posekit.trace import active_tape
from posekit.zoo import PoseModel
from tests.tiny_models import noise_photo, pose_model

SIZE = (32, 24)
PEAK = (2.0, 5.0)  # where every heatmap of the linear model has its peak


class LinearHeatmaps(nn.Module):
    """Heatmap k is ``<weight_k, image> + bias`` times one fixed bump, which is 1 at ``PEAK``.

    The value at the peak, (B, K), is therefore linear in the pixels of the crop.
    """

    def __init__(self, keypoints: int = 17, size: tuple[int, int] = SIZE, bias: float = 9.0):
        super().__init__()
        dice = torch.Generator().manual_seed(1)
        count = 3 * size[0] * size[1]
        weight = torch.randn(keypoints, 3, *size, generator=dice) / count**0.5
        self.weight = nn.Parameter(weight)
        self.bias = bias
        bump, _ = encode_heatmaps(
            torch.tensor([[PEAK]]), torch.ones(1, 1), (size[0] // 4, size[1] // 4)
        )
        self.register_buffer("bump", bump)
        self.largest_batch = 10**9
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H / 4, W / 4)."""
        self.batches.append(len(images))
        if len(images) > self.largest_batch:
            raise torch.OutOfMemoryError("CUDA out of memory, or so this test says.")
        number = torch.einsum("bchw,kchw->bk", images, self.weight) + self.bias
        heatmaps = number[..., None, None] * self.bump
        if (tape := active_tape(self)) is not None:
            tape.heatmaps(heatmaps)
        return heatmaps


def linear_prediction(**options: object) -> Prediction:
    """One person, the whole photo, seen by the linear model."""
    return Estimator(linear_model(**options)).predict(noise_photo(80, 60))


def linear_model(**options: object) -> PoseModel:
    """The linear model as the zoo would hand it out."""
    return pose_model(LinearHeatmaps(**options), SIZE)  # type: ignore[arg-type]


def peak(keypoint: int) -> KeypointPeak:
    """The number that is linear."""
    return KeypointPeak(keypoint, PEAK)


class Stop(Exception):
    """Raised from a progress callback to end the work."""


def stop_at_once(done: int, total: int) -> None:
    """A progress callback that cancels."""
    raise Stop
