"""Photographs of the page for the README: ``python docs/screenshots.py``.

Serves the page on a free port, asks about one keypoint of one example, and writes
``docs/images/explore.png`` (1440 x 900, light), ``explore-dark.png``, ``explore-phone.png`` and
``explore-phone-dark.png`` (390 x 844).  Needs what the browser tests need.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SHOTS = (
    ("explore", 1440, 900, "light"),
    ("explore-dark", 1440, 900, "dark"),
    ("explore-phone", 390, 844, "light"),
    ("explore-phone-dark", 390, 844, "dark"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    """Serve, look, write."""
    parser = argparse.ArgumentParser(description="Photograph the page.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--example", default=None, help="its title; the first one by default")
    parser.add_argument("--keypoint", default=None, help="such as 'left wrist'")
    parser.add_argument("--layer", type=int, default=None, help="counted from 1")
    parser.add_argument("--full", action="store_true", help="the whole page, not one screen of it")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)

    from playwright.sync_api import sync_playwright

    from app.server import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = serve(port=port, block=False)
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, width, height, scheme in SHOTS:
            phone: dict[str, Any] = {"has_touch": True, "is_mobile": True} if width < 500 else {}
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                device_scale_factor=2 if phone else 1,
                **phone,
            )
            shot = context.new_page()
            shot.goto(f"http://127.0.0.1:{port}/")
            arrange(shot, chosen)
            target = chosen.out / f"{name}.png"
            shot.screenshot(path=target, full_page=chosen.full)
            print(target)
            context.close()
        browser.close()
    page.close()


def arrange(shot: Any, chosen: argparse.Namespace) -> None:
    """Wait for the page and ask what is to be asked."""
    shot.wait_for_selector(".pk-number")
    if chosen.example:
        shot.click(f'.pk-example:has-text("{chosen.example}")')
        shot.wait_for_selector(f'.pk-example[aria-pressed="true"]:has-text("{chosen.example}")')
        shot.wait_for_selector(".pk-number")
    if chosen.keypoint:
        shot.click(f'.pk-chips .pk-chip:has-text("{chosen.keypoint}")')
        shot.wait_for_selector(f'.pk-chip[aria-pressed="true"]:has-text("{chosen.keypoint}")')
    if chosen.layer:
        shot.click(f".pk-layers .pk-thumb:nth-child({chosen.layer})")
    shot.wait_for_load_state("networkidle")
    shot.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    shot.mouse.move(0, 0)
    shot.wait_for_timeout(600)


if __name__ == "__main__":
    main()
