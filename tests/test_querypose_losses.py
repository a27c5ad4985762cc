"""QueryPose's losses and who is matched, against the reference numbers and closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from posekit.data.crowd_augment import People
from posekit.decode.querypose_output import QueryPoseOutput, StageOutput
from posekit.models.rle import RealNVP
from posekit.training.matching import (
    NOBODY,
    CostWeights,
    iou,
    matching_cost,
)
from posekit.training.querypose_losses import (
    LossWeights,
    Matcher,
    focal_loss,
    querypose_losses,
    stage_losses,
)
from tests.test_rle import filled_flow

COST = CostWeights()


@pytest.fixture(scope="module")
def numbers(shared_dir: Path) -> dict[str, np.ndarray]:
    with np.load(shared_dir / "specs/querypose/fixture_losses.npz", allow_pickle=False) as file:
        return dict(file)


def people_of(numbers: dict[str, np.ndarray]) -> People:
    """The two images of the fixture, padded to three people."""
    count = [len(numbers[f"t{i}_boxes_xyxy"]) for i in (0, 1)]

    def padded(name: str) -> Tensor:
        parts = [torch.from_numpy(numbers[f"t{i}_{name}"]).float() for i in (0, 1)]
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)

    return People(
        boxes=padded("boxes_xyxy"),
        keypoints=padded("kps_coord"),
        counted=padded("kps_vis")[..., 0] > 0,
        beyond=torch.zeros(padded("kps_vis").shape[:3], dtype=torch.bool),
        present=torch.arange(max(count)) < torch.tensor(count)[:, None],
        ignored=torch.zeros(2, max(count), dtype=torch.bool),
        whwh=torch.stack([torch.from_numpy(numbers[f"t{i}_image_size_xyxy"]) for i in (0, 1)]),
        complete=torch.ones(2, dtype=torch.bool),
    )


def stage_of(numbers: dict[str, np.ndarray]) -> StageOutput:
    logits, boxes = (torch.from_numpy(numbers[f"pred_{name}"]) for name in ("logits", "boxes"))
    posed = torch.zeros(logits.shape[:2], dtype=torch.bool)
    for image in (0, 1):
        posed[image, numbers[f"match{image}_pred"]] = True
    offsets = StageOutput.flat(torch.from_numpy(numbers["pred_keypoints"][..., :2]), posed)
    sigmas = StageOutput.flat(torch.from_numpy(numbers["pred_sgm"]), posed)
    return StageOutput(logits, boxes, offsets, sigmas, posed)


def somebody(images: int = 2, most: int = 3, keypoints: int = 4, seed: int = 0) -> People:
    """Random people in images 100 pixels wide and 80 high."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(images, most, 2, generator=generator) * 40
    extent = 10 + torch.rand(images, most, 2, generator=generator) * 30
    inside = torch.rand(images, most, keypoints, 2, generator=generator)
    return People(
        boxes=torch.cat([low, low + extent], -1),
        keypoints=low[:, :, None] + inside * extent[:, :, None],
        counted=torch.ones(images, most, keypoints, dtype=torch.bool),
        beyond=torch.zeros(images, most, keypoints, dtype=torch.bool),
        present=torch.ones(images, most, dtype=torch.bool),
        ignored=torch.zeros(images, most, dtype=torch.bool),
        whwh=torch.tensor([[100.0, 80.0, 100.0, 80.0]]).expand(images, 4),
        complete=torch.ones(images, dtype=torch.bool),
    )


def prediction(people: People, queries: int = 6, seed: int = 1) -> StageOutput:
    generator = torch.Generator().manual_seed(seed)
    images, keypoints = len(people.boxes), people.keypoints.shape[2]
    low = torch.rand(images, queries, 2, generator=generator) * 50
    extent = 5 + torch.rand(images, queries, 2, generator=generator) * 30
    return StageOutput(
        logits=torch.randn(images, queries, 1, generator=generator).requires_grad_(),
        boxes=torch.cat([low, low + extent], -1).requires_grad_(),
        offsets=torch.randn(images, queries, keypoints, 2, generator=generator).requires_grad_(),
        sigmas=torch.rand(images, queries, keypoints, 2, generator=generator).requires_grad_(),
        posed=torch.ones(images, queries, dtype=torch.bool),
    )


