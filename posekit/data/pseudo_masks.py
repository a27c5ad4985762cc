"""A person's mask from a photograph that has only keypoints.

GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) separates two colour models along strong
edges. Here it starts from the body that the keypoints suggest (:mod:`posekit.data.body_parts`):
the core of every limb, of the trunk and of the head is person for sure, what lies within an
average body's width probably is, a margin round that probably is not, and everything farther away
is background for sure. It works on a small crop, so a mask takes tens of milliseconds.

The result is a *guess*, not an annotation. Labels may be wrong, clothes may look like the
background, and another person close by may be swallowed. :class:`Quality` measures, without any
truth, what tends to go wrong, and ``accepted`` leaves doubtful masks out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from posekit.data.body_parts import Body, body_of
from posekit.errors import BoxError
from posekit.geometry import Affine, Box, Crop
from posekit.photo import Photo
from posekit.skeleton import Skeleton

VERSION = 1
"""Raised whenever a mask or its quality would come out differently; caches obey it."""

WORKING_SIDE = 176
ITERATIONS = 2
LEAST_SCORE, LEAST_PART = 0.85, 0.6
"""What a mask has to reach to be accepted: its score, and the worst of what goes into it."""

Mask = npt.NDArray[np.bool_]

_SURE, _MARGIN = 0.4, 0.045
_LEAST_HEIGHT = 60.0


@dataclass(frozen=True)
class Quality:
    """How far a mask can be believed, each 0 (bad) to 1 (good).

    Attributes:
        limbs: share of points on both flanks of every arm and leg that the mask covers.
        area: agreement of the mask's area with an average body's (1 from 0.7 to 1.5 times).
        inside: share of the outline that did not run into the limit that the keypoints set;
            colours that flood into the background do.
        edges: share of the outline that lies on a strong edge of the photograph.
        whole: share of the outline that is not the photograph's edge: less where the person is
            cut off.
        known: share of the body's kinds of parts (head, trunk, upper arm, forearm, thigh, shin)
            that are labelled on at least one side; what is not labelled is missing from the mask.
    """

    limbs: float
    area: float
    inside: float
    edges: float
    whole: float
    known: float

    @property
    def score(self) -> float:
        """Geometric mean of ``limbs``, ``area``, ``inside`` and ``edges``."""
        return float(np.prod([self.limbs, self.area, self.inside, self.edges]) ** 0.25)

    @property
    def accepted(self) -> bool:
        """Whether the mask is good enough to cut somebody out with."""
        worst = min(self.limbs, self.area, self.inside, self.edges)
        good = self.score >= LEAST_SCORE and worst >= LEAST_PART
        return good and self.whole >= 0.93 and self.known == 1


NO_MASK = Quality(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class PseudoMask:
    """A guessed mask at working resolution.

    Attributes:
        crop: the part of the photograph it covers.
        mask: (h, w) bool, the crop's size.
        limit: (h, w) bool, everything the keypoints allow to be the person; where the mask is
            not believed, this is what may be somebody.
    """

    crop: Crop
    mask: Mask = field(repr=False)
    limit: Mask = field(repr=False)
    quality: Quality

    def on_photo(self, which: Literal["mask", "limit"] = "mask") -> Mask:
        """The mask (or the ``"limit"``) in photo pixels, (H, W) bool."""
        values = (self.limit if which == "limit" else self.mask).astype(np.float32)
        rows, cols = self.crop.photo_size
        large = cv2.warpAffine(values, self.crop.to_photo.matrix, (cols, rows))
        return np.asarray(large > 0.5)


def pseudo_mask(
    photo: Photo,
    keypoints: npt.NDArray[np.float64],
    labelled: npt.NDArray[np.bool_],
    skeleton: Skeleton,
    *,
    side: int = WORKING_SIDE,
    iterations: int = ITERATIONS,
) -> PseudoMask:
    """Guess who the keypoints belong to, pixel by pixel; the same input gives the same mask.

    Args:
        photo: the photograph.
        keypoints: (K, 2) photo pixels, meaningful where ``labelled``.
        labelled: (K,) bool.
        skeleton: names the K keypoints.
        side: the longer side of the crop that GrabCut works on, pixels.
        iterations: of GrabCut.

    Returns:
        The mask; empty and not accepted when the keypoints do not say where a body is.
    """
    body = body_of(keypoints, labelled, skeleton)
    crop = _crop(photo, keypoints[labelled], body, side)
    if body is None or crop is None:
        return _nobody(photo)
    size, to_mask = crop.size, crop.to_crop
    sure = body.draw(size, to_mask, widen=_SURE, sure_only=True)
    likely = body.draw(size, to_mask)
    limit = body.draw(size, to_mask, widen=1.25, grow=_MARGIN)
    start = np.full(size, cv2.GC_BGD, np.uint8)
    start[limit] = cv2.GC_PR_BGD
    start[likely] = cv2.GC_PR_FGD
    start[sure] = cv2.GC_FGD
    if not sure.any() or limit.all():
        return _nobody(photo)
    pixels = crop.warp(photo.pixels)
    cv2.setRNGSeed(0)  # its k-means draws from OpenCV's global random numbers
    models = np.zeros((1, 65)), np.zeros((1, 65))
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0)
    unused = (0, 0, 0, 0)  # a rectangle, which the start mask replaces
    cv2.grabCut(smooth, start, unused, *models, iterations, cv2.GC_INIT_WITH_MASK)
    mask = _tidied(np.isin(start, (cv2.GC_FGD, cv2.GC_PR_FGD)), sure)
    return PseudoMask(crop, mask, limit, _quality(pixels, mask, likely, limit, body, crop))


def _crop(
    photo: Photo, points: npt.NDArray[np.float64], body: Body | None, side: int
) -> Crop | None:
    """The crop round the keypoints with room for a margin of certain background."""
    if body is None or body.height < _LEAST_HEIGHT:
        return None
    room = 0.2 * body.height
    low, high = points.min(0) - room, points.max(0) + room
    try:
        box = Box.from_corners(*low, *high).clipped(photo.size)
    except BoxError:
        return None
    scale = side / max(box.width, box.height)
    size = max(8, round(box.height * scale)), max(8, round(box.width * scale))
    return Crop.of_box(box, size, photo.size, padding=1.0)


def _nobody(photo: Photo) -> PseudoMask:
    empty = np.zeros((8, 8), bool)
    crop = Crop.of_box(Box.whole(photo.size), (8, 8), photo.size, padding=1.0)
    return PseudoMask(crop, empty, empty, NO_MASK)


def _tidied(mask: Mask, sure: Mask) -> Mask:
    """Smooth the outline, fill small holes, and keep only what hangs together with the body."""
    smooth = cv2.medianBlur(mask.astype(np.uint8), 5) > 0
    mask = smooth | sure
    count, label, stats, _ = cv2.connectedComponentsWithStats(
        (~mask).astype(np.uint8), connectivity=4
    )
    small = stats[:, cv2.CC_STAT_AREA] < 0.01 * max(int(mask.sum()), 1)
    small[0] = False
    mask = mask | small[label]
    count, label = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    held = np.bincount(label[sure], minlength=count) > 0
    held[0] = False
    return np.asarray(held[label])


def _quality(
    pixels: npt.NDArray[np.uint8], mask: Mask, likely: Mask, limit: Mask, body: Body, crop: Crop
) -> Quality:
    outline = mask & ~_eroded(mask)
    total = max(int(outline.sum()), 1)
    frame = np.zeros_like(mask)
    frame[:2], frame[-2:], frame[:, :2], frame[:, -2:] = True, True, True, True
    cut = outline & frame
    free = outline & ~frame
    flooded = free & ~_eroded(limit)
    ratio = float(mask.sum()) / max(float(likely.sum()), 1.0)
    return Quality(
        limbs=_flanks(mask, body, crop.to_crop),
        area=float(np.clip(min((ratio - 0.3) / 0.4, (2.3 - ratio) / 0.8), 0, 1)),
        inside=1 - float(flooded.sum()) / max(int(free.sum()), 1),
        edges=_on_edges(pixels, free, limit),
        whole=1 - float(cut.sum()) / total,
        known=body.known,
    )


def _eroded(mask: Mask) -> Mask:
    """Without its outermost pixels; those at the border of the array count as outermost."""
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(
        cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    )


def _flanks(mask: Mask, body: Body, to_mask: Affine) -> float:
    """Share of points 0.65 half widths to both sides of arms and legs that the mask covers."""
    hits: list[bool] = []
    for limb in body.limbs:
        along = limb.b - limb.a
        length = float(np.linalg.norm(along))
        if length < limb.half_width:
            continue
        across = np.array([-along[1], along[0]]) / length * 0.65 * limb.half_width
        shares = np.linspace(0.15, 0.85, max(2, math.ceil(length / limb.half_width)))
        for sign in (-1, 1):
            places = limb.a + shares[:, None] * along + sign * across
            cols, rows = np.rint(to_mask.apply(places)).astype(int).T
            inside = (rows >= 0) & (rows < mask.shape[0]) & (cols >= 0) & (cols < mask.shape[1])
            hits.extend(mask[rows[inside], cols[inside]].tolist())
    return float(np.mean(hits)) if hits else 0.0


def _on_edges(pixels: npt.NDArray[np.uint8], outline: Mask, limit: Mask) -> float:
    """Share of the outline within a pixel of the stronger 30 % of gradients near the person."""
    lab = cv2.cvtColor(cv2.GaussianBlur(pixels, (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    steps = [cv2.Sobel(lab, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
    strength = np.sqrt(sum((step**2).sum(-1) for step in steps))
    if not outline.any():
        return 0.0
    near = cv2.dilate(strength, np.ones((3, 3), np.uint8))
    return float((near[outline] >= np.percentile(strength[limit], 70)).mean())
