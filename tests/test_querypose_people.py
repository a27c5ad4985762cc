"""QueryPose as a network to train, to record and to run on photos, on a tiny one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import posekit
from posekit.decode.querypose import decode_people
from posekit.decode.querypose_output import QueryPoseOutput, StageOutput, to_pixels
from posekit.errors import TraceError
from posekit.geometry import Box
from posekit.models.layers.resnet import FrozenBatchNorm2d
from posekit.models.querypose import QueryPose
from posekit.models.querypose_config import COCO_PARTS, LSP_PARTS, SMALL
from posekit.models.querypose_photo import find_people, fitted, prepare
from posekit.models.querypose_zoo import ENTRIES
from posekit.photo import Photo
from posekit.skeleton import COCO17, LSP14
from posekit.trace import Trace
from posekit.weights import save_safetensors
from tests.querypose_official import TINY, as_pose_model, tiny_querypose
from tests.tiny_models import noise_photo

QUERIES, KEYPOINTS = TINY.queries, TINY.skeleton.size


def images(count: int = 2, height: int = 64, width: int = 96, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, height, width, generator=generator)


def only(*queries: int) -> object:
    """Pose these queries of every image."""

    def select(logits: Tensor, _: Tensor) -> Tensor:
        posed = torch.zeros(logits.shape[:2], dtype=torch.bool)
        posed[:, list(queries)] = True
        return posed

    return select


# ---------------------------------------------------------------- the network


def test_shapes_and_ranges() -> None:
    with torch.no_grad():
        output = tiny_querypose()(images())
    assert len(output.stages) == TINY.stages
    for stage in output.stages:
        assert stage.logits.shape == (2, QUERIES, 1)
        assert stage.boxes.shape == (2, QUERIES, 4)
        assert stage.keypoints.shape == stage.sigmas.shape == (2, QUERIES, KEYPOINTS, 2)
        assert stage.posed.all()
        assert ((stage.sigmas > 0) & (stage.sigmas < 1)).all()
        assert ((stage.scores > 0) & (stage.scores < 1)).all()
    assert output.whwh.tolist() == [[96, 64, 96, 64]] * 2


def test_offsets_become_pixels_of_their_box() -> None:
    offsets = torch.tensor([[0.0, 0.0], [-0.5, -0.5], [0.5, 0.25]])
    box = torch.tensor([10.0, 20.0, 30.0, 60.0])
    assert to_pixels(offsets, box).tolist() == [[20, 40], [10, 20], [30, 50]]


def test_rows_of_some_queries_fall_into_their_places() -> None:
    posed = torch.tensor([[False, True, False], [True, False, True]])
    rows = torch.arange(12.0).view(3, 2, 2)
    full = StageOutput.flat(rows, posed)
    assert torch.equal(full[0, 1], rows[0])
    assert torch.equal(full[1, 0], rows[1]) and torch.equal(full[1, 2], rows[2])
    assert (full[~posed] == 0).all()


def test_the_first_boxes_follow_each_images_size() -> None:
    model = QueryPose(TINY)
    sizes = torch.tensor([[64, 96], [40, 50]])
    with torch.no_grad():
        output = model.eval()(images(), sizes)
    expected = [[[0.0, 0.0, 96.0, 64.0]] * QUERIES, [[0.0, 0.0, 50.0, 40.0]] * QUERIES]
    assert output.start.tolist() == expected  # as constructed: the whole image


def test_an_untrained_query_is_nobody() -> None:
    with torch.no_grad():
        scores = QueryPose(TINY).eval()(images()).stages[0].logits.sigmoid()
    assert scores.max() < 0.15  # about 1 in 100, see the paper's focal loss


def test_images_of_a_batch_do_not_meet() -> None:
    model, batch = tiny_querypose(), images(3)
    with torch.no_grad():
        together = model(batch).last
        for i in range(3):
            alone = model(batch[i : i + 1]).last
            torch.testing.assert_close(together.boxes[i], alone.boxes[0], atol=1e-3, rtol=0)
            torch.testing.assert_close(together.keypoints[i], alone.keypoints[0], atol=1e-3, rtol=0)


def test_any_size_is_padded() -> None:
    model = tiny_querypose()
    odd = images(1, 50, 71)
    padded = torch.nn.functional.pad(odd, (0, 96 - 71, 0, 64 - 50))
    with torch.no_grad():
        ours, theirs = model(odd), model(padded, torch.tensor([[50, 71]]))
    assert torch.equal(ours.last.boxes, theirs.last.boxes)


def test_some_queries_get_the_poses_they_get_among_all() -> None:
    model, batch = tiny_querypose(), images()
    with torch.no_grad():
        every, some = model(batch), model(batch, select=only(1, 4))
    for a, b in zip(every.stages, some.stages, strict=True):
        assert torch.equal(a.boxes, b.boxes) and torch.equal(a.logits, b.logits)
        torch.testing.assert_close(a.offsets[:, [1, 4]], b.offsets[:, [1, 4]], atol=1e-5, rtol=0)
        torch.testing.assert_close(a.sigmas[:, [1, 4]], b.sigmas[:, [1, 4]], atol=1e-5, rtol=0)
        assert (b.offsets[:, [0, 2, 3, 5]] == 0).all()
        assert b.posed.nonzero().tolist() == [[0, 1], [0, 4], [1, 1], [1, 4]]


def test_a_query_keeps_its_memory_while_others_are_posed() -> None:
    """The published training hands memories on by place in the list of the matched; here query 2 is
    first in the list at stages 1 and 3 and second at stage 2 without having been posed there."""
    model, batch = tiny_querypose(), images(1)

    def run(chosen: list[tuple[int, ...]]) -> QueryPoseOutput:
        turns = iter(chosen)
        with torch.no_grad():
            return model(batch, select=lambda *args: only(*next(turns))(*args))  # type: ignore[operator]

    alone = run([(2,), (), (2,)]).last.offsets[0, 2]
    among = run([(2, 5), (0, 5), (1, 2)]).last.offsets[0, 2]
    torch.testing.assert_close(alone, among, atol=1e-6, rtol=0)
    assert not torch.allclose(alone, run([(), (2,), (2,)]).last.offsets[0, 2], atol=1e-4)


def test_nobody_posed_is_no_error_in_training() -> None:
    model = tiny_querypose().train()
    output = model(images(), select=lambda logits, _: torch.zeros(logits.shape[:2]).bool())
    assert (output.last.offsets == 0).all() and not output.last.posed.any()
    output.last.boxes.sum().backward()


# ---------------------------------------------------------------- gradients


def loss(output: QueryPoseOutput) -> Tensor:
    return sum(
        (s.logits.square().sum() + s.boxes.sum() + s.offsets.square().sum() + s.sigmas.sum())
        for s in output.stages
    )  # type: ignore[return-value]


def test_every_parameter_learns() -> None:
    model = tiny_querypose(light=False).train()
    with torch.no_grad():  # small and large boxes, lest a level of the pyramid has none
        extent = torch.linspace(0.05, 0.95, QUERIES)
        model.init_proposal_boxes.weight[:, 2:] = extent[:, None]
    loss(model(images(), select=only(0, 3))).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []
    still = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]  # type: ignore[union-attr]
    assert still == []


def test_each_stages_boxes_learn_that_stages_step_alone() -> None:
    model = tiny_querypose()
    output = model(images())
    output.stages[2].boxes.sum().backward()
    deltas = [head.bboxes_delta.weight.grad for head in model.head.head_series]
    assert deltas[0] is None and deltas[1] is None and deltas[2] is not None
    assert model.init_proposal_boxes.weight.grad is None
    output = model(images())
    output.stages[0].boxes.sum().backward()
    assert model.init_proposal_boxes.weight.grad is not None  # the start is learned


def test_poses_teach_no_box() -> None:
    model = tiny_querypose()
    model(images()).last.keypoints.sum().backward()
    assert all(head.bboxes_delta.weight.grad is None for head in model.head.head_series)


def test_a_frozen_trunk_stays() -> None:
    model = QueryPose(replace(TINY, frozen=True)).train()
    norms = [m for m in model.backbone.modules() if isinstance(m, FrozenBatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    loss(model(images())).backward()
    assert norms and all(
        torch.equal(norm.running_mean, old) for norm, old in zip(norms, before, strict=True)
    )
    learning = {n for n, p in model.backbone.named_parameters() if p.grad is not None}
    assert any("bottom_up.layer2" in name for name in learning)
    assert not any(".conv1.weight" in n and "layer" not in n for n in learning)
    assert not any("layer1" in name for name in learning)


def test_half_precision_keeps_coordinates_whole() -> None:
    model = tiny_querypose()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        last = model(images()).last
    assert last.boxes.dtype == last.keypoints.dtype == last.sigmas.dtype == torch.float32
    assert last.keypoints.isfinite().all()


# ---------------------------------------------------------------- configurations


@pytest.mark.parametrize(("parts", "skeleton"), [(COCO_PARTS, COCO17), (LSP_PARTS, LSP14)])
def test_every_keypoint_belongs_to_one_part(parts: object, skeleton: object) -> None:
    config = replace(SMALL, parts=parts, skeleton=skeleton)  # type: ignore[arg-type]
    listed = sorted(k for part in config.part_keypoints for k in part)
    assert listed == list(range(config.skeleton.size))
    assert len(config.part_names) == 7


def test_the_small_one_is_small(tmp_path: Path) -> None:
    file = save_safetensors(ENTRIES["querypose-small"].build(), tmp_path / "small.safetensors")
    assert file.stat().st_size < 16 * 2**20


# ---------------------------------------------------------------- the trace


def recorded(
    model: QueryPose, batch: Tensor, select: object = None
) -> tuple[Trace, QueryPoseOutput]:
    with torch.no_grad(), posekit.record(model) as trace:
        output = model(batch, select=select)
    return trace, output


def test_the_trace_holds_every_stage() -> None:
    trace, output = recorded(tiny_querypose(), images())
    assert list(trace.attentions) == [f"{k}.{t}" for t in (1, 2, 3) for k in ("query", "part")]
    assert {layer.kind for layer in trace.attentions.values()} == {"query", "part"}
    assert trace.instances is not None
    assert trace.instances.places == tuple((i, q) for i in range(2) for q in range(QUERIES))
    layer = trace.attentions["query.2"]
    assert layer.query_grid == layer.key_grid == tuple(f"query {n + 1}" for n in range(QUERIES))
    assert layer.matrix(1).shape == (TINY.heads, QUERIES, QUERIES)
    parts = trace.attentions["part.3"]
    assert parts.query_grid == TINY.part_names
    assert parts.q.shape[0] == 2 * QUERIES and parts.matrix(11).shape == (TINY.heads, 7, 7)
    for t, stage in enumerate(output.stages, start=1):
        boxes = trace.tensors[f"boxes.{t}"]
        torch.testing.assert_close(boxes.values, stage.boxes - 0.5)  # to pixels' centres
        assert boxes.axes == (layer.query_grid, ("left", "top", "right", "bottom"))
        maps = trace.tensors[f"part maps.{t}"]
        assert maps.frame == boxes.name and maps.values.shape == (2 * QUERIES, 7, 8, 8)
        total = maps.values.sum((-1, -2))
        torch.testing.assert_close(total, torch.ones_like(total))
        gates = trace.tensors[f"gates.{t}"]
        assert gates.values.shape == (2 * QUERIES, 7, 2) and gates.axes[0] == TINY.part_names
        poses = trace.tensors[f"poses.{t}"].values.view(2, QUERIES, KEYPOINTS, 2)
        torch.testing.assert_close(poses, stage.keypoints - 0.5)
        scores = trace.tensors[f"scores.{t}"].values
        torch.testing.assert_close(scores, stage.logits.sigmoid()[..., 0])
    assert trace.tensors["boxes.0"].values.shape == (2, QUERIES, 4)
    spread = trace.tensors["sigmas.3"].values.view(2, QUERIES, KEYPOINTS, 2)[1, 4]
    box = output.last.boxes[1, 4]
    torch.testing.assert_close(spread, output.last.sigmas[1, 4] * (box[2:] - box[:2]))


def test_the_layers_of_the_trace_are_what_ran() -> None:
    """The kept vectors make the attention that PyTorch's own layer reports."""
    model = tiny_querypose()
    layer = model.head.head_series[0].self_attn
    theirs = torch.nn.MultiheadAttention(TINY.d, TINY.heads, batch_first=True)
    theirs.load_state_dict(layer.state_dict())
    queries = model.init_proposal_features.weight[None]
    trace, _ = recorded(model, images(1))
    with torch.no_grad():
        _, weights = theirs(queries, queries, queries, average_attn_weights=False)
    torch.testing.assert_close(trace.attentions["query.1"].matrix(), weights[0])


