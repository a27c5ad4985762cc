"""A served page for the tests of each file."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from app.blocks import Page
from app.examples import FOLDER
from app.explore import Explorer
from app.server import serve
from posekit.estimator import Estimator
from posekit.photo import read_photo
from posekit.zoo import load
from tests.api.calls import HAS_MCP, MODEL, left


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page as it is served, with MCP tools where they can be had."""
    with pytest.MonkeyPatch.context() as patch, socket.socket() as free:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        served = serve(port=port, block=False, explorer=Explorer(device="cpu"), mcp=HAS_MCP)
        yield served
        served.close()


@pytest.fixture(scope="module")
def address(page: Page) -> str:
    return str(page.local_url).rstrip("/")


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("fetched")))


@pytest.fixture(scope="module")
def person() -> Path:
    """A photo of several people, one of whom fills a box."""
    return FOLDER / "crowd.jpg"


@pytest.fixture(scope="module")
def prediction(person: Path) -> Any:
    return Estimator(load(MODEL, device="cpu")).predict(read_photo(person))


@pytest.fixture
def empty(page: Page) -> Iterator[None]:
    """Nothing of anybody is on the server, before and after."""
    assert left(page) == []
    yield
    deadline = time.monotonic() + 10
    while left(page) and time.monotonic() < deadline:
        time.sleep(0.05)  # a picture goes after the last byte of it was sent
    assert left(page) == []
