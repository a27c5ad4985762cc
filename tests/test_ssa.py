"""The network of the OpenPose line: shapes, sight, starts, and the maps it leaves behind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from posekit.data.paf_targets import PafTargets, encode_people
from posekit.decode.paf_grid import PafGrid
from posekit.errors import ModelError
from posekit.models.ssa import SMALL, VARIANT_N, VARIANT_O, SSAConfig, SSANet
from posekit.models.ssa_trace import estimated_weights, incident, limb_name, trace_maps
from posekit.models.ssa_trunk import vgg19_trunk
from posekit.models.ssa_votes import contradiction, limb_ends, offset_votes, synthesise
from posekit.skeleton import LSP14, OPENPOSE18
from posekit.trace import record
from tests.stick_people import crowd

TINY = replace(
    SMALL, trunk_width=8, features=16, paf_widths=(8,), heat_widths=(8, 8), input_size=(64, 64)
)
TINY_COLUMN = replace(TINY, trunk="vgg19", trunk_width=4, batch_norm=False)
TINY_BRANCHES = replace(TINY_COLUMN, layout="branches", stages=2, branch_width=8)
GRID = PafGrid()


def weights(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("config", [TINY, TINY_COLUMN, TINY_BRANCHES], ids=str)
def test_every_stage_puts_out_its_maps(config: SSAConfig) -> None:
    for chosen in (config, replace(config, offsets=False), replace(config, attn_gate=True)):
        out = SSANet(chosen).eval()(torch.randn(2, 3, 64, 48))
        stages = 2
        fields = 2 if config.layout == "branches" else 1
        assert [tuple(t.shape) for t in out.paf] == [(2, 28, 8, 6)] * fields
        assert [tuple(t.shape) for t in out.heat] == [(2, 15, 8, 6)] * stages
        assert [tuple(t.shape) for t in out.offset] == [(2, 28, 8, 6)] * stages * chosen.offsets
        gates = (fields if config.layout == "branches" else fields + stages) - 1
        assert [tuple(t.shape) for t in out.gate] == [(2, 1, 8, 6)] * gates * chosen.attn_gate


def test_paper_sizes_have_the_papers_channels() -> None:
    with torch.device("meta"):
        new, old, small = SSANet(VARIANT_N), SSANet(VARIANT_O), SSANet(SMALL)
    seen = [stage[0].first[0].in_channels for stage in new.paf_stages]
    assert seen == [128, 166, 166, 166]
    assert [stage[-1].out_channels for stage in new.paf_stages] == [38] * 4
    # 19 heatmaps and 36 offsets; the code's pair for "no offset" is left out, the fields stay.
    assert [stage[0].first[0].in_channels for stage in new.heat_stages] == [166, 128 + 38 + 55]
    assert [stage[-1].out_channels for stage in new.heat_stages] == [55, 55]
    assert [stage[-2][0].out_channels for stage in new.heat_stages] == [256, 512]
    with torch.device("meta"):
        as_code = SSANet(replace(VARIANT_N, paf_to_all=False))
        plain = SSANet(replace(VARIANT_O, offsets=False))
    assert as_code.heat_stages[1][0].first[0].in_channels == 128 + 55
    assert plain.branches[1][0][0].in_channels == 185
    assert old.branches[1][0][0].in_channels == 185 + 36
    # CVPR 2017 in figures: the sum over its layers, counted by hand.
    trunk = sum(
        a * b * 9 + b
        for a, b in [
            (3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256),
            (256, 256), (256, 512), (512, 512), (512, 256), (256, 128),
        ]
    ) + 256 + 128  # the two PReLUs  # fmt: skip
    assert weights(plain.trunk) == trunk
    first = 3 * (128 * 128 * 9 + 128) + 128 * 512 + 512 + 512 * 38 + 38
    assert weights(plain.branches[0][0]) == first
    later = 185 * 128 * 49 + 128 + 4 * (128 * 128 * 49 + 128) + 128 * 128 + 128 + 128 * 19 + 19
    assert weights(plain.branches[3][1]) == later
    # The small one fits in the repository: half precision, under 16 MiB.
    assert 2 * weights(small) < 16 * 2**20
    assert 1e6 < weights(small) < 2e6


def sight(module: nn.Module, size: int, channels: int = 3) -> int:
    """Side of the square of pixels that the middle cell depends on."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
        if isinstance(layer, nn.PReLU):
            nn.init.constant_(layer.weight, 1.0)
    image = torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    out = module.double()(image)
    out = out if isinstance(out, Tensor) else out.paf[0]
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    assert image.grad is not None
    return int((image.grad[0, 0].abs().sum(0) > 0).sum())


