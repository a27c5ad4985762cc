"""Photographs whose people have masks, but perhaps no keypoints, to supervise attention with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from posekit.data.coco import CocoData
from posekit.data.crowd import CrowdPhoto, of_photo
from posekit.data.labelled import LabelledPhoto
from posekit.data.problems import Problems
from posekit.skeleton import Skeleton

__all__ = ["MEASURED_EVERY", "masked_crowds", "masked_photos"]

MEASURED_EVERY = 3
"""Every third photograph of such a file is never learnt from."""


def masked_photos(
    file: str | Path,
    part: Literal["train", "held out"],
    images: str | Path | None = None,
    problems: Problems | None = None,
) -> Iterator[LabelledPhoto]:
    """One part of a COCO-format file, in its order.

    Args:
        file: the annotations.
        part: to learn from, or to measure on; photograph n is held out when 3 divides n, from 0.
        images: a folder or a tar archive; None looks beside the file.
        problems: takes note of what is left out.

    Raises:
        DataError: the file is missing or malformed, or nothing in it can be used.
    """
    data = CocoData(file, images)
    for number, photo in enumerate(data.photos()):
        if (number % MEASURED_EVERY == 0) == (part == "held out"):
            yield photo
    if problems is not None:
        problems.update(data.problems)


def masked_crowds(
    file: str | Path,
    part: Literal["train", "held out"],
    skeleton: Skeleton,
    images: str | Path | None = None,
    problems: Problems | None = None,
) -> list[CrowdPhoto]:
    """The same as photos with everybody in them, people with a model's keypoints."""
    return [of_photo(photo, skeleton) for photo in masked_photos(file, part, images, problems)]
