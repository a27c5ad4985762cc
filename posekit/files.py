"""How a file is written: whole, under exactly the name that was asked for, or not at all.

What a person asked for is made in memory first and then handed over, so that what goes wrong while
it is made leaves the file that was there before as it was. What PoseKit keeps for itself, and may
be killed over, takes its place in one step (:func:`replaced`).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from posekit import __version__
from posekit.errors import PoseKitError

__all__ = [
    "FileTarget",
    "replaced",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_npz",
    "write_png",
    "write_text",
    "writing",
]

FileTarget: TypeAlias = str | Path | BinaryIO
"""A path, whose folder exists, or an open binary file."""


def write_bytes(data: bytes, target: FileTarget) -> None:
    """Write a whole file; one that exists is replaced.

    Raises:
        OSError: the operating system refuses; see :func:`writing`.
    """
    if isinstance(target, str | Path):
        Path(target).write_bytes(data)
    else:
        target.write(data)


def write_text(text: str, target: FileTarget) -> None:
    """Write text as UTF-8, its lines ending as they do; errors as :func:`write_bytes`."""
    write_bytes(text.encode("utf-8"), target)


def write_json(values: Any, target: FileTarget, *, indent: int | None = 2) -> None:
    """Write plain values as JSON in UTF-8; without an indent, on one line.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
        OSError: see :func:`write_bytes`.
    """
    text = json.dumps(values, indent=indent, allow_nan=False, ensure_ascii=False)
    write_text(f"{text}\n", target)


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]], target: FileTarget) -> None:
    """Write a table as RFC 4180 has it, in UTF-8; None is an empty cell.

    Raises:
        OSError: see :func:`write_bytes`.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    write_text(text.getvalue(), target)


def write_npz(arrays: Mapping[str, npt.ArrayLike], target: FileTarget) -> None:
    """Write arrays, compressed; given a path, NumPy itself would add a suffix nobody asked for.

    Raises:
        OSError: see :func:`write_bytes`.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(buffer.getvalue(), target)


def write_png(
    pixels: npt.NDArray[np.uint8], target: FileTarget, texts: Mapping[str, str] | None = None
) -> None:
    """Write (H, W, 3) pixels with texts by keyword, and what wrote them.

    Raises:
        OSError: see :func:`write_bytes`.
    """
    info = PngInfo()
    for keyword, text in {"Software": f"PoseKit {__version__}", **(texts or {})}.items():
        # A tEXt chunk is Latin-1, which many programs show wrongly; an iTXt one is UTF-8.
        (info.add_text if text.isascii() else info.add_itxt)(keyword, text)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=info)
    write_bytes(buffer.getvalue(), target)


@contextmanager
def writing(path: Path, error: type[PoseKitError] = PoseKitError) -> Iterator[None]:
    """While a file is written: that it cannot be is one sentence.

    Args:
        path: what is written, for the sentence.
        error: what the sentence is raised as.

    Raises:
        PoseKitError: the operating system refuses.
    """
    try:
        yield
    except OSError as refused:
        raise error(f"{str(path)!r} cannot be written: {refused.strerror}.") from refused


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write under, whose file takes its place once it is whole.

    The folder is made. What fails, or is killed, leaves the file that was there before; several
    processes may write at once.

    Raises:
        OSError: the operating system refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