def test_recording_changes_nothing() -> None:
    model, batch = tiny_querypose(), images()
    with torch.no_grad():
        plain = model(batch).last
    _, output = recorded(model, batch)
    assert torch.equal(plain.keypoints, output.last.keypoints)


def test_recording_some_queries_and_joining_batches() -> None:
    model, batch = tiny_querypose(), images(3)
    first, second = (recorded(model, part, only(4, 1))[0] for part in (batch[:1], batch[1:]))
    assert first.instances is not None and first.instances.places == ((0, 1), (0, 4))
    joined = Trace.concatenate([first, second])
    assert joined.instances is not None and joined.instances.images == 3
    assert joined.instances.places == ((0, 1), (0, 4), (1, 1), (1, 4), (2, 1), (2, 4))
    assert joined.tensors["poses.1"].values.shape[0] == 6
    assert joined.tensors["boxes.1"].values.shape[0] == 3
    torch.testing.assert_close(
        joined.attentions["part.2"].matrix(3), second.attentions["part.2"].matrix(1)
    )
    assert joined.nbytes == first.nbytes + second.nbytes
    assert joined.to("cpu").tensors.keys() == joined.tensors.keys()


def test_recording_needs_the_same_queries_at_every_stage() -> None:
    turns = iter([(0,), (1,), (0,)])
    with pytest.raises(TraceError, match="same queries"):
        recorded(
            tiny_querypose(),
            images(),
            lambda *args: only(*next(turns))(*args),  # type: ignore[operator]
        )


