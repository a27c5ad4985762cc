"""From what a person asks about to a target, a crop and the tokens it starts from.

All methods accept what a click gives (a keypoint, a point, a query) as well as a
:class:`~posekit.explain.targets.Target`; here one becomes the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from posekit.errors import ModelError, TraceError
from posekit.explain.attention import query_token
from posekit.explain.maps import resample
from posekit.explain.query import AnyQuery, Query, check_person, outside_crop, resolve
from posekit.explain.targets import (
    KeypointPair,
    KeypointPeak,
    MaskTarget,
    PersonTarget,
    Target,
    greatest_pixel,
)
from posekit.geometry import Affine, TokenGrid, input_to_heatmap

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.trace import Attention

__all__ = [
    "Asked",
    "alone",
    "ask",
    "crop_input",
    "crop_to_heatmap",
    "heatmaps_from",
    "mask_of",
    "network_of",
    "pair_of",
    "peak_of",
    "person_of",
    "recorded_heatmaps",
    "start_weights",
    "to_heatmap",
]


@dataclass(frozen=True, eq=False)
class Asked:
    """One question, ready for any method.

    Attributes:
        target: the number to explain.
        person: whose crop, index into ``prediction.people``.
        label: the question in words.
        query: the keypoint or point asked about; None for a target that is no single place.
    """

    target: Target
    person: int
    label: str
    query: Query | None = None

    @property
    def place(self) -> Query | Target:
        """What says where the question stands: the query if there is one."""
        return self.query or self.target


def ask(prediction: Prediction, target: AnyQuery | Target, person: int | None = None) -> Asked:
    """Make a question of anything ``explain`` accepts.

    A keypoint means the value of its heatmap at its own maximum. A free point means the value
    there of the heatmap that is greatest there.

    Raises:
        TraceError: nothing was recorded, the keypoint was not found, or no such person or place.
        SkeletonError: no such keypoint.
    """
    skeleton = prediction.skeleton
    if isinstance(target, Target):
        index = check_person(prediction, person or 0)
        return Asked(target, index, target.label(skeleton))
    query = resolve(prediction, target, person)
    if query.keypoint is not None:
        peak = peak_of(prediction, query.keypoint, query.person)
        return Asked(peak, query.person, query.label(skeleton), query)
    heatmaps = recorded_heatmaps(prediction, query.person)
    height, width = heatmaps.shape[-2:]
    x, y = np.round(to_heatmap(prediction, query.person).apply(query.point)).astype(int)
    if not (0 <= x < width and 0 <= y < height):
        raise outside_crop(prediction, np.asarray(query.point))
    keypoint = int(heatmaps[:, y, x].argmax())
    label = f"{skeleton.keypoints[keypoint]} at {query.label(skeleton)}"
    return Asked(KeypointPeak(keypoint, (float(x), float(y))), query.person, label, query)


def peak_of(prediction: Prediction, keypoint: str | int, person: int = 0) -> KeypointPeak:
    """The target of one keypoint: its heatmap's value at the pixel where it is greatest.

    Raises:
        TraceError: nothing was recorded, or the heatmap is nowhere above zero.
        SkeletonError: no such keypoint.
    """
    query = resolve(prediction, keypoint, person)
    assert query.keypoint is not None  # a name or an index always is one
    heatmap = recorded_heatmaps(prediction, query.person)[query.keypoint]
    x, y = greatest_pixel(heatmap) if alone(prediction) else _peak_near(prediction, query)
    if not float(heatmap[y, x]) > 0:
        raise TraceError(
            f"No {query.label(prediction.skeleton)} was found for this person: "
            "its heatmap is nowhere above zero, so there is nothing to explain."
        )
    return KeypointPeak(query.keypoint, (float(x), float(y)))


def alone(prediction: Prediction) -> bool:
    """Whether every person has heatmaps of their own, whose peaks can be nobody else's."""
    entry = prediction.model.entry
    return entry.find is None or entry.likelihood is not None


