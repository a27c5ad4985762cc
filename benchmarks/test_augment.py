"""Crops for training: the whole batch at once on the data's device, beside a torch DataLoader.

On a GPU the batches are the size they have in training there, and the DataLoader gets a process a
core and brings what it made to the GPU, as it would have to.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.compare import REMARKS, compare
from posekit.data.augment import Augmentation, augment
from posekit.data.canvas import CANVAS, Canvases
from posekit.geometry import crop_affine
from posekit.skeleton import LSP14

SIZE = (256, 192)
HOW = Augmentation()


def people(count: int) -> Canvases:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(90, 200, (count, LSP14.size, 2)).astype(np.float32)
    extent = keypoints.max(1) - keypoints.min(1)
    return Canvases(
        torch.from_numpy(rng.integers(0, 255, (count, 3, CANVAS, CANVAS), dtype=np.uint8)),
        torch.from_numpy(keypoints),
        torch.ones(count, LSP14.size, dtype=torch.bool),
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
    count, batch, workers = (4096, 256, os.cpu_count() or 1) if device == "cuda" else (128, 64, 0)
    data = people(count)
    on_device = data.to(device)
    generator = torch.Generator(device).manual_seed(0)
    everyone = torch.arange(count, device=device)

    def ours() -> float:
        total = torch.zeros((), device=device)
        for index in everyone.split(batch):
            images, _, _ = augment(on_device, index, LSP14, SIZE, generator, HOW)
            total += images[0, 0, 0, 0]
        return float(total)  # waits for a GPU

    batches = DataLoader(
        Crops(data),
        batch_size=batch,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device == "cuda",
    )

    def loader() -> float:
        total = torch.zeros((), device=device)
        for images, keypoints in batches:
            total += images.to(device)[0, 0, 0, 0] + keypoints.to(device)[0, 0, 0]
        return float(total)

    ratio = compare(
        f"{count} training crops of 256 x 192 ({device})",
        ours,
        f"DataLoader, {workers} workers" if workers else "DataLoader, same process",
        loader,
        memory=device == "cpu",
    )
    REMARKS.append(
        f"{ratio.what}: {count / ratio.seconds:,.0f} images/s; "
        f"{ratio.baseline}: {count / ratio.baseline_seconds:,.0f} images/s"
    )
    benchmark(ours)
