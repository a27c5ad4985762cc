"""Rendered people as training data: exact labels, and upright everyday poses that LSPET lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from posekit.data.lsp import LabelledPerson
from posekit.photo import read_photo
from posekit.scenes import OUTSIDE, render_scene
from posekit.skeleton import LSP14, Skeleton

FIRST_SEED = 1_000_000
"""Far from the seeds of the example scenes, so that no example was trained on."""


def rendered_people(count: int, skeleton: Skeleton = LSP14) -> Iterator[LabelledPerson]:
    """One person a scene, ``count`` scenes; every fourth is partly hidden by somebody or something.

    Hidden keypoints are labelled too, as annotators label what they can infer; keypoints
    outside the picture are not.
    """
    occluders: tuple[Literal["person", "object"] | None, ...] = (
        None,
        None,
        None,
        "person",
        None,
        None,
        None,
        "object",
    )
    for index in range(count):
        occluder = occluders[index % len(occluders)]
        scene = render_scene(
            FIRST_SEED + index,
            people=2 if occluder == "person" else 1,
            occluder=occluder,
            overlap=0.3,
        )
        person = scene.people[0]
        inside = person.hidden_by_in(skeleton) != OUTSIDE
        keypoints = person.keypoints_in(skeleton)
        labelled = inside & np.isfinite(keypoints).all(-1)
        if labelled.sum() >= 3:
            yield LabelledPerson(read_photo(scene.pixels), keypoints, labelled, skeleton)