def _peak_near(prediction: Prediction, query: Query) -> tuple[int, int]:
    """The greatest pixel among those about a keypoint, in heatmaps that hold several people's."""
    heatmap = recorded_heatmaps(prediction, query.person)[query.keypoint]
    height, width = heatmap.shape
    column, row = np.round(to_heatmap(prediction, query.person).apply(query.point)).astype(int)
    left, top = int(np.clip(column - 1, 0, width - 1)), int(np.clip(row - 1, 0, height - 1))
    near = heatmap[top : max(top, row + 1) + 1, left : max(left, column + 1) + 1]
    x, y = greatest_pixel(near)
    return left + x, top + y


def pair_of(
    prediction: Prediction, first: str | int, second: str | int, person: int = 0
) -> KeypointPair:
    """The target of two keypoints, such as a limb's ends. Errors as :func:`peak_of`."""
    return KeypointPair(peak_of(prediction, first, person), peak_of(prediction, second, person))


def person_of(
    prediction: Prediction, person: int = 0, keypoints: Sequence[str | int] | None = None
) -> PersonTarget:
    """The target of a person: the keypoints named, or all that were found.

    Raises:
        TraceError: nothing was recorded, or a named keypoint, or every one, was not found.
        SkeletonError: no such keypoint.
    """
    if keypoints is None:
        heatmaps = recorded_heatmaps(prediction, check_person(prediction, person))
        found = prediction.people[person].found
        keypoints = [k for k, one in enumerate(heatmaps) if found[k] and float(one.max()) > 0]
    return PersonTarget(tuple(peak_of(prediction, keypoint, person) for keypoint in keypoints))


def mask_of(
    prediction: Prediction,
    mask: np.ndarray,
    person: int = 0,
    keypoint: str | int | None = None,
    name: str = "mask",
) -> MaskTarget:
    """The target of an instance mask (H, W) in photo pixels, as one person's crop sees it.

    Raises:
        TraceError: nothing was recorded, the mask does not have the photo's size, or no part of
            it lies in the crop.
        SkeletonError: no such keypoint.
    """
    size = prediction.photo.size
    if mask.shape != size:
        raise TraceError(f"The mask has {mask.shape} pixels and the photo {size}.")
    heatmaps = recorded_heatmaps(prediction, check_person(prediction, person))
    shape = (heatmaps.shape[-2], heatmaps.shape[-1])
    covered = resample(mask.astype(np.float32), to_heatmap(prediction, person), shape)
    if not covered.any():
        raise TraceError("No part of the mask lies in this person's crop.")
    index = None if keypoint is None else resolve(prediction, keypoint, person).keypoint
    return MaskTarget(np.clip(covered, 0.0, 1.0), index, name)


def recorded_heatmaps(prediction: Prediction, person: int) -> Tensor:
    """The heatmaps (K, h, w) of one person's crop, as recorded.

    Of a network that regresses, what stands for them (:mod:`posekit.likelihood`).

    Raises:
        TraceError: nothing was recorded, the model makes none, or it did not find the person.
    """
    if prediction.trace is None:
        raise TraceError(
            "Nothing was recorded for this prediction: call predict(photo, record=True) first."
        )
    if (likelihood := prediction.model.entry.likelihood) is not None:
        size = prediction.people[person].crop.size
        return likelihood.recorded(prediction.trace, _instance(prediction, person), size)
    if prediction.trace.heatmaps is None:
        raise TraceError("This model recorded no heatmaps, so no value of them can be explained.")
    return prediction.trace.heatmaps[prediction.people[person].item].float()


def network_of(prediction: Prediction, person: int) -> nn.Module:
    """What to run again for one person's heatmaps: see :func:`heatmaps_from`.

    Raises:
        TraceError: nothing was recorded, or the model did not find the person.
    """
    model = prediction.model
    if model.entry.likelihood is None:
        return model.module
    instance = _instance(prediction, person)
    assert prediction.trace is not None  # _instance refuses
    return model.entry.likelihood.network(model.module, prediction.trace, instance)


