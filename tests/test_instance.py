"""Instance attention: the network, its loss, what rows it learns from, and training."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from posekit.checkpoint import read_state_dict
from posekit.data.augment import NONE
from posekit.data.crowd import of_photo, of_scene
from posekit.data.crowd_augment import augment_crowds
from posekit.data.crowd_canvas import CrowdCanvases, make_crowd_canvases
from posekit.data.instance_targets import RowTargets, sample_rows
from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.data.mask import InstanceMask
from posekit.errors import DataError, ModelError
from posekit.geometry import Box
from posekit.models.instance import (
    SMALL,
    InstanceAttention,
    InstanceOutput,
    attention_rows,
)
from posekit.models.instance_losses import (
    InstanceLoss,
    heat_loss,
    offset_loss,
    row_loss,
    scaled_rows,
)
from posekit.models.instance_photo import find
from posekit.models.transpose import R_SMALL, transpose
from posekit.photo import read_photo
from posekit.scenes import render_scene
from posekit.skeleton import COCO17, LSP14
from posekit.trace import record
from posekit.training.instance import InstanceOptions, InstanceTask
from posekit.training.recipe import Stage
from posekit.training.task import Step
from posekit.training.tasks import task_kinds
from posekit.zoo import entry
from tests.tiny_instance import TINY, TOKENS, tiny

# The network.


def test_shapes_at_both_strides() -> None:
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        for stride in (8, 16):
            config = replace(TINY, stride=stride, offsets=stride == 8)
            output = InstanceAttention(config).eval()(images)
            assert output.heatmaps.shape == (2, 14, 16, 24)
            assert output.offsets.shape == (2, 2 if stride == 8 else 0, 16, 24)
            assert output.queries.shape == (2, 4, 64 * 96 // stride**2, 4)
    with pytest.raises(ModelError, match="multiples of 8"):
        tiny()(torch.randn(1, 3, 60, 64))
    with pytest.raises(ModelError, match="no encoder layer 7"):
        replace(TINY, supervised=7)


def test_the_last_layer_but_one_is_supervised() -> None:
    assert TINY.supervised_layer == 2 and replace(TINY, supervised=3).supervised_layer == 3
    model = tiny()
    with record(model) as trace, torch.no_grad():
        output = model(torch.randn(1, 3, 64, 64))
    assert [(a.name, a.kind) for a in trace.attentions.values()] == [
        ("encoder.1", "encoder"), ("encoder.2", "supervised"), ("encoder.3", "encoder"),
    ]  # fmt: skip
    assert torch.equal(trace.attentions["encoder.2"].q, output.queries)
    assert trace.heatmaps is not None and torch.equal(trace.heatmaps, output.heatmaps)
    assert trace.heatmap_grid is not None and trace.heatmap_grid.size == (16, 16)
    # Heatmap pixel (0, 0) and token (0, 0) begin at the same edge of the input.
    assert trace.heatmap_grid.to_input.apply((0, 0)).tolist() == [1.5, 1.5]
    assert trace.attentions["encoder.1"].query_grid.to_input.apply((0, 0)).tolist() == [3.5, 3.5]


def test_padding_is_never_attended_to_and_changes_nothing_it_should_not() -> None:
    """Rows in a padded batch: 0 on the padding, the trace's are the network's, and sum to 1."""
    model = tiny()
    images = torch.zeros(2, 3, 64, 64)
    images[0], images[1, :, :40, :64] = torch.randn(3, 64, 64), torch.randn(3, 40, 64)
    sizes = torch.tensor([[64.0, 64.0], [37.0, 64.0]])  # 37 pixels are five tokens
    with record(model) as trace, torch.no_grad():
        output = model(images, sizes)
    assert output.attended is not None
    assert output.attended.sum(1).tolist() == [64, 40]
    rows = attention_rows(output, torch.arange(64).expand(2, -1))
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 64))
    assert rows[1, :, 40:].abs().max() == 0 and rows[1, :, :40].min() > 0
    for item in (0, 1):
        recorded = trace.attentions["encoder.2"].rows(torch.arange(64), item).mean(0)
        torch.testing.assert_close(recorded, rows[item], atol=1e-6, rtol=1e-5)
    # What the layer gathered follows from the traced rows: they are what the network used.
    layer = model.global_encoder.layers[0]
    with torch.no_grad():
        x = model.reduce(model.trunk(images)).flatten(2).transpose(1, 2)
        position, attended = model.places(8, 8, sizes, x)
        got = layer.self_attn(x + position, x + position, x, attended)
        values = layer.self_attn.split(
            x @ layer.self_attn.in_proj_weight[32:].T + layer.self_attn.in_proj_bias[32:]
        )
        matrix = trace.attentions["encoder.1"].matrix(1)
        expected = (matrix @ values[1]).transpose(0, 1).flatten(1)
        expected = layer.self_attn.out_proj(expected)
    torch.testing.assert_close(got[1], expected, atol=1e-5, rtol=1e-4)


def test_a_photo_has_the_same_positions_alone_and_in_a_batch() -> None:
    model = tiny()
    like = torch.zeros(1)
    alone, none = model.places(5, 8, None, like)
    batch, attended = model.places(8, 8, torch.tensor([[64, 64], [40, 64]]), like)
    assert none is None and attended is not None
    torch.testing.assert_close(batch[1].unflatten(0, (8, 8))[:5].flatten(0, 1), alone[0])
    assert model.places(8, 8, torch.tensor([[64, 60]]), like)[1] is None  # no whole token is empty


def test_warm_start_takes_what_fits_and_goes_on_as_before() -> None:
    """All of TransPose-R-small but its position table; the fourth layer changes next to nothing."""
    torch.manual_seed(1)
    donor = transpose(R_SMALL).eval()
    with torch.no_grad():
        for layer in donor.global_encoder:  # norms as after a training: not quite 1 and 0
            layer.norm2.weight += 0.05 * torch.randn(128)
            layer.norm2.bias += 0.05 * torch.randn(128)
    weights = donor.state_dict()
    model = InstanceAttention(SMALL).eval()
    assert model.initialise(weights) == len(weights) - 1
    own = model.state_dict()
    missing = {key for key in own if key not in weights}
    assert all(key.startswith(("global_encoder.layers.3.", "offset_layer.")) for key in missing)
    assert {key for key in weights if key not in own} == {"pos_embedding"}
    for key in own.keys() & weights.keys():
        assert torch.equal(own[key], weights[key]), key
    images = torch.randn(1, 3, 192, 144)
    with torch.no_grad():
        before, after = donor(images), model(images).heatmaps
    alike = torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]
    assert alike > 0.97
    with pytest.raises(ModelError, match="No tensor"):
        model.initialise({"something": torch.zeros(3)})


def test_the_shipped_transpose_is_a_start() -> None:
    from posekit.weights import fetch

    file = entry("transpose-r-small").weights_of("shipped")
    if not file.present:
        pytest.skip("The shipped TransPose-R-small is not here.")
    weights = read_state_dict(fetch(file))
    assert InstanceAttention(SMALL).initialise(weights) == len(weights) - 1


def test_the_zoo_has_both() -> None:
    small, large = entry("instance-attention-small"), entry("instance-attention-r50")
    assert small.view == large.view == "photo"
    assert small.find is large.find is find
    assert {"encoder", "supervised"} == set(small.levels)
    with torch.device("meta"):
        network = large.build()
    assert network.reduce.weight.shape == (256, 1024, 1, 1)
    assert network.config.supervised_layer == 5 and len(network.deconv_layers) == 6


# The loss.


def output_of(q: torch.Tensor, k: torch.Tensor) -> InstanceOutput:
    return InstanceOutput(torch.zeros(0), torch.zeros(0), q, k, None)


def test_sampled_rows_are_rows_of_the_full_matrix_and_gradients_pass_no_others() -> None:
    torch.manual_seed(0)
    q = torch.randn(2, 4, 9, 8, requires_grad=True)
    k = torch.randn(2, 4, 9, 8, requires_grad=True)
    full = (q @ k.transpose(2, 3) * 8**-0.5).softmax(-1).mean(1)
    tokens = torch.tensor([[1, 5, 5], [0, 8, 2]])
    rows = attention_rows(output_of(q, k), tokens)
    torch.testing.assert_close(rows, full.gather(1, tokens[..., None].expand(-1, -1, 9)))
    (rows**2).sum().backward()
    assert q.grad is not None and k.grad is not None
    touched = q.grad.abs().sum((1, 3)) > 0
    assert touched.nonzero().tolist() == [[0, 1], [0, 5], [1, 0], [1, 2], [1, 8]]
    assert (k.grad.abs().sum((1, 3)) > 0).all()


def targets_of(masks: list[list[float]], counted: list[float], keys: list[float]) -> RowTargets:
    mask = torch.tensor([masks])
    nothing = torch.zeros(mask.shape[:2], dtype=torch.long)
    return RowTargets(nothing, mask, nothing, torch.tensor([counted]), torch.tensor([keys]))


def test_a_maximum_that_is_held_is_pushed_up_one_that_is_not_stays_at_one() -> None:
    """On a row that is its person's mask but for one weak token, by autograd."""
    said = torch.tensor([[[4.0, 2.0, 4.0, 0.0]]], requires_grad=True)
    truth = targets_of([[1.0, 1.0, 1.0, 0.0]], [1.0], [1.0] * 4)
    slopes = {}
    for hold in (True, False):
        loss = row_loss(said / 10, truth, "bce-dice", hold_maximum=hold)
        (slopes[hold],) = torch.autograd.grad(loss, said)
    held, free = slopes[True][0, 0], slopes[False][0, 0]
    assert held[0] < 0 and held[2] < 0  # growing alone lowers the loss: rows get narrow
    assert free[0] + free[2] > 0 > free[1]  # the strong ones give way to the weak one
    # A row and ten times that row are the same to the loss.
    assert float((free * said[0, 0]).sum().detach()) == pytest.approx(0, abs=1e-6)


