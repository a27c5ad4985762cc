"""Visibility is respected in every loss: where a keypoint is not labelled, its place means nothing.

One test for all tasks, from the data to the gradients; what each loss does with single cells is
tested beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from posekit.data.augment import NONE
from posekit.data.canvas import Canvases, make_canvases
from posekit.data.crowd import of_scene
from posekit.data.crowd_canvas import CrowdCanvases, make_crowd_canvases
from posekit.models import transpose as tp
from posekit.models.btranspose import BTranspose, BTransposeConfig
from posekit.models.ssa import SMALL as SSA_SMALL
from posekit.models.ssa import SSANet
from posekit.scenes import render_scene
from posekit.skeleton import LSP14
from posekit.training.heatmaps import HeatmapTask
from posekit.training.instance import InstanceOptions, InstanceTask
from posekit.training.querypose import QueryPoseTask
from posekit.training.recipe import Stage
from posekit.training.ssa import SSAOptions, SSATask
from posekit.training.task import Step, Task
from posekit.zoo import entry
from tests.dots import dots
from tests.tiny_instance import tiny as tiny_instance
from tests.tiny_querypose import tiny_entry as tiny_querypose

SIDE = 64
HIDDEN = LSP14.index("left wrist")
BASE = {"keypoints": 14, "input_size": (SIDE, SIDE), "dropout": 0.0}
SSA_TINY = replace(
    SSA_SMALL,
    trunk_width=8,
    features=16,
    paf_widths=(8,),
    heat_widths=(8, 8),
    input_size=(SIDE, SIDE),
)

MakeTask = Callable[[float, bool], Task]


def people(place: float, labelled: bool) -> Canvases:
    """Four people whose left wrist is put somewhere, as a label or as what lies under none."""
    data = make_canvases(dots(4))
    keypoints, known = data.keypoints.clone(), data.labelled.clone()
    keypoints[:, HIDDEN] = place * data.images.shape[-1]
    known[:, HIDDEN] = labelled
    return replace(data, keypoints=keypoints, labelled=known)


def crowds(place: float, labelled: bool) -> CrowdCanvases:
    """The same with whole photos of several people."""
    photos = [
        of_scene(render_scene(n, size=(SIDE, SIDE), people=2, overlap=0.2), LSP14) for n in (1, 2)
    ]
    data = make_crowd_canvases(photos, 2, SIDE, owners=True)
    keypoints, visibility = data.keypoints.clone(), data.visibility.clone()
    keypoints[:, :, HIDDEN] = place * SIDE
    visibility[:, :, HIDDEN] = 2 if labelled else 0
    return replace(data, keypoints=keypoints, visibility=visibility)


def heatmaps(place: float, labelled: bool, *, bottleneck: bool) -> Task:
    if bottleneck:
        small = BTransposeConfig("resnet", 8, 32, 32, 2, 2, **BASE)  # type: ignore[arg-type]
        model = replace(entry("btranspose-small"), build=partial(BTranspose, small))
    else:
        config = tp.TransPoseConfig("resnet", 8, 32, 32, 2, 2, **BASE)  # type: ignore[arg-type]
        model = replace(entry("transpose-r-small"), build=partial(tp.transpose, config))
    data = people(place, labelled)
    return HeatmapTask(model, data, data, NONE)


def instances(place: float, labelled: bool) -> Task:
    data = crowds(place, labelled)
    model = replace(entry("instance-attention-small"), build=tiny_instance)
    return InstanceTask(model, data, data, NONE, InstanceOptions(rows=6))


def openpose(place: float, labelled: bool) -> Task:
    data = crowds(place, labelled)
    model = replace(entry("ssa-small"), build=partial(SSANet, SSA_TINY), input_size=(SIDE, SIDE))
    return SSATask(model, data, data, NONE, SSAOptions())


def queries(place: float, labelled: bool) -> Task:
    data = crowds(place, labelled)
    return QueryPoseTask(tiny_querypose(), data, data, NONE)


TASKS: dict[str, MakeTask] = {
    "TransPose": partial(heatmaps, bottleneck=False),
    "BTranspose": partial(heatmaps, bottleneck=True),
    "instance attention": instances,
    "SSA": openpose,
    "QueryPose": queries,
}


def learnt(task: Task) -> tuple[Tensor, list[Tensor]]:
    """The loss of one step of everybody, and the gradients."""
    torch.manual_seed(0)
    model = task.build().train()
    count = len(task)
    generator = torch.Generator().manual_seed(0)
    step = Step(
        torch.arange(count), slice(None), Stage((SIDE, SIDE), 1, count, 1.5), generator, 0.9
    )
    loss = task.loss(model, step)
    loss.backward()
    return loss.detach(), [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_what_lies_under_no_label_teaches_nothing(make: MakeTask) -> None:
    one, gradients = learnt(make(0.3, False))
    other, same = learnt(make(0.6, False))
    assert torch.isfinite(one) and torch.equal(one, other)
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))
    assert learnt(make(0.3, True))[0] != learnt(make(0.6, True))[0]  # a label does


@pytest.mark.parametrize("bottleneck", [False, True])
def test_the_map_of_an_unlabelled_keypoint_is_not_pushed_down(bottleneck: bool) -> None:
    """Not labelled is not the same as not there."""
    task = heatmaps(0.3, False, bottleneck=bottleneck)
    model = task.build().train()
    generator = torch.Generator().manual_seed(0)
    step = Step(torch.arange(4), slice(None), Stage((SIDE, SIDE), 1, 4, 1.5), generator)
    task.loss(model, step).backward()
    gradient = model.final_layer.weight.grad
    assert isinstance(gradient, Tensor)
    quiet = gradient.abs().flatten(1).sum(1) == 0
    assert quiet.nonzero().flatten().tolist() == [HIDDEN]