def test_receptive_fields_are_the_codes() -> None:
    """116 pixels for the trunk, 240 more for a stage of 15 convolutions at stride 8."""
    trunk = vgg19_trunk(1, 1)
    for index, layer in enumerate(trunk.features):  # a maximum sees one pixel: its mean sees all
        if isinstance(layer, nn.MaxPool2d):
            trunk.features[index] = nn.AvgPool2d(2)
    assert sight(trunk, 240) == 116
    config = replace(TINY_COLUMN, trunk_width=1, features=1, paf_widths=(1,), heat_widths=(1,))
    model = SSANet(config)
    model.trunk = trunk
    assert sight(model, 480) == 356


def test_imagenet_weights_fit_by_name() -> None:
    config = replace(TINY_COLUMN, trunk_width=64)
    model = SSANet(config)
    # The first tensors of torchvision's VGG-19, whose indices count activations and poolings.
    convolutions = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21]
    shapes = {n: model.trunk.features[n].weight.shape for n in convolutions}
    assert shapes[0] == (64, 3, 3, 3)
    assert shapes[21] == (512, 512, 3, 3)
    classifier = {f"features.{n}.weight": torch.full(shape, n / 100) for n, shape in shapes.items()}
    classifier |= {f"features.{n}.bias": torch.zeros(shape[0]) for n, shape in shapes.items()}
    classifier["classifier.0.weight"] = torch.zeros(3)
    assert model.initialise(classifier) == 20
    assert (model.trunk.features[21].weight == 0.21).all()
    assert model.initialise() == 0
    with pytest.raises(ModelError, match="fits the model's trunk"):
        model.initialise({"classifier.0.weight": torch.zeros(3)})


def test_a_size_that_is_no_multiple_of_the_stride_is_refused() -> None:
    with pytest.raises(ModelError, match="multiples of 8; 64 x 60 is not"):
        SSANet(TINY).eval()(torch.zeros(1, 3, 64, 60))


def test_a_gate_changes_nothing_at_first() -> None:
    torch.manual_seed(0)
    plain = SSANet(TINY).eval()
    gated = SSANet(replace(TINY, attn_gate=True)).eval()
    missing = gated.load_state_dict(plain.state_dict(), strict=False)
    assert [name.split(".")[0] for name in missing.missing_keys] == ["gates"] * 4
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(gated(image).heat[-1], plain(image).heat[-1])
    nn.init.constant_(gated.gates[0].bias, 3.0)
    assert not torch.allclose(gated(image).heat[-1], plain(image).heat[-1])


def truth(people: int = 3, seed: int = 1) -> PafTargets:
    points = torch.from_numpy(crowd(people, (128, 128), LSP14, seed))[None].float()
    return encode_people(points, torch.ones(points.shape[:3]), LSP14.limbs, (16, 16), GRID)


def test_votes_of_the_truth_are_the_heatmap() -> None:
    """Where keypoints of a kind stand apart, V equals H* to a thousandth."""
    points = torch.from_numpy(crowd(1, (128, 128), LSP14, seed=5))[None].float()
    for seed in range(5):
        torch.manual_seed(seed)
        moved = (points + 8 * torch.rand(1, 1, 14, 2)).clamp(0, 127)
        target = encode_people(moved, torch.ones(1, 1, 14), LSP14.limbs, (16, 16), GRID)
        votes = offset_votes(target.heat, target.offset, GRID)
        torch.testing.assert_close(votes, target.heat[:, :-1], atol=1e-3, rtol=0)
    # Not without the offsets: the grid takes up to half of a peak.
    snapped = offset_votes(target.heat, torch.zeros_like(target.offset), GRID)
    assert (snapped - target.heat[:, :-1]).abs().max() > 0.1


