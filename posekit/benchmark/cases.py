"""Photographs and the people in them, whatever is known of those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from posekit.data.coco import CocoData
from posekit.data.labelled import LabelledPerson
from posekit.data.lsp import listed, read_lsp
from posekit.data.problems import Problem, Problems
from posekit.errors import DataError, PhotoError
from posekit.geometry import Box
from posekit.people import whole_photo_box
from posekit.photo import Photo, read_photo
from posekit.skeleton import Skeleton

__all__ = ["Case", "Cases", "FolderCases", "Subject", "open_cases"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class Subject:
    """One person to ask about.

    Attributes:
        box: in photo pixels.
        boxed: whether somebody said so; False when the whole photo is taken for want of a box.
        labels: where the keypoints truly are, None when nobody knows.
    """

    box: Box
    boxed: bool
    labels: LabelledPerson | None = None

    def truth(self, skeleton: Skeleton) -> list[npt.NDArray[np.float64] | None]:
        """For each keypoint of a model's skeleton its true place (x, y), None where not labelled.

        Call only when there are labels.
        """
        assert self.labels is not None
        order = skeleton.mapping_to(self.labels.skeleton)
        return [
            self.labels.keypoints[k] if k is not None and self.labels.labelled[k] else None
            for k in order
        ]


@dataclass(frozen=True, eq=False)
class Case:
    """One photograph: a name that is its own within the data set, and who is in it."""

    name: str
    photo: Photo
    people: tuple[Subject, ...]


class Cases(Protocol):
    """Where photographs come from."""

    name: str
    problems: Problems

    @property
    def left_out(self) -> Mapping[str, str]:
        """The photographs that did not come: why not, in a sentence, by the file's name.

        Complete after every photograph came once. With a limit, only what the limit let in.
        """

    def __len__(self) -> int:
        """At most so many come."""

    def __iter__(self) -> Iterator[Case]:
        """One after the other; those that cannot be used are counted in ``problems``."""


def open_cases(
    path: str | Path,
    *,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
) -> Cases:
    """Choose a reader by what lies there.

    Args:
        path: a COCO-format ``.json`` file, an LSP-style folder (with ``joints.npz``), or a folder
            of photographs, each of one person.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder, see :func:`posekit.data.lsp.split`.
        limit: only the first so many photographs.

    Raises:
        DataError: there is nothing of the kind.
    """
    place = Path(path)
    if place.suffix.lower() == ".json":
        return CocoCases(place, images, limit)
    if (place / "joints.npz").is_file():
        return LspCases(place, part, limit)
    return FolderCases(place, limit)


class FolderCases:
    """Photographs loose in a folder, in the order of their names; one person fills each.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        if not folder.is_dir():
            raise DataError(f"There is no folder of photographs at {folder}.")
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            raise DataError(f"The folder {folder} holds no picture ({', '.join(SUFFIXES)}).")
        self.name, self.problems, self._paths = folder.resolve().name, Problems(), found[:limit]
        self.left_out: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Case]:
        for path in self._paths:
            try:
                photo = read_photo(path)
            except PhotoError as error:
                self.problems.add(Problem.DAMAGED_PHOTO, path.name)
                self.left_out[path.name] = str(error)
                continue
            yield Case(path.name, photo, (Subject(whole_photo_box(photo), boxed=False),))


class LspCases:
    """An LSP-style folder: one person a photograph, boxed by the labelled keypoints."""

    def __init__(self, folder: Path, part: str, limit: int | None = None) -> None:
        self.name, self.problems = f"{folder.resolve().name} ({part})", Problems()
        self._folder, self._part, self._limit = folder, part, limit
        count = listed(folder, part)
        self._count = count if limit is None else min(limit, count)

    def __len__(self) -> int:
        return self._count

    @property
    def left_out(self) -> Mapping[str, str]:
        """See :class:`Cases`."""
        return _sentences(
            self.problems, Problem.MISSING_PHOTO, Problem.DAMAGED_PHOTO, Problem.TOO_FEW
        )

    def __iter__(self) -> Iterator[Case]:
        for person in read_lsp(self._folder, self._part, self._limit, self.problems):
            subject = Subject(person.box, boxed=True, labels=person)
            yield Case(str(person.image_id), person.photo, (subject,))


class CocoCases:
    """A COCO-format file: everybody in it who is one person, by box or by labels."""

    def __init__(self, path: Path, images: str | Path | None, limit: int | None = None) -> None:
        self._data = CocoData(path, images, limit=limit)
        self.name, self.problems = self._data.name, self._data.problems
        self._nobody: dict[str, str] = {}
        # Which photographs are missing is known of the whole file, whatever the limit.
        self._missing = (Problem.MISSING_PHOTO,) if limit is None else ()

    def __len__(self) -> int:
        return len(self._data)

    @property
    def left_out(self) -> Mapping[str, str]:
        """See :class:`Cases`."""
        kinds = (*self._missing, Problem.DAMAGED_PHOTO, Problem.OTHER_SIZE)
        return _sentences(self.problems, *kinds) | self._nobody

    def __iter__(self) -> Iterator[Case]:
        for photo in self._data.photos():
            people = tuple(
                Subject(person.box, boxed=True, labels=person)
                for person in photo.people
                if person.single
            )
            if people:
                yield Case(str(photo.image_id), photo.photo, people)
            else:
                self._nobody[photo.photo.name] = "Nobody in this photograph is labelled."


def _sentences(problems: Problems, *kinds: Problem) -> dict[str, str]:
    """What is wrong with photographs, by their names."""
    return {name: f"The {kind.value[0]}." for kind in kinds for name in problems.records(kind)}
