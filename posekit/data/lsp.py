"""LSP-style data sets: photographs of one labelled person each, with a ``joints`` file.

A folder holds ``joints.npz`` (``image``: (N,) file names; ``joints``: (N, 14, 3) float, x and y
in pixels and 1 where labelled) and the photographs, loose or inside ``images*.tar`` archives,
which are read in place. That is Leeds Sports Pose Extended (Johnson and Everingham,
"Learning Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011).
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posekit.errors import DataError
from posekit.geometry import Box
from posekit.photo import Photo, read_photo
from posekit.skeleton import LSP14

HELD_OUT = 500
"""Photographs that no training run sees; every published figure is measured on them."""


@dataclass(frozen=True, eq=False)
class LabelledPerson:
    """One person of a data set.

    Attributes:
        photo: the photograph.
        keypoints: (14, 2) photo pixels, meaningful where ``labelled``.
        labelled: (14,) bool.
    """

    photo: Photo
    keypoints: npt.NDArray[np.float64]
    labelled: npt.NDArray[np.bool_]

    @property
    def box(self) -> Box:
        """The smallest box around the labelled keypoints."""
        known = self.keypoints[self.labelled]
        return Box.from_corners(*known.min(0), *known.max(0))


def split(names: npt.NDArray[np.str_], part: str) -> npt.NDArray[np.int64]:
    """Indices of the photographs of one part, the same on every machine and in any order.

    The 500 file names whose SHA-1 comes first are ``"held out"``, the others are ``"train"``.

    Raises:
        DataError: another part was asked for.
    """
    if part not in ("train", "held out"):
        raise DataError(f'A part is "train" or "held out", not "{part}".')
    order = sorted(
        range(len(names)), key=lambda i: hashlib.sha1(str(names[i]).encode()).hexdigest()
    )
    chosen = order[:HELD_OUT] if part == "held out" else order[HELD_OUT:]
    return np.array(sorted(chosen), dtype=np.int64)


def read_lsp(
    folder: str | Path, part: str = "train", limit: int | None = None
) -> Iterator[LabelledPerson]:
    """The people of one part, one after the other.

    A photograph whose labels are unusable (fewer than three keypoints, or none finite) is
    passed over.

    Raises:
        DataError: the folder, its joints file or a photograph is missing or malformed.
    """
    folder = Path(folder)
    try:
        with np.load(folder / "joints.npz") as npz:
            names, joints = npz["image"], npz["joints"].astype(np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{folder} holds no joints.npz with the arrays image and joints."
        ) from error
    if joints.shape != (len(names), LSP14.size, 3):
        raise DataError(f"joints in {folder} should be ({len(names)}, 14, 3), not {joints.shape}.")
    open_photo = _photo_opener(folder)
    for index in split(names, part)[:limit]:
        labelled = (joints[index, :, 2] > 0) & np.isfinite(joints[index]).all(-1)
        if labelled.sum() >= 3:
            name = str(names[index])
            photo = read_photo(open_photo(name), name=name)
            yield LabelledPerson(photo, joints[index, :, :2], labelled)


def _photo_opener(folder: Path) -> Callable[[str], bytes]:
    """Finds a photograph by name, loose in the folder or in one of its archives."""
    where: dict[str, tuple[tarfile.TarFile, tarfile.TarInfo]] = {}
    for path in sorted(folder.glob("images*.tar")):
        archive = tarfile.open(path)  # noqa: SIM115 - stays open as long as photographs are read
        where.update({member.name: (archive, member) for member in archive.getmembers()})

    def opener(name: str) -> bytes:
        if name in where:
            tar, member = where[name]
            handle = tar.extractfile(member)
            if handle is not None:
                return handle.read()
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"The photograph {name} is missing from {folder}.") from error

    return opener
