"""JavaScript that the page and the live file share: the same maps, drawn in a browser."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SHARED", "shared_script"]

SHARED = ("previews.js", "maps.js")
"""In this order: reading a layer's 8-bit attention, and painting a map of it."""


def shared_script(name: str) -> str:
    """The text of one of :data:`SHARED`."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
