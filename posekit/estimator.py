"""From a photo and boxes to people in photo coordinates, and the trace that explains them.

The steps are TransPose's (specification, section 5): crop each box, normalise, run the network,
refine the heatmaps' peaks (DARK), map them back through the exact inverse of the crop.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from posekit.decode.crops import people_of
from posekit.device import autocast, cpu_copy, is_out_of_memory, release_memory
from posekit.errors import ModelError
from posekit.found import Finder, in_boxes
from posekit.geometry import Box, Crop
from posekit.knockout import attention_modules
from posekit.people import Person, check_boxes, whole_photo_box
from posekit.photo import Photo, check_photo
from posekit.skeleton import Skeleton
from posekit.trace import Trace
from posekit.trace import record as recording
from posekit.unseen import Mask, Unseen
from posekit.zoo import PoseModel


class PoseKitWarning(UserWarning):
    """Something went on differently from what was asked; the text is one sentence."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model found in a photo.

    Attributes:
        photo: the photo.
        model: the model that looked at it.
        people: one per box, in the order of the boxes; of a model of whole photos that was given no
            box, everybody it found, surest first, which may be nobody. Keypoints in photo pixels.
        trace: what the attention left, batch item ``people[i].item`` for ``people[i]``; None when
            not recorded. It lies in main memory, wherever the model ran.
        seconds: wall-clock time of the steps: ``crop``, ``forward``, ``decode`` and ``total``; of
            a model of whole photos ``total`` alone.
        masks: (H, W) bool in photo pixels, one a person, of a model that segments people.
        evidence: why these keypoints are these people, of a model that groups them.
        knocked_out: (H, W) bool, what no token was allowed to look at; None where nothing was
            forbidden. Methods that run the network again refuse such a prediction.
    """

    photo: Photo
    model: PoseModel
    people: tuple[Person, ...]
    trace: Trace | None
    seconds: dict[str, float]
    masks: tuple[npt.NDArray[np.bool_], ...] | None = None
    evidence: object | None = None
    knocked_out: Mask | None = None

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints the model predicts."""
        return self.model.entry.skeleton

    def __repr__(self) -> str:
        people = "1 person" if len(self.people) == 1 else f"{len(self.people)} people"
        recorded = "not recorded" if self.trace is None else "recorded"
        return f"Prediction(model={self.model.name!r}, {people}, {recorded})"

    def _repr_html_(self) -> str:
        from posekit.notebook import prediction_html

        return prediction_html(self)


