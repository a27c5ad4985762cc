"""LSP-style data sets: photographs of one labelled person each, with a ``joints`` file.

A folder holds ``joints.npz`` (``image``: (N,) file names; ``joints``: (N, 14, 3) float, x and y
in pixels and 1 where labelled) and the photographs, loose or inside ``images*.tar`` archives,
which are read in place. That is Leeds Sports Pose Extended (Johnson and Everingham,
"Learning Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011).
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posekit.data.ahead import ahead
from posekit.data.labelled import LabelledPerson, boxable, inside
from posekit.data.problems import Problem, Problems
from posekit.data.store import PhotoStore
from posekit.errors import DataError, PhotoError
from posekit.photo import Photo, read_photo
from posekit.skeleton import LSP14

__all__ = ["HELD_OUT", "LabelledPerson", "listed", "read_lsp", "split"]

HELD_OUT = 500
"""Photographs that no training run sees; every published figure is measured on them."""

VALIDATION = 500
"""Photographs to choose the best weights by, so that published figures are not chosen."""

LEAST = 3
"""Labelled keypoints that a person needs; fewer say little about where the person is."""


def split(names: npt.NDArray[np.str_], part: str) -> npt.NDArray[np.int64]:
    """Indices of the photographs of one part, the same on every machine and in any order.

    The 500 file names whose SHA-1 comes first are ``"held out"``, the next 500 ``"validation"``,
    the others ``"train"``.

    Raises:
        DataError: another part was asked for.
    """
    parts = {
        "held out": slice(HELD_OUT),
        "validation": slice(HELD_OUT, HELD_OUT + VALIDATION),
        "train": slice(HELD_OUT + VALIDATION, None),
    }
    if part not in parts:
        raise DataError(f'A part is "train", "validation" or "held out", not "{part}".')
    order = sorted(
        range(len(names)), key=lambda i: hashlib.sha1(str(names[i]).encode()).hexdigest()
    )
    return np.array(sorted(order[parts[part]]), dtype=np.int64)


def listed(folder: str | Path, part: str = "train") -> int:
    """How many photographs a part lists, usable or not.

    Raises:
        DataError: the joints file is missing or malformed, or there is no such part.
    """
    names, _ = _read_joints(Path(folder))
    return len(split(names, part))


def read_lsp(
    folder: str | Path,
    part: str = "train",
    limit: int | None = None,
    problems: Problems | None = None,
) -> Iterator[LabelledPerson]:
    """The people of one part, one after the other.

    A photograph that is missing or damaged, or whose labels are unusable (fewer than three
    keypoints on it), is left out and counted.

    Args:
        folder: see the module.
        part: ``"train"``, ``"validation"`` or ``"held out"``.
        limit: only the first so many photographs of the part.
        problems: takes note of what is left out.

    Raises:
        DataError: the joints file is missing or malformed, or nobody in it can be used.

    Warns:
        UserWarning: at the end, what was left out, when no ``problems`` were given.
    """
    folder = Path(folder)
    names, joints = _read_joints(folder)
    store = PhotoStore(folder, *sorted(folder.glob("images*.tar")))
    noted = Problems() if problems is None else problems
    seen: set[str] = set()
    rows: list[int] = []
    for index in split(names, part)[:limit]:
        name = str(names[index])
        if name in seen:
            noted.add(Problem.DUPLICATE_PHOTO, f"{name}, row {index}")
        else:
            seen.add(name)
            rows.append(int(index))
    nobody = True
    photos = ahead(lambda index: _photo(store, str(names[index])), rows)
    for index, photo in zip(rows, photos, strict=True):
        name = str(names[index])
        if isinstance(photo, Problem):
            noted.add(photo, name)
            continue
        labelled = _labelled(joints[index], photo, name, noted)
        if labelled.sum() < LEAST or not boxable(joints[index, :, :2], labelled, photo.size):
            noted.add(Problem.TOO_FEW, name)
            continue
        nobody = False
        keypoints = np.where(labelled[:, None], joints[index, :, :2], 0.0)
        yield LabelledPerson(photo, keypoints, labelled, LSP14, image_id=name)
    summary = noted.summary()
    if nobody:
        raise DataError(f"{folder} holds no usable person. {summary or 'It lists no photographs.'}")
    if problems is None and summary:
        warnings.warn(f"{folder.name}: {summary}", stacklevel=2)


def _read_joints(folder: Path) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    try:
        with np.load(folder / "joints.npz", allow_pickle=False) as npz:
            names, joints = npz["image"], npz["joints"].astype(np.float64)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{folder} holds no joints.npz with the arrays image and joints."
        ) from error
    if joints.shape != (len(names), LSP14.size, 3):
        raise DataError(f"joints in {folder} should be ({len(names)}, 14, 3), not {joints.shape}.")
    return names, joints


def _photo(store: PhotoStore, name: str) -> Photo | Problem:
    """The photograph, or what is wrong with it."""
    if name not in store:
        return Problem.MISSING_PHOTO
    try:
        return read_photo(store.read(name), name=name)
    except (DataError, PhotoError):
        return Problem.DAMAGED_PHOTO


def _labelled(
    joints: npt.NDArray[np.float64], photo: Photo, name: str, problems: Problems
) -> npt.NDArray[np.bool_]:
    """Which keypoints of (14, 3) are labelled, at a place on the photo."""
    said = joints[:, 2] > 0
    finite = np.isfinite(joints).all(-1)
    within = inside(joints[:, :2], photo.size)
    for index in np.flatnonzero(said & ~finite):
        problems.add(Problem.NOT_A_NUMBER, f"{name}, {LSP14.keypoints[index]}")
    for index in np.flatnonzero(said & finite & ~within):
        problems.add(Problem.OUTSIDE, f"{name}, {LSP14.keypoints[index]}")
    return np.asarray(said & finite & within)
