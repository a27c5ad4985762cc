"""Pictures of people and of attention. Nothing here runs a model."""

from posekit.draw.colours import (
    COLOUR_MAPS,
    DIVERGING,
    LEFT,
    MIDDLE,
    RIGHT,
    SIDE_COLOURS,
    colour_table,
    keypoint_colour,
    limb_colour,
)
from posekit.draw.contours import SHARES, Contour, contours
from posekit.draw.figure import draw_explanation
from posekit.draw.legend import SCALE_WORDS, heat_legend, heat_legend_lines, legend, legend_lines
from posekit.draw.overlay import contour, dimmed, opacity_of, overlay, signed_overlay
from posekit.draw.save import describe, save_npz, save_png
from posekit.draw.scale import Scaled, colour_limit, mass_rank, scaled
from posekit.draw.skeleton import draw_skeleton
from posekit.draw.svg import save_svg, svg_text

__all__ = [
    "COLOUR_MAPS",
    "DIVERGING",
    "LEFT",
    "MIDDLE",
    "RIGHT",
    "SCALE_WORDS",
    "SHARES",
    "SIDE_COLOURS",
    "Contour",
    "Scaled",
    "colour_limit",
    "colour_table",
    "contour",
    "contours",
    "describe",
    "dimmed",
    "draw_explanation",
    "draw_skeleton",
    "heat_legend",
    "heat_legend_lines",
    "keypoint_colour",
    "legend",
    "legend_lines",
    "limb_colour",
    "mass_rank",
    "opacity_of",
    "overlay",
    "save_npz",
    "save_png",
    "save_svg",
    "scaled",
    "signed_overlay",
    "svg_text",
]
