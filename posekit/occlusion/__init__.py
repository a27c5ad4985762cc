"""Occlusion studies: put something in front of a person, and see what a model makes of it.

``posekit.occlude(model, photo, occluder, keypoint="left wrist")`` is
:func:`posekit.occlusion.study.study`, the question everything else here is built around.
"""

from posekit.masks import (
    PersonMasks,
    Segmented,
    best_masks,
    masks_by_another,
    masks_of_file,
    masks_of_limbs,
    masks_of_model,
    masks_of_polygons,
    masks_of_scene,
)
from posekit.occlusion.cases import CASES, LEVELS, Case, PreparedCase, prepared_case
from posekit.occlusion.changes import Change, KeypointChange
from posekit.occlusion.export import describe, save_json, save_npz
from posekit.occlusion.figure import draw_study
from posekit.occlusion.html import html_page, save_html
from posekit.occlusion.library import CaseLibrary, SavedCase, library_dir
from posekit.occlusion.limb import limb_band, limb_start
from posekit.occlusion.occluders import (
    Cutout,
    Fill,
    Occluder,
    Patch,
    Rectangle,
    Stroke,
    occluder_from_dict,
    occluder_from_json,
)
from posekit.occlusion.paper import draw_paper
from posekit.occlusion.picture import StudyPictures
from posekit.occlusion.reopen import export_case, study_of
from posekit.occlusion.result import Study
from posekit.occlusion.side import Side
from posekit.occlusion.study import MaskChoice, study
from posekit.occlusion.svg import save_svg, svg_text
from posekit.occlusion.sweep import sweep_grid, sweep_limb
from posekit.occlusion.sweep_result import Sweep

occlude = study

__all__ = [
    "CASES",
    "LEVELS",
    "Case",
    "CaseLibrary",
    "Change",
    "Cutout",
    "Fill",
    "KeypointChange",
    "MaskChoice",
    "Occluder",
    "Patch",
    "PersonMasks",
    "PreparedCase",
    "Rectangle",
    "SavedCase",
    "Segmented",
    "Side",
    "Stroke",
    "Study",
    "StudyPictures",
    "Sweep",
    "best_masks",
    "describe",
    "draw_paper",
    "draw_study",
    "export_case",
    "html_page",
    "library_dir",
    "limb_band",
    "limb_start",
    "masks_by_another",
    "masks_of_file",
    "masks_of_limbs",
    "masks_of_model",
    "masks_of_polygons",
    "masks_of_scene",
    "occlude",
    "occluder_from_dict",
    "occluder_from_json",
    "prepared_case",
    "save_html",
    "save_json",
    "save_npz",
    "save_svg",
    "study",
    "study_of",
    "svg_text",
    "sweep_grid",
    "sweep_limb",
]
