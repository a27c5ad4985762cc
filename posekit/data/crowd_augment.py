"""Augmentation of a batch of whole photos, each with everybody in it.

A view is a turned, mirrored, scaled and shifted window on the photo, of the photo's own shape, so
that what a network sees in training looks like what it gets in use: a photo scaled until it fits
the input, from the top left corner, and nothing beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.data.augment import (
    Augmentation,
    Draws,
    blurred,
    occluded,
    recoloured,
)
from posekit.data.clipping import clipped_boxes
from posekit.data.close_up import windows as close_ups
from posekit.data.crowd import Kind
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.data.crowd_covers import Covers, covers_of
from posekit.data.detail import change_detail, draw_detail
from posekit.skeleton import Skeleton

__all__ = ["People", "Views", "augment_crowds"]

Size = tuple[int, int]

LEAST_LEFT = 0.25
"""Of whom a view keeps less than this share of the box is not to be found any more."""
LEAST_SIDE = 4.0
"""Nor is somebody of fewer pixels than this on the shorter side of the box."""
LEAST_PORTRAIT = 24.0
"""Nobody's portrait is made of fewer pixels than this on a side."""


class People(NamedTuple):
    """Everybody in a batch of views: a named tuple, so that an engine can move its tensors.

    Pixels are a network's: the left edge of a view is 0 and its right edge its width, so a pixel's
    centre lies at half. Shapes: B views, P people at most, K keypoints.

    Attributes:
        boxes: (B, P, 4) xyxy; places without anybody hold zeros.
        keypoints: (B, P, K, 2).
        counted: (B, P, K) bool, keypoints to learn.
        beyond: (B, P, K) bool, labelled keypoints of people to find that lie outside the view.
        present: (B, P) bool, people to find.
        ignored: (B, P) bool, places that hold a region to ignore; never also ``present``.
        whwh: (B, 4) width, height, width, height of each view.
        complete: (B,) bool, whether everybody is labelled.
    """

    boxes: Tensor
    keypoints: Tensor
    counted: Tensor
    beyond: Tensor
    present: Tensor
    ignored: Tensor
    whwh: Tensor
    complete: Tensor

    @property
    def sizes(self) -> Tensor:
        """(B, 2), (height, width) of each view."""
        return self.whwh[:, [1, 0]]


@dataclass(frozen=True, eq=False)
class Views:
    """A batch.

    Attributes:
        images: (B, 3, H, W) float32 in 0..1; outside the photos the colour that was asked for.
        people: who is in them.
        covers: whose the pixels are; None unless asked for.
    """

    images: Tensor
    people: People
    covers: Covers | None = None


@dataclass(frozen=True, eq=False)
class _Windows:
    """Views as maps: ``p = matrix (q - middle) + centre`` takes view pixels q to the canvas.

    sizes: (B, 2) height and width of the views. matrix: (B, 2, 2). middle, centre: (B, 2) x and y.
    mirrored: (B,).
    """

    sizes: Tensor
    matrix: Tensor
    middle: Tensor
    centre: Tensor
    mirrored: Tensor

    @property
    def offset(self) -> Tensor:
        """(B, 2), where the view's pixel (0, 0) lies on the canvas."""
        return self.centre - (self.matrix @ self.middle[..., None])[..., 0]

    def to_view(self, points: Tensor) -> Tensor:
        """(B, ..., 2) canvas pixels -> view pixels, both with centres at integers."""
        flat = points.flatten(1, -2) - self.centre[:, None]
        moved = torch.linalg.solve(self.matrix, flat.transpose(1, 2)).transpose(1, 2)
        return (moved + self.middle[:, None]).view_as(points)