def votes_by_unfolding(heat: Tensor, offset: Tensor) -> Tensor:
    """Every cell asks all 49 around it, as the specification words it."""
    rows, cols = heat.shape[-2:]
    wide = torch.nn.functional.pad(heat, (1, 1, 1, 1), value=-1)
    around = torch.nn.functional.unfold(wide, 3).view(1, heat.shape[1], 9, rows, cols)
    strength = heat.clamp(0, 1) * (heat >= around.amax(2)) * (heat > 0.1)
    shift = offset.unflatten(1, (-1, 2)).clamp(-0.75, 0.75)
    strength = (strength / torch.exp(-32 * shift.square().sum(2) / 49)).clamp(max=1)
    out = torch.zeros_like(heat)
    for row in range(rows):
        for col in range(cols):
            for r in range(max(row - 3, 0), min(row + 4, rows)):
                for c in range(max(col - 3, 0), min(col + 4, cols)):
                    x = 8 * (c + shift[:, :, 0, r, c] - col)
                    y = 8 * (r + shift[:, :, 1, r, c] - row)
                    seen = strength[:, :, r, c] * torch.exp(-(x**2 + y**2) / 98)
                    out[:, :, row, col] = torch.maximum(out[:, :, row, col], seen)
    return out


def test_scattered_votes_are_the_gathered_ones() -> None:
    torch.manual_seed(0)
    heat, offset = torch.rand(1, 3, 9, 7), torch.randn(1, 6, 9, 7)
    mine = offset_votes(heat, offset, GRID)
    torch.testing.assert_close(mine, votes_by_unfolding(heat, offset))


def test_missed_keypoints_vote_in_training() -> None:
    target = truth()
    blind = torch.zeros_like(target.heat)
    assert offset_votes(blind, target.offset, GRID).max() == 0
    votes = offset_votes(blind, target.offset, GRID, target)
    torch.testing.assert_close(votes, target.heat[:, :-1], atol=2e-3, rtol=0)


def test_limbs_begin_and_end_at_their_keypoints() -> None:
    """The specification's figures on random limbs of 80 pixels and more, before the floor."""
    torch.manual_seed(3)
    right, wrong, middle = [], [], []
    for _ in range(150):
        angle = 2 * math.pi * float(torch.rand(()))
        length = 80 + 80 * float(torch.rand(()))
        a = 184 + 8 * torch.rand(2)
        b = a + length * torch.tensor([math.cos(angle), math.sin(angle)])
        points = torch.stack([a, b])[None, None]
        target = encode_people(points, torch.ones(1, 1, 2), [(0, 1)], (46, 46), GRID)
        # Undo floor and cut: what is tested is the gain.
        ends = limb_ends(target.paf, [(0, 1)], 2, GRID)[0]
        for own, place in enumerate((a, b)):
            col, row = ((place - 3.5) / 8).round().long().tolist()
            right.append(float(ends[own, row - 1 : row + 2, col - 1 : col + 2].max()))
            wrong.append(float(ends[1 - own, row, col]))
        col, row = (((a + b) / 2 - 3.5) / 8).round().long().tolist()
        middle.append(float(ends[:, row, col].max()))
    right_values = torch.tensor(right)
    assert right_values.mean() > 0.9
    assert right_values.quantile(0.1) > 0.8
    assert max(wrong) == 0
    assert torch.tensor(middle).mean() < 0.1


def test_the_gain_makes_the_divergence_one_at_true_ends() -> None:
    """Specification 12.3: fields of half length are not cut off above, so the gain can be read."""
    torch.manual_seed(4)
    found = []
    for _ in range(150):
        angle = 2 * math.pi * float(torch.rand(()))
        start = 184 + 8 * torch.rand(2)
        way = (80 + 80 * float(torch.rand(()))) * torch.tensor([math.cos(angle), math.sin(angle)])
        points = torch.stack([start, start + way])[None, None]
        target = encode_people(points, torch.ones(1, 1, 2), [(0, 1)], (46, 46), GRID)
        ends = limb_ends(0.5 * target.paf, [(0, 1)], 2, GRID)[0]
        for own, place in enumerate(points[0, 0]):
            col, row = ((place - 3.5) / 8).round().long().tolist()
            end = float(ends[own, row, col])
            found.append(2 * (0.75 * end + 0.25) if end else 0.0)  # before the floor
    values = torch.tensor(found)
    assert float(values.mean()) == pytest.approx(1, abs=0.1)
    assert values.quantile(0.1) > 0.8