def replace_queries(stage: StageOutput, query: Tensor, posed: Tensor | None = None) -> StageOutput:
    """The first image's, of some queries alone."""
    parts = (
        getattr(stage, name)[:1, query]
        for name in ("logits", "boxes", "offsets", "sigmas", "posed")
    )
    chosen = StageOutput(*parts)
    return chosen if posed is None else chosen._replace(posed=posed)


def people_slice(people: People, images: slice, places: slice) -> People:
    parts = {name: getattr(people, name)[images] for name in People._fields}
    each = ("boxes", "keypoints", "counted", "beyond", "present", "ignored")
    return People(**{name: t[:, places] if name in each else t for name, t in parts.items()})


def test_the_matching_of_the_published_code(numbers: dict[str, np.ndarray]) -> None:
    people, stage = people_of(numbers), stage_of(numbers)
    matcher = Matcher(people)
    posed = matcher.select(stage.logits, stage.boxes)
    assert torch.equal(posed, stage.posed)
    for image in (0, 1):
        found = matcher.assigned[0][image]
        query = (found != NOBODY).nonzero()[:, 0]
        assert query.tolist() == numbers[f"match{image}_pred"].tolist()
        assert found[query].tolist() == numbers[f"match{image}_tgt"].tolist()


def test_the_losses_of_the_published_code(numbers: dict[str, np.ndarray]) -> None:
    """The fixture's are not weighted; ours are, by 2, 5, 2 and 1."""
    people, stage = people_of(numbers), stage_of(numbers)
    matcher = Matcher(people)
    matcher.select(stage.logits, stage.boxes)
    losses = stage_losses(stage, matcher.assigned[0], people, filled_flow())
    expected = {"ce": losses.focal / 2, "bbox": losses.l1 / 5, "giou": losses.giou / 2}
    for name, value in (expected | {"kps": losses.keypoints}).items():
        assert float(value.detach()) == pytest.approx(float(numbers[f"loss_{name}"]), abs=2e-6), (
            name
        )
    assert people.counted.sum() < people.present.sum() * 17  # some keypoints are not labelled


def test_the_flow_of_the_published_code(numbers: dict[str, np.ndarray]) -> None:
    flow, z = filled_flow(), torch.from_numpy(numbers["flow_z"])
    u, log_det = flow.inverse(z)
    for found, name in ((u, "u"), (log_det, "logdet"), (flow.log_prob(z), "logprob")):
        expected = torch.from_numpy(numbers[f"flow_{name}"])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0, check_dtype=False)


def test_of_several_queries_the_cheapest_is_posed_and_the_loss_keeps_its_size() -> None:
    people = somebody()
    stage = prediction(people, queries=9)
    matcher = Matcher(people, each=3)
    posed = matcher.select(stage.logits, stage.boxes)
    who = matcher.assigned[0]
    cost = matching_cost(stage.logits, stage.boxes, people.boxes, people.whwh, COST)
    for image in range(len(who)):
        for person in range(people.boxes.shape[1]):
            theirs = (who[image] == person).nonzero()[:, 0]
            assert len(theirs) == 3
            cheapest = theirs[cost[image, theirs, person].argmin()]
            assert posed[image, theirs].sum() == 1 and posed[image, cheapest]
    # Three times the same answer, each for the same person, costs what one answer costs.
    flow = filled_flow()
    query = (who[0] == 0).nonzero()[:1, 0]
    one = replace_queries(stage, query)
    assigned = torch.zeros(1, 1, dtype=torch.long)
    only = people_slice(people, slice(0, 1), slice(0, 1))
    single = stage_losses(one, assigned, only, flow)
    three = replace_queries(stage, query.repeat(3), posed=torch.tensor([[True, False, False]]))
    triple = stage_losses(three, assigned.repeat(1, 3), only, flow, each=3)
    for part in ("focal", "l1", "giou", "keypoints"):
        expected = float(getattr(single, part).detach())
        assert float(getattr(triple, part).detach()) == pytest.approx(expected, rel=1e-5), part


def test_focal_loss_by_hand() -> None:
    logits = torch.tensor([0.0, math.log(3), math.log(3)])  # p = 1/2, 3/4, 3/4
    found = focal_loss(logits, torch.tensor([1.0, 1.0, 0.0]))
    expected = [
        0.25 * 0.25 * math.log(2),
        0.25 * (1 / 16) * math.log(4 / 3),
        0.75 * (9 / 16) * math.log(4),
    ]
    assert found.tolist() == pytest.approx(expected)


