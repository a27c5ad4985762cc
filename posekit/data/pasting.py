"""Getting a cut-out ready for its place in a composite, and painting it there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from posekit.data.cutouts import Background, Cutout, Leftover
from posekit.geometry import Affine

__all__ = ["Layer", "fitted", "leftover_layer", "painted", "prepared"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.float32]

_FEATHER = 0.8  # pixels
_LARGEST_ZOOM = 1.7
_TURN = 8.0  # degrees, standard deviation
_LIGHT, _TINT = 0.4, 0.15  # how far a person's lightness and hue follow the background's, at most


@dataclass(frozen=True, eq=False)
class Layer:
    """One person at the composite's scale, on a grid of its own or on the composite's.

    Attributes:
        pixels: (h, w, 3) float32 RGB.
        cover: (h, w) float32, 0 to 1, how much the person covers.
        mask: (h, w) bool, where the person covers at least half.
        points: (21, 2) in the grid's pixels, NaN where not labelled.
        hidden: (21,) bool, hidden in the source photograph.
    """

    pixels: Picture = field(repr=False)
    cover: Picture = field(repr=False)
    mask: Mask = field(repr=False)
    points: Floats = field(repr=False)
    hidden: Mask = field(repr=False)

    def moved_to(self, top: int, left: int, size: tuple[int, int]) -> Layer:
        """The same person on a grid of ``size``, with the own grid's corner at (top, left)."""
        height, width = self.mask.shape
        there = (
            slice(max(top, 0), max(min(top + height, size[0]), 0)),
            slice(max(left, 0), max(min(left + width, size[1]), 0)),
        )
        here = (
            slice(there[0].start - top, max(there[0].stop - top, 0)),
            slice(there[1].start - left, max(there[1].stop - left, 0)),
        )
        pixels, cover = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
        pixels[there], cover[there] = self.pixels[here], self.cover[here]
        return replace(
            self,
            pixels=pixels,
            cover=cover,
            mask=cover >= 0.5,
            points=self.points + np.array([left, top]),
        )


def prepared(
    person: Cutout, size: tuple[int, int], crowd: int, larger: float, rng: np.random.Generator
) -> Layer:
    """A cut-out scaled for a picture of ``size`` with ``crowd`` people, turned, perhaps mirrored.

    ``larger`` is a factor on the scale that is usual for so many people.
    """
    if rng.random() < 0.5:
        person = person.flipped()
    height, width = person.mask.shape
    wanted = rng.uniform(0.55, 0.88) * min(size) * crowd**-0.35
    zoom = min(wanted / max(height, width), _LARGEST_ZOOM) * larger
    turn = float(np.clip(rng.normal(0, _TURN), -2 * _TURN, 2 * _TURN))
    linear = np.asarray(cv2.getRotationMatrix2D((0, 0), turn, zoom))[:, :2]
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    low = (corners @ linear.T).min(0) - 2
    extent = np.ceil((corners @ linear.T).max(0) + 2 - low).astype(int) + 1
    matrix = Affine(np.column_stack([linear, -low]))
    grid = int(extent[0]), int(extent[1])
    pixels, mask = person.pixels.astype(np.float32), person.mask.astype(np.float32)
    if zoom < 0.7:  # bilinear sampling alone would skip pixels
        pixels, mask = _blurred(pixels, 0.4 / zoom), _blurred(mask, 0.4 / zoom)
    pixels = np.asarray(
        cv2.warpAffine(pixels, matrix.matrix, grid, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    soft = _blurred(np.asarray(cv2.warpAffine(mask, matrix.matrix, grid), np.float32), _FEATHER)
    # The ramp lies inside the silhouette: its rim still has the colours of the old background.
    cover = np.clip((soft - 0.5) / 0.4, 0, 1).astype(np.float32)
    points = matrix.apply(person.points)
    return Layer(pixels, cover, cover >= 0.5, points, person.hidden)


def _blurred(values: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def leftover_layer(person: Leftover, size: tuple[int, int]) -> Layer:
    """Somebody who already is in the (fitted) background: nothing to paint, much to know."""
    cover = person.mask.astype(np.float32)
    nothing = np.zeros((*size, 3), np.float32)
    return Layer(nothing, cover, person.mask, person.points, person.hidden)


def fitted(
    background: Background, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Picture, tuple[Leftover, ...]]:
    """The background cut and scaled to cover ``size``, perhaps mirrored, and who is left in it."""
    if rng.random() < 0.5:
        background = background.flipped()
    height, width = background.pixels.shape[:2]
    zoom = max(size[0] / height, size[1] / width) * rng.uniform(1.0, 1.1)
    spare = np.array([width * zoom - size[1], height * zoom - size[0]])
    # Pixel centres: (0, 0) of the scaled background lies at (zoom - 1) / 2.
    offset = (zoom - 1) / 2 - rng.uniform(0, 1, 2) * np.maximum(spare, 0)
    to_canvas = Affine.scaling((zoom, zoom), (float(offset[0]), float(offset[1])))
    grid = size[1], size[0]
    pixels = background.pixels.astype(np.float32)
    if zoom < 0.7:
        pixels = _blurred(pixels, 0.4 / zoom)
    canvas = cv2.warpAffine(pixels, to_canvas.matrix, grid, borderMode=cv2.BORDER_REPLICATE)
    leftovers = []
    for person in background.leftovers:
        mask = cv2.warpAffine(person.mask.astype(np.float32), to_canvas.matrix, grid) > 0.5
        leftovers.append(replace(person, mask=mask, points=to_canvas.apply(person.points)))
    return np.asarray(canvas, np.float32), tuple(leftovers)


def painted(
    canvas: Picture, layer: Layer, source: Floats, target: Floats, rng: np.random.Generator
) -> Picture:
    """The canvas with a person over it, whose colours move towards those of the background.

    Means and deviations in Lab are matched as in Reinhard et al., "Color Transfer between Images"
    (2001), but only part of the way: a person against the sky is not blue.
    """
    strength = rng.uniform(0.3, 1.0) * np.array([_LIGHT, _TINT, _TINT])
    rows, cols = np.flatnonzero(layer.cover.any(1)), np.flatnonzero(layer.cover.any(0))
    if not len(rows):
        return canvas
    part = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    colours = np.clip(layer.pixels[part] + 0.5, 0, 255).astype(np.uint8)
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32)
    ratio = np.clip(target[1] / np.maximum(source[1], 1.0), 0.7, 1.4)
    lab = (lab - source[0]) * (1 + strength * (ratio - 1)) + source[0]
    lab += strength * (target[0] - source[0])
    colours = cv2.cvtColor(np.clip(lab + 0.5, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    cover = layer.cover[part][..., None]
    result = canvas.copy()
    result[part] += (colours.astype(np.float32) - result[part]) * cover
    return result