def test_row_losses_by_hand() -> None:
    rows = torch.tensor([[[0.5, 0.25, 0.25, 0.0]]])
    torch.testing.assert_close(scaled_rows(rows)[0, 0], torch.tensor([1.0, 0.5, 0.5, 0.0]))
    truth = targets_of([[1.0, 1.0, 0.0, 0.0]], [1.0], [1.0, 1.0, 1.0, 1.0])
    assert float(row_loss(rows, truth, "mse")) == pytest.approx((0 + 0.25 + 0.25 + 0) / 4)
    share = [0.98, 0.5, 0.5, 0.02]
    entropy = -(math.log(share[0]) + math.log(share[1]) + math.log(1 - 0.5) + math.log(0.98)) / 4
    dice = 1 - 2 * 1.5 / (2.0 + 2.0)
    assert float(row_loss(rows, truth, "bce-dice")) == pytest.approx(entropy + dice, rel=1e-5)
    # A key that does not count, and a row that is nobody's.
    without = targets_of([[1.0, 1.0, 0.0, 0.0]], [1.0], [1.0, 1.0, 0.0, 1.0])
    assert float(row_loss(rows, without, "mse")) == pytest.approx(0.25 / 3)
    two = torch.cat([rows, torch.rand(1, 1, 4)], 1)
    nobody = targets_of([[1.0, 1.0, 0.0, 0.0], [0.0] * 4], [1.0, 0.0], [1.0] * 4)
    assert float(row_loss(two, nobody, "mse")) == pytest.approx(0.125)
    assert float(row_loss(rows, targets_of([[0.0] * 4], [0.0], [1.0] * 4), "bce-dice")) == 0