def test_gradients_can_be_recorded() -> None:
    model, batch = tiny_querypose(), images(1)
    with torch.no_grad(), posekit.record(model, gradients=True) as trace:
        output = model(batch)
    layer = trace.attentions["part.1"]
    gradient = torch.autograd.grad(output.last.keypoints.sum(), layer.output)[0]  # type: ignore[arg-type]
    assert gradient.shape == layer.output.shape  # type: ignore[union-attr]
    assert gradient.abs().sum() > 0


# ---------------------------------------------------------------- people in photos


def output_of(boxes: list[list[float]], logits: list[float]) -> QueryPoseOutput:
    """One image of 100 x 200, keypoints at the middles of their boxes, sure of themselves."""
    count = len(boxes)
    stage = StageOutput(
        torch.tensor(logits).view(1, count, 1),
        torch.tensor(boxes)[None],
        torch.zeros(1, count, 14, 2),
        torch.full((1, count, 14, 2), 0.25),
        torch.ones(1, count, dtype=torch.bool),
    )
    return QueryPoseOutput((stage,), torch.zeros(1, count, 4), torch.tensor([[100, 200]]))


def test_decoding_scales_clips_and_orders() -> None:
    output = output_of(
        [[-20.0, 10.0, 60.0, 50.0], [100.0, 0.0, 160.0, 90.0], [300.0, 0.0, 400.0, 90.0]],
        [0.0, 2.0, 9.0],
    )
    people = decode_people(output, 0, (200, 400))  # a photo twice as large
    assert [person.query for person in people] == [1, 0]  # the third lies outside
    assert people[1].score == pytest.approx(0.5 * 0.75)
    assert people[1].keypoint_scores == pytest.approx([0.75] * 14)
    assert people[1].box.edges == pytest.approx(Box(0, 20, 120, 80).edges)  # cut to the photo
    # The middle of the uncut box, counted from pixels' centres.
    assert people[1].keypoints[3] == pytest.approx([40 - 0.5, 60 - 0.5])
    assert [p.query for p in decode_people(output, 0, (200, 400), threshold=0.5)] == [1]
    assert [p.query for p in decode_people(output, 0, (200, 400), limit=1)] == [1]
    assert decode_people(output, 0, (200, 400), min_side=130) == ()