def losses_of(stage: StageOutput, people: People, elsewhere: float = 1.0) -> Tensor:
    matcher = Matcher(people)
    matcher.select(stage.logits, stage.boxes)
    weights = LossWeights(elsewhere=elsewhere)
    return stage_losses(stage, matcher.assigned[0], people, filled_flow(), weights=weights).total


def test_hidden_keypoints_and_those_outside_the_box_do_not_count() -> None:
    people = somebody()
    counted = people.counted.clone()
    counted[0, 1, 2] = False
    people = people._replace(counted=counted)
    stage = prediction(people)
    stage = stage._replace(boxes=torch.tensor([-20.0, -20, 120, 100]).expand(2, 6, 4))
    elsewhere = people.keypoints.clone()
    elsewhere[0, 1, 2] += 7
    assert losses_of(stage, people) == losses_of(stage, people._replace(keypoints=elsewhere))
    elsewhere[0, 1, 1] += 7
    assert losses_of(stage, people) != losses_of(stage, people._replace(keypoints=elsewhere))
    # Out of every predicted box, far and farther are the same: nothing.
    far = people._replace(keypoints=people.keypoints + 1e4)
    farther = people._replace(keypoints=people.keypoints + 1e7)
    assert losses_of(stage, far) == losses_of(stage, farther)


def blame(second: Tensor, people: People, elsewhere: float = 0.5) -> float:
    """What the class of an unmatched prediction with this box costs; the first is matched."""
    stage = prediction(people, queries=2)
    logits = stage.logits.detach().clone().requires_grad_()
    boxes = torch.stack([people.boxes[0, 0], second])[None]
    losses_of(stage._replace(logits=logits, boxes=boxes), people, elsewhere).backward()
    assert logits.grad is not None and logits.grad[0, 0] < 0
    return float(logits.grad[0, 1])


