"""Crops for training: the whole batch at once on the data's device, beside a torch DataLoader."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.compare import compare
from posekit.data.augment import Augmentation, augment
from posekit.data.canvas import CANVAS, Canvases
from posekit.geometry import crop_affine
from posekit.skeleton import LSP14

SIZE = (256, 192)
PEOPLE = 128
HOW = Augmentation()


def people() -> Canvases:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(90, 200, (PEOPLE, LSP14.size, 2)).astype(np.float32)
    extent = keypoints.max(1) - keypoints.min(1)
    return Canvases(
        torch.from_numpy(rng.integers(0, 255, (PEOPLE, 3, CANVAS, CANVAS), dtype=np.uint8)),
        torch.from_numpy(keypoints),
        torch.ones(PEOPLE, LSP14.size, dtype=torch.bool),
        torch.from_numpy(extent),
    )


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """The usual way: each item warped with OpenCV and recoloured with NumPy."""

    def __init__(self, data: Canvases) -> None:
        self.images = data.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.keypoints = data.keypoints.numpy()
        self.extent = data.extent.numpy()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(index)
        width = 1.25 * max(self.extent[index, 0], self.extent[index, 1] * SIZE[1] / SIZE[0])
        scale = float(np.clip(1 + HOW.scale * rng.standard_normal(), 0.65, 1.35))
        angle = float(np.clip(HOW.rotation * rng.standard_normal(), -80, 80))
        turn = angle if rng.random() < HOW.rotate else 0.0
        affine = crop_affine((CANVAS / 2, CANVAS / 2), width * scale, SIZE, turn)
        image = cv2.warpAffine(self.images[index], affine.matrix, (SIZE[1], SIZE[0]))
        keypoints = affine.apply(self.keypoints[index])
        if rng.random() < HOW.flip:
            image, keypoints[:, 0] = image[:, ::-1], SIZE[1] - 1 - keypoints[:, 0]
        pixels = image.astype(np.float32) / 255
        mean, grey = pixels.mean(), pixels.mean(-1, keepdims=True)
        contrast, saturation, brightness = 1 + HOW.colour * rng.uniform(-1, 1, 3)
        pixels = (pixels - mean) * contrast + mean
        pixels = ((pixels - grey) * saturation + grey) * brightness
        crop = np.ascontiguousarray(pixels.clip(0, 1).transpose(2, 0, 1), dtype=np.float32)
        return torch.from_numpy(crop), torch.from_numpy(keypoints)


def test_augmentation(benchmark: Callable[..., object]) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = people()
    on_device = data.to(device)
    generator = torch.Generator(device).manual_seed(0)
    everyone = torch.arange(PEOPLE, device=device)

    def ours() -> float:
        total = 0.0
        for index in everyone.split(64):
            images, _, _ = augment(on_device, index, LSP14, SIZE, generator, HOW)
            total += float(images[0, 0, 0, 0])  # waits for a GPU
        return total

    def loader() -> float:
        batches = DataLoader(Crops(data), batch_size=64, num_workers=0)
        return sum(float(images[0, 0, 0, 0]) for images, _ in batches)

    ratio = compare(f"{PEOPLE} training crops of 256 x 192 ({device})", ours, "DataLoader", loader)
    print(f"{PEOPLE / ratio.seconds:.0f} crops a second, {PEOPLE / ratio.baseline_seconds:.0f}")
    benchmark(ours)
