"""Photos on which people from attention are measured: whose every pixel and keypoint is, is known.

*Composites* of two people kept out of training, one hiding a given share of the other, on rendered
backdrops, so that nobody else is in the picture; *rendered scenes*, likewise; *photographs* of a
COCO-format file whose people have masks and perhaps no keypoints, of which every third is never
learnt from. The same arguments give the same photos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posekit.data.composites import make_composite
from posekit.data.crowd import UNKNOWN_OWNER, CrowdPhoto, of_photo, of_scene
from posekit.data.cutouts import Background, Cutout
from posekit.data.lsp import read_lsp
from posekit.data.mask_cache import pseudo_masks
from posekit.data.masked import masked_photos
from posekit.data.problems import Problems
from posekit.data.rendered import FIRST_SEED
from posekit.errors import DataError
from posekit.photo import Photo
from posekit.scenes import Scene, render_scene
from posekit.skeleton import Skeleton

__all__ = ["OVERLAPS", "CrowdTruth", "true_composites", "true_masks", "true_scenes"]

OVERLAPS = (0.3, 0.5, 0.7)
"""Shares of the person behind that the one in front hides."""
SIDE = 256
_FIRST_PEOPLE = 160
"""Photographs of a part from which composites are made: cutting people out takes a while."""
_SCENE_SEED = FIRST_SEED + 700_000
_MASK_POINTS = 14

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CrowdTruth:
    """A photo and whose everything in it is.

    Attributes:
        photo: the photo.
        masks: (G, H, W) bool, what is seen of each person.
        points: (G, N, 2) photo pixels: keypoints, or places inside the mask of people whose
            keypoints nobody labelled.
        seen: (G, N) bool, points that belong to the person and that nothing else hides.
        hidden: (G, N) bool, keypoints that somebody or something else hides.
        keypoints: whether ``points`` are keypoints, in the order of the skeleton.
        crowds: (C, H, W) bool, regions of people whom nobody labelled one by one.
        group: what figures are also told apart by, such as ``"50 % overlap"``.
        hidden_share: what is really hidden of the person behind, 0 to 1: a scene cannot always be
            staged as it was asked for. None where nobody knows.
    """

    photo: Photo
    masks: Bools = field(repr=False)
    points: Floats = field(repr=False)
    seen: Bools = field(repr=False)
    hidden: Bools = field(repr=False)
    keypoints: bool
    crowds: Bools = field(repr=False)
    group: str = ""
    hidden_share: float | None = None

    @classmethod
    def of(cls, crowd: CrowdPhoto, name: str, group: str = "", seed: int = 0) -> CrowdTruth:
        """The truth that a photo with owners holds.

        Raises:
            DataError: nobody said whose pixels they are.
        """
        owners = crowd.owners
        if owners is None:
            raise DataError("People from attention are measured on photos with masks of people.")
        known = [(n, who) for n, who in enumerate(crowd.people, start=1) if (owners == n).any()]
        people = [(n, who) for n, who in known if not who.ignore]
        masks = np.array([owners == n for n, _ in people], bool).reshape(-1, *owners.shape)
        others = [owners == n for n, who in known if who.ignore] + [owners == UNKNOWN_OWNER]
        crowds = np.array([one for one in others if one.any()], bool).reshape(-1, *owners.shape)
        visibility = np.array([who.visibility for _, who in people], np.int8)
        if visibility.any():
            points = np.array([who.keypoints for _, who in people], np.float64)
            seen, hidden = visibility == 2, visibility == 1
        else:
            points = _inside(masks, np.random.default_rng([seed, 1]))
            seen = np.ones(points.shape[:2], bool)
            hidden = np.zeros_like(seen)
        photo = Photo(crowd.pixels, name)
        return cls(photo, masks, points, seen, hidden, bool(visibility.any()), crowds, group)

    @classmethod
    def of_overlap(
        cls, scene: Scene, skeleton: Skeleton, kind: str, number: int, share: float
    ) -> CrowdTruth:
        """The truth of a scene of two people, of whom one was to hide a share of the other."""
        truth = cls.of(of_scene(scene, skeleton), f"{kind} {number}", f"{share:.0%} overlap")
        return replace(truth, hidden_share=max(person.hidden_share for person in scene.people))


def true_composites(
    folder: str | Path,
    skeleton: Skeleton,
    count: int,
    part: str = "held out",
    problems: Problems | None = None,
) -> Iterator[CrowdTruth]:
    """Two people of an LSP-style data set in each, ``count`` of each overlap.

    Raises:
        DataError: the data set cannot be read, or too few people can be cut out.
    """
    folder = Path(folder)
    noted = Problems() if problems is None else problems
    read = list(islice(read_lsp(folder, part, _FIRST_PEOPLE, noted), None))
    name = f"{folder.name or 'lsp'}-{part.replace(' ', '-')}"
    cut = [Cutout.of(p, m) for p, m in pseudo_masks(read, name) if m.quality.accepted]
    if len(cut) < 2:
        raise DataError("Composites need two people who can be cut out; this data set has fewer.")
    for share in OVERLAPS:
        for number in range(count):
            rng = np.random.default_rng([round(100 * share), number])
            back, front = (cut[int(i)] for i in rng.choice(len(cut), 2, replace=False))
            ground = Background.rendered(_SCENE_SEED + number, (SIDE, SIDE))
            scene = make_composite(rng, [back, front], ground, size=(SIDE, SIDE), overlap=share)
            yield CrowdTruth.of_overlap(scene, skeleton, "composite", number, share)


def true_scenes(skeleton: Skeleton, count: int) -> Iterator[CrowdTruth]:
    """Rendered scenes of two people, ``count`` of each overlap."""
    for place, share in enumerate(OVERLAPS):
        for number in range(count):
            scene = render_scene(
                _SCENE_SEED + 10_000 * place + number,
                size=(SIDE, SIDE),
                people=2,
                occluder="person",
                overlap=share,
            )
            yield CrowdTruth.of_overlap(scene, skeleton, "scene", number, share)


def true_masks(
    file: str | Path,
    skeleton: Skeleton,
    images: str | Path | None = None,
    limit: int | None = None,
    problems: Problems | None = None,
) -> Iterator[CrowdTruth]:
    """The photographs of a COCO-format file that are never learnt from, with their masks.

    Raises:
        DataError: the file cannot be read.
    """
    photos = masked_photos(file, "held out", images, problems)
    for number, photo in enumerate(islice(photos, limit)):
        crowd = of_photo(photo, skeleton)
        if crowd.owners is not None:
            yield CrowdTruth.of(crowd, photo.photo.name, seed=number)


def _inside(masks: Bools, rng: np.random.Generator) -> Floats:
    """As many places inside each of (G, H, W) masks, drawn with repetition: (G, N, 2)."""
    points = np.zeros((len(masks), _MASK_POINTS, 2))
    for n, mask in enumerate(masks):
        row, col = np.nonzero(mask)
        chosen = rng.integers(len(row), size=_MASK_POINTS)
        points[n] = np.stack([col[chosen], row[chosen]], -1)
    return points
