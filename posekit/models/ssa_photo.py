"""A network of the OpenPose line on a whole photo: one scale, everybody at once.

The photo is scaled until it fits the network's input, from the top left corner, as in training;
what is missing at the right and at the bottom is grey. Tags as in :mod:`posekit.models.ssa`; the
public code averages four scales, which costs ten times as much and is left out here [ours].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.affine import Affine
from posekit.decode.paf import PafDecoder
from posekit.decode.paf_peaks import PeakOptions
from posekit.decode.paf_people import PafDecoding
from posekit.device import autocast
from posekit.found import Found, box_around
from posekit.geometry import Crop
from posekit.models.ssa import SSAConfig, SSANet, StageOutputs
from posekit.people import MAX_BOXES, MIN_BOX_SIDE, Person
from posekit.photo import Photo
from posekit.skeleton import Skeleton
from posekit.trace import Trace, record
from posekit.zoo import PoseModel

__all__ = ["PhotoPeople", "decoder_for", "find", "find_people", "mirrored_back", "prepare"]


@dataclass(frozen=True, eq=False)
class PhotoPeople:
    """Everybody that was found in a photo.

    Attributes:
        decoding: people, and why they are people, in photo pixels.
        crop: the whole photo as the network saw it, for everybody the same.
        trace: of the one pass, see :mod:`posekit.models.ssa_trace`; None when not recorded.
    """

    decoding: PafDecoding
    crop: Crop
    trace: Trace | None


def decoder_for(config: SSAConfig) -> PafDecoder:
    """The decoder that a network's outputs are meant for."""
    place: Literal["wide", "block", "upsampled"] = "wide" if config.grid.wide else "block"
    if not config.offsets:
        place = "upsampled"
    return PafDecoder(
        config.skeleton,
        config.grid,
        PeakOptions(place=place),
        least_parts=config.least_parts,
        least_score=config.least_score,
    )


def prepare(photo: Photo, size: tuple[int, int]) -> tuple[Tensor, Crop]:
    """The photo as the network takes it, but neither normalised nor padded: (1, 3, h, w) in 0..1.

    Args:
        photo: of any size.
        size: (height, width) that it is scaled to fit in.
    """
    factor = min(size[0] / photo.height, size[1] / photo.width)
    height, width = max(1, round(photo.height * factor)), max(1, round(photo.width * factor))
    across, down = width / photo.width, height / photo.height
    to_input = Affine.scaling((across, down), ((across - 1) / 2, (down - 1) / 2))
    crop = Crop((height, width), to_input, photo.size)
    image = torch.from_numpy(crop.warp(photo.pixels)).permute(2, 0, 1)[None].float() / 255
    return image, crop


def find_people(
    model: PoseModel, photo: Photo, *, flip_test: bool = False, recorded: bool = False
) -> PhotoPeople:
    """Find everybody in a photo; where nobody is, nobody is found.

    Args:
        model: one of :mod:`posekit.models.ssa_zoo`.
        photo: of any size.
        flip_test: also look at the mirrored photo and take the mean of the maps [ours].
        recorded: keep the trace, that of the photo as it is.
    """
    module = cast(SSANet, model.module)
    config, stride = module.config, module.config.grid.stride
    image, crop = prepare(photo, model.entry.input_size)
    trace = None
    with torch.inference_mode(), autocast(model.device):
        inputs = model.entry.normalised(image.to(model.device))
        inputs = F.pad(inputs, (0, -inputs.shape[-1] % stride, 0, -inputs.shape[-2] % stride))
        if recorded:
            with record(module) as trace:
                outputs = cast(StageOutputs, module(inputs))
        else:
            outputs = cast(StageOutputs, module(inputs))
        maps = last_maps(outputs)
        if flip_test:
            other = mirrored_back(last_maps(module(inputs.flip(-1))), config.skeleton)
            maps = [(a + b) / 2 for a, b in zip(maps, other, strict=True)]
    decoding = decoder_for(config)(*(each[0] for each in maps))
    return PhotoPeople(
        decoding.moved(crop.to_photo), crop, None if trace is None else trace.to("cpu")
    )


def find(
    model: PoseModel, photo: Photo, *, recorded: bool = False, flip_test: bool = False
) -> Found:
    """Everybody in a photo, as the estimator wants them; see :class:`posekit.found.Finder`."""
    seen = find_people(model, photo, flip_test=flip_test, recorded=recorded)
    keypoints, joins = model.entry.skeleton.size, len(model.entry.skeleton.limbs)
    stride = cast(SSANet, model.module).config.grid.stride
    padded = (
        seen.crop.size[0] + -seen.crop.size[0] % stride,
        seen.crop.size[1] + -seen.crop.size[1] % stride,
    )
    crop = Crop(padded, seen.crop.to_crop, photo.size)  # what the maps of the trace lie on
    people = []
    for n, one in enumerate(seen.decoding.people[:MAX_BOXES]):
        points, scores = seen.decoding.keypoints(n)
        # Peaks and joins count 1 each at most: the ranking as a share of the largest there can be.
        score = one.ranking_score / (keypoints * (keypoints + joins))
        box = box_around(points, photo.size)
        if min(box.width, box.height) < MIN_BOX_SIDE:  # the photo is that thin: nobody is
            continue
        sure = float(np.clip(score, 0.0, 1.0))
        people.append(Person(box, points, scores, crop, sure, instance=n))
    return Found(tuple(people), crop, seen.trace, evidence=seen.decoding)


def last_maps(outputs: StageOutputs) -> list[Tensor]:
    """Heatmaps without background, fields and, if there are any, offsets of the last stage."""
    return [t.float() for t in (outputs.heat[-1][:, :-1], outputs.paf[-1], *outputs.offset[-1:])]


def mirrored_back(maps: list[Tensor], skeleton: Skeleton) -> list[Tensor]:
    """The maps of mirrored images as those of the images: sides change, and so does x."""
    order = list(skeleton.flip_order)
    sign = maps[0].new_tensor([-1.0, 1.0])[:, None, None]
    fields = maps[1].flip(-1).unflatten(1, (-1, 2)) * sign  # (B, L, 2, h, w)
    turned = []
    for a, b in skeleton.limbs:
        limb, way = (order[a], order[b]), 1
        if limb not in skeleton.limbs:  # the mirrored limb is named from its other end
            limb, way = limb[::-1], -1
        turned.append(way * fields[:, skeleton.limbs.index(limb)])
    back = [maps[0].flip(-1)[:, order], torch.stack(turned, dim=1).flatten(1, 2)]
    for offset in maps[2:]:
        back.append((offset.flip(-1).unflatten(1, (-1, 2))[:, order] * sign).flatten(1, 2))
    return back
