"""Photos of several labelled people, put together from photographs of one labelled person each.

People are cut out with pseudo-masks (:mod:`posekit.data.pseudo_masks`), scaled, turned, perhaps
mirrored, matched in colour and pasted over each other, so that a wanted share of the person behind
is hidden. Once pasted, everything about *who hides whom* is exact: the same truth, in the same
words, as that of a rendered :class:`posekit.scenes.Scene`, which a :class:`Composite` is.

What composites are not:

* The masks themselves are guesses, and keypoints are as good as their labels. "Exact" is how the
  pasted silhouettes hide each other, not how well a silhouette fits its person.
* A photograph does not tell which keypoints a person's own body hides, so VISIBLE here means that
  nobody pasted stands in front. The person's own index never appears in ``hidden_by``.
* The labelled people of a background photograph are left over in it. By default they are regions
  to ignore, so that no loss punishes a model for finding them; with ``label_leftovers`` those
  with a believed mask become people of the composite, behind all others. Unlabelled bystanders,
  in the background or in the pixels round a cut-out, can not be known: losses that punish
  whatever is found elsewhere should be weak, or use rendered backgrounds.
* Light, shadow, perspective and the ground are those of the sources and do not fit. Composites
  teach which limbs belong together, not what a crowd looks like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt

from posekit.data.cutouts import Background, Cutout
from posekit.data.pasting import Layer, fitted, leftover_layer, painted, prepared
from posekit.data.placement import place
from posekit.errors import DataError
from posekit.geometry import Box
from posekit.scenes.scene import OBJECT, OUTSIDE, UNKNOWN, VISIBLE, Scene, ScenePerson

__all__ = ["OVERLAPS", "Composite", "IgnoreRegion", "composites", "make_composite"]

MOST_PEOPLE = 6
OVERLAPS = (0.0, 0.3, 0.5, 0.7)
_LEAST_LEFT = 0.002  # share of the picture; a smaller rest of a leftover person is nobody

_LARGER = (1.0, 1.25, 1.6, 2.0)  # scales that are tried to hide the wanted share
_CLOSE_ENOUGH = 0.02

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class IgnoreRegion:
    """Where somebody may be whom the labels leave out.

    box: round the mask; mask: (H, W) bool, what is seen of them, generously.
    """

    box: Box
    mask: Mask = field(repr=False)


@dataclass(frozen=True, eq=False)
class Composite(Scene):
    """A scene made of photographs (see the module for what its truth is worth).

    The people stand in order of depth, the farthest first. ``distance`` only ranks them (1 for
    the nearest), ``pose`` is "photographed" and ``heading`` is not known. ``points`` are NaN and
    ``hidden_by`` is UNKNOWN where a keypoint is not labelled; OBJECT marks those already hidden
    in their own photograph. ``background`` names the background photograph or backdrop.

    sources: name of each person's photograph. ignore: regions that losses should leave out.
    overlap: the share that was asked for; ``people[i].hidden_share`` is what came out.
    """

    sources: tuple[str, ...]
    ignore: tuple[IgnoreRegion, ...]
    overlap: float


def make_composite(
    rng: np.random.Generator | int,
    people: Sequence[Cutout],
    background: Background,
    *,
    size: tuple[int, int] = (256, 256),
    overlap: float = 0.0,
    label_leftovers: bool = False,
    effects: bool = True,
) -> Composite:
    """Paste people onto a background; the same arguments give the same picture and truth.

    Args:
        rng: random numbers, or a seed. One number is drawn from a generator; it is kept as the
            composite's ``seed`` and makes the same composite again.
        people: who to paste, 1 to 6, the farthest first.
        background: what to paste them onto.
        size: (height, width) of the picture, at least 64 each.
        overlap: share of each person's mask that the next nearer person should hide, 0 to 0.9.
            With 0 people stand apart as far as there is room. The share is reached to a few
            hundredths when there are two; in a crowd it is a wish.
        label_leftovers: turn the people in the background into people of the composite, behind
            all others, where their masks are believed; 1 to 6 are then pasted in front of them.
        effects: JPEG traces over everything.

    Raises:
        DataError: an argument is out of range.
    """
    _check(people, size, overlap)
    seed = int(rng.integers(2**62)) if isinstance(rng, np.random.Generator) else int(rng)
    rng = np.random.default_rng(seed)
    canvas, leftovers = fitted(background, size, rng)
    layers = [leftover_layer(one, size) for one in leftovers if one.believed and label_leftovers]
    layers = [layer for layer in layers if layer.mask.any()]
    natural = len(layers)
    visible = [layer.mask.copy() for layer in layers]
    for person in people:
        layer = _placed(person, layers, visible, len(people), overlap, size, rng)
        canvas = painted(canvas, layer, person.colour, background.colour, rng)
        visible = [seen & ~layer.mask for seen in visible] + [layer.mask.copy()]
        layers.append(layer)
    owner = np.full(size, VISIBLE, np.int8)
    for index, layer in enumerate(layers):
        owner[layer.mask] = index
    pixels = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
    if effects:
        pixels = _compressed(pixels, int(rng.integers(60, 96)))
    sources = [background.name] * natural + [person.name for person in people]
    ignored = [one.mask for one in leftovers if not (one.believed and label_leftovers)]
    for array in (pixels, owner):
        array.flags.writeable = False
    return Composite(
        pixels=pixels,
        people=tuple(_truth(i, layers, owner) for i in range(len(layers))),
        owner=owner,
        seed=seed,
        background=background.name,
        sources=tuple(sources),
        ignore=_regions(ignored, owner),
        overlap=overlap,
    )


def composites(
    people: Sequence[Cutout],
    backgrounds: Sequence[Background],
    count: int,
    seed: int,
    *,
    size: tuple[int, int] = (256, 256),
    most_people: int = MOST_PEOPLE,
    overlaps: Sequence[float] = OVERLAPS,
    label_leftovers: float = 0.5,
) -> Iterator[Composite]:
    """Composites of randomly chosen people; number i is the same however many are made.

    Nobody is pasted twice into one composite, nor into their own photograph.

    Args:
        people: to choose from.
        backgrounds: to choose from.
        count: how many composites.
        seed: of all choices.
        size: (height, width) of the pictures.
        most_people: how many are pasted at most; from one to that many, equally often.
        overlaps: to choose from, equally often.
        label_leftovers: chance of labelling the people in the background, see
            :func:`make_composite`.

    Raises:
        DataError: there are no people or no backgrounds, or an argument is out of range.
    """
    if not people or not backgrounds:
        raise DataError("Composites need at least one cut-out person and one background.")
    if not 1 <= most_people <= MOST_PEOPLE:
        raise DataError(f"A composite pastes 1 to {MOST_PEOPLE} people.")
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        background = backgrounds[int(rng.integers(len(backgrounds)))]
        wanted = int(rng.integers(1, most_people + 1))
        order = (people[i] for i in rng.permutation(len(people)))
        strangers = list(islice((one for one in order if one.name != background.name), wanted))
        if not strangers:
            raise DataError("Everybody comes from the only background; add another photograph.")
        yield make_composite(
            rng,
            strangers,
            background,
            size=size,
            overlap=float(rng.choice(overlaps)),
            label_leftovers=bool(rng.random() < label_leftovers),
        )


def _check(people: Sequence[Cutout], size: tuple[int, int], overlap: float) -> None:
    if not 1 <= len(people) <= MOST_PEOPLE:
        raise DataError(f"A composite pastes 1 to {MOST_PEOPLE} people.")
    if min(size) < 64 or max(size) > 4096:
        raise DataError("A composite must be 64 to 4096 pixels high and wide.")
    if not 0 <= overlap <= 0.9:
        raise DataError("The overlap must lie between 0 and 0.9.")


def _placed(
    person: Cutout,
    layers: Sequence[Layer],
    visible: Sequence[Mask],
    crowd: int,
    overlap: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Layer:
    """Somebody at a place in front of all others, larger if too small to hide enough."""
    masks = [layer.mask for layer in layers]
    anchor = len(layers) - 1 if layers and overlap > 0 else None
    choices = int(rng.integers(2**62))  # the same turn at every size
    best, least = None, np.inf
    for larger in _LARGER if anchor is not None else (1.0,):
        newcomer = prepared(person, size, crowd, larger, np.random.default_rng(choices))
        top, left, miss = place(newcomer.mask, masks, visible, anchor, overlap, size, rng)
        if best is None or miss < least:
            best, least = newcomer.moved_to(top, left, size), miss
        if miss <= _CLOSE_ENOUGH:
            break
    assert best is not None
    return best


def _truth(index: int, layers: Sequence[Layer], owner: npt.NDArray[np.int8]) -> ScenePerson:
    layer = layers[index]
    height, width = owner.shape
    hidden_by = np.full(len(layer.points), UNKNOWN, np.int64)
    for i, point in enumerate(layer.points):
        if not np.isfinite(point).all():
            continue
        column, row = (int(v) for v in np.floor(point + 0.5))
        if not (0 <= row < height and 0 <= column < width):
            hidden_by[i] = OUTSIDE
        elif owner[row, column] > index:  # later people are nearer
            hidden_by[i] = owner[row, column]
        else:
            hidden_by[i] = OBJECT if layer.hidden[i] else VISIBLE
    visible_mask = np.asarray(owner == index)
    points, mask = layer.points.copy(), layer.mask.copy()
    for array in (points, hidden_by, mask, visible_mask):
        array.flags.writeable = False
    return ScenePerson(
        index=index, points=points, hidden_by=hidden_by, mask=mask, visible_mask=visible_mask,
        distance=float(len(layers) - index), pose="photographed", heading=float("nan"),
    )  # fmt: skip


def _regions(masks: Sequence[Mask], owner: npt.NDArray[np.int8]) -> tuple[IgnoreRegion, ...]:
    """What the composite's people leave to be seen of those who are not labelled."""
    regions = []
    reach = 2 * round(0.01 * max(owner.shape)) + 1
    kernel = np.ones((reach, reach), np.uint8)
    for mask in masks:
        seen = (cv2.dilate(mask.astype(np.uint8), kernel) > 0) & (owner == VISIBLE)
        if seen.sum() <= _LEAST_LEFT * owner.size:
            continue
        rows, cols = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        corners = float(cols[0]), float(rows[0]), float(cols[-1]), float(rows[-1])
        seen.flags.writeable = False
        regions.append(IgnoreRegion(Box.from_corners(*corners), seen))
    return tuple(regions)


def _compressed(pixels: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8) if done else pixels
