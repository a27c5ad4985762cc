"""The configurations of QueryPose: four published, and one for CPUs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from posekit.skeleton import COCO17, LSP14, Skeleton

Parts = tuple[tuple[str, tuple[str, ...]], ...]

_LIMBS: Parts = (
    ("shoulders", ("left shoulder", "right shoulder")),
    ("left arm", ("left elbow", "left wrist")),
    ("right arm", ("right elbow", "right wrist")),
    ("hips", ("left hip", "right hip")),
    ("left leg", ("left knee", "left ankle")),
    ("right leg", ("right knee", "right ankle")),
)
COCO_PARTS: Parts = (
    ("face", ("nose", "left eye", "right eye", "left ear", "right ear")),
    *_LIMBS,
)
LSP_PARTS: Parts = (("head", ("neck", "head top")), *_LIMBS)


@dataclass(frozen=True)
class QueryPoseConfig:
    """What distinguishes one QueryPose from another.

    Attributes:
        trunk: ``"bottleneck"`` (ResNet-50), ``"basic"`` (ResNet-18) or ``"hrnet"``.
        width: channels of the trunk: ResNet's stem, or HRNet's high-resolution branch.
        light: without the second dynamic interaction, in the pose head.
        blocks: residual blocks in each stage of a ResNet.
        frozen: the ResNet's norms, stem and first stage do not learn (it comes trained).
        branches_twice: HRNet's pyramid adds each branch again at its resolution (W48's).
        queries: boxes, and people found at most.
        stages: refinements.
        d: channels of the pyramid and of a query.
        heads: attention heads, between queries and between parts.
        feedforward: hidden width of the perceptrons.
        dynamic: channels inside a dynamic interaction.
        canonical: side in pixels of a box that is read at stride 16, see
            :func:`posekit.models.layers.roi_align.pyramid_level`.
        box_pool: cells along a box's side for the box head.
        pose_pool: cells along a box's side for the pose head; part maps have twice as many.
        pose_convs: convolutions on a box.
        pose_width: channels between them.
        pose_norm: batch norm after each of them. Not in the paper, whose rate is twenty times
            lower: at a rate for short runs six convolutions without it end up as one direction.
        from_maps: keypoints are said from the middle of their part's map on, not from the box's.
            Not in the paper: what a part's vector knows of its place comes from the zero padding of
            the convolutions before it, and short runs are too short to learn that.
        weighed: a person's score is the mean of the keypoints' weighed by themselves, so that
            those it says are not in the photo hardly count. Not in the paper, which is not taught
            what is not there.
        part_width: channels of a part.
        skeleton: the keypoints.
        parts: body parts, each with its keypoints; every keypoint belongs to one.
        classes: kinds of things found.
        shortest: the photo is resized to this many pixels on its shorter side,
        longest: unless that makes its longer side longer than this.
        threshold: least score of a person who is shown: low enough to see who is doubtful.
    """

    trunk: Literal["basic", "bottleneck", "hrnet"]
    width: int
    light: bool = False
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    frozen: bool = False
    branches_twice: bool = False
    queries: int = 100
    stages: int = 6
    d: int = 256
    heads: int = 8
    feedforward: int = 2048
    dynamic: int = 64
    canonical: float = 224.0
    box_pool: int = 7
    pose_pool: int = 14
    pose_convs: int = 6
    pose_width: int = 512
    pose_norm: bool = False
    from_maps: bool = False
    weighed: bool = False
    part_width: int = 128
    skeleton: Skeleton = COCO17
    parts: Parts = COCO_PARTS
    classes: int = 1
    shortest: int = 800
    longest: int = 1333
    threshold: float = 0.3

    @property
    def input_size(self) -> tuple[int, int]:
        """(shorter, longer) side that a photo is resized to."""
        return self.shortest, self.longest

    @property
    def part_names(self) -> tuple[str, ...]:
        """The body parts."""
        return tuple(name for name, _ in self.parts)

    @property
    def part_keypoints(self) -> tuple[tuple[int, ...], ...]:
        """The keypoints of each part, as indices in the skeleton."""
        return tuple(tuple(map(self.skeleton.index, names)) for _, names in self.parts)


R50 = QueryPoseConfig("bottleneck", 64, frozen=True)
W32 = QueryPoseConfig("hrnet", 32, light=True)
W48 = QueryPoseConfig("hrnet", 48, branches_twice=True)
"""As its configuration file says; the published checkpoint is said to be :data:`W48_LIGHT`."""
W48_LIGHT = replace(W48, light=True)
SMALL = QueryPoseConfig(
    "bottleneck",
    32,
    light=True,
    blocks=(3, 4, 1, 1),
    queries=24,
    stages=3,
    d=96,
    heads=4,
    feedforward=384,
    dynamic=16,
    canonical=72.0,
    pose_convs=6,
    pose_width=64,
    pose_norm=True,
    from_maps=True,
    weighed=True,
    part_width=64,
    skeleton=LSP14,
    parts=LSP_PARTS,
    shortest=256,
    longest=256,
    threshold=0.2,  # by benchmarks/querypose_threshold.py
)
"""For CPUs, and for the checkpoint that is shipped; not a model of the paper. The trunk's first
half has the shape of TransPose-R-small's, so that it can start from there."""