def test_numbers_that_are_none_are_nobody() -> None:
    nan = float("nan")
    output = output_of([[nan, 0.0, 10.0, 10.0], [5.0, 5.0, 5.0, 50.0]], [1.0, 1.0])
    assert decode_people(output, 0, (100, 200)) == ()
    output = output_of([[0.0, 0.0, 10.0, 10.0]], [nan])
    assert decode_people(output, 0, (100, 200)) == ()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (800, 1067)),
        ((427, 640), (800, 1199)),
        ((100, 1000), (133, 1333)),
        ((1, 9000), (1, 1333)),
        ((800, 800), (800, 800)),
    ],
)
def test_photos_are_resized_as_published(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(size, 800, 1333) == expected


def test_the_way_from_the_photo_to_the_input() -> None:
    photo = noise_photo(120, 60)
    image, crop = prepare(photo, 64, 96)
    assert image.shape == (1, 3, 96, 48) and crop.size == (96, 48)
    assert crop.to_crop.apply([-0.5, -0.5]) == pytest.approx([-0.5, -0.5])  # edges meet edges
    assert crop.to_crop.apply([59.5, 119.5]) == pytest.approx([47.5, 95.5])
    assert image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (1, 1), (3, 5000), (2000, 3000), (16, 16)])
def test_nobody_in_photos_of_any_size(size: tuple[int, int]) -> None:
    model = as_pose_model(QueryPose(TINY))  # untrained: sure of nobody
    photo = Photo(np.zeros((*size, 3), dtype=np.uint8))
    found = find_people(model, photo, recorded=True)
    assert found.people == ()
    assert found.trace is not None and found.trace.instances is not None
    assert found.trace.instances.places == ()
    assert list(found.trace.attentions) == ["query.1", "query.2", "query.3"]
    everybody = find_people(model, photo, threshold=0.0)
    for person in everybody.people:  # even then nobody is thinner than two pixels
        assert min(person.box.width, person.box.height) > 2
    if min(size) <= 2:
        assert everybody.people == ()


