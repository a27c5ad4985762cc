"""Pseudo-masks kept on disk: one file for each data set, so that nobody waits for them twice."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from posekit.data.labelled import LabelledPerson
from posekit.data.pseudo_masks import VERSION, PseudoMask, Quality, pseudo_mask
from posekit.errors import DataError
from posekit.files import replaced
from posekit.geometry import Affine, Crop
from posekit.weights import cache_dir

__all__ = ["MaskCache", "pseudo_masks"]

_NUMBERS = 16  # crop size, photo size, 2 x 3 affine, six qualities


class MaskCache:
    """The pseudo-masks of one data set in one compressed file.

    Masks are found again by the photograph's file name, its size and the labels; a file of another
    version, or a damaged one, counts as empty and is written anew.

    Args:
        dataset: a name for the file: letters, digits, "-", "_" and ".".
        folder: where it lies; PoseKit's cache folder by default.
        version: of the masks; another one only serves tests.

    Raises:
        DataError: the name cannot be a file's name.
    """

    def __init__(
        self, dataset: str, folder: str | Path | None = None, version: int = VERSION
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", dataset):
            raise DataError(
                f"{dataset!r} cannot name a file of masks; use letters, digits, - and _."
            )
        self.path = (Path(folder) if folder else cache_dir() / "masks") / f"{dataset}.npz"
        self.version = version
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}
        self._bits: dict[str, bytes] = {}
        self._changed = False
        self._read()

    def __len__(self) -> int:
        return len(self._numbers)

    def get(self, person: LabelledPerson) -> PseudoMask | None:
        """The stored mask of a person, None where there is none."""
        key = _key(person)
        if key not in self._numbers:
            return None
        numbers = self._numbers[key]
        rows, cols, photo_rows, photo_cols = (int(v) for v in numbers[:4])
        crop = Crop((rows, cols), Affine(numbers[4:10].reshape(2, 3)), (photo_rows, photo_cols))
        bits = np.unpackbits(np.frombuffer(self._bits[key], np.uint8), count=2 * rows * cols)
        mask, limit = bits.astype(bool).reshape(2, rows, cols)
        return PseudoMask(crop, mask, limit, Quality(*(float(v) for v in numbers[10:])))

    def put(self, person: LabelledPerson, mask: PseudoMask) -> None:
        """Keep a mask; :meth:`save` writes it."""
        key, crop, q = _key(person), mask.crop, mask.quality
        self._numbers[key] = np.array(
            [*crop.size, *crop.photo_size, *crop.to_crop.matrix.ravel(),
             q.limbs, q.area, q.inside, q.edges, q.whole, q.known]
        )  # fmt: skip
        self._bits[key] = np.packbits(np.stack([mask.mask, mask.limit])).tobytes()
        self._changed = True

    def save(self) -> None:
        """Write what is new; the file is replaced in one step, so a kill leaves a whole one."""
        if not self._changed:
            return
        keys = list(self._numbers)
        with replaced(self.path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                version=self.version,
                keys=np.array(keys, dtype=np.str_),
                numbers=np.array([self._numbers[key] for key in keys]),
                lengths=np.array([len(self._bits[key]) for key in keys], dtype=np.int64),
                bits=np.frombuffer(b"".join(self._bits[key] for key in keys), np.uint8),
            )
        self._changed = False

    def _read(self) -> None:
        if not self.path.is_file():
            return
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if int(file["version"]) != self.version:
                    return
                keys, numbers = file["keys"], file["numbers"]
                ends, bits = np.cumsum(file["lengths"]), file["bits"].tobytes()
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
            return
        if numbers.shape != (len(keys), _NUMBERS) or (len(ends) and ends[-1] != len(bits)):
            return
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        for key, row, start, end in zip(keys, numbers, starts, ends, strict=True):
            self._numbers[str(key)], self._bits[str(key)] = row, bits[start:end]


def pseudo_masks(
    people: Iterable[LabelledPerson],
    dataset: str,
    *,
    folder: str | Path | None = None,
    total: int | None = None,
    progress: bool = True,
    save_every: int = 500,
) -> Iterator[tuple[LabelledPerson, PseudoMask]]:
    """Every person with a pseudo-mask, accepted or not; look at ``mask.quality.accepted``.

    Masks come from the cache where it has them. New ones are saved every ``save_every`` people
    and when the work ends or is interrupted, so that it goes on where it stopped.

    Args:
        people: who to find.
        dataset: a name for the cache file.
        folder: of the cache; PoseKit's own by default.
        total: how many people, for the time left; found out where ``people`` has a length.
        progress: show a progress bar.
        save_every: new masks between two writes.

    Raises:
        DataError: the name cannot be a file's name.
    """
    cache = MaskCache(dataset, folder)
    if total is None and isinstance(people, Sized):
        total = len(people)
    new = 0
    try:
        for person in tqdm(people, "masks", total, disable=not progress, unit="person"):
            mask = cache.get(person)
            if mask is None:
                # What somebody else hides does not look like this person.
                seen = person.labelled if person.visible is None else person.visible
                mask = pseudo_mask(person.photo, person.keypoints, seen, person.skeleton)
                cache.put(person, mask)
                new += 1
                if new % save_every == 0:
                    cache.save()
            yield person, mask
    finally:
        cache.save()


def _key(person: LabelledPerson) -> str:
    labels = np.where(person.labelled[:, None], person.keypoints, -1.0)
    sums = zlib.crc32(np.ascontiguousarray(labels, dtype=np.float64).tobytes())
    if person.visible is not None:
        sums = zlib.crc32(np.packbits(person.visible).tobytes(), sums)
    rows, cols = person.photo.size
    return f"{person.photo.name}|{cols}x{rows}|{sums:08x}"
