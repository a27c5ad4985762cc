"""BTranspose in the zoo: our reading of the paper, and the small model that is shipped.

The authors published no weights; the sizes of the paper are registered all the same, to be trained
with the recipes in ``training/recipes``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from posekit.models.btranspose import (
    R50_1BOT_ENC2,
    R50_1BOT_ENC4,
    R50_3BOT_ENC4,
    SMALL,
    BTranspose,
    BTransposeConfig,
)
from posekit.models.dino import DinoBackbone
from posekit.skeleton import COCO17, LSP14, NO_KEYPOINTS, Skeleton
from posekit.weights import WeightsFile
from posekit.zoo import ONLY_ABSTRACT, UNSURE, ModelEntry, Paper, register

PAPER = Paper(
    title=(
        "BTranspose: Bottleneck Transformers for Human Pose Estimation "
        "with Self-Supervised Pre-Training"
    ),
    venue="arXiv",
    year=2022,
    arxiv="2204.10209",
)
LEVELS = {"mhsa": "MHSA block", "encoder": "encoder layer"}


def model(
    title: str,
    config: BTransposeConfig,
    skeleton: Skeleton,
    weights: tuple[WeightsFile, ...] = (),
) -> ModelEntry:
    """An entry without figures."""
    return ModelEntry(
        name=title.lower(),
        title=title,
        system="BTranspose",
        paper=PAPER,
        build=partial(BTranspose, config),
        skeleton=skeleton,
        input_size=config.input_size,
        weights=weights,
        levels=LEVELS,
    )


def of_paper(title: str, config: BTransposeConfig) -> ModelEntry:
    """An entry of the paper; 76.4 AP is its best model's, which the abstract does not name."""
    return replace(model(title, config, COCO17), no_figures=ONLY_ABSTRACT)


@register("btranspose-small")
def btranspose_small() -> ModelEntry:
    """TransPose-R-small with a bottleneck transformer; trained by PoseKit, not of the paper."""
    shipped = WeightsFile(
        kind="shipped",
        path="btranspose-small.safetensors",
        note="trained by PoseKit; the model card says on what",
    )
    return replace(model("BTranspose-small", SMALL, LSP14, (shipped,)), unsure=UNSURE)


@register("btranspose-r50-1bot-enc4")
def btranspose_r50_1bot_enc4() -> ModelEntry:
    """One bottleneck transformer, 4 encoder layers: the default of our reading."""
    return of_paper("BTranspose-R50-1bot-enc4", R50_1BOT_ENC4)


@register("btranspose-r50-3bot-enc4")
def btranspose_r50_3bot_enc4() -> ModelEntry:
    """Three bottleneck transformers, 4 encoder layers."""
    return of_paper("BTranspose-R50-3bot-enc4", R50_3BOT_ENC4)


@register("btranspose-r50-1bot-enc2")
def btranspose_r50_1bot_enc2() -> ModelEntry:
    """One bottleneck transformer, 2 encoder layers."""
    return of_paper("BTranspose-R50-1bot-enc2", R50_1BOT_ENC2)


@register("dino-btranspose-small")
def dino_btranspose_small() -> ModelEntry:
    """The backbone of BTranspose-small after DINO: no keypoints, but attention to be explored."""
    return ModelEntry(
        name="dino-btranspose-small",
        title="DINO-BTranspose-small",
        system="BTranspose",
        paper=PAPER,
        build=partial(DinoBackbone, SMALL),
        skeleton=NO_KEYPOINTS,
        input_size=SMALL.input_size,
        weights=(
            WeightsFile(
                kind="shipped",
                path="dino-btranspose-small.safetensors",
                note="pre-trained by PoseKit on photographs, without labels",
            ),
        ),
        levels=LEVELS,
        view="backbone",
    )