def test_a_row_that_is_the_mask_costs_least() -> None:
    mask = [1.0, 1.0, 0.0, 0.0]
    truth = targets_of([mask], [1.0], [1.0] * 4)
    even = torch.tensor([[[0.5, 0.5, 0.0, 0.0]]])
    for kind in ("mse", "bce-dice"):
        best = float(row_loss(even, truth, kind))
        for other in ([0.25] * 4, [0.0, 0.0, 0.5, 0.5], [0.9, 0.1, 0.0, 0.0]):
            assert float(row_loss(torch.tensor([[other]]), truth, kind)) > best + 0.01


def test_descent_moves_attention_onto_the_mask() -> None:
    """From q and k alone; worst is a row whose maximum lies on somebody else."""
    torch.manual_seed(0)
    q, k = torch.randn(1, 2, 6, 8), torch.randn(1, 2, 6, 8)
    q.requires_grad_(), k.requires_grad_()
    truth = RowTargets(
        torch.tensor([[0, 3]]),
        torch.tensor([[[1.0, 1, 1, 0, 0, 0], [0.0, 0, 0, 1, 1, 1]]]),
        torch.tensor([[0, 1]]), torch.ones(1, 2), torch.ones(1, 6),
    )  # fmt: skip
    optimiser = torch.optim.Adam([q, k], 0.1)
    for _ in range(80):
        loss = row_loss(attention_rows(output_of(q, k), truth.tokens), truth, "bce-dice")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    rows = attention_rows(output_of(q, k), truth.tokens)[0]
    assert rows[0, :3].sum() > 0.95 and rows[1, 3:].sum() > 0.95
    assert scaled_rows(rows)[0, :3].min() > 0.5  # on all of the person, not on one token


