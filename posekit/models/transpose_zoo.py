"""TransPose in the zoo: five published models, the small one that ships trained, and a large one.

Figures: the authors' tables (arXiv 2012.14214 and the README of their repository).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from posekit.models.transpose import (
    H_A4,
    H_A6,
    H_S,
    R_A3,
    R_A3_LSP,
    R_A4,
    R_SMALL,
    TransPoseConfig,
    transpose,
)
from posekit.skeleton import COCO17, LSP14
from posekit.weights import WeightsFile
from posekit.zoo import UNSURE, ModelEntry, Paper, register

PAPER = Paper(
    title="TransPose: Keypoint Localization via Transformer",
    venue="ICCV",
    year=2021,
    arxiv="2012.14214",
)
RELEASE = "https://github.com/yangsenius/TransPose/releases/download/Hub/"
LEVELS = {"encoder": "encoder layer"}
VAL = "COCO val2017"
VAL_TRUE_BOXES = "COCO val2017, true boxes"
TEST = "COCO test-dev2017"


def published(
    title: str, config: TransPoseConfig, file: str, figures: dict[str, dict[str, float]]
) -> ModelEntry:
    """An entry of the paper; ``file`` is its state dict on the release page of the authors."""
    return ModelEntry(
        name=title.lower(),
        title=title,
        system="TransPose",
        paper=PAPER,
        build=partial(transpose, config),
        skeleton=COCO17,
        input_size=config.input_size,
        weights=(
            WeightsFile(
                kind="official",
                path=file,
                url=RELEASE + file,
                note="the authors' weights, trained on COCO train2017",
                trained_on="COCO train2017",
            ),
        ),
        paper_figures=figures,
        levels=LEVELS,
    )


def own(title: str, config: TransPoseConfig) -> ModelEntry:
    """An entry that is not of the paper; its weights are trained by PoseKit."""
    name = title.lower()
    return ModelEntry(
        name=name,
        title=title,
        system="TransPose",
        paper=PAPER,
        build=partial(transpose, config),
        skeleton=LSP14,
        input_size=config.input_size,
        weights=(
            WeightsFile(
                kind="shipped",
                path=f"{name}.safetensors",
                note="trained by PoseKit; the model card says on what",
            ),
        ),
        levels=LEVELS,
    )


@register("transpose-r-small")
def transpose_r_small() -> ModelEntry:
    """A TransPose-R a fifth of R-A3's size, trained by PoseKit; not a model of the paper."""
    return replace(own("TransPose-R-small", R_SMALL), unsure=UNSURE)


@register("transpose-r-a3")
def transpose_r_a3() -> ModelEntry:
    """ResNet-50 trunk, 3 encoder layers, 8 heads."""
    return published(
        "TransPose-R-A3",
        R_A3,
        "tp_r_256x192_enc3_d256_h1024_mh8.pth",
        {
            VAL: {"AP": 71.7, "AP50": 88.9, "AP75": 78.8, "AR": 77.1},
            VAL_TRUE_BOXES: {"AP": 73.8},
        },
    )


@register("transpose-r-a4")
def transpose_r_a4() -> ModelEntry:
    """ResNet-50 trunk, 4 encoder layers, 8 heads."""
    return published(
        "TransPose-R-A4",
        R_A4,
        "tp_r_256x192_enc4_d256_h1024_mh8.pth",
        {
            VAL: {"AP": 72.6, "AP50": 89.1, "AP75": 79.9, "AR": 78.0},
            VAL_TRUE_BOXES: {"AP": 75.1},
        },
    )


@register("transpose-r-a3-lsp")
def transpose_r_a3_lsp() -> ModelEntry:
    """R-A3 for the Leeds Sports Pose keypoints; not a model of the paper.

    No weights ship: it takes a GPU to train (``training/recipes/transpose-r-a3-lsp.toml``). Once a
    run is exported to the checkpoints' folder, the file counts as shipped and the page offers the
    model; until then it has no weights to be had, and so stays off the page's lists.
    """
    model = own("TransPose-R-A3-LSP", R_A3_LSP)
    return model if model.weights_of("shipped").present else replace(model, weights=())


@register("transpose-h-s")
def transpose_h_s() -> ModelEntry:
    """HRNet-W32 trunk, 4 encoder layers, 1 head."""
    return published(
        "TransPose-H-S",
        H_S,
        "tp_h_32_256x192_enc4_d64_h128_mh1.pth",
        {
            VAL: {"AP": 74.2, "AP50": 89.6, "AP75": 80.8, "AR": 79.5},
            VAL_TRUE_BOXES: {"AP": 76.1},
            TEST: {"AP": 73.4, "AP50": 91.6, "AP75": 81.1, "AR": 78.6},
        },
    )


@register("transpose-h-a4")
def transpose_h_a4() -> ModelEntry:
    """HRNet-W48 trunk, 4 encoder layers, 1 head."""
    return published(
        "TransPose-H-A4",
        H_A4,
        "tp_h_48_256x192_enc4_d96_h192_mh1.pth",
        {
            VAL: {"AP": 75.3, "AP50": 90.0, "AP75": 81.8, "AR": 80.3},
            VAL_TRUE_BOXES: {"AP": 77.5},
            TEST: {"AP": 74.7, "AP50": 91.9, "AP75": 82.2, "AR": 79.9},
        },
    )


@register("transpose-h-a6")
def transpose_h_a6() -> ModelEntry:
    """HRNet-W48 trunk, 6 encoder layers, 1 head."""
    return published(
        "TransPose-H-A6",
        H_A6,
        "tp_h_48_256x192_enc6_d96_h192_mh1.pth",
        {
            VAL: {"AP": 75.8, "AP50": 90.1, "AP75": 82.1, "AR": 80.8},
            VAL_TRUE_BOXES: {"AP": 78.1},
            TEST: {"AP": 75.0, "AP50": 92.2, "AP75": 82.3, "AR": 80.1},
        },
    )
