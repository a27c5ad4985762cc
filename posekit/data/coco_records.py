"""The records of a COCO-format file, each checked by itself; what is wrong goes to ``Problems``.

Everything that needs no photograph is settled here; see ``posekit/data/coco.py`` for the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posekit.data.problems import Problem, Problems
from posekit.errors import BoxError, DataError
from posekit.geometry import Box

__all__ = ["PersonRecord", "PhotoRecord", "choose_category", "read_json", "read_records"]

Id = int | str
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PersonRecord:
    """One annotation: keypoints (K, 2) and visibility (K,) in the file's order, 0 = no label."""

    name: str
    keypoints: Floats
    visibility: npt.NDArray[np.int64]
    box: Box | None
    area: float | None
    segmentation: Any
    crowd: bool
    ignore: bool


@dataclass(frozen=True, eq=False)
class PhotoRecord:
    """One image of the file with its people; size (height, width) where the file says it."""

    id: Id
    name: str
    size: tuple[int, int] | None
    people: list[PersonRecord] = field(default_factory=list)


def read_json(path: Path) -> dict[str, Any]:
    """The file's object.

    Raises:
        DataError: it is missing, is not JSON, or lacks the lists images and annotations.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"There is no annotation file at {path}.") from error
    except ValueError as error:
        raise DataError(f"{path.name} is not JSON: {error}.") from error
    if not isinstance(data, dict) or not all(
        isinstance(data.get(key), list) for key in ("images", "annotations")
    ):
        raise DataError(
            f"{path.name} is not in COCO format: it needs the lists images, annotations and "
            "categories."
        )
    return data


def choose_category(data: dict[str, Any], name: str | None) -> dict[str, Any]:
    """The category of that name; without one the category ``person``, or the only one there is.

    Raises:
        DataError: it cannot be told which is meant.
    """
    given = data.get("categories")
    categories = [c for c in given if isinstance(c, dict)] if isinstance(given, list) else []
    wanted = "person" if name is None else name
    chosen = [c for c in categories if c.get("name") == wanted]
    if not chosen and name is None:
        chosen = [c for c in categories if c.get("keypoints")] or categories
    if len(chosen) != 1 or not isinstance(chosen[0].get("id"), int | str):
        names = ", ".join(str(c.get("name")) for c in categories) or "none"
        raise DataError(f"The file has no single category {wanted!r} with an id; it has: {names}.")
    return chosen[0]


def read_records(
    data: dict[str, Any],
    category: Id,
    keypoints: int,
    problems: Problems,
    exists: Callable[[str], bool],
) -> list[PhotoRecord]:
    """The photographs that exist, in the file's order, with their people.

    Args:
        data: see :func:`read_json`.
        category: id of the people's category.
        keypoints: how many a person has in this file; 0 when it has none.
        problems: takes note of everything left out.
        exists: whether there is a photograph of that name.
    """
    photos: dict[Id, PhotoRecord] = {}
    missing: set[Id] = set()
    for index, image in enumerate(data["images"]):
        photo = _photo(image)
        if photo is None:
            problems.add(Problem.MALFORMED, f"image {index}")
        elif photo.id in photos or photo.id in missing:
            problems.add(Problem.DUPLICATE_PHOTO, f"{photo.name}, id {photo.id}, image {index}")
        elif not exists(photo.name):
            problems.add(Problem.MISSING_PHOTO, photo.name)
            missing.add(photo.id)
        else:
            photos[photo.id] = photo
    seen: set[Id] = set()
    for index, annotation in enumerate(data["annotations"]):
        if not isinstance(annotation, dict):
            problems.add(Problem.MALFORMED, f"annotation {index}")
            continue
        own = annotation.get("id")
        where = annotation.get("image_id")
        if isinstance(own, int | str):
            if own in seen:
                problems.add(Problem.DUPLICATE_PERSON, f"annotation {own}, number {index}")
                continue
            seen.add(own)
        name = f"annotation {own}" if own is not None else f"annotation number {index}"
        if annotation.get("category_id") != category:
            problems.add(Problem.OTHER_CATEGORY, name)
        elif not isinstance(where, int | str) or where not in photos:
            if not (isinstance(where, int | str) and where in missing):
                problems.add(Problem.UNKNOWN_PHOTO, name)
        else:
            person = _person(annotation, name, keypoints, problems)
            if person is not None:
                photos[where].people.append(person)
    for photo in photos.values():
        if not any(not (person.crowd or person.ignore) for person in photo.people):
            problems.add(Problem.NO_PEOPLE, photo.name)
    return list(photos.values())


def _photo(image: object) -> PhotoRecord | None:
    if not isinstance(image, dict):
        return None
    name, own = image.get("file_name"), image.get("id")
    if not isinstance(name, str) or not name or not isinstance(own, int | str):
        return None
    height, width = image.get("height"), image.get("width")
    known = isinstance(height, int) and isinstance(width, int)
    return PhotoRecord(own, name, (height, width) if known else None)  # type: ignore[arg-type]


def _person(
    annotation: dict[str, Any], name: str, count: int, problems: Problems
) -> PersonRecord | None:
    crowd, ignore = bool(annotation.get("iscrowd")), bool(annotation.get("ignore"))
    values = annotation.get("keypoints") if count else None
    points, visibility = np.zeros((count, 2)), np.zeros(count, dtype=np.int64)
    if values is not None and (not crowd or isinstance(values, list)):
        if not isinstance(values, list) or len(values) != 3 * count:
            problems.add(Problem.WRONG_COUNT, name)
            return None
        table = np.array([_number(value) for value in values]).reshape(count, 3)
        visible = np.nan_to_num(table[:, 2]) > 0
        finite = np.isfinite(table).all(-1)
        # A missing label often comes as NaN with visibility 0: nothing is lost there.
        for index in np.flatnonzero(~finite & (visible | np.isnan(table[:, 2]))):
            problems.add(Problem.NOT_A_NUMBER, f"{name}, keypoint {index + 1}")
        points = np.where(finite[:, None], table[:, :2], 0.0)
        visibility = np.where(finite & visible, np.nan_to_num(table[:, 2]), 0).astype(np.int64)
    box = _box(annotation.get("bbox"))
    if box is None and annotation.get("bbox") is not None:
        problems.add(Problem.EMPTY_BOX, name)
    if box is None and not visibility.any():
        problems.add(Problem.TOO_FEW, name)
        return None
    area = _number(annotation.get("area"))
    return PersonRecord(
        name,
        points,
        visibility,
        box,
        area if math.isfinite(area) and area > 0 else None,
        annotation.get("segmentation"),
        crowd,
        ignore,
    )


def _box(values: object) -> Box | None:
    if not isinstance(values, list) or len(values) != 4:
        return None
    try:
        return Box(*(_number(value) for value in values))
    except BoxError:
        return None


def _number(value: object) -> float:
    """A float; NaN for whatever is no number a float can hold."""
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # JSON knows whole numbers of any length
        return math.nan