class Estimator:
    """Runs one model on photos. Holds no state between calls; safe to share between threads.

    Args:
        model: a loaded model (``posekit.load``).
        flip_test: also run the mirrored crop and average the heatmaps, for a little accuracy at
            twice the time. The trace is that of the crop as it is.
        batch_size: how many people go through the network at once.
        grouping: how keypoints are put together to people, of a model that can do it in several
            ways (its entry's ``groupings``); None is its first.

    Raises:
        ModelError: the batch size is below 1, or the model knows no such grouping or no flip test.
    """

    def __init__(
        self,
        model: PoseModel,
        *,
        flip_test: bool = False,
        batch_size: int = 8,
        grouping: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise ModelError(f"The batch size is at least 1, not {batch_size}.")
        if grouping is not None and grouping not in model.entry.groupings:
            known = " or ".join(model.entry.groupings)
            raise ModelError(
                f"{model.entry.title} groups keypoints {known}, not {grouping}."
                if known
                else f"There is one way in which {model.entry.title} puts people together."
            )
        if flip_test and not model.entry.flips:
            raise ModelError(
                f"{model.entry.title} has no flip test: what it finds in the mirrored photo cannot "
                "be averaged with what it finds in this one."
            )
        self.model = model
        self.grouping = grouping
        self.flip_test = flip_test
        self.batch_size = batch_size

    def predict(
        self,
        photo: Photo,
        boxes: Sequence[Box] | None = None,
        *,
        record: bool = True,
        knocked_out: Mask | None = None,
    ) -> Prediction:
        """Find the keypoints of the people in ``boxes``.

        Args:
            photo: see :func:`posekit.read_photo`.
            boxes: around one person each, in photo pixels; clipped to the photo. None: a model of
                crops takes the whole photo for one person, a model of whole photos finds
                everybody. Given boxes, the latter looks at the whole photo all the same and says
                whom it found in each (:func:`posekit.found.in_boxes`).
            record: keep the trace that :func:`posekit.explain.explain` reads.
            knocked_out: (H, W) bool, places of the photo that no token may look at
                (:mod:`posekit.knockout`); it costs a second pass.

        Raises:
            PhotoError: it is not a photo.
            BoxError: a box is none, is empty or lies outside the photo, or there are too many.
            ModelError: not even one person fits in memory, or attention is to be knocked out of a
                model that has none between places of the photo.
            OcclusionError: every token would be knocked out.

        Warns:
            PoseKitWarning: the GPU ran out of memory, and smaller batches or the CPU took over.
        """
        return self._predict([photo], boxes, record, [knocked_out])[0]

    def predict_each(
        self,
        photos: Sequence[Photo],
        boxes: Sequence[Box] | None = None,
        *,
        record: bool = True,
        knocked_out: Sequence[Mask | None] | None = None,
    ) -> tuple[Prediction, ...]:
        """As :meth:`predict` for several photos, such as one photo with things put in front.

        A model of crops sees the crops of all photos in shared batches, and the predictions share
        one trace; a model of whole photos looks at one after another.

        Args:
            photos: any number.
            boxes: the same in every photo; see :meth:`predict`.
            record: keep the trace.
            knocked_out: for each photo what no token may look at, or None; see :meth:`predict`.

        Raises and warns:
            As :meth:`predict` does.
        """
        out = [None] * len(photos) if knocked_out is None else knocked_out
        return self._predict(photos, boxes, record, out)

    def _predict(
        self,
        photos: Sequence[Photo],
        boxes: Sequence[Box] | None,
        record: bool,
        out: Sequence[Mask | None],
    ) -> tuple[Prediction, ...]:
        for photo in photos:
            check_photo(photo)
        if self.model.entry.find is not None:
            everybody = []
            for photo, mask in zip(photos, out, strict=True):
                everybody.append(self._find(photo, boxes, record, mask))
            return tuple(everybody)
        if not photos:
            return ()
        started = time.perf_counter()
        size = self.model.entry.input_size
        chosen = [
            check_boxes([whole_photo_box(photo)] if boxes is None else boxes, photo)
            for photo in photos
        ]
        pairs = [(photo, box) for photo, held in zip(photos, chosen, strict=True) for box in held]
        crops = [Crop.of_box(box, size, photo.size) for photo, box in pairs]
        images = np.zeros((len(crops), *size, 3), dtype=np.uint8)
        for image, crop, (photo, _) in zip(images, crops, pairs, strict=True):
            image[...] = crop.warp(photo.pixels)
        cropped = time.perf_counter()
        masks = [mask for mask, held in zip(out, chosen, strict=True) for _ in held]
        unseen = self._unseen(images, crops, masks)
        heatmaps, trace = self._run(torch.from_numpy(images), record, unseen)
        ran = time.perf_counter()
        people = iter(people_of([box for _, box in pairs], crops, heatmaps))
        ended = time.perf_counter()
        took = {
            "crop": cropped - started,
            "forward": ran - cropped,
            "decode": ended - ran,
            "total": ended - started,
        }
        seconds = {step: whole / len(photos) for step, whole in took.items()}
        return tuple(
            Prediction(
                photo,
                self.model,
                tuple(next(people) for _ in held),
                trace,
                seconds,
                knocked_out=mask,
            )
            for photo, held, mask in zip(photos, chosen, out, strict=True)
        )

    def _find(
        self, photo: Photo, boxes: Sequence[Box] | None, record: bool, knocked_out: Mask | None
    ) -> Prediction:
        """The people whom a model of whole photos finds by itself."""
        started = time.perf_counter()
        chosen = None if boxes is None else check_boxes(boxes, photo)
        model, find = self.model, self.model.entry.find
        assert find is not None  # see predict
        if self.grouping is not None:
            find = cast(Finder, partial(cast(Any, find), grouping=self.grouping))
        if self.flip_test:
            find = cast(Finder, partial(cast(Any, find), flip_test=True))
        unseen = self._unseen_whole(find, photo, knocked_out)
        try:
            with _without(unseen, model.module):
                found = find(model, photo, recorded=record)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            found = None
        if found is None:  # past the except clause: the failed pass and its tensors are gone by now
            if torch.device(model.device).type == "cpu":
                raise ModelError(
                    "There is not enough memory to run this model on this photo: "
                    "choose a smaller model or close other programs."
                )
            release_memory(torch.device(model.device))
            _warn(
                f"The {_name(model.device)} ran out of memory; going on with the CPU, "
                "which is slower."
            )
            spare = replace(model, module=cpu_copy(model.module), device=torch.device("cpu"))
            with _without(unseen, spare.module):
                found = find(spare, photo, recorded=record)
        if chosen is not None:
            found = in_boxes(found, chosen, model.entry.skeleton.size)
        seconds = {"total": time.perf_counter() - started}
        people, trace, masks, evidence = found.people, found.trace, found.masks, found.evidence
        return Prediction(
            photo, self.model, people, trace, seconds, masks, evidence, knocked_out
        )  # fmt: skip

    def _unseen_whole(self, find: Finder, photo: Photo, knocked_out: Mask | None) -> Unseen | None:
        """The tokens under a mask, of a model of whole photos."""
        if knocked_out is None:
            return None
        self._check_flip()
        crops: list[Crop] = []

        def run() -> None:
            crops.append(find(self.model, photo).crop)

        layers = attention_modules(self.model.module, run)
        return Unseen.of(self.model.module, layers, crops, [knocked_out])

    def _unseen(
        self, images: npt.NDArray[np.uint8], crops: Sequence[Crop], masks: Sequence[Mask | None]
    ) -> Unseen | None:
        """The tokens under masks, in the crops (N, H, W, 3) uint8; None without a mask."""
        if all(mask is None for mask in masks):
            return None
        self._check_flip()
        module, device = self.model.module, torch.device(self.model.device)
        one = torch.from_numpy(images[:1])
        layers = attention_modules(module, lambda: self._forward(module, device, one, False, None))
        return Unseen.of(module, layers, crops, masks)

    def _check_flip(self) -> None:
        if self.flip_test:
            raise ModelError(
                "A knockout and a flip test do not go together: choose one of the two."
            )

    def _run(
        self, images: Tensor, record: bool, unseen: Unseen | None = None
    ) -> tuple[Tensor, Trace | None]:
        """(N, H, W, 3) uint8 -> heatmaps (N, K, h, w) float32 and the trace, both on the CPU."""
        if not len(images):
            return torch.zeros(0, self.model.entry.skeleton.size, 1, 1), Trace() if record else None
        module, device, size = self.model.module, torch.device(self.model.device), self.batch_size
        parts: list[tuple[Tensor, Trace | None]] = []
        done = 0
        while done < len(images):
            batch = images[done : done + size]
            some = None if unseen is None else unseen.part(slice(done, done + len(batch)))
            part = self._try_forward(module, device, batch, record, some)
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
        self,
        module: nn.Module,
        device: torch.device,
        images: Tensor,
        record: bool,
        unseen: Unseen | None,
    ) -> tuple[Tensor, Trace | None] | None:
        """One batch, or None when memory ran out."""
        try:
            return self._forward(module, device, images, record, unseen)
        except RuntimeError as error:  # torch.OutOfMemoryError is one; mps and cuBLAS raise it bare
            if not is_out_of_memory(error):
                raise
            return None

    def _forward(
        self,
        module: nn.Module,
        device: torch.device,
        images: Tensor,
        record: bool,
        unseen: Unseen | None,
    ) -> tuple[Tensor, Trace | None]:
        trace = None
        with torch.inference_mode(), autocast(device), _without(unseen, module):
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


def _without(unseen: Unseen | None, module: nn.Module) -> AbstractContextManager[None]:
    return nullcontext() if unseen is None else unseen.hidden(module)


def _name(device: torch.device) -> str:
    return "CPU" if torch.device(device).type == "cpu" else "GPU"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, PoseKitWarning, stacklevel=5)  # whoever called predict
