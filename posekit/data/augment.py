"""Augmentation of a whole batch at once, on the device that holds the data.

The geometry is TransPose's recipe (half body, scale, rotation, flip), drawn for every sample of
the batch together and applied with one ``grid_sample``; colour is added because the shipped
models learn from few photographs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.data.canvas import Canvases
from posekit.data.close_up import Windows, windows
from posekit.data.detail import change_detail, draw_detail
from posekit.skeleton import Skeleton

Size = tuple[int, int]
FAR = 1e4
"""Canvas pixels, where no crop reaches."""
UPPER = ("wrist", "elbow", "shoulder", "neck", "head", "nose", "eye", "ear", "thorax")


@dataclass(frozen=True)
class Augmentation:
    """How far each change goes.

    Attributes:
        scale: standard deviation of the crop's scale, clipped to 1 -+ ``scale``.
        wide: chance of a crop up to twice as wide, as when the whole photo is the box.
        rotation: standard deviation in degrees, clipped to twice that.
        rotate: chance of a rotation.
        shift: standard deviation of the crop's centre, as a share of its width.
        flip: chance of a mirror image.
        half_body: chance of a crop of the upper or the lower body, where over 8 keypoints
            are labelled.
        close: chance of a close-up, a photo that ends below the shoulders or the waist
            (:mod:`posekit.data.close_up`). Keypoints beyond its end are moved far outside.
        colour: strength of brightness, contrast, saturation and white-balance changes.
        blur: chance of a slight blur (3 x 3 binomial, twice).
        detail: chance of a crop that is coarser or sharper (:mod:`posekit.data.detail`).
        occlude: chance of a plain rectangle over a tenth to a third of each side.
    """

    scale: float = 0.35
    wide: float = 0.15
    rotation: float = 40.0
    rotate: float = 0.6
    shift: float = 0.04
    flip: float = 0.5
    half_body: float = 0.3
    close: float = 0.0
    colour: float = 0.3
    blur: float = 0.1
    detail: float = 0.0
    occlude: float = 0.15


NONE = Augmentation(
    scale=0, wide=0, rotate=0, shift=0, flip=0, half_body=0, colour=0, blur=0, occlude=0
)
"""The plain crop, for validation."""


@dataclass(frozen=True, eq=False)
class Draws:
    """The random numbers of a batch, (B, ...) each: uniform in 0..1, or standard normal."""

    half_body: Tensor
    wide: Tensor
    rotate: Tensor
    flip: Tensor
    grey: Tensor
    blur: Tensor
    colour: Tensor
    occlude: Tensor
    scale: Tensor
    angle: Tensor
    shift: Tensor

    @classmethod
    def of(cls, batch: int, generator: torch.Generator) -> Draws:
        """Draw for a batch, on the generator's device."""
        device = generator.device
        uniform = torch.rand((batch, 22), generator=generator, device=device)
        normal = torch.randn((batch, 4), generator=generator, device=device)
        half_body, wide, rotate, flip, grey, blur, colour, occlude = uniform.split(
            [2, 2, 1, 1, 1, 1, 6, 8], dim=1
        )
        scale, angle, shift = normal.split([1, 1, 2], dim=1)
        rotate, flip, grey, blur, scale, angle = (
            t.squeeze(1) for t in (rotate, flip, grey, blur, scale, angle)
        )
        return cls(half_body, wide, rotate, flip, grey, blur, colour, occlude, scale, angle, shift)

    def part(self, share: slice) -> Draws:
        """The numbers of some of the batch."""
        return Draws(*(getattr(self, field.name)[share] for field in fields(self)))


