"""Carrying a data set to another machine in pieces of a bounded size.

A machine lent for training may take only so many megabytes at a time. A piece is a tar file of
photographs beside the labels; the readers find photographs in any ``images*.tar`` of a folder, so
unpacking is putting the pieces into one folder.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from posekit.data.store import PhotoStore
from posekit.errors import DataError

LABELS = "joints.npz"


def pack(folder: str | Path, out: str | Path, megabytes: float = 60.0) -> list[Path]:
    """Write an LSP-style data set as ``joints.npz`` and ``images-000.tar``, ``images-001.tar``, ...

    Args:
        folder: the data set, see :mod:`posekit.data.lsp`.
        out: an empty or new folder.
        megabytes: the most a piece may take, in MiB.

    Returns:
        The pieces, labels first, each at most that large.

    Raises:
        DataError: the data set cannot be read, ``out`` holds pieces already, or one photograph
            alone is larger than a piece.
    """
    folder, out = Path(folder), Path(out)
    limit = int(megabytes * 2**20)
    try:
        labels = (folder / LABELS).read_bytes()
        with np.load(folder / LABELS) as npz:
            names = [str(name) for name in npz["image"]]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{folder} holds no {LABELS} with the array image.") from error
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob("images*.tar")):
        raise DataError(f"{out} holds images*.tar already; choose an empty folder.")
    store = PhotoStore(folder, *sorted(folder.glob("images*.tar")))
    pieces = [out / LABELS]
    pieces[0].write_bytes(labels)
    piece: tarfile.TarFile | None = None
    try:
        for name in names:
            data = store.read(name)
            # A member takes a header and its data in whole blocks; the end of a tar takes a record.
            needed = 512 + -(-len(data) // 512) * 512
            if needed + tarfile.RECORDSIZE > limit:
                raise DataError(f"{name} alone is larger than {megabytes:g} MiB.")
            if piece is None or piece.offset + needed + tarfile.RECORDSIZE > limit:
                if piece is not None:
                    piece.close()
                pieces.append(out / f"images-{len(pieces) - 1:03d}.tar")
                piece = tarfile.open(pieces[-1], "w")  # noqa: SIM115 - closed above or below
            _add(piece, name, data)
    finally:
        if piece is not None:
            piece.close()
    return pieces


def _add(piece: tarfile.TarFile, name: str, data: bytes) -> None:
    from io import BytesIO

    member = tarfile.TarInfo(name)
    member.size = len(data)
    piece.addfile(member, BytesIO(data))