def augment_crowds(
    data: CrowdCanvases,
    index: Tensor,
    skeleton: Skeleton,
    size: Size,
    generator: torch.Generator,
    how: Augmentation,
    *,
    hidden: bool = False,
    fill: tuple[float, float, float] = (0.0, 0.0, 0.0),
    share: slice = slice(None),
    token: int = 0,
) -> Views:
    """Vary the chosen photos.

    Of the augmentation, ``wide`` is the chance of a view up to twice as wide as the photo, and
    ``half_body`` that of a view of one person from close by, who may be cut off, and ``close`` that
    of a portrait of one person, who is to be found though little of the body is in it; the rest
    means what it means for crops. With all of it off, the view is the whole photo.

    Args:
        data: the data set, on any device.
        index: (B,) which photos.
        skeleton: names the keypoints, for mirror images.
        size: (H, W) that views have to fit in.
        generator: random numbers, on the data's device; all randomness comes from it.
        how: how far each change goes.
        hidden: whether keypoints that somebody or something hides count.
        fill: RGB in 0..1 of what is outside the photos.
        share: the part of the B photos to return; see :func:`posekit.data.augment.augment`.
        token: pixels along a side of a token, to be told whose the tokens are; 0 is not to be told.
    """
    drawn = Draws.of(len(index), generator).part(share)
    half = torch.rand((len(index), 3), generator=generator, device=generator.device)[share]
    portrait = torch.rand((len(index), 8), generator=generator, device=generator.device)[share]
    fine = draw_detail(len(index), generator, how.detail)[share]
    index = index[share]
    portraits = _portraits(data, index, skeleton, portrait, how.close)
    windows = _windows(data, index, size, how, drawn, half, portraits)
    images = _sampled(data, index, size, windows, how, drawn, fine, fill)
    people = _people(data, index, skeleton, windows, hidden, portraits.sitters(data))
    if not token:
        return Views(images, people)
    to_canvas = windows.matrix, windows.offset
    covers = covers_of(
        data, index, skeleton, size, to_canvas, windows.sizes, windows.mirrored, token
    )
    return Views(images, people, covers)


def _windows(
    data: CrowdCanvases,
    index: Tensor,
    size: Size,
    how: Augmentation,
    drawn: Draws,
    half: Tensor,
    portraits: _Portraits,
) -> _Windows:
    photo = data.sizes[index].flip(-1).float()  # (B, 2) width, height
    shape = torch.where(portraits.use[:, None], portraits.extent, photo)
    limit = torch.tensor([size[1], size[0]], device=photo.device)
    views = (shape * (limit / shape).amin(1, keepdim=True)).round().clamp(min=1)

    scale = (1 + how.scale * drawn.scale).clamp(1 - how.scale, 1 + how.scale)
    scale = torch.where(drawn.wide[:, 0] < how.wide, 1 + drawn.wide[:, 1], scale)
    centre = (photo - 1) / 2
    near, near_centre, near_scale = _half_body(data, index, photo, half, how.half_body)
    scale = torch.where(near, near_scale, scale)
    centre = torch.where(near[:, None], near_centre, centre)
    scale = torch.where(portraits.use, 1.0, scale)
    centre = torch.where(portraits.use[:, None], portraits.centre, centre)
    centre = centre + how.shift * (scale[:, None] * shape) * drawn.shift

    angle = (how.rotation * drawn.angle).clamp(-2 * how.rotation, 2 * how.rotation)
    angle = torch.where(drawn.rotate < how.rotate, angle, 0.0) * (math.pi / 180)
    mirrored = drawn.flip < how.flip
    sign = 1.0 - 2.0 * mirrored.float()
    step = scale[:, None] * shape / views  # canvas pixels a view pixel, on x and y
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [
            torch.stack([cos * sign * step[:, 0], -sin * step[:, 1]], -1),
            torch.stack([sin * sign * step[:, 0], cos * step[:, 1]], -1),
        ],
        -2,
    )
    return _Windows(views.flip(-1), matrix, (views - 1) / 2, centre, mirrored)


