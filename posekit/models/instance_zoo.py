"""The models of "Attend to Who You Are": one at the paper's size, and a small one for CPUs.

They look at a whole photo and find everybody in it. Code and weights were not published; what the
network looks like is our reading, see :mod:`posekit.models.instance`.
"""

from __future__ import annotations

from typing import get_args

from posekit.decode.instance_people import View
from posekit.models.instance import R50, SMALL, InstanceAttention
from posekit.models.instance_photo import find
from posekit.models.photo_zoo import PhotoModel, register_photo_models
from posekit.zoo import Paper

PAPER = Paper(
    title="Attend to Who You Are: Supervising Self-Attention for Keypoint Detection and "
    "Instance-Aware Association",
    venue="arXiv",
    year=2021,
    arxiv="2111.12892",
)
LEVELS = {"encoder": "encoder layer", "supervised": "supervised layer"}

ENTRIES = register_photo_models(
    # TransPose-R-small with a fourth layer; not a model of the paper.
    # Of its keypoints below 0.5 are 35 % right, of the others 71 % (benchmarks/unsure.py, 300
    # photographs held out; 0.5 was chosen on validation people).
    PhotoModel("Instance-Attention-small", SMALL, shipped=True, unsure=0.5),
    # ResNet-50 to C4, six layers of 256; the figure is the abstract's, of the authors' model.
    PhotoModel(
        "Instance-Attention-R50",
        R50,
        {"COCO test-dev2017": {"AP": 66.5}},
        figures_from="in the paper's abstract",
    ),
    network=InstanceAttention,
    system="Instance Attention",
    paper=PAPER,
    levels=LEVELS,
    find=find,
    groupings=get_args(View),
    flips=False,  # attention between other tokens has no mean with this
)
