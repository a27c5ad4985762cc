"""Named scenes for examples and case studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from posekit.errors import DataError
from posekit.scenes.render import render_scene
from posekit.scenes.scene import Scene


@dataclass(frozen=True)
class NamedScene:
    """A curated scene: what to call it, what to look for, and the arguments that render it."""

    title: str
    caption: str
    seed: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def render(self, size: tuple[int, int] = (480, 480)) -> Scene:
        """Render it at a size of (height, width)."""
        return render_scene(self.seed, size=size, **self.arguments)


def named_scene(name: str) -> NamedScene:
    """The scene of that name; DataError with the known names when there is none."""
    if name not in SCENES:
        raise DataError(f"There is no scene called {name!r}; known are {', '.join(SCENES)}.")
    return SCENES[name]


_NAMED = {
    "runner": NamedScene(
        "Runner",
        "One person in full stride, well lit and in full view: the easy case.",
        17,
        {"pose": "run", "background": "field", "fill": 0.94},
    ),
    "serve": NamedScene(
        "Tennis serve",
        "Arms far above the head, where a model that expects hanging arms goes wrong.",
        5,
        {"pose": "serve", "background": "court", "fill": 0.94},
    ),
    "sitting": NamedScene(
        "Sitting",
        "Thighs that point towards the camera: hips and knees come close together.",
        3,
        {"pose": "sit", "background": "room", "heading": 30.0, "fill": 0.92},
    ),
    "from behind": NamedScene(
        "From behind",
        "No face to tell left from right: does the model keep the sides apart?",
        11,
        {"pose": "arms up", "heading": 180.0, "background": "street", "fill": 0.94},
    ),
    "crossed arms": NamedScene(
        "Crossed arms",
        "Each forearm lies on the other: whose wrist is it, and where does it look?",
        21,
        {"occluder": "arms", "fill": 0.94},
    ),
    "desk": NamedScene(
        "Behind an object",
        "Something stands in front of the legs; the model can only guess from the rest.",
        65,
        {"pose": "stand", "heading": 25.0, "occluder": "object", "overlap": 0.4, "fill": 0.92},
    ),
    "pillar": NamedScene(
        "Behind a pillar",
        "A post hides one side of the body, so that one arm and one leg are missing.",
        67,
        {"occluder": "object", "overlap": 0.4, "fill": 0.92},
    ),
    "passing": NamedScene(
        "Passing by",
        "A second person hides about a third of the first.",
        33,
        {"occluder": "person", "overlap": 0.3, "fill": 0.92},
    ),
    "one behind another": NamedScene(
        "One behind another",
        "Half of the person behind is hidden, and the visible limbs touch those in front.",
        47,
        {"occluder": "person", "overlap": 0.5, "fill": 0.92},
    ),
    "nearly hidden": NamedScene(
        "Nearly hidden",
        "Only a few limbs of the person behind can be seen: the cruel case.",
        53,
        {"occluder": "person", "overlap": 0.7, "fill": 0.92},
    ),
    "crowd": NamedScene(
        "Crowd",
        "Six people close together, who hide parts of each other.",
        71,
        {"occluder": "crowd", "people": 6, "fill": 0.95},
    ),
    "gymnasts": NamedScene(
        "Upside down",
        "One person kneels while the other stands on their hands.",
        83,
        {"people": 2, "fill": 0.95},
    ),
}

SCENES: Mapping[str, NamedScene] = MappingProxyType(_NAMED)
"""Scenes worth showing, by name: some easy, some cruel."""