def _half_body(
    data: CrowdCanvases, index: Tensor, photo: Tensor, draw: Tensor, chance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Which views show one person from close by (B,), with their centres (B, 2) and scales (B,)."""
    chosen, anybody = _somebody(data, index, draw[:, 1])
    outline = data.outlines[index, chosen]  # (B, 16, 2)
    low, high = outline.amin(1), outline.amax(1)
    scale = ((high - low).clamp(min=8) / photo).amax(1) * (0.8 + 0.7 * draw[:, 2])
    # Farther than the photo goes is not close by.
    return (draw[:, 0] < chance) & anybody, (low + high) / 2, scale.clamp(max=1.2)


@dataclass(frozen=True, eq=False)
class _Portraits:
    """Views that end below one person's shoulders or waist.

    use: (B,) which views. person: (B,) of whom. centre, extent: (B, 2) canvas pixels.
    """

    use: Tensor
    person: Tensor
    centre: Tensor
    extent: Tensor

    def sitters(self, data: CrowdCanvases) -> Tensor:
        """(B, P) bool, of whom the portraits are."""
        numbers = torch.arange(data.kinds.shape[1], device=self.person.device)
        return self.use[:, None] & (self.person[:, None] == numbers)


def _portraits(
    data: CrowdCanvases, index: Tensor, skeleton: Skeleton, draw: Tensor, chance: float
) -> _Portraits:
    chosen, anybody = _somebody(data, index, draw[:, 7])
    seen = close_ups(
        data.keypoints[index, chosen], data.visibility[index, chosen] == 2, skeleton, draw, chance
    )
    # A photo does not go on beyond its edges.
    edge = data.sizes[index].flip(-1) - 0.5
    low, high = seen.low.clamp(min=-0.5).minimum(edge), seen.high.clamp(min=-0.5).minimum(edge)
    extent = high - low
    use = seen.use & anybody & (extent.amin(1) >= LEAST_PORTRAIT)
    return _Portraits(use, chosen, (low + high) / 2, extent)


def _somebody(data: CrowdCanvases, index: Tensor, draw: Tensor) -> tuple[Tensor, Tensor]:
    """A person of each photo (B,), by a number in 0..1, and whether there is one (B,)."""
    person = data.kinds[index] == Kind.PERSON  # (B, P)
    count = person.sum(1)
    wanted = (draw * count).long()  # the how-manyeth person
    chosen = (person & (person.cumsum(1) == wanted[:, None] + 1)).int().argmax(1)
    return chosen, count > 0


def _sampled(
    data: CrowdCanvases,
    index: Tensor,
    size: Size,
    windows: _Windows,
    how: Augmentation,
    drawn: Draws,
    fine: Tensor,
    fill: tuple[float, float, float],
) -> Tensor:
    """The views' pixels (B, 3, H, W), 0..1."""
    height, width = size
    side = data.images.shape[-1]
    device = data.images.device
    ys, xs = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    pixels = torch.stack([xs, ys], -1).flatten(0, 1).float()  # (H W, 2)
    where = torch.baddbmm(
        windows.offset[:, None], pixels.expand(len(index), -1, -1), windows.matrix.mT
    )
    where = where.unflatten(1, size)  # (B, H, W, 2) canvas pixels
    images = F.grid_sample(
        data.images[index].float(),
        (2 * where + 1) / side - 1,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    images = change_detail(images, fine, how.detail)
    images = recoloured(blurred(images, drawn.blur < how.blur), how.colour, drawn)
    images = occluded(images, drawn.occlude, how.occlude)
    inside = (where > -0.5) & (where < data.sizes[index].flip(-1)[:, None, None] - 0.5)
    inside &= pixels.unflatten(0, size) < windows.sizes.flip(-1)[:, None, None]
    colour = torch.tensor(fill, device=device)[:, None, None]
    return torch.where(inside.all(-1)[:, None], images, colour)


def _people(
    data: CrowdCanvases,
    index: Tensor,
    skeleton: Skeleton,
    windows: _Windows,
    hidden: bool,
    sitters: Tensor,
) -> People:
    whwh = windows.sizes.flip(-1).repeat(1, 2)  # (B, 4)
    width_height = whwh[:, None, :2]
    outlines = windows.to_view(data.outlines[index]) + 0.5  # network pixels from here on
    area = (outlines.amax(2) - outlines.amin(2)).prod(-1)  # (B, P)
    boxes, reaches = clipped_boxes(outlines, width_height[:, 0])
    extent = boxes[..., 2:] - boxes[..., :2]
    kinds = data.kinds[index]
    reaches = reaches & (kinds != Kind.NOBODY)
    enough = (extent.prod(-1) >= LEAST_LEFT * area) & (extent.amin(-1) >= LEAST_SIDE) | sitters
    present = reaches & enough & (kinds == Kind.PERSON)
    boxes = torch.where(reaches[..., None], boxes, 0.0)

    keypoints = windows.to_view(data.keypoints[index]) + 0.5
    labelled = data.visibility[index] > 0
    counted = data.visibility[index] > (0 if hidden else 1)
    order = torch.tensor(skeleton.flip_order, device=keypoints.device)
    mirrored = windows.mirrored[:, None, None]
    keypoints = torch.where(mirrored[..., None], keypoints[:, :, order], keypoints)
    labelled = torch.where(mirrored, labelled[:, :, order], labelled)
    counted = torch.where(mirrored, counted[:, :, order], counted)
    within = ((keypoints >= 0) & (keypoints <= width_height[:, :, None])).all(-1)
    return People(
        boxes=boxes,
        keypoints=keypoints,
        counted=counted & within & present[..., None],
        beyond=labelled & ~within & present[..., None],
        present=present,
        ignored=reaches & ~present,
        whwh=whwh,
        complete=data.complete[index],
    )
