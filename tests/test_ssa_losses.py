"""The losses: OpenPose's with all switches off, and what each switch adds, term by term."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from posekit.data.paf_targets import PafTargets, encode_people
from posekit.decode.paf_grid import PafGrid
from posekit.errors import DataError
from posekit.models.ssa import SMALL, SSAConfig, StageOutputs
from posekit.models.ssa_attention import masked_mean, spatial_weights, stage_weights
from posekit.models.ssa_losses import (
    SSALoss,
    gate_loss,
    offset_loss,
    ramp,
    self_supervision_loss,
)
from posekit.models.ssa_trace import incident
from posekit.models.ssa_votes import synthesise
from posekit.skeleton import LSP14
from tests.stick_people import crowd

GRID = PafGrid()
Formula = Callable[[Tensor], Tensor]
COLUMN = SMALL
BRANCHES = replace(SMALL, layout="branches", stages=2)
OFF = SSALoss(offsets=False, spatial=False, sequential=False, self_supervision=False)
NOTHING_YET = torch.zeros(3)


def targets(batch: int = 2, masked: bool = True, people: int = 2) -> PafTargets:
    points = torch.stack(
        [torch.from_numpy(crowd(people, (96, 96), LSP14, seed=n)) for n in range(batch)]
    ).float()
    known = torch.ones(points.shape[:3])
    known[:, :, 3] = 0  # nobody has a left hip
    mask = torch.ones(batch, 1, 12, 12)
    if masked:
        mask[:, :, :, 9:] = 0
    return encode_people(points, known, LSP14.limbs, (12, 12), GRID, mask)


def outputs(truth: PafTargets, noise: float = 0.1, layout: str = "column") -> StageOutputs:
    """The truth and some noise, as leaves."""
    torch.manual_seed(0)

    def stage(maps: Tensor) -> Tensor:
        return (maps + noise * torch.randn_like(maps)).requires_grad_()

    fields = 1 if layout == "column" else 2
    return StageOutputs(
        tuple(stage(truth.paf) for _ in range(fields)),
        tuple(stage(truth.heat) for _ in range(2)),
        tuple(stage(truth.offset) for _ in range(2)),
        (),
    )


def plain_openpose(out: StageOutputs, truth: PafTargets) -> Tensor:
    """Half the squared error, summed over stages, channels and cells, over the batch."""
    total = torch.zeros(())
    for predictions, target in ((out.paf, truth.paf), (out.heat, truth.heat)):
        for predicted in predictions:
            total = total + ((truth.mask * (predicted - target)) ** 2).sum() / (2 * len(target))
    return total


@pytest.mark.parametrize("config", [COLUMN, BRANCHES], ids=["column", "branches"])
def test_with_all_switches_off_it_is_openpose(config: SSAConfig) -> None:
    truth = targets()
    out = outputs(truth, layout=config.layout)
    stages = torch.zeros(len(out.paf) + len(out.heat))
    parts = OFF(out, truth, config, stages, progress=0.7)
    expected = plain_openpose(out, truth)
    assert parts.total == parts.base
    torch.testing.assert_close(parts.total, expected, rtol=1e-6, atol=0)
    leaves = [*out.paf, *out.heat]
    mine = torch.autograd.grad(parts.total, leaves)
    theirs = torch.autograd.grad(expected, leaves)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_attention_of_one_everywhere_is_openpose_too() -> None:
    """Specification 7.4: W = 1, v = 1, no ramp yet, no offsets."""
    truth = targets(people=0, masked=False)  # nobody: every channel is empty, so every W is 1
    out = outputs(truth)
    attentive = replace(OFF, spatial=True, sequential=True)
    parts = attentive(out, truth, COLUMN, torch.full((3,), 5.0))
    plain = OFF(out, truth, COLUMN, torch.full((3,), 5.0))
    v = stage_weights(parts.stage_loss[1:])
    expected = plain_stage(out.paf[0], truth.paf)
    expected = expected + v[0] * plain_stage(out.heat[0], truth.heat)
    expected = expected + v[1] * plain_stage(out.heat[1], truth.heat)
    torch.testing.assert_close(parts.total, expected)
    torch.testing.assert_close(plain.total, plain_openpose(out, truth))


def plain_stage(predicted: Tensor, target: Tensor) -> Tensor:
    return ((predicted - target) ** 2).sum() / (2 * len(target))


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("quartic", lambda d: (d**4).sum() / 2),
        ("log1p", lambda d: d.abs().log1p().sum() / 4 / 2),
    ],
)
def test_what_the_code_calls_focus(kind: str, formula: Formula) -> None:
    truth = targets()
    out = outputs(truth)
    total = replace(OFF, kind=kind)(out, truth, COLUMN, NOTHING_YET).total  # type: ignore[arg-type]
    expected = formula(truth.mask * (out.paf[0] - truth.paf))
    expected = expected + sum(formula(truth.mask * (h - truth.heat)) for h in out.heat)
    torch.testing.assert_close(total, expected)


def test_masked_cells_teach_nothing() -> None:
    truth = targets()
    out = outputs(truth)
    SSALoss()(out, truth, COLUMN, NOTHING_YET).total.backward()
    for leaf in (*out.heat, *out.offset):
        assert leaf.grad is not None
        assert leaf.grad[..., :9].abs().max() > 0
    for heat in out.heat:
        assert heat.grad is not None
        assert heat.grad[..., 9:].abs().max() == 0
    # An offset or a field may still reach across: what it says here is about cells over there.
    out = outputs(truth)
    replace(SSALoss(), self_supervision=False)(out, truth, COLUMN, NOTHING_YET).total.backward()
    for leaf in (*out.paf, *out.offset):
        assert leaf.grad is not None
        assert leaf.grad[..., 9:].abs().max() == 0


def test_offsets_are_learnt_where_keypoints_are_and_heat_is() -> None:
    truth = targets(masked=False)
    out = outputs(truth)
    loss = offset_loss(out.offset[0], out.heat[-1], truth)
    heights, said = out.heat[-1].detach(), out.offset[0].detach()
    expected = 0.0
    for image, keypoint, row, col in truth.offset_valid.nonzero().tolist():
        height = min(max(float(heights[image, keypoint, row, col]), 0.0), 1.0)
        for axis in (0, 1):
            at = image, 2 * keypoint + axis, row, col
            d = abs(float(said[at] - truth.offset[at]))
            expected += (0.25 + 0.75 * height) * (d * d / 0.2 if d < 0.1 else d - 0.05)
    assert float(loss.detach()) == pytest.approx(expected / 4, rel=1e-5)
    loss.backward()
    assert out.heat[-1].grad is None  # confidence decides, and learns nothing from it
    grad = out.offset[0].grad
    assert grad is not None
    learnt = truth.offset_valid.repeat_interleave(2, dim=1) > 0
    assert (grad[learnt] != 0).all()
    assert (grad[~learnt] == 0).all()


def test_offsets_grow_in_over_a_ramp() -> None:
    truth = targets()
    out = outputs(truth)
    how = replace(OFF, offsets=True, offset_ramp=0.1)
    at = [
        float(how(out, truth, COLUMN, NOTHING_YET, p).offset.detach()) for p in (0, 0.05, 0.1, 0.9)
    ]
    full = 10 * sum(float(offset_loss(o, out.heat[-1], truth).detach()) for o in out.offset)
    assert at == pytest.approx([0, full / 2, full, full], rel=1e-5)


@given(progress=st.floats(0, 1), start=st.floats(0, 0.5), width=st.floats(0.01, 0.5))
def test_a_ramp_rises_from_nought_to_one(progress: float, start: float, width: float) -> None:
    value = ramp(progress, start, start + width)
    assert 0 <= value <= 1
    assert value == pytest.approx(min(max((progress - start) / width, 0), 1), abs=1e-9)
    assert ramp(start + width, start, start + width) == 1
    assert ramp(start, start, start + width) == 0


def test_self_supervision_waits_for_its_ramp() -> None:
    truth = targets()
    out = outputs(truth)
    how = replace(OFF, offsets=True, self_supervision=True)
    values = [
        float(how(out, truth, COLUMN, NOTHING_YET, p).self_supervision.detach())
        for p in (0.0, 0.05, 0.1, 0.15, 1.0)
    ]
    assert values[:2] == [0, 0]
    assert values[2] == pytest.approx(values[3] / 2, rel=1e-5)
    assert values[3] == values[4] > 0
    expected = 0.0
    for heat, offset in zip(out.heat, out.offset, strict=True):
        made = synthesise(heat, offset, out.paf[-1], LSP14.limbs, GRID, truth)
        expected += float(self_supervision_loss(heat, made.mixed, truth).detach())
    assert values[4] == pytest.approx(expected, rel=1e-5)


def gradients(out: StageOutputs, known: PafTargets | None, **shares: float) -> tuple[Tensor, ...]:
    """How far the self-supervision moves the heatmap, the offsets and the fields."""
    heat, offset, paf = out.heat[0], out.offset[0], out.paf[0]
    made = synthesise(heat, offset, paf, LSP14.limbs, GRID, known)
    weights = {"truth": 0.0, "prediction": 0.0, "consistency": 0.0} | shares
    loss = self_supervision_loss(heat, made.mixed, known, **weights)
    found = torch.autograd.grad(loss, [heat, offset, paf], allow_unused=True)
    leaves = (heat, offset, paf)
    return tuple(
        torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True)
    )


def test_who_teaches_does_not_learn() -> None:
    truth = targets(masked=False)
    out = outputs(truth)
    heat, offset, paf = gradients(out, truth, truth=1.0)
    assert heat.abs().max() == 0
    assert offset.abs().max() > 0
    assert paf.abs().max() > 0
    heat, offset, paf = gradients(out, truth, prediction=1.0)
    assert heat.abs().max() > 0
    assert offset.abs().max() == 0
    assert paf.abs().max() == 0
    heat, offset, paf = gradients(out, truth, consistency=1.0)
    assert heat.abs().max() == 0
    assert offset.abs().max() > 0
    assert paf.abs().max() > 0
    heat, offset, paf = gradients(out, None, prediction=1.0)  # an unlabelled image
    assert heat.abs().max() > 0
    assert offset.abs().max() == 0
    assert paf.abs().max() == 0


def test_the_truth_moves_an_offset_towards_itself() -> None:
    """A vote a quarter of a block off: descending the loss brings it back."""
    known = torch.zeros(1, 1, 14)
    known[0, 0, 5] = 1
    points = torch.full((1, 1, 14, 2), 52.5)
    truth = encode_people(points, known, LSP14.limbs, (12, 12), GRID)
    offset = truth.offset.clone()
    offset[0, 10, 6, 6] += 0.25
    offset.requires_grad_()
    made = synthesise(truth.heat, offset, truth.paf, LSP14.limbs, GRID, truth)
    self_supervision_loss(truth.heat, made.mixed, truth).backward()
    assert offset.grad is not None
    assert offset.grad[0, 10, 6, 6] > 0  # too far right: the gradient points right
    assert offset.grad[0, 11, 6, 6].abs() < offset.grad[0, 10, 6, 6] / 10


def test_a_heatmap_learns_only_from_those_who_know_better() -> None:
    """The truth gate: where the synthesised map is wrong, it is not believed."""
    truth = targets(masked=False)
    right = truth.heat.clone().requires_grad_()
    liar = torch.ones_like(truth.heat)
    loss = self_supervision_loss(right, liar, truth, truth=0.0, prediction=1.0)
    loss.backward()
    assert right.grad is not None
    trusted = (liar - truth.heat).abs() <= 0.1
    assert right.grad[~trusted].abs().max() == 0
    assert trusted.any()
    # Unlabelled: only keypoints of which it is sure somewhere, at a tenth.
    heat = torch.zeros(1, 15, 12, 12, requires_grad=True)
    unsure = torch.zeros(1, 15, 12, 12)
    unsure[0, 0, 3, 3], unsure[0, 1, 3, 3] = 0.5, 0.29
    self_supervision_loss(heat, unsure, None).backward()
    assert heat.grad is not None
    assert heat.grad[0, 0, 3, 3] == pytest.approx(-0.1 * 0.25 * 0.5)
    assert heat.grad[0, 1:].abs().max() == 0


def test_spatial_weights_are_their_formula() -> None:
    truth = targets(masked=False)
    out = outputs(truth, noise=0.02)
    for_paf, for_heat = spatial_weights(
        out.paf, out.heat, truth, LSP14, fields_first=True, carry=0.0
    )
    h, t = out.heat[0][:, :-1].detach(), truth.heat[:, :-1]
    u = 0.1 + torch.maximum(t, h.clamp(0, 1)) + (h - t).abs()
    w = (u / u.mean((-2, -1), keepdim=True)).clamp(0.2, 8)
    w = w / w.mean((-2, -1), keepdim=True)
    w[:, 3] = 1  # nobody has a left hip
    torch.testing.assert_close(for_heat[0][:, :-1], w)
    assert (for_heat[0][:, -1] == 1).all()
    torch.testing.assert_close(for_paf[0][:, 0::2], for_paf[0][:, 1::2])
    hips = LSP14.limbs.index((3, 2))
    assert (for_paf[0][:, 2 * hips] == 1).all()
    assert not for_heat[0].requires_grad
    # A body weighs more than the background, and a false alarm too.
    assert (w[t > 0.5]).min() > (w[(t < 0.01) & (h < 0.05)]).max()


def test_sequential_weights_carry_the_error_of_the_stage_before() -> None:
    truth = targets(masked=False)
    out = outputs(truth, noise=0.0)
    wrong = out.heat[0].detach().clone()
    wrong[:, 0, 2, 3] += 1.0  # stage 1 sees an ankle that is not there
    said = StageOutputs(out.paf, (wrong, out.heat[1]), out.offset, ())
    _, (_, carried) = spatial_weights(said.paf, said.heat, truth, LSP14, fields_first=True)
    _, (_, alone) = spatial_weights(said.paf, said.heat, truth, LSP14, fields_first=True, carry=0.0)
    assert carried[0, 0, 2, 3] > 2 * alone[0, 0, 2, 3]
    torch.testing.assert_close(carried[:, 1:3], alone[:, 1:3])
    # The first heatmap stage carries the fields' error, each keypoint its limbs' largest.
    paf = out.paf[0].detach().clone()
    limb = LSP14.limbs.index((12, 13))
    paf[:, 2 * limb, 5, 5] += 1.0
    _, (first, _) = spatial_weights([paf], out.heat, truth, LSP14, fields_first=True)
    _, (apart, _) = spatial_weights([paf], out.heat, truth, LSP14, fields_first=False)
    assert (first[:, 12:14, 5, 5] > apart[:, 12:14, 5, 5]).all()
    torch.testing.assert_close(first[:, :3], apart[:, :3])
    assert incident(torch.ones(1, 14, 2, 2), LSP14).shape == (1, 14, 2, 2)


@pytest.mark.parametrize("people", [0, 2])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_weights_have_a_mean_of_one(people: int, noise: float) -> None:
    truth = targets(people=people)
    out = outputs(truth, noise)
    for_paf, for_heat = spatial_weights(out.paf, out.heat, truth, LSP14, fields_first=True)
    for weight in (*for_paf, *for_heat):
        mean = masked_mean(weight, truth.mask)
        torch.testing.assert_close(mean, torch.ones_like(mean))


def test_images_that_count_nowhere_do_no_harm() -> None:
    truth = targets()
    truth = replace(truth, mask=torch.zeros_like(truth.mask))
    out = outputs(truth)
    parts = SSALoss()(out, truth, COLUMN, NOTHING_YET)
    parts.total.backward()
    assert parts.total == 0
    assert all(torch.isfinite(leaf.grad).all() for leaf in (*out.heat, *out.paf, *out.offset))


def test_a_stage_behind_a_poor_one_is_trained_harder() -> None:
    torch.testing.assert_close(stage_weights(torch.full((5,), 3.0)), torch.ones(5))
    assert stage_weights(torch.tensor([2.0])).tolist() == [1]
    assert stage_weights(torch.tensor([2.0, 0.0])).tolist() == [1, 1]  # before the first step
    v = stage_weights(torch.tensor([3.0, 1.0, 2.0]))
    raw = torch.tensor([1.0, 1.5**0.5, 0.5**0.5])
    torch.testing.assert_close(v, raw * 3 / raw.sum())
    extreme = stage_weights(torch.tensor([1e6, 1.0, 1.0]))
    torch.testing.assert_close(extreme[1] / extreme[2], torch.tensor(2.0))  # sqrt(2) / sqrt(0.5)


def test_running_averages_of_stages_are_kept() -> None:
    truth = targets()
    out = outputs(truth)
    first = SSALoss()(out, truth, COLUMN, NOTHING_YET).stage_loss
    plain = [plain_masked(out.paf[0], truth.paf, truth.mask)]
    plain += [plain_masked(h, truth.heat, truth.mask) for h in out.heat]
    torch.testing.assert_close(first, torch.stack(plain).detach())
    second = SSALoss()(out, truth, COLUMN, 2 * first).stage_loss
    torch.testing.assert_close(second, 0.99 * 2 * first + 0.01 * first)
    assert not second.requires_grad


def plain_masked(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return (mask * (predicted - target) ** 2).sum() / (2 * len(target))


def test_gates_learn_the_attention() -> None:
    """The loss is 0 exactly where the gate's odds are the weight."""
    weight = torch.rand(2, 15, 4, 4) * 4 + 0.2
    mean = weight.mean(1, keepdim=True)
    mask = torch.ones(2, 1, 4, 4)
    right = StageOutputs((), (), (), (mean.log(),))
    config = replace(COLUMN, attn_gate=True)
    assert gate_loss(right, [weight], mask, config) < 1e-10
    even = StageOutputs((), (), (), (torch.zeros(2, 1, 4, 4),))
    expected = ((0.5 - mean / (1 + mean)) ** 2).sum() / 4
    torch.testing.assert_close(gate_loss(even, [weight], mask, config), expected)


