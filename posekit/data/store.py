"""Photographs by name, loose in folders or inside tar archives that are read in place."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from posekit.errors import DataError

__all__ = ["PhotoStore"]


@dataclass(frozen=True)
class _Member:
    """Where a file lies inside an archive; opened anew for every read, so threads may share it."""

    archive: Path
    offset: int
    size: int


class PhotoStore:
    """Finds photographs by the name a data set knows them by.

    Args:
        places: folders and uncompressed ``.tar`` archives; what does not exist is passed over.

    Raises:
        DataError: an archive is damaged or compressed.
    """

    def __init__(self, *places: Path) -> None:
        self._members: dict[str, _Member] = {}
        self._flat: dict[str, _Member] = {}
        self._folders = [place.resolve() for place in places if place.is_dir()]
        for archive in (place for place in places if place.is_file()):
            for name, member in _members(archive):
                self._members.setdefault(name, member)
                self._flat.setdefault(PurePosixPath(name).name, member)

    @classmethod
    def beside(cls, annotations: Path) -> PhotoStore:
        """The photographs of an annotation file by convention, see ``docs/data.md``.

        ``set.json`` has them in ``set.tar``, in the folder ``set`` or ``images``, in
        ``images*.tar`` or loose beside it; ``annotations/person_keypoints_val2017.json`` has them
        in ``val2017`` or ``images/val2017`` next to ``annotations``.
        """
        folder, stem = annotations.parent, annotations.stem
        roots = [folder]
        if folder.resolve().name == "annotations":
            roots.append(folder.resolve().parent)
        places = [annotations.with_suffix(".tar"), folder / stem]
        last = stem.split("_")[-1]
        for root in roots:
            places += [root, root / last, root / "images", root / "images" / last]
            places += sorted(root.glob("images*.tar"))
        return cls(*places)

    @classmethod
    def at(cls, place: Path) -> PhotoStore:
        """The photographs of one archive, or of a folder and the archives in it.

        Raises:
            DataError: there is no such file or folder.
        """
        if not place.exists():
            raise DataError(f"There is no folder or archive of photographs at {place}.")
        return cls(place, *(sorted(place.glob("*.tar")) if place.is_dir() else ()))

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def read(self, name: str) -> bytes:
        """The file's bytes.

        Raises:
            DataError: it is missing or cannot be read.
        """
        found = self._find(name)
        if found is None:
            raise DataError(f"The photograph {name} is missing.")
        try:
            if isinstance(found, Path):
                return found.read_bytes()
            with found.archive.open("rb") as file:
                file.seek(found.offset)
                return file.read(found.size)
        except OSError as error:
            raise DataError(f"The photograph {name} cannot be read: {error.strerror}.") from error

    def _find(self, name: str) -> _Member | Path | None:
        plain = _plain(name)
        if plain in self._members:
            return self._members[plain]
        # An annotation file comes from anywhere; its names must not lead out of the folder.
        if not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts:
            for folder in self._folders:
                if _is_file(folder / name):
                    return folder / name
        return self._flat.get(PurePosixPath(plain).name)


def _members(archive: Path) -> list[tuple[str, _Member]]:
    try:
        with tarfile.open(archive, "r:") as tar:
            return [
                (_plain(member.name), _Member(archive, member.offset_data, member.size))
                for member in tar
                if member.isreg()
            ]
    except (tarfile.TarError, OSError) as error:
        raise DataError(
            f"{archive.name} cannot be read in place: it must be a whole, uncompressed tar archive."
        ) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a character no file has
        return False


def _plain(name: str) -> str:
    return name.removeprefix("./")
