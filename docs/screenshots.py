"""Photographs of the page: ``python docs/screenshots.py``.

Serves the page on a free port, puts each state of :data:`STATES` on show, photographs it at three
sizes, light and dark. ``--gallery`` writes the pictures that docs/gallery.md and the README show
(:data:`GALLERY`) to docs/images, as WebP. Needs what the browser tests need.
"""

from __future__ import annotations

import argparse
import io
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

IMAGES = ROOT / "docs" / "images"
SIZES = {"desktop": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}
SCHEMES = ("light", "dark")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120_000  # milliseconds: on a busy machine the larger models take their time

GALLERY = (
    ("explore", "desktop", "light"),
    ("explore", "desktop", "dark"),
    ("explore", "phone", "light"),
    ("levels", "desktop", "light"),
    ("dependencies", "desktop", "light"),
    ("inside", "desktop", "light"),
    ("live", "desktop", "light"),
    ("compare", "desktop", "light"),
    ("compare", "tablet", "dark"),
    ("occlusion", "desktop", "light"),
    ("occlusion", "phone", "dark"),
    ("models", "desktop", "light"),
)


def asked(page: Any) -> None:
    """Wait until Explore has answered and nothing is under way."""
    page.wait_for_selector(".pk-number", timeout=PATIENCE)
    page.wait_for_selector(".pk:not(.pk-working)", timeout=PATIENCE)
    page.wait_for_load_state("networkidle", timeout=PATIENCE)


def example(page: Any, title: str) -> None:
    """Choose one of the examples."""
    page.click(f'.pk-example:has-text("{title}")')
    page.wait_for_selector(f'.pk-example[aria-pressed="true"]:has-text("{title}")')
    asked(page)


def keypoint(page: Any, name: str) -> None:
    """Ask about a keypoint of the first person."""
    page.locator(f'.pk-chips .pk-chip:has-text("{name}")').first.click()
    page.wait_for_selector(f'.pk-chip[aria-pressed="true"]:has-text("{name}")')
    asked(page)


def model(page: Any, name: str) -> None:
    """Choose a model on Explore, and wait for its answer."""
    with page.expect_response(lambda reply: "component_server" in reply.url, timeout=PATIENCE):
        page.select_option('[data-slot="model"]', name)
    asked(page)


def explore(page: Any) -> None:
    """One photo, one keypoint, every layer."""
    asked(page)
    keypoint(page, "left elbow")


def levels(page: Any) -> None:
    """BTranspose: the bottleneck's attention and the encoder's."""
    asked(page)
    model(page, "btranspose-small")
    keypoint(page, "left elbow")


def inside(page: Any) -> None:
    """A model of whole photos, and what it left besides maps."""
    asked(page)
    model(page, "instance-attention-small")
    example(page, "Passing by")
    keypoint(page, "neck")
    page.wait_for_selector('[data-slot="inside"]:visible', timeout=PATIENCE)
    matrix(page, "affinity")


def dependencies(page: Any) -> None:
    """Which keypoints look at which, in the last layer."""
    asked(page)
    keypoint(page, "left elbow")
    matrix(page, "keypoints.encoder.3")


def matrix(page: Any, name: str) -> None:
    """Open one of the matrices inside the model."""
    page.locator(f'.pk-matrix-pick[data-matrix="{name}"]').click()
    page.wait_for_selector('[data-slot="inside"] .main-svg', timeout=PATIENCE)
    page.evaluate("document.querySelector('[data-slot=inside]').scrollIntoView({block: 'start'})")


def live(page: Any) -> None:
    """The live report that Explore hands over, opened as a file."""
    asked(page)
    with page.expect_download(timeout=PATIENCE) as file:
        page.click('[data-do="live-report"]')
    page.set_content(Path(file.value.path()).read_text(encoding="utf-8"))
    page.wait_for_selector("body[data-state=ready]", timeout=PATIENCE)
    page.click('button:has-text("left elbow")')


def compare(page: Any) -> None:
    """Two trained models and one question."""
    page.wait_for_function(
        "() => document.querySelectorAll('.pk-panel[data-state=ready]').length === 2"
        " && document.querySelector('.pk-rank')",
        timeout=PATIENCE,
    )


def occlusion(page: Any) -> None:
    """Somebody steps in front of somebody: before and after."""
    page.wait_for_selector('[data-slot="oc-after-facts"] dd', timeout=PATIENCE)
    page.wait_for_selector(
        ".pk:not(.pk-oc-again):not(.pk-oc-opening)", timeout=PATIENCE, state="attached"
    )
    page.wait_for_load_state("networkidle", timeout=PATIENCE)  # the cases' small pictures


def models(page: Any) -> None:
    """The cards of all models."""
    page.wait_for_selector(".pk-zoo-card", timeout=PATIENCE)


STATES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "explore": ("", explore),
    "levels": ("", levels),
    "dependencies": ("", dependencies),
    "inside": ("", inside),
    "live": ("", live),
    "compare": (
        "#compare?models=transpose-r-small,btranspose-small&keypoint=left+elbow",
        compare,
    ),
    "occlusion": ("#occlusion", occlusion),
    "models": ("#models", models),
}
"""The fragment of the address, and what to do and wait for there."""


def main() -> None:
    """Serve, look, write."""
    parser = argparse.ArgumentParser(description="Photograph the page.")
    parser.add_argument("--out", type=Path, default=IMAGES.parent / "shots", help="folder")
    parser.add_argument("--gallery", action="store_true", help="the manual's pictures only")
    parser.add_argument("--only", default="", help="states, such as explore,models")
    parser.add_argument("--full", action="store_true", help="whole pages, not one screen of them")
    chosen = parser.parse_args()
    wanted = [word for word in chosen.only.split(",") if word] or list(STATES)
    shots = GALLERY if chosen.gallery else tuple(
        (state, size, scheme) for state in STATES for size in SIZES for scheme in SCHEMES
    )  # fmt: skip
    folder = IMAGES if chosen.gallery else chosen.out
    folder.mkdir(parents=True, exist_ok=True)
    take([shot for shot in shots if shot[0] in wanted], folder, full=chosen.full)


def take(shots: list[tuple[str, str, str]], folder: Path, *, full: bool) -> None:
    """Write each (state, size, scheme) to a folder."""
    from playwright.sync_api import sync_playwright

    from app.server import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = serve(port=port, block=False)
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for state, size, scheme in shots:
            width, height = SIZES[size]
            phone: dict[str, Any] = {"has_touch": True, "is_mobile": True} if width < 500 else {}
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
                device_scale_factor=2 if phone else 1,
                reduced_motion="reduce",
                **phone,
            )
            # The hint of a first visit would lie over every photo.
            context.add_init_script("localStorage.setItem('posekit-met', '1')")
            page = context.new_page()
            fragment, arrange = STATES[state]
            page.goto(f"http://127.0.0.1:{port}/{fragment}")
            arrange(page)
            if state not in ("dependencies", "inside"):  # those are below the photo
                page.evaluate("scrollTo(0, 0)")
            page.evaluate("document.activeElement.blur()")
            page.mouse.move(0, 0)
            page.wait_for_timeout(800)
            target = folder / f"{state}-{size}-{scheme}.webp"
            write(page.screenshot(full_page=full), target)
            print(target, f"{target.stat().st_size / 1024:.0f} KiB", flush=True)
            context.close()
        browser.close()
    served.close()


def write(png: bytes, target: Path) -> None:
    """A screenshot as WebP: a photograph in a page would be five times as large as PNG."""
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(target, "WEBP", quality=82, method=6)


if __name__ == "__main__":
    main()
