"""The photos that come with the page: those in ``assets/examples`` and a portrait."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.picture import assets, data_url
from posekit.errors import PoseKitError
from posekit.geometry import Box
from posekit.photo import Photo, read_photo

FOLDER = assets() / "examples"
THUMB_SIDE = 160


class ExampleError(PoseKitError):
    """There is no such example."""


@dataclass(frozen=True)
class Example:
    """One bundled photo.

    ``boxes`` are (x, y, width, height) in pixels of the file; empty for the whole photo.
    """

    id: str
    path: Path
    title: str
    caption: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()

    def read(self) -> tuple[Photo, list[Box] | None]:
        """The photo in its own size, and its boxes (None: the whole photo)."""
        return read_photo(self.path), [Box(*box) for box in self.boxes] or None

    @cached_property
    def thumb(self) -> str:
        """A small picture of it as a data URL."""
        return data_url(read_photo(self.path, max_side=THUMB_SIDE), quality=82)


def bundled(folder: Path = FOLDER) -> list[Example]:
    """Every example there is; the portrait in matplotlib's sample data needs no file of ours."""
    index = folder / "index.json"
    found = []
    if index.is_file():
        for item in json.loads(index.read_text(encoding="utf-8")):
            path = folder / item["file"]
            if path.is_file():
                boxes = tuple(tuple(float(v) for v in box) for box in item.get("boxes") or ())
                found.append(
                    Example(path.stem, path, item["title"], item.get("caption", ""), boxes)  # type: ignore[arg-type]
                )
    portrait = _portrait()
    if portrait is not None:
        found.append(portrait)
    return found


def _portrait() -> Example | None:
    import matplotlib.cbook

    path = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    if not path.is_file():
        return None
    return Example(
        "grace-hopper",
        path,
        "Grace Hopper",
        "Rear Admiral Grace Hopper, United States Navy, public domain",
    )


def choose(examples: Sequence[Example], wanted: object) -> Example:
    """The example with that id; :class:`ExampleError` if there is none."""
    for example in examples:
        if example.id == wanted:
            return example
    raise ExampleError("There is no such example photo; please choose one of those on the page.")
