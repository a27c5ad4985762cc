"""Photographs of the page: ``python docs/screenshots.py``.

Serves the page on a free port, puts each state of :data:`STATES` on show, photographs it at three
sizes, light and dark. ``--gallery`` writes the pictures that docs/gallery.md and the README show
(:data:`GALLERY`) to docs/images, as WebP, and ``--film`` the README's moving one, in which the
pointer goes along a body. Needs what the browser tests need.
"""

from __future__ import annotations

import argparse
import io
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
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
    ("knockout", "desktop", "light"),
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


def knockout(page: Any) -> None:
    """Nobody may look at one elbow: what becomes of the other one."""
    asked(page)
    keypoint(page, "right elbow")
    page.click('[data-do="occlusion-open"]')
    occlusion(page)
    page.click('[data-tool="knockout"]')
    page.wait_for_selector('[data-slot="oc-after-note"]:has-text("knocked-out")', timeout=PATIENCE)
    page.locator('[data-slot="oc-chips"] .pk-chip:has-text("left elbow")').click()
    page.wait_for_selector('[data-slot="oc-said"]:has-text("left elbow")', timeout=PATIENCE)
    occlusion(page)


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
    "knockout": ("", knockout),
    "models": ("#models", models),
}
"""The fragment of the address, and what to do and wait for there."""


def main() -> None:
    """Serve, look, write."""
    parser = argparse.ArgumentParser(description="Photograph the page.")
    parser.add_argument("--out", type=Path, default=IMAGES.parent / "shots", help="folder")
    parser.add_argument("--gallery", action="store_true", help="the manual's pictures only")
    parser.add_argument("--film", action="store_true", help="the moving picture only")
    parser.add_argument("--only", default="", help="states, such as explore,models")
    parser.add_argument("--full", action="store_true", help="whole pages, not one screen of them")
    chosen = parser.parse_args()
    wanted = [word for word in chosen.only.split(",") if word] or list(STATES)
    shots = GALLERY if chosen.gallery else tuple(
        (state, size, scheme) for state in STATES for size in SIZES for scheme in SCHEMES
    )  # fmt: skip
    folder = IMAGES if chosen.gallery else chosen.out
    folder.mkdir(parents=True, exist_ok=True)
    if chosen.film:
        return film(IMAGES / "hover.webp")
    take([shot for shot in shots if shot[0] in wanted], folder, full=chosen.full)


@contextmanager
def looking() -> Iterator[tuple[Any, str]]:
    """A browser, and the address of the page served for it."""
    from playwright.sync_api import sync_playwright

    from app.server import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = serve(port=port, block=False)
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser, f"http://127.0.0.1:{port}/"
        browser.close()
    served.close()


def take(shots: list[tuple[str, str, str]], folder: Path, *, full: bool) -> None:
    """Write each (state, size, scheme) to a folder."""
    with looking() as (browser, address):
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
            page.goto(address + fragment)
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


PATH = ("head top", "left shoulder", "left elbow", "left wrist", "left hip", "left knee",
        "left ankle", "right ankle", "right knee", "right hip", "right wrist", "right elbow",
        "right shoulder", "head top")  # fmt: skip
"""Where the pointer of the moving picture goes."""

ARROW = """() => {
  const arrow = document.createElement('div'), style = arrow.style;
  style.cssText = 'position:fixed;z-index:99999;pointer-events:none;width:22px;height:22px';
  arrow.innerHTML = '<svg viewBox="0 0 22 22"><path d="M2 1l6 18 3-7 7-2z" fill="#fff"'
    + ' stroke="#000" stroke-width="1.4"/></svg>';
  document.body.append(arrow);
  addEventListener('pointermove', (event) => {
    [style.left, style.top] = [event.clientX + 'px', event.clientY + 'px'];
  });
}"""
"""A pointer, which screenshots are without."""


def film(target: Path, *, between: int = 4, width: int = 800) -> None:
    """The pointer goes from keypoint to keypoint, and the maps with it; no frame is made up."""
    with looking() as (browser, address):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_init_script("localStorage.setItem('posekit-met', '1')")
        page = context.new_page()
        page.goto(address)
        asked(page)
        page.keyboard.press("Escape")
        page.evaluate(ARROW)
        corners = [
            page.locator(f'.pk-point[aria-label^="{name},"]').first.bounding_box() for name in PATH
        ]
        stops = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in corners]
        frames, lasting = [], []
        for (x0, y0), (x1, y1) in pairwise(stops):
            for step in range(between):
                part = step / between
                page.mouse.move(x0 + part * (x1 - x0), y0 + part * (y1 - y0))
                page.wait_for_timeout(60)
                with Image.open(io.BytesIO(page.screenshot())) as shot:
                    size = (width, round(width * shot.height / shot.width))
                    frames.append(shot.convert("RGB").resize(size, Image.Resampling.LANCZOS))
                lasting.append(500 if step == 0 else 90)  # milliseconds; longer on a keypoint
        first, *others = frames
        first.save(
            target, "WEBP", save_all=True, append_images=others, duration=lasting, loop=0,
            quality=60, method=6,
        )  # fmt: skip
    print(target, f"{target.stat().st_size / 1024:.0f} KiB", flush=True)


def write(png: bytes, target: Path) -> None:
    """A screenshot as WebP: a photograph in a page would be five times as large as PNG."""
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(target, "WEBP", quality=82, method=6)


if __name__ == "__main__":
    main()
