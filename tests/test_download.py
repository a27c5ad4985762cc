"""Downloads against a real server on this machine: whole, broken, resumed, wrong, concurrent."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from posekit.download import checksum_file, download, sha256_of
from posekit.errors import DownloadError
from tests.file_server import FileServer, serving

CONTENT = np.random.default_rng(0).bytes(700_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as state:
        yield state


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights.pth"


def fetch(server: FileServer, target: Path, **options: object) -> Path:
    return download(server.url, target, progress=False, **options)  # type: ignore[arg-type]


def leftovers(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir() if path.suffix != ".lock"}


def test_a_download_is_whole_and_its_checksum_lies_beside_it(
    server: FileServer, target: Path
) -> None:
    assert fetch(server, target, sha256=SHA256.upper()) == target
    assert target.read_bytes() == CONTENT
    assert checksum_file(target).read_text() == f"{SHA256}  weights.pth\n"
    assert leftovers(target) == {"weights.pth", "weights.pth.sha256"}
    assert sha256_of(target) == SHA256


def test_it_goes_on_by_itself_where_the_connection_broke(server: FileServer, target: Path) -> None:
    server.cuts = [300_000, 100_000]
    fetch(server, target, sha256=SHA256)
    assert target.read_bytes() == CONTENT
    assert [asked for asked, _ in server.asked] == [None, "bytes=300000-", "bytes=400000-"]
    assert server.asked[1][1] == '"v1"'  # If-Range: only if it is still the same file


def test_a_download_that_keeps_breaking_is_kept_for_the_next_time(
    server: FileServer, target: Path
) -> None:
    server.cuts = [200_000, 100_000, 50_000]
    with pytest.raises(DownloadError, match=r"broke off after 0\.3 MiB; run it again"):
        fetch(server, target)
    assert not target.exists()
    assert target.with_name("weights.pth.part").stat().st_size == 350_000
    fetch(server, target, sha256=SHA256)
    assert server.asked[-1][0] == "bytes=350000-"
    assert target.read_bytes() == CONTENT


def test_resume_off_starts_over(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("weights.pth.part").write_bytes(b"old")
    fetch(server, target, resume=False)
    assert server.asked == [(None, None)]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["new version", "no ranges"])
def test_a_part_that_cannot_be_continued_is_replaced(
    server: FileServer, target: Path, change: str
) -> None:
    server.cuts = [200_000, 0, 0]
    with pytest.raises(DownloadError):
        fetch(server, target)
    if change == "new version":
        server.content, server.etag = CONTENT[::-1], '"v2"'
    else:
        server.ranges = False
    fetch(server, target)
    assert target.read_bytes() == server.content


def test_a_part_longer_than_the_file_is_replaced(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("weights.pth.part").write_bytes(CONTENT + b"more")
    fetch(server, target, sha256=SHA256)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(server: FileServer, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"is not weights\.pth .* it was deleted"):
        fetch(server, target, sha256="0" * 64)
    assert leftovers(target) == set()


def test_a_file_that_exists_survives_a_failed_download(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"the good one")
    with pytest.raises(DownloadError):
        fetch(server, target, sha256="0" * 64)
    assert target.read_bytes() == b"the good one"


def test_an_answer_shorter_than_promised_is_not_taken_for_the_file(
    server: FileServer, target: Path
) -> None:
    server.lie, server.ranges = len(CONTENT) + 10, False
    server.cuts = [len(CONTENT)] * 3
    with pytest.raises(DownloadError, match="broke off"):
        fetch(server, target)
    assert not target.exists()


def test_too_large_a_file_is_refused_before_it_is_fetched(server: FileServer, target: Path) -> None:
    with pytest.raises(DownloadError, match="larger than 0 MiB"):
        fetch(server, target, max_bytes=100_000)
    assert leftovers(target) == set()


def test_a_missing_file_is_said_to_be_missing(server: FileServer, target: Path) -> None:
    address = server.url.replace("weights.pth", "missing")
    with pytest.raises(DownloadError, match=r"weights\.pth is no longer at http.*missing\."):
        download(address, target, progress=False)
    assert leftovers(target) == set()


def test_a_server_in_trouble_is_named_with_its_status(server: FileServer, target: Path) -> None:
    server.status = 503
    with pytest.raises(DownloadError, match="HTTP 503 Service Unavailable"):
        fetch(server, target)


def test_no_network_is_said_so(target: Path) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached"):
            download(address, target, progress=False)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "weights.pth"])
def test_only_the_web_is_downloaded_from(url: str, target: Path) -> None:
    with pytest.raises(DownloadError, match="not a web address"):
        download(url, target)


def test_two_downloads_of_one_file_do_not_mix(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    with (
        FileLock(f"{target}.lock"),
        pytest.raises(DownloadError, match="downloaded by another PoseKit"),
    ):
        fetch(server, target)
    assert server.asked == []


def test_a_folder_that_cannot_be_made_is_a_sentence(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "weights.pth")


def test_progress_shows_the_name_and_the_resumed_size(
    server: FileServer, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(server.url, target, progress=True)
    assert "weights.pth: 100%" in capsys.readouterr().err
