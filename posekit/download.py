"""Fetching a large file over HTTP: resumed when it breaks, checked, stored whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from filelock import FileLock, Timeout
from tqdm import tqdm

from posekit.errors import DownloadError

__all__ = ["checksum_file", "download", "sha256_of"]

MAX_BYTES = 2 * 2**30
ATTEMPTS = 3
TIMEOUT = httpx.Timeout(30.0)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_file(path: Path) -> Path:
    """The file beside ``path`` that holds its checksum, in the format of ``sha256sum``."""
    return path.with_name(path.name + ".sha256")


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    progress: bool = True,
    resume: bool = True,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Fetch ``url`` into ``target``.

    What has arrived is kept in ``<target>.part`` until it is complete, so that the next try goes on
    where this one broke off. Only a complete and checked file gets the name ``target``; its
    checksum is written beside it.

    Args:
        url: http or https.
        target: a file; its folder is made.
        sha256: what the file has to have, where it is known.
        progress: show a bar on standard error.
        resume: go on with a ``.part`` file of an earlier try.
        max_bytes: give up on anything larger.

    Returns:
        ``target``.

    Raises:
        DownloadError: no such file there, no network, broken off for good, too large, or not the
            expected content (which is then deleted).
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url!r} is not a web address; it has to begin with https://.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=0):
            _fetch(url, target, progress=progress, resume=resume, max_bytes=max_bytes)
            return _settle(target, url, sha256)
    except Timeout:
        raise DownloadError(
            f"{target.name} is being downloaded by another PoseKit; wait for that one to finish."
        ) from None
    except OSError as error:
        raise DownloadError(f"{str(target)!r} cannot be written: {error.strerror}.") from error


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _tag(target: Path) -> Path:
    """Holds the server's tag of the version that the ``.part`` file is a part of."""
    return target.with_name(target.name + ".part.etag")


def _discard(target: Path) -> None:
    _part(target).unlink(missing_ok=True)
    _tag(target).unlink(missing_ok=True)


def _fetch(url: str, target: Path, *, progress: bool, resume: bool, max_bytes: int) -> None:
    """Fill the ``.part`` file completely, going on after a break a few times."""
    if not resume:
        _discard(target)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _stream(url, target, progress=progress, max_bytes=max_bytes)
            return
        except httpx.TransportError as error:
            if attempt < ATTEMPTS and not isinstance(error, httpx.ConnectError):
                continue
            part = _part(target)
            arrived = part.stat().st_size if part.exists() else 0
            if arrived:
                raise DownloadError(
                    f"The download of {target.name} broke off after {arrived / 2**20:.1f} MiB; "
                    "run it again and it goes on from there."
                ) from error
            raise DownloadError(
                f"{httpx.URL(url).host} cannot be reached to download {target.name}; "
                "check the network connection and try again."
            ) from error


def _stream(url: str, target: Path, *, progress: bool, max_bytes: int) -> None:
    """One request: append what is missing to the ``.part`` file."""
    part, tag = _part(target), _tag(target)
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # byte ranges count the file as it is stored
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():  # a file that changed meanwhile is sent from its start
            headers["If-Range"] = tag.read_text("utf-8")
    with (
        httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code == 416:  # nothing follows the part: it is not of this file
            _discard(target)
            raise httpx.ReadError("the stored part does not fit the file")
        _check_status(response, url, target)
        if response.status_code != 206:
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _discard(target)
            raise DownloadError(f"{httpx.URL(url).host} answered with another part than asked for.")
        expected = _expected_size(response, have)
        _check_size(max(expected or 0, have), target, max_bytes)
        _keep_tag(response, tag)
        with (
            part.open("ab" if have else "wb") as file,
            _bar(target, have, expected, progress) as bar,
        ):
            # As it arrives: what is still being gathered into larger chunks is lost in a break.
            for chunk in response.iter_raw():
                _check_size(file.tell() + len(chunk), target, max_bytes)
                file.write(chunk)
                bar.update(len(chunk))
            arrived = file.tell()
    if expected is not None and arrived != expected:
        raise httpx.ReadError(f"{arrived} of {expected} bytes arrived")


def _check_status(response: httpx.Response, url: str, target: Path) -> None:
    if response.status_code in (404, 410):
        raise DownloadError(f"{target.name} is no longer at {url}.")
    if not response.is_success:
        raise DownloadError(
            f"{response.url.host} refused to send {target.name} "
            f"(HTTP {response.status_code} {response.reason_phrase}); try again later."
        )
    if url.startswith("https://") and response.url.scheme != "https":
        raise DownloadError(f"{target.name} was refused: {url} led to an unencrypted address.")


def _expected_size(response: httpx.Response, have: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else None


def _check_size(size: int, target: Path, max_bytes: int) -> None:
    if size > max_bytes:
        _discard(target)
        raise DownloadError(
            f"{target.name} is larger than {max_bytes / 2**20:.0f} MiB, which no weights file of "
            "PoseKit should be; it was not kept."
        )


def _keep_tag(response: httpx.Response, tag: Path) -> None:
    """Remember which version this is; a weak tag cannot promise equal bytes."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        tag.write_text(etag, "utf-8")
    else:
        tag.unlink(missing_ok=True)


@contextmanager
def _bar(target: Path, have: int, total: int | None, progress: bool) -> Iterator[tqdm]:
    with tqdm(
        desc=target.name,
        initial=have,
        total=total,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=not progress,
    ) as bar:
        yield bar


def _settle(target: Path, url: str, sha256: str | None) -> Path:
    """Check the complete ``.part`` file and give it its name."""
    part = _part(target)
    found = sha256_of(part)
    if sha256 is not None and found != sha256.lower():
        _discard(target)
        raise DownloadError(
            f"What came from {url} is not {target.name} (SHA-256 {found[:12]}…, expected "
            f"{sha256[:12]}…); it was deleted."
        )
    checksum_file(target).write_text(f"{found}  {target.name}\n", "utf-8")
    part.replace(target)
    _tag(target).unlink(missing_ok=True)
    return target
