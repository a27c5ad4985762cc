"""Reading the official checkpoints of QueryPose.

Three things differ from ours: detectron2 names a ResNet's layers in its own way, a few tensors have
no effect on any output, and the flow of the loss lies beside the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from posekit.checkpoint import load_into
from posekit.errors import WeightsError
from posekit.models.layers.precision import at_least_single
from posekit.models.querypose import QueryPose
from posekit.models.querypose_config import R50, W32, W48, QueryPoseConfig

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


@dataclass(frozen=True, eq=False)
class Official:
    """An official checkpoint in our names.

    Attributes:
        config: the network it fits; light or full as its keys say.
        network: name -> tensor for :class:`posekit.models.querypose.QueryPose`.
        flow: name -> tensor for :class:`posekit.models.rle.RealNVP`; empty where it has none.
    """

    config: QueryPoseConfig
    network: State
    flow: State


def convert(state: Mapping[str, Tensor]) -> Official:
    """Official names to ours.

    Args:
        state: as :func:`posekit.checkpoint.read_state_dict` returns it.

    Raises:
        WeightsError: the tensors are not those of a published QueryPose.
    """
    config = config_of(state)
    network, flow = {}, {}
    for key, tensor in state.items():
        if key.startswith(FLOW):
            flow[key.removeprefix(FLOW)] = tensor
        elif not WITHOUT_EFFECT.match(key):
            network[own_name(key)] = tensor
    return Official(config, network, flow)


def own_name(key: str) -> str:
    """Our name of a tensor of the network; the same, but for the ResNet's."""
    if not re.match(re.escape(TRUNK) + r"(stem|res\d)\.", key):
        return key
    name = key.removeprefix(TRUNK)
    for pattern, replacement in RENAMED:
        name = pattern.sub(replacement, name)
    return TRUNK + name


def config_of(state: Mapping[str, Tensor]) -> QueryPoseConfig:
    """The configuration that official tensors fit.

    The variant is read off the keys, not off the authors' configuration file: their W48 checkpoint
    is said to be light where its configuration says full.

    Raises:
        WeightsError: no trunk of a published QueryPose is among them.
    """
    branch = state.get(f"{TRUNK}stage4.0.branches.0.0.conv1.weight")
    if f"{TRUNK}res5.0.conv1.weight" in state:
        config = R50
    elif branch is not None and len(branch) in (W32.width, W48.width):
        config = W32 if len(branch) == W32.width else W48
    else:
        raise WeightsError("These are not the weights of a published QueryPose: no trunk fits.")
    full = any("pose_decoder_inst_interact" in key for key in state)
    return replace(config, light=not full)


def load_official(state: Mapping[str, Tensor]) -> QueryPose:
    """The network of an official checkpoint, in evaluation mode.

    Raises:
        WeightsError: the tensors are not those of a published QueryPose, all of them and no others.
    """
    official = convert(state)
    with torch.device("meta"):
        model = QueryPose(official.config)
    network = {key: at_least_single(tensor) for key, tensor in official.network.items()}
    load_into(model, network, name="QueryPose", assign=True)
    return model.eval()


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
