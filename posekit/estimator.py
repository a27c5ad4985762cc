"""From a photo and boxes to people in photo coordinates, and the trace that explains them.

The steps are TransPose's (specification, section 5): crop each box, normalise, run the network,
refine the heatmaps' peaks (DARK), map them back through the exact inverse of the crop.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from posekit.decode.heatmap import decode_heatmaps, plain_peaks
from posekit.device import autocast, is_out_of_memory, release_memory
from posekit.errors import ModelError
from posekit.geometry import Box, Crop, input_to_heatmap
from posekit.people import Person, check_boxes, whole_photo_box
from posekit.photo import Photo
from posekit.skeleton import Skeleton
from posekit.trace import Trace
from posekit.trace import record as recording
from posekit.zoo import PoseModel


class PoseKitWarning(UserWarning):
    """Something went on differently from what was asked; the text is one sentence."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model found in a photo.

    Attributes:
        photo: the photo.
        model: the model that looked at it.
        people: one per box, in the order of the boxes; keypoints in photo pixels.
        trace: what the attention left, batch item i for ``people[i]``; None when not recorded.
            It lies in main memory, wherever the model ran.
        seconds: wall-clock time of the steps: ``crop``, ``forward``, ``decode`` and ``total``.
    """

    photo: Photo
    model: PoseModel
    people: tuple[Person, ...]
    trace: Trace | None
    seconds: dict[str, float]

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints the model predicts."""
        return self.model.entry.skeleton


class Estimator:
    """Runs one model on photos. Holds no state between calls; safe to share between threads.

    Args:
        model: a loaded model (``posekit.load``).
        flip_test: also run the mirrored crop and average the heatmaps, for a little accuracy at
            twice the time. The trace is that of the crop as it is.
        batch_size: how many people go through the network at once.
    """

    def __init__(self, model: PoseModel, *, flip_test: bool = False, batch_size: int = 8) -> None:
        if batch_size < 1:
            raise ModelError(f"The batch size is at least 1, not {batch_size}.")
        if model.entry.view == "photo":
            raise ModelError(
                f"{model.entry.title} finds the people of a whole photo by itself, which the "
                "estimator does not serve yet: choose a model from `posekit models`."
            )
        self.model = model
        self.flip_test = flip_test
        self.batch_size = batch_size

    def predict(
        self, photo: Photo, boxes: Sequence[Box] | None = None, *, record: bool = True
    ) -> Prediction:
        """Find the keypoints of the people in ``boxes`` (None: one person, the whole photo).

        Args:
            photo: see :func:`posekit.read_photo`.
            boxes: around one person each, in photo pixels; clipped to the photo.
            record: keep the trace that :func:`posekit.explain.explain` reads.

        Raises:
            BoxError: a box is empty or lies outside the photo, or there are too many.
            ModelError: not even one person fits in memory.

        Warns:
            PoseKitWarning: the GPU ran out of memory, and smaller batches or the CPU took over.
        """
        started = time.perf_counter()
        chosen = check_boxes([whole_photo_box(photo)] if boxes is None else boxes, photo)
        size = self.model.entry.input_size
        crops = [Crop.of_box(box, size, photo.size) for box in chosen]
        images = np.zeros((len(crops), *size, 3), dtype=np.uint8)
        for image, crop in zip(images, crops, strict=True):
            image[...] = crop.warp(photo.pixels)
        cropped = time.perf_counter()
        heatmaps, trace = self._run(torch.from_numpy(images), record)
        ran = time.perf_counter()
        people = _people(chosen, crops, heatmaps)
        ended = time.perf_counter()
        seconds = {
            "crop": cropped - started,
            "forward": ran - cropped,
            "decode": ended - ran,
            "total": ended - started,
        }
        return Prediction(photo, self.model, people, trace, seconds)

    def _run(self, images: Tensor, record: bool) -> tuple[Tensor, Trace | None]:
        """(N, H, W, 3) uint8 -> heatmaps (N, K, h, w) float32 and the trace, both on the CPU."""
        if not len(images):
            return torch.zeros(0, self.model.entry.skeleton.size, 1, 1), Trace() if record else None
        module, device, size = self.model.module, torch.device(self.model.device), self.batch_size
        parts: list[tuple[Tensor, Trace | None]] = []
        done = 0
        while done < len(images):
            batch = images[done : done + size]
            part = self._try_forward(module, device, batch, record)
            if part is not None:
                parts.append(part)
                done += len(batch)
                continue
            # Past the except clause: the failed pass and its tensors are gone by now.
            release_memory(device)
            if len(batch) > 1:
                size = len(batch) // 2
                _warn(
                    f"The {_name(device)} ran out of memory with {len(batch)} people at once; "
                    f"going on with {size} at a time."
                )
            elif device.type != "cpu":
                module, device, size = cpu_copy(module), torch.device("cpu"), 1
                _warn(
                    f"The {_name(self.model.device)} ran out of memory even for one person; "
                    "going on with the CPU, which is slower."
                )
            else:
                raise ModelError(
                    "There is not enough memory to run this model even for one person: "
                    "choose a smaller model or close other programs."
                )
        traces = [trace for _, trace in parts if trace is not None]
        return torch.cat([heatmaps for heatmaps, _ in parts]), (
            Trace.concatenate(traces) if traces else None
        )

    def _try_forward(
        self, module: nn.Module, device: torch.device, images: Tensor, record: bool
    ) -> tuple[Tensor, Trace | None] | None:
        """One batch, or None when memory ran out."""
        try:
            return self._forward(module, device, images, record)
        except RuntimeError as error:  # torch.OutOfMemoryError is one; mps and cuBLAS raise it bare
            if not is_out_of_memory(error):
                raise
            return None

    def _forward(
        self, module: nn.Module, device: torch.device, images: Tensor, record: bool
    ) -> tuple[Tensor, Trace | None]:
        trace = None
        with torch.inference_mode(), autocast(device):
            crops = images.to(device).permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
            inputs = self.model.entry.normalised(crops).contiguous()
            if record:
                with recording(module) as trace:
                    heatmaps = module(inputs).float()
            else:
                heatmaps = module(inputs).float()
            if self.flip_test:
                mirrored = module(inputs.flip(-1)).float()
                order = list(self.model.entry.skeleton.flip_order)
                heatmaps = (heatmaps + mirrored.flip(-1)[:, order]) / 2
        return heatmaps.cpu(), None if trace is None else trace.to("cpu")