def test_what_lies_beyond_the_view_is_to_have_no_score() -> None:
    """By hand: minus the logarithm of both sigmas, halved, over the number of keypoints."""
    people = somebody(images=1, most=1)
    beyond = torch.tensor([[[True, False, False, True]]])
    people = people._replace(counted=~beyond, beyond=beyond)
    stage = prediction(people, queries=1)
    who, flow = torch.zeros(1, 1, dtype=torch.long), filled_flow()
    taught = stage_losses(stage, who, people, flow, weights=LossWeights(absent=2.0))
    sigmas = stage.sigmas[0, 0].detach()
    expected = -2.0 * (sigmas[0].log().sum() + sigmas[3].log().sum()) / 2 / 4
    assert float(taught.absent.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert stage_losses(stage, who, people, flow).absent == 0  # the paper's
    taught.absent.backward()
    slope = stage.sigmas.grad
    assert (
        slope is not None and (slope[0, 0, [0, 3]] < 0).all() and (slope[0, 0, [1, 2]] == 0).all()
    )


def test_keypoints_that_are_not_there_hardly_count_where_they_are_weighed() -> None:
    sigmas = torch.full((1, 2, 4, 2), 0.2)
    sigmas[0, 1, 1:] = 0.95  # one keypoint of 0.8, three of 0.05
    stage = StageOutput(
        torch.full((1, 2, 1), 30.0),
        torch.zeros(1, 2, 4),
        torch.zeros(1, 2, 4, 2),
        sigmas,
        torch.ones(1, 2, dtype=torch.bool),
    )
    torch.testing.assert_close(stage.scores, torch.tensor([[0.8, 0.2375]]))
    weighed = stage._replace(weighed=True).scores
    expected = (0.8**2 + 3 * 0.05**2) / (0.8 + 3 * 0.05)
    torch.testing.assert_close(weighed, torch.tensor([[0.8, expected]]))


def test_who_is_to_blame_for_an_unmatched_prediction() -> None:
    """Duplicates and those in the open in full, those on regions to ignore not at all, and those
    where nobody said that nobody is only in part."""
    people = somebody(images=1, most=2)
    boxes = torch.tensor([[[0.0, 0, 20, 40], [50, 0, 90, 40]]])
    people = people._replace(boxes=boxes, present=torch.tensor([[True, False]]))
    excusing = people._replace(ignored=torch.tensor([[False, True]]))
    unsure = people._replace(complete=torch.tensor([False]))
    region, open_ground = boxes[0, 1] - 1, torch.tensor([30.0, 50, 45, 75])
    duplicate = torch.tensor([1.0, 1, 22, 42])
    full = blame(region, people)
    assert full > 0
    assert blame(region, excusing) == 0
    assert blame(open_ground, excusing) == blame(duplicate, excusing) == pytest.approx(full)
    assert blame(torch.tensor([25.0, 0, 65, 40]), excusing) == pytest.approx(full)  # half outside
    assert blame(open_ground, unsure) == blame(region, unsure) == pytest.approx(full / 2)
    assert blame(duplicate, unsure) == pytest.approx(full)


def test_nobody_anywhere_costs_only_what_is_claimed() -> None:
    people = somebody()._replace(present=torch.zeros(2, 3, dtype=torch.bool))
    stage = prediction(people)
    matcher = Matcher(people)
    assert not matcher.select(stage.logits, stage.boxes).any()
    losses = stage_losses(stage, matcher.assigned[0], people, filled_flow())
    assert losses.focal > 0 and losses.l1 == losses.giou == losses.keypoints == 0
    losses.total.backward()
    assert stage.logits.grad is not None and stage.logits.grad.abs().min() > 0


def test_places_without_anybody_change_nothing() -> None:
    people = somebody()
    stage = prediction(people)

    def longer(values: Tensor) -> Tensor:
        extra = torch.zeros(2, 2, *values.shape[2:], dtype=values.dtype)
        return torch.cat([values, extra], 1)

    padded = people._replace(
        **{n: longer(getattr(people, n))
           for n in ("boxes", "keypoints", "counted", "present", "ignored")},
    )  # fmt: skip
    assert losses_of(stage, padded) == losses_of(stage, people)


def test_every_stage_is_matched_by_itself_and_weighs_the_same() -> None:
    people = somebody()
    stages = tuple(prediction(people, seed=seed) for seed in (1, 2, 3))
    matcher, flow = Matcher(people), filled_flow()
    for stage in stages:
        matcher.select(stage.logits, stage.boxes)
    output = QueryPoseOutput(stages, stages[0].boxes, torch.tensor([[80.0, 100.0]] * 2))
    together = querypose_losses(output, matcher.assigned, people, flow)
    alone = [
        stage_losses(s, a, people, flow) for s, a in zip(stages, matcher.assigned, strict=True)
    ]
    assert not torch.equal(matcher.assigned[0], matcher.assigned[1])
    for part in ("focal", "l1", "giou", "keypoints", "total"):
        expected = sum(float(getattr(one, part).detach()) for one in alone)
        assert float(getattr(together, part).detach()) == pytest.approx(expected, rel=1e-5)


def test_following_the_gradient_improves_boxes_and_poses() -> None:
    people = somebody(images=1, most=2)
    stage = prediction(people, queries=4)
    values = {
        name: getattr(stage, name).detach().clone().requires_grad_()
        for name in ("logits", "boxes", "offsets")
    }
    spread = torch.full_like(stage.sigmas, -1.0).requires_grad_()
    flow = RealNVP()
    optimiser = torch.optim.Adam(
        [{"params": [values["boxes"]], "lr": 1.0},
         {"params": [values["logits"], values["offsets"], spread], "lr": 0.05},
         {"params": list(flow.parameters()), "lr": 0.001}]
    )  # fmt: skip
    for _ in range(150):
        now = stage._replace(**values, sigmas=spread.sigmoid())
        matcher = Matcher(people)
        matcher.select(now.logits, now.boxes)
        optimiser.zero_grad()
        stage_losses(now, matcher.assigned[0], people, flow).total.backward()
        optimiser.step()
    matched = (matcher.assigned[0] != NOBODY)[0]
    who = matcher.assigned[0][0][matched]
    assert (now.logits[0, matched, 0].sigmoid() > 0.8).all()
    assert (now.logits[0, ~matched, 0].sigmoid() < 0.3).all()
    assert (iou(now.boxes[0, matched], people.boxes[0, who]) > 0.8).all()
    error = (now.keypoints[0, matched] - people.keypoints[0, who]).abs().detach()
    assert float(error.median()) < 1