def test_heat_and_offset_losses_by_hand() -> None:
    target = torch.zeros(1, 1, 2, 2)
    target[..., 0, 0] = 1.0
    weight = torch.ones_like(target)
    assert float(heat_loss(torch.zeros_like(target), target, weight)) == 1.0
    said = torch.tensor([[[[0.5, 0.5], [0.0, 3.0]]]])
    weight[..., 1, 1] = 0.0
    assert float(heat_loss(said, target, weight)) == pytest.approx(0.5)
    focal = 0.25 * 0.5 + 0.25 * 0.5
    assert float(heat_loss(said, target, weight, "focal")) == pytest.approx(focal)
    offsets, truth = torch.zeros(1, 2, 1, 2), torch.tensor([[[[0.25, 9.0]], [[-0.5, 9.0]]]])
    valid = torch.tensor([[[[1.0, 0.0]]]])
    assert float(offset_loss(offsets, truth, valid)) == pytest.approx(0.75)


# What rows are looked at.


@pytest.fixture(scope="module")
def scenes() -> CrowdCanvases:
    photos = [
        of_scene(
            render_scene(seed, size=(96, 96), people=people, occluder="person", overlap=0.4), LSP14
        )
        for seed, people in ((1, 2), (2, 3), (3, 2), (4, 3))
    ]
    return make_crowd_canvases(photos, 4, 96, owners=True)


def test_covers_are_the_masks_at_the_tokens(scenes: CrowdCanvases) -> None:
    generator = torch.Generator().manual_seed(0)
    scene = render_scene(1, size=(96, 96), people=2, occluder="person", overlap=0.4)
    views = augment_crowds(scenes, torch.arange(4), LSP14, (96, 96), generator, NONE, token=8)
    assert views.covers is not None
    order = sorted(scene.people, key=lambda p: -(np.ptp(np.nonzero(p.visible_mask), 1) + 1).prod())
    for place, person in enumerate(order):
        true = person.visible_mask.reshape(12, 8, 12, 8).mean((1, 3))
        assert np.abs(views.covers.people[0, place].numpy() - true).max() < 0.15
    assert views.covers.people.sum(1).max() <= 1 and views.covers.unknown.max() == 0


def test_covers_of_a_photo_that_is_not_square() -> None:
    """Drawn larger than its canvas; whose a pixel is follows the picture to the edges."""
    scene = render_scene(7, size=(120, 180), people=2)
    data = make_crowd_canvases([of_scene(scene, LSP14)], 1, 96, owners=True)
    assert data.owners.shape == (1, 48, 48) and data.owners[0, 32:].max() == 0
    generator = torch.Generator().manual_seed(0)
    views = augment_crowds(data, torch.tensor([0]), LSP14, (96, 96), generator, NONE, token=8)
    assert views.covers is not None and views.people.sizes.tolist() == [[64, 96]]
    ours = views.covers.people[0, :, :8].sum((1, 2))
    true = torch.tensor([float(p.visible_mask.sum()) for p in scene.people])
    true = true.sort(descending=True).values / 1.875**2 / 64
    torch.testing.assert_close(ours.sort(descending=True).values, true, rtol=0.1, atol=0.1)
    assert views.covers.people[0, :, 8:].max() == 0