def _people(boxes: Sequence[Box], crops: Sequence[Crop], heatmaps: Tensor) -> tuple[Person, ...]:
    """Peaks of (N, K, h, w) heatmaps as people in photo pixels."""
    if not boxes:
        return ()
    coords, scores = decode_heatmaps(heatmaps)  # (N, K, 2) in heatmap pixels, (N, K)
    size = (heatmaps.shape[-2], heatmaps.shape[-1])
    # On a map without a clear peak the Newton step, which has no bound, may leave the map and even
    # the photo; such a step says nothing, so the plain peak stands.
    limit = torch.tensor([size[1], size[0]]) - 0.5
    astray = ((coords < -0.5) | (coords > limit)).any(dim=-1, keepdim=True)
    coords = torch.where(astray, plain_peaks(heatmaps)[0], coords)
    people = []
    for box, crop, points, score in zip(boxes, crops, coords, scores, strict=True):
        to_photo = crop.to_photo @ input_to_heatmap(crop.size, size).inverse()
        keypoints = to_photo.apply(points.numpy().astype(np.float64))
        people.append(Person(box, keypoints, score.numpy().astype(np.float64), crop))
    return tuple(people)


def cpu_copy(module: nn.Module) -> nn.Module:
    """A copy in main memory that takes no further memory where the module lies."""
    memo: dict[int, object] = {
        id(weight): nn.Parameter(weight.detach().cpu(), requires_grad=weight.requires_grad)
        for weight in module.parameters()
    }
    memo.update({id(buffer): buffer.detach().cpu() for buffer in module.buffers()})
    return copy.deepcopy(module, memo)


def _name(device: torch.device) -> str:
    return "CPU" if torch.device(device).type == "cpu" else "GPU"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, PoseKitWarning, stacklevel=4)