def test_self_supervision_needs_votes() -> None:
    with pytest.raises(DataError, match="needs offsets"):
        SSALoss(offsets=False)
    with pytest.raises(DataError, match="no loss 'l3'"):
        SSALoss(kind="l3")  # type: ignore[arg-type]


def test_half_precision_changes_little() -> None:
    truth = targets()
    out = outputs(truth)
    half = StageOutputs(*(tuple(t.detach().bfloat16() for t in part) for part in out))
    fine = SSALoss()(out, truth, COLUMN, NOTHING_YET)
    coarse = SSALoss()(half, truth, COLUMN, NOTHING_YET)
    for a, b in zip(fine[:4], coarse[:4], strict=True):
        assert float(b.detach()) == pytest.approx(float(a.detach()), rel=0.02)


@given(seed=st.integers(0, 50))
@settings(max_examples=15)
def test_the_whole_is_the_sum_of_its_parts(seed: int) -> None:
    torch.manual_seed(seed)
    truth = targets()
    out = outputs(truth, noise=0.3)
    parts = SSALoss()(out, truth, COLUMN, NOTHING_YET)
    torch.testing.assert_close(
        parts.total, parts.base + parts.offset + parts.self_supervision + parts.gate
    )
    assert all(float(part.detach()) >= 0 for part in parts[:5])
