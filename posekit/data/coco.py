"""COCO-format keypoint data sets of any skeleton: COCO, CrowdPose, MPII as COCO, one's own.

One JSON file names the photographs, the people and, in ``categories[].keypoints``, the keypoints;
the photographs lie loose in a folder or inside tar archives that are read in place (the folder
convention is in ``docs/data.md``). Format: Lin et al., "Microsoft COCO", ECCV 2014.

A real file has faults. Each is counted in ``problems`` and left out, so that nothing stops a run
an hour in; a file of which nothing is left is refused at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posekit.data.coco_records import (
    PersonRecord,
    PhotoRecord,
    choose_category,
    read_json,
    read_records,
)
from posekit.data.coco_skeleton import known_or_custom, skeleton_of_category
from posekit.data.labelled import LabelledPerson, LabelledPhoto, boxable, inside, reaches_into
from posekit.data.mask import InstanceMask
from posekit.data.problems import Problem, Problems
from posekit.data.store import PhotoStore
from posekit.errors import DataError, PhotoError
from posekit.geometry import Box
from posekit.photo import Photo, PhotoLimits, read_photo
from posekit.skeleton import COCO17, Skeleton

__all__ = ["CocoData"]


class CocoData:
    """A COCO-format file and its photographs.

    Args:
        annotations: the JSON file.
        images: a folder or a tar archive; None looks beside the file, by convention.
        skeleton: what the people should be labelled with; keypoints the file lacks are then not
            labelled. None takes the known skeleton of the file's names, else one made of them.
        category: the people's category; None takes ``person``, or the only one.
        limit: only the first so many photographs that are there.
        limits: what a photograph may measure.

    Attributes:
        skeleton: names the keypoints of everybody read.
        problems: what was left out so far; complete after every photograph was read once.

    Raises:
        DataError: the file is missing or malformed, or nothing in it can be used.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path | None = None,
        *,
        skeleton: Skeleton | None = None,
        category: str | None = None,
        limit: int | None = None,
        limits: PhotoLimits | None = None,
    ) -> None:
        path = Path(annotations)
        data = read_json(path)
        chosen = choose_category(data, category)
        self.name, self.problems, self._limits = path.stem, Problems(), limits
        # Masks without keypoints are worth reading too; such a file names no keypoints.
        own = skeleton_of_category(chosen) if chosen.get("keypoints") else None
        self.skeleton = skeleton or (COCO17 if own is None else known_or_custom(own))
        self._order = self.skeleton.mapping_to(own) if own else (None,) * self.skeleton.size
        if own is not None and all(index is None for index in self._order):
            raise DataError(
                f"{path.name} labels none of the keypoints of {self.skeleton.title}; "
                f"it labels {', '.join(own.keypoints)}."
            )
        self._store = PhotoStore.beside(path) if images is None else PhotoStore.at(Path(images))
        records = read_records(
            data, chosen["id"], own.size if own else 0, self.problems, self._store.__contains__
        )
        self._records = records[:limit]
        if not any(photo.people for photo in self._records):
            raise DataError(self._nothing())

    def __len__(self) -> int:
        """Photographs on record that exist, with people or without."""
        return len(self._records)

    @property
    def has_keypoints(self) -> bool:
        """Whether anybody has a labelled keypoint."""
        people = (person for record in self._records for person in record.people)
        return any((person.visibility > 0).any() for person in people)

    @property
    def has_masks(self) -> bool:
        """Whether anybody has a mask."""
        return any(person.segmentation for record in self._records for person in record.people)

    def photos(self) -> Iterator[LabelledPhoto]:
        """Every photograph with everybody in it, crowds and people to ignore included.

        Raises:
            DataError: not one photograph could be read.
        """
        read = 0
        for record in self._records:
            photo = self._photo(record)
            if photo is not None:
                read += 1
                found = (self._person(photo, record, person) for person in record.people)
                people = tuple(person for person in found if person is not None)
                yield LabelledPhoto(photo, people, self.skeleton, record.id)
        if not read:
            raise DataError(self._nothing())

    def people(self, least: int = 1) -> Iterator[LabelledPerson]:
        """Everybody with at least ``least`` labelled keypoints, crowds and people to ignore not.

        With ``least`` 0, people of whom only the box or the mask is known come too.

        Raises:
            DataError: there is nobody.
        """
        nobody = True
        for photo in self.photos():
            for person in photo.people:
                if person.single and person.labelled.sum() >= least:
                    nobody = False
                    yield person
        if nobody:
            raise DataError(self._nothing())

    def _nothing(self) -> str:
        """One sentence for a data set nothing is left of."""
        summary = self.problems.summary().rstrip(".")
        return f"{self.name} holds no usable person{f'. {summary}' if summary else ''}."

    def _photo(self, record: PhotoRecord) -> Photo | None:
        try:
            photo = read_photo(self._store.read(record.name), name=record.name, limits=self._limits)
        except (DataError, PhotoError):
            self.problems.add(Problem.DAMAGED_PHOTO, record.name)
            return None
        if record.size is not None and photo.size != record.size:
            self.problems.add(Problem.OTHER_SIZE, record.name)
            return None
        return photo

    def _person(
        self, photo: Photo, record: PhotoRecord, person: PersonRecord
    ) -> LabelledPerson | None:
        within = inside(person.keypoints, photo.size)
        for index in np.flatnonzero(~within & (person.visibility > 0)):
            self.problems.add(Problem.OUTSIDE, f"{person.name}, keypoint {index + 1}")
        visibility = np.where(within, person.visibility, 0)
        keypoints = np.zeros((self.skeleton.size, 2))
        reordered = np.zeros(self.skeleton.size, dtype=np.int64)
        for target, source in enumerate(self._order):
            if source is not None:
                keypoints[target], reordered[target] = person.keypoints[source], visibility[source]
        box = self._box(photo, person)
        if box is None and not boxable(keypoints, reordered > 0, photo.size):
            self.problems.add(Problem.TOO_FEW, person.name)
            return None
        return LabelledPerson(
            photo,
            keypoints,
            reordered > 0,
            self.skeleton,
            visible=reordered > 1,
            given_box=box,
            mask=self._mask(photo, person),
            area=person.area,
            crowd=person.crowd,
            ignore=person.ignore,
            image_id=record.id,
        )

    def _box(self, photo: Photo, person: PersonRecord) -> Box | None:
        """The box given, unless too little of it lies on the photo to look at."""
        if person.box is None:
            return None
        if not reaches_into(person.box, photo.size):
            self.problems.add(Problem.EMPTY_BOX, person.name)
            return None
        return person.box

    def _mask(self, photo: Photo, person: PersonRecord) -> InstanceMask | None:
        if not person.segmentation:
            return None
        try:
            return InstanceMask(person.segmentation, photo.size)
        except DataError:
            self.problems.add(Problem.BAD_MASK, person.name)
            return None
