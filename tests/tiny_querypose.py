"""A QueryPose small enough to learn a handful of pictures by heart in seconds, and the pictures."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from posekit.data.crowd import CrowdPhoto, of_photo
from posekit.data.crowd_canvas import CrowdCanvases, make_crowd_canvases
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.geometry import Box
from posekit.models.querypose import QueryPose
from posekit.models.querypose_config import LSP_PARTS, QueryPoseConfig
from posekit.models.querypose_zoo import PAPER
from posekit.photo import read_photo
from posekit.skeleton import LSP14
from posekit.zoo import ModelEntry
from tests.stick_people import crowd

SIDE = 64
TINY = QueryPoseConfig(
    "basic",
    8,
    light=True,
    blocks=(1, 1, 1, 1),
    queries=6,
    stages=2,
    d=32,
    heads=2,
    feedforward=64,
    dynamic=8,
    box_pool=5,
    pose_pool=6,
    pose_convs=1,
    pose_width=32,
    part_width=32,
    skeleton=LSP14,
    parts=LSP_PARTS,
    shortest=SIDE,
    longest=SIDE,
)


def tiny_entry() -> ModelEntry:
    return ModelEntry(
        name="querypose-tiny",
        title="QueryPose-tiny",
        system="QueryPose",
        paper=PAPER,
        build=lambda: QueryPose(TINY),
        skeleton=LSP14,
        input_size=(SIDE, SIDE),
    )


def stick_photos(count: int, seed: int = 0) -> Iterator[LabelledPhoto]:
    """Photographs of one, two, three, one ... people drawn as thick coloured sticks."""
    for index in range(count):
        people = crowd(1 + index % 3, (SIDE, SIDE), LSP14, seed=seed + index)
        rng = np.random.default_rng(seed + index)
        pixels = np.full((SIDE, SIDE, 3), rng.integers(20, 90, 3), np.uint8)
        for keypoints in people:
            colour = rng.integers(120, 256, 3).tolist()
            for a, b in LSP14.limbs:
                ends = [tuple(np.round(keypoints[i]).astype(int).tolist()) for i in (a, b)]
                cv2.line(pixels, ends[0], ends[1], colour, 3)
        photo = read_photo(pixels, name=f"sticks{index}")
        every = np.ones(LSP14.size, bool)
        labelled = tuple(
            LabelledPerson(
                photo,
                keypoints,
                every,
                given_box=Box.from_corners(*keypoints.min(0) - 1, *keypoints.max(0) + 1),
            )
            for keypoints in people
        )
        yield LabelledPhoto(photo, labelled, LSP14, image_id=index)


def stick_canvases(count: int, seed: int = 0) -> CrowdCanvases:
    photos: list[CrowdPhoto] = [of_photo(photo, LSP14) for photo in stick_photos(count, seed)]
    return make_crowd_canvases(photos, count, SIDE)