def test_a_limb_cut_off_by_the_border_does_not_end_there() -> None:
    points = torch.tensor([[[[64.0, 60.0], [400.0, 60.0]]]])
    target = encode_people(points, torch.ones(1, 1, 2), [(0, 1)], (16, 16), GRID)
    begins, stops = limb_ends(target.paf, [(0, 1)], 2, GRID)[0]
    assert begins[7, 8] > 0.5
    assert stops.max() == 0


def test_the_mixture_is_made_of_votes_and_ends() -> None:
    target = truth()
    made = synthesise(target.heat, target.offset, target.paf, LSP14.limbs, GRID)
    torch.testing.assert_close(made.mixed[:, :-1], 0.7 * made.votes + 0.3 * made.ends)
    torch.testing.assert_close(made.mixed[:, -1], 1 - made.mixed[:, :-1].amax(1))
    # A keypoint none of whose limbs is labelled: its votes count in full.
    known = torch.zeros(1, 1, 14)
    known[0, 0, 4] = 1
    lonely = encode_people(torch.full((1, 1, 14, 2), 60.0), known, LSP14.limbs, (16, 16), GRID)
    made = synthesise(lonely.heat, lonely.offset, lonely.paf, LSP14.limbs, GRID, lonely)
    # (Up to 21 pixels away; farther out there is next to nothing left of either.)
    torch.testing.assert_close(made.mixed[:, 4], lonely.heat[:, 4], atol=3e-3, rtol=0)


def test_contradiction_is_nought_in_agreement_and_two_in_opposition() -> None:
    heat = torch.zeros(1, 3, 8, 8)
    heat[0, 0, 2, 2], heat[0, 1, 6, 6] = 1, 1
    assert contradiction(heat, heat).max() == 0
    other = heat.flip(-1)
    torch.testing.assert_close(contradiction(heat, other)[0, :2], torch.tensor([2.0, 2.0]))
    mask = torch.ones(1, 1, 8, 8)
    mask[..., 2, :] = 0
    assert contradiction(heat, other, mask)[0, 0] == 0


def test_a_recorded_pass_leaves_every_map_by_name() -> None:
    torch.manual_seed(0)
    model = SSANet(TINY).eval()
    images = torch.randn(2, 3, 64, 48)
    with torch.no_grad(), record(model) as trace:
        out = model(images)
    torch.testing.assert_close(trace.heatmaps, out.heat[-1][:, :14])
    names = set(trace.maps)
    for kind in ("votes", "ends", "synthesised", "contradiction", "heatmap.1", "heatmap.2"):
        assert {f"{kind}.{word}" for word in LSP14.keypoints} <= names, kind
    for stage in (1, 2, 3):
        assert f"estimated-weight.{stage}.left wrist" in names
    assert limb_name(LSP14, 0) == "left wrist > left elbow"
    assert "paf.x.left wrist > left elbow" in names
    one = trace.maps["contradiction.left knee"]
    assert one.values.shape == (2, 8, 6)
    knee = LSP14.index("left knee")
    made = trace.maps["synthesised.left knee"].values
    torch.testing.assert_close(one.values, out.heat[-1][:, knee] - made)
    limb = LSP14.limbs.index((LSP14.index("neck"), LSP14.index("head top")))
    torch.testing.assert_close(
        trace.maps["paf.y.neck > head top"].values, out.paf[-1][:, 2 * limb + 1]
    )
    # A cell of the maps covers eight pixels, the first from the photo's edge on.
    assert one.grid.to_input.apply((0.0, 0.0)).tolist() == [3.5, 3.5]
    assert one.grid.token_at([47.4, 63.4]) == 47
    with torch.no_grad(), record(model) as plain_trace:
        torch.testing.assert_close(model(images).heat[-1], out.heat[-1])
    assert plain_trace.maps.keys() == names


