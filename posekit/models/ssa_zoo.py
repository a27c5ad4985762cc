"""The models of the OpenPose line: two sizes of the paper, and a small one for CPUs.

They look at a whole photo and find everybody in it. The paper gives no table that is known here;
what its abstract and the public code's README state is in the entries [fact], see
:mod:`posekit.models.ssa`.
"""

from __future__ import annotations

from posekit.models.photo_zoo import PhotoModel, register_photo_models
from posekit.models.ssa import SMALL, VARIANT_N, VARIANT_O, SSANet
from posekit.models.ssa_photo import find
from posekit.zoo import ONLY_ABSTRACT, Paper

PAPER = Paper(
    title="Self-Supervision and Spatial-Sequential Attention Based Loss for Multi-Person Pose "
    "Estimation",
    venue="arXiv",
    year=2021,
    arxiv="2110.10734",
)
LEVELS = {
    "heatmap": "heatmap of stage",
    "votes": "offset votes",
    "ends": "limb ends",
    "synthesised": "synthesised heatmap",
    "estimated-weight": "estimated loss weight of stage",
}
MEAN, STD = (128 / 255,) * 3, (256 / 255,) * 3
"""``pixel / 256 - 0.5`` [code], of RGB in 0..1; the code's channels are in OpenCV's order."""

ENTRIES = register_photo_models(
    PhotoModel("SSA-small", SMALL, shipped=True, unsure=0.5),
    PhotoModel("SSA-OpenPose-new", VARIANT_N, no_figures=ONLY_ABSTRACT),
    # [fact] the README of the public code, its own baseline on its 1160 validation images.
    PhotoModel(
        "SSA-OpenPose-2017",
        VARIANT_O,
        {"COCO val2014, OpenPose's 1160 images, without offsets": {"AP": 58.4}},
        figures_from="in the README of the first author's earlier code",
    ),
    network=SSANet,
    fit=lambda config, state: (SSANet.for_weights(config, state), state),
    system="SSA",
    paper=PAPER,
    levels=LEVELS,
    mean=MEAN,
    std=STD,
    find=find,
)
