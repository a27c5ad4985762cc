"""Weights files: where they lie on this machine, and making sure that they are there and whole.

What is inside them is the business of :mod:`posekit.checkpoint`, whose functions are offered here
as well.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from posekit.checkpoint import load_into, read_metadata, read_state_dict, save_safetensors
from posekit.download import checksum_file, download, sha256_of
from posekit.errors import WeightsError

__all__ = [
    "RANDOM",
    "WeightsFile",
    "cache_dir",
    "checkpoint_dir",
    "fetch",
    "load_into",
    "read_metadata",
    "read_state_dict",
    "save_safetensors",
    "user_file",
    "verify",
]


@dataclass(frozen=True)
class WeightsFile:
    """Where a model's weights come from.

    Attributes:
        kind: ``"shipped"`` with PoseKit, ``"official"`` (the authors', by URL), ``"file"`` (the
            user's own), ``"random"`` (none: untrained).
        path: a file name inside :func:`checkpoint_dir` (shipped) or :func:`cache_dir` (official),
            or the path of the user's file.
        url: where official weights are fetched from.
        sha256: checksum, where one is known.
        note: one phrase about them.
        trained_on: the data they were trained on, where no card beside the file says it.
    """

    kind: Literal["shipped", "official", "file", "random"]
    path: str | None = None
    url: str | None = None
    sha256: str | None = None
    note: str = ""
    trained_on: str = ""

    @property
    def local(self) -> Path | None:
        """Where the file lies, or will lie, on this machine; None for random weights."""
        if self.path is None:
            return None
        folders = {"shipped": checkpoint_dir, "official": cache_dir}
        return folders[self.kind]() / self.path if self.kind in folders else Path(self.path)

    @property
    def file_name(self) -> str:
        """The file's name without its folder, which is nobody's business; empty without a file."""
        return Path(self.path or "").name

    @property
    def checked(self) -> bool:
        """Whether the file, where it is here, is known to be what it is called.

        Anybody can put a file where the authors' would lie: theirs has the checksum beside it that
        its download left, which reading it compares.
        """
        local = self.local
        if self.kind != "official" or self.sha256 is not None or local is None:
            return True
        return not local.is_file() or checksum_file(local).is_file()

    @property
    def present(self) -> bool:
        """Whether it can be read without fetching anything."""
        return self.local is not None and self.local.is_file()


RANDOM = WeightsFile(kind="random", note="random weights: this model has not been trained")


def checkpoint_dir() -> Path:
    """Folder of the weights that ship with PoseKit; ``POSEKIT_CHECKPOINTS`` names another."""
    if chosen := os.environ.get("POSEKIT_CHECKPOINTS"):
        return Path(chosen)
    package = Path(__file__).resolve().parent
    working_tree = package.parent / "checkpoints"
    # Installed from a wheel, the checkpoints are data of the package.
    return working_tree if working_tree.is_dir() else package / "checkpoints"


def cache_dir() -> Path:
    """Folder that downloads go to; ``POSEKIT_CACHE`` names another."""
    if chosen := os.environ.get("POSEKIT_CACHE"):
        return Path(chosen)
    return user_cache_path("posekit", appauthor=False)


def user_file(path: str | Path) -> WeightsFile:
    """A weights file of the user's own.

    Raises:
        WeightsError: it does not exist.
    """
    found = Path(path).expanduser()
    if not found.is_file():
        raise WeightsError(
            f"There is no weights file {str(path)!r}; give the path of a .safetensors or .pth "
            "file, or one of auto, shipped, official, random."
        )
    return WeightsFile(kind="file", path=str(found), note=f"the file {found.name}")


def fetch(file: WeightsFile, *, progress: bool = True) -> Path:
    """Make sure a weights file is on this machine and whole.

    No checksums are published for the official files, so the checksum of the first download is
    kept beside the file, and whatever lies there later has to match it.

    Raises:
        WeightsError: it is missing and cannot be fetched, or has changed since it was stored.
        DownloadError: the download failed.
    """
    path = file.local
    if path is None:
        raise WeightsError("Random weights have no file.")
    if not path.is_file():
        if file.url is None:
            raise WeightsError(
                f"The weights file {path.name} is not there; it should be in {path.parent}."
            )
        return download(file.url, path, sha256=file.sha256, progress=progress)
    if file.sha256 or checksum_file(path).is_file():
        verify(path, file.sha256)
    return path


def verify(path: Path, sha256: str | None = None) -> str:
    """Check a file against a checksum, or against the one stored beside it.

    Returns:
        Its SHA-256 as hexadecimal digits.

    Raises:
        WeightsError: the file is missing or is not what it was.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weights file {str(path)!r}.")
    stored = checksum_file(path)
    expected = sha256
    if expected is None and stored.is_file():
        expected = (stored.read_text("utf-8").split() or [""])[0]
    found = sha256_of(path)
    if expected is not None and found != expected.lower():
        raise WeightsError(
            f"The weights file {path.name} is not what it should be (SHA-256 {found[:12]}…, "
            f"expected {expected[:12]}…); delete it and download it again."
        )
    return found
