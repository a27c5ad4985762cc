"""An instance attention network on a whole photo: everybody's keypoints and masks, in one pass.

The photo is scaled until it fits the network's input and filled up to whole tokens only, at the
right and at the bottom, with the mean colour: nothing beside the photo is attended to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.affine import Affine
from posekit.decode.instance import InstanceDecoder, affinities, token_of
from posekit.decode.instance_masks import AttentionMask, person_masks
from posekit.decode.instance_people import Grouping, View
from posekit.decode.paf_people import Peak
from posekit.device import autocast
from posekit.found import Found, box_around
from posekit.geometry import Crop
from posekit.models.instance import (
    InstanceAttention,
    InstanceConfig,
    InstanceOutput,
    attention_rows,
)
from posekit.models.instance_losses import scaled_rows
from posekit.people import MAX_BOXES, Person
from posekit.photo import Photo
from posekit.trace import Trace, record
from posekit.zoo import PoseModel

__all__ = [
    "InstancePeople",
    "decode",
    "decoder_for",
    "find",
    "find_people",
    "rows_at",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class InstancePeople:
    """Everybody that was found in a photo.

    Attributes:
        grouping: candidates and people, and why they are people, in photo pixels.
        masks: (H, W) of each person, in photo pixels, from attention alone.
        crop: the whole photo as the network saw it, filled up to whole tokens.
        trace: of the one pass; None when not recorded.
    """

    grouping: Grouping
    masks: tuple[AttentionMask, ...]
    crop: Crop
    trace: Trace | None

    @property
    def affinity(self) -> Floats:
        """(U, U), how much all candidates attend to each other."""
        return self.grouping.affinity

    @property
    def people(self) -> tuple[tuple[Floats, Floats], ...]:
        """Of each person points (K, 2), NaN where not found, and scores (K,)."""
        return tuple(self.grouping.keypoints(n) for n in range(len(self.grouping.people)))


def decoder_for(config: InstanceConfig, view: View = "body-first") -> InstanceDecoder:
    """The decoder that a network's outputs are meant for."""
    decoder = InstanceDecoder(config.skeleton, config.heat, config.tokens, view=view)
    peaks = replace(decoder.peaks, threshold=config.least_peak)
    return replace(
        decoder, peaks=peaks, threshold=config.least_affinity, least_parts=config.least_parts
    )


def rows_at(
    output: InstanceOutput, item: int, points: npt.ArrayLike, config: InstanceConfig
) -> Floats:
    """Rows of the supervised attention at points (n, 2) in input pixels, over their maxima: (n, T).

    The mean over heads, of the token nearest to each point.
    """
    size = token_size(output, config)
    tokens = torch.from_numpy(token_of(points, config.tokens, size)).to(output.queries.device)
    rows = scaled_rows(attention_rows(output.of(item), tokens[None])[0])
    return np.asarray(rows.double().cpu().numpy())


def token_size(output: InstanceOutput, config: InstanceConfig) -> tuple[int, int]:
    """(rows, cols) of the tokens behind an output."""
    height, width = output.heatmaps.shape[-2:]
    return height * 4 // config.stride, width * 4 // config.stride


def decode(
    output: InstanceOutput, item: int, decoder: InstanceDecoder, config: InstanceConfig
) -> tuple[Grouping, Floats]:
    """Group one item of a batch.

    Returns:
        People in input pixels; (U, T) the rows of all candidates, over their maxima.
    """
    heatmaps, offsets = (t[item].float().cpu().numpy() for t in output[:2])
    if output.attended is not None:  # nobody is beside the photo
        size = token_size(output, config)
        inside = output.attended[item].view(size).cpu().numpy()
        heatmaps = heatmaps * np.kron(inside, np.ones((config.stride // 4,) * 2, np.float32))
    peaks = decoder.candidates(heatmaps, offsets)
    points = np.array([peak.point for peak in peaks]).reshape(-1, 2)
    rows = rows_at(output, item, points, config)
    table = affinities(rows, points, config.tokens, token_size(output, config))
    return decoder.group(peaks, table), rows


def prepare(
    photo: Photo, size: tuple[int, int], stride: int
) -> tuple[Tensor, Crop, tuple[int, int]]:
    """The photo as the network takes it, but neither normalised nor filled up.

    Args:
        photo: of any size.
        size: (height, width) that it is scaled to fit in.
        stride: pixels of a token.

    Returns:
        (1, 3, h, w) in 0..1; the crop it becomes once it is filled up; (h, w).
    """
    factor = min(size[0] / photo.height, size[1] / photo.width)
    height, width = max(1, round(photo.height * factor)), max(1, round(photo.width * factor))
    across, down = width / photo.width, height / photo.height
    to_input = Affine.scaling((across, down), ((across - 1) / 2, (down - 1) / 2))
    image = Crop((height, width), to_input, photo.size).warp(photo.pixels)
    filled = height + -height % stride, width + -width % stride
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    return pixels, Crop(filled, to_input, photo.size), (height, width)


def find_people(
    model: PoseModel, photo: Photo, *, recorded: bool = False, view: View = "body-first"
) -> InstancePeople:
    """Find everybody in a photo; where nobody is, nobody is found.

    Args:
        model: one of :mod:`posekit.models.instance_zoo`.
        photo: of any size.
        recorded: keep the trace.
        view: how keypoints are grouped, see :mod:`posekit.decode.instance`.
    """
    module = cast(InstanceAttention, model.module)
    config = module.config
    image, crop, (height, width) = prepare(photo, model.entry.input_size, config.stride)
    trace = None
    with torch.inference_mode(), autocast(model.device):
        inputs = model.entry.normalised(image.to(model.device))
        inputs = F.pad(inputs, (0, crop.size[1] - width, 0, crop.size[0] - height))
        if recorded:
            with record(module) as trace:
                output = cast(InstanceOutput, module(inputs))
        else:
            output = cast(InstanceOutput, module(inputs))
        grouping, rows = decode(output, 0, decoder_for(config, view), config)
    size = token_size(output, config)
    values = [rows[list(person.members)].mean(0).reshape(size) for person in grouping.people]
    found = grouping.moved(crop.to_photo)
    masks = person_masks(
        np.array(values).reshape(-1, *size),
        [points_of(found.peaks, person.members) for person in found.people],
        config.tokens.to_input.inverse() @ crop.to_crop,
        photo.size,
        config.least_mask,
    )
    found = replace(found, mask_confidence=tuple(mask.confidence for mask in masks))
    return InstancePeople(found, masks, crop, None if trace is None else trace.to("cpu"))


def points_of(peaks: tuple[Peak, ...], members: tuple[int, ...]) -> Floats:
    """Where some candidates are, (n, 2)."""
    return np.array([peaks[member].point for member in members]).reshape(-1, 2)


def find(
    model: PoseModel, photo: Photo, *, recorded: bool = False, grouping: View = "body-first"
) -> Found:
    """Everybody in a photo, as the estimator wants them; see :class:`posekit.found.Finder`.

    ``grouping`` is how keypoints are grouped, see :mod:`posekit.decode.instance`.
    """
    seen = find_people(model, photo, recorded=recorded, view=grouping)
    everybody = zip(seen.people, seen.grouping.people, strict=True)
    people = tuple(
        Person(box_around(points, photo.size), points, scores, seen.crop, person.score, instance=n)
        for n, ((points, scores), person) in enumerate(everybody)
    )[:MAX_BOXES]
    masks = tuple(mask.array for mask in seen.masks[:MAX_BOXES])
    return Found(people, seen.crop, seen.trace, masks=masks, evidence=seen.grouping)
