"""QueryPose's matching and losses against the reference numbers, closed forms and brute force."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from posekit.data.crowd_augment import People
from posekit.models.querypose_output import QueryPoseOutput, StageOutput
from posekit.models.rle import RealNVP, rle_loss
from posekit.training.matching import (
    NOBODY,
    CostWeights,
    assign,
    giou,
    iou,
    matching_cost,
    share_inside,
)
from posekit.training.querypose_losses import (
    LossWeights,
    Matcher,
    focal_loss,
    querypose_losses,
    stage_losses,
)
from tests.fill import fill_array

PREFIX = "criterion.flow.flow."
COST = CostWeights()


@pytest.fixture(scope="module")
def numbers(shared_dir: Path) -> dict[str, np.ndarray]:
    with np.load(shared_dir / "specs/querypose/fixture_losses.npz", allow_pickle=False) as file:
        return dict(file)


def filled_flow() -> RealNVP:
    flow = RealNVP()
    state = flow.state_dict()
    for key in state.keys() - {"mask"}:
        state[key] = torch.from_numpy(fill_array(PREFIX + key, tuple(state[key].shape))).float()
    flow.load_state_dict(state)
    return flow


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


def test_the_flow_is_a_density() -> None:
    """It can be undone, and over the plane it adds up to one."""
    flow = filled_flow().double()
    points = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    back, _ = flow.inverse(flow(points))
    torch.testing.assert_close(back, points)
    for weight in flow.parameters():
        weight.data *= 0.6  # smooth enough for a coarse sum
    axis = torch.linspace(-12, 12, 241, dtype=torch.float64)
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    with torch.no_grad():
        total = flow.log_prob(plane).exp().sum() * 0.1**2
    assert float(total) == pytest.approx(1, abs=1e-3)


def test_the_determinant_is_that_of_the_jacobian() -> None:
    flow = filled_flow().double()
    point = torch.tensor([0.4, -1.3], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow.inverse(x)[0], point)
    torch.testing.assert_close(flow.inverse(point)[1].detach(), jacobian.det().log())


def test_a_new_flow_is_nearly_the_normal_distribution() -> None:
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = RealNVP().log_prob(points)
    expected = -0.5 * points.square().sum(-1) - math.log(2 * math.pi)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_rle_of_an_exact_prediction() -> None:
    """2 (ln sigma) - 2 ln phi(0) + 2 ln(sigma sqrt(2 pi)), and nothing where not counted."""
    flow = filled_flow()
    at = torch.zeros(3, 2)
    sigma = torch.tensor([[0.5, 0.5], [0.1, 0.1], [0.1, 0.1]])
    found = rle_loss(flow, at, sigma, at, torch.tensor([True, True, False]))
    level = -2 * float(flow.log_prob(at[0]).detach()) + 2 * math.log(math.sqrt(2 * math.pi))
    assert found.tolist() == pytest.approx(
        [level + 4 * math.log(0.5), level + 4 * math.log(0.1), 0.0], abs=1e-5
    )


def test_what_is_not_counted_leaves_no_trace() -> None:
    """Not even where its place is no number or its spread is zero."""
    flow = RealNVP()
    mu = torch.zeros(3, 2, requires_grad=True)
    sigma = torch.tensor([[0.2, 0.2], [0.0, 0.0], [0.2, 0.2]], requires_grad=True)
    truth = torch.tensor([[0.1, 0.1], [0.3, 0.3], [math.nan, math.inf]])
    rle_loss(flow, mu, sigma, truth, torch.tensor([True, False, False])).sum().backward()
    assert mu.grad is not None and sigma.grad is not None
    assert mu.grad.isfinite().all() and sigma.grad.isfinite().all()
    assert mu.grad[0].abs().min() > 0 and mu.grad[1:].abs().max() == 0


def test_giou_of_known_boxes() -> None:
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    others = torch.tensor(
        [[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [8, 0, 10, 2], [0, 0, 4, 4], [1, 1, 1, 1]]
    )
    assert iou(box, others).tolist() == pytest.approx([1, 1 / 3, 0, 0, 1 / 4, 0])
    assert giou(box, others).tolist() == pytest.approx([1, 1 / 3, 0, -0.6, 1 / 4, 0])
    assert share_inside(others, box).tolist() == pytest.approx([1, 1 / 2, 0, 0, 1 / 4, 0])


@given(st.lists(st.floats(-50, 50), min_size=8, max_size=8), st.floats(0.1, 20))
def test_giou_knows_no_units_and_no_order(values: list[float], unit: float) -> None:
    one, two = torch.tensor(values, dtype=torch.float64).view(2, 2, 2).sort(1).values.flatten(1)
    value = float(giou(one, two))
    assert -1 - 1e-9 <= value <= float(iou(one, two)) + 1e-9
    assert float(giou(two, one)) == pytest.approx(value, abs=1e-9)
    if min((one[2:] - one[:2]).min(), (two[2:] - two[:2]).min()) > 0.1:
        assert float(giou(one * unit, two * unit)) == pytest.approx(value, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=40)
def test_the_pairing_is_the_cheapest_of_all(seed: int, queries: int, people: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.randn(1, queries, people, generator=generator)
    present = torch.rand(1, people, generator=generator) < 0.8
    found = assign(cost, present)[0]
    places = present[0].nonzero()[:, 0].tolist()
    pairs = [(i, int(p)) for i, p in enumerate(found) if p != NOBODY]
    chosen = {p for _, p in pairs}
    assert chosen <= set(places) and len(pairs) == len(chosen) == min(queries, len(places))
    total = sum(float(cost[0, i, p]) for i, p in pairs)
    if queries >= len(places):
        options = ([(q, p) for q, p in zip(order, places, strict=True)]
                   for order in permutations(range(queries), len(places)))  # fmt: skip
    else:
        options = ([(q, p) for q, p in enumerate(order)] for order in permutations(places, queries))
    assert total <= min(sum(float(cost[0, q, p]) for q, p in option) for option in options) + 1e-5


def test_while_young_everybody_gets_several_queries_and_the_cheapest_ones() -> None:
    cost = torch.tensor([[[0.0, 9.0], [1.0, 9.0], [9.0, 0.5], [8.0, 2.0], [7.0, 7.5], [3.0, 3.0]]])
    both = torch.ones(1, 2, dtype=torch.bool)
    assert assign(cost, both, each=2).tolist() == [[0, 0, 1, 1, NOBODY, NOBODY]]
    assert assign(cost, both, each=1).tolist() == [[0, NOBODY, 1, NOBODY, NOBODY, NOBODY]]
    # More asked for than there are queries: all answer, for the person who is there.
    alone = torch.tensor([[False, True]])
    assert assign(cost, alone, each=9).tolist() == [[1] * 6]


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


def test_a_cost_that_is_no_number_does_not_win() -> None:
    cost = torch.tensor([[[math.nan, 1.0], [2.0, 5.0], [math.inf, -math.inf]]])
    assert assign(cost, torch.ones(1, 2, dtype=torch.bool)).tolist() == [[NOBODY, 0, 1]]


def test_cost_by_hand() -> None:
    """One prediction, one person: p = 1/2, boxes half a width apart."""
    cost = matching_cost(
        torch.zeros(1, 1, 1),
        torch.tensor([[[0.0, 0, 10, 20]]]),
        torch.tensor([[[5.0, 0, 15, 20]]]),
        torch.tensor([[100.0, 50, 100, 50]]),
        COST,
    )
    focal = 0.25 * 0.25 * math.log(2) - 0.75 * 0.25 * math.log(2)
    assert float(cost) == pytest.approx(2 * focal + 5 * (0.05 + 0.05) - 2 / 3, abs=1e-6)


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
