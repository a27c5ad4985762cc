"""QueryPose on a whole photo: resize it, find everybody, and read the poses of those found.

The published code reads a pose for each of its hundred queries at every stage, and that is nearly
all of its work. Boxes do not depend on poses and a person's score is at most the class score, so
here the box head goes first, and poses are read only where the last class score reaches the
threshold: the same people with the same numbers, for a fraction of the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from posekit.affine import Affine
from posekit.decode.querypose import FoundPose, decode_people
from posekit.device import autocast
from posekit.found import Found
from posekit.geometry import Crop
from posekit.models.querypose import QueryPose
from posekit.people import MAX_BOXES, MIN_BOX_SIDE, Person
from posekit.photo import Photo
from posekit.trace import Trace, record
from posekit.zoo import PoseModel

__all__ = ["PhotoPoses", "find", "find_people", "fitted", "prepare"]


@dataclass(frozen=True, eq=False)
class PhotoPoses:
    """Everybody that was found in a photo.

    Attributes:
        people: best score first.
        crop: the whole photo as the network saw it, for everybody the same.
        trace: of the one pass; who its per-instance records are about, ``trace.instances`` says.
            None when not recorded.
    """

    people: tuple[FoundPose, ...]
    crop: Crop
    trace: Trace | None


def fitted(size: tuple[int, int], shortest: int, longest: int) -> tuple[int, int]:
    """(height, width) that a photo of such a size is resized to.

    Its shorter side becomes ``shortest`` long, unless its longer side would become longer than
    ``longest``; no side becomes less than a pixel.
    """
    scale = min(shortest / min(size), longest / max(size))
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


def prepare(photo: Photo, shortest: int, longest: int) -> tuple[Tensor, Crop]:
    """The photo as the network takes it, but not normalised: (1, 3, h, w) in 0..1, and the way.

    Resized as the published code does: bilinear over the whole area a pixel stands for.
    """
    height, width = fitted(photo.size, shortest, longest)
    resized = Image.fromarray(photo.pixels).resize((width, height), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None].float() / 255
    across, down = width / photo.width, height / photo.height
    to_input = Affine.scaling((across, down), ((across - 1) / 2, (down - 1) / 2))
    return image, Crop((height, width), to_input, photo.size)


def find_people(
    model: PoseModel,
    photo: Photo,
    *,
    threshold: float | None = None,
    min_side: float = MIN_BOX_SIDE,
    limit: int = MAX_BOXES,
    recorded: bool = False,
) -> PhotoPoses:
    """Find everybody in a photo.

    Args:
        model: a QueryPose, see :mod:`posekit.models.querypose_zoo`.
        photo: of any size; where nobody is found, nobody is returned.
        threshold: least score, None for the configuration's; 0 and ``min_side`` 0 are the published
            evaluation.
        min_side: least pixels of a person's box within the photo.
        limit: people at most; the published evaluation counts 20.
        recorded: keep the trace, of the queries whose pose was read.
    """
    module = cast(QueryPose, model.module)
    image, crop = prepare(photo, module.config.shortest, module.config.longest)
    least = module.config.threshold if threshold is None else threshold

    def confident(posed: Tensor) -> tuple[FoundPose, ...]:
        output = module.pose(detection, lambda *_: posed)
        return decode_people(output, 0, photo.size, threshold=least, min_side=min_side, limit=limit)

    trace = None
    with torch.inference_mode(), autocast(model.device):
        inputs = model.entry.normalised(image.to(model.device))
        if not recorded:
            detection = module.detect(inputs)
            people = confident(class_scores(detection.stages[-1].logits) >= least)
        else:
            with record(module) as trace:
                detection = module.detect(inputs)
                people = confident(class_scores(detection.stages[-1].logits) >= least)
    return PhotoPoses(people, crop, None if trace is None else trace.to("cpu"))


def find(model: PoseModel, photo: Photo, *, recorded: bool = False) -> Found:
    """Everybody in a photo, as the estimator wants them; see :class:`posekit.found.Finder`."""
    seen = find_people(model, photo, recorded=recorded)
    instances = seen.trace.instances.places if seen.trace and seen.trace.instances else ()
    place = {query: n for n, (_, query) in enumerate(instances)}
    people = tuple(
        Person(
            one.box,
            one.keypoints,
            one.keypoint_scores,
            seen.crop,
            one.score,
            instance=place.get(one.query),
        )
        for one in seen.people
    )
    return Found(people, seen.crop, seen.trace)


def class_scores(logits: Tensor) -> Tensor:
    """(B, N, classes) logits -> (B, N), the best class of each query."""
    return logits.float().sigmoid().amax(-1)
