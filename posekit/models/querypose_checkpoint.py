"""Reading the official checkpoints of QueryPose.

Three things differ from ours: detectron2 names a ResNet's layers in its own way, a few tensors have
no effect on any output, and the flow of the loss lies beside the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from posekit.models.layers.precision import at_least_single
from posekit.models.querypose import QueryPose
from posekit.models.querypose_config import QueryPoseConfig

State = dict[str, Tensor]

FLOW = "criterion.flow.flow."
TRUNK = "backbone.bottom_up."
# Convolutions and layers that the published code holds and never reads.
WITHOUT_EFFECT = re.compile(
    r"backbone\.(fpn_conv\.4|lateral_conv\.0)\."
    r"|head\.pose_head_series\.\d+\.updater\.(norm_)?fc3\."
)
RENAMED = (
    (re.compile(r"^stem\.conv1\.norm\."), "bn1."),
    (re.compile(r"^stem\."), ""),
    (re.compile(r"^res(\d)\."), lambda m: f"layer{int(m[1]) - 1}."),
    (re.compile(r"shortcut\.norm\."), "downsample.1."),
    (re.compile(r"shortcut\."), "downsample.0."),
    (re.compile(r"conv(\d)\.norm\."), r"bn\1."),
)


def own_name(key: str) -> str:
    """Our name of a tensor of the network; the same, but for the ResNet's."""
    if not re.match(re.escape(TRUNK) + r"(stem|res\d)\.", key):
        return key
    name = key.removeprefix(TRUNK)
    for pattern, replacement in RENAMED:
        name = pattern.sub(replacement, name)
    return TRUNK + name


def fit(config: QueryPoseConfig, state: Mapping[str, Tensor]) -> tuple[QueryPose, State]:
    """The network of a checkpoint, ours or official, light or full, and its tensors in our names.

    Args:
        config: of the model that the checkpoint is said to be of.
        state: as :func:`posekit.checkpoint.read_state_dict` returns it.
    """
    network = {
        own_name(key): at_least_single(tensor)
        for key, tensor in state.items()
        if not key.startswith(FLOW) and not WITHOUT_EFFECT.match(key)
    }
    full = any("pose_decoder_inst_interact" in key for key in network)
    return QueryPose(replace(config, light=not full)), network
