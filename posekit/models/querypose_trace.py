"""What QueryPose leaves in a trace: who suppresses whom, and the way from the photo to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posekit.decode.querypose_output import QueryPoseOutput
from posekit.errors import TraceError
from posekit.models.querypose_pose import PartPose
from posekit.named import Instances, NamedTensor
from posekit.trace import Tape

if TYPE_CHECKING:
    from posekit.models.querypose import QueryPose

EDGES = ("left", "top", "right", "bottom")
AXES = ("x", "y")
GATES = ("new evidence", "memory")
HALF = 0.5  # from coordinates counted at pixels' edges to those counted at their centres


def leave_trace(
    tape: Tape,
    model: QueryPose,
    output: QueryPoseOutput,
    poses: Sequence[PartPose | None],
) -> None:
    """File every stage's attention, boxes, scores, poses, part maps and gates.

    Layers ``query.t`` have one item an image; layers ``part.t`` one an instance, which are the
    queries whose pose was read, image by image.

    Raises:
        TraceError: other queries were posed at one stage than at another.
    """
    posed = output.last.posed
    if any(not torch.equal(stage.posed, posed) for stage in output.stages):
        raise TraceError(
            "QueryPose is recorded only when the same queries are posed at every stage."
        )
    places = tuple((image, query) for image, query in posed.nonzero().tolist())
    tape.instances(Instances(len(posed), places))
    queries = tuple(f"query {n}" for n in range(1, posed.shape[1] + 1))
    parts = model.config.part_names
    keypoints = model.config.skeleton.keypoints
    part_of = tuple(
        next(n for n, held in enumerate(model.config.part_keypoints) if k in held)
        for k in range(len(keypoints))
    )

    def image(name: str, kind: str, values: Tensor, meaning: str, *axes: tuple[str, ...]) -> None:
        record = NamedTensor(name, kind, values, "image", (queries, *axes), meaning)  # type: ignore[arg-type]
        tape.tensor(record)

    def instance(
        name: str,
        kind: str,
        values: Tensor,
        meaning: str,
        *axes: tuple[str, ...],
        frame: str | None = None,
        steps: tuple[int, ...] = (),
    ) -> None:
        tape.tensor(NamedTensor(name, kind, values, "instance", axes, meaning, frame, steps))  # type: ignore[arg-type]

    image("boxes.0", "box", output.start - HALF, "Where every query starts.", EDGES)
    for t, (stage, pose) in enumerate(zip(output.stages, poses, strict=True), start=1):
        box_head, pose_head = model.head.of_stage(t - 1)
        tape.attention(f"query.{t}", "query", box_head.self_attn, queries, queries)
        score = stage.logits.sigmoid().amax(-1)
        image(f"boxes.{t}", "box", stage.boxes - HALF, f"Every query's box after stage {t}.", EDGES)
        image(f"scores.{t}", "score", score, f"How sure a query is of its person at stage {t}.")
        if pose is None:
            continue
        tape.attention(f"part.{t}", "part", pose_head.kps_self_attn, parts, parts)
        boxes = stage.reference[posed]  # (P, 4)
        extent = (boxes[:, 2:] - boxes[:, :2])[:, None]
        instance(
            f"poses.{t}",
            "keypoint",
            stage.keypoints[posed] - HALF,
            f"The keypoints as stage {t} sees them.",
            keypoints,
            AXES,
        )
        instance(
            f"sigmas.{t}",
            "sigma",
            stage.sigmas[posed] * extent,
            f"How far off stage {t} expects each keypoint to be.",
            keypoints,
            AXES,
        )
        instance(
            f"part maps.{t}",
            "part map",
            pose.maps,
            f"Where in its box stage {t} read each body part; not all that it depends on.",
            parts,
            (),
            (),
            frame=f"boxes.{t}",
            steps=part_of,
        )
        instance(
            f"gates.{t}",
            "gate",
            pose.gates.mean(-1),
            f"How much of what stage {t} just read, and of what it remembers, it lets in.",
            parts,
            GATES,
        )
