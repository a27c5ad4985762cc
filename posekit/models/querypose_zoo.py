"""The models of QueryPose: three published, and a small one for CPUs.

They look at a whole photo and find everybody in it. Figures: the README of the authors'
repository. It links checkpoints of HRNet-W32 and W48 without a fixed address, so official weights
are read from a file (``--weights FILE``), whose names and variant
:func:`posekit.models.querypose_checkpoint.fit` knows.
"""

from __future__ import annotations

from posekit.models.photo_zoo import PhotoModel, register_photo_models
from posekit.models.querypose import QueryPose
from posekit.models.querypose_checkpoint import fit
from posekit.models.querypose_config import R50, SMALL, W32, W48_LIGHT
from posekit.models.querypose_likelihood import LIKELIHOOD
from posekit.models.querypose_photo import find
from posekit.zoo import Paper

PAPER = Paper(
    title="QueryPose: Sparse Multi-Person Pose Regression via Spatial-Aware Part-Level Query",
    venue="NeurIPS",
    year=2022,
    arxiv="2212.07855",
)
LEVELS = {"query": "query stage", "part": "part stage", "part map": "part map of stage"}
VAL = "COCO val2017"
README = "in the authors' README, light model"
NO_FIGURES = (
    "Not known here: of the paper only the abstract was read, and the authors' README has no figure"
    " for this model."
)

ENTRIES = register_photo_models(
    # Its confidences are those of flows, not heights of heatmaps: of the keypoints below 0.86 are
    # 18 % right, of the others 69 % (benchmarks/unsure.py, 400 photographs held out).
    PhotoModel("QueryPose-small", SMALL, shipped=True, unsure=0.86),
    PhotoModel("QueryPose-R50", R50, no_figures=NO_FIGURES),
    PhotoModel("QueryPose-HRNet-W32", W32, {VAL: {"AP": 69.8}}, figures_from=README, by_hand=True),
    PhotoModel(
        "QueryPose-HRNet-W48", W48_LIGHT, {VAL: {"AP": 71.0}}, figures_from=README, by_hand=True
    ),
    network=QueryPose,
    fit=fit,
    system="QueryPose",
    paper=PAPER,
    levels=LEVELS,
    find=find,
    likelihood=LIKELIHOOD,
    flips=False,  # other queries find people in a mirrored photo
)