def test_without_offsets_there_is_nothing_to_synthesise() -> None:
    model = SSANet(replace(TINY, offsets=False)).eval()
    with torch.no_grad(), record(model) as trace:
        model(torch.randn(1, 3, 64, 64))
    assert not any(name.startswith(("votes", "synth", "contra", "offset")) for name in trace.maps)
    assert "estimated-weight.3.neck" in trace.maps


def test_the_estimated_weight_is_its_formula() -> None:
    paf, heat = torch.zeros(1, 28, 4, 4), torch.zeros(2, 1, 15, 4, 4)
    heat[0, 0, 3, 1, 1] = 0.5
    heat[1, 0, 3, 1, 1], heat[1, 0, 3, 2, 2] = 0.9, 2.0
    found = estimated_weights([paf], list(heat), LSP14)
    assert len(found) == 3
    torch.testing.assert_close(found[0], torch.ones(1, 14, 4, 4))
    raw = torch.full((4, 4), 0.1)
    raw[1, 1], raw[2, 2] = 0.1 + 0.9 + 0.4, 0.1 + 1.0 + 2.0
    torch.testing.assert_close(found[2][0, 3], raw / raw.mean())


def test_a_keypoint_takes_the_largest_of_its_limbs() -> None:
    maps = torch.rand(1, len(OPENPOSE18.limbs), 3, 3)
    mine = incident(maps, OPENPOSE18)
    torch.testing.assert_close(mine[:, 4], maps[:, 8])  # the right wrist has one limb
    torch.testing.assert_close(mine[:, 0], maps[:, [14, 15, 16]].amax(1))


def test_the_trace_of_the_truth_shows_no_contradiction() -> None:
    target = truth(1)
    maps = trace_maps([target.paf], [target.heat], [target.offset], LSP14, GRID)
    torch.testing.assert_close(maps["votes.neck"], target.heat[:, 12], atol=1e-3, rtol=0)
    peak = target.heat[0, 12].argmax()
    assert maps["contradiction.neck"].flatten()[peak].abs() < 0.31  # limb ends are blunt


def test_offsets_join_a_trained_network_without_changing_what_it_says() -> None:
    torch.manual_seed(1)
    config = replace(SMALL, trunk_width=8, features=16, paf_widths=(8,), heat_widths=(8, 8))
    without = SSANet(replace(config, offsets=False)).eval()
    without.stage_loss.fill_(3.0)
    for weight in without.parameters():  # far from what the constructor would draw again
        torch.nn.init.normal_(weight, std=0.3)
    model = SSANet(config).eval()
    last = model.heat_stages[-1][-1]
    drawn = last.weight[config.heat_channels :].clone()

    assert model.initialise(without.state_dict()) == len(without.state_dict()) - 1
    assert torch.equal(last.weight[config.heat_channels :], drawn)
    assert model.stage_loss.abs().max() == 0  # averages belong to a run
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before, after = without(images), model(images)
    for name in ("paf", "heat"):
        for old, new in zip(getattr(before, name), getattr(after, name), strict=True):
            torch.testing.assert_close(new, old)
    assert len(after.offset) == 2 and not before.offset
    for network in (without, model):  # a checkpoint's shapes tell which of the two it is of
        assert SSANet.for_weights(config, network.state_dict()).config == network.config


@pytest.mark.parametrize("layout", ["column", "branches"])
@pytest.mark.parametrize("offsets", [True, False])
@pytest.mark.parametrize("attn_gate", [True, False])
@pytest.mark.parametrize("wide", [True, False])
def test_weights_say_what_they_are_of(
    layout: str, offsets: bool, attn_gate: bool, wide: bool
) -> None:
    """Whatever a recipe switches on, its checkpoint is read as it was trained."""
    shipped = replace(TINY, layout=layout)
    trained = replace(
        shipped, offsets=offsets, attn_gate=attn_gate, grid=replace(TINY.grid, wide=wide)
    )
    weights = SSANet(trained).state_dict()
    network = SSANet.for_weights(shipped, weights)
    assert network.config == trained
    network.load_state_dict(weights)
