"""Composites and scenes kept on disk, so that a run that goes on tomorrow need not make them again.

Making one takes tens of milliseconds, reading one back a millisecond. They are written in pieces of
a few hundred, each by itself, so that an interrupted run keeps what it has. Pictures are
JPEG-compressed; since they are always read from the file, the first run learns from the same
pixels as every later one.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from posekit.data.composites import composites
from posekit.data.crowd import CORNERS, CrowdPhoto, Somebody, of_scene
from posekit.data.cutouts import Background, Cutout
from posekit.files import replaced
from posekit.skeleton import Skeleton
from posekit.weights import cache_dir

__all__ = ["kept_composites", "kept_photos"]

VERSION = 2
"""Raised whenever composites or rendered scenes would come out differently."""
PIECE = 250
_QUALITY = 95


def kept_composites(
    people: Sequence[Cutout],
    backgrounds: Sequence[Background],
    skeleton: Skeleton,
    count: int,
    seed: int,
    *,
    side: int,
    most_people: int,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Iterator[CrowdPhoto]:
    """Square composites of randomly chosen people, from the cache where it has them.

    Args:
        people: to choose from.
        backgrounds: to choose from.
        skeleton: the model's keypoints.
        count: how many.
        seed: of all choices.
        side: of the pictures, in pixels.
        most_people: how many are pasted at most.
        folder: of the cache; PoseKit's own by default.
        progress: show a progress bar.

    Raises:
        DataError: there are no people or no backgrounds.
    """

    def make(number: int) -> Iterator[CrowdPhoto]:
        made = composites(
            people,
            backgrounds,
            PIECE,
            seed + 7_919 * number,
            size=(side, side),
            most_people=most_people,
        )
        return (of_scene(each, skeleton) for each in made)

    key = _key(people, backgrounds, skeleton, seed, side, most_people)
    return kept_photos("composites", key, count, make, folder=folder, progress=progress)


def kept_photos(
    kind: str,
    key: str,
    count: int,
    make: Callable[[int], Iterable[CrowdPhoto]],
    *,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Iterator[CrowdPhoto]:
    """Photos from the cache, those that are not there made first.

    Args:
        kind: what they are, for whoever waits; also the folder's name.
        key: changes with everything they depend on.
        count: how many.
        make: makes piece number n, PIECE photos.
        folder: of the cache; PoseKit's own by default.
        progress: show a progress bar.
    """
    place = Path(folder) if folder else cache_dir() / kind
    pieces = tqdm(range(0, count, PIECE), kind, disable=not progress, unit="piece")
    for number, start in enumerate(pieces):
        path = place / f"{key}-{VERSION}-{number}.npz"
        photos = _read(path)
        if photos is None:
            _write(path, list(make(number)))
            photos = _read(path)
        if photos is not None:
            yield from photos[: count - start]


def _key(
    people: Sequence[Cutout],
    backgrounds: Sequence[Background],
    skeleton: Skeleton,
    seed: int,
    side: int,
    most_people: int,
) -> str:
    """A name for the file that changes with everything that a composite depends on."""
    digest = hashlib.sha1()
    digest.update(repr((skeleton.name, seed, side, most_people, PIECE)).encode())
    for person in people:
        digest.update(person.name.encode() + np.packbits(person.mask).tobytes())
        digest.update(np.nan_to_num(person.points).tobytes() + person.hidden.tobytes())
    for each in backgrounds:
        digest.update(each.name.encode() + each.colour.tobytes() + repr(each.pixels.shape).encode())
        for left in each.leftovers:
            digest.update(np.packbits(left.mask).tobytes() + bytes([left.believed]))
    return digest.hexdigest()[:20]


def _write(path: Path, photos: Sequence[CrowdPhoto]) -> None:
    """In one step, so that a kill leaves no half file."""
    packed = [_packed(photo.pixels) for photo in photos]
    owners = [_packed_owners(photo) for photo in photos]
    everybody = [who for photo in photos for who in photo.people]
    count = everybody[0].visibility.shape[0]
    with replaced(path) as part, part.open("wb") as file:
        np.savez(
            file,
            pictures=np.concatenate(packed),
            lengths=np.array([len(picture) for picture in packed]),
            crowds=np.array([len(photo.people) for photo in photos]),
            outlines=_stacked([who.outline for who in everybody], CORNERS),
            keypoints=_stacked([who.keypoints for who in everybody], count),
            visibility=np.array([who.visibility for who in everybody], np.int8),
            ignore=np.array([who.ignore for who in everybody]),
            complete=np.array([photo.complete for photo in photos]),
            owners=np.concatenate(owners),
            owner_lengths=np.array([len(picture) for picture in owners]),
        )


def _read(path: Path) -> list[CrowdPhoto] | None:
    """The photos of a piece; None where there is none, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            n = dict(file)
        pictures = np.split(n["pictures"], np.cumsum(n["lengths"])[:-1])
        owners = np.split(n["owners"], np.cumsum(n["owner_lengths"])[:-1])
        everybody = [
            Somebody(outline.astype(float), points.astype(float), visibility, bool(ignore))
            for outline, points, visibility, ignore in zip(
                n["outlines"], n["keypoints"], n["visibility"], n["ignore"], strict=True
            )
        ]
        ends = np.cumsum(n["crowds"])
        return [
            CrowdPhoto(
                _unpacked(picture),
                tuple(everybody[end - crowd : end]),
                bool(complete),
                _unpacked_owners(owned),
            )
            for picture, crowd, end, complete, owned in zip(
                pictures, n["crowds"], ends, n["complete"], owners, strict=True
            )
        ]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, cv2.error):
        return None


def _stacked(arrays: Sequence[npt.NDArray[np.float64]], rows: int) -> npt.NDArray[np.float32]:
    return np.array(arrays, np.float32).reshape(-1, rows, 2)


def _packed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    how = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), how)
    return np.asarray(data, np.uint8).ravel()


def _packed_owners(photo: CrowdPhoto) -> npt.NDArray[np.uint8]:
    """Without loss; nothing where nothing is known."""
    if photo.owners is None:
        return np.zeros(0, np.uint8)
    _, data = cv2.imencode(".png", photo.owners)
    return np.asarray(data, np.uint8).ravel()


def _unpacked_owners(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    if not len(data):
        return None
    owners = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if owners is None:
        raise ValueError("A picture is damaged.")
    return np.asarray(owners, np.uint8)


def _unpacked(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("A picture is damaged.")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