def _instance(prediction: Prediction, person: int) -> int:
    """Which of the trace's instances a person is."""
    instance = prediction.people[person].instance
    if prediction.trace is None or instance is None:
        raise TraceError(
            f"{prediction.model.entry.title} did not find person {person + 1}, so there is nothing "
            "to explain about them."
        )
    return instance


def to_heatmap(prediction: Prediction, person: int) -> Affine:
    """Photo pixels to the heatmap pixels of one person's crop."""
    return crop_to_heatmap(prediction, person) @ prediction.people[person].crop.to_crop


def crop_to_heatmap(prediction: Prediction, person: int) -> Affine:
    """Pixels of one person's crop to pixels of its heatmaps."""
    height, width = recorded_heatmaps(prediction, person).shape[-2:]
    assert prediction.trace is not None  # recorded_heatmaps refuses
    likelihood, size = prediction.model.entry.likelihood, prediction.people[person].crop.size
    grid = prediction.trace.heatmap_grid if likelihood is None else likelihood.grid(size)
    if grid is not None:
        return grid.to_input.inverse()
    return input_to_heatmap(size, (height, width))


def crop_input(prediction: Prediction, person: int) -> Tensor:
    """What the network saw of one person: (1, 3, H, W) float32, normalised, on its device.

    Raises:
        TraceError: attention was knocked out of the prediction, which another pass would not know.
    """
    if prediction.knocked_out is not None:
        raise TraceError(
            "Attention was knocked out here, and methods that run the network again would run it "
            "whole: ask for the attention itself, or about the photo without a knockout."
        )
    entry, device = prediction.model.entry, prediction.model.device
    if entry.likelihood is not None:
        image = entry.likelihood.image(prediction.model.module, prediction.photo)
        return entry.normalised(image.to(device)).contiguous()
    crop = prediction.people[person].crop
    pixels = crop.warp(prediction.photo.pixels)  # (H, W, 3) uint8
    image = torch.from_numpy(pixels).to(device).permute(2, 0, 1)[None].float() / 255
    image = entry.normalised(image)
    if entry.find is not None:
        # A whole photo is padded with the mean colour, which is zero here; a crop with black.
        height, width = crop.photo_size
        right, bottom = np.round(crop.to_crop.apply((width - 0.5, height - 0.5)) + 0.5).astype(int)
        image[..., bottom:, :] = 0.0
        image[..., right:] = 0.0
    return image.contiguous()


def heatmaps_from(module: nn.Module, images: Tensor) -> Tensor:
    """Run a network on (B, 3, H, W): its heatmaps (B, K, h, w) float32.

    A network that puts out more than heatmaps has a method ``read_heatmaps(output)``.

    Raises:
        ModelError: its output is something else.
    """
    output = module(images)
    if callable(read := getattr(module, "read_heatmaps", None)):
        output = read(output)
    if not isinstance(output, Tensor) or output.ndim != 4:
        raise ModelError("This method explains heatmaps, which this model does not make.")
    return output.float()


def start_weights(
    prediction: Prediction, place: Query | Target, person: int, attention: Attention
) -> Tensor:
    """The query tokens a question starts from, as shares (tokens,) that sum to 1.

    A keypoint or point is the one token under it, as for the attention maps. A target is the
    tokens under the places it is read at, each place with the same weight.

    Raises:
        TraceError: a point outside the crop, or a target read where no token lies.
    """
    grid = attention.query_grid
    assert isinstance(grid, TokenGrid)  # only such attentions are handed here
    if isinstance(place, Query):
        tokens = np.array([query_token(prediction, place, attention, "row")])
    else:
        places = place.places(recorded_heatmaps(prediction, person)).numpy().astype(np.float64)
        tokens = grid.token_at(crop_to_heatmap(prediction, person).inverse().apply(places))
        tokens = tokens[tokens >= 0]
    if not len(tokens):
        what = place.label(prediction.skeleton)
        raise TraceError(f"No token of {attention.name} lies where {what} is read.")
    counts = np.bincount(tokens, minlength=grid.tokens)
    return torch.tensor(counts / counts.sum(), dtype=torch.float32)
