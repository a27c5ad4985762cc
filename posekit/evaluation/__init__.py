"""How good a model is, measured on labelled photographs.

``pck`` counts keypoints near their labels, ``oks`` scores whole people as COCO does, ``masks``
compares instance masks, ``purity`` says on whom attention lies, and ``run`` puts a model through
a data set. ``rows`` and ``ranking`` keep what a figure comes from, so that its photographs can
be drawn anew for the interval (:mod:`posekit.bootstrap`), and ``difference`` compares two
measurements of them.
"""

from posekit.evaluation.difference import Difference, difference
from posekit.evaluation.figures import Measurement
from posekit.evaluation.masks import MaskScore, mask_iou, mask_score
from posekit.evaluation.oks import OKS, PersonTruth, ScoredPose, instance_score, oks
from posekit.evaluation.pck import HEAD_THRESHOLD, PCK, THRESHOLD, pck, pckh
from posekit.evaluation.rows import Rows
from posekit.evaluation.run import evaluate, evaluate_oks
from posekit.evaluation.run_purity import PurityScore, evaluate_purity
from posekit.explain.purity import Purity, mean_purity, purity

__all__ = [
    "HEAD_THRESHOLD",
    "OKS",
    "PCK",
    "THRESHOLD",
    "Difference",
    "MaskScore",
    "Measurement",
    "PersonTruth",
    "Purity",
    "PurityScore",
    "Rows",
    "ScoredPose",
    "difference",
    "evaluate",
    "evaluate_oks",
    "evaluate_purity",
    "instance_score",
    "mask_iou",
    "mask_score",
    "mean_purity",
    "oks",
    "pck",
    "pckh",
    "purity",
]
