"""A served page and a Chromium to look at it with."""

from __future__ import annotations

import io
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.visitor import Visitor

ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",  # a camera that films a test card
    "--use-fake-ui-for-media-stream",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A running Chromium: the system's, else the one Playwright installed."""
    from playwright.sync_api import Error, sync_playwright

    paths = [*filter(None, map(shutil.which, NAMES)), None]  # None: Playwright's own
    with sync_playwright() as playwright:
        for path in paths:
            try:
                browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
            except Error:
                continue  # a stub that only points to a shop, say
            yield browser
            browser.close()
            return
    pytest.skip("No Chromium was found; `make chromium` installs one.")


@pytest.fixture(scope="session")
def explorer() -> object:
    from app.explore import Explorer

    return Explorer(device="cpu")


@pytest.fixture(scope="session")
def address(explorer: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is served, with a temporary folder of its own."""
    from app.server import serve

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        page = serve(port=port, block=False, explorer=explorer)  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port}/"
        page.close()


@pytest.fixture
def visit(window: Callable[..., Any], address: str) -> Callable[..., Visitor]:
    """Opens the page as a new visitor, in a browser profile of its own."""

    def open_page(width: int = 1440, height: int = 900, **options: Any) -> Visitor:
        return Visitor(window(width, height, **options), address)

    return open_page


@pytest.fixture(scope="session")
def portrait() -> Image.Image:
    """Grace Hopper, United States Navy, public domain: in matplotlib's sample data."""
    import matplotlib.cbook

    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return Image.open(path).convert("RGB")


@pytest.fixture(scope="session")
def quarters() -> Image.Image:
    """A 320 x 240 picture of four colours: no turn or mirror image of it looks the same."""
    pixels = np.zeros((240, 320, 3), dtype=np.uint8)
    pixels[:120, :160] = (200, 40, 40)
    pixels[:120, 160:] = (40, 180, 60)
    pixels[120:, :160] = (50, 70, 210)
    pixels[120:, 160:] = (230, 200, 60)
    return Image.fromarray(pixels)


def jpeg(image: Image.Image, orientation: int | None = None) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image.save(buffer, format="JPEG", quality=95, subsampling=0, exif=exif)
    return buffer.getvalue()


@pytest.fixture
def window(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an empty page in a window of its own, which is closed after the test."""
    contexts = []

    def open_window(width: int = 1440, height: int = 900, **options: Any) -> Any:
        viewport = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, accept_downloads=True, **options)
        contexts.append(context)
        return context.new_page()

    yield open_window
    for context in contexts:
        context.close()
