"""Reading whole photos for models that find people by themselves, whatever the data set's format.

Where the photographs show one labelled person each, people are cut out of them and put together
into composites, whose truth about who hides whom is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from posekit.data.coco import CocoData
from posekit.data.crowd import CrowdPhoto, of_photo, of_scene
from posekit.data.crowd_cache import PIECE, kept_composites, kept_photos
from posekit.data.crowd_canvas import CANVAS, CrowdCanvases, make_crowd_canvases
from posekit.data.cutouts import Background, Cutout
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.data.lsp import read_lsp
from posekit.data.mask_cache import pseudo_masks
from posekit.data.problems import Problems
from posekit.data.pseudo_masks import PseudoMask
from posekit.data.rendered import FIRST_SEED
from posekit.errors import DataError
from posekit.scenes import render_scene
from posekit.skeleton import Skeleton
from posekit.training.tasks import Source

__all__ = [
    "CrowdOptions",
    "TrainingCrowds",
    "crowd_options",
    "read_measured_crowds",
    "read_training_crowds",
]

_BACKDROPS = 60
_MEASURED_SEED = 3
_CROWDED = (1, 2, 3, 4)  # people in a rendered scene, in turn
_SCENE_SEED = FIRST_SEED + 500_000  # scenes of several people, none of which the examples show


@dataclass(frozen=True)
class CrowdOptions:
    """What to learn from, besides the photographs and the recipe's rendered scenes.

    Attributes:
        composites: how many, of photographs of one labelled person each; none for COCO format.
        composites_to_measure: how many of people who are never learnt from.
        most_people: pasted into one composite.
        grounds: how many of the photographs composites are pasted on; as many are rendered.
        side: of the canvases that hold the photos, in pixels.
    """

    composites: int = 4000
    composites_to_measure: int = 250
    most_people: int = 5
    grounds: int = 1500
    side: int = CANVAS


@dataclass(frozen=True, eq=False)
class TrainingCrowds:
    """What a run learns from and what it is measured on while it learns.

    Attributes:
        train: photos to learn from, composites and rendered scenes included.
        validation: photos to choose the best weights by.
        photographs: how many of ``train`` are photographs as they were taken.
        composites: how many of ``train`` are composites.
        problems: what could not be used.
    """

    train: CrowdCanvases
    validation: CrowdCanvases
    photographs: int
    composites: int
    problems: Problems

    @property
    def words(self) -> str:
        """What there is, for the first line that a run prints."""
        return (
            f"{len(self.train):,} photos to learn from, {self.photographs:,} of them as they were "
            f"taken and {self.composites:,} composites, {len(self.validation):,} to measure on"
        )

    def besides(self, scenes: int, *more: tuple[int, str]) -> str:
        """What is learnt from besides the photographs, for the model card.

        Args:
            scenes: rendered ones among them.
            more: how many, of what.
        """
        made = [(self.composites, "composites of them"), (scenes, "rendered scenes"), *more]
        return " and ".join(f"{count:,} {what}" for count, what in made if count)


def crowd_options(given: Mapping[str, Any]) -> CrowdOptions:
    """A recipe's table as options.

    Raises:
        DataError: it names something that is no option.
    """
    try:
        return CrowdOptions(**given)
    except TypeError as error:
        raise DataError(f"These are no options of crowds: {error}.") from error


def read_training_crowds(
    source: Source,
    skeleton: Skeleton,
    options: CrowdOptions,
    scenes: int = 0,
    *,
    owners: bool = False,
    more: Sequence[CrowdPhoto] = (),
) -> TrainingCrowds:
    """Read a data set.

    Args:
        source: an LSP-style folder, split by itself, or a COCO-format file with another to
            measure on.
        skeleton: the model's keypoints.
        options: composites, canvases.
        scenes: rendered scenes to add.
        owners: keep whose pixels they are.
        more: further photos to learn from.

    Raises:
        DataError: a file is missing or malformed, or there is nobody to learn from.
    """
    problems = Problems()
    read = _read_lsp if source.data.is_dir() else _read_coco
    train, validation = read(source, skeleton, options, problems)
    rendered = _Photos(scenes, _scenes(scenes, skeleton, options.side))
    besides = _Photos(len(more), iter(more))
    learnt = _on_canvases([*train, rendered, besides], skeleton, options.side, owners)
    kept = _on_canvases(validation, skeleton, options.side, owners)
    composed = sum(part.count for part in train[1:])
    photographs = len(learnt) - composed - scenes - len(more)
    return TrainingCrowds(learnt, kept, photographs, composed, problems)


def read_measured_crowds(
    folder: Path, skeleton: Skeleton, part: str, count: int, problems: Problems | None = None
) -> CrowdCanvases:
    """Composites of the people of one part of an LSP-style data set, to measure on.

    Args:
        folder: of the data set.
        skeleton: the model's keypoints.
        part: ``"held out"`` or ``"validation"``.
        count: how many.
        problems: notes what could not be used.

    Raises:
        DataError: the data set cannot be read.
    """
    singles = _Singles.read(folder, part, skeleton, Problems() if problems is None else problems)
    options = CrowdOptions()
    photos = _Photos(count, singles.put_together(count, _MEASURED_SEED, options))
    return _on_canvases([photos], skeleton, options.side, owners=False)


@dataclass(frozen=True, eq=False)
class _Photos:
    """So many photos at most, made one after the other."""

    count: int
    photos: Iterator[CrowdPhoto]


def _on_canvases(
    parts: Sequence[_Photos], skeleton: Skeleton, side: int, owners: bool
) -> CrowdCanvases:
    # One tensor from the start: joining several of gigabytes would need them twice.
    photos = chain.from_iterable(part.photos for part in parts)
    count = sum(part.count for part in parts)
    return make_crowd_canvases(photos, count, side, skeleton.size, owners=owners)


def _read_coco(
    source: Source, skeleton: Skeleton, options: CrowdOptions, problems: Problems
) -> tuple[list[_Photos], list[_Photos]]:
    """Photographs to learn from and to measure on."""
    if source.validation is None:
        raise DataError(
            "A COCO-format file is not split by itself: name another with --validation."
        )

    def whole(file: Path, images: Path | None) -> list[_Photos]:
        data = CocoData(file, images)

        def photos() -> Iterator[CrowdPhoto]:
            for photo in data.photos():
                yield of_photo(photo, skeleton)
            problems.update(data.problems)  # damaged photographs show as they are read

        return [_Photos(len(data), photos())]

    return (
        whole(source.data, source.images),
        whole(source.validation, source.validation_images),
    )


def _read_lsp(
    source: Source, skeleton: Skeleton, options: CrowdOptions, problems: Problems
) -> tuple[list[_Photos], list[_Photos]]:
    """Photographs and composites of them, to learn from and to measure on."""
    both = []
    plan = ("train", options.composites), ("validation", options.composites_to_measure)
    for seed, (part, count) in enumerate(plan, start=1):
        singles = _Singles.read(source.data, part, skeleton, problems)
        composed = singles.put_together(count, seed, options)
        both.append([_Photos(len(singles), singles.photos()), _Photos(count, composed)])
    return both[0], both[1]


@dataclass(frozen=True, eq=False)
class _Singles:
    """Photographs of one labelled person each, with pseudo-masks."""

    people: list[tuple[LabelledPerson, PseudoMask]]
    skeleton: Skeleton

    def __len__(self) -> int:
        return len(self.people)

    @classmethod
    def read(cls, folder: Path, part: str, skeleton: Skeleton, problems: Problems) -> _Singles:
        """One part of an LSP-style data set."""
        people = list(read_lsp(folder, part, problems=problems))
        name = folder.name or "lsp"
        name += "-held-out" if part == "held out" else ""  # beside those that are learnt from
        return cls(list(pseudo_masks(people, name)), skeleton)

    def photos(self) -> Iterator[CrowdPhoto]:
        """Each photograph as it is; who else may be in it nobody said."""
        for person, mask in self.people:
            yield of_photo(
                LabelledPhoto(person.photo, (person,), person.skeleton),
                self.skeleton,
                complete=False,
                masks=[mask.on_photo() if mask.quality.accepted else None],
            )

    def put_together(self, count: int, seed: int, options: CrowdOptions) -> Iterator[CrowdPhoto]:
        """Composites of the people whose masks are believed."""
        if not count:
            return iter(())
        cutouts = [Cutout.of(person, m) for person, m in self.people if m.quality.accepted]
        some = self.people[: options.grounds]
        grounds = [Background.of_photo(person.photo, [(person, m)]) for person, m in some]
        # As many rendered ones, where nobody is whom nobody labelled: every second choice.
        side = options.side
        rendered = [Background.rendered(seed * 1000 + i, (side, side)) for i in range(_BACKDROPS)]
        grounds += rendered * max(1, len(grounds) // _BACKDROPS)
        return kept_composites(
            cutouts,
            grounds,
            self.skeleton,
            count,
            seed,
            side=side,
            most_people=options.most_people,
        )


def _scenes(count: int, skeleton: Skeleton, side: int) -> Iterator[CrowdPhoto]:
    def make(piece: int) -> Iterator[CrowdPhoto]:
        for number in range(piece * PIECE, (piece + 1) * PIECE):
            people = _CROWDED[number % len(_CROWDED)]
            scene = render_scene(
                _SCENE_SEED + number,
                size=(side, side),
                people=people,
                occluder="person" if people > 1 and number % 3 == 0 else None,
                overlap=0.3,
            )
            yield of_scene(scene, skeleton)

    return kept_photos("scenes", f"{skeleton.name}-{side}", count, make)