def augment(
    data: Canvases,
    index: Tensor,
    skeleton: Skeleton,
    size: Size,
    generator: torch.Generator,
    how: Augmentation,
    padding: float = 1.25,
    share: slice = slice(None),
) -> tuple[Tensor, Tensor, Tensor]:
    """Crop and vary the chosen people.

    Args:
        data: the data set, on any device.
        index: (B,) which people.
        skeleton: names the keypoints, for mirror images and half bodies.
        size: (H, W) of the crops.
        generator: random numbers, on the data's device; all randomness comes from it.
        how: how far each change goes.
        padding: the crop's width over the person's, without augmentation.
        share: the part of the B people to return. Random numbers are drawn for all of them, so
            that several processes sharing a batch make the crops that one alone would make.

    Returns:
        images (B, 3, H, W) float32 in 0..1; keypoints (B, K, 2) in crop pixels; labelled (B, K).
    """
    drawn = Draws.of(len(index), generator).part(share)
    close = torch.rand((len(index), 7), generator=generator, device=generator.device)[share]
    fine = draw_detail(len(index), generator, how.detail)[share]
    index = index[share]
    device = data.images.device
    keypoints, labelled = data.keypoints[index], data.labelled[index]
    side = data.images.shape[-1]
    centre = torch.full((len(index), 2), (side - 1) / 2, device=device)
    extent = data.extent[index]

    half, half_centre, half_extent = _half_body(
        keypoints, labelled, skeleton, drawn.half_body, how.half_body
    )
    centre = torch.where(half[:, None], half_centre, centre)
    extent = torch.where(half[:, None], half_extent, extent)
    near = windows(keypoints, labelled, skeleton, close, how.close)
    centre = torch.where(near.use[:, None], (near.low + near.high) / 2, centre)
    extent = torch.where(near.use[:, None], (near.high - near.low).clamp(min=8), extent)

    height, width = size
    base = torch.maximum(extent[:, 0], extent[:, 1] * width / height) * padding
    scale = (1 + how.scale * drawn.scale).clamp(1 - how.scale, 1 + how.scale)
    scale = torch.where(drawn.wide[:, 0] < how.wide, 1.35 + 0.65 * drawn.wide[:, 1], scale)
    angle = (how.rotation * drawn.angle).clamp(-2 * how.rotation, 2 * how.rotation)
    angle = torch.where(drawn.rotate < how.rotate, angle, torch.zeros_like(angle))
    centre = centre + how.shift * base[:, None] * drawn.shift
    mirrored = drawn.flip < how.flip

    # crop -> canvas: p = A (q - middle) + centre, A a turn, a scale and perhaps a mirror.
    step = base * scale / (width - 1)
    turn = angle * (math.pi / 180)
    cos, sin = turn.cos() * step, turn.sin() * step
    sign = 1.0 - 2.0 * mirrored.float()
    matrix = torch.stack(
        [torch.stack([cos * sign, -sin], -1), torch.stack([sin * sign, cos], -1)], -2
    )  # (B, 2, 2)
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=device)
    ys, xs = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    offsets = torch.stack([xs, ys], -1).float() - middle  # (H, W, 2)
    where = torch.einsum("bij,hwj->bhwi", matrix, offsets) + centre[:, None, None]
    images = F.grid_sample(
        data.images[index].float(),
        where * (2 / (side - 1)) - 1,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
    images = change_detail(images, fine, how.detail)  # a photo's end is sharp in any photo
    if how.close > 0:
        images *= _within(where, near)[:, None]
        beyond = near.ends[:, None] & ~_within(keypoints, near)
        keypoints = torch.where(beyond[..., None], FAR, keypoints)
    moved = torch.linalg.solve(matrix, (keypoints - centre[:, None]).transpose(1, 2))
    moved = moved.transpose(1, 2) + middle
    order = torch.tensor(skeleton.flip_order, device=device)
    moved = torch.where(mirrored[:, None, None], moved[:, order], moved)
    labelled = torch.where(mirrored[:, None], labelled[:, order], labelled)
    images = recoloured(blurred(images, drawn.blur < how.blur), how.colour, drawn)
    return occluded(images, drawn.occlude, how.occlude), moved, labelled


def _within(points: Tensor, near: Windows) -> Tensor:
    """Whether places (B, ..., 2) are in the photo, which may end around a close-up: (B, ...)."""
    shape = (len(points),) + (1,) * (points.ndim - 2)
    low, high = (edge.view(*shape, 2) for edge in (near.low, near.high))
    return ((points >= low) & (points <= high)).all(-1) | ~near.ends.view(shape)


def _half_body(
    keypoints: Tensor, labelled: Tensor, skeleton: Skeleton, draw: Tensor, chance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Which samples become half bodies (B,), with their centres and extents (B, 2)."""
    upper = torch.tensor(
        [any(part in name for part in UPPER) for name in skeleton.keypoints],
        device=keypoints.device,
    )
    chosen = torch.where(draw[:, 1:] < 0.5, upper[None], ~upper[None]) & labelled  # (B, K)
    count = chosen.sum(1)
    use = (draw[:, 0] < chance) & (labelled.sum(1) > 8) & (count > 2)
    far = torch.where(chosen[..., None], keypoints, torch.full_like(keypoints, -1e4))
    near = torch.where(chosen[..., None], keypoints, torch.full_like(keypoints, 1e4))
    extent = (far.amax(1) - near.amin(1)).clamp(min=8) * 1.5
    centre = (keypoints * chosen[..., None]).sum(1) / count.clamp(min=1)[:, None]
    return use, centre, extent


def recoloured(images: Tensor, strength: float, drawn: Draws) -> Tensor:
    """Contrast, saturation, white balance and brightness, each sample its own.

    All four are affine in a pixel's RGB, so together they are one 3 x 3 matrix and a shift a
    sample: one pass over the pixels instead of a dozen.

    Args:
        images: (B, 3, H, W), 0..255.
        strength: see :class:`Augmentation`.
        drawn: the random numbers of the B samples.

    Returns:
        (B, 3, H, W), 0..1.
    """
    if strength == 0:
        return images.mul_(1 / 255)
    change = strength * (2 * drawn.colour - 1)  # (B, 6) in -strength..strength
    contrast, saturation, brightness = (1 + change[:, :3]).unbind(1)
    saturation = torch.where(drawn.grey < 0.1, 0.0, saturation)
    gain = (1 + 0.3 * change[:, 3:]) * brightness[:, None]  # (B, 3)
    identity = torch.eye(3, device=images.device)
    matrix = saturation[:, None, None] * identity + (1 - saturation[:, None, None]) / 3
    matrix = gain[:, :, None] * matrix * (contrast[:, None, None] / 255)
    mean = images.mean((1, 2, 3)) / 255
    shift = gain * ((1 - contrast) * mean)[:, None]
    pixels = torch.baddbmm(shift[:, :, None], matrix, images.flatten(2))
    return pixels.clamp_(0, 1).view_as(images)


def blurred(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen samples (B,) through a 3 x 3 binomial filter, twice."""
    if not bool(chosen.any()):
        return images
    row = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    kernel = (row[:, None] * row).expand(3, 1, 3, 3)
    soft = images[chosen]
    for _ in range(2):
        soft = F.conv2d(F.pad(soft, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    images[chosen] = soft
    return images


def occluded(images: Tensor, drawn: Tensor, chance: float) -> Tensor:
    """A rectangle of one colour over some samples; ``drawn`` is (B, 8) uniform.

    Keypoints under it stay labelled: the model is to infer them from the rest of the body.
    """
    if chance == 0:
        return images
    use, x, y, width, height = drawn[:, :5].unbind(1)
    rows, cols = images.shape[-2:]

    def span(middle: Tensor, extent: Tensor, count: int) -> Tensor:  # (B, count) bool
        half = (0.1 + 0.23 * extent) * count / 2
        place = torch.arange(count, device=images.device)
        return (place - (middle * count)[:, None]).abs() < half[:, None]

    inside = span(y, height, rows)[:, :, None] & span(x, width, cols)[:, None]
    inside &= (use < chance)[:, None, None]
    return torch.where(inside[:, None], drawn[:, 5:, None, None], images)
