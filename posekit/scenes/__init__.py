"""Procedural scenes of people with exact truth: keypoints, masks, and who hides whom."""

from posekit.scenes.backdrop import KINDS
from posekit.scenes.gallery import SCENES, NamedScene, named_scene
from posekit.scenes.poses import POSES
from posekit.scenes.render import render_scene
from posekit.scenes.scene import KEYPOINTS, OBJECT, OUTSIDE, UNKNOWN, VISIBLE, Scene, ScenePerson

__all__ = [
    "KEYPOINTS",
    "KINDS",
    "OBJECT",
    "OUTSIDE",
    "POSES",
    "SCENES",
    "UNKNOWN",
    "VISIBLE",
    "NamedScene",
    "Scene",
    "ScenePerson",
    "named_scene",
    "render_scene",
]
