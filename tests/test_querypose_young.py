"""What helps a QueryPose that is trained for hours: closed-form cases, and what its file keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posekit.checkpoint import read_state_dict
from posekit.data.augment import NONE
from posekit.data.crowd import Kind
from posekit.data.crowd_augment import People
from posekit.decode.querypose_output import QueryPoseOutput, StageOutput
from posekit.models.querypose import QueryPose
from posekit.models.querypose_pose import PartPose
from posekit.training.engine import start_engine
from posekit.training.export import export
from posekit.training.loop import Trainer
from posekit.training.matching import NOBODY
from posekit.training.querypose import QueryPoseTask
from posekit.training.querypose_young import (
    HintHeatmaps,
    heatmaps_of,
    look_loss,
    part_targets,
    spread_out,
)
from posekit.training.recipe import Recipe, Stage
from tests.tiny_querypose import SIDE, TINY, stick_canvases, tiny_entry


def two_people() -> People:
    """On a map of 8 x 8 cells: keypoint 0 of both, keypoint 1 of the first alone."""
    keypoints = torch.tensor([[[[2.0, 6.0], [30.0, 2.0]], [[18.0, 14.0], [30.0, 30.0]]]])
    return People(
        boxes=torch.tensor([[[0.0, 0, 32, 8], [16, 12, 32, 32]]]),
        keypoints=keypoints,
        counted=torch.tensor([[[True, True], [True, False]]]),
        beyond=torch.zeros(1, 2, 2, dtype=torch.bool),
        present=torch.ones(1, 2, dtype=torch.bool),
        ignored=torch.zeros(1, 2, dtype=torch.bool),
        whwh=torch.full((1, 4), 32.0),
        complete=torch.ones(1, dtype=torch.bool),
    )


def test_heatmaps_peak_where_keypoints_are() -> None:
    heat = heatmaps_of(two_people(), (8, 8))
    assert heat.shape == (1, 2, 8, 8)
    # (2, 6) is the middle of column 0 and row 1; (18, 14) that of column 4, row 3.
    assert heat[0, 0, 1, 0] == 1 and heat[0, 0, 3, 4] == 1
    assert heat[0, 0, 1, 1] == pytest.approx(torch.tensor(-0.5).exp())
    assert heat[0, 1, 0, 7] == 1
    assert heat[0, 1, 7, 7] < 1e-6  # not counted, so not there


def test_hints_are_right_when_the_map_says_so() -> None:
    people, one = two_people(), HintHeatmaps(2, 2)
    with torch.no_grad():
        one.heatmaps.weight.copy_(torch.eye(2)[..., None, None])
        one.heatmaps.bias.zero_()
    truth = heatmaps_of(people, (8, 8)).clamp(1e-4, 1 - 1e-4)
    count = torch.tensor(2.0)
    with torch.no_grad():
        right, wrong = (one(sign * truth.logit(), people, count) for sign in (1, -1))
        double = one(-truth.logit(), people, 2 * count)
    assert float(right) < 1e-5 and float(wrong) > 10
    assert float(double) == pytest.approx(float(wrong) / 2)


def test_queries_start_where_people_are() -> None:
    """Two kinds of people, on the left and on the right of photos of another height."""
    photos = stick_canvases(8)
    photos = replace(
        photos,
        sizes=torch.tensor([[SIDE, SIDE // 2]] * 8, dtype=torch.int32),
        kinds=torch.full_like(photos.kinds, int(Kind.NOBODY)),
    )
    photos.kinds[:, 0] = int(Kind.PERSON)
    for index in range(8):
        x = 4.0 if index % 2 else 20.0
        corners = torch.tensor([[x, 8.0], [x + 8, 40.0]]) - 0.5
        photos.outlines[index, 0] = corners.repeat(8, 1)
    network = QueryPose(replace(TINY, queries=2))
    spread_out(network, photos)
    boxes = network.init_proposal_boxes.weight.detach()
    left, right = boxes[boxes[:, 0].argsort()]
    torch.testing.assert_close(left, torch.tensor([0.25, 0.375, 0.25, 0.5]))
    torch.testing.assert_close(right, torch.tensor([0.75, 0.375, 0.25, 0.5]))


def test_tied_heads_learn_as_one_and_leave_whole_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = stick_canvases(4)
    task = QueryPoseTask(
        tiny_entry(), photos, photos, NONE, hint=1.0, look=1.0, tied=True, spread=True
    )
    stage = Stage((SIDE, SIDE), 2, 4)
    recipe = Recipe("querypose-tiny", (stage,), warm_up=1, bf16=False, muon=2.0)
    one = Trainer(task, recipe, tmp_path / "run", start_engine("cpu"))
    first, second = one.model.module.network.head.pose_head_series
    assert first is second
    one.run(validate_every=100)
    monkeypatch.setattr("posekit.training.export.entry", lambda _: tiny_entry())
    file = export(tmp_path / "run", recipe, tmp_path, 4, "sticks", product=task.product)
    state = read_state_dict(file)
    network = QueryPose(TINY).eval()
    network.load_state_dict(state)  # strictly: nothing of the hints or the flow is left
    for key, value in state.items():
        if key.startswith("head.pose_head_series.0."):
            assert torch.equal(value, state[key.replace("series.0.", "series.1.")])
    averaged = one.average.eval().network
    with torch.inference_mode():
        images = torch.randn(1, 3, SIDE, SIDE)
        ours, theirs = network(images).last, averaged(images).last
    # Half precision in the file.
    torch.testing.assert_close(ours.boxes, theirs.boxes, atol=0.2, rtol=1e-2)
    torch.testing.assert_close(ours.offsets, theirs.offsets, atol=0.02, rtol=1e-2)


def test_the_hint_is_one_more_loss() -> None:
    photos = stick_canvases(4)
    plain = QueryPoseTask(tiny_entry(), photos, photos, NONE)
    torch.manual_seed(0)
    without = plain.build()
    torch.manual_seed(0)
    hinted = replace(plain, hint=0.5).build()
    assert not any("hint" in name for name, _ in without.named_parameters())
    assert {n for n, _ in hinted.named_parameters() if "hint" in n} == {
        "hint_heatmaps.heatmaps.weight",
        "hint_heatmaps.heatmaps.bias",
    }


def test_parts_are_to_be_looked_for_at_their_keypoints() -> None:
    """Maps of 24 x 48 cells: a part of two keypoints, one of a keypoint that does not count."""
    place = torch.tensor([[[4.5 / 48, 0.5 / 24], [35.5 / 48, 12.5 / 24], [0.5, 0.5]]])
    counted = torch.tensor([[True, True, False]])
    truth = part_targets(place, counted, ((0, 1), (2,)), (24, 48))
    assert truth.shape == (1, 2, 24, 48)
    torch.testing.assert_close(truth.flatten(2).sum(-1), torch.tensor([[1.0, 0.0]]))
    left, right = truth[0, 0, :, :24], truth[0, 0, :, 24:]
    assert divmod(int(left.argmax()), 24) == (0, 4)
    assert divmod(int(right.argmax()), 24) == (12, 35 - 24)
    # Each keypoint has half, so the one at the edge, of which less is inside, peaks higher.
    torch.testing.assert_close(left.sum(), torch.tensor(0.5))
    assert left.max() > 1.5 * right.max()


def test_looking_in_the_right_place_costs_least() -> None:
    """A query on the first of two people: the loss is the cross entropy of its maps."""
    people = two_people()
    stage = StageOutput(
        logits=torch.zeros(1, 3, 1),
        boxes=torch.tensor([[[0.0, 0, 1, 1], [0, 0, 32, 8], [0, 0, 1, 1]]]),
        offsets=torch.zeros(1, 3, 2, 2),
        sigmas=torch.zeros(1, 3, 2, 2),
        posed=torch.tensor([[False, True, False]]),
    )
    output = QueryPoseOutput((stage,), torch.zeros(1, 3, 4), torch.full((1, 2), 32))
    assigned = [torch.tensor([[NOBODY, 0, NOBODY]])]
    place = torch.tensor([[[2 / 32, 6 / 8], [30 / 32, 2 / 8]]])
    right = part_targets(place, torch.ones(1, 2, dtype=torch.bool), ((0,), (1,)), (8, 8))
    even = torch.full((1, 2, 8, 8), 1 / 64)

    def loss(maps: torch.Tensor) -> float:
        pose = PartPose(*[torch.zeros(1)] * 3, maps, torch.zeros(1))
        count = torch.tensor(1.0)
        return float(look_loss(output, [pose], assigned, people, ((0,), (1,)), count))

    assert loss(even) == pytest.approx(np.log(64), rel=1e-4)
    entropy = -(right * (right + 1e-8).log()).sum() / 2
    assert loss(right) == pytest.approx(float(entropy), rel=1e-3)
    assert loss(right) < loss(even) < loss(right.flip(1))
    assert float(look_loss(output, [None], assigned, people, ((0,),), torch.tensor(1.0))) == 0