def test_posing_the_confident_alone_finds_the_same_people() -> None:
    model = tiny_querypose()
    with torch.no_grad():
        for head in model.head.head_series:
            head.class_logits.weight *= 30
            head.class_logits.bias.zero_()
    photo = noise_photo(90, 120)
    every = find_people(as_pose_model(model), photo, threshold=0.0, min_side=0.0)
    scores = sorted(person.score for person in every.people)
    assert len(scores) == QUERIES
    threshold = (scores[2] + scores[3]) / 2
    some = find_people(
        as_pose_model(model), photo, threshold=threshold, min_side=0.0, recorded=True
    )
    expected = [person for person in every.people if person.score >= threshold]
    assert [p.query for p in some.people] == [p.query for p in expected] and len(expected) == 3
    for ours, theirs in zip(some.people, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-6)
        np.testing.assert_allclose(ours.keypoints, theirs.keypoints, atol=1e-3)
    assert some.trace is not None and some.trace.instances is not None
    posed = [query for _, query in some.trace.instances.places]
    assert set(p.query for p in expected) <= set(posed) and len(posed) < QUERIES
    # The trace tells of the same keypoints, in pixels of the input.
    best = some.people[0]
    item = some.trace.instances.places.index((0, best.query))
    on_input = some.trace.tensors["poses.3"].values[item].numpy()
    np.testing.assert_allclose(some.crop.to_photo.apply(on_input), best.keypoints, atol=1e-3)