def test_mirrored_covers_follow_the_picture(scenes: CrowdCanvases) -> None:
    both = [
        augment_crowds(
            scenes, torch.arange(4), LSP14, (96, 96), torch.Generator().manual_seed(0),
            replace(NONE, flip=flip), token=8,
        )
        for flip in (0.0, 1.0)
    ]  # fmt: skip
    plain, mirrored = (views.covers for views in both)
    assert plain is not None and mirrored is not None
    assert (plain.people - mirrored.people.flip(-1)).abs().max() < 0.26  # half a pixel of 4
    assert (plain.people - mirrored.people).abs().max() > 0.9


def test_everybody_gets_as_many_rows(scenes: CrowdCanvases) -> None:
    generator = torch.Generator().manual_seed(0)
    views = augment_crowds(scenes, torch.arange(4), LSP14, (96, 96), generator, NONE, token=8)
    assert views.covers is not None
    draws = torch.rand(4, 24, 2, generator=generator)
    rows = sample_rows(views.people, views.covers, (96, 96), TOKENS, draws)
    flat = views.covers.people.flatten(2)
    for photo in range(4):
        eligible = views.people.present[photo] & (flat[photo].sum(-1) >= 0.5)
        number = int(eligible.sum())
        counts = rows.people[photo].bincount(minlength=len(eligible))
        assert (counts[eligible] == 24 // number).all() and counts[~eligible].sum() == 0
    # Each at one of the person's visible keypoints, on the person.
    points = (views.people.keypoints - 0.5 - 3.5) / 8
    for photo in range(4):
        for token, who, mask in zip(
            rows.tokens[photo], rows.people[photo], rows.masks[photo], strict=True
        ):
            place = torch.stack([token % 12, token // 12])
            near = (points[photo, who] - place).abs().amax(-1) <= 0.51
            assert (near & views.people.counted[photo, who]).any()
            assert mask[token] > 0 and torch.equal(mask, flat[photo, who])
    assert rows.counted.min() == 1 and rows.keys.min() == 1


def test_people_with_masks_alone_and_crowds() -> None:
    """Points inside the mask for the one, nothing for the other, nothing for whom has no mask."""
    photo = read_photo(np.zeros((64, 64, 3), np.uint8))
    left, right = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    left[8:56, 8:24], right[8:56, 40:64] = True, True
    none = np.zeros((17, 2)), np.zeros(17, bool)
    person = LabelledPerson(photo, *none, COCO17, mask=InstanceMask.of_array(left))
    crowd = LabelledPerson(
        photo, *none, COCO17, given_box=Box(40, 8, 24, 48), mask=InstanceMask.of_array(right),
        crowd=True,
    )  # fmt: skip
    bare = LabelledPerson(photo, *none, COCO17, given_box=Box(26, 8, 10, 48))
    labelled = LabelledPhoto(photo, (crowd, person, bare), COCO17)
    data = make_crowd_canvases([of_photo(labelled, LSP14)], 1, 64, owners=True)
    generator = torch.Generator().manual_seed(0)
    views = augment_crowds(data, torch.tensor([0]), LSP14, (64, 64), generator, NONE, token=8)
    assert views.covers is not None and views.people.present.sum() == 2
    rows = sample_rows(
        views.people, views.covers, (64, 64), TOKENS, torch.rand(1, 40, 2, generator=generator)
    )
    col, row = rows.tokens[0] % 8, rows.tokens[0] // 8
    assert set(col.tolist()) == {1, 2} and set(row.tolist()) == {1, 2, 3, 4, 5, 6}
    assert rows.masks[0, 0].unflatten(0, (8, 8))[1:7, 1:3].min() == 1
    assert rows.masks[0].sum(-1).tolist() == [12.0] * 40
    keys = rows.keys[0].unflatten(0, (8, 8))
    assert keys[1:7, 5:].max() == 0 and keys[:, :5].min() == 1
    # Nobody with a mask: no row counts.
    alone = make_crowd_canvases(
        [of_photo(replace(labelled, people=(bare,)), LSP14)], 1, 64, owners=True
    )
    views = augment_crowds(alone, torch.tensor([0]), LSP14, (64, 64), generator, NONE, token=8)
    assert views.covers is not None
    rows = sample_rows(views.people, views.covers, (64, 64), TOKENS, torch.rand(1, 4, 2))
    assert rows.counted.max() == 0


# Training.


class Truth(torch.nn.Module):
    """A network that knows: heatmaps and offsets of the targets, attention of the masks."""

    def __init__(self, task: InstanceTask, photos: CrowdCanvases) -> None:
        super().__init__()
        self.config, self.task, self.photos = TINY, task, photos

    def forward(self, images: torch.Tensor, sizes: torch.Tensor) -> InstanceOutput:
        views = augment_crowds(
            self.photos, torch.arange(len(images)), LSP14, (96, 96),
            torch.Generator().manual_seed(0), NONE, hidden=True, token=8,
        )  # fmt: skip
        draws = torch.rand(len(images), 4, 2)
        truth = self.task.targets(views, (96, 96), TINY, draws, 1.0)
        assert views.covers is not None
        whose = views.covers.people.flatten(2).transpose(1, 2)  # (B, T, P)
        whose = torch.nn.functional.one_hot(whose.argmax(-1), whose.shape[-1]) * (
            whose.amax(-1, keepdim=True) > 0.25
        )
        vectors = 20 * whose[:, None].float()
        return InstanceOutput(truth.heat, truth.offset, vectors, vectors, None)


def test_a_perfect_network_finds_everybody() -> None:
    photos = make_crowd_canvases(
        [of_scene(render_scene(s, size=(96, 96), people=2), LSP14) for s in (1, 2, 3, 5)], 4, 96,
        owners=True,
    )  # fmt: skip
    tiny_entry = replace(entry("instance-attention-small"), build=partial(tiny))
    task = InstanceTask(tiny_entry, photos, photos, NONE, InstanceOptions(hidden=True))
    score = task.validate(Truth(task, photos), Stage((96, 96), 1, 4))
    assert score.name == "OKS AP" and score.value > 80
    assert score.figures["PCK@0.2"] > 85
    # Limbs are thinner than tokens: the rest of a token's mass is background, hardly anybody else.
    assert score.figures["purity"] > 50 and score.figures["others"] < 8
    assert score.figures["IoU"] > 50


@pytest.mark.parametrize("attention", ["none", "mse", "bce-dice"])
def test_a_training_step_of_every_row_of_the_ablation(
    scenes: CrowdCanvases, attention: str
) -> None:
    tiny_entry = replace(entry("instance-attention-small"), build=partial(tiny))
    options = InstanceOptions(attention=attention, rows=6)  # type: ignore[arg-type]
    task = InstanceTask(tiny_entry, scenes, scenes, replace(NONE, scale=0.2, flip=0.5), options)
    model = task.build().train()
    generator = torch.Generator().manual_seed(0)
    stage = Stage((64, 64), 1, 4, 1.5)
    loss = task.loss(model, Step(torch.arange(4), slice(0, 4), stage, generator))
    loss.backward()
    assert torch.isfinite(loss)
    norms = [float(p.grad.norm()) for p in model.parameters() if p.grad is not None]
    assert len(norms) == len(list(model.parameters())) and all(map(math.isfinite, norms))
    again = InstanceTask(tiny_entry, scenes, scenes, task.augmentation, options)
    halves = [
        again.loss(
            tiny().train(),
            Step(torch.arange(4), slice(n, n + 2), stage, torch.Generator().manual_seed(0)),
        )
        for n in (0, 2)
    ]
    assert all(torch.isfinite(half) for half in halves)


def test_it_needs_masks_and_known_losses(scenes: CrowdCanvases) -> None:
    assert "instance" in task_kinds()
    bare = replace(scenes, owners=torch.zeros(4, 0, 0, dtype=torch.uint8))
    with pytest.raises(DataError, match="masks"):
        InstanceTask(entry("instance-attention-small"), bare, bare, NONE)
    with pytest.raises(DataError, match="bce-dice"):
        InstanceOptions(attention="nonsense")  # type: ignore[arg-type]
    assert InstanceOptions(attention="mse").loss == InstanceLoss(attention="mse")
