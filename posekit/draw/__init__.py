"""Pictures of people and of attention. Nothing here runs a model."""

from posekit.draw.colours import (
    COLOUR_MAPS,
    LEFT,
    MIDDLE,
    RIGHT,
    SIDE_COLOURS,
    colour_table,
    keypoint_colour,
    limb_colour,
)
from posekit.draw.figure import draw_explanation
from posekit.draw.legend import SCALE_WORDS, legend, legend_lines
from posekit.draw.overlay import contour, dimmed, opacity_of, overlay
from posekit.draw.save import describe, save_npz, save_png
from posekit.draw.scale import Scaled, mass_rank, scaled
from posekit.draw.skeleton import draw_skeleton

__all__ = [
    "COLOUR_MAPS",
    "LEFT",
    "MIDDLE",
    "RIGHT",
    "SCALE_WORDS",
    "SIDE_COLOURS",
    "Scaled",
    "colour_table",
    "contour",
    "describe",
    "dimmed",
    "draw_explanation",
    "draw_skeleton",
    "keypoint_colour",
    "legend",
    "legend_lines",
    "limb_colour",
    "mass_rank",
    "opacity_of",
    "overlay",
    "save_npz",
    "save_png",
    "scaled",
]
